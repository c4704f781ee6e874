"""Results of a model in COCO's form: checked against the truth before anything is scored.

A result is `{"image_id", "category_id", "segmentation", "bbox", "score"}`; segmentation is RLE in
any form or polygons, bbox [x, y, width, height] in pixels. Both shapes of a file are accepted:
COCO's list and `{"annotations": [...]}`, the form of the 3D-FUTURE challenge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from helpers.data.rle import Box, Rle, examine, from_polygons
from helpers.files import UserError, whole_number

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
    in [0, 1], or have a mask or box that cannot be read or does not fit the image.
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
        raise UserError(f"results that cannot be scored: {'; '.join(problems[:_SHOWN])}{more}")
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


def _rank(result: Mapping[str, Any]) -> tuple:
    mask = result["segmentation"]["counts"] if "segmentation" in result else ""
    return result["image_id"], result["category_id"], -result["score"], mask, result["bbox"]


def _checked(
    row: Any, sizes: Mapping[int, tuple[int, int]], names: Mapping[int, str], masks: bool
) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise UserError(f"found {type(row).__name__}, not an object")
    given = {field: row.get(field) for field in FIELDS}
    image_id, category_id = whole_number(given["image_id"]), whole_number(given["category_id"])
    if image_id not in sizes:
        raise UserError(f"the annotation file has no picture {given['image_id']!r:.40}")
    if category_id not in names:
        known = ", ".join(f"{number} {name}" for number, name in names.items())
        raise UserError(
            f"category_id {given['category_id']!r:.40} is none of the file's: {known:.300}"
        )
    [score] = _numbers(given["score"], 1, "score")
    if not 0 <= score <= 1:
        raise UserError(f"score is {score}: it must be from 0 to 1")
    checked: dict[str, Any] = {"image_id": image_id, "category_id": category_id, "score": score}
    box: Sequence[float] = ()
    if masks or "bbox" not in row:
        mask, area, box = _mask(given["segmentation"], sizes[image_id])
        checked |= {"segmentation": mask, "area": area}
    checked["bbox"] = _numbers(row.get("bbox", box), 4, "bbox")
    if min(checked["bbox"][2:]) < 0:
        raise UserError(f"bbox is {checked['bbox']}: width and height must be from 0")
    return checked


def _numbers(value: Any, count: int, field: str) -> list[float]:
    """One number, or a list of them, as floats. UserError unless there are `count` finite ones."""
    try:
        numbers = np.atleast_1d(np.asarray(value))
        if numbers.dtype.kind in "iuf" and numbers.shape == (count,) and np.isfinite(numbers).all():
            return numbers.astype(float).tolist()
    except ValueError:  # lists of several lengths
        pass
    raise UserError(f"{field} is {value!r:.60}: it must be {count} finite numbers")


def _mask(segmentation: Any, size: tuple[int, int]) -> tuple[Rle, int, Box]:
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
