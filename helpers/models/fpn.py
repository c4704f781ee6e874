"""Feature pyramid (FPN, Lin 2017), and the part that all detectors share: pictures to P2..P6.

N images, C channels of the pyramid, H x W pixels of the padded batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from helpers.config import ModelConfig
from helpers.models.backbones import Backbone
from helpers.models.images import ImageBatch, Normalise
from helpers.models.layers import HeadNorm, conv_block, init_xavier
from helpers.structures import Targets


class FPN(nn.Module):
    """P2..P6 from c2..c5.

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


class PyramidModel(nn.Module):
    """Normalisation, backbone and FPN, with the heads of a detector to come.

    Images are RGB tensors (3, H, W), uint8 or float in 0..255, of any sizes; boxes are pixels of
    the image given.
    """

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
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

    def forward(self, images: Sequence[Tensor], targets: Sequence[Targets]) -> dict[str, Tensor]:
        """The losses: what a wrapper such as DistributedDataParallel calls."""
        return self.losses(images, targets)

    def features(self, batch: ImageBatch) -> list[Tensor]:
        """P2..P6 of a normalised batch, each (N, C, H / stride, W / stride)."""
        return self.fpn(self.backbone(batch.tensor))
