"""SOLOv2's two branches: what stands in each cell of a grid, and features to draw masks from.

N images, K classes, E channels of a dynamic kernel, S cells along a side of a grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.config import Solov2Config
from helpers.models.deform import DeformConv
from helpers.models.layers import init_normal

PRIOR = 0.01  # probability of any class in any cell before training


class InstanceBranch(nn.Module):
    """Class logits and a dynamic kernel for each cell of a level's grid; weights are shared.

    The kernel tower sees coordinates besides the features, the class tower does not.
    """

    def __init__(self, channels: int, config: Solov2Config, num_classes: int) -> None:
        super().__init__()
        self.grids = config.grids
        self.kernel_tower = _tower(channels + 2, config)
        self.class_tower = _tower(channels, config)
        self.kernels = nn.Conv2d(config.head_channels, config.kernel_channels, 3, padding=1)
        self.classes = nn.Conv2d(config.head_channels, num_classes, 3, padding=1)
        for layer in (self.kernels, self.classes):
            init_normal(layer, 0.01)
        nn.init.constant_(self.classes.bias, -math.log((1 - PRIOR) / PRIOR))

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """P2..P6 -> logits (N, K, S, S) and kernels (N, E, S, S) of each level."""
        classes, kernels = [], []
        for feature, grid in zip(_levelled(features), self.grids, strict=True):
            cells = _resized(with_coordinates(feature), (grid, grid))
            kernels.append(self.kernels(self.kernel_tower(cells)))
            classes.append(self.classes(self.class_tower(cells[:, :-2])))
        return classes, kernels


class MaskBranch(nn.Module):
    """One map for all masks at stride 4: P2..P5 brought to one size and added.

    Level l is doubled l times, each time after a convolution; the coarsest sees coordinates.
    """

    def __init__(self, channels: int, config: Solov2Config) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for level in range(4):
            inputs = [channels + 2 * (level == 3)] + [config.mask_channels] * (level - 1)
            self.levels.append(
                nn.Sequential(*(_block(width, config.mask_channels, 3, config) for width in inputs))
            )
        self.merge = _block(config.mask_channels, config.kernel_channels, 1, config)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """P2..P6 -> (N, E, H / 4, W / 4)."""
        finest, *coarser = features[:4]
        total = self.levels[0](finest)
        for level, feature in zip(self.levels[1:], coarser, strict=True):
            x = with_coordinates(feature) if level is self.levels[3] else feature
            for block in level:
                x = _doubled(block(x))
            total = total + x
        return self.merge(total)


def with_coordinates(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C + 2, H, W): x, then y of each cell, from -1 to 1."""
    axes = (
        torch.linspace(-1, 1, side, device=x.device, dtype=x.dtype)
        for side in reversed(x.shape[2:])
    )
    across, down = torch.meshgrid(*axes, indexing="xy")
    return torch.cat((x, torch.stack((across, down)).expand(len(x), -1, -1, -1)), dim=1)


def _levelled(features: Sequence[Tensor]) -> list[Tensor]:
    """P2..P6 at strides 8, 8, 16, 32, 32: none too large for its grid, none too coarse."""
    p2, p3, p4, p5, p6 = features
    half = F.interpolate(p2, scale_factor=0.5, mode="bilinear", align_corners=False)
    return [half, p3, p4, p5, _resized(p6, p5.shape[2:])]


def _tower(inputs: int, config: Solov2Config) -> nn.Sequential:
    widths = [inputs] + [config.head_channels] * (config.head_convs - 1)
    return nn.Sequential(*(_block(width, config.head_channels, 3, config) for width in widths))


def _block(inputs: int, outputs: int, kernel: int, config: Solov2Config) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    init_normal(conv, 0.01)
    groups = math.gcd(32, outputs)
    return nn.Sequential(
        DeformConv(conv) if config.deformable else conv,
        nn.GroupNorm(groups, outputs),
        nn.ReLU(inplace=True),
    )


def _resized(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
