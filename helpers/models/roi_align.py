"""RoIAlign (Mask R-CNN): features of each box from the pyramid level that suits its size.

On a CPU every bin is one weighted sum of whole rows of a table. Its value is the mean of bilinear
samples on a regular grid, so its weights are a product of weights along y and along x, and
neighbouring samples share cells: a bin of n x n samples reads (n + 1)^2 cells instead of 4 n^2.
R RoIs of all images, B bins along a side, C channels, H x W cells of a map, T taps (cells that a
bin reads).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor
from torchvision.ops import box_area

from helpers.models.boxes import cat_boxes
from helpers.models.points import for_sampling

FINEST, COARSEST = 2, 5  # P2..P5: P6 serves the proposals only
CANONICAL_LEVEL = 4


def level_of(boxes: Tensor, canonical: float = 224.0) -> Tensor:
    """(R, 4) -> (R,) int64 level 2..5: a box of side `canonical` px lies on P4, half on P3.

    A box with a NaN lies on P2.
    """
    scale = box_area(boxes).sqrt() / canonical
    level = torch.floor(CANONICAL_LEVEL + torch.log2(scale + 1e-8))
    return level.nan_to_num(FINEST).clamp(FINEST, COARSEST).long()


def pool_rois(
    features: Sequence[Tensor], boxes: Sequence[Tensor], size: int, *, canonical: float = 224.0
) -> Tensor:
    """RoIAlign with exact alignment and adaptive sampling.

    features: P2..P5 (further levels are not used); boxes: (R_i, 4) per image in pixels.
    Returns (R, C, size, size) in the order of the boxes; in the type of `for_sampling`.
    """
    together, image = cat_boxes(boxes)
    rois = torch.cat((image[:, None].to(together.dtype), together), dim=1)
    levels = level_of(together, canonical)
    pooled, order = [], []
    for level in range(FINEST, COARSEST + 1):
        index = (levels == level).nonzero().squeeze(1)
        pooled.append(_align(features[level - FINEST], rois[index], size, scale=1 / 2**level))
        order.append(index)
    return torch.cat(pooled)[torch.cat(order).argsort()]


def pool_masks(masks: Tensor, index: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Targets of a mask head: masks (N, H, W) bool, (R,) which of them, (R, 4) boxes.

    Returns (R, size, size) bool: the mean of the mask over a cell is at least one half.
    """
    used, index = index.unique(return_inverse=True)  # the others need not become float32
    rois = torch.cat((index[:, None].to(boxes.dtype), boxes), dim=1)
    # Cells of exactly one half are common where boxes have whole pixels. Another order of the sums
    # would round some of them to the other side, so no other path is used here.
    return _by_torchvision(masks[used, None].float(), rois, size, scale=1.0).squeeze(1) >= 0.5


def _align(feature: Tensor, rois: Tensor, size: int, *, scale: float) -> Tensor:
    align = roi_align if feature.device.type == "cpu" else _by_torchvision
    return align(for_sampling(feature), rois, size, scale=scale)


def _by_torchvision(feature: Tensor, rois: Tensor, size: int, *, scale: float) -> Tensor:
    return torchvision.ops.roi_align(feature, rois, size, scale, sampling_ratio=0, aligned=True)


@dataclass(frozen=True)
class AxisTaps:
    """The cells that each bin reads along one axis.

    first, count: (R, B) int64, the first cell and how many; weight: (R, B, T), of each of them,
    T the largest count.
    """

    first: Tensor
    count: Tensor
    weight: Tensor

    @staticmethod
    def of(low: Tensor, high: Tensor, *, bins: int, length: int) -> AxisTaps:
        """low, high: (R,) ends of each RoI, in cells, the centre of cell 0 at 0; length: cells.

        As many samples a bin as it is cells long, rounded up. One up to a cell outside of the map
        takes the value at its border, one farther away is 0; a RoI without length, or whose ends
        are not finite, has no samples.
        """
        step = (high - low) / bins
        samples = torch.where(step.isfinite(), step.ceil(), 0).clamp(min=0)
        position = _sample_positions(low, step, samples, bins)
        drawn = torch.arange(position.shape[2], device=low.device) < samples[:, None, None]
        drawn = drawn & (position >= -1) & (position <= length)
        position = torch.where(drawn, position.clamp(0, length - 1), 0)
        cell = position.floor()
        after = (cell + 1).clamp(max=length - 1)
        first = torch.where(drawn, cell, length - 1).amin(2)
        count = (torch.where(drawn, after, -1).amax(2) - first + 1).clamp(min=0).long()
        part = position - cell
        mean_weight = drawn / samples.clamp(min=1)[:, None, None]
        weight = position.new_zeros(*first.shape, max(1, int(count.max())))
        for place, value in ((cell, 1 - part), (after, part)):
            where = (place - first[..., None]).clamp(min=0).long()
            weight.scatter_add_(2, where.where(drawn, 0), value * mean_weight)
        return AxisTaps(first.long(), count, weight)


def _sample_positions(low: Tensor, step: Tensor, samples: Tensor, bins: int) -> Tensor:
    """(R, B, G) in cells, G the largest number of samples; only the first `samples` are meant."""
    low, step, samples = (t[:, None, None] for t in (low, step, samples.clamp(min=1)))
    number = torch.arange(int(samples.max()), device=low.device)
    # Added up in torchvision's order: a sample that is rounded to another side of the map's limit
    # appears or vanishes as a whole.
    start = low + torch.arange(bins, device=low.device)[:, None] * step
    return start + (number + 0.5) * step / samples


def roi_align(feature: Tensor, rois: Tensor, size: int, *, scale: float) -> Tensor:
    """(N, C, H, W) and (R, 5) image number and xyxy in pixels -> (R, C, size, size).

    `scale` turns pixels into cells. What `torchvision.ops.roi_align` gives for sampling_ratio=0 and
    aligned=True, the gradient too. Features in channels-last layout need not be copied first.
    """
    channels, height, width = feature.shape[1:]
    rows = feature.permute(0, 2, 3, 1).reshape(-1, channels)
    if not len(rois):
        return rows[:0, :, None, None].expand(-1, -1, size, size)
    exact = torch.promote_types(feature.dtype, torch.float32)
    image, *ends = rois.detach().to(exact).unbind(1)
    low_x, low_y, high_x, high_y = (end * scale - 0.5 for end in ends)
    x = AxisTaps.of(low_x, high_x, bins=size, length=width)
    y = AxisTaps.of(low_y, high_y, bins=size, length=height)
    index, weight, starts = _bags(x, y, image.long() * height * width, width)
    weight = weight.to(rows.dtype)
    bins = F.embedding_bag(index, rows, starts, mode="sum", per_sample_weights=weight)
    return bins.view(-1, size, size, channels).permute(0, 3, 1, 2)


def _bags(x: AxisTaps, y: AxisTaps, origin: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of the table and their weights, bin after bin, and where each bin starts.

    origin: (R,) the row of cell (0, 0) of each RoI's map.
    """
    rois, bins = x.count.shape
    shape = (rois, bins, bins)
    heights, widths = y.count[:, :, None].expand(shape), x.count[:, None, :].expand(shape)
    # First a strip for each line of cells of a bin, then the cells of each strip.
    bin_, line = _spread(heights.flatten())
    place_y, place_x = bin_ // bins, bin_ // bins**2 * bins + bin_ % bins
    strip, cell = _spread(x.count.flatten()[place_x])
    begin = (y.first.flatten()[place_y] + line) * width + x.first.flatten()[place_x]
    begin = begin + origin[bin_ // bins**2]
    of_line = y.weight.flatten()[place_y * y.weight.shape[2] + line]
    of_cell = x.weight.flatten()[(place_x * x.weight.shape[2])[strip] + cell]
    cells = (heights * widths).flatten()
    return begin[strip] + cell, of_line[strip] * of_cell, cells.cumsum(0) - cells


def _spread(counts: Tensor) -> tuple[Tensor, Tensor]:
    """(M,) int64 -> for each of `counts.sum()` members its group's number, and its own in it."""
    owner = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    start = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=counts.device) - start[owner]
