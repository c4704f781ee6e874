"""Every row of the paper's tables as a config.

    rungs("quick")            the rows, each with label, table, the paper's number, and its config
    command(rung)             what to type to measure one

Rows that are the same training share one run, which is called after the first of them. Table 2 has
no step that adds the cascade and ends at model C of Table 3, so all its rows are cascades here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

from helpers.config import ExperimentConfig, Preset, change
from helpers.config_fields import differences
from helpers.ladder.reference import Entry, without_class_weights
from helpers.ladder.scales import Changes, Scale, called, focal_loss, scale, tta

Table = Literal["table1", "table2", "table3", "augmentation", "masks"]
BACKBONES = {
    "r50": "ResNet-50",
    "r101": "ResNet-101",
    "x101": "ResNeXt-101",
    "s101": "ResNeSt-101",
    "s200": "ResNeSt-200",
}
MEMBERS = ("member_a", "member_b", "member_c", "member_d")


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

    @property
    def is_its_run(self) -> bool:
        """Whether its score is that of its run: one model that looks at each picture once."""
        return self.config.test.tta is None and self.key != "ensemble"

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
    rows, names = [], {}
    for key, label, table, paper, changes in _rows(sizes):
        config = change(sizes.base, train__seed=seed, **changes)
        trained = replace(config, name="", test=replace(config.test, tta=None))
        name = f"{preset}-{names.setdefault(trained, key)}"
        rows.append(Rung(key, label, table, paper, replace(config, name=name), preset))
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


def _rows(sizes: Scale) -> list[tuple[str, str, Table, float | None, Changes]]:
    return [*_table_1(sizes), *_table_2(sizes), *_table_3(sizes), *_comparisons(sizes)]


def _table_1(sizes: Scale) -> list[tuple[str, str, Table, float | None, Changes]]:
    printed = {  # the other rows are not the paper's
        "mask_rcnn_r50": 52.10,
        "pointrend_r50": 66.75,
        "pointrend_r101": 67.71,
        "pointrend_x101": 70.03,
        "pointrend_s101": 71.82,
    }
    heads = {
        "mask_rcnn": ("Mask R-CNN, 28 x 28", {}),
        "pointrend": ("PointRend", _pointrend(sizes, boxes="predicted")),
    }
    return [
        (
            f"{head}_{short}",
            f"{label}, {called(sizes, backbone)}",
            "table1",
            printed.get(f"{head}_{short}"),
            _plain(sizes) | _backbone(sizes, backbone) | changes,
        )
        for short, backbone in BACKBONES.items()
        if backbone in sizes.backbones
        for head, (label, changes) in heads.items()
    ]


def _table_2(sizes: Scale) -> list[tuple[str, str, Table, float | None, Changes]]:
    steps = _steps(sizes)
    printed = (
        ("x101", called(sizes, "ResNeXt-101"), 70.32),
        ("s101", called(sizes, "ResNeSt-101"), 71.82),
        ("dcn", "+ DCNv2", 72.76),
        ("focal", "+ focal loss", 73.40),
        ("correction", "+ mask correction", 74.38),
        ("mst", "+ multi-scale training", 75.53),
        ("tta", "+ test-time augmentation", 77.12),
    )
    return [(key, label, "table2", paper, steps[key]) for key, label, paper in printed]


def _table_3(sizes: Scale) -> list[tuple[str, str, Table, float | None, Changes]]:
    steps, x101 = _steps(sizes), _backbone(sizes, "ResNeXt-101")
    last = _corrected(sizes) | _sizes(sizes.multi) | {"test__tta": tta(sizes)}
    a = _plain(sizes) | x101 | _pointrend(sizes, boxes="predicted") | _deformable(sizes) | last
    name = called(sizes, "ResNeXt-101")
    return [
        ("member_a", f"A: PointRend, {name}", "table3", 74.30, a),
        ("member_b", "B: C without focal loss", "table3", 76.64, steps["dcn"] | last),
        ("member_c", "C: the last row of table 2", "table3", 77.12, steps["tta"]),
        ("member_d", f"D: SOLOv2, {name}", "table3", 75.50, _solo(sizes)),
        ("ensemble", "ensemble A + B + C + D", "table3", 78.75, a),
    ]


def _comparisons(sizes: Scale) -> list[tuple[str, str, Table, float | None, Changes]]:
    masks, strong = sizes.masks, _steps(sizes)["correction"] | sizes.aggressive
    base = _plain(sizes) | _backbone(sizes, "ResNet-50") | _pointrend(sizes, boxes="predicted")
    rows = [
        ("aggressive", "+ blur and rotation", "augmentation", None, strong),
        ("masks_noisy", "noisy training masks", "masks", None, base),
        ("masks_corrected", "corrected training masks", "masks", None, base | _corrected(sizes)),
    ]
    if masks.true is not None:
        true = base | _trained_on(sizes, masks.true)
        rows.append(("masks_true", "exact training masks", "masks", None, true))
    return rows


def _steps(sizes: Scale) -> dict[str, Changes]:
    """The rows of Table 2, each upon the one before."""
    start = _plain(sizes) | _pointrend(sizes, boxes="proposals")
    start |= {"model__architecture": "cascade_rcnn", **_prefixed("model", sizes.cascade)}
    steps = {"x101": start | _backbone(sizes, "ResNeXt-101")}
    steps["s101"] = start | _backbone(sizes, "ResNeSt-101")
    steps["dcn"] = steps["s101"] | _deformable(sizes)
    steps["focal"] = steps["dcn"] | {"loss": focal_loss(sizes)}
    steps["correction"] = steps["focal"] | _corrected(sizes)
    steps["mst"] = steps["correction"] | _sizes(sizes.multi)
    steps["tta"] = steps["mst"] | {"test__tta": tta(sizes)}
    return steps


def _solo(sizes: Scale) -> Changes:
    base = _plain(sizes) | _backbone(sizes, "ResNeXt-101") | _corrected(sizes)
    own = {"model__architecture": "solov2"} | _deformable(sizes)
    return base | own | sizes.solov2 | _sizes(sizes.solo)


def _plain(sizes: Scale) -> Changes:
    """Masks as released, one size."""
    return _trained_on(sizes, sizes.masks.noisy) | _sizes((sizes.single, sizes.single))


def _corrected(sizes: Scale) -> Changes:
    return _trained_on(sizes, sizes.masks.corrected)


def _trained_on(sizes: Scale, masks: str) -> Changes:
    space = sizes.base.data.label_space
    return {"data": replace(sizes.masks.trained_on(masks), label_space=space)}


def _sizes(short_side: tuple[int, int]) -> Changes:
    return {"train__short_side": short_side, "train__max_side": max(short_side)}


def _backbone(sizes: Scale, name: str) -> Changes:
    recipe = sizes.resnest if name.startswith("ResNeSt") else {}
    return {"model__backbone": sizes.backbones[name], **_prefixed("model", recipe)}


def _deformable(sizes: Scale) -> Changes:
    return {"model__deform_stages": sizes.deformable}


def _pointrend(sizes: Scale, *, boxes: str) -> Changes:
    own = {"mask_head": "pointrend", "mask_train_boxes": boxes}
    return _prefixed("model", own | sizes.pointrend)


def _prefixed(section: str, changes: Changes) -> Changes:
    return {f"{section}__{key}": value for key, value in changes.items()}
