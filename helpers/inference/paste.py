"""From box-relative masks to pixels of the picture: straight to COCO run lengths, or as planes.

One meaning, two ways: the M x M map is sampled bilinearly at every pixel centre (as Mask R-CNN
pastes its masks: `align_corners=False`, zero outside the map), and a pixel is set where the sample
reaches the threshold. `paste_masks` says so plainly with grid_sample; `to_rle` gets the same pixels
without any full-size plane. N instances, H x W pixels, M side of a mask grid.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from numba.extending import intrinsic
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor
from torch.nn import functional

from helpers.structures import Detections

# A cell of the map whose four corners clear the threshold by this much needs no sampling: far more
# than float32 rounding can move an interpolated probability.
_MARGIN = np.float32(1e-5)
_ABOVE, _BELOW = 1, 2  # bits of a sample; a cell is certain where all its corners share one

Axis = tuple[int, NDArray[np.int64], NDArray[np.float32]]


def paste_masks(detections: Detections, *, threshold: float = 0.5) -> Tensor:
    """Full-size masks (N, H, W) bool on the detections' device; for pictures and tests.

    Boxes without area and non-finite boxes have no pixels. Raises ValueError when the detections
    have no masks or not one square mask for each box, or the threshold is not in (0, 1].
    """
    masks = _checked_masks(detections, threshold)
    height, width = detections.image_size
    planes = torch.zeros(len(detections), height, width, dtype=torch.bool, device=masks.device)
    boxes = detections.boxes.float()
    grid_x = _grid_positions(boxes[:, 0], boxes[:, 2], width)
    grid_y = _grid_positions(boxes[:, 1], boxes[:, 3], height)
    for i in torch.nonzero(_has_area(boxes)).flatten().tolist():
        y, x = torch.meshgrid(grid_y[i], grid_x[i], indexing="ij")
        sampled = functional.grid_sample(
            masks[i, None, None], torch.stack((x, y), dim=-1)[None], align_corners=False
        )
        planes[i] = sampled[0, 0] >= threshold
    return planes


def to_rle(detections: Detections, *, threshold: float = 0.5) -> list[dict]:
    """Compressed COCO RLE `{"size": [H, W], "counts": str}` of each mask, pixels as `paste_masks`.

    One box at a time, from the map to run lengths in one pass: memory follows the largest box, not
    N. Raises ValueError as `paste_masks` does.
    """
    masks = _checked_masks(detections, threshold).cpu().numpy()
    boxes = detections.boxes.float().cpu()
    height, width = detections.image_size
    runs = [np.array([height * width])] * len(boxes)
    keep = torch.nonzero(_has_area(boxes)).flatten()
    low, high = boxes[keep].split(2, dim=1)
    columns = _cells(_grid_positions(low[:, 0], high[:, 0], width), masks.shape[-1])
    rows = _cells(_grid_positions(low[:, 1], high[:, 1], height), masks.shape[-1])
    for i, column, row in zip(keep.tolist(), columns, rows, strict=True):
        bounds = _run_bounds(masks[i], column, row, height, np.float32(threshold))
        counts = np.diff(bounds, prepend=0, append=height * width)
        runs[i] = counts if counts[-1] else counts[:-1]
    packed = [
        coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        for counts in runs
    ]
    return [{"size": [height, width], "counts": one["counts"].decode("ascii")} for one in packed]


def _checked_masks(detections: Detections, threshold: float) -> Tensor:
    if detections.masks is None:
        raise ValueError("these detections have boxes only: predict with a model that has masks")
    if not 0 < threshold <= 1:
        raise ValueError(f"the mask threshold is {threshold}: choose one above 0 and at most 1")
    shape, count = tuple(detections.masks.shape), len(detections.boxes)
    if len(shape) != 3 or shape[0] != count or shape[1] != shape[2]:
        raise ValueError(
            f"the masks have shape {shape}: give ({count}, M, M), a square one for each box"
        )
    return detections.masks.detach().float()


def _has_area(boxes: Tensor) -> Tensor:
    finite = torch.isfinite(boxes).all(dim=1)
    return finite & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])


def _grid_positions(low: Tensor, high: Tensor, length: int) -> Tensor:
    """(N, length) float32: each pixel centre in the frame of each box, -1 and 1 at its edges."""
    centres = torch.arange(length, dtype=torch.float32, device=low.device) + 0.5
    return (centres - low[:, None]) / (high - low)[:, None] * 2 - 1


def _cells(positions: Tensor, side: int) -> list[Axis]:
    """For each of N rows of positions: first pixel that touches the map, then of it and all
    further such pixels the cell of the zero-padded map and the place inside that cell.

    Cell k lies between samples k - 1 and k. Rounded once, as grid_sample's fused multiply-add does.
    """
    from_edge = (positions.numpy() + np.float32(1)).astype(np.float64)
    samples = np.clip((from_edge * (side / 2) - 0.5).astype(np.float32), -2, side + 1)
    floors = np.floor(samples)
    cells, inside = floors.astype(np.int64) + 1, samples - floors
    starts, stops = (cells < 0).sum(axis=1), (cells <= side).sum(axis=1)
    return [
        (start, cells[i, start:stop], inside[i, start:stop])
        for i, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]


@numba.njit(cache=True, nogil=True)
def _run_bounds(mask, columns, rows, height, threshold):
    """Starts and ends of the set runs as column-major pixel positions, (2R,) int64."""
    side = len(mask)
    grid = np.zeros((side + 2, side + 2), np.float32)
    grid[1:-1, 1:-1] = mask
    kinds = _kinds_of_cells(grid, threshold)
    left, cell_x, inside_x = columns
    top, cell_y, inside_y = rows
    first_row = _first_of_each_cell(cell_y, side + 1)
    spans = np.empty((side + 1, 3), np.int64)
    bounds = np.empty(len(cell_x) * (len(cell_y) + 1), np.int64)
    size, span_count, current = 0, 0, -1
    for i in range(len(cell_x)):
        if cell_x[i] != current:
            current = cell_x[i]
            span_count = _spans(kinds[current], first_row, spans)
        origin = (left + i) * height + top
        for start, stop, kind in spans[:span_count]:
            if kind == _ABOVE:
                size = _append_run(bounds, size, origin + start, origin + stop)
                continue
            for j in range(start, stop):
                if _sample(grid, current, cell_y[j], inside_x[i], inside_y[j]) >= threshold:
                    size = _append_run(bounds, size, origin + j, origin + j + 1)
    return bounds[:size]


@numba.njit(cache=True, nogil=True)
def _kinds_of_cells(grid, threshold):
    """[x, y] uint8: _ABOVE or _BELOW for cells whose corners all are, 0 for mixed ones."""
    high, low = threshold + _MARGIN, threshold - _MARGIN
    corners = np.empty(grid.shape, np.uint8)
    kinds = np.empty((len(grid) - 1, len(grid) - 1), np.uint8)
    for y in range(len(grid)):
        for x in range(len(grid)):
            value = grid[y, x]
            corners[y, x] = _ABOVE if value > high else (_BELOW if value < low else 0)
    for y in range(len(kinds)):
        for x in range(len(kinds)):
            upper = corners[y, x] & corners[y, x + 1]
            kinds[x, y] = upper & corners[y + 1, x] & corners[y + 1, x + 1]
    return kinds


@numba.njit(cache=True, nogil=True)
def _first_of_each_cell(cells, count):
    """(count + 1,) int64: where each cell begins in the sorted `cells`, and where the last ends."""
    first = np.zeros(count + 1, np.int64)
    for cell in cells:
        first[cell + 1] += 1
    for k in range(count):
        first[k + 1] += first[k]
    return first


@numba.njit(cache=True, nogil=True)
def _spans(kinds, first_row, spans):
    """Fill `spans` with (first row, end row, kind) down one column of cells; returns their number.

    Neighbours of one kind are one span; those below the threshold are left out.
    """
    count, stop = 0, 0
    while stop < len(kinds):
        start, kind = stop, kinds[stop]
        while stop < len(kinds) and kinds[stop] == kind:
            stop += 1
        if kind != _BELOW and first_row[start] < first_row[stop]:
            spans[count, 0], spans[count, 1] = first_row[start], first_row[stop]
            spans[count, 2] = kind
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _sample(grid, x, y, east, south):
    """Bilinear sample in cell (x, y), in the order and with the roundings of grid_sample."""
    west, north = np.float32(1) - east, np.float32(1) - south
    total = grid[y, x] * (north * west)
    total = _fused_multiply_add(grid[y, x + 1], north * east, total)
    total = _fused_multiply_add(grid[y + 1, x], south * west, total)
    return _fused_multiply_add(grid[y + 1, x + 1], south * east, total)


@intrinsic
def _fused_multiply_add(typing_context, a, b, c):
    """a * b + c rounded once."""
    return a(a, b, c), lambda context, builder, signature, values: builder.fma(*values)


@numba.njit(cache=True, nogil=True)
def _append_run(bounds, size, start, stop):
    """Append a run, or lengthen the last one where it touches; returns the new size."""
    if size and bounds[size - 1] == start:
        bounds[size - 1] = stop
        return size
    bounds[size], bounds[size + 1] = start, stop
    return size + 2
