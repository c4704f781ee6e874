"""Results of a model in COCO's form, checked against the truth before anything is scored.

A result is `{"image_id", "category_id", "segmentation", "bbox", "score"}`; segmentation is RLE in
any form or polygons, bbox [x, y, width, height] in pixels. Both shapes of a file are accepted:
COCO's list and `{"annotations": [...]}`, the form of the 3D-FUTURE challenge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.data import rle as rles
from helpers.data.rle import Rle
from helpers.files import UserError
from helpers.inference.packed import PackedMasks

Results = Sequence[Mapping[str, Any]] | Mapping[str, Any]
_SHOWN = 10
_FOUR_FLOATS = [float] * 4
_NO_BOX = [math.nan] * 4


@dataclass(frozen=True)
class Known:
    """Images and categories of a truth: id -> number 0, 1, ... in the order of the ids.

    sizes: (height, width) of the images in that order.
    """

    images: Mapping[int, int]
    categories: Mapping[int, int]
    sizes: Sequence[tuple[int, int]]

    @staticmethod
    def of(truth: Mapping[str, Any]) -> Known:
        """`truth` is plain COCO; annotations are not needed."""
        sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
        images, categories = sorted(sizes), sorted({row["id"] for row in truth["categories"]})
        numbered = ({one: n for n, one in enumerate(ids)} for ids in (images, categories))
        return Known(*numbered, [sizes[image_id] for image_id in images])


@dataclass(frozen=True, eq=False)
class CheckedResults:
    """N sound results as columns.

    image, kind: (N,) int64, the numbers that `known` gives image and category; score: (N,) float64;
    boxes: (N, 4) float64 [x, y, width, height] in pixels, that of the mask where there was none;
    masks: N, not sound where they were not looked at.

    Iterating makes each result a dict of plain values again: with compressed RLE, and with `area`,
    the pixels of the mask.
    """

    known: Known
    image: NDArray[np.int64]
    kind: NDArray[np.int64]
    score: NDArray[np.float64]
    boxes: NDArray[np.float64]
    masks: PackedMasks

    @property
    def key(self) -> NDArray[np.int64]:
        """(N,) image and category as one number that sorts by both."""
        return self.image * len(self.known.categories) + self.kind

    def take(self, rows: NDArray[np.int64]) -> CheckedResults:
        """Some of the results, or all in another order."""
        columns = (column[rows] for column in (self.image, self.kind, self.score, self.boxes))
        return CheckedResults(self.known, *columns, self.masks.take(rows))

    def __len__(self) -> int:
        return len(self.score)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        images, categories = list(self.known.images), list(self.known.categories)
        columns = self.image, self.kind, self.score, self.boxes, self.masks.sound, self.masks.areas
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for n, (image, kind, score, box, sound, area) in enumerate(rows):
            row = {"image_id": images[image], "category_id": categories[kind], "score": score}
            if sound:
                row |= {"segmentation": self.masks.rle(n), "area": area}
            yield row | {"bbox": box}


def check_results(
    results: Results, truth: Mapping[str, Any], *, masks: bool = True
) -> CheckedResults:
    """`results` as columns, once nothing is wrong with any of them.

    Sorted by image, category, falling score, then content: equal scores are ranked alike whatever
    the file's order. `truth` is plain COCO ground truth. Without `masks`, those of results that
    have a box are not looked at.

    Raises UserError naming up to ten results that are of an unknown image or category, lack
    a score in [0, 1], or have a mask or box that can not be read or does not fit the image.
    """
    rows, known = result_list(results), Known.of(truth)
    columns, plain, readable = _columns(rows, known, masks=masks)
    if not plain.all():
        rows = _mended(rows, known, plain=plain, readable=readable)
        columns, _, _ = _columns(rows, known, masks=masks)
    return columns.take(_order(columns))


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
    fields = ("image_id", "category_id", "segmentation", "bbox")
    return [
        {**{field: annotation[field] for field in fields}, "score": 1.0}
        for annotation in truth["annotations"]
        if crowds or not annotation["iscrowd"]
    ]


def _columns(
    rows: Sequence[Any], known: Known, *, masks: bool
) -> tuple[CheckedResults, NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows as columns, and two (N,) bool: which rows are plain, which have a mask that is, or that
    is not looked at. Plain is what is sound and of the very types that JSON has for it; the columns
    of a row that is not mean nothing."""
    dicts = [row if isinstance(row, Mapping) else {} for row in rows]
    image = _numbers([row.get("image_id") for row in dicts], known.images)
    kind = _numbers([row.get("category_id") for row in dicts], known.categories)
    scores = [row.get("score") for row in dicts]
    score = np.array([value if type(value) is float else -1.0 for value in scores], np.float64)
    boxed = np.array(["bbox" in row for row in dicts], dtype=bool)
    boxes = _boxes([row.get("bbox") for row in dicts])
    asked = masks | ~boxed
    pairs = zip(dicts, asked.tolist(), strict=True)
    packed = PackedMasks.of([row.get("segmentation") if ask else None for row, ask in pairs])
    sizes = np.array([*known.sizes, (0, 0)], dtype=np.float64)[image]  # the last: unknown images
    readable = ~asked | packed.sound & (packed.sizes == sizes).all(axis=1)
    plain = (image >= 0) & (kind >= 0) & (score >= 0) & (score <= 1) & readable
    plain &= ~boxed | np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] >= 0).all(axis=1)
    boxes = np.where(boxed[:, None], boxes, packed.boxes)
    return CheckedResults(known, image, kind, score, boxes, packed), plain, readable


def _numbers(ids: Sequence[Any], numbers: Mapping[int, int]) -> NDArray[np.int64]:
    """(N,) number of each id, -1 for unknown ones."""
    return np.array([numbers.get(n, -1) if type(n) is int else -1 for n in ids], dtype=np.int64)


def _boxes(boxes: Sequence[Any]) -> NDArray[np.float64]:
    """(N, 4), NaN for what is not a list of four floats."""
    lists = [b if type(b) is list and [*map(type, b)] == _FOUR_FLOATS else _NO_BOX for b in boxes]
    return np.array(lists, dtype=np.float64).reshape(-1, 4)


def _mended(
    rows: Sequence[Any], known: Known, *, plain: NDArray[np.bool_], readable: NDArray[np.bool_]
) -> list[Any]:
    """Rows, all plain. UserError names those that can not be made so."""
    mended, problems = list(rows), []
    for position in np.flatnonzero(~plain).tolist():
        row = rows[position]
        try:
            mended[position] = _plain(row, known, readable=readable[position])
        except UserError as error:
            where = row.get("image_id") if isinstance(row, Mapping) else None
            problems.append(f"result {position} (image_id {where!r:.40}): {error}")
    if problems:
        raise UserError(_joined(problems))
    return mended


def _plain(result: Any, known: Known, *, readable: bool) -> dict[str, Any]:
    if not isinstance(result, Mapping):
        raise UserError(f"found {type(result).__name__}, not an object")
    image_id = _known(result.get("image_id"), known.images, "image_id", "an image")
    category_id = _known(result.get("category_id"), known.categories, "category_id", "a category")
    plain = {"image_id": image_id, "category_id": category_id, "score": _score(result)}
    mask, size = result.get("segmentation"), known.sizes[known.images[image_id]]
    plain["segmentation"] = mask if readable else _mask(mask, size)
    if "bbox" in result:
        plain["bbox"] = _box(result["bbox"])
    return plain


def _known(value: Any, known: Iterable[int], name: str, what: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value not in known:
        raise UserError(f"{name} {value!r:.40} is not that of {what} of the ground truth")
    return int(value)


def _score(result: Mapping[str, Any]) -> float:
    score = result.get("score")
    if not _is_number(score) or not 0 <= score <= 1:
        raise UserError(f"score is {score!r:.40}: it must be a number from 0 to 1")
    return float(score)


def _box(box: Any) -> list[float]:
    if not isinstance(box, Iterable) or isinstance(box, str | Mapping):
        raise UserError(f"bbox is {box!r:.60}: it must be [x, y, width, height]")
    values = list(box)
    if len(values) != 4 or not all(_is_number(value) for value in values):
        raise UserError(f"bbox is {values!r:.60}: it must be four finite numbers")
    if values[2] < 0 or values[3] < 0:
        raise UserError(f"bbox is {values!r:.60}: width and height can not be negative")
    return [float(value) for value in values]


def _is_number(value: Any) -> bool:
    """Finite, and neither text nor a truth value; NumPy's numbers count."""
    if type(value) is float:
        return math.isfinite(value)
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that is too large for a float
        return False


def _mask(segmentation: Any, size: tuple[int, int]) -> Rle:
    if isinstance(segmentation, Mapping):
        rle = rles.normalise(segmentation)
    elif isinstance(segmentation, Sequence) and not isinstance(segmentation, str | bytes):
        rle = rles.from_polygons(segmentation, size)
    else:
        raise UserError("segmentation is missing, or neither RLE nor polygons")
    if tuple(rle["size"]) != size:
        raise UserError(f"the mask is [height, width] {rle['size']}, its image is {list(size)}")
    return rle


def _order(results: CheckedResults) -> NDArray[np.int64]:
    """(N,) rows by image, category, falling score, and where these are equal by content."""
    key, masks, boxes = results.key, results.masks, results.boxes
    order = np.lexsort((-results.score, key))
    equal = (np.diff(key[order]) == 0) & (np.diff(results.score[order]) == 0)
    tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
    ties = np.cumsum(np.append(True, ~equal))[tied]  # the number of the tie each belongs to

    def content(place: int) -> tuple:
        row = order[tied[place]]
        return ties[place], masks.counts(row), boxes[row].tolist()

    order[tied] = order[tied[sorted(range(len(tied)), key=content)]]
    return order


def _joined(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return f"results that can not be scored: {'; '.join(problems[:_SHOWN])}{more}"
