"""The two-stage detector as a whole, and how a config becomes a model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from helpers.config import LossConfig, ModelConfig, TestConfig
from helpers.files import UserError
from helpers.models.fpn import PyramidModel
from helpers.models.images import check_targets
from helpers.models.roi_heads import RoIHeads
from helpers.models.rpn import RPN
from helpers.models.solov2 import SOLOv2
from helpers.structures import Detections, Targets


class Detector(PyramidModel):
    """Two-stage instance segmentation: pyramid, RPN, then boxes and masks of the proposals."""

    def __init__(
        self, config: ModelConfig, loss: LossConfig, test: TestConfig, num_classes: int
    ) -> None:
        super().__init__(config, num_classes)
        self.rpn = RPN(config)
        self.roi_heads = RoIHeads(config, loss, test, num_classes)
        self.to(memory_format=torch.channels_last)

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
