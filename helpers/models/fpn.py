"""Feature pyramid (Lin 2017): semantics of the coarse maps brought down to the fine ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from helpers.models.layers import HeadNorm, conv_block, init_xavier


class FPN(nn.Module):
    """P2..P6 from c2..c5 (specification section 3).

    A 1x1 convolution brings each input to `channels`; from coarse to fine the map above, doubled
    by nearest neighbour, is added; a 3x3 convolution gives the output. P6 is every second pixel
    of P5.
    """

    def __init__(self, inputs: Sequence[int], channels: int, *, norm: HeadNorm = "none") -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            conv_block(width, channels, 1, norm=norm, relu=False) for width in inputs
        )
        self.output = nn.ModuleList(
            conv_block(channels, channels, 3, norm=norm, relu=False) for _ in inputs
        )
        for block in (*self.lateral, *self.output):
            init_xavier(block[0])

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """c2..c5, finest first -> P2..P6, each (N, channels, H / stride, W / stride)."""
        inner = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for level in range(len(inner) - 1, 0, -1):
            above = F.interpolate(inner[level], scale_factor=2.0, mode="nearest")
            inner[level - 1] = inner[level - 1] + above
        pyramid = [output(feature) for output, feature in zip(self.output, inner, strict=True)]
        return [*pyramid, F.max_pool2d(pyramid[-1], kernel_size=1, stride=2)]
