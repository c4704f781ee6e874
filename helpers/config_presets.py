"""The presets, each as a `config.json` could hold it: what differs from the defaults.

quick    a laptop CPU, generated scenes, minutes
own      pictures of one's own, photographs say: `training.own.fit_config` fits the rest to them
released what the released model in data/models was trained with: a CPU, generated scenes, hours
bench    one GPU, generated scenes
paper    3D-FUTURE with the paper's numbers, which are the defaults
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_SMALL = {  # what the two presets for a CPU share: EfficientNet-Lite0 and narrow heads
    "backbone": "tf_efficientnet_lite0",
    "norm": "eval",
    "frozen_stages": 0,
    "fpn_channels": 64,
    "anchor_sizes": (16.0, 32.0, 64.0, 128.0, 256.0),
    "rpn_batch": 64,
    "pre_nms_train": 200,
    "pre_nms_test": 300,
    "post_nms_train": 100,
    "post_nms_test": 150,
    "roi_batch": 32,
    "box_head_dim": 256,
    "mask_rois": 12,
    "mask_head": "pointrend",
    "mask_head_convs": 2,  # where the head is "conv"
    "mask_head_dim": 64,
    "coarse_dim": 256,
    "point_dim": 64,
    "train_points": 98,
    "subdivision_steps": 4,
    "subdivision_points": 784,
}
_QUICK = {
    "name": "quick",
    "data": {"label_space": "super"},
    # the cascade finds tables and chairs; what ImageNet taught stem and c2 stays
    "model": _SMALL | {"architecture": "cascade_rcnn", "frozen_stages": 2},
    "train": {
        "steps": 1000,
        "epochs": None,
        "batch_size": 4,
        "optimizer": "adamw",  # learns faster than SGD in so few steps
        "lr": 0.004,
        "backbone_lr_factor": 0.3,
        "schedule": "cosine",
        "weight_decay": 0.01,
        "warmup_steps": 50,
        "clip_norm": 10.0,
        "short_side": (224, 288),
        "max_side": 288,
        "colour": 0.2,
        "workers": 1,
        "checkpoint_every": 50,
    },
    "test": {"short_side": 272, "max_side": 288},
}
_RELEASED = {
    "name": "released",
    "data": {
        # made by: scenes make --preset released
        "train_annotations": "outputs/scenes/released/GT/train_set.json",
        "train_images": "outputs/scenes/released/train/image",
        "val_annotations": "outputs/scenes/released/GT/val_set.json",
        "val_images": "outputs/scenes/released/val/image",
    },
    "model": _SMALL
    | {
        "architecture": "cascade_rcnn",
        "fpn_channels": 96,
        "rpn_batch": 128,
        "pre_nms_train": 400,
        "pre_nms_test": 400,
        "post_nms_train": 150,
        "roi_batch": 48,
        "box_head_dim": 128,  # three of them weigh as much as one of 384
        "mask_rois": 16,
        "point_dim": 128,
        "train_points": 196,
    },
    "train": _QUICK["train"]
    | {
        "steps": 4000,
        "weight_decay": 0.02,
        "warmup_steps": 100,
        "short_side": (256, 352),
        "max_side": 384,
        "colour": 0.4,
        "blur": 0.7,
        "repeat_factor": 0.05,
        "checkpoint_every": 200,
    },
    "test": {"short_side": 352, "max_side": 512},
}
_OWN = {
    "name": "own",
    "data": {"label_space": "fine"},
    "model": _RELEASED["model"],
    "train": _QUICK["train"] | {"short_side": (256, 352), "max_side": 512, "checkpoint_every": 100},
    "test": {"short_side": 352, "max_side": 512, "preset": "coco"},
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
    {"quick": _QUICK, "own": _OWN, "released": _RELEASED, "bench": _BENCH, "paper": _PAPER}
)
