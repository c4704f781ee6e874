"""Anchors of every FPN level: one size per level, several aspect ratios, no rounding.

A anchors per cell, H x W cells of a level.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32, 64)  # P2..P6


class Anchors(nn.Module):
    """Boxes centred on (x * stride, y * stride) of each cell (specification section 3).

    sizes: square root of the area in pixels, one per level; ratios: height / width.
    """

    def __init__(self, sizes: Sequence[float], ratios: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("cells", _cell_anchors(sizes, ratios), persistent=False)

    @property
    def per_cell(self) -> int:
        return self.cells.shape[1]

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, C, H, W), finest first -> one (H * W * A, 4) per level, in that order."""
        levels = zip(features, self.cells, STRIDES, strict=True)
        return [_grid(feature.shape[-2:], cell, stride) for feature, cell, stride in levels]


def _cell_anchors(sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """(levels, A, 4) around the origin."""
    size, ratio = torch.tensor(sizes, dtype=torch.float64)[:, None], torch.tensor(ratios).double()
    width = torch.sqrt(size**2 / ratio)
    half = torch.stack((width, ratio * width), dim=-1) / 2
    return torch.cat((-half, half), dim=-1).float()


def _grid(shape: tuple[int, int], cell: Tensor, stride: int) -> Tensor:
    height, width = shape
    y = torch.arange(height, device=cell.device, dtype=cell.dtype) * stride
    x = torch.arange(width, device=cell.device, dtype=cell.dtype) * stride
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    shift = torch.stack((columns, rows, columns, rows), dim=-1)
    return (shift[:, :, None] + cell).reshape(-1, 4)
