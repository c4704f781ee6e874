"""Where a deformable convolution reads: the points of its kernel in the picture.

N cells asked about, T taps of the kernel (9 of 3 x 3), L layers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.config import TestConfig
from helpers.data.index import InstanceIndex
from helpers.data.loader import InstanceDataset
from helpers.models.build import Detector
from helpers.models.deform import DeformConv, deform_stages, spatial_convolutions
from helpers.series.analysis.statistics import instance_table
from helpers.structures import Sample


@dataclass(frozen=True)
class KernelMap:
    """One layer on one picture: shifts (Ho, Wo, T, 2) x and y in its input cells, and how the
    kernel lies on them; stride_in: px of the picture from one input cell to the next."""

    shifts: Tensor
    taps: Tensor  # (T, 2) x, y of the unshifted kernel, from the cell that the output lies on
    stride: int
    stride_in: float

    def cells(self, pixels: Tensor) -> Tensor:
        """(N, 2) x, y in px -> the (N, 2) output cells nearest to them."""
        height, width = self.shifts.shape[:2]
        cells = (pixels / (self.stride_in * self.stride) - 0.5).round().long()
        return torch.stack((cells[:, 0].clamp(0, width - 1), cells[:, 1].clamp(0, height - 1)), 1)

    def reads(self, pixels: Tensor, *, shifted: bool = True) -> Tensor:
        """(N, T, 2) px: where the output cells nearest to (N, 2) px read the layer's input."""
        cells = self.cells(pixels)
        shifts = self.shifts[cells[:, 1], cells[:, 0]] * shifted
        return ((cells * self.stride)[:, None] + self.taps + shifts + 0.5) * self.stride_in


@dataclass(frozen=True)
class Reading:
    """What one place of an object reads, all (.., 2) x and y in px of the resized picture.

    place: (2,); points: (T, 2) of the first deformable layer; stacked: (T^L, 2) through the first L
    layers; pulls: (T, 2) the shift that a step against the loss's gradient would begin with, its
    size meaning something only beside the others.
    """

    place: NDArray[np.float32]
    points: NDArray[np.float32]
    stacked: NDArray[np.float32]
    pulls: NDArray[np.float32]
    regular: NDArray[np.float32]  # (T, 2): where the first layer would read without its shifts

    @property
    def moved(self) -> float:
        """Mean distance of the first layer's points from the regular grid, in px."""
        return float(np.hypot(*(self.points - self.regular).T).mean())


def with_kernels(model: Detector) -> tuple[Detector, bool]:
    """A copy with deformable 3 x 3 convolutions in c3 to c5, and whether these have been learnt.

    Stages without one, as c3 of EfficientNet-Lite0, stay. A model without deformable layers gets
    fresh ones, which read the regular grid and change no answer.
    """
    model = copy.deepcopy(model).eval()
    learnt = any(isinstance(module, DeformConv) for module in model.modules())
    if not learnt:
        net = model.backbone.net
        deform_stages(net, [stage for stage in (3, 4, 5) if any(spatial_convolutions(net, stage))])
    return model, learnt


def largest_of(index: InstanceIndex, group: str, test: TestConfig) -> tuple[Sample, Tensor]:
    """The picture, at the test size, with the largest object of a super-category that lies wholly
    inside it, and the object's mask (H, W) bool. Of any kind where the set has none of that one.

    Raises ValueError when the set has no instance.
    """
    table = instance_table(index)
    if table.empty:
        raise ValueError("the data set has no instance to look at")
    rank = table["area_1200"] * (1 - table["truncated"] * 0.9)
    rank = rank * (1 + 1e3 * (table["supercategory"] == group))
    chosen = table.loc[rank.idxmax()]
    data = InstanceDataset(index, train=False, short_side=test.short_side, max_side=test.max_side)
    sample = data[int(np.searchsorted(index.image_ids, chosen["image_id"]))]
    areas = sample.targets.masks.sum(dim=(1, 2)) * (sample.targets.labels == chosen["label"])
    return sample, sample.targets.masks[int(areas.argmax())]


def places_on(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Three places of a (H, W) mask in px: the middle of its highest and lowest rows, and the pixel
    nearest to its centre."""
    y, x = np.nonzero(mask)
    rows = [np.flatnonzero(y == edge) for edge in (y.min(), y.max())]
    ends = [found[len(found) // 2] for found in rows]
    middle = int(np.argmin((y - y.mean()) ** 2 + (x - x.mean()) ** 2))
    chosen = [ends[0], middle, ends[1]]
    return np.stack((x[chosen], y[chosen]), axis=1).astype(np.float32) + 0.5


def readings(
    model: Detector, sample: Sample, places: NDArray[np.float32], *, layers: int = 2, seed: int = 0
) -> list[Reading]:
    """What (N, 2) places of a picture in px read through the first deformable layers.

    `model` is that of `with_kernels`; its gradients are used. Layers between two deformable ones
    are passed as if they read nothing but their own cell.
    """
    with _recorded(model) as found, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sum(model.losses([sample.image], [sample.targets]).values()).backward()
    width = model.normalise([sample.image]).tensor.shape[3]
    kernels = list(found)[:layers]
    maps = [_kernel_map(k, found[k].offset.detach(), width / found[k].width) for k in kernels]
    first = found[kernels[0]]
    pulls = _kernel_map(kernels[0], -first.offset.grad, width / first.width)
    at = torch.from_numpy(places)
    cells = maps[0].cells(at)
    parts = (
        maps[0].reads(at),
        _stacked(maps, at),
        pulls.shifts[cells[:, 1], cells[:, 0]],
        maps[0].reads(at, shifted=False),
    )
    return [
        Reading(place, *(part.numpy() for part in own))
        for place, *own in zip(places, *parts, strict=True)
    ]


def _stacked(maps: Sequence[KernelMap], places: Tensor) -> Tensor:
    """(N, T^L, 2): the last layer's points, each as the layer before reads it, and so on."""
    points = places[:, None]
    for kernel in reversed(maps):
        points = kernel.reads(points.flatten(0, 1)).view(len(places), -1, 2)
    return points


@dataclass(frozen=True)
class _Recorded:
    """What a layer made of a picture: the width of its input in cells, and its offset map."""

    width: int
    offset: Tensor


@contextmanager
def _recorded(model: Detector) -> Iterator[dict[DeformConv, _Recorded]]:
    """The deformable layers that run, in their order, filled while they do."""
    found: dict[DeformConv, _Recorded] = {}

    def record(layer: DeformConv, given: tuple[Tensor], answer: Tensor) -> None:
        answer.retain_grad()
        found[layer] = _Recorded(given[0].shape[3], answer)

    hooks = [
        layer.offset.register_forward_hook(
            lambda _, given, answer, layer=layer: record(layer, given, answer)
        )
        for layer in model.modules()
        if isinstance(layer, DeformConv)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _kernel_map(layer: DeformConv, offset: Tensor, stride_in: float) -> KernelMap:
    """offset: (1, 3DT, Ho, Wo) as the layer's own convolution gives it; of the first group."""
    shifts = offset[0, : 2 * layer.taps].unflatten(0, (layer.taps, 2)).permute(2, 3, 0, 1)
    y, x = (
        torch.arange(size) * dilation - padding
        for size, dilation, padding in zip(
            layer.weight.shape[2:], layer.dilation, layer.padding, strict=True
        )
    )
    taps = torch.stack((x.repeat(len(y)), y.repeat_interleave(len(x))), dim=1)
    return KernelMap(shifts.flip(-1), taps, layer.stride[0], stride_in)
