"""Run-length encoded masks, safely: the format of COCO, with every input checked before use.

A mask of H x W pixels is read column by column (x slowest) as runs of 0, 1, 0, 1, ... pixels. The
compressed form packs the run lengths into text. pycocotools is fast at both but trusts what it is
given: short runs read uninitialised memory, a NaN in a polygon ends the process. So everything is
checked here first, and nothing else of the project calls it with foreign input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numba
import numpy as np
import pycocotools.mask as coco_mask
from numpy.typing import NDArray

MAX_PIXELS = 2**28  # more than Pillow opens
MAX_SIDE = 2**20
MAX_COORDINATE = 1e9  # pixels; farther out is no position in a picture
_FOREIGN, _CUT_SHORT, _TOO_LONG = -1, -2, -3  # what can be wrong with compressed counts
_OUTLIER = -1

Box = tuple[int, int, int, int]  # x, y, width, height in pixels


class Rle(TypedDict):
    """`size` is [height, width]; `counts` the compressed run lengths as text."""

    size: list[int]
    counts: str


class RleError(ValueError):
    """A mask that can not be read; the message says what is wrong with it."""


def encode(mask: NDArray[Any]) -> Rle:
    """Compress a (H, W) mask; anything not zero is foreground."""
    if mask.ndim != 2:
        raise RleError(f"a mask has two dimensions (H, W), this array has shape {mask.shape}")
    size = _checked_size(mask.shape)
    return _as_text(coco_mask.encode(np.asfortranarray(mask != 0, dtype=np.uint8)), size)


def decode(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The (H, W) bool mask. Raises RleError when the runs do not fill the size exactly."""
    counts, (height, width) = runs(rle), _checked_size(rle["size"])
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


def decode_box(rle: Mapping[str, Any], box: Box) -> NDArray[np.bool_]:
    """The mask inside `box` (x, y, w, h; integer pixels inside the picture) alone: (h, w) bool.

    Costs as much as the columns of the box, not as the whole picture.
    """
    (x, y, w, h), (height, width) = box, _checked_size(rle["size"])
    if not (0 <= x <= x + w <= width and 0 <= y <= y + h <= height):
        raise RleError(f"box {tuple(box)} does not lie inside a mask of {width}x{height}")
    ends = np.cumsum(runs(rle)).clip(x * height, (x + w) * height)
    counts = np.diff(ends, prepend=x * height)
    columns = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(w, height)
    return columns[:, y : y + h].T


def runs(rle: Mapping[str, Any]) -> NDArray[np.int64]:
    """Run lengths of 0, 1, 0, ... pixels, from any of the three forms: list, text, bytes.

    Raises RleError when they are malformed, negative, or do not sum to height times width.
    """
    if not isinstance(rle, Mapping) or "size" not in rle or "counts" not in rle:
        raise RleError("an RLE mask needs the keys 'size' and 'counts'")
    height, width = _checked_size(rle["size"])
    counts = rle["counts"]
    if isinstance(counts, str | bytes):
        values = _unpack(counts)
    else:
        values = _integers(counts)
    total = _total(values, height * width)
    if total == _OUTLIER:
        raise RleError(f"RLE run of {_outlier(values)} pixels in a mask of {width}x{height}")
    if total != height * width:
        raise RleError(f"RLE runs sum to {values.sum()}, but {width}x{height} is {height * width}")
    return values


@numba.njit(cache=True, nogil=True)
def _total(values, most):
    """The sum, which can not wrap once every run is from 0 to `most`; else _OUTLIER."""
    total = 0
    for value in values:
        if value < 0 or value > most:
            return _OUTLIER
        total += value
    return total


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
    Raises RleError for a ring of fewer than three points, an odd number of coordinates, or one
    that is not a finite number.
    """
    height, width = _checked_size(size)
    if not rings:
        raise RleError("a mask of polygons needs at least one ring")
    parts = [_inside(_checked_ring(ring), height, width) for ring in rings]
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


@numba.njit(cache=True, nogil=True)
def extent(counts, height):
    """Area and tight box (x, y, w, h) of run lengths; all 0 for an empty mask."""
    area, end = 0, 0
    left, right, top, bottom = -1, -1, height, -1
    for i in range(len(counts)):
        start, end = end, end + counts[i]
        if i % 2 == 0 or start == end:
            continue
        area += end - start
        first, last = start // height, (end - 1) // height
        left, right = first if left < 0 else left, last
        if first == last:
            top, bottom = min(top, start % height), max(bottom, (end - 1) % height)
        else:  # over a column's end: touches both borders
            top, bottom = 0, height - 1
    if area == 0:
        return 0, 0, 0, 0, 0
    return area, left, top, right - left + 1, bottom - top + 1


def area(rle: Mapping[str, Any]) -> int:
    """Number of foreground pixels."""
    return int(runs(rle)[1::2].sum())


def bbox(rle: Mapping[str, Any]) -> Box:
    """Tight box (x, y, w, h) in pixels; (0, 0, 0, 0) for an empty mask."""
    return measure(rle)[1]


def merge(rles: Sequence[Mapping[str, Any]], *, intersect: bool = False) -> Rle:
    """Union (or intersection) of masks of one size; RleError for none, or for several sizes."""
    checked = _same_size(rles)
    if not checked:
        raise RleError("merge needs at least one mask")
    return _as_text(coco_mask.merge(checked, intersect=intersect), tuple(checked[0]["size"]))


def iou(
    detections: Sequence[Mapping[str, Any]],
    truths: Sequence[Mapping[str, Any]],
    *,
    crowd: Sequence[bool] | None = None,
) -> NDArray[np.float64]:
    """Intersection over union, (D, T); for a crowd truth, over the detection's area instead."""
    if crowd is not None and len(crowd) != len(truths):
        raise RleError(f"{len(truths)} truths but {len(crowd)} crowd flags")
    if not len(detections) or not len(truths):
        return np.zeros((len(detections), len(truths)))
    checked = _same_size([*detections, *truths])
    found, true = checked[: len(detections)], checked[len(detections) :]
    flags = [0] * len(true) if crowd is None else [int(c) for c in crowd]
    return np.asarray(coco_mask.iou(found, true, flags), dtype=np.float64)


def _normalised(rle: Mapping[str, Any], counts: NDArray[np.int64]) -> Rle:
    size = (int(rle["size"][0]), int(rle["size"][1]))  # `runs` has checked them
    plain = _without_empty_runs(counts)
    if plain is counts and isinstance(rle["counts"], str):
        return Rle(size=list(size), counts=rle["counts"])
    packed = coco_mask.frPyObjects({"size": list(size), "counts": plain}, *size)
    return _as_text(packed, size)


def _checked_size(size: Any) -> tuple[int, int]:
    if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
        raise RleError(f"RLE size must be [height, width], found {size!r:.60}")
    for n in size:
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise RleError(f"RLE size must be two positive whole numbers, found {size!r:.60}")
    height, width = int(size[0]), int(size[1])
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise RleError(f"RLE size {width}x{height} is over the limit of {MAX_PIXELS} pixels")
    return height, width


def _integers(counts: Any) -> NDArray[np.int64]:
    if not isinstance(counts, list | tuple | np.ndarray):
        raise RleError(f"RLE counts must be a list or text, found {type(counts).__name__}")
    try:
        values = np.asarray(counts)
    except (ValueError, OverflowError):
        raise RleError("RLE counts must be a flat list of whole numbers") from None
    if values.ndim == 1 and not values.size:
        return np.zeros(0, dtype=np.int64)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise RleError("RLE counts must be a flat list of whole numbers")
    return values.astype(np.int64)


def _unpack(text: str | bytes) -> NDArray[np.int64]:
    """Run lengths from COCO's text form.

    Each number is cut into groups of five bits, lowest first; a character holds one group plus 32
    when more follow, plus 48. The fourth number and all later ones are differences to the number
    two before; 16 in the last group is the sign.
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise RleError("compressed RLE counts hold characters that are not ASCII") from None
    values = np.empty(len(raw), np.int64)
    size = read_counts(np.frombuffer(raw, np.uint8), values)
    if size == _FOREIGN:
        raise RleError("compressed RLE counts hold characters outside of '0' to 'o'")
    if size == _CUT_SHORT:
        raise RleError("compressed RLE counts end in the middle of a number")
    if size == _TOO_LONG:
        raise RleError("compressed RLE counts hold a number that is too large")
    return values[:size].copy()


@numba.njit(cache=True, nogil=True)
def read_counts(raw, values):
    """Fill `values` with the run lengths of a text; returns their number, or what is wrong."""
    size, number, shift = 0, 0, 0
    for byte in raw:
        group = np.int64(byte) - 48
        if group < 0 or group > 63:
            return _FOREIGN
        if shift > 30:  # 35 bits: more than any run or difference of runs can need
            return _TOO_LONG
        number |= (group & 31) << shift
        shift += 5
        if group < 32:
            if group & 16:
                number -= 1 << shift
            values[size] = number + (values[size - 2] if size > 2 else 0)
            size, number, shift = size + 1, 0, 0
    return _CUT_SHORT if shift else size


def _without_empty_runs(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join runs around an empty one: pycocotools' merge stops early where two masks have one."""
    if (counts[1:] > 0).all():
        return counts
    ends = np.cumsum(counts)
    value = np.arange(len(counts)) % 2
    filled = counts > 0
    ends, value = ends[filled], value[filled]
    turns = np.append(value[1:] != value[:-1], True)
    ends = ends[turns]
    return np.diff(ends, prepend=0) if value[0] == 0 else np.diff(ends, prepend=[0, 0])


def _outlier(values: NDArray[np.int64]) -> int:
    return int(values.min() if values.min() < 0 else values.max())


def _checked_ring(ring: Sequence[float]) -> NDArray[np.float64]:
    """(P, 2) finite points, P >= 3."""
    if not isinstance(ring, list | tuple | np.ndarray):
        raise RleError(f"polygon ring must be a list of numbers, found {type(ring).__name__}")
    if len(ring) % 2:
        raise RleError(f"polygon with an odd number of coordinates ({len(ring)})")
    if len(ring) < 6:
        raise RleError(f"polygon with {len(ring) // 2} points: three are the least")
    if any(isinstance(v, bool) or not isinstance(v, int | float | np.number) for v in ring):
        raise RleError("polygon with a coordinate that is not a number")
    if not all(abs(v) <= MAX_COORDINATE for v in ring):  # false for NaN as well
        raise RleError(f"polygon with a coordinate that is not within +-{MAX_COORDINATE:.0e}")
    return np.asarray(ring, dtype=np.float64).reshape(-1, 2)


def _inside(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Cut a ring at twice the picture around it, so that far points cost no memory.

    pycocotools itself clips the raster to the picture; edges that this cut adds lie outside.
    """
    for axis, side in ((0, width), (1, height)):
        for sign, limit in ((1.0, 2.0 * side), (-1.0, 1.0 * side)):
            distance = limit - sign * points[:, axis]
            if (distance < 0).any():
                points = _half_plane(points, distance)
    return points


def _half_plane(points: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sutherland-Hodgman: the part of a ring where `distance` >= 0."""
    kept: list[NDArray[np.float64]] = []
    for i in range(len(points)):
        before, here = distance[i - 1], distance[i]
        if (before < 0) != (here < 0):
            kept.append(points[i - 1] + (points[i] - points[i - 1]) * (before / (before - here)))
        if here >= 0:
            kept.append(points[i])
    return np.array(kept).reshape(-1, 2)


def _as_text(packed: Mapping[str, Any], size: tuple[int, ...]) -> Rle:
    counts = packed["counts"]
    return Rle(size=[int(n) for n in size], counts=counts.decode("ascii"))


def _same_size(rles: Sequence[Mapping[str, Any]]) -> list[Rle]:
    checked = [normalise(rle) for rle in rles]
    sizes = {tuple(rle["size"]) for rle in checked}
    if len(sizes) > 1:
        raise RleError(f"masks of different sizes (height, width): {sorted(sizes)[:5]}")
    return checked
