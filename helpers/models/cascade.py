"""Cascade R-CNN (Cai 2018): box stages in a row, each refining the boxes of the one before.

A plain Faster R-CNN box branch is the cascade of one stage.
R boxes of one image, K classes (background is index K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers.config import LossConfig, ModelConfig
from helpers.models.box_head import POOL, BoxStage
from helpers.models.boxes import BoxCoder, clip, nonempty
from helpers.models.roi_pool import pool_rois
from helpers.models.rois import RoIs, label_boxes

FIRST_IOU = 0.5
CASCADE_IOUS = (FIRST_IOU, 0.6, 0.7)


@dataclass(frozen=True)
class ScoredBoxes:
    """What the branch says of one image: scores (R, K) probabilities, boxes (R, K or 1, 4)."""

    scores: Tensor
    boxes: Tensor


class BoxBranch(nn.Module):
    """One stage with boxes per class, or three class-agnostic ones at rising IoU (section 4)."""

    def __init__(self, config: ModelConfig, loss: LossConfig, num_classes: int) -> None:
        super().__init__()
        cascade = config.architecture == "cascade_rcnn"
        self.ious = CASCADE_IOUS if cascade else (FIRST_IOU,)
        self.num_classes, self.canonical = num_classes, config.roi_canonical
        self.stages = nn.ModuleList(
            BoxStage(
                config,
                loss,
                num_classes,
                coder=BoxCoder((10.0 * k, 10.0 * k, 5.0 * k, 5.0 * k)),
                agnostic=cascade or config.class_agnostic_boxes,
            )
            for k in range(1, len(self.ious) + 1)
        )

    def losses(
        self, features: Sequence[Tensor], rois: Sequence[RoIs], sizes: Sequence[tuple[int, int]]
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Terms of all stages, and per image the (R, 4) boxes that come out for the RoIs' labels.

        rois: the drawn ones of each image, labelled at the first stage's IoU. Every later stage
        takes all boxes of the stage before, without gradient, labelled at its own IoU.
        """
        terms: dict[str, Tensor] = {}
        refined: list[Tensor] = []
        for number, stage in enumerate(self.stages):
            if number:
                rois = self._relabel(refined, rois, sizes, self.ious[number])
            logits, deltas = self._run(stage, features, [image.boxes for image in rois])
            suffix = f"_stage{number}" if len(self.stages) > 1 else ""
            for name, term in stage.losses(logits, deltas, rois).items():
                terms[name + suffix] = term
            refined = _refine(stage, deltas.detach(), rois)
        return terms, refined

    def predict(
        self,
        features: Sequence[Tensor],
        boxes: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
    ) -> list[ScoredBoxes]:
        """Proposals (R, 4) of each image -> scores averaged over the stages, boxes of the last."""
        counts = [len(image) for image in boxes]
        total = 0.0
        for stage in self.stages:
            logits, deltas = self._run(stage, features, boxes)
            total = total + logits.softmax(dim=1)[:, :-1]
            refined = stage.coder.decode(deltas, torch.cat(list(boxes))[:, None]).split(counts)
            # Empty boxes stay: the score average needs the same rows in every stage.
            refined = [clip(image, size) for image, size in zip(refined, sizes, strict=True)]
            boxes = [image[:, 0] for image in refined]
        scores = (total / len(self.stages)).split(counts)
        return [ScoredBoxes(*image) for image in zip(scores, refined, strict=True)]

    def _run(
        self, stage: BoxStage, features: Sequence[Tensor], boxes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        pooled = pool_rois(features, boxes, POOL, canonical=self.canonical)
        if pooled.requires_grad:
            pooled.register_hook(lambda gradient: gradient / len(self.stages))
        return stage(pooled)

    def _relabel(
        self,
        boxes: Sequence[Tensor],
        rois: Sequence[RoIs],
        sizes: Sequence[tuple[int, int]],
        threshold: float,
    ) -> list[RoIs]:
        relabelled = []
        for box, image, size in zip(boxes, rois, sizes, strict=True):
            box = clip(box, size)
            box = box[nonempty(box)]
            relabelled.append(
                label_boxes(box, image.targets, threshold=threshold, num_classes=self.num_classes)
            )
        return relabelled


def _refine(stage: BoxStage, deltas: Tensor, rois: Sequence[RoIs]) -> list[Tensor]:
    """Regressed boxes of each RoI's label, not clipped; what is not finite moves nothing."""
    labels = torch.cat([image.labels for image in rois])
    boxes = torch.cat([image.boxes for image in rois])
    own = stage.of_class(deltas, labels).nan_to_num(0.0, 0.0, 0.0)
    refined = stage.coder.decode(own, boxes)
    return list(refined.split([len(image) for image in rois]))
