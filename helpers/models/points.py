"""Bilinear samples of maps at any points, and where PointRend puts its training points.

`PointTable.at` gives what `grid_sample` gives, faster on a CPU: the channels of a cell lie side by
side, and a sample is a weighted sum of four such rows.
B maps of C channels and H x W cells, R RoIs, P points each.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 4096  # rows multiplied at once: as many as stay in a CPU's cache


@dataclass(frozen=True)
class PointTable:
    """Maps with the channels of a cell in one row. Made once, sampled often.

    rows: (B * H * W, C), in the type of `for_sampling`. A table of only some cells (`weighted`) has
    fewer rows, the last one zero: `place` (B * H * W,) is then the row of each cell.
    """

    rows: Tensor
    height: int
    width: int
    place: Tensor | None = None

    @staticmethod
    def of(maps: Tensor) -> PointTable:
        """(B, C, H, W) -> table."""
        rows = maps.permute(0, 2, 3, 1).flatten(0, 2)
        return PointTable(for_sampling(rows), *maps.shape[-2:])

    def weighted(self, weight: Tensor, cells: Tensor) -> PointTable:
        """The table of weight (D, C) times each row, for these cells (B * H * W,) bool alone."""
        chosen = cells.nonzero().squeeze(1)
        rows = [for_sampling(F.linear(self.rows[part], weight)) for part in chosen.split(CHUNK)]
        rows.append(rows[0].new_zeros(1, len(weight)))
        place = torch.where(cells, cells.cumsum(0) - 1, len(chosen))
        return PointTable(torch.cat(rows), self.height, self.width, place)

    def at(self, points: Tensor, index: Tensor) -> Tensor:
        """Samples (R, P, C).

        points: (R, P, 2) x, y from 0 (left or upper edge of the map) to 1; index: (R,) which map.
        A cell's value lies at its centre; outside the map all is 0 (grid_sample with
        align_corners=False and zero padding).
        """
        return weighted_rows(self.rows, *self.taps(points, index)).unflatten(0, points.shape[:2])

    def taps(self, points: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Which rows each point (see `at`) reads, and how much of each: twice (R * P, 4)."""
        where = points.float() * points.new_tensor([self.width, self.height]) - 0.5
        row, weight = bilinear_taps(where, height=self.height, width=self.width)
        row = row + (index * self.height * self.width)[:, None, None]
        row = row if self.place is None else self.place[row]
        return row.flatten(0, 1), weight.flatten(0, 1)


def bilinear_taps(where: Tensor, *, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The four cells around each position and their weights, which are 0 outside the map.

    where: (..., 2) x, y in cells, cell (0, 0) at 0. Returns row (..., 4) int64, which is
    y * width + x, and weight (..., 4), through which the gradient reaches `where`.
    """
    first = where.detach().floor().nan_to_num_(0.0)  # an index all the same; its weight is NaN
    part = where - first
    size = where.new_tensor([width, height])
    low, low_weight = _kept_inside(first, 1 - part, size)
    high, high_weight = _kept_inside(first + 1, part, size)
    (x0, y0), (x1, y1) = low.unbind(-1), high.unbind(-1)
    y0, y1 = y0 * width, y1 * width
    row = torch.stack((y0 + x0, y0 + x1, y1 + x0, y1 + x1), dim=-1)
    (x0, y0), (x1, y1) = low_weight.unbind(-1), high_weight.unbind(-1)
    return row, torch.stack((y0 * x0, y0 * x1, y1 * x0, y1 * x1), dim=-1)


def _kept_inside(cells: Tensor, weight: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 2) cells, those outside moved to the edge, and weights, which are 0 for these."""
    inside = (cells >= 0) & (cells < size)
    return cells.clamp(min=0).minimum(size - 1).long(), weight * inside


def cells_under(boxes: Tensor, index: Tensor, table: PointTable) -> Tensor:
    """(B * H * W,) bool: the cells that samples inside the boxes can need.

    boxes: (R, 4) xyxy in cells, 0 at the edge of the map; index: (R,) which map each is on. A box
    outside the map or not finite needs none.
    """
    size = boxes.new_tensor([table.width, table.height])
    boxes = boxes.nan_to_num(-1.0)
    first = (boxes[:, :2] - 0.5).floor().clamp(min=0).minimum(size).long().tolist()
    last = (boxes[:, 2:] + 1.5).floor().clamp(min=0).minimum(size).long().tolist()
    inside = torch.zeros(len(table.rows), dtype=torch.bool)
    maps = inside.view(-1, table.height, table.width)
    for number, (x1, y1), (x2, y2) in zip(index.tolist(), first, last, strict=True):
        maps[number, y1:y2, x1:x2] = True
    return inside.to(boxes.device)


def weighted_rows(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Sum of the rows that each of M bags names: rows (R, C), index and weight (M, T) -> (M, C)."""
    return F.embedding_bag(index, rows, mode="sum", per_sample_weights=weight.to(rows.dtype))


def for_sampling(values: Tensor) -> Tensor:
    """In the type that maps are sampled in: float32, as `embedding_bag` sums gradients in it.

    On a CPU under autocast bfloat16 stays where no gradient is wanted: half as much to read.
    """
    on_cpu = values.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    as_is = on_cpu and values.dtype == torch.bfloat16 and not values.requires_grad
    return values if as_is else values.float()


def cell_centres(side: int, like: Tensor) -> Tensor:
    """(side * side, 2) x, y of a regular grid over the unit square, rows from top to bottom."""
    centre = (torch.arange(side, device=like.device, dtype=torch.float32) + 0.5) / side
    y, x = torch.meshgrid(centre, centre, indexing="ij")
    return torch.stack((x, y), dim=-1).flatten(0, 1)


def in_image(points: Tensor, boxes: Tensor) -> Tensor:
    """(R, P, 2) relative to (R, 4) boxes -> (R, P, 2) in pixels of the picture."""
    return boxes[:, None, :2] + points * (boxes[:, None, 2:] - boxes[:, None, :2])


@torch.no_grad()
def draw_training_points(
    logits: Tensor, count: int, *, oversample: int, importance: float
) -> Tensor:
    """Random points, most of them where the coarse mask is least certain (PointRend, section 3.1).

    logits: (R, S, S) coarse mask of each RoI's true class. Of `oversample * count` uniform points
    the `importance * count` with the logit nearest to 0 are kept; the rest is uniform again.
    Returns (R, count, 2) in [0, 1].
    """
    rois = len(logits)
    candidates = torch.rand(rois, oversample * count, 2, device=logits.device)
    every = torch.arange(rois, device=logits.device)
    # Sample first, then take the distance from 0: an interpolated |logit| is never 0 on an edge.
    certainty = PointTable.of(logits[:, None]).at(candidates, every).squeeze(2).abs()
    uncertain = int(importance * count)
    best = certainty.topk(uncertain, dim=1, largest=False).indices
    kept = candidates.gather(1, best[..., None].expand(-1, -1, 2))
    fresh = torch.rand(rois, count - uncertain, 2, device=logits.device)
    return torch.cat((kept, fresh), dim=1)
