"""Mask R-CNN's mask head: a small grid over each box, one channel per class.

R RoIs of all images, C channels, K classes, S side of the mask grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.config import LossConfig, ModelConfig
from helpers.models.layers import conv_block, init_msra, init_normal
from helpers.models.losses import mask_loss, process_weight
from helpers.models.matching import RoIs, cat_labels
from helpers.models.roi_align import pool_masks, pool_rois
from helpers.structures import Detections


class ConvMaskHead(nn.Module):
    """RoIAlign S/2, 3x3 convolutions, a doubling deconvolution, 1x1 to K."""

    def __init__(self, config: ModelConfig, loss: LossConfig, num_classes: int) -> None:
        super().__init__()
        self.size, self.canonical, self.loss = config.mask_size, config.roi_canonical, loss
        width = config.mask_head_dim
        *inputs, last = [config.fpn_channels] + [width] * config.mask_head_convs
        blocks = [conv_block(i, width, 3, norm=config.head_norm) for i in inputs]
        self.convs = nn.Sequential(*blocks)
        self.deconv = nn.ConvTranspose2d(last, width, 2, stride=2)
        self.predictor = nn.Conv2d(width, num_classes, 1)
        init_msra(self.deconv)
        init_normal(self.predictor, 0.001)

    def forward(self, features: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """P2..P5 and (R_i, 4) boxes per image -> (R, K, S, S) logits."""
        pooled = pool_rois(features, boxes, self.size // 2, canonical=self.canonical)
        return self.predictor(F.relu(self.deconv(self.convs(pooled))))

    def losses(self, features: Sequence[Tensor], rois: Sequence[RoIs]) -> dict[str, Tensor]:
        """`mask`: cross entropy of the true class's map. rois: the foreground of each image."""
        logits = self(features, [image.boxes for image in rois])
        chosen = of_class(logits, cat_labels(rois))
        term = mask_loss(chosen, mask_targets(rois, self.size), self.loss.masks, self.loss)
        return {"mask": self.loss.mask_weight * (process_weight(len(chosen), chosen) * term)}

    def predict(self, features: Sequence[Tensor], detections: Sequence[Detections]) -> list[Tensor]:
        """Per image (n, S, S) float32 probabilities over each box, of the predicted class."""
        logits = self(features, [image.boxes for image in detections])
        labels = torch.cat([image.labels for image in detections])
        return list(of_class(logits, labels).sigmoid().split([len(d) for d in detections]))


def of_class(logits: Tensor, labels: Tensor) -> Tensor:
    """(R, K, ...) -> (R, ...) float32: the channel of each RoI's label."""
    return logits[torch.arange(len(labels), device=labels.device), labels].float()


def mask_targets(rois: Sequence[RoIs], size: int) -> Tensor:
    """The true masks cut to the RoIs of all images, (R, size, size) float32 of 0 and 1."""
    grids = [pool_masks(image.targets.masks, image.index, image.boxes, size) for image in rois]
    return torch.cat(grids).float()
