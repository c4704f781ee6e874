"""SOLOv2 (Wang 2020): instances by location, without boxes, anchors or proposals.

N images, K classes, E channels of a kernel, G cells of all grids, H x W pixels of the padded batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss

from helpers.config import ModelConfig, TestConfig
from helpers.models.backbones import Backbone
from helpers.models.fpn import FPN
from helpers.models.images import ImageBatch, Normalise
from helpers.models.inputs import check_targets
from helpers.models.shared import average, share, world_size
from helpers.models.solov2_head import InstanceBranch, MaskBranch
from helpers.models.solov2_masks import detect, points_nms
from helpers.models.solov2_targets import STRIDE, CellTargets, cell_targets
from helpers.structures import Detections, Targets


class SOLOv2(nn.Module):
    """Each cell of five grids says what instance is centred there, and with which 1 x 1 convolution
    its mask is drawn from one map at stride 4 (specification section 9).

    Takes and gives what `Detector` does.
    """

    def __init__(self, config: ModelConfig, test: TestConfig, num_classes: int) -> None:
        super().__init__()
        self.config, self.test, self.num_classes = config.solov2, test, num_classes
        self.backbone = Backbone(
            config.backbone,
            pretrained=config.pretrained,
            norm=config.norm,
            frozen_stages=config.frozen_stages,
            stride_in_1x1=config.stride_in_1x1,
            checkpointing=config.checkpointing,
            deformable=config.deform_stages,
            deform_groups=config.deform_groups,
        )
        self.normalise = Normalise(self.backbone.mean, self.backbone.std)
        self.fpn = FPN(self.backbone.channels, config.fpn_channels, norm=config.head_norm)
        self.instances = InstanceBranch(config.fpn_channels, config.solov2, num_classes)
        self.masks = MaskBranch(config.fpn_channels, config.solov2)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Targets]) -> dict[str, Tensor]:
        """The losses: what a wrapper such as DistributedDataParallel calls."""
        return self.losses(images, targets)

    def losses(self, images: Sequence[Tensor], targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Weighted loss terms, scalars: `cls` (focal, of cells) and `mask` (dice).

        Finite and connected to all weights even without any instance. Raises UserError when the
        targets do not fit the images.
        """
        check_targets(images, targets, self.num_classes)
        batch = self.normalise(images)
        features = self.features(batch)
        classes, kernels = self.instances(features)
        maps = self.masks(features)
        truth = [
            cell_targets(
                target.to(maps.device),
                tuple(batch.tensor.shape[2:]),
                self.config,
                num_classes=self.num_classes,
            )
            for target in targets
        ]
        return {
            "cls": self._class_loss(_flat(classes), truth),
            "mask": self.config.dice_weight * _mask_loss(_flat(kernels), maps, truth),
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
        flat, maps = _flat(kernels), self.masks(features)
        return [
            detect(
                [level[i] for level in scores],
                flat[i],
                maps[i, :, : -(-size[0] // STRIDE), : -(-size[1] // STRIDE)],
                image_size=size,
                config=self.config,
                test=self.test,
            )
            for i, size in enumerate(batch.sizes)
        ]

    def features(self, batch: ImageBatch) -> list[Tensor]:
        """P2..P6 of a normalised batch, each (N, C, H / stride, W / stride)."""
        return self.fpn(self.backbone(batch.tensor))

    def _class_loss(self, logits: Tensor, truth: Sequence[CellTargets]) -> Tensor:
        """Focal loss of every cell and class, over the number of cells with an instance plus 1.

        With many processes: their mean is the loss of all cells over that number of all.
        """
        labels = torch.stack([t.labels for t in truth])  # (N, G)
        counted = torch.stack([t.counted for t in truth])
        classes = torch.arange(self.num_classes, device=labels.device)
        wanted = (labels[:, None] == classes[:, None]).float()
        loss = sigmoid_focal_loss(
            logits.float(), wanted, self.config.focal_alpha, self.config.focal_gamma
        )
        positive = (labels < self.num_classes).sum()
        return (loss * counted[:, None]).sum() / (average(positive) + 1 / world_size())


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """(A, P) logits, (A, P) bool -> (A,) 1 - 2 sum(p q) / (sum p^2 + sum q^2 + 2e-3), float32."""
    p, q = logits.float().sigmoid(), targets.float()
    squares = (p * p).sum(dim=1) + (q * q).sum(dim=1)
    return 1 - 2 * (p * q).sum(dim=1) / (squares + 2e-3)


def _mask_loss(kernels: Tensor, maps: Tensor, truth: Sequence[CellTargets]) -> Tensor:
    """Mean dice loss over all pairs of cell and instance; kernels (N, E, G), maps (N, E, h, w).

    With many processes: weighted so that their mean is that over the pairs of all.
    """
    parts = []
    for kernel, plane, target in zip(kernels, maps, truth, strict=True):
        logits = kernel[:, target.cells].T @ plane.flatten(1)
        parts.append(dice_loss(logits, target.masks.flatten(1)[target.instances]))
    losses = torch.cat(parts)
    return share(len(losses), losses) * losses.sum() / max(len(losses), 1)


def _flat(levels: Sequence[Tensor]) -> Tensor:
    """(N, C, S, S) of each level -> (N, C, G)."""
    return torch.cat([level.flatten(2) for level in levels], dim=2)
