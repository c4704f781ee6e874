"""SOLOv2 (Wang 2020): instances by location, without boxes, anchors or proposals.

N images (or instances of one), K classes, E channels of a dynamic kernel, S cells along a side of
a grid, G cells of all grids (level by level, rows from top to bottom), A pairs of a cell and an
instance assigned to it, H x W pixels of the padded batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss

from helpers.config import ModelConfig, Solov2Config, TestConfig
from helpers.models.deform import DeformConv
from helpers.models.fpn import PyramidModel
from helpers.models.layers import init_normal
from helpers.models.losses import dice_loss, process_mean, process_weight, world_size
from helpers.models.points import cell_centres
from helpers.models.solov2_masks import STRIDE, detect, points_nms
from helpers.structures import Detections, Targets

SIGMA = 0.2  # part of the box, around the centre of mass, whose cells are assigned to it
PRIOR = 0.01  # probability of any class in any cell before training


class SOLOv2(PyramidModel):
    """Each cell of five grids predicts the class of the instance centred there, and the weights of
    a 1 x 1 convolution that makes the instance's mask from one map at stride 4.

    Takes and gives what `Detector` does.
    """

    def __init__(self, config: ModelConfig, test: TestConfig, num_classes: int) -> None:
        super().__init__(config, num_classes)
        self.config, self.test = config.solov2, test
        self.instances = InstanceBranch(config.fpn_channels, config.solov2, num_classes)
        self.masks = MaskBranch(config.fpn_channels, config.solov2)
        self.to(memory_format=torch.channels_last)

    def losses(self, images: Sequence[Tensor], targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Weighted loss terms, scalars: `cls` (focal, of cells) and `mask` (dice).

        Finite and connected to all weights even without any instance.
        """
        batch = self.normalise(images)
        features = self.features(batch)
        classes, kernels = self.instances(features)
        maps = self.masks(features)
        padded = tuple(batch.tensor.shape[2:])
        truth = [
            cell_targets(one.to(maps.device), padded, self.config, num_classes=self.num_classes)
            for one in targets
        ]
        return {
            "cls": class_loss(_cat_levels(classes), truth, self.config),
            "mask": self.config.dice_weight * _mask_loss(_cat_levels(kernels), maps, truth),
        }

    @torch.no_grad()
    def predict(self, images: Sequence[Tensor]) -> list[Detections]:
        """Detections with box-relative mask probabilities, best first, one set per image.

        Masks are born on the stride-4 map and sampled on `mask_size` squared points of their box.
        """
        batch = self.normalise(images)
        features = self.features(batch)
        classes, kernels = self.instances(features)
        scores = [points_nms(level.float().sigmoid()) for level in classes]
        kernels, maps = _cat_levels(kernels), self.masks(features)
        found = []
        for i, size in enumerate(batch.sizes):
            height, width = (math.ceil(side / STRIDE) for side in size)  # without the padding
            own = [level[i] for level in scores], kernels[i], maps[i, :, :height, :width]
            found.append(detect(*own, image_size=size, config=self.config, test=self.test))
        return found


def class_loss(logits: Tensor, truth: Sequence[CellTargets], config: Solov2Config) -> Tensor:
    """Focal loss summed over cells and classes, divided by the cells with an instance plus 1.

    logits (N, K, G) of K classes and G cells. The count is that of all processes together, so
    that their mean is the loss of the batch.
    """
    labels = torch.stack([t.labels for t in truth])  # (N, G)
    counted = torch.stack([t.counted for t in truth])
    classes = torch.arange(logits.shape[1], device=labels.device)
    wanted = (labels[:, None] == classes[:, None]).float()
    loss = sigmoid_focal_loss(logits.float(), wanted, config.focal_alpha, config.focal_gamma)
    positive = (labels < logits.shape[1]).sum()
    return (loss * counted[:, None]).sum() / (process_mean(positive) + 1 / world_size())


def _mask_loss(kernels: Tensor, maps: Tensor, truth: Sequence[CellTargets]) -> Tensor:
    """Mean dice loss over all pairs of cell and instance; kernels (N, E, G), maps (N, E, h, w).

    With many processes: weighted so that their mean is that over the pairs of all.
    """
    parts = []
    for kernel, plane, target in zip(kernels, maps, truth, strict=True):
        logits = kernel[:, target.cells].T @ plane.flatten(1)
        parts.append(dice_loss(logits, target.masks.flatten(1)[target.instances]))
    losses = torch.cat(parts)
    return process_weight(len(losses), losses) * losses.sum() / max(len(losses), 1)


def _cat_levels(levels: Sequence[Tensor]) -> Tensor:
    """(N, C, S, S) of each level -> (N, C, G)."""
    return torch.cat([level.flatten(2) for level in levels], dim=2)


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
            blocks = [_block(width, config.mask_channels, 3, config) for width in inputs]
            self.levels.append(nn.Sequential(*blocks))
        self.merge = _block(config.mask_channels, config.kernel_channels, 1, config)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """P2..P6 -> (N, E, H / 4, W / 4)."""
        finest, *coarser = features[:4]
        total = self.levels[0](finest)
        for level, feature in zip(self.levels[1:], coarser, strict=True):
            x = with_coordinates(feature) if level is self.levels[3] else feature
            for block in level:
                x = F.interpolate(block(x), scale_factor=2.0, mode="bilinear")
            total = total + x
        return self.merge(total)


def with_coordinates(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C + 2, H, W): x, then y of each cell, from -1 to 1."""
    sides = x.shape[2:]
    axes = (torch.linspace(-1, 1, side, device=x.device, dtype=x.dtype) for side in sides)
    down, across = torch.meshgrid(*axes, indexing="ij")
    return torch.cat((x, torch.stack((across, down)).expand(len(x), -1, -1, -1)), dim=1)


def _levelled(features: Sequence[Tensor]) -> list[Tensor]:
    """P2..P6 at strides 8, 8, 16, 32, 32: none too large for its grid, none too coarse."""
    p2, p3, p4, p5, p6 = features
    half = F.interpolate(p2, scale_factor=0.5, mode="bilinear")
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
    return F.interpolate(x, size=tuple(size), mode="bilinear")


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
    an instance is assigned to them.
    """
    pairs, device = _pairs(targets, padded, config), targets.boxes.device
    labels = torch.full((sum(grid**2 for grid in config.grids),), num_classes, dtype=torch.int64)
    own = targets.labels.tolist()
    for cell, instance in pairs:  # in order: a later instance overwrites
        labels[cell] = own[instance]
    labels = labels.to(device)
    cells, instances = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).unbind(1)
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
        centres.append((profile * place).sum(dim=1) / profile.sum(dim=1).clamp(min=1))
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
    centres = torch.cat([cell_centres(grid, ignore) for grid in config.grids])
    centres = centres * centres.new_tensor([padded[1], padded[0]])
    inside = (centres >= ignore[:, None, :2]) & (centres < ignore[:, None, 2:])
    return inside.all(dim=2).any(dim=0)
