"""Boxes, classes and masks of the proposals: the second stage of the detector.

R boxes of one image, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

from helpers.config import LossConfig, ModelConfig, TestConfig
from helpers.models.cascade import FIRST_IOU, BoxBranch, ScoredBoxes
from helpers.models.images import Sizes
from helpers.models.mask_head import ConvMaskHead
from helpers.models.matching import RoIs, sample_rois
from helpers.models.pointrend import PointRendHead
from helpers.models.rpn import Proposals
from helpers.structures import Detections, Targets


class RoIHeads(nn.Module):
    """Samples RoIs, runs the box branch on them, then the mask head on the foreground."""

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
        pairs = zip(proposals, targets, strict=True)
        rois = [self._sample(proposal.boxes, target) for proposal, target in pairs]
        terms, refined = self.box.losses(features, rois, sizes)
        if self.config.mask_train_boxes == "predicted":
            rois = self._predicted(rois, refined, sizes)
        limit = self.config.mask_rois or int(self.config.roi_batch * self.config.roi_positive)
        foreground = [image.foreground(self.num_classes, limit) for image in rois]
        return terms | self.mask.losses(features, foreground)

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
        """The same detections with the mask head's answer for their boxes and labels."""
        masks = self.mask.predict(features, detections)
        return [replace(image, masks=mask) for image, mask in zip(detections, masks, strict=True)]

    @torch.no_grad()
    def _sample(self, proposals: Tensor, targets: Targets) -> RoIs:
        return sample_rois(
            proposals,
            targets,
            threshold=FIRST_IOU,
            num_classes=self.num_classes,
            size=self.config.roi_batch,
            positive=self.config.roi_positive,
        )

    def _predicted(
        self, rois: Sequence[RoIs], boxes: Sequence[Tensor], sizes: Sizes
    ) -> Sequence[RoIs]:
        """RoIs at the boxes that came out of the box branch, after its losses.

        One stage: the box regressed for each RoI's class, as PointRend trains. A cascade has
        dropped boxes on the way, so its answers are labelled anew.
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
