"""Every row of the paper's tables as a config.

    rungs("bench")            the rows, each with label, table, the paper's number, and its config
    command(rung)             what to type to measure one

Rows that are the same training share one run, which is called after the first of them. Table 2 has
no step that adds the cascade and ends at model C of Table 3, so all its rows are cascades here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from helpers.config import ExperimentConfig, Preset, TtaConfig, change
from helpers.config_fields import differences
from helpers.ladder.reference import Entry
from helpers.ladder.scales import Changes, Scale, called, focal_loss, scale

Table = Literal["table1", "table2", "table3", "augmentation", "masks"]
BACKBONES = {
    "r50": "ResNet-50",
    "r101": "ResNet-101",
    "x101": "ResNeXt-101",
    "s101": "ResNeSt-101",
    "s200": "ResNeSt-200",
}
MEMBERS = ("member_a", "member_b", "member_c", "member_d")
ROWS: tuple[tuple[str, Table, str, float | None], ...] = (  # key, table, label, the paper's mask AP
    ("mask_rcnn_r50", "table1", "Mask R-CNN, 28 x 28, {r50}", 52.10),
    ("pointrend_r50", "table1", "PointRend, {r50}", 66.75),
    ("mask_rcnn_r101", "table1", "Mask R-CNN, 28 x 28, {r101}", None),
    ("pointrend_r101", "table1", "PointRend, {r101}", 67.71),
    ("mask_rcnn_x101", "table1", "Mask R-CNN, 28 x 28, {x101}", None),
    ("pointrend_x101", "table1", "PointRend, {x101}", 70.03),
    ("mask_rcnn_s101", "table1", "Mask R-CNN, 28 x 28, {s101}", None),
    ("pointrend_s101", "table1", "PointRend, {s101}", 71.82),
    ("mask_rcnn_s200", "table1", "Mask R-CNN, 28 x 28, {s200}", None),
    ("pointrend_s200", "table1", "PointRend, {s200}", None),
    ("x101", "table2", "{x101}", 70.32),
    ("s101", "table2", "{s101}", 71.82),
    ("dcn", "table2", "+ DCNv2", 72.76),
    ("focal", "table2", "+ focal loss", 73.40),
    ("correction", "table2", "+ mask correction", 74.38),
    ("mst", "table2", "+ multi-scale training", 75.53),
    ("tta", "table2", "+ test-time augmentation", 77.12),
    ("member_a", "table3", "A: PointRend, {x101}", 74.30),
    ("member_b", "table3", "B: C without focal loss", 76.64),
    ("member_c", "table3", "C: the last row of table 2", 77.12),
    ("member_d", "table3", "D: SOLOv2, {x101}", 75.50),
    ("ensemble", "table3", "ensemble A + B + C + D", 78.75),
    ("aggressive", "augmentation", "+ blur and rotation", None),
    ("masks_noisy", "masks", "noisy training masks", None),
    ("masks_corrected", "masks", "corrected training masks", None),
    ("masks_true", "masks", "exact training masks", None),
)


@dataclass(frozen=True)
class Rung:
    """One row. paper: the paper's mask AP on 3D-FUTURE's validation set in per cent, where it
    prints one. `config.test.tta` says how it is looked at; the training is that of `trained`."""

    key: str
    label: str
    table: Table
    paper: float | None
    config: ExperimentConfig
    preset: Preset

    @property
    def trained(self) -> ExperimentConfig:
        """The config of its run: test-time augmentation needs no training of its own."""
        return replace(self.config, test=replace(self.config.test, tta=None))

    @property
    def run_name(self) -> str:
        """Its run's name in the run store."""
        return f"{self.config.name}-{self.trained.hash()}"

    @property
    def seed(self) -> int:
        return self.config.train.seed

    def settings(self) -> dict[str, Any]:
        """All of its config that is not the default, by section, as JSON has it; its name aside.
        Of an ensemble, that of each member by key."""
        if self.key == "ensemble":
            rows = {row.key: row for row in rungs(self.preset, seed=self.seed)}
            return {key: rows[key].settings() for key in MEMBERS}
        return json.loads(json.dumps(differences(self.config, ExperimentConfig(self.config.name))))

    def is_of(self, entry: Entry) -> bool:
        """Whether an entry was measured with this row's config as it is now. Class weights may
        differ: they are known only where the training masks are."""
        mine, theirs = (without_class_weights(one) for one in (self.settings(), entry.config))
        return (entry.rung, entry.seed) == (self.key, self.seed) and mine == theirs


def rungs(preset: Preset, *, seed: int = 0) -> tuple[Rung, ...]:
    """All rows of a preset, in the paper's order. "ensemble" has the config of member A.

    Class weights of the focal rows come from the training masks: while these are not there, all
    classes weigh the same. Raises ValueError for a preset that does not exist.
    """
    sizes = scale(preset)
    changes, rows, names = _changes(sizes), [], {}
    backbones = {
        short: called(sizes, name) for short, name in BACKBONES.items() if name in sizes.backbones
    }
    for key, table, label, paper in ROWS:
        if key in changes:
            config = change(sizes.base, train__seed=seed, **changes[key])
            trained = replace(config, name="", test=replace(config.test, tta=None))
            config = replace(config, name=f"{preset}-{names.setdefault(trained, key)}")
            rows.append(Rung(key, label.format(**backbones), table, paper, config, preset))
    return tuple(rows)


def rung(preset: Preset, key: str, *, seed: int = 0) -> Rung:
    """The row called `key`. Raises ValueError naming those there are when there is none."""
    found = {row.key: row for row in rungs(preset, seed=seed)}
    if key not in found:
        raise ValueError(f"no rung {key!r}: choose among {', '.join(found)}")
    return found[key]


def command(rung: Rung) -> str:
    """What to type to measure a row (and its first seeds), whatever of it is already there."""
    seeds = f" --seeds {rung.seed + 1}" if rung.seed else ""
    return f"python -m helpers ladder --preset {rung.preset} --only {rung.key}{seeds}"


def without_class_weights(config: Mapping[str, Any]) -> dict[str, Any]:
    """`Rung.settings` without the loss's alpha, and without sections that are empty then."""
    nested = {
        name: without_class_weights(value) if isinstance(value, Mapping) else value
        for name, value in config.items()
        if name != "alpha"
    }
    return {name: value for name, value in nested.items() if value != {}}


def _changes(sizes: Scale) -> dict[str, Changes]:
    """What makes each row of the preset's base, by key; rows that it does not have are missing."""
    rows: dict[str, Changes] = {}
    plain = _masks(sizes, sizes.masks.noisy) | _sides(sizes.single, sizes.single)
    plain |= {"model__mask_head": "conv"}
    pointrend = {"model__mask_head": "pointrend", "model__mask_train_boxes": "predicted"}
    backbones = {
        short: plain | {"model__backbone": sizes.backbones[name]} | _recipe(sizes, name)
        for short, name in BACKBONES.items()
        if name in sizes.backbones
    }
    for short, backbone in backbones.items():
        rows[f"mask_rcnn_{short}"] = backbone
        rows[f"pointrend_{short}"] = backbone | pointrend

    cascade = pointrend | {
        "model__architecture": "cascade_rcnn",
        "model__mask_train_boxes": "proposals",
        "model__post_nms_train": sizes.cascade_proposals,
    }
    deformable = {"model__deform_stages": sizes.deformable}
    corrected = _masks(sizes, sizes.masks.corrected)
    tta = {"test__tta": TtaConfig.around(sizes.base.test.short_side)}
    rows["x101"] = backbones["x101"] | cascade
    rows["s101"] = backbones["s101"] | cascade
    rows["dcn"] = rows["s101"] | deformable
    rows["focal"] = rows["dcn"] | {"loss": focal_loss(sizes)}
    rows["correction"] = rows["focal"] | corrected
    rows["mst"] = rows["correction"] | _sides(*sizes.multi)
    rows["tta"] = rows["mst"] | tta

    last = corrected | _sides(*sizes.multi) | tta
    solov2 = deformable | {"model__architecture": "solov2"} | sizes.solov2
    rows["member_a"] = rows["ensemble"] = rows["pointrend_x101"] | deformable | last
    rows["member_b"] = rows["dcn"] | last
    rows["member_c"] = rows["tta"]
    rows["member_d"] = backbones["x101"] | corrected | solov2 | _sides(*sizes.solo)

    blur = {"train__blur": sizes.blur, "train__rotate": 10.0}
    rows["aggressive"] = rows["correction"] | blur
    rows["masks_noisy"] = rows["pointrend_r50"]
    rows["masks_corrected"] = rows["pointrend_r50"] | corrected
    if sizes.masks.true is not None:
        rows["masks_true"] = rows["pointrend_r50"] | _masks(sizes, sizes.masks.true)
    return rows


def _masks(sizes: Scale, annotations: str) -> Changes:
    """Training on those masks."""
    space = sizes.base.data.label_space
    return {"data": replace(sizes.masks.trained_on(annotations), label_space=space)}


def _sides(low: int, high: int) -> Changes:
    """Training at short sides from low to high."""
    return {"train__short_side": (low, high), "train__max_side": high}


def _recipe(sizes: Scale, backbone: str) -> Changes:
    return sizes.resnest if backbone.startswith("ResNeSt") else {}
