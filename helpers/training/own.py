"""A config for pictures of one's own: the preset `own` fitted to the data and the machine.

`fit_config` looks at the training split and says what it chose and why, a line each. Everything it
chooses is a field of the config, so `change` and the command line have the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from helpers.config import DataConfig, ExperimentConfig, TrainConfig, change, preset
from helpers.data.index import InstanceIndex
from helpers.data.parallel import available_cores
from helpers.files import UserError
from helpers.models.boxes import STRIDES

CORE_SECONDS = 10.0, 2.6  # for a million pixels of a training step: a core without bf16, with it
GPU_SECONDS = 0.25  # for a training step on a GPU, loading included: an H200 takes 0.07 to 0.16
CELLS = np.array(STRIDES)  # px a cell, P2..P6
EPOCHS = 100  # passes over the pictures after which more steps teach little
FEW = 10  # instances of a class below which it is hardly learnt


@dataclass(frozen=True)
class Machine:
    """What a training may use: CPU cores, a GPU's memory in GiB (0: none), bf16 on the CPU."""

    cores: int
    gpu_gib: float = 0.0
    bf16: bool = False

    @staticmethod
    def here() -> Machine:
        """The machine of this process."""
        cores = available_cores()
        if torch.cuda.is_available():
            return Machine(cores, torch.cuda.get_device_properties(0).total_memory / 2**30)
        has = torch.cpu.get_capabilities()
        return Machine(cores, bf16=has.get("avx512_bf16", False) or has.get("amx_bf16", False))

    def __str__(self) -> str:
        cores = f"{self.cores} CPU core{'s' * (self.cores != 1)}"
        return f"{cores} and a GPU of {self.gpu_gib:.0f} GiB" if self.gpu_gib else cores


@dataclass(frozen=True)
class Fitted:
    """A config, why it is so (what is chosen -> reason), and what to beware of. Prints as lines."""

    config: ExperimentConfig
    reasons: Mapping[str, str]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        lines = [*self.reasons.items(), *(("beware", warning) for warning in self.warnings)]
        return "\n".join(f"{what:<11}{why}" for what, why in lines)

    __repr__ = __str__


@dataclass(frozen=True)
class _Facts:
    """What the rules look at. Sides are square roots of box areas, as shares of the short side."""

    pictures: int
    empty: int  # pictures without an instance
    short_side: float  # px, median of the pictures
    elongation: float  # long side / short side that one picture in twenty exceeds
    sides: np.ndarray
    ratios: np.ndarray  # height / width of the boxes
    most: int  # instances in the fullest picture
    mean_instances: float  # in a picture
    counts: np.ndarray  # instances of each class
    names: tuple[str, ...]
    groups: int  # super-categories

    def small_side(self, train: TrainConfig) -> int:
        """px, side that a quarter of the instances stay below at the largest training size."""
        return round(float(np.quantile(self.sides, 0.25)) * train.short_side[1])

    def passes(self, train: TrainConfig) -> float:
        """How often a training shows each picture: passes over the data."""
        return train.steps * train.batch_size / self.pictures

    @staticmethod
    def of(index: InstanceIndex) -> _Facts:
        kept = ~index.crowd
        if not kept.any():
            raise UserError("the training set has no instance to learn from: check its file")
        rows, (width, height) = index.image_rows[kept], index.boxes[kept, 2:].T
        short = np.minimum(index.widths, index.heights)
        shown = np.bincount(rows, minlength=len(index))
        return _Facts(
            pictures=len(index),
            empty=int((shown == 0).sum()),
            short_side=float(np.median(short)),
            elongation=float(np.quantile(np.maximum(index.widths, index.heights) / short, 0.95)),
            sides=np.sqrt(width * height) / short[rows],
            ratios=height / width,
            most=int(shown.max()),
            mean_instances=float(shown.mean()),
            counts=np.bincount(index.labels[kept], minlength=index.taxonomy.num_classes),
            names=index.taxonomy.names,
            groups=index.taxonomy.in_space("super").num_classes,
        )


def fit_config(
    index: InstanceIndex,
    data: DataConfig,
    *,
    minutes: float = 15.0,
    start: str | None = "released",
    machine: Machine | None = None,
) -> Fitted:
    """The preset `own` for the training split `index` of `data`, to be trained in some `minutes`.

    start: "released" or a stored model's file to go on from (`ModelConfig.start`), None for
    ImageNet weights alone; machine: this one. The same call gives the same config. The rules:

    sizes       A quarter of the instances is smaller than q of the short side: the largest short
                side is 32 px / q (64 on a GPU), within 352 and 512 px (640 and 1024 on a GPU), but
                at most four times that of the pictures; the smallest is 8/11 of it.
    anchors     Sizes: the median box in the middle, steps of one factor, up to 2, that reach from
                the fifth to the ninety-fifth hundredth; each 2 to 16 cells of its level. Height /
                width: median, tenth and ninetieth hundredth, at least a factor sqrt(2) apart.
    batch       4 pictures, 8 on a GPU of 6 GiB or more; the learning rate with its square root.
    steps       As many as fit the minutes, but no more than 100 passes over the pictures or 600
                steps, whichever is more, and at least 50.
    classes     Those of the index; shown more often where in less than 1 of 20 pictures; mirrored,
                unless a name speaks of left or right.
    detections  Twice as many as the fullest picture has instances, 20 to 100; proposals and boxes
                drawn for training in proportion.
    empty       Pictures without instances are trained on where they are no more than half.

    Raises UserError when there is no instance, or minutes are not above 0.
    """
    if minutes <= 0:
        raise UserError(f"minutes is {minutes}: give the training time, above 0")
    facts, machine = _Facts.of(index), machine or Machine.here()
    batch = min(8 if machine.gpu_gib >= 6 else 4, facts.pictures - facts.empty)
    sizes = _sizes(facts, machine)
    top, bottom = sizes["train__short_side"][1], sizes["train__short_side"][0]
    middle = (top + bottom) / 2
    anchors = _anchors(facts, middle)
    seconds = step_seconds(batch * middle**2 * (1 + facts.elongation) / 2, machine)
    steps = max(50, min(int(minutes * 60 / seconds), max(600, EPOCHS * facts.pictures // batch)))
    config = change(
        preset("own"),
        data=vars(data),
        name=re.sub(r"[^\w.-]+", "-", data.name) or "own",
        model__start=start,
        **sizes,
        **anchors,
        **_limits(facts),
        train__batch_size=batch,
        train__lr=0.001 * (batch / 4) ** 0.5 * 16 / batch,
        train__steps=steps,
        train__warmup_steps=min(100, steps // 10),
        train__flip=0.0 if _names_a_side(facts.names) else 0.5,
        train__repeat_factor=0.05 if len(facts.names) > 1 else 0.0,
        train__keep_empty=0 < facts.empty <= facts.pictures / 2,
        train__workers=max(1, min(8, machine.cores - 1)) if machine.gpu_gib else 1,
        train__precision="bf16" if machine.bf16 and not machine.gpu_gib else "auto",
    )
    reasons = _reasons(facts, config, machine, seconds)
    return Fitted(config, reasons, tuple(_warnings(facts, config, seconds)))


def step_seconds(pixels: float, machine: Machine) -> float:
    """Seconds of a training step on this many pixels: a rule of thumb, for an idle machine."""
    a_core = CORE_SECONDS[machine.bf16] * pixels / 1e6
    return GPU_SECONDS if machine.gpu_gib else a_core / min(machine.cores, 8)


def _sizes(facts: _Facts, machine: Machine) -> dict[str, Any]:
    wanted, low, high = (64, 640, 1024) if machine.gpu_gib else (32, 352, 512)
    top = np.clip(wanted / np.quantile(facts.sides, 0.25), low, high)
    top = max(64, round(min(top, 4 * facts.short_side) / 32) * 32)
    longest = int(top * min(max(facts.elongation, 1.5), 3))
    return {
        "train__short_side": (top * 8 // 11, top),
        "train__max_side": longest,
        "test__short_side": top,
        "test__max_side": longest,
    }


def _anchors(facts: _Facts, short_side: float) -> dict[str, Any]:
    few, median, many = np.quantile(facts.sides * short_side, [0.05, 0.5, 0.95])
    step = np.clip((many / few) ** 0.25, 1.25, 2)
    sizes = np.clip(median * step ** np.arange(-2.0, 3), 2 * CELLS, 16 * CELLS)
    low, usual, high = np.exp(np.quantile(np.log(facts.ratios), [0.1, 0.5, 0.9]))
    ratios = (min(low, usual / 2**0.5), usual, max(high, usual * 2**0.5))
    return {
        "model__anchor_sizes": tuple(sizes.round().tolist()),
        "model__anchor_ratios": tuple(np.round(ratios, 2).clip(min=0.01).tolist()),
    }


def _limits(facts: _Facts) -> dict[str, Any]:
    """Limits that grow with the number of instances in a picture."""
    detections = int(np.clip(2 * facts.most, 20, 100))
    rois = int(np.clip(8 * facts.mean_instances, 48, 128)) // 16 * 16
    return {
        "test__max_detections": detections,
        "model__post_nms_test": max(150, 3 * detections),
        "model__post_nms_train": max(150, 3 * detections),
        "model__roi_batch": rois,
        "model__mask_rois": rois // 3,
    }


def _names_a_side(names: tuple[str, ...]) -> bool:
    """Whether a mirrored picture would show another class."""
    word = r"(?i:(?<![a-z])(left|right)(?![a-z]))|(Left|Right)(?![a-z])"
    return any(re.search(word, name) for name in names)


def _reasons(
    facts: _Facts, config: ExperimentConfig, machine: Machine, seconds: float
) -> dict[str, str]:
    """What was chosen and why."""
    train, test, kinds = config.train, config.test, len(facts.names)
    sizes, ratios = (
        " ".join(f"{one:g}" for one in both)
        for both in (config.model.anchor_sizes, config.model.anchor_ratios)
    )
    empty = "trained on, as examples of background" if train.keep_empty else "left out"
    bits = {"auto": "16 bits" if machine.gpu_gib else "float32"}.get(train.precision, "bf16")
    return {
        "data": f"{facts.pictures} pictures, median short side {facts.short_side:.0f} px; "
        f"{facts.counts.sum()} instances of {kinds} class{'es' * (kinds != 1)}, at most "
        f"{facts.most} in a picture",
        "machine": f"{machine}, computing in {bits}",
        "sizes": f"short side {train.short_side[0]} to {train.short_side[1]} px, long side at most "
        f"{train.max_side}: three of four instances are then above {facts.small_side(train)} px",
        "anchors": f"{sizes} px, height / width {ratios}: around the boxes' own",
        "steps": f"{train.steps} of {train.batch_size} pictures, about "
        f"{train.steps * seconds / 60:.1f} min here when idle: each picture "
        f"{facts.passes(train):.1f} times",
        "detections": f"at most {test.max_detections} in a picture",
        "mirrored": "half of them" if train.flip else "none: class names say left or right",
        "empty": f"{facts.empty} pictures without an instance" + f", {empty}" * (facts.empty > 0),
        "start": f"the model {config.model.start!r}, where its layers fit"
        if config.model.start
        else "ImageNet weights of the backbone",
    }


def _warnings(facts: _Facts, config: ExperimentConfig, seconds: float) -> Iterator[str]:
    """What cannot go well as it is."""
    if facts.small_side(config.train) < 16:
        yield "instances so small are hard to find: cut the pictures into tiles"
    if facts.passes(config.train) < 3:
        wanted = 3 * facts.pictures / config.train.batch_size * seconds / 60
        yield f"each picture is seen too seldom: {wanted:.0f} minutes would show each three times"
    few = int(((facts.counts > 0) & (facts.counts < FEW)).sum())
    if few:
        joined = ", or join classes by their groups (data.label_space super)"
        yield (
            f"{few} classes have fewer than {FEW} instances, too few to learn: annotate more"
            + joined * (1 < facts.groups < len(facts.names))
        )
    if facts.most > config.test.max_detections:
        yield f"some pictures hold up to {facts.most} instances: raise test.max_detections"
