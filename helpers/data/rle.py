"""Run-length encoded masks, safely: the format of COCO, with every input checked before use.

A mask of H x W pixels is read column by column (x slowest) as runs of 0, 1, 0, 1, ... pixels. The
compressed form packs the run lengths into text. pycocotools is fast at both but trusts what it is
given: short runs read uninitialised memory, a NaN in a polygon ends the process. So everything is
checked here first, and nothing else of the project calls it with foreign input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import pycocotools.mask as coco_mask
from numpy.typing import NDArray

from helpers.data.polygons import checked_ring, inside
from helpers.data.run_lengths import check_sum, extent, integers, paint, unpack, without_empty_runs
from helpers.files import UserError

MAX_PIXELS = 2**28  # more than Pillow opens
MAX_SIDE = 2**20

Box = tuple[int, int, int, int]  # x, y, width, height in pixels


class Rle(TypedDict):
    """`size` is [height, width]; `counts` the compressed run lengths as text."""

    size: list[int]
    counts: str


def encode(mask: NDArray[Any]) -> Rle:
    """Compress a (H, W) mask; anything not zero is foreground."""
    if mask.ndim != 2:
        raise UserError(f"a mask has two dimensions (H, W), this array has shape {mask.shape}")
    size = _checked_size(mask.shape)
    return _as_text(coco_mask.encode(np.asfortranarray(mask != 0, dtype=np.uint8)), size)


def decode(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The (H, W) bool mask. Raises UserError when the runs do not fill the size exactly."""
    counts, (height, width) = runs(rle), _checked_size(rle["size"])
    return _painted(counts, (0, 0, width, height), height)


def decode_box(rle: Mapping[str, Any], box: Box) -> NDArray[np.bool_]:
    """The mask inside `box` (x, y, w, h; integer pixels inside the picture) alone: (h, w) bool.

    Costs as much as the box, not as the whole picture.
    """
    (x, y, w, h), (height, width) = box, _checked_size(rle["size"])
    if not (0 <= x <= x + w <= width and 0 <= y <= y + h <= height):
        raise UserError(f"box {tuple(box)} does not lie inside a mask of {width}x{height}")
    return _painted(runs(rle), (x, y, w, h), height)


def _painted(counts: NDArray[np.int64], box: Box, height: int) -> NDArray[np.bool_]:
    x, y, w, h = box
    columns = np.zeros((w, h), bool)
    paint(columns, counts, x, y, height)
    return columns.T


def runs(rle: Mapping[str, Any]) -> NDArray[np.int64]:
    """Run lengths of 0, 1, 0, ... pixels, from any of the three forms: list, text, bytes.

    Raises UserError when they are malformed, negative, or do not sum to height times width.
    """
    if not isinstance(rle, Mapping) or "size" not in rle or "counts" not in rle:
        raise UserError("an RLE mask needs the keys 'size' and 'counts'")
    height, width = _checked_size(rle["size"])
    counts = rle["counts"]
    values = unpack(counts) if isinstance(counts, str | bytes) else integers(counts)
    check_sum(values, height=height, width=width)
    return values


def normalise(rle: Mapping[str, Any]) -> Rle:
    """Any valid RLE as compressed text without runs of length 0 (the first run excepted)."""
    return _normalised(rle, runs(rle))


def examine(rle: Mapping[str, Any]) -> tuple[Rle, int, Box]:
    """`normalise` and `measure` in one pass: (compressed mask, area, box)."""
    counts = runs(rle)
    return _normalised(rle, counts), *_measured(counts, int(rle["size"][0]))


def from_runs(counts: NDArray[np.integer[Any]] | Sequence[int], size: Sequence[int]) -> Rle:
    """Compress run lengths, checked as by `runs`."""
    height, width = _checked_size(size)
    return normalise({"size": [height, width], "counts": counts})


def from_polygons(rings: Sequence[Sequence[float]], size: Sequence[int]) -> Rle:
    """The union of closed rings [x1, y1, x2, y2, ...] in pixels, clipped to the picture.

    Each ring is filled as pycocotools fills it (even-odd on a grid five times finer), so a ring
    that crosses itself leaves its doubly wound parts empty. Holes can not be said with polygons.
    Raises UserError for a ring of fewer than three points, an odd number of coordinates, or one
    that is not a finite number.
    """
    height, width = _checked_size(size)
    if not rings:
        raise UserError("a mask of polygons needs at least one ring")
    parts = [inside(checked_ring(ring), height, width) for ring in rings]
    flat = [part.ravel().tolist() for part in parts if len(part) >= 3]
    if not flat:
        return from_runs([height * width], (height, width))
    packed = coco_mask.merge(coco_mask.frPyObjects(flat, height, width), intersect=False)
    return normalise(_as_text(packed, (height, width)))


def measure(rle: Mapping[str, Any]) -> tuple[int, Box]:
    """Area in pixels and tight box (x, y, w, h); an empty mask has area 0 and box (0, 0, 0, 0)."""
    return _measured(runs(rle), int(rle["size"][0]))


def _measured(counts: NDArray[np.int64], height: int) -> tuple[int, Box]:
    pixels, *box = extent(counts, height)
    return pixels, tuple(box)


def area(rle: Mapping[str, Any]) -> int:
    """Number of foreground pixels."""
    return int(runs(rle)[1::2].sum())


def bbox(rle: Mapping[str, Any]) -> Box:
    """Tight box (x, y, w, h) in pixels; (0, 0, 0, 0) for an empty mask."""
    return measure(rle)[1]


def merge(rles: Sequence[Mapping[str, Any]], *, intersect: bool = False) -> Rle:
    """Union (or intersection) of masks of one size; UserError for none, or for several sizes."""
    checked = _same_size(rles)
    if not checked:
        raise UserError("merge needs at least one mask")
    return _as_text(coco_mask.merge(checked, intersect=intersect), tuple(checked[0]["size"]))


def iou(
    detections: Sequence[Mapping[str, Any]],
    truths: Sequence[Mapping[str, Any]],
    *,
    crowd: Sequence[bool] | None = None,
) -> NDArray[np.float64]:
    """Intersection over union, (D, T); for a crowd truth, over the detection's area instead."""
    if crowd is not None and len(crowd) != len(truths):
        raise UserError(f"{len(truths)} truths but {len(crowd)} crowd flags")
    if not len(detections) or not len(truths):
        return np.zeros((len(detections), len(truths)))
    checked = _same_size([*detections, *truths])
    found, true = checked[: len(detections)], checked[len(detections) :]
    flags = [0] * len(true) if crowd is None else [int(c) for c in crowd]
    return np.asarray(coco_mask.iou(found, true, flags), dtype=np.float64)


def _normalised(rle: Mapping[str, Any], counts: NDArray[np.int64]) -> Rle:
    size = (int(rle["size"][0]), int(rle["size"][1]))  # `runs` has checked them
    plain = without_empty_runs(counts)
    if plain is counts and isinstance(rle["counts"], str):
        return Rle(size=list(size), counts=rle["counts"])
    packed = coco_mask.frPyObjects({"size": list(size), "counts": plain}, *size)
    return _as_text(packed, size)


def _checked_size(size: Any) -> tuple[int, int]:
    if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
        raise UserError(f"RLE size must be [height, width], found {size!r:.60}")
    for n in size:
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise UserError(f"RLE size must be two positive whole numbers, found {size!r:.60}")
    height, width = int(size[0]), int(size[1])
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise UserError(f"RLE size {width}x{height} is over the limit of {MAX_PIXELS} pixels")
    return height, width


def _as_text(packed: Mapping[str, Any], size: tuple[int, ...]) -> Rle:
    counts = packed["counts"]
    return Rle(size=[int(n) for n in size], counts=counts.decode("ascii"))


def _same_size(rles: Sequence[Mapping[str, Any]]) -> list[Rle]:
    checked = [normalise(rle) for rle in rles]
    sizes = {tuple(rle["size"]) for rle in checked}
    if len(sizes) > 1:
        raise UserError(f"masks of different sizes (height, width): {sorted(sizes)[:5]}")
    return checked
