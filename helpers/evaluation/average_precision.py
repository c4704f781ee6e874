"""Average precision of masks, mask boundaries and boxes, in named presets.

AP is the mean over IoU .50:.05:.95, 101 recall points, and all classes that occur in the truth.
Tests hold all numbers to pycocotools. Every result carries its preset, because the same predictions
score differently under each (data specification A6).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.data.index import InstanceIndex
from helpers.evaluation.curves import KINDS, Curves, Kind, make_curves
from helpers.evaluation.results import CheckedResults, Results, check_results
from helpers.files import UserError

_LARGEST = 1e10  # px, the end of the last area range
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preset:
    """What is counted: the areas (px) that part small, medium, large; how many detections an image
    and class, most confident first; whether crowd regions are ignored or scored like all others.
    """

    name: str
    small_below: int
    large_above: int
    max_detections: tuple[int, int, int]
    ignore_crowds: bool

    def __str__(self) -> str:
        return (
            f"{self.name} (areas {round(self.small_below**0.5)}^2 and "
            f"{round(self.large_above**0.5)}^2, {self.max_detections[-1]} detections an image and "
            f"class, crowds {'ignored' if self.ignore_crowds else 'scored'})"
        )


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
            f"preset {PRESETS[self.preset]}",
            f"{self.images} images, {self.instances} instances, {self.detections} detections",
            " " * 8 + "".join(f"{name:>7}" for name in names),
        ]
        for kind, metrics in self.metrics.items():
            lines.append(f"{kind:<8}" + "".join(f"{percent(metrics[n]):>7}" for n in names))
        return "\n".join(lines)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None. `from_dict` reads them back."""
        return _replace_nan(asdict(self))

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
    truth: InstanceIndex | Mapping[str, Any],
    results: Results,
    *,
    preset: str = "coco",
    kinds: Sequence[Kind] = KINDS,
) -> Evaluation:
    """Score results against an index, or against plain COCO ground truth as `to_coco` makes it.

    Deterministic, also where scores are equal. For segm and boundary a detection's size is the area
    of its mask; for bbox, of its box. Boundary IoU is the lesser of mask IoU and the IoU of bands
    2 % of the diagonal wide. Detections above the preset's limit are ignored, with a warning.
    Raises UserError for an unknown preset or kind, for a truth without images, annotations or
    categories, and for results that can not be scored.
    """
    if preset not in PRESETS:
        raise UserError(f"no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    unknown = set(kinds) - set(KINDS)
    if unknown or not kinds:
        raise UserError(f"kinds {sorted(unknown)}: choose among {', '.join(KINDS)}")
    coco = truth if isinstance(truth, Mapping) else truth.to_coco()
    _check_truth(coco)
    rules = PRESETS[preset]
    found = check_results(results, coco, masks=set(kinds) != {"bbox"})
    _warn_of_extras(found, rules)
    small, large = rules.small_below, rules.large_above
    curves = make_curves(
        coco,
        found,
        kinds,
        ranges=((0, _LARGEST), (0, small), (small, large), (large, _LARGEST)),
        limits=rules.max_detections,
        ignore_crowds=rules.ignore_crowds,
    )
    counted = [a for a in coco["annotations"] if not (rules.ignore_crowds and a.get("iscrowd"))]
    return Evaluation(
        preset=preset,
        metrics={kind: _metrics(*curves[kind], rules) for kind in kinds},
        classes=_classes(coco["categories"], counted, found, curves),
        images=len(coco["images"]),
        instances=len(counted),
        detections=len(found),
    )


def percent(value: float) -> str:
    """A score as in the tables of papers: 0.5213 is "52.1", NaN is "n/a"."""
    return "n/a" if np.isnan(value) else f"{100 * value:.1f}"


def _check_truth(coco: Mapping[str, Any]) -> None:
    missing = [name for name in ("images", "annotations", "categories") if name not in coco]
    if missing:
        raise UserError(
            f"the truth has no {', '.join(missing)}: give an index, or the content of a COCO file"
        )


def _metrics(precision: NDArray, recall: NDArray, rules: Preset) -> dict[str, float]:
    metrics = _average_precisions(precision[..., 0])
    for area, letter in enumerate("sml", start=1):
        metrics[f"AP{letter}"] = _mean(precision[..., area])
    for limit, number in enumerate(rules.max_detections):
        metrics[f"AR{number}"] = _mean(recall[:, :, 0, limit])
    for area, letter in enumerate("sml", start=1):
        metrics[f"AR{letter}"] = _mean(recall[:, :, area, -1])
    return metrics


def _average_precisions(precision: NDArray) -> dict[str, float]:
    """From (T, R, ...): thresholds are 0.50, 0.55, ... 0.95, so 0.75 is the sixth."""
    return {"AP": _mean(precision), "AP50": _mean(precision[0]), "AP75": _mean(precision[5])}


def _mean(values: NDArray) -> float:
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else float("nan")


def _classes(
    categories: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    found: CheckedResults,
    curves: Mapping[Kind, Curves],
) -> tuple[ClassResult, ...]:
    numbers = found.known.categories
    instances = Counter(annotation["category_id"] for annotation in annotations)
    detections = np.bincount(found.kind, minlength=len(numbers)).tolist()
    return tuple(
        ClassResult(
            category["id"],
            category["name"],
            instances[category["id"]],
            detections[numbers[category["id"]]],
            {
                kind: _average_precisions(precision[:, :, numbers[category["id"]], 0])
                for kind, (precision, _) in curves.items()
            },
        )
        for category in sorted(categories, key=lambda category: category["id"])
    )


def _warn_of_extras(found: CheckedResults, rules: Preset) -> None:
    limit = rules.max_detections[-1]
    _, counts = np.unique(found.key, return_counts=True)
    extra = (counts - limit).clip(min=0).sum()
    if extra:
        _log.warning(
            "preset %s counts %d detections an image and class: %d less confident ones ignored",
            rules.name,
            limit,
            extra,
        )


def _replace_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _restore_nan(metrics: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    return {
        kind: {name: float("nan") if v is None else v for name, v in values.items()}
        for kind, values in metrics.items()
    }
