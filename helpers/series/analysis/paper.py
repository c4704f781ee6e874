"""The numbers the paper prints, in one place, to lay beside our own. All are of 3D-FUTURE.

Mask AP in per cent, preset `future3d` of the challenge's evaluator. None of them was made here, and
none can be compared with a number on generated scenes: they say what a step was worth there.
"""

from __future__ import annotations

import pandas as pd

TABLE_1 = (
    ("Mask R-CNN, ResNet-50, mask head 28 x 28", 52.10),
    ("PointRend, ResNet-50", 66.75),
)

TABLE_2 = (
    ("ResNeXt-101", 70.32),
    ("ResNeSt-101", 71.82),
    ("+ DCNv2", 72.76),
    ("+ focal loss", 73.40),
    ("+ mask correction", 74.38),
    ("+ multi-scale training", 75.53),
    ("+ test-time augmentation", 77.12),
)

TABLE_3 = (
    ("A: PointRend, ResNeXt-101", 74.30, 73.10),
    ("B: cascade, ResNeSt-101", 76.64, 74.44),
    ("C: cascade, ResNeSt-101, focal loss", 77.12, 75.86),
    ("D: SOLOv2, ResNeXt-101", 75.50, 74.61),
    ("ensemble A + B + C + D", 78.75, 77.22),
)


def mask_heads() -> pd.DataFrame:
    """Table 1: two mask heads on one backbone, validation set. Columns model, mask_ap."""
    return pd.DataFrame(TABLE_1, columns=["model", "mask_ap"])


def ladder() -> pd.DataFrame:
    """Table 2: the steps one upon the other, validation set. Columns step, mask_ap, gain."""
    table = pd.DataFrame(TABLE_2, columns=["step", "mask_ap"])
    return table.assign(gain=table["mask_ap"].diff())


def ensemble() -> pd.DataFrame:
    """Table 3: the four models and their ensemble. Columns model, val_mask_ap, test_mask_ap."""
    return pd.DataFrame(TABLE_3, columns=["model", "val_mask_ap", "test_mask_ap"])
