"""Cascade R-CNN (Cai 2018): box stages in a row, each refining the boxes of the one before.

A plain Faster R-CNN box branch is the cascade of one stage.
R boxes (of all images unless it says otherwise), C channels, K classes (background is index K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.config import LossConfig, ModelConfig
from helpers.models.boxes import BoxCoder, clip, nonempty
from helpers.models.images import Sizes
from helpers.models.layers import conv_block, init_normal, init_xavier
from helpers.models.losses import box_loss, class_loss, process_weight
from helpers.models.matching import RoIs, cat_labels, label_boxes
from helpers.models.roi_align import pool_rois

POOL = 7  # cells along a side of a box's features
FIRST_IOU = 0.5
CASCADE_IOUS = (FIRST_IOU, 0.6, 0.7)  # at which a stage counts a RoI as foreground


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
    """One stage: pooled features of boxes -> class logits, and deltas that make better boxes.

    Deltas are one set per class, or one for all.
    """

    def __init__(
        self, config: ModelConfig, loss: LossConfig, num_classes: int, *, coder: BoxCoder
    ) -> None:
        super().__init__()
        self.loss, self.num_classes, self.coder = loss, num_classes, coder
        agnostic = config.class_agnostic_boxes or config.architecture == "cascade_rcnn"
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

        Averaged over processes both are those of the RoIs of all.
        """
        labels = cat_labels(rois)
        foreground = (labels < self.num_classes).nonzero().squeeze(1)
        predicted = self.of_class(deltas[foreground], labels[foreground])
        objects = [image.foreground(self.num_classes) for image in rois]
        boxes = torch.cat([image.boxes for image in objects])
        true_boxes = torch.cat([image.targets.boxes[image.index] for image in objects])
        wanted = self.coder.encode(boxes, true_boxes)
        box_term = box_loss(predicted, wanted, normaliser=max(len(labels), 1))
        weight = process_weight(len(labels), logits)
        return {"cls": weight * class_loss(logits, labels, self.loss), "box_reg": weight * box_term}

    def of_class(self, values: Tensor, labels: Tensor) -> Tensor:
        """(R, K or 1, 4) deltas or boxes -> (R, 4) of each box's label (any of them if agnostic).

        Background takes the last class.
        """
        rows = torch.arange(len(labels), device=labels.device)
        return values[rows, labels.clamp(max=values.shape[1] - 1)]

    def refine(self, deltas: Tensor, rois: Sequence[RoIs]) -> list[Tensor]:
        """Regressed boxes of each RoI's label, per image, not clipped; deltas that are not finite
        count as 0."""
        own = self.of_class(deltas, cat_labels(rois)).nan_to_num(0.0, 0.0, 0.0)
        refined = self.coder.decode(own, torch.cat([image.boxes for image in rois]))
        return list(refined.split([len(image) for image in rois]))


@dataclass(frozen=True)
class ScoredBoxes:
    """What the box branch predicts for one image: (R, K) probabilities, boxes (R, K or 1, 4)."""

    scores: Tensor
    boxes: Tensor


class BoxBranch(nn.Module):
    """One stage, or the three of a cascade at IoU 0.5, 0.6, 0.7, whose boxes are class-agnostic."""

    def __init__(self, config: ModelConfig, loss: LossConfig, num_classes: int) -> None:
        super().__init__()
        self.ious = CASCADE_IOUS if config.architecture == "cascade_rcnn" else CASCADE_IOUS[:1]
        self.num_classes, self.canonical = num_classes, config.roi_canonical
        # Later stages move their boxes less: larger weights keep their targets near unit variance.
        coders = [BoxCoder((10.0 * k, 10.0 * k, 5.0 * k, 5.0 * k)) for k in (1, 2, 3)]
        self.stages = nn.ModuleList(
            BoxStage(config, loss, num_classes, coder=coder) for coder in coders[: len(self.ious)]
        )

    def losses(
        self, features: Sequence[Tensor], rois: Sequence[RoIs], sizes: Sizes
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Per image the (R, 4) boxes that come out for the RoIs' labels, and all stages' terms.

        rois: the drawn ones of each image, labelled at the first stage's IoU. Every later stage
        takes all boxes of the stage before, without gradient, labelled at its own IoU.
        """
        terms: dict[str, Tensor] = {}
        refined: list[Tensor] = []
        for number, stage in enumerate(self.stages):
            if number:
                rois = self.relabel(refined, rois, sizes, self.ious[number])
            logits, deltas = self._run(stage, features, [image.boxes for image in rois])
            suffix = f"_stage{number}" if len(self.stages) > 1 else ""
            for name, term in stage.losses(logits, deltas, rois).items():
                terms[name + suffix] = term
            refined = stage.refine(deltas.detach(), rois)
        return refined, terms

    def predict(
        self, features: Sequence[Tensor], boxes: Sequence[Tensor], sizes: Sizes
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
            # The stages' losses are summed, but what is below them learns from their mean.
            pooled.register_hook(lambda gradient: gradient / len(self.stages))
        return stage(pooled)

    def relabel(
        self, boxes: Sequence[Tensor], rois: Sequence[RoIs], sizes: Sizes, threshold: float
    ) -> list[RoIs]:
        """New boxes (R, 4) of each image, clipped, without empty ones, labelled at an IoU."""
        clipped = [clip(box, size) for box, size in zip(boxes, sizes, strict=True)]
        return [
            label_boxes(
                box[nonempty(box)],
                image.targets,
                threshold=threshold,
                num_classes=self.num_classes,
            )
            for box, image in zip(clipped, rois, strict=True)
        ]
