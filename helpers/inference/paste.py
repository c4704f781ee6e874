"""From box-relative masks to pixels of the picture: straight to COCO run lengths, or as planes.

One meaning, two ways: the M x M map is sampled bilinearly at every pixel centre (as Mask R-CNN
pastes its masks: `align_corners=False`, zero outside the map), and a pixel is set where the sample
reaches one half. `paste_masks` says so plainly with grid_sample; `to_rle` gets the same pixels
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

THRESHOLD = np.float32(0.5)
Axis = tuple[int, NDArray[np.int64], NDArray[np.float32]]


def paste_masks(detections: Detections) -> Tensor:
    """Full-size masks (N, H, W) bool on the detections' device; for pictures and tests.

    Boxes without area and non-finite boxes have no pixels.
    """
    masks, boxes = detections.masks.detach().float(), detections.boxes.float()
    height, width = detections.image_size
    planes = torch.zeros(len(boxes), height, width, dtype=torch.bool, device=masks.device)
    grid_x = _grid_positions(boxes[:, 0], boxes[:, 2], width)
    grid_y = _grid_positions(boxes[:, 1], boxes[:, 3], height)
    for i in torch.nonzero(_has_area(boxes)).flatten().tolist():
        y, x = torch.meshgrid(grid_y[i], grid_x[i], indexing="ij")
        sampled = functional.grid_sample(
            masks[i, None, None], torch.stack((x, y), dim=-1)[None], align_corners=False
        )
        planes[i] = sampled[0, 0] >= THRESHOLD
    return planes


def to_rle(detections: Detections) -> list[dict]:
    """Compressed COCO RLE `{"size": [H, W], "counts": str}` of each mask, pixels as `paste_masks`.

    One box at a time, from the map to run lengths in one pass: memory follows the largest box, not
    N.
    """
    masks, boxes = detections.masks.detach().float().cpu().numpy(), detections.boxes.float().cpu()
    height, width = detections.image_size
    runs = [np.array([height * width])] * len(boxes)
    keep = torch.nonzero(_has_area(boxes)).flatten()
    low, high = boxes[keep].split(2, dim=1)
    columns = _cells(_grid_positions(low[:, 0], high[:, 0], width), masks.shape[-1])
    rows = _cells(_grid_positions(low[:, 1], high[:, 1], height), masks.shape[-1])
    for i, column, row in zip(keep.tolist(), columns, rows, strict=True):
        bounds = _run_bounds(masks[i], column, row, height)
        counts = np.diff(bounds, prepend=0, append=height * width)
        runs[i] = counts if counts[-1] else counts[:-1]
    packed = [
        coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        for counts in runs
    ]
    return [{"size": [height, width], "counts": one["counts"].decode("ascii")} for one in packed]


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
def _run_bounds(mask, columns, rows, height):
    """Starts and ends of the set runs as column-major pixel positions, (2R,) int64."""
    side = len(mask)
    grid = np.zeros((side + 2, side + 2), np.float32)
    grid[1:-1, 1:-1] = mask
    left, cell_x, inside_x = columns
    top, cell_y, inside_y = rows
    bounds, size = np.empty(len(cell_x) * (len(cell_y) + 1), np.int64), 0
    for i in range(len(cell_x)):
        first = (left + i) * height + top
        for j in range(len(cell_y)):
            if _sample(grid, cell_x[i], cell_y[j], inside_x[i], inside_y[j]) >= THRESHOLD:
                if size == 0 or bounds[size - 1] != first + j:  # else it lengthens the last run
                    bounds[size] = first + j
                    size += 2
                bounds[size - 1] = first + j + 1
    return bounds[:size]


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
