"""Test-time augmentation: one picture in several sizes, plain and mirrored (multi-scale testing).

Two passes. First boxes: every view's detections go back to the frame of the picture and are merged.
Then masks: the mask head answers for the merged boxes in every view, and the answers, which lie on
the same grid over each box, are averaged as probabilities.

V views, P detections of all views, K merged ones, M side of a mask grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms, box_iou

from helpers.config import Merge, TestConfig, TtaConfig
from helpers.files import UserError
from helpers.structures import Detections

AGREEMENT = 0.65  # IoU from which boxes of one class in different views are the same thing


@dataclass(frozen=True)
class View:
    """One augmentation: the picture at this short side (px), mirrored left to right or not."""

    short_side: int
    flip: bool

    def __str__(self) -> str:
        return f"{self.short_side} px{', mirrored' if self.flip else ''}"


def views_of(config: TtaConfig) -> tuple[View, ...]:
    """The augmentations in their order: size by size, plain before mirrored."""
    flips = (False, True) if config.flip else (False,)
    return tuple(View(size, flip) for size in config.sizes for flip in flips)


def predict_augmented(
    model: nn.Module, images: Sequence[Tensor], size: tuple[int, int], test: TestConfig
) -> Detections:
    """Detections of one picture of `size` (height, width), in its frame, over all views.

    images: the picture at each of `test.tta.sizes`, uint8 RGB (3, h, w), on the model's device.
    Raises UserError when the model has no second stage.
    """
    require_two_stages(model)
    picture = AugmentedPicture(model, dict(zip(test.tta.sizes, images, strict=True)), size)
    # The largest first: the most memory is asked for while the fewest features wait.
    for view in sorted(views_of(test.tta), key=lambda view: view.short_side, reverse=True):
        picture.look(view)
    merged = merge(picture.found, mode=test.tta.merge, test=test)
    total, count = 0.0, 0
    for masks in picture.masks(merged):
        total, count = total + masks, count + 1
    return replace(merged, masks=total / count)


def require_two_stages(model: nn.Module) -> None:
    """Raises UserError for a model without a second stage, such as SOLOv2."""
    if not hasattr(model, "add_masks"):
        raise UserError(
            f"{type(model).__name__} has no second stage to average over: predict without --tta "
            "(test.tta)"
        )


class AugmentedPicture:
    """One picture of `size` (height, width), seen in one view after the other.

    model: with the verbs `find` and `add_masks` of a two-stage detector. images: the picture by
    short side, uint8 RGB (3, h, w), on the model's device. `views` and `found` grow with every
    `look`; found holds detections without masks, in the picture's frame. The features of every view
    stay in memory for the second pass: 85 bytes a pixel with 256 channels from stride 4 on.
    """

    def __init__(
        self, model: nn.Module, images: Mapping[int, Tensor], size: tuple[int, int]
    ) -> None:
        self.model, self.images, self.size = model, images, size
        self.views: list[View] = []
        self.found: list[Detections] = []
        self._features: list[list[Tensor]] = []

    def look(self, view: View) -> Detections:
        """First pass: what is found in one more view, in the frame of the picture."""
        features, [found] = self.model.find([self._image(view)])
        self._features.append(features)
        self.views.append(view)
        self.found.append((mirrored(found) if view.flip else found).resized(self.size))
        return self.found[-1]

    def masks(self, detections: Detections) -> Iterator[Tensor]:
        """For each view in turn (K, M, M) mask probabilities of `detections` (picture's frame)."""
        return (self.masks_in(number, detections) for number in range(len(self.views)))

    @torch.no_grad()
    def masks_in(self, number: int, detections: Detections) -> Tensor:
        """Second pass in one view: (K, M, M), not mirrored any more."""
        view, features = self.views[number], self._features[number]
        asked = detections.resized(tuple(self.images[view.short_side].shape[1:]))
        if not view.flip:
            return self.model.add_masks(features, [asked])[0].masks
        return self.model.add_masks(features, [mirrored(asked)])[0].masks.flip(2)

    def _image(self, view: View) -> Tensor:
        image = self.images[view.short_side]
        return image.flip(2) if view.flip else image


def merge(found: Sequence[Detections], *, mode: Merge, test: TestConfig) -> Detections:
    """V sets of boxes of one picture -> one, best first: NMS over all, then what `mode` says.

    max: the best view's box and score stand. mean: box and score are averages over the views; a
    view that does not agree counts with score 0. vote: boxes are averages weighted by score, scores
    half of max and half of mean, so it may fall below the views' own threshold. With one view all
    three are the same.
    """
    pool = Detections.cat(found)
    kept = batched_nms(pool.boxes, pool.scores, pool.labels, test.nms_threshold)
    best = pool[kept]
    if mode != "max":
        best = _averaged(best, pool, [len(view) for view in found], weighted=mode == "vote")
    return best[: test.max_detections]


def mirrored(detections: Detections) -> Detections:
    """The boxes as they lie in the mirrored picture; masks, if any, are left alone."""
    x1, y1, x2, y2 = detections.boxes.unbind(1)
    width = detections.image_size[1]
    return replace(detections, boxes=torch.stack((width - x2, y1, width - x1, y2), dim=1))


def _averaged(
    best: Detections, pool: Detections, counts: Sequence[int], *, weighted: bool
) -> Detections:
    same = best.labels[:, None] == pool.labels
    agree = same & (box_iou(best.boxes, pool.boxes) >= AGREEMENT)
    support = agree * pool.scores  # (K, P)
    weights = support if weighted else agree.float()
    # No matrix product: autocast would round pixel coordinates to 16 bits.
    boxes = (weights[..., None] * pool.boxes).sum(dim=1) / weights.sum(dim=1, keepdim=True)
    of_view = [part.amax(dim=1) for part in support.split(list(counts), dim=1) if part.shape[1]]
    scores = torch.stack(of_view).sum(dim=0) / len(counts) if of_view else best.scores
    if weighted:
        scores = (best.scores + scores) / 2
    merged = replace(best, boxes=boxes, scores=scores)
    return merged[scores.argsort(descending=True, stable=True)]
