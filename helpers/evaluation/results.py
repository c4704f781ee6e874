"""Results of a model in COCO's form, checked against the truth before anything is scored.

A result is `{"image_id", "category_id", "segmentation", "bbox", "score"}`; segmentation is RLE in
any form or polygons, bbox [x, y, width, height] in pixels. Both shapes of a file are accepted:
COCO's list and `{"annotations": [...]}`, the form of the 3D-FUTURE challenge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from helpers.evaluation.errors import EvaluationError
from helpers.masks import rle as rles
from helpers.masks.packed import PackedMasks, is_packable
from helpers.masks.rle import Rle, RleError

Results = Sequence[Mapping[str, Any]] | Mapping[str, Any]
Mask = tuple[Rle, int, rles.Box]  # compressed mask, area, box
_SHOWN = 10


def check_results(
    results: Results, truth: Mapping[str, Any], *, masks: bool = True
) -> list[dict[str, Any]]:
    """Validated copies of `results`, in an order that does not depend on the order given.

    Each has compressed RLE text and the area of the mask in pixels (without `masks`, only where the
    box is missing), and bbox as floats, that of the mask where it is missing. Sorted by image,
    category, falling score, then content: equal scores are ranked alike whatever the file's order.
    `truth` is plain COCO ground truth.

    Raises EvaluationError naming up to ten results that are of an unknown image or category, lack
    a score in [0, 1], or have a mask or box that can not be read or does not fit the image.
    """
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    categories = {category["id"] for category in truth["categories"]}
    listed, checked, problems = result_list(results), [], []
    sound = _sound_masks(listed, sizes) if masks else {}
    for position, result in enumerate(listed):
        try:
            mask = sound.get(position)
            checked.append(_checked(result, sizes, categories, mask, masks=masks))
        except (EvaluationError, RleError) as error:
            where = result.get("image_id") if isinstance(result, Mapping) else None
            problems.append(f"result {position} (image_id {where!r:.40}): {error}")
    if problems:
        raise EvaluationError(_joined(problems))
    return sorted(checked, key=_order)


def result_list(results: Results) -> Sequence[Mapping[str, Any]]:
    """The list of results in either shape of a file. EvaluationError for anything else."""
    if isinstance(results, Mapping):
        results = results.get("annotations")
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        raise EvaluationError(
            'results must be a list, or an object {"annotations": [...]}: '
            f"found {type(results).__name__}"
        )
    return results


def truth_as_results(truth: Mapping[str, Any], *, crowds: bool) -> list[dict[str, Any]]:
    """The annotations of plain COCO ground truth as results of score 1, with or without crowds."""
    fields = ("image_id", "category_id", "segmentation", "bbox")
    return [
        {**{field: annotation[field] for field in fields}, "score": 1.0}
        for annotation in truth["annotations"]
        if crowds or not annotation["iscrowd"]
    ]


def _sound_masks(listed: Sequence[Any], sizes: Mapping[int, tuple[int, int]]) -> dict[int, Mask]:
    """Position -> mask, of those there is nothing to say about: the usual ones, all at once."""
    positions, masks = [], []
    for position, result in enumerate(listed):
        rle = result.get("segmentation") if isinstance(result, dict) else None
        image_id = result.get("image_id") if is_packable(rle) else None
        if isinstance(image_id, int) and rle["size"] == [*sizes.get(image_id, ())]:
            positions.append(position)
            masks.append(rle)
    packed = PackedMasks.of(masks)
    rows = zip(masks, packed.areas.tolist(), packed.boxes.tolist(), strict=True)
    measured = zip(positions, packed.sound.tolist(), rows, strict=True)
    return {position: mask for position, sound, mask in measured if sound}


def _checked(
    result: Any,
    sizes: Mapping[int, tuple[int, int]],
    categories: set[int],
    mask: Mask | None,
    *,
    masks: bool,
) -> dict[str, Any]:
    if not isinstance(result, Mapping):
        raise EvaluationError(f"found {type(result).__name__}, not an object")
    image_id = _known(result.get("image_id"), sizes, "image_id", "an image")
    category_id = _known(result.get("category_id"), categories, "category_id", "a category")
    checked = {"image_id": image_id, "category_id": category_id, "score": _score(result)}
    if masks or "bbox" not in result:
        rle, area, box = mask or _mask(result, sizes[image_id])
        checked |= {"segmentation": rle, "area": float(area), "bbox": [float(v) for v in box]}
    if "bbox" in result:
        checked["bbox"] = _box(result["bbox"])
    return checked


def _known(value: Any, known: Iterable[int], name: str, what: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value not in known:
        raise EvaluationError(f"{name} {value!r:.40} is not that of {what} of the ground truth")
    return int(value)


def _score(result: Mapping[str, Any]) -> float:
    score = result.get("score")
    if not _is_number(score) or not 0 <= score <= 1:
        raise EvaluationError(f"score is {score!r:.40}: it must be a number from 0 to 1")
    return float(score)


def _box(box: Any) -> list[float]:
    if not isinstance(box, Iterable) or isinstance(box, str | Mapping):
        raise EvaluationError(f"bbox is {box!r:.60}: it must be [x, y, width, height]")
    values = list(box)
    if len(values) != 4 or not all(_is_number(value) for value in values):
        raise EvaluationError(f"bbox is {values!r:.60}: it must be four finite numbers")
    if values[2] < 0 or values[3] < 0:
        raise EvaluationError(f"bbox is {values!r:.60}: width and height can not be negative")
    return [float(value) for value in values]


def _is_number(value: Any) -> bool:
    """Finite, and neither text nor a truth value; NumPy's numbers count."""
    if type(value) is float:
        return math.isfinite(value)
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        return False
    return math.isfinite(value)


def _mask(result: Mapping[str, Any], size: tuple[int, int]) -> Mask:
    segmentation = result.get("segmentation")
    if isinstance(segmentation, Mapping):
        rle, area, box = rles.examine(segmentation)
    elif isinstance(segmentation, Sequence) and not isinstance(segmentation, str | bytes):
        rle, area, box = rles.examine(rles.from_polygons(segmentation, size))
    else:
        raise EvaluationError("segmentation is missing, or neither RLE nor polygons")
    if tuple(rle["size"]) != size:
        raise EvaluationError(
            f"the mask is [height, width] {rle['size']}, its image is {list(size)}"
        )
    return rle, area, box


def _order(result: Mapping[str, Any]) -> tuple:
    counts = result["segmentation"]["counts"] if "segmentation" in result else ""
    return result["image_id"], result["category_id"], -result["score"], counts, result["bbox"]


def _joined(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return f"results that can not be scored: {'; '.join(problems[:_SHOWN])}{more}"
