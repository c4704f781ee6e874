"""SOLOv2: which cells of which grid answer for which instance, and with what mask.

N instances of a picture, G cells of all grids together (level by level, rows from top to bottom),
A pairs of a cell and an instance it answers for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.config import Solov2Config
from helpers.structures import Targets

SIGMA = 0.2  # share of the box, around the centre of mass, whose cells answer
STRIDE = 4  # of masks in training


@dataclass(frozen=True)
class CellTargets:
    """The truth of one picture for SOLOv2.

    labels: (G,) int64, num_classes where nothing is; counted: (G,) bool, whether the class of the
    cell matters; cells and instances: (A,) int64, the pairs; masks: (N, H / 4, W / 4) bool.
    """

    labels: Tensor
    counted: Tensor
    cells: Tensor
    instances: Tensor
    masks: Tensor


def cell_targets(
    targets: Targets, padded: tuple[int, int], config: Solov2Config, *, num_classes: int
) -> CellTargets:
    """The truth of one picture inside a batch padded to `padded` (height, width).

    An instance belongs to every level whose range of sizes holds sqrt(box area), there to the cells
    that its box, shrunk to a fifth around the mask's centre of mass, touches, at most one cell from
    the centre's. Where instances share a cell the later one gives the label; both give a mask.
    Instances without pixels are passed over; cells in the middle of an ignored box count only when
    they answer for an instance.
    """
    pairs = _pairs(targets, padded, config)
    labels = torch.full((sum(grid**2 for grid in config.grids),), num_classes, dtype=torch.int64)
    own = targets.labels.tolist()
    for cell, instance in pairs:  # in order: a later instance overwrites
        labels[cell] = own[instance]
    cells, instances = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).unbind(1)
    device = targets.boxes.device
    labels = labels.to(device)
    counted = (labels < num_classes) | ~_ignored_cells(targets.ignore, padded, config)
    masks = downscaled(targets.masks, padded)
    return CellTargets(labels, counted, cells.to(device), instances.to(device), masks)


def _pairs(
    targets: Targets, padded: tuple[int, int], config: Solov2Config
) -> list[tuple[int, int]]:
    """Cell and instance, level by level and there instance by instance."""
    boxes, centres = targets.boxes.cpu(), centres_of_mass(targets.masks).cpu()
    has_pixels = targets.masks.flatten(1).any(dim=1).cpu()
    size = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt()
    pairs, start = [], 0
    for grid, (low, high) in zip(config.grids, config.ranges, strict=True):
        chosen = (has_pixels & (size >= low) & (size <= high)).nonzero().flatten().tolist()
        spans = cell_spans(boxes, centres, padded, grid).tolist()
        pairs += [(start + cell, i) for i in chosen for cell in _cells_of(spans[i], grid)]
        start += grid**2
    return pairs


def centres_of_mass(masks: Tensor) -> Tensor:
    """(N, H, W) bool -> (N, 2) x, y in pixel numbers; 0 for an empty mask."""
    centres = []
    for axis in (1, 2):
        profile = masks.sum(dim=axis).float()  # (N, W), then (N, H)
        place = torch.arange(profile.shape[1], device=masks.device, dtype=torch.float32)
        centres.append((profile @ place) / profile.sum(dim=1).clamp(min=1))
    return torch.stack(centres, dim=1)


def cell_spans(boxes: Tensor, centres: Tensor, padded: tuple[int, int], grid: int) -> Tensor:
    """(N, 4) int64: first column, first row, last column, last row of each instance's cells."""
    scale = grid / centres.new_tensor([padded[1], padded[0]])
    half = SIGMA / 2 * (boxes[:, 2:] - boxes[:, :2])
    middle = (centres * scale).floor()
    first = ((centres - half) * scale).floor().clamp(min=0)
    last = ((centres + half) * scale).floor().clamp(max=grid - 1)
    return torch.cat((first.maximum(middle - 1), last.minimum(middle + 1)), dim=1).long()


def downscaled(masks: Tensor, padded: tuple[int, int]) -> Tensor:
    """(N, h, w) bool -> (N, H / 4, W / 4) bool: bilinear at a quarter, zeros in the padding.

    At that scale a sample is the mean of the four pixels in the middle of its 4 x 4 cell.
    """
    full = F.pad(masks, (0, padded[1] - masks.shape[2], 0, padded[0] - masks.shape[1]))
    corners = [full[:, i::STRIDE, j::STRIDE].to(torch.uint8) for i in (1, 2) for j in (1, 2)]
    return sum(corners) >= 2


def _cells_of(span: list[int], grid: int) -> list[int]:
    left, top, right, bottom = span
    return [y * grid + x for y in range(top, bottom + 1) for x in range(left, right + 1)]


def _ignored_cells(ignore: Tensor, padded: tuple[int, int], config: Solov2Config) -> Tensor:
    """(G,) bool: the cell's centre lies in an ignored box."""
    parts = []
    for grid in config.grids:
        place = (torch.arange(grid, device=ignore.device) + 0.5) / grid
        x, y = (place * padded[1])[None, None, :], (place * padded[0])[None, :, None]
        left, top, right, bottom = ignore[:, :, None, None].unbind(1)
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        parts.append(inside.any(dim=0).flatten())
    return torch.cat(parts)
