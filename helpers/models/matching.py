"""Which instance a box is matched to, and which boxes are sampled for training.

R boxes (anchors or RoIs) of one image, N ground-truth instances, K classes (background is K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from helpers.models.boxes import covered, iou
from helpers.structures import Targets

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1  # states of a box; the ignored ones are in no loss


def match(
    boxes: Tensor, targets: Targets, *, low: float, high: float, keep_best: bool = False
) -> tuple[Tensor, Tensor]:
    """Each of the (R, 4) boxes to the instance it overlaps most.

    Returns index (R,) int64 of the instance (0 where there is none), and state (R,) int64: POSITIVE
    at IoU >= high, NEGATIVE below low, IGNORED between them, and where an ignore box covers at
    least half of a negative.

    keep_best: an instance that no box reaches `high` with would teach nothing, so the boxes that
    overlap it most (all of them on a tie) are positive at any IoU above zero. Their index is still
    the instance they overlap most themselves, which may be another one, as in detectron2.
    """
    index = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    state = torch.full_like(index, NEGATIVE)
    if len(targets) and len(boxes):
        overlaps = iou(targets.boxes, boxes)
        best, index = overlaps.max(dim=0)
        state[best >= low] = IGNORED
        state[best >= high] = POSITIVE
        if keep_best:
            highest = overlaps.amax(dim=1, keepdim=True)
            state[((overlaps == highest) & (overlaps > 0)).any(dim=0)] = POSITIVE
    state[(state == NEGATIVE) & covered(boxes, targets.ignore)] = IGNORED
    return index, state


def sample(state: Tensor, *, size: int, positive: float) -> tuple[Tensor, Tensor]:
    """Indices of a random subset: at most size * positive positives, negatives for the rest.

    state: (R,) as `match` returns it. Each of the two index tensors is in random order, drawn with
    the default generator of the device.
    """
    positives = _draw(state == POSITIVE, int(size * positive))
    negatives = _draw(state == NEGATIVE, size - len(positives))
    return positives, negatives


def _draw(chosen: Tensor, count: int) -> Tensor:
    index = chosen.nonzero().squeeze(1)
    return index[torch.randperm(len(index), device=index.device)[:count]]


@dataclass(frozen=True)
class RoIs:
    """Boxes of one image with what each should become.

    boxes: (R, 4) px; labels: (R,) int64, K for background; index: (R,) int64, the instance each is
    matched to (0 for background); targets: the ground truth of the image.
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
        """Those with an instance, at most the first `limit`."""
        return self[(self.labels < num_classes).nonzero().squeeze(1)[:limit]]


def label_boxes(boxes: Tensor, targets: Targets, *, threshold: float, num_classes: int) -> RoIs:
    """Boxes at IoU >= threshold with an instance take its class, the others are background.

    Backgrounds at least half covered by an ignore box are left out.
    """
    rois, state = _labelled(boxes, targets, threshold, num_classes)
    return rois[state != IGNORED]


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
    rois, state = _labelled(boxes, targets, threshold, num_classes)
    return rois[torch.cat(sample(state, size=size, positive=positive))]


def _labelled(
    boxes: Tensor, targets: Targets, threshold: float, num_classes: int
) -> tuple[RoIs, Tensor]:
    index, state = match(boxes, targets, low=threshold, high=threshold)
    positive = state == POSITIVE
    labels = torch.full_like(index, num_classes)
    labels[positive] = targets.labels[index[positive]]
    return RoIs(boxes, labels, index * positive, targets), state


def cat_labels(rois: Sequence[RoIs]) -> Tensor:
    """Labels of all images, (R,)."""
    return torch.cat([image.labels for image in rois])
