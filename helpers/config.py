"""One frozen config holds everything about a run: data, model, loss, training, test.

The presets are in `config_presets`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from helpers.config_fields import (
    Count,
    NotNegative,
    Positive,
    Section,
    Share,
    WholeNumber,
    check_known,
    differences,
    known_fields,
)
from helpers.config_presets import PRESETS

Preset = Literal["quick", "own", "released", "bench", "paper"]
Merge = Literal["max", "mean", "vote"]
Precision = Literal["auto", "float32", "bf16", "fp16"]  # auto: 16 bits on a GPU, else 32
ANNOTATIONS = ("train_annotations", "val_annotations")  # fields of the section `data`


def _check_sides(section: TrainConfig | TestConfig, short_side: tuple[int, int]) -> None:
    """Raises ValueError for sizes below 1 px, out of order, or above `max_side`."""
    in_order = 1 <= short_side[0] <= short_side[1]
    section.require(in_order, "short_side", "give px, 1 or more, the smaller first")
    wanted = f"no side may be longer than max_side, {section.max_side} px: raise that, too"
    section.require(short_side[1] <= section.max_side, "short_side", wanted)


def _check_gamma(section: LossConfig | Solov2Config, name: str) -> None:
    """Refuse exponents of the focal loss whose gradient is not finite everywhere."""
    gamma = getattr(section, name)
    wanted = "it has to be 0 (no focus) or at least 1, else the gradient is NaN where p is 1"
    section.require(gamma == 0 or gamma >= 1, name, wanted)


@dataclass(frozen=True)
class DataConfig(Section):
    """Where pictures and annotations lie. Paths may be absolute or start with outputs/ or data/."""

    name: str = "scenes"  # its name in tables: never "3D-FUTURE" unless it is
    train_annotations: str = "outputs/scenes/quick/GT/train_set.json"  # COCO-style JSON
    train_images: str = "outputs/scenes/quick/train/image"  # folder
    val_annotations: str = "outputs/scenes/quick/GT/val_set.json"  # COCO-style JSON
    val_images: str = "outputs/scenes/quick/val/image"  # folder
    label_space: Literal["fine", "super"] = "fine"  # all classes, or their super-categories
    train_limit: Count | None = None  # first n pictures only
    val_limit: Count | None = None  # first n pictures only


@dataclass(frozen=True)
class Solov2Config(Section):
    """What is SOLOv2's own: one range of sizes and one grid for each of the levels P2..P6."""

    grids: tuple[Count, ...] = (40, 36, 24, 16, 12)  # cells along each side
    # px, square root of a box's area, both ends included
    ranges: tuple[tuple[float, float], ...] = (
        (1.0, 96.0),
        (48.0, 192.0),
        (96.0, 384.0),
        (192.0, 768.0),
        (384.0, 2048.0),
    )
    head_channels: Count = 512  # of the towers for classes and kernels
    head_convs: Count = 4  # of each tower
    mask_channels: Count = 128  # inside the mask branch
    kernel_channels: Count = 256  # of the mask branch's output, and so of each dynamic kernel
    deformable: bool = False  # all convolutions of towers and mask branch; the released X101: yes
    dice_weight: NotNegative = 3.0  # of the mask loss, against 1 for the classes
    focal_alpha: Share = 0.25  # of the class loss
    focal_gamma: float = 2.0  # of the class loss
    candidates: Count = 1000  # best cells that get a mask at all: bounds time and memory
    pre_nms: Count = 500  # best ones that enter matrix NMS
    keep_score: Share = 0.01  # after matrix NMS; released: 0.05 (and test.score_threshold 0.1)
    mask_size: Count = 224  # side of the box-relative masks of its detections

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("grids", "ranges"):
            self.require(len(getattr(self, name)) == 5, name, "give five, one for each of P2..P6")
        _check_gamma(self, "focal_gamma")

    def scaled(self, factor: float) -> Solov2Config:
        """The same with ranges for pictures `factor` times as large; 1.75 for 1400 px."""
        ranges = tuple(
            (low * factor if low > 1 else low, high * factor) for low, high in self.ranges
        )
        return dataclasses.replace(self, ranges=ranges)


@dataclass(frozen=True)
class ModelConfig(Section):
    """Architecture; the defaults are Mask R-CNN with a ResNet-50 FPN."""

    architecture: Literal["mask_rcnn", "cascade_rcnn", "solov2"] = "mask_rcnn"  # the detector
    backbone: str = "resnet50"  # a timm model of convolutions, strides 4, 8, 16, 32
    pretrained: bool = True  # start from ImageNet weights: an installed package's, or timm's
    start: str | None = None  # "released", or a model's .safetensors: its layers where they fit
    norm: Literal["frozen", "eval", "bn", "sync"] = "frozen"  # BatchNorm in the backbone
    frozen_stages: WholeNumber = 2  # stem counts as 1, layer1 as 2
    stride_in_1x1: bool = False  # Caffe-style ResNets, among them detectron2's R50 and R101
    checkpointing: bool = False  # recompute the backbone in the backward pass: less memory
    deform_stages: tuple[int, ...] = ()  # of c2..c5, with deformable 3x3; the paper's: (3, 4, 5)
    deform_groups: Count = 1  # sets of offsets for each deformable convolution
    fpn_channels: Count = 256  # of P2..P6
    head_norm: Literal["none", "bn", "sync"] = "none"  # in FPN, 4conv1fc box and conv mask head
    anchor_sizes: tuple[Positive, ...] = (64.0, 128.0, 256.0, 512.0, 1024.0)  # px, P2..P6
    anchor_ratios: tuple[Positive, ...] = (0.5, 1.0, 2.0)  # height / width
    rpn_batch: Count = 256  # anchors a picture for the RPN's losses
    rpn_positive: Share = 0.5  # share of them, at most
    pre_nms_train: Count = 2000  # proposals per level
    pre_nms_test: Count = 1000  # proposals per level
    post_nms_train: Count = 1000  # proposals a picture
    post_nms_test: Count = 1000  # proposals a picture
    roi_batch: Count = 512  # RoIs a picture for the losses of boxes and classes
    roi_positive: Share = 0.25  # share of them, at most
    roi_canonical: Positive = 224.0  # px, side of a box pooled from P4
    box_head: Literal["2fc", "4conv1fc"] = "2fc"  # layers before classes and boxes
    box_head_dim: Count = 1024  # width of its fully connected layers
    class_agnostic_boxes: bool = False  # a cascade is always agnostic
    mask_head: Literal["conv", "pointrend"] = "conv"  # one grid a RoI, or refined points
    mask_head_convs: WholeNumber = 4  # of the conv head
    mask_head_dim: Count = 256  # channels of the conv head, or of PointRend's coarse convolutions
    mask_size: Count = 28  # side of the conv head's masks
    mask_rois: Count | None = None  # most foreground RoIs of a picture in the mask loss
    mask_train_boxes: Literal["proposals", "predicted"] = "proposals"  # masks are trained in these
    point_levels: tuple[int, ...] = (2,)  # pyramid levels PointRend reads
    coarse_size: Count = 7  # side of PointRend's coarse mask
    coarse_dim: Count = 1024  # width of its layers
    point_dim: Count = 256  # width of the point head
    train_points: Count = 196  # points a RoI
    oversample: Count = 3  # candidates for each point of a RoI in training
    importance: Share = 0.75  # share of the points taken where the coarse mask is least certain
    subdivision_steps: WholeNumber = 5  # doublings from the coarse mask to the final one, 7 -> 224
    subdivision_points: Count = 3136  # points a step; 784 is the reference's setting
    solov2: Solov2Config = Solov2Config()  # read by architecture "solov2" alone

    def __post_init__(self) -> None:
        super().__post_init__()
        five = len(self.anchor_sizes) == 5
        self.require(five, "anchor_sizes", "give five sizes in px, one for each of P2..P6")
        self.require(bool(self.anchor_ratios), "anchor_ratios", "give one height / width or more")
        levels = set(self.point_levels)
        known = 0 < len(levels) == len(self.point_levels) and levels <= set(range(2, 7))
        self.require(known, "point_levels", "give one or more of 2, 3, 4, 5, 6, each once")
        even = self.mask_size % 2 == 0
        self.require(even, "mask_size", "give an even number: the head doubles half the side")


@dataclass(frozen=True)
class LossConfig(Section):
    """Weights and kinds of the losses; the paper weights masks by 1.1."""

    classes: Literal["ce", "focal"] = "ce"  # cross entropy or focal
    masks: Literal["bce", "focal"] = "bce"  # of mask grids and coarse masks
    points: Literal["bce", "focal"] = "bce"  # of PointRend's points
    gamma: float = 2.0  # of every focal term; 0, or 1 and more
    alpha: tuple[float, ...] | None = None  # of the class focal loss, one per class; None: all 1
    mask_weight: NotNegative = 1.0  # the paper's: 1.1
    point_weight: NotNegative = 1.0  # of PointRend's point loss

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_gamma(self, "gamma")


@dataclass(frozen=True)
class TrainConfig(Section):
    """Optimiser, schedule, sizes and augmentation. Exactly one of steps and epochs is given."""

    steps: Count | None = None  # optimiser steps
    epochs: Positive | None = 44.0  # passes over the training pictures
    batch_size: Count = 16  # over all processes
    optimizer: Literal["sgd", "adamw"] = "sgd"  # adamw learns faster from scratch
    lr: Positive = 0.02  # at batch_size 16; scaled linearly with the batch size
    schedule: Literal["steps", "cosine"] = "steps"  # after the warm-up; cosine ends at zero
    milestones: tuple[Share, ...] = (32 / 44, 40 / 44)  # share of the run; lr times 0.1 at each
    warmup_steps: WholeNumber = 1000  # lr rises to its full value
    warmup_factor: Share = 0.001  # share of lr at the first step
    momentum: Share = 0.9  # of SGD; beta1 of AdamW
    weight_decay: NotNegative = 1e-4  # none on norm parameters
    backbone_lr_factor: Positive = 1.0  # share of lr for the backbone; below 1 keeps its start
    offset_lr_factor: NotNegative = 0.1  # share of lr for the offsets of deformable convolutions
    clip_norm: Positive = 35.0  # longest gradient, all parameters together
    ema: Share = 0.0  # decay of averaged weights to predict with; 0.9998 is usual, 0 keeps none
    precision: Precision = "auto"  # computed in
    compile: bool = False  # torch.compile for backbone and FPN: a slow start, then faster steps
    short_side: tuple[int, int] = (1200, 1500)  # drawn per picture, both ends included
    max_side: Count = 1500  # px, no side of a picture is longer
    flip: Share = 0.5  # probability of a mirrored picture
    colour: Share = 0.1  # brightness, contrast, saturation factors U(1-c, 1+c), each with p 0.5
    blur: NotNegative = 0.0  # px, sigma U(0, blur) of a Gaussian, p 0.5; hurts, says the paper
    rotate: NotNegative = 0.0  # degrees, turn by U(-rotate, rotate); hurts, says the paper
    photo: Share = 0.0  # strength of crops, clutter, patterns, light, noise, JPEG (data/photo.py)
    repeat_factor: NotNegative = 0.0  # show classes in a smaller share of pictures more often; 0.01
    seed: int = 0  # of weights, order and augmentation
    workers: WholeNumber = 2  # loader processes, for each training process
    checkpoint_every: Count = 1000  # steps
    keep_empty: bool = False  # train on pictures without instances too

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(
                f"train.steps is {self.steps} and train.epochs is {self.epochs}: give exactly one "
                "of them and set the other to None"
            )
        _check_sides(self, self.short_side)
        self.require(self.ema < 1, "ema", "give a decay of at least 0 and below 1")


@dataclass(frozen=True)
class TtaConfig(Section):
    """Test-time augmentation: every picture at every size, plain and mirrored."""

    sizes: tuple[Count, ...] = (1000, 1200, 1400, 1600)  # short sides, px
    flip: bool = True  # mirrored, too
    max_side: Count = 4000  # px
    merge: Merge = "vote"  # max: the reference's; mean: the paper's words

    def __post_init__(self) -> None:
        super().__post_init__()
        different = 0 < len(set(self.sizes)) == len(self.sizes)
        self.require(different, "sizes", "give different short sides in px, one or more")

    @staticmethod
    def around(short_side: int) -> TtaConfig:
        """The default sizes in proportion: one below the usual short side, it, and two above."""
        return TtaConfig(sizes=tuple(round(short_side * size / 1200) for size in TtaConfig.sizes))


@dataclass(frozen=True)
class TestConfig(Section):
    """Prediction and evaluation."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    short_side: Count = 1200  # px
    max_side: Count = 1600  # px
    score_threshold: Share = 0.05  # less confident detections are dropped
    nms_threshold: Share = 0.5  # IoU
    max_detections: Count = 100  # a picture
    precision: Precision = "float32"  # computed in
    preset: Literal["coco", "future3d"] = "future3d"  # rules of the evaluation
    tta: TtaConfig | None = None  # None: one view of each picture

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_sides(self, (self.short_side, self.short_side))


@dataclass(frozen=True)
class ExperimentConfig(Section):
    """All of one run. Equal configs have equal hashes and share one run folder."""

    name: str  # of the run
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    test: TestConfig = field(default_factory=TestConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.architecture == "solov2" and self.test.tta is not None:
            raise ValueError("SOLOv2 has no second stage to average over: set test.tta to None")

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

    A dict given as a section changes the fields it names. Other annotation files than those of
    `config` keep all their classes, unless `data__label_space` says otherwise.
    Raises ValueError naming the known fields when a section or field does not exist, and the type
    wanted when a value has another.
    """
    sections: dict[str, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for key, value in changes.items():
        section, _, name = key.partition("__")
        check_known({section: value}, config, "the config")
        named = {name: value} if name else value
        if isinstance(named, Mapping) and known_fields(getattr(config, section)):
            sections.setdefault(section, {}).update(named)
        else:
            whole[section] = value
    if is_other_data(sections.get("data", {}), config.data):
        sections["data"].setdefault("label_space", "fine")
    for section, values in sections.items():
        whole[section] = _updated(getattr(config, section), values, f"section {section!r}")
    return dataclasses.replace(config, **whole)


def _updated(section: Section, values: Mapping[str, Any], where: str) -> Section:
    """A copy with these fields changed; a dict changes the fields that it names of a section."""
    check_known(values, section, where)
    inner = {
        name: _updated(old, values[name], f"{where}, {name}")
        for name in values
        if known_fields(old := getattr(section, name)) and isinstance(values[name], Mapping)
    }
    return dataclasses.replace(section, **{**values, **inner})


def is_other_data(changes: Mapping[str, Any], data: DataConfig) -> bool:
    """Whether these changes of the section `data` name other annotation files than it has."""
    return any(
        changes.get(name, getattr(data, name)) != getattr(data, name) for name in ANNOTATIONS
    )


def from_dict(content: Mapping[str, Any]) -> ExperimentConfig:
    """The config `to_dict` (or the JSON of it) was made from. Fields it lacks get their defaults.

    Raises ValueError for a field that does not exist or has a wrong type.
    """
    return change(ExperimentConfig(content["name"]), **content)
