"""Average precision of masks, mask boundaries and boxes, in named presets, by faster-coco-eval.

AP is the mean over IoU .50:.05:.95, 101 recall points, and all classes that occur in the truth.
Every result carries its preset, because the same predictions score differently under each.
T IoU thresholds, R recall points, K classes, A area ranges, M detection limits.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from helpers.data.index import InstanceIndex
from helpers.data.rle import normalise
from helpers.evaluation.results import Results, check_results
from helpers.files import UserError

if TYPE_CHECKING:
    from faster_coco_eval import COCOeval_faster

Truth = InstanceIndex | Mapping[str, Any]  # the latter is plain COCO, as `to_coco` makes it
Kind = Literal["segm", "boundary", "bbox"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_AP75 = 5  # the sixth of the thresholds 0.50, 0.55, ... 0.95
_LARGEST = 1e10  # px, the end of the last area range
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preset:
    """What is counted: the areas (px) that part small, medium, large; how many detections an image
    and class, most confident first; whether crowd regions are ignored or scored like all others.
    """

    name: str
    small_below: float
    large_above: float
    max_detections: tuple[int, int, int]
    ignore_crowds: bool

    def __str__(self) -> str:
        return (
            f"{self.name} (areas {round(self.small_below**0.5)}^2 and "
            f"{round(self.large_above**0.5)}^2, {self.max_detections[-1]} detections an image and "
            f"class, crowds {'ignored' if self.ignore_crowds else 'scored'})"
        )

    @staticmethod
    def named(name: str) -> Preset:
        """One of PRESETS. UserError with the names there are for any other."""
        if name not in PRESETS:
            raise UserError(f"no preset {name!r}: choose one of {', '.join(PRESETS)}")
        return PRESETS[name]


# future3d: the evaluator of the challenge's organisers, which clears every crowd flag
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "coco": Preset("coco", 32**2, 96**2, (1, 10, 100), ignore_crowds=True),
        "future3d": Preset("future3d", 113**2, 256**2, (1, 5, 10), ignore_crowds=False),
    }
)


@dataclass(frozen=True)
class ClassResult:
    """Scores of one class: kind -> {AP, AP50, AP75}; NaN where the truth has no instance of it."""

    category_id: int
    name: str
    instances: int
    detections: int
    metrics: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Scores of one set of results, 0 to 1; NaN where the truth has nothing to find.

    metrics: kind -> {AP, AP50, AP75, APs, APm, APl, AR<n> for each n of the preset's detection
    limits, ARs, ARm, ARl}. Instances do not count ignored crowds. Prints as a table in percent.
    """

    preset: str
    metrics: Mapping[str, Mapping[str, float]]
    classes: tuple[ClassResult, ...]
    images: int
    instances: int
    detections: int

    def __str__(self) -> str:
        names = [name for name in next(iter(self.metrics.values()), {}) if name[:2] == "AP"]
        lines = [
            f"preset {PRESETS.get(self.preset, self.preset)}",
            f"{self.images} images, {self.instances} instances, {self.detections} detections",
            " " * 8 + "".join(f"{name:>7}" for name in names),
        ]
        for kind, metrics in self.metrics.items():
            lines.append(f"{kind:<8}" + "".join(f"{percent(metrics[n]):>7}" for n in names))
        return "\n".join(lines)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None. `from_dict` reads them back."""
        return json.loads(json.dumps(asdict(self)), parse_constant=lambda nan: None)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Evaluation:
        """The Evaluation that `to_dict` wrote."""
        classes = tuple(
            ClassResult(**{**row, "metrics": _restore_nan(row["metrics"])})
            for row in values["classes"]
        )
        return Evaluation(
            **{**values, "metrics": _restore_nan(values["metrics"]), "classes": classes}
        )


def evaluate(
    truth: Truth,
    results: Results,
    *,
    preset: str | Preset = "coco",
    kinds: Sequence[Kind] = KINDS,
) -> Evaluation:
    """Score results against ground truth.

    Deterministic, also where scores are equal. For segm and boundary a detection's size is the area
    of its mask; for bbox, of its box. Boundary IoU (Cheng et al., CVPR 2021) is the lesser of mask
    IoU and the IoU of bands 2 % of the diagonal wide. Detections above the preset's limit are
    ignored, with a warning. Raises UserError for an unknown preset and for results that cannot be
    scored.
    """
    rules = preset if isinstance(preset, Preset) else Preset.named(preset)
    coco = plain_truth(truth)
    found = check_results(results, coco, masks=set(kinds) != {"bbox"})
    _warn_of_extras(found, rules)
    scored = {kind: run_library(coco, found, kind, rules).eval for kind in kinds}
    counted = [a for a in coco["annotations"] if not (rules.ignore_crowds and a.get("iscrowd"))]
    return Evaluation(
        preset=rules.name,
        metrics={
            kind: _metrics(one["precision"], one["recall"], rules) for kind, one in scored.items()
        },
        classes=_classes(coco["categories"], counted, found, scored),
        images=len(coco["images"]),
        instances=len(counted),
        detections=len(found),
    )


def plain_truth(truth: Truth) -> Mapping[str, Any]:
    """Plain COCO ground truth."""
    return truth if isinstance(truth, Mapping) else truth.to_coco()


def run_library(
    coco: Mapping[str, Any], found: Sequence[Mapping[str, Any]], kind: Kind, rules: Preset
) -> COCOeval_faster:
    """The library's evaluator of one kind after its work, `eval` and `ious` filled in.

    coco: plain ground truth; found: results as `check_results` gives them. Images are numbered from
    1 by id, and annotations from 1 too: the library takes id 0 for "no match".
    """
    from faster_coco_eval import COCO, COCOeval_faster  # slow to import, as what reads masks

    numbers = {n: at for at, n in enumerate(sorted(i["id"] for i in coco["images"]), start=1)}
    images = [{**image, "id": numbers[image["id"]]} for image in coco["images"]]
    categories = sorted(coco["categories"], key=lambda row: row["id"])
    true = [_true_row(a, kind, rules) for a in coco["annotations"] if a["image_id"] in numbers]
    sides = []
    for rows in (true, [_found_row(result, kind) for result in found]):
        for at, row in enumerate(rows, start=1):
            row |= {"id": at, "image_id": numbers[row["image_id"]]}
        sides.append(COCO({"images": images, "categories": categories, "annotations": rows}))
    small, large = rules.small_below, rules.large_above
    ranges = {"small": [0, small], "medium": [small, large], "large": [large, _LARGEST]}
    evaluator = COCOeval_faster(*sides, kind, ranges=ranges)
    evaluator.params.maxDets = list(rules.max_detections)
    evaluator.evaluate()
    return evaluator


def percent(value: float) -> str:
    """A score as in the tables of papers: 0.5213 is "52.1", NaN is "n/a"."""
    return "n/a" if np.isnan(value) else f"{100 * value:.1f}"


def _true_row(annotation: Mapping[str, Any], kind: Kind, rules: Preset) -> dict[str, Any]:
    row = {name: annotation[name] for name in ("image_id", "category_id", "bbox", "area")}
    row["iscrowd"] = int(rules.ignore_crowds and bool(annotation.get("iscrowd")))
    if kind != "bbox":
        row["segmentation"] = normalise(annotation["segmentation"])
    return row


def _found_row(result: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Sizes are those of what is scored: the pixels of the mask, or of the box."""
    box = {"area": result["bbox"][2] * result["bbox"][3]} if kind == "bbox" else {}
    return {**result, **box}


def _metrics(precision: NDArray, recall: NDArray, rules: Preset) -> dict[str, float]:
    """From (T, R, K, A, M) and (T, K, A, M), as they are named in tables."""
    areas, limits = tuple(enumerate("sml", start=1)), enumerate(rules.max_detections)
    return {
        **_average_precisions(precision[:, :, :, 0, -1]),
        **{f"AP{letter}": _mean(precision[:, :, :, area, -1]) for area, letter in areas},
        **{f"AR{number}": _mean(recall[:, :, 0, limit]) for limit, number in limits},
        **{f"AR{letter}": _mean(recall[:, :, area, -1]) for area, letter in areas},
    }


def _average_precisions(precision: NDArray) -> dict[str, float]:
    """From (T, R, ...)."""
    return {"AP": _mean(precision), "AP50": _mean(precision[0]), "AP75": _mean(precision[_AP75])}


def _mean(values: NDArray) -> float:
    """Without the -1 of what has no truth; the library's perfect precision is 1 - 2e-16."""
    valid = values[values > -1]
    return round(float(valid.mean()), 12) if valid.size else float("nan")


def _classes(
    categories: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    scored: Mapping[Kind, Mapping[str, Any]],
) -> tuple[ClassResult, ...]:
    instances, detections = (
        Counter(r["category_id"] for r in rows) for rows in (annotations, found)
    )
    classes = []
    for k, category in enumerate(sorted(categories, key=lambda row: row["id"])):
        number = category["id"]
        precisions = {kind: one["precision"][:, :, k, 0, -1] for kind, one in scored.items()}
        metrics = {kind: _average_precisions(one) for kind, one in precisions.items()}
        counts = instances[number], detections[number]
        classes.append(ClassResult(number, category["name"], *counts, metrics))
    return tuple(classes)


def _warn_of_extras(found: Sequence[Mapping[str, Any]], rules: Preset) -> None:
    limit = rules.max_detections[-1]
    counts = Counter((result["image_id"], result["category_id"]) for result in found)
    extra = sum(max(count - limit, 0) for count in counts.values())
    if extra:
        _log.warning(
            f"preset {rules.name} counts {limit} detections an image and class: {extra} less "
            "confident ones ignored"
        )


def _restore_nan(metrics: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    return {
        kind: {name: float("nan") if v is None else v for name, v in values.items()}
        for kind, values in metrics.items()
    }
