"""The presets, each as a `config.json` could hold it: what differs from the defaults.

quick    a laptop CPU, generated scenes, minutes
bench    one GPU, generated scenes
paper    3D-FUTURE with the paper's numbers (specification section 14), which are the defaults
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_QUICK = {
    "name": "quick",
    "data": {"label_space": "super"},
    "model": {
        "backbone": "resnet10t",
        "pretrained": False,
        "norm": "bn",
        "frozen_stages": 0,
        "fpn_channels": 64,
        "anchor_sizes": (10.0, 20.0, 40.0, 80.0, 160.0),
        "rpn_batch": 64,
        "pre_nms_train": 200,
        "pre_nms_test": 200,
        "post_nms_train": 100,
        "post_nms_test": 100,
        "roi_batch": 32,
        "box_head_dim": 256,
        "mask_head_convs": 2,
        "mask_head_dim": 64,
        "mask_rois": 12,
    },
    "train": {
        "steps": 900,
        "epochs": None,
        "batch_size": 4,
        "optimizer": "adamw",  # learns faster from scratch than SGD, by the losses of 100 steps
        "lr": 0.004,
        "schedule": "cosine",
        "weight_decay": 0.01,
        "warmup_steps": 50,
        "clip_norm": 10.0,
        "short_side": (144, 176),
        "max_side": 176,
        "workers": 1,
        "checkpoint_every": 50,
    },
    "test": {"short_side": 160, "max_side": 176},
}
_BENCH = {
    "name": "bench",
    "data": {
        "train_annotations": "outputs/scenes/small/GT/train_set.json",
        "train_images": "outputs/scenes/small/train/image",
        "val_annotations": "outputs/scenes/small/GT/val_set.json",
        "val_images": "outputs/scenes/small/val/image",
    },
    "model": {"anchor_sizes": (32.0, 64.0, 128.0, 256.0, 512.0)},
    "train": {"epochs": 24.0, "short_side": (512, 640), "max_side": 640, "warmup_steps": 500},
    "test": {"short_side": 512, "max_side": 640},
}
_PAPER = {
    "name": "paper",
    "data": {
        "name": "3D-FUTURE",
        # `python -m helpers split data/3D-FUTURE` makes these: the release has no such split
        "train_annotations": "data/3D-FUTURE/holdout/train.json",
        "train_images": "data/3D-FUTURE/train/image",
        "val_annotations": "data/3D-FUTURE/holdout/val.json",
        "val_images": "data/3D-FUTURE/train/image",
    },
}
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"quick": _QUICK, "bench": _BENCH, "paper": _PAPER}
)
