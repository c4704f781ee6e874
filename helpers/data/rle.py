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

from helpers.files import UserError, whole_number

MAX_PIXELS = 2**28  # more than Pillow opens
MAX_SIDE = 2**20
FAR = 10  # times the picture's longer side: no position in it, and it would take too much memory

Box = tuple[int, int, int, int]  # x, y, width, height in pixels


class Rle(TypedDict):
    """`size` is [height, width]; `counts` the compressed run lengths as text."""

    size: list[int]
    counts: str


def encode(mask: NDArray[Any]) -> Rle:
    """Compress a (H, W) mask; anything not zero is foreground."""
    if mask.ndim != 2:
        raise UserError(f"a mask has two dimensions (H, W), this array has shape {mask.shape}")
    _checked_size(mask.shape)
    return _as_text(coco_mask.encode(np.asfortranarray(mask != 0, dtype=np.uint8)))


def decode(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The (H, W) bool mask. Raises UserError when the runs do not fill the size exactly."""
    height, width = _size_of(rle)
    return decode_box(rle, (0, 0, width, height))


def decode_box(rle: Mapping[str, Any], box: Box) -> NDArray[np.bool_]:
    """The mask inside `box` (x, y, w, h; integer pixels inside the picture) alone: (h, w) bool.

    Costs as much as the columns of the box, not as the whole picture.
    """
    counts, (x, y, w, h), (height, width) = runs(rle), box, _size_of(rle)
    if not (0 <= x <= x + w <= width and 0 <= y <= y + h <= height):
        raise UserError(f"box {tuple(box)} does not lie inside a mask of {width}x{height}")
    ends = np.cumsum(counts).clip(x * height, (x + w) * height)
    value = np.arange(len(counts)) % 2 == 1
    columns = np.repeat(value, np.diff(ends, prepend=x * height))
    return columns.reshape(w, height)[:, y : y + h].T


def runs(rle: Mapping[str, Any]) -> NDArray[np.int64]:
    """Run lengths of 0, 1, 0, ... pixels, from any of the three forms: list, text, bytes.

    Raises UserError when they are malformed, negative, or do not sum to height times width.
    """
    (height, width), counts = _size_of(rle), rle["counts"]
    values = _unpack(counts) if isinstance(counts, str | bytes) else _integers(counts)
    pixels = height * width
    for outlier in (values.min(initial=0), values.max(initial=0)):
        if not 0 <= outlier <= pixels:  # checked first: the sum could overflow
            raise UserError(f"RLE run of {outlier} pixels in a mask of {width}x{height}")
    if values.sum() != pixels:
        raise UserError(f"RLE runs sum to {values.sum()}, but {width}x{height} is {pixels}")
    return values


def normalise(rle: Mapping[str, Any]) -> Rle:
    """Any valid RLE as compressed text without runs of length 0 (the first run excepted)."""
    counts, size = runs(rle), list(_size_of(rle))
    if (counts[1:] == 0).any():  # pycocotools stops early where two masks have an empty run
        return encode(decode(rle))
    if isinstance(rle["counts"], str):
        return Rle(size=size, counts=rle["counts"])
    return _as_text(coco_mask.frPyObjects({"size": size, "counts": counts}, *size))


def examine(rle: Mapping[str, Any]) -> tuple[Rle, int, Box]:
    """(compressed mask, area in pixels, tight box); 0 and (0, 0, 0, 0) for an empty mask."""
    checked = normalise(rle)
    x, y, w, h = coco_mask.toBbox(checked).astype(int).tolist()
    return checked, int(coco_mask.area(checked)), (x, y, w, h)


def measure(rle: Mapping[str, Any]) -> tuple[int, Box]:
    """Area in pixels and tight box (x, y, w, h)."""
    return examine(rle)[1:]


def area(rle: Mapping[str, Any]) -> int:
    """Number of foreground pixels."""
    return int(runs(rle)[1::2].sum())


def bbox(rle: Mapping[str, Any]) -> Box:
    """Tight box (x, y, w, h) in pixels; (0, 0, 0, 0) for an empty mask."""
    return examine(rle)[2]


def from_polygons(rings: Sequence[Sequence[float]], size: Sequence[int]) -> Rle:
    """The union of closed rings [x1, y1, x2, y2, ...] in pixels, clipped to the picture.

    Each ring is filled as pycocotools fills it (even-odd on a grid five times finer), so a ring
    that crosses itself leaves its doubly wound parts empty. Holes cannot be said with polygons.
    Raises UserError for a ring of fewer than three points, an odd number of coordinates, or one
    that is not a number or farther out than `FAR` times the picture.
    """
    height, width = _checked_size(size)
    if not rings:
        raise UserError("a mask of polygons needs at least one ring")
    flat = [_checked_ring(ring, FAR * max(height, width)) for ring in rings]
    return normalise(_as_text(coco_mask.merge(coco_mask.frPyObjects(flat, height, width))))


def iou(
    detections: Sequence[Mapping[str, Any]],
    truths: Sequence[Mapping[str, Any]],
    *,
    crowd: Sequence[bool] | None = None,
) -> NDArray[np.float64]:
    """Intersection over union, (D, T); for a crowd truth, over the detection's area instead.

    Raises UserError for masks of different sizes.
    """
    if not len(detections) or not len(truths):
        return np.zeros((len(detections), len(truths)))
    found, true = ([normalise(rle) for rle in masks] for masks in (detections, truths))
    sizes = {tuple(rle["size"]) for rle in (*found, *true)}
    if len(sizes) > 1:
        raise UserError(f"masks of different sizes (height, width): {sorted(sizes)[:5]}")
    flags = [int(c) for c in ([False] * len(true) if crowd is None else crowd)]
    return np.asarray(coco_mask.iou(found, true, flags), dtype=np.float64)


def _size_of(rle: Mapping[str, Any]) -> tuple[int, int]:
    if not isinstance(rle, Mapping) or "size" not in rle or "counts" not in rle:
        raise UserError(f"an RLE mask needs the keys 'size' and 'counts', found {rle!r:.60}")
    return _checked_size(rle["size"])


def _checked_size(size: Any) -> tuple[int, int]:
    sides = [whole_number(side) for side in size] if isinstance(size, list | tuple) else []
    if len(sides) != 2 or not all(side is not None and side >= 1 for side in sides):
        raise UserError(f"RLE size must be [height, width] in pixels, found {size!r:.60}")
    height, width = sides
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise UserError(f"RLE size {width}x{height} is over the limit of {MAX_PIXELS} pixels")
    return height, width


def _unpack(text: str | bytes) -> NDArray[np.int64]:
    """Run lengths from COCO's text form.

    Each number is cut into groups of five bits, lowest first; a character holds one group plus 32
    when more follow, plus 48. The fourth number and all later ones are differences to the number
    two before; 16 in the last group is the sign.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    groups = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if not groups.size:
        return groups
    if groups.min() < 0 or groups.max() > 63:
        raise UserError("compressed RLE counts hold characters outside of '0' to 'o'")
    ends = np.flatnonzero(groups < 32)
    if groups[-1] >= 32:
        raise UserError("compressed RLE counts end in the middle of a number")
    starts = np.append(0, ends[:-1] + 1)
    lengths = ends - starts + 1
    if lengths.max() > 7:  # 35 bits: more than any run or difference of runs can need
        raise UserError("compressed RLE counts hold a number that is too large")
    place = np.arange(groups.size) - np.repeat(starts, lengths)
    values = np.add.reduceat((groups & 31) << (5 * place), starts)
    values -= ((groups[ends] & 16) >> 4) << (5 * lengths)
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values


def _integers(counts: Any) -> NDArray[np.int64]:
    values = _numbers(counts, "iu")
    if values is None:
        raise UserError("RLE counts must be text or a flat list of whole numbers")
    return values.astype(np.int64)


def _numbers(values: Any, kinds: str) -> NDArray[Any] | None:
    """A flat list of numbers of these kinds of dtype as an array; None for anything else."""
    if not isinstance(values, list | tuple | np.ndarray):
        return None
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError):  # lists of different lengths
        return None
    return array if array.ndim == 1 and (array.dtype.kind in kinds or not array.size) else None


def _as_text(packed: Mapping[str, Any]) -> Rle:
    height, width = packed["size"]
    return Rle(size=[int(height), int(width)], counts=packed["counts"].decode("ascii"))


def _checked_ring(ring: Sequence[float], most: float) -> list[float]:
    """A ring of three points or more within +-`most` px. Raises UserError for anything else."""
    values = _numbers(ring, "iuf")
    if values is None:
        raise UserError("polygon ring that is not a flat list of numbers")
    if len(values) % 2 or len(values) < 6:
        raise UserError(f"polygon ring of {len(values)} coordinates: give an even number from 6 on")
    if not (np.abs(values.astype(float)) <= most).all():  # false for NaN as well
        raise UserError(f"polygon with a coordinate that is not within +-{most} pixels")
    return values.astype(float).tolist()
