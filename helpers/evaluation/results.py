"""Results of a model in COCO's form: checked against the truth before anything is scored.

A result is `{"image_id", "category_id", "segmentation", "bbox", "score"}`; segmentation is RLE in
any form or polygons, bbox [x, y, width, height] in pixels. Both shapes of a file are accepted:
COCO's list and `{"annotations": [...]}`, the form of the 3D-FUTURE challenge.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from helpers.files import UserError

if TYPE_CHECKING:
    from helpers.data.rle import Box, Rle

Results = Sequence[Mapping[str, Any]] | Mapping[str, Any]
FIELDS = ("image_id", "category_id", "segmentation", "bbox", "score")  # of one result
_SHOWN = 10


def check_results(
    results: Results, truth: Mapping[str, Any], *, masks: bool = True
) -> list[dict[str, Any]]:
    """`results` as plain values with compressed RLE and `area`, the pixels of the mask.

    Sorted by image, category, falling score, then content: equal scores are ranked alike whatever
    the file's order. A missing box is that of the mask. `truth` is plain COCO; annotations are not
    needed. Without `masks`, those of results that have a box are not looked at.

    Raises UserError naming up to ten results that are of an unknown image or category, lack a score
    in [0, 1], or have a mask or box that can not be read or does not fit the image.
    """
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    names = {category["id"]: category.get("name", "") for category in truth["categories"]}
    checked, problems = [], []
    for position, row in enumerate(result_list(results)):
        try:
            checked.append(_checked(row, sizes, names, masks))
        except UserError as error:
            where = row.get("image_id") if isinstance(row, Mapping) else None
            problems.append(f"result {position} (image_id {where!r:.40}): {error}")
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise UserError(f"results that can not be scored: {'; '.join(problems[:_SHOWN])}{more}")
    return sorted(checked, key=_rank)


def result_list(results: Results) -> Sequence[Mapping[str, Any]]:
    """The list of results in either shape of a file. UserError for anything else."""
    if isinstance(results, Mapping):
        results = results.get("annotations")
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        raise UserError(
            'results must be a list, or an object {"annotations": [...]}: '
            f"found {type(results).__name__}"
        )
    return results


def truth_as_results(truth: Mapping[str, Any], *, crowds: bool) -> list[dict[str, Any]]:
    """The annotations of plain COCO ground truth as results of score 1, with or without crowds."""
    return [
        {**{field: annotation[field] for field in FIELDS[:-1]}, "score": 1.0}
        for annotation in truth["annotations"]
        if crowds or not annotation["iscrowd"]
    ]


def _rank(result: Mapping[str, Any]) -> tuple:
    mask = result["segmentation"]["counts"] if "segmentation" in result else ""
    return result["image_id"], result["category_id"], -result["score"], mask, result["bbox"]


def _checked(
    row: Any, sizes: Mapping[int, tuple[int, int]], names: Mapping[int, str], masks: bool
) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise UserError(f"found {type(row).__name__}, not an object")
    image_id, category_id = _integer(row, "image_id"), _integer(row, "category_id")
    if image_id not in sizes:
        raise UserError(f"the annotation file has no picture with image_id {image_id}")
    if category_id not in names:
        known = ", ".join(f"{number} {name}" for number, name in names.items())
        raise UserError(f"category_id {category_id} is none of the file's: {known:.300}")
    checked: dict[str, Any] = {"image_id": image_id, "category_id": category_id}
    checked["score"] = _score(row)
    box: Sequence[float] = ()
    if masks or "bbox" not in row:
        mask, area, box = _mask(row.get("segmentation"), sizes[image_id])
        checked |= {"segmentation": mask, "area": area}
    checked["bbox"] = _box(row["bbox"]) if "bbox" in row else [float(value) for value in box]
    return checked


def _integer(row: Mapping[str, Any], field: str) -> int:
    value = row.get(field)
    try:
        return operator.index(None if isinstance(value, bool) else value)
    except TypeError:
        raise UserError(f"{field} is {value!r:.40}: it must be a whole number") from None


def _score(row: Mapping[str, Any]) -> float:
    score = _finite(row.get("score"))
    if not 0 <= score <= 1:
        raise UserError(f"score is {row.get('score')!r:.40}: it must be a number from 0 to 1")
    return score


def _box(box: Any) -> list[float]:
    listed = isinstance(box, Iterable) and not isinstance(box, str | Mapping)
    values = [_finite(value) for value in box] if listed else []
    if len(values) != 4 or math.isnan(sum(values)) or min(values[2:]) < 0:
        raise UserError(
            f"bbox is {box!r:.60}: it must be four finite numbers, x, y, width and height from 0"
        )
    return values


def _finite(value: Any) -> float:
    """The number as a float; NaN for all that is not a finite number."""
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _mask(segmentation: Any, size: tuple[int, int]) -> tuple[Rle, int, Box]:
    from helpers.data.rle import examine, from_polygons  # numba: slow to import

    if isinstance(segmentation, Sequence) and not isinstance(segmentation, str | bytes):
        segmentation = from_polygons(segmentation, size)
    if not isinstance(segmentation, Mapping):
        raise UserError("segmentation is missing, or neither RLE nor polygons")
    examined = examine(segmentation)
    if tuple(examined[0]["size"]) != size:
        raise UserError(
            f"the mask is [height, width] {examined[0]['size']}, its image is {list(size)}"
        )
    return examined
