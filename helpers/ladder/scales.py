"""What the presets make of the steps in the paper's tables.

`paper` has the paper's numbers. `bench` makes the same steps with what one GPU trains in minutes:
small backbones stand in, picture sizes keep their proportions (1200 to 1500 becomes 320 to 400).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from helpers.config import (
    DataConfig,
    ExperimentConfig,
    LossConfig,
    Preset,
    Solov2Config,
    change,
    preset,
)
from helpers.files import resolve

Changes = dict[str, Any]


@dataclass(frozen=True)
class Masks:
    """One data set whose training masks exist as released, corrected and, for scenes, exact.

    Validation is always on `val`: the exact masks of scenes, the released ones of 3D-FUTURE.
    """

    name: str  # how tables call the data
    folder: str
    noisy: str
    corrected: str
    true: str | None
    val: str
    val_noisy: str | None
    train_images: str
    val_images: str
    one_in: int = 1  # so many pictures has noisy (or corrected) masks, the others exact ones

    def trained_on(self, masks: str) -> DataConfig:
        """The data section with those training masks."""
        return DataConfig(
            name=self.name,
            train_annotations=masks,
            train_images=self.train_images,
            val_annotations=self.val,
            val_images=self.val_images,
        )


@dataclass(frozen=True)
class Scale:
    """What a preset makes of the paper's steps. Sizes are short sides in px."""

    base: ExperimentConfig
    masks: Masks
    backbones: Mapping[str, str]  # the paper's name -> timm's
    single: int  # training at one size
    multi: tuple[int, int]  # multi-scale training
    solo: tuple[int, int]  # the same for SOLOv2
    solov2: Changes
    resnest: Changes = field(default_factory=dict)  # ResNeSt's own recipe beside the backbone
    cascade_proposals: int = 2000
    blur: float = 1.0  # px, of the aggressive augmentation
    deformable: tuple[int, ...] = (3, 4, 5)  # stages that DCNv2 changes


def scene_masks(folder: str, name: str, *, one_in: int = 1) -> Masks:
    """A noisy set of scenes as `scenes make --noise ...` and `correct-masks` leave it; or, where
    only one picture in so many is to be noisy, as `ladder.data.mix` mixes it with exact masks."""
    files = {
        "noisy": f"{folder}/coco/train.json",
        "corrected": f"{folder}-corrected/coco/train.json",
        "val_noisy": f"{folder}/coco/val.json",
    }
    if one_in > 1:
        files = {kind: f"{folder}-mixed/{kind}.json" for kind in files}
    return Masks(
        name=name,
        folder=folder,
        true=f"{folder}/true/train.json",
        val=f"{folder}/true/val.json",
        train_images=f"{folder}/train/image",
        val_images=f"{folder}/val/image",
        one_in=one_in,
        **files,
    )


def scale(name: Preset) -> Scale:
    """The preset's sizes and backbones. Raises ValueError for a preset that does not exist."""
    made = {"bench": _bench, "paper": _paper}
    if name not in made:
        raise ValueError(f"the ladder has no size {name!r}: choose one of {', '.join(made)}")
    return made[name]()


def focal_loss(scale: Scale) -> LossConfig:
    """The paper's losses: focal for classes and masks, mask loss times 1.1 (section 6).

    Classes are weighted by their counts in the training masks; all alike while those are not there.
    """
    data = scale.masks.trained_on(scale.masks.noisy)
    known = resolve(data.train_annotations).exists()
    data = replace(data, label_space=scale.base.data.label_space)
    return LossConfig(
        classes="focal",
        masks="focal",
        points="focal",
        alpha=_alpha_of(data) if known else None,
        mask_weight=1.1,
    )


@cache
def _alpha_of(data: DataConfig) -> tuple[float, ...]:
    from helpers.models.losses import focal_alpha  # torch is slow to import: most rows do without
    from helpers.training.data import read_split

    index = read_split(data, "train")
    counts = np.bincount(index.labels, minlength=index.taxonomy.num_classes)
    return tuple(round(float(a), 3) for a in focal_alpha(counts.tolist()))


def _bench() -> Scale:
    """One to four minutes a training on an H200 that works on many at once; seven to thirty on two
    CPU cores.

    Naive decoding mislabels 1.4 % of the mask area of a scene of 480 px, two fifths of that in one
    of 1200 px, the size of 3D-FUTURE. So one picture in four has such labels, the others exact
    ones.
    """
    base = change(
        preset("quick"),
        model=replace(
            preset("released").model,
            architecture="mask_rcnn",
            box_head_dim=384,
            frozen_stages=2,
            anchor_sizes=(20.0, 40.0, 80.0, 160.0, 320.0),
        ),
        train__steps=300,
        train__batch_size=16,
        train__lr=0.002,
        train__checkpoint_every=250,
        test__short_side=320,
        test__max_side=400,
        test__max_detections=10,  # twice the things of a picture; predictions stay small
    )
    solov2 = Solov2Config(
        grids=(32, 28, 20, 12, 8),
        head_channels=128,
        head_convs=2,
        mask_channels=64,
        kernel_channels=128,
        mask_size=112,
    )
    return Scale(
        base=base,
        masks=scene_masks("outputs/scenes/ladder", "scenes, 480 px, blended id-maps", one_in=4),
        backbones={
            "ResNet-50": "tf_efficientnet_lite0",
            "ResNeXt-101": "tf_efficientnet_lite1",
            "ResNeSt-101": "tf_efficientnet_lite2",
        },
        single=320,
        multi=(320, 400),
        solo=(320, 427),
        cascade_proposals=300,
        solov2={"model__solov2": solov2.scaled(320 / 1200)},
        deformable=(4, 5),  # c3 of an EfficientNet has no 3x3 convolutions
    )


def _paper() -> Scale:
    base, folder = preset("paper"), "data/3D-FUTURE/holdout"
    return Scale(
        base=base,
        masks=Masks(
            name="3D-FUTURE",
            folder="data/3D-FUTURE",
            noisy=f"{folder}/train.json",
            corrected=f"{folder}-corrected/train.json",
            true=None,
            val=f"{folder}/val.json",
            val_noisy=None,
            train_images=base.data.train_images,
            val_images=base.data.val_images,
        ),
        backbones={
            "ResNet-50": "resnet50",
            "ResNet-101": "resnet101",
            "ResNeXt-101": "resnext101_32x8d",
            "ResNeSt-101": "resnest101e",
            "ResNeSt-200": "resnest200e",
        },
        single=1200,
        multi=(1200, 1500),
        solo=(1200, 1600),
        resnest={
            "model__norm": "sync",
            "model__head_norm": "sync",
            "model__box_head": "4conv1fc",
        },
        solov2={
            "model__backbone": "resnext101_64x4d",
            "model__solov2": Solov2Config(deformable=True),
            "train__epochs": 36.0,
            "train__lr": 0.01,
            "train__milestones": (27 / 36, 33 / 36),
            "train__warmup_steps": 500,
            "train__warmup_factor": 0.01,
        },
        blur=5.0,
    )


def called(sizes: Scale, backbone: str) -> str:
    """The paper's name, who stands in for it, and what comes with it beside the backbone."""
    used, usual = sizes.backbones[backbone], scale("paper").backbones[backbone]
    recipe = sizes.resnest if backbone.startswith("ResNeSt") else {}
    notes = [f"here {used}"] if used != usual else []
    notes += [f"{name.removeprefix('model__')} {value}" for name, value in recipe.items()]
    return f"{backbone} ({', '.join(notes)})" if notes else backbone
