"""The boxes the heads train on: proposals and true boxes, labelled and drawn.

R boxes of one image, N instances, K classes (background is label K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from helpers.models.boxes import covered, iou
from helpers.models.matching import BETWEEN, NEGATIVE, POSITIVE, match, sample
from helpers.structures import Targets


@dataclass(frozen=True)
class RoIs:
    """Boxes of one image with what each should become.

    boxes: (R, 4) px; labels: (R,) int64, K for background; index: (R,) int64, the instance each
    answers for (0 for background); targets: the truth of the image.
    """

    boxes: Tensor
    labels: Tensor
    index: Tensor
    targets: Targets

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, keep: Tensor | slice) -> RoIs:
        return replace(
            self, boxes=self.boxes[keep], labels=self.labels[keep], index=self.index[keep]
        )

    def foreground(self, num_classes: int, limit: int | None = None) -> RoIs:
        """Those that are an instance; the first `limit` of them."""
        return self[(self.labels < num_classes).nonzero().squeeze(1)[:limit]]


def label_boxes(boxes: Tensor, targets: Targets, *, threshold: float, num_classes: int) -> RoIs:
    """Boxes at IoU >= threshold with an instance take its class, the others are background.

    Backgrounds at least half covered by an ignore box are left out.
    """
    index, state = _match(boxes, targets, threshold)
    return _labelled(boxes, index, state, targets, num_classes)[state != BETWEEN]


def sample_rois(
    boxes: Tensor,
    targets: Targets,
    *,
    threshold: float,
    num_classes: int,
    size: int,
    positive: float,
) -> RoIs:
    """At most `size` of the proposals and true boxes together, positives first.

    Backgrounds at least half covered by an ignore box are never drawn.
    """
    boxes = torch.cat((boxes, targets.boxes.to(boxes.dtype)))
    index, state = _match(boxes, targets, threshold)
    chosen = torch.cat(sample(state, size=size, positive=positive))
    return _labelled(boxes[chosen], index[chosen], state[chosen], targets, num_classes)


def _match(boxes: Tensor, targets: Targets, threshold: float) -> tuple[Tensor, Tensor]:
    index, state = match(iou(targets.boxes, boxes), low=threshold, high=threshold, keep_best=False)
    state[(state == NEGATIVE) & covered(boxes, targets.ignore)] = BETWEEN
    return index, state


def _labelled(
    boxes: Tensor, index: Tensor, state: Tensor, targets: Targets, num_classes: int
) -> RoIs:
    labels = torch.full_like(index, num_classes)
    positive = state == POSITIVE
    labels[positive] = targets.labels[index[positive]]
    return RoIs(boxes, labels, index.where(positive, torch.zeros_like(index)), targets)


def cat_labels(rois: Sequence[RoIs]) -> Tensor:
    """Labels of all images, (R,)."""
    return torch.cat([image.labels for image in rois])
