"""One frozen config says everything about a run: data, model, loss, training, test.

What the presets are, `config_presets` says.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from helpers.config_checks import (
    check_above_zero,
    check_anchors,
    check_gamma,
    check_levels,
    check_mask_size,
    check_not_below_zero,
    check_shares,
    check_sides,
)
from helpers.config_fields import Section, differences, known_fields, plain_to_section
from helpers.config_presets import PRESETS

Preset = Literal["quick", "released", "bench", "paper"]
Merge = Literal["max", "mean", "vote"]
Precision = Literal["auto", "float32", "bf16", "fp16"]  # auto: 16 bits on a GPU, else 32


@dataclass(frozen=True)
class DataConfig(Section):
    """Where pictures and annotations lie. Paths may be absolute or start with outputs/ or data/."""

    name: str = "scenes"  # how tables call it: never "3D-FUTURE" unless it is
    train_annotations: str = "outputs/scenes/quick/GT/train_set.json"  # COCO-style JSON
    train_images: str = "outputs/scenes/quick/train/image"  # folder
    val_annotations: str = "outputs/scenes/quick/GT/val_set.json"  # COCO-style JSON
    val_images: str = "outputs/scenes/quick/val/image"  # folder
    label_space: Literal["fine", "super"] = "fine"  # all classes, or their super-categories
    train_limit: int | None = None  # first n pictures only
    val_limit: int | None = None  # first n pictures only


@dataclass(frozen=True)
class Solov2Config(Section):
    """What is SOLOv2's own (section 9): one range of sizes and one grid for each of five levels."""

    grids: tuple[int, ...] = (40, 36, 24, 16, 12)  # cells along each side
    # px, square root of a box's area, both ends included
    ranges: tuple[tuple[float, float], ...] = (
        (1.0, 96.0),
        (48.0, 192.0),
        (96.0, 384.0),
        (192.0, 768.0),
        (384.0, 2048.0),
    )
    head_channels: int = 512  # of the towers for classes and kernels
    head_convs: int = 4  # of each tower
    mask_channels: int = 128  # inside the mask branch
    kernel_channels: int = 256  # of the mask branch's answer, and so of each dynamic kernel
    deformable: bool = False  # all convolutions of towers and mask branch; the released X101: yes
    dice_weight: float = 3.0  # of the mask loss, against 1 for the classes
    focal_alpha: float = 0.25  # of the class loss
    focal_gamma: float = 2.0  # of the class loss
    candidates: int = 1000  # the best so many get a mask at all: bounds time and memory
    pre_nms: int = 500  # the best so many enter matrix NMS
    keep_score: float = 0.01  # after matrix NMS; released: 0.05 (and test.score_threshold 0.1)
    mask_size: int = 224  # side of the box-relative masks of its detections

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.grids) != 5 or len(self.ranges) != 5:
            raise ValueError(
                f"solov2 has {len(self.grids)} grids and {len(self.ranges)} ranges: give five of "
                "each, one for each level P2..P6"
            )
        check_shares("solov2", self, "focal_alpha", "keep_score")
        check_gamma("solov2", self, "focal_gamma")

    def scaled(self, factor: float) -> Solov2Config:
        """The same with ranges for pictures `factor` times as large; 1.75 for 1400 px."""
        ranges = tuple(
            (low * factor if low > 1 else low, high * factor) for low, high in self.ranges
        )
        return dataclasses.replace(self, ranges=ranges)


@dataclass(frozen=True)
class ModelConfig(Section):
    """Architecture; the defaults are Mask R-CNN R50-FPN (specification, sections 1-5.1)."""

    architecture: Literal["mask_rcnn", "cascade_rcnn", "solov2"] = "mask_rcnn"  # the detector
    backbone: str = "resnet50"  # any timm model with features at strides 4, 8, 16, 32
    pretrained: bool = True  # start from ImageNet weights: an installed package's, or timm's
    norm: Literal["frozen", "eval", "bn", "sync"] = "frozen"  # BatchNorm in the backbone
    frozen_stages: int = 2  # stem counts as 1, layer1 as 2
    stride_in_1x1: bool = False  # Caffe-style ResNets, among them detectron2's R50 and R101
    checkpointing: bool = False  # recompute the backbone in the backward pass: less memory
    deform_stages: tuple[int, ...] = ()  # of c2..c5, with deformable 3x3; the paper's: (3, 4, 5)
    deform_groups: int = 1  # sets of offsets for each deformable convolution
    fpn_channels: int = 256  # of P2..P6
    head_norm: Literal["none", "bn", "sync"] = "none"  # in FPN, 4conv1fc box and conv mask head
    anchor_sizes: tuple[float, ...] = (64.0, 128.0, 256.0, 512.0, 1024.0)  # px, P2..P6
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)  # height / width
    rpn_batch: int = 256  # anchors a picture for the RPN's losses
    rpn_positive: float = 0.5  # share of them, at most
    pre_nms_train: int = 2000  # proposals per level
    pre_nms_test: int = 1000  # proposals per level
    post_nms_train: int = 1000  # proposals a picture
    post_nms_test: int = 1000  # proposals a picture
    roi_batch: int = 512  # RoIs a picture for the losses of boxes and classes
    roi_positive: float = 0.25  # share of them, at most
    roi_canonical: float = 224.0  # px, side of a box pooled from P4
    box_head: Literal["2fc", "4conv1fc"] = "2fc"  # layers before classes and boxes
    box_head_dim: int = 1024  # width of its fully connected layers
    class_agnostic_boxes: bool = False  # a cascade is always agnostic
    mask_head: Literal["conv", "pointrend"] = "conv"  # one grid a RoI, or refined points
    mask_head_convs: int = 4  # of the conv head
    mask_head_dim: int = 256  # channels of the conv head
    mask_size: int = 28  # side of the conv head's masks
    mask_rois: int | None = None  # at most so many foreground RoIs a picture for the mask loss
    mask_train_boxes: Literal["proposals", "predicted"] = "proposals"  # masks are trained in these
    point_levels: tuple[int, ...] = (2,)  # pyramid levels PointRend reads
    coarse_size: int = 7  # side of PointRend's coarse mask
    coarse_dim: int = 1024  # width of its layers
    point_dim: int = 256  # width of the point head
    train_points: int = 196  # points a RoI
    oversample: int = 3  # so many candidates for each point of a RoI in training
    importance: float = 0.75  # share of the points taken where the coarse mask is least certain
    subdivision_steps: int = 5  # doublings from the coarse mask to the final one, 7 -> 224
    subdivision_points: int = 3136  # points a step; 784 is the reference's setting
    solov2: Solov2Config = Solov2Config()  # read by architecture "solov2" alone

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "solov2", plain_to_section(self.solov2, Solov2Config, "model.solov2")
        )
        super().__post_init__()
        check_anchors("model", self.anchor_sizes, self.anchor_ratios)
        check_shares("model", self, "rpn_positive", "roi_positive", "importance")
        check_not_below_zero("model", self, "mask_head_convs", "subdivision_steps")
        counts = ("coarse_size", "train_points", "oversample", "subdivision_points", "mask_rois")
        check_above_zero("model", self, *counts)
        check_levels("model", self.point_levels)
        check_mask_size("model", self.mask_size)


@dataclass(frozen=True)
class LossConfig(Section):
    """Weights and kinds of the losses (section 6; weights 1.1 and 1 are the paper's)."""

    classes: Literal["ce", "focal"] = "ce"  # cross entropy or focal
    masks: Literal["bce", "focal"] = "bce"  # of mask grids and coarse masks
    points: Literal["bce", "focal"] = "bce"  # of PointRend's points
    gamma: float = 2.0  # of every focal term; 0, or 1 and more
    alpha: tuple[float, ...] | None = None  # of the class focal loss, one per class; None: all 1
    mask_weight: float = 1.0  # the paper's: 1.1
    point_weight: float = 1.0  # of PointRend's point loss

    def __post_init__(self) -> None:
        super().__post_init__()
        check_gamma("loss", self, "gamma")
        check_not_below_zero("loss", self, "mask_weight", "point_weight")


@dataclass(frozen=True)
class TrainConfig(Section):
    """Optimiser, schedule, sizes and augmentation (section 7). Exactly one of steps and epochs."""

    steps: int | None = None  # optimiser steps
    epochs: float | None = 44.0  # passes over the training pictures
    batch_size: int = 16  # over all processes
    optimizer: Literal["sgd", "adamw"] = "sgd"  # adamw learns faster from scratch
    lr: float = 0.02  # at batch_size 16; scaled linearly with the batch size
    schedule: Literal["steps", "cosine"] = "steps"  # after the warm-up; cosine ends at zero
    milestones: tuple[float, ...] = (32 / 44, 40 / 44)  # share of the run; lr times 0.1 at each
    warmup_steps: int = 1000  # lr rises to its full value
    warmup_factor: float = 0.001  # share of lr at the first step
    momentum: float = 0.9  # of SGD; beta1 of AdamW
    weight_decay: float = 1e-4  # none on norm parameters
    backbone_lr_factor: float = 1.0  # share of lr for the backbone; below 1 keeps its start
    offset_lr_factor: float = 0.1  # share of lr for the offsets of deformable convolutions
    clip_norm: float = 35.0  # longest gradient, all parameters together
    ema: float = 0.0  # decay of averaged weights to predict with; 0.9998 is usual, 0 keeps none
    precision: Precision = "auto"  # computed in
    compile: bool = False  # torch.compile for backbone and FPN: a slow start, then faster steps
    short_side: tuple[int, int] = (1200, 1500)  # drawn per picture, both ends included
    max_side: int = 1500  # px, no side of a picture is longer
    flip: float = 0.5  # probability of a mirrored picture
    colour: float = 0.1  # brightness, contrast, saturation factors U(1-c, 1+c), each with p 0.5
    blur: float = 0.0  # px, Gaussian blur of sigma U(0, blur) with p 0.5; hurts, says the paper
    rotate: float = 0.0  # degrees, turn by U(-rotate, rotate); hurts, says the paper
    repeat_factor: float = 0.0  # show classes in a smaller share of the pictures more often; 0.01
    seed: int = 0  # of weights, order and augmentation
    workers: int = 2  # loader processes, for each training process
    checkpoint_every: int = 1000  # steps
    keep_empty: bool = False  # train on pictures without instances too

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(
                f"train.steps is {self.steps} and train.epochs is {self.epochs}: give exactly one "
                "of them and set the other to None"
            )
        zero_allowed = ("blur", "rotate", "repeat_factor", "warmup_steps", "workers")
        check_not_below_zero("train", self, *zero_allowed)
        needed = (
            "steps",
            "epochs",
            "batch_size",
            "checkpoint_every",
            "lr",
            "clip_norm",
            "backbone_lr_factor",
        )
        check_above_zero("train", self, *needed)
        check_shares("train", self, "flip", "colour", "warmup_factor", "momentum")
        if not all(0 < share <= 1 for share in self.milestones):
            raise ValueError(
                f"train.milestones is {self.milestones}: give shares of the run between 0 and 1, "
                "say 32/44 = 0.727 for epoch 32 of 44"
            )
        check_sides("train", self.short_side, self.max_side)
        if not 0 <= self.ema < 1:
            raise ValueError(f"train.ema is {self.ema}: give a decay of at least 0 and below 1")


@dataclass(frozen=True)
class TtaConfig(Section):
    """Test-time augmentation (section 8): every picture at every size, plain and mirrored."""

    sizes: tuple[int, ...] = (1000, 1200, 1400, 1600)  # short sides, px
    flip: bool = True  # mirrored, too
    max_side: int = 4000  # px
    merge: Merge = "vote"  # max: the reference's; mean: the paper's words

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sizes or min(self.sizes) < 1 or len(set(self.sizes)) < len(self.sizes):
            raise ValueError(
                f"tta.sizes is {self.sizes}: give different short sides of 1 px or more"
            )

    @staticmethod
    def around(short_side: int) -> TtaConfig:
        """The default sizes in proportion: one below the usual short side, it, and two above."""
        return TtaConfig(sizes=tuple(round(short_side * size / 1200) for size in TtaConfig.sizes))


@dataclass(frozen=True)
class TestConfig(Section):
    """Prediction and evaluation."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    short_side: int = 1200  # px
    max_side: int = 1600  # px
    score_threshold: float = 0.05  # less confident detections are dropped
    nms_threshold: float = 0.5  # IoU
    max_detections: int = 100  # a picture
    precision: Precision = "float32"  # computed in
    preset: Literal["coco", "future3d"] = "future3d"  # rules of the evaluation
    tta: TtaConfig | None = None  # None: one look at each picture

    def __post_init__(self) -> None:
        object.__setattr__(self, "tta", plain_to_section(self.tta, TtaConfig, "test.tta"))
        super().__post_init__()
        check_sides("test", (self.short_side, self.short_side), self.max_side)
        check_shares("test", self, "score_threshold", "nms_threshold")
        check_above_zero("test", self, "max_detections")


@dataclass(frozen=True)
class ExperimentConfig(Section):
    """All of one run. Equal configs have equal hashes and share one run folder."""

    name: str  # of the run
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    test: TestConfig = field(default_factory=TestConfig)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def hash(self) -> str:
        """Eight hex digits of what differs from the defaults; a field added later changes none.

        The name, which the folder of a run carries anyway, is excluded.
        """
        content = differences(self, ExperimentConfig(self.name))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def preset(name: Preset) -> ExperimentConfig:
    """The named starting point. Raises ValueError with the known names when there is none such."""
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}: choose one of {', '.join(PRESETS)}")
    return from_dict(PRESETS[name])


def change(config: ExperimentConfig, **changes: Any) -> ExperimentConfig:
    """A copy with `section__field=value` changes, e.g. change(c, train__lr=0.01, name="low-lr").

    Raises ValueError naming the known fields when a section or field does not exist.
    """
    sections: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for key, value in changes.items():
        section, _, name = key.partition("__")
        _check_known(config, section, name)
        if name:
            sections.setdefault(section, {})[name] = value
        else:
            top[section] = value
    for section, values in sections.items():
        top[section] = dataclasses.replace(getattr(config, section), **values)
    return dataclasses.replace(config, **top)


def from_dict(content: Mapping[str, Any]) -> ExperimentConfig:
    """The config `to_dict` (or the JSON of it) was made from. Fields it lacks get their defaults.

    Raises ValueError for a field that does not exist or has a wrong type.
    """
    flat = {"name": content["name"]}
    for section, values in content.items():
        if isinstance(values, dict):
            flat |= {f"{section}__{name}": value for name, value in values.items()}
    return change(ExperimentConfig(content["name"]), **flat)


def _check_known(config: ExperimentConfig, section: str, name: str) -> None:
    owner = getattr(config, section, None) if name else config
    names = known_fields(owner)
    if (name or section) not in names:
        key = f"{section}.{name}" if name else section
        where = f"section {section!r}" if name and names else "the config"
        names = ", ".join(names or known_fields(config))
        raise ValueError(f"{key!r} is not a field of {where}: choose one of {names}")
