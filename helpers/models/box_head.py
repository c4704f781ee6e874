"""One box stage: from the pooled features of a RoI to its class and a better box.

R boxes of all images, C channels, K classes (background is index K).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.config import LossConfig, ModelConfig
from helpers.models.boxes import BoxCoder
from helpers.models.layers import conv_block, init_normal, init_xavier
from helpers.models.losses import box_loss, class_loss
from helpers.models.rois import RoIs, cat_labels
from helpers.models.shared import share

POOL = 7  # cells per side


class BoxFeatures(nn.Module):
    """(R, C, 7, 7) -> (R, box_head_dim): two FC layers, or four convolutions and one FC layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, width = config.fpn_channels, config.box_head_dim
        convs, fcs = (4, 1) if config.box_head == "4conv1fc" else (0, 2)
        self.convs = nn.Sequential(
            *(conv_block(channels, channels, 3, norm=config.head_norm) for _ in range(convs))
        )
        inputs = [channels * POOL**2] + [width] * (fcs - 1)
        self.fcs = nn.ModuleList(nn.Linear(size, width) for size in inputs)
        for layer in self.fcs:
            init_xavier(layer)

    def forward(self, pooled: Tensor) -> Tensor:
        hidden = self.convs(pooled).flatten(1)
        for layer in self.fcs:
            hidden = F.relu(layer(hidden))
        return hidden


class BoxStage(nn.Module):
    """Class logits over K + 1 classes and box deltas, one set per class or one for all."""

    def __init__(
        self,
        config: ModelConfig,
        loss: LossConfig,
        num_classes: int,
        *,
        coder: BoxCoder,
        agnostic: bool,
    ) -> None:
        super().__init__()
        self.loss, self.num_classes, self.coder, self.agnostic = loss, num_classes, coder, agnostic
        self.features = BoxFeatures(config)
        self.classes = nn.Linear(config.box_head_dim, num_classes + 1)
        self.deltas = nn.Linear(config.box_head_dim, 4 if agnostic else 4 * num_classes)
        init_normal(self.classes, 0.01)
        init_normal(self.deltas, 0.001)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """(R, C, 7, 7) -> logits (R, K + 1), deltas (R, K or 1, 4), float32."""
        hidden = self.features(pooled).float()
        with torch.autocast(hidden.device.type, enabled=False):  # eight bits are few for an edge
            return self.classes(hidden), self.deltas(hidden).unflatten(1, (-1, 4))

    def losses(self, logits: Tensor, deltas: Tensor, rois: Sequence[RoIs]) -> dict[str, Tensor]:
        """`cls`: mean over RoIs. `box_reg`: L1 of the foreground, divided by the number of RoIs.

        Both are weighted so that averaged over processes they are those of the RoIs of all.
        """
        labels = cat_labels(rois)
        wanted = torch.cat([self._wanted(image) for image in rois])
        foreground = (labels < self.num_classes).nonzero().squeeze(1)
        given = self.of_class(deltas[foreground], labels[foreground])
        moved = box_loss(given, wanted, normaliser=max(len(labels), 1))
        weight = share(len(labels), logits)
        return {
            "cls": weight * class_loss(logits, labels, self.loss),
            "box_reg": weight * moved,
        }

    def of_class(self, values: Tensor, labels: Tensor) -> Tensor:
        """(R, K or 1, 4) deltas or boxes -> (R, 4) of each box's label (any of them if agnostic).

        Background takes the last class.
        """
        rows = torch.arange(len(labels), device=labels.device)
        return values[rows, labels.clamp(max=values.shape[1] - 1)]

    def _wanted(self, rois: RoIs) -> Tensor:
        rois = rois.foreground(self.num_classes)
        return self.coder.encode(rois.boxes, rois.targets.boxes[rois.index])
