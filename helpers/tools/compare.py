"""Our models beside detectron2: against its stored numbers, and against the library itself.

detectron2 is optional. Without it the golden files of the tests stand in: what it once answered
for weights and a picture that are a pure function of a name.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from helpers.config import LossConfig, ModelConfig, TestConfig
from helpers.files import ROOT, UserError
from helpers.inference.paste import paste_masks
from helpers.models.build import Detector, build_model
from helpers.structures import Detections
from helpers.tools.bench.timing import Case, measure
from helpers.tools.checkpoints import export_detectron2, load_detectron2
from helpers.tools.detectron2_live import reference_detections, reference_model

GOLDEN = ROOT / "tests" / "golden"
SAME_IOU = 0.5  # boxes of one class that overlap so much are taken for one detection


def golden_table(name: str) -> pd.DataFrame:
    """Each compared quantity of a golden file ("maskrcnn_r50"): worst deviation, tolerance, unit,
    passed. Raises UserError naming the files there are when there is none such."""
    rows = _golden_script().compare(_golden_file(name))
    columns = ("worst", "tolerance", "unit", "passed")
    index = pd.Index([row.name for row in rows], name="quantity")
    return pd.DataFrame({key: [getattr(row, key) for row in rows] for key in columns}, index=index)


@dataclass(frozen=True)
class Pair:
    """One set of weights in two implementations, both on the CPU and in evaluation mode."""

    ours: Detector
    theirs: nn.Module

    def detect(self, image: Tensor) -> dict[str, Detections]:
        """What each finds in an RGB picture (3, H, W), 0..255: "detectron2" and "here"."""
        [found] = self.ours.predict([image])
        return {"detectron2": reference_detections(self.theirs, image), "here": found}

    def seconds(self, image: Tensor) -> dict[str, float]:
        """Median time each takes for a picture, in turns, after one run of each that only warms up.

        Masks on their grids are included, pasting is not.
        """
        both = (
            lambda: self.ours.predict([image]),
            lambda: reference_detections(self.theirs, image),
        )
        timing = measure(Case("a picture", *both), repeats=3, seconds=float("inf"))
        times = {"detectron2": timing.reference_milliseconds, "here": timing.milliseconds}
        return {name: milliseconds / 1000 for name, milliseconds in times.items()}


def golden_pair(name: str) -> Pair:
    """Both on the made-up weights of a golden file, handed over as a detectron2 checkpoint.

    UserError as `golden_table`.
    """
    with np.load(_golden_file(name)) as file:
        golden = dict(file)
    ours = _golden_script().load_model(json.loads(str(golden["meta"])), golden)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pkl"
        export_detectron2(ours, path)
        config = ours.roi_heads.config
        return Pair(ours, reference_model(path, config, num_classes=ours.num_classes))


def checkpoint_pair(
    path: str | Path, *, mask_head: Literal["conv", "pointrend"], num_classes: int
) -> Pair:
    """Both on a checkpoint of detectron2's Mask R-CNN or PointRend R50-FPN (its MSRA weights).

    Raises UserError when the file does not hold exactly these weights.
    """
    config = ModelConfig(
        pretrained=False,
        stride_in_1x1=True,
        anchor_sizes=(32.0, 64.0, 128.0, 256.0, 512.0),
        mask_head=mask_head,
        subdivision_points=784,
    )
    ours = build_model(config, LossConfig(), TestConfig(), num_classes)
    load_detectron2(ours, path)
    return Pair(ours.eval(), reference_model(path, config, num_classes=num_classes))


def agreement(ours: Detections, theirs: Detections) -> dict[str, float]:
    """How far two sets of detections of one picture are apart.

    ours, theirs: numbers of detections; paired: those of one class and box (each of theirs with
    the best of ours); box (px) and score: worst differences of the pairs; mask_iou: their lowest,
    as full-size masks, 1 where both are empty. NaN where nothing is paired.
    """
    result = {"ours": len(ours), "theirs": len(theirs), "paired": 0}
    apart = dict.fromkeys(("box", "score", "mask_iou"), float("nan"))
    if not len(ours) or not len(theirs):
        return result | apart
    overlap = box_iou(theirs.boxes, ours.boxes) * (theirs.labels[:, None] == ours.labels)
    best, partner = overlap.max(dim=1)
    mine, other = ours[partner[best >= SAME_IOU]], theirs[best >= SAME_IOU]
    if not len(mine):
        return result | apart
    a, b = paste_masks(mine), paste_masks(other)
    union = (a | b).sum(dim=(1, 2))
    ious = torch.where(union > 0, (a & b).sum(dim=(1, 2)) / union, 1.0)
    return result | {
        "paired": len(mine),
        "box": float((mine.boxes - other.boxes).abs().max()),
        "score": float((mine.scores - other.scores).abs().max()),
        "mask_iou": float(ious.min()),
    }


def _golden_file(name: str) -> Path:
    path = GOLDEN / f"{name}.npz"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in GOLDEN.glob("*.npz"))) or "none at all"
        raise UserError(f"no golden file {name!r} in {GOLDEN}: there are {known}")
    return path


def _golden_script() -> ModuleType:
    """The script beside the golden files; its folder is on the path while it is imported."""
    sys.path.insert(0, str(GOLDEN))
    try:
        return importlib.import_module("compare")
    finally:
        sys.path.remove(str(GOLDEN))
