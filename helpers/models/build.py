"""The two-stage detector as a whole, its second stage, and how a config becomes a model.

R boxes of one image, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

from helpers.config import ExperimentConfig, LossConfig, ModelConfig, TestConfig
from helpers.files import UserError
from helpers.models.cascade import FIRST_IOU, BoxBranch, ScoredBoxes
from helpers.models.fpn import PyramidModel
from helpers.models.images import Sizes
from helpers.models.mask_head import ConvMaskHead
from helpers.models.matching import RoIs, sample_rois
from helpers.models.pointrend import PointRendHead
from helpers.models.rpn import RPN, Proposals
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
        NaN where the training has diverged.
        """
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


class RoIHeads(nn.Module):
    """The second stage: draws RoIs, runs the box branch, then the mask head on the foreground."""

    def __init__(
        self, config: ModelConfig, loss: LossConfig, test: TestConfig, num_classes: int
    ) -> None:
        super().__init__()
        self.config, self.test, self.num_classes = config, test, num_classes
        self.box = BoxBranch(config, loss, num_classes)
        head = PointRendHead if config.mask_head == "pointrend" else ConvMaskHead
        self.mask = head(config, loss, num_classes)

    def losses(
        self,
        features: Sequence[Tensor],
        sizes: Sizes,
        proposals: Sequence[Proposals],
        targets: Sequence[Targets],
    ) -> dict[str, Tensor]:
        """Terms of the box branch and the mask head."""
        rois = self.sample(proposals, targets)
        refined, terms = self.box.losses(features, rois, sizes)
        if self.config.mask_train_boxes == "predicted":
            rois = self._predicted(rois, refined, sizes)
        limit = self.config.mask_rois or int(self.config.roi_batch * self.config.roi_positive)
        foreground = [image.foreground(self.num_classes, limit) for image in rois]
        return terms | self.mask.losses(features, foreground)

    @torch.no_grad()
    def sample(self, proposals: Sequence[Proposals], targets: Sequence[Targets]) -> list[RoIs]:
        """The RoIs of each image that the losses are of."""
        settings = {"size": self.config.roi_batch, "positive": self.config.roi_positive}
        settings |= {"threshold": FIRST_IOU, "num_classes": self.num_classes}
        pairs = zip(proposals, targets, strict=True)
        return [sample_rois(image.boxes, target, **settings) for image, target in pairs]

    def detect(
        self, features: Sequence[Tensor], sizes: Sizes, proposals: Sequence[Proposals]
    ) -> list[Detections]:
        """Boxes, scores and classes, best first, without masks."""
        scored = self.box.predict(features, [image.boxes for image in proposals], sizes)
        pairs = zip(scored, sizes, strict=True)
        return [select_detections(image, size, self.test) for image, size in pairs]

    def add_masks(
        self, features: Sequence[Tensor], detections: Sequence[Detections]
    ) -> list[Detections]:
        """The same detections with the mask head's masks for their boxes and labels."""
        masks = self.mask.predict(features, detections)
        return [replace(image, masks=mask) for image, mask in zip(detections, masks, strict=True)]

    def _predicted(
        self, rois: Sequence[RoIs], boxes: Sequence[Tensor], sizes: Sizes
    ) -> Sequence[RoIs]:
        """RoIs at the boxes that came out of the box branch, after its losses.

        One stage: the box regressed for each RoI's class, as PointRend trains. A cascade has
        dropped boxes on the way, so its boxes are labelled anew.
        """
        if len(self.box.stages) > 1:
            return self.box.relabel(boxes, rois, sizes, FIRST_IOU)
        return [replace(r, boxes=box) for r, box in zip(rois, boxes, strict=True)]


def select_detections(scored: ScoredBoxes, size: tuple[int, int], test: TestConfig) -> Detections:
    """Score threshold, NMS within each class, the best `max_detections` of all classes.

    RoIs with a box or a score that is not finite are left out.
    """
    finite = scored.boxes.isfinite().flatten(1).all(1) & scored.scores.isfinite().all(1)
    kept = (scored.scores > test.score_threshold) & finite[:, None]
    row, label = kept.nonzero(as_tuple=True)
    scores = scored.scores[row, label]
    boxes = scored.boxes[row, label.clamp(max=scored.boxes.shape[1] - 1)]
    best = batched_nms(boxes, scores, label, test.nms_threshold)[: test.max_detections]
    return Detections(boxes[best], scores[best], label[best], size)


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


def trained_model(
    config: ExperimentConfig,
    num_classes: int,
    weights: Mapping[str, Tensor],
    test: TestConfig | None = None,
) -> Detector | SOLOv2:
    """The model of a config with the weights it has learnt: evaluation mode, float32, on the CPU.

    test: other limits of score, overlap and number than the config's. Raises RuntimeError when the
    weights are of another model.
    """
    architecture = replace(config.model, pretrained=False)
    model = build_model(architecture, config.loss, test or config.test, num_classes)
    model.load_state_dict(weights)
    return model.eval()
