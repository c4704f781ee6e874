"""The detector as a whole, and how a config becomes one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers.config import LossConfig, ModelConfig, TestConfig
from helpers.files import UserError
from helpers.models.backbones import Backbone
from helpers.models.fpn import FPN
from helpers.models.images import ImageBatch, Normalise
from helpers.models.inputs import check_targets
from helpers.models.roi_heads import RoIHeads
from helpers.models.rpn import RPN
from helpers.models.solov2 import SOLOv2
from helpers.structures import Detections, Targets


class Detector(nn.Module):
    """Two-stage instance segmentation: backbone, FPN, RPN, then boxes and masks of the proposals.

    Images are RGB tensors (3, H, W), uint8 or float in 0..255, of any sizes; boxes are pixels of
    the image given.
    """

    def __init__(
        self, config: ModelConfig, loss: LossConfig, test: TestConfig, num_classes: int
    ) -> None:
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
        self.rpn = RPN(config)
        self.roi_heads = RoIHeads(config, loss, test, num_classes)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Targets]) -> dict[str, Tensor]:
        """The losses: what a wrapper such as DistributedDataParallel calls."""
        return self.losses(images, targets)

    def losses(self, images: Sequence[Tensor], targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Weighted loss terms, scalars; their sum is the training loss.

        Terms: rpn_cls, rpn_loc, cls, box_reg (in a cascade with _stage0.._stage2), mask, and
        mask_point for PointRend. Finite and connected to all weights even without any instance.
        NaN where the training has diverged. Raises UserError when the targets do not fit the
        images.
        """
        check_targets(images, targets, self.num_classes)
        batch = self.normalise(images)
        targets = [target.to(batch.tensor.device) for target in targets]
        features = self.features(batch)
        proposals, terms = self.rpn.losses(features, batch.sizes, targets)
        return terms | self.roi_heads.losses(features, batch.sizes, proposals, targets)

    @torch.no_grad()
    def predict(self, images: Sequence[Tensor]) -> list[Detections]:
        """Detections with box-relative mask probabilities, best first, one set per image."""
        features, detections = self.find(images)
        return self.add_masks(features, detections)

    @torch.no_grad()
    def find(self, images: Sequence[Tensor]) -> tuple[list[Tensor], list[Detections]]:
        """The first half of `predict`: P2..P6 of the batch, and detections without masks."""
        batch = self.normalise(images)
        features = self.features(batch)
        proposals = self.rpn.propose(features, batch.sizes)
        return features, self.roi_heads.detect(features, batch.sizes, proposals)

    @torch.no_grad()
    def add_masks(
        self, features: Sequence[Tensor], detections: Sequence[Detections]
    ) -> list[Detections]:
        """The second half: these boxes and labels, whoever found them, with masks."""
        return self.roi_heads.add_masks(features, detections)

    def features(self, batch: ImageBatch) -> list[Tensor]:
        """P2..P6 of a normalised batch, each (N, C, H / stride, W / stride)."""
        return self.fpn(self.backbone(batch.tensor))


def build_model(
    config: ModelConfig, loss: LossConfig, test: TestConfig, num_classes: int
) -> Detector | SOLOv2:
    """A detector for labels 0..num_classes-1, with pretrained backbone if the config says so.

    Raises UserError when the config cannot be built.
    """
    if num_classes < 1:
        raise UserError(f"num_classes is {num_classes}: a detector needs at least one class")
    if loss.classes == "focal" and loss.alpha is not None and len(loss.alpha) != num_classes:
        raise UserError(
            f"loss.alpha has {len(loss.alpha)} numbers, but the data have {num_classes} classes: "
            "give one for each, or None to weigh all alike"
        )
    if config.architecture == "solov2":
        return SOLOv2(config, test, num_classes)
    return Detector(config, loss, test, num_classes)
