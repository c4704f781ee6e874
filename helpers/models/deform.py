"""Deformable convolution v2 (DCNv2, Zhu 2019): each tap of the kernel moves and is modulated.

`DeformConv` is the layer, `deform_stages` the surgery that puts it into a pretrained backbone.
N images, C channels, H x W cells in and P = Ho x Wo cells out, T taps (9 of a 3x3 kernel),
G groups of the convolution, D groups of channels that share their offsets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from timm.layers import Conv2dSame, pad_same
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from helpers.files import UserError
from helpers.models.points import bilinear_taps, weighted_rows


class DeformConv(nn.Module):
    """Takes the place of a convolution: same shapes, and at first the same output.

    The layer `offset` predicts both the shifts and the modulation (DCNv2's mask, one factor for
    each tap). It starts at zero: no shift, and a modulation of sigmoid(0) = 1/2, for which the
    weight copied from `conv` is doubled, as the frozen norm behind it expects the full signal.
    Of the channels of `offset`, shifts come first, as (dy, dx) per tap, tap-major within each of
    the `groups`, then the modulation. Computes in float32 and returns the input's dtype.
    """

    def __init__(self, conv: nn.Conv2d, *, groups: int = 1) -> None:
        super().__init__()
        self.stride, self.padding, self.dilation = conv.stride, conv.padding, conv.dilation
        self.pads_itself = isinstance(conv, Conv2dSame)  # TensorFlow's padding, by the input's size
        self.groups, self.taps = groups, conv.kernel_size[0] * conv.kernel_size[1]
        self.weight = nn.Parameter(2 * conv.weight.detach())
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())
        self.offset = nn.Conv2d(
            conv.in_channels,
            3 * groups * self.taps,
            conv.kernel_size,
            stride=conv.stride,
            padding=conv.padding,
            dilation=conv.dilation,
        )
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            full = x.float()
            if self.pads_itself:
                full = pad_same(full, self.weight.shape[2:], self.stride, self.dilation)
            shifts, modulation = self.offset(full).tensor_split([2 * self.groups * self.taps], 1)
            convolve = self._on_cpu if x.device.type == "cpu" else self._by_torchvision
            return convolve(full, shifts, modulation.sigmoid()).to(x.dtype)

    def _by_torchvision(self, x: Tensor, shifts: Tensor, modulation: Tensor) -> Tensor:
        geometry = (self.stride, self.padding, self.dilation)
        # a view in plain strides: torchvision's backward fails on those of a 1x1 in channels-last
        weight = self.weight.flatten(1).view_as(self.weight)
        return deform_conv2d(x, shifts, weight, self.bias, *geometry, modulation)

    def _on_cpu(self, x: Tensor, shifts: Tensor, modulation: Tensor) -> Tensor:
        """The same by gathering rows and one matrix product: several times faster on a CPU.

        A row of the table has the channels of one cell that share their offsets, (N H W D, C / D).
        """
        count, channels, height, width = x.shape
        table = x.permute(0, 2, 3, 1).reshape(-1, channels // self.groups)
        cell, weight = bilinear_taps(self._positions(shifts), height=height, width=width)
        image = torch.arange(count, device=x.device).view(-1, 1, 1, 1, 1)
        group = torch.arange(self.groups, device=x.device).view(-1, 1)
        row = (image * height * width + cell) * self.groups + group  # (N, P, T, D, 4)
        modulation = modulation.view(count, self.groups, self.taps, -1).permute(0, 3, 2, 1)
        weight = weight * modulation[..., None]
        columns = weighted_rows(table, row.flatten(0, 3), weight.flatten(0, 3))
        output = self._product(columns.view(-1, self.taps, channels))
        if self.bias is not None:
            output = output + self.bias
        return output.view(count, *shifts.shape[2:], -1).permute(0, 3, 1, 2)

    def _positions(self, shifts: Tensor) -> Tensor:
        """(N, 2DT, Ho, Wo) -> (N, P, T, D, 2): where each tap reads, x and y in input cells."""
        count, _, height, width = shifts.shape
        axes = []
        for axis, length in ((0, height), (1, width)):
            start = torch.arange(length, device=shifts.device) * self.stride[axis]
            tap = torch.arange(self.weight.shape[2 + axis], device=shifts.device)
            axes.append((start - self.padding[axis])[:, None] + tap * self.dilation[axis])
        y, x = axes  # (Ho, kernel height), (Wo, kernel width): where a plain convolution reads
        shape = (height, width, y.shape[1], x.shape[1])
        y, x = y[:, None, :, None].expand(shape), x[None, :, None, :].expand(shape)
        unmoved = torch.stack((y, x), dim=-1).reshape(height * width, self.taps, 1, 2)
        shifts = shifts.view(count, self.groups, self.taps, 2, -1).permute(0, 4, 2, 1, 3)
        return (unmoved + shifts).flip(-1)

    def _product(self, columns: Tensor) -> Tensor:
        """(NP, T, C) gathered taps -> (NP, C out): the convolution's matrix product by group."""
        outputs, width = self.weight.shape[:2]
        groups = columns.shape[2] // width
        if width == 1 and outputs == groups:  # depthwise: a sum is faster than many tiny matrices
            return (columns * self.weight.flatten(1).T).sum(dim=1)
        weight = self.weight.flatten(2).view(groups, outputs // groups, width, self.taps)
        weight = weight.permute(0, 3, 2, 1).flatten(1, 2)  # (G, T * C / G, C out / G)
        split = columns.view(len(columns), self.taps, groups, width).permute(2, 0, 1, 3).flatten(2)
        return torch.bmm(split, weight).permute(1, 0, 2).flatten(1)


def ungrouped_offsets(weight: Tensor, *, like: Tensor) -> Tensor:
    """The weight of a grouped `offset` convolution as that of a plain one: zeros between groups.

    weight: (3DT, C / D, kernel); like: (3DT, C, kernel), the weight to fill. A weight of any other
    shape comes back as it is.
    """
    groups = len(like) // (3 * like[0, 0].numel())
    if weight.shape != (len(like), like.shape[1] // groups, *like.shape[2:]):
        return weight
    taps = weight.flatten(2).unbind(2)
    return torch.stack([torch.block_diag(*tap.chunk(groups)) for tap in taps], 2).view_as(like)


def deform_stages(net: nn.Module, stages: Sequence[int], *, groups: int = 1) -> None:
    """Make the 3x3 convolutions of stages c2..c5 deformable: of a timm ResNet, ResNeXt, ResNeSt, or
    the depthwise ones of an EfficientNet.

    stages: numbers 2..5; the network's output stays the same. Raises UserError where a stage has no
    such convolution, or channels that `groups` does not divide.
    """
    for stage in stages:
        found = list(_spatial_convolutions(net, stage))
        if not found:
            raise UserError(
                f"deform_stages has {stage}, where this backbone has no 3x3 convolutions: choose "
                "numbers 2..5 and a ResNet, ResNeXt, ResNeSt or EfficientNet"
            )
        for owner, name in found:
            conv = getattr(owner, name)
            if conv.in_channels % groups:
                raise UserError(f"deform_groups {groups} does not divide {conv.in_channels}")
            setattr(owner, name, DeformConv(conv, groups=groups))


def _spatial_convolutions(net: nn.Module, stage: int) -> Iterator[tuple[nn.Module, str]]:
    """Owner and name of each spatial 3x3 convolution in the blocks of stage c2..c5."""
    ends = net.feature_info.module_name()
    if not 2 <= stage <= 5 or not ends[0].startswith(("layer", "blocks")):
        return
    names = [f"layer{stage - 1}"]
    if ends[0].startswith("blocks"):  # c4 of an EfficientNet is blocks.3 and blocks.4
        last = [int(end.split(".")[1]) for end in ends]
        first = 0 if stage == 2 else last[stage - 3] + 1
        names = [f"blocks.{number}" for number in range(first, last[stage - 2] + 1)]
    wanted = ("conv2", "conv_dw", "conv")  # of a bottleneck, of an EfficientNet, of split attention
    for owner in (owner for name in names for owner in net.get_submodule(name).modules()):
        for name, conv in owner.named_children():
            if name in wanted and getattr(conv, "kernel_size", None) == (3, 3):
                yield owner, name
