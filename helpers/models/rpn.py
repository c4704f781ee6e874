"""Region proposal network (Faster R-CNN): where on the pyramid something is, whatever it is.

N images, A anchors per cell, R anchors of a level (H * W * A), P proposals of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import batched_nms

from helpers.config import ModelConfig
from helpers.models.boxes import Anchors, BoxCoder, clip, nonempty
from helpers.models.images import Sizes
from helpers.models.layers import init_normal
from helpers.models.losses import box_loss, objectness_loss
from helpers.models.matching import match, sample
from helpers.structures import Targets

NMS_THRESHOLD = 0.7
POSITIVE_IOU, NEGATIVE_IOU = 0.7, 0.3
CODER = BoxCoder((1.0, 1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Proposals:
    """Candidate boxes of one image, best first: boxes (P, 4) in pixels, logits (P,)."""

    boxes: Tensor
    logits: Tensor


class RPNHead(nn.Module):
    """One shared 3x3 convolution, then per anchor an objectness logit and four deltas."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, anchors, 1)
        self.deltas = nn.Conv2d(channels, 4 * anchors, 1)
        for layer in (self.conv, self.objectness, self.deltas):
            init_normal(layer, 0.01)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> logits (N, R), deltas (N, R, 4), in the order of `Anchors`."""
        hidden = F.relu(self.conv(feature))
        logits, deltas = self.objectness(hidden), self.deltas(hidden)
        count, anchors, height, width = logits.shape
        deltas = deltas.view(count, anchors, 4, height, width).permute(0, 3, 4, 1, 2)
        return logits.permute(0, 2, 3, 1).flatten(1).float(), deltas.flatten(1, 3).float()


class RPN(nn.Module):
    """Head, anchors, losses and selection of proposals."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.anchors = Anchors(config.anchor_sizes, config.anchor_ratios)
        self.head = RPNHead(config.fpn_channels, self.anchors.per_cell)

    def propose(self, features: Sequence[Tensor], sizes: Sizes) -> list[Proposals]:
        """P2..P6 and the (height, width) of each image -> its proposals."""
        anchors = self.anchors(features)
        logits, deltas = zip(*map(self.head, features), strict=True)
        return self._select(anchors, logits, deltas, sizes)

    def losses(
        self, features: Sequence[Tensor], sizes: Sizes, targets: Sequence[Targets]
    ) -> tuple[list[Proposals], dict[str, Tensor]]:
        """Proposals for the heads (without gradient), and the terms `rpn_cls` and `rpn_loc`.

        Both are sums over the sampled anchors divided by `rpn_batch` * N. They are NaN, and the
        proposals plain anchors, when an output of the head is not finite.
        """
        anchors = self.anchors(features)
        logits, deltas = zip(*map(self.head, features), strict=True)
        terms = self._terms(torch.cat(anchors), torch.cat(logits, 1), torch.cat(deltas, 1), targets)
        if not torch.stack([torch.isfinite(t).all() for t in (*logits, *deltas)]).all():
            # An error would end this process alone; a NaN loss makes all of them skip the step.
            terms = {name: term * torch.nan for name, term in terms.items()}
            logits = [torch.zeros_like(level) for level in logits]
            deltas = [torch.zeros_like(level) for level in deltas]
        with torch.no_grad():
            return self._select(anchors, logits, deltas, sizes), terms

    def _terms(
        self, anchors: Tensor, logits: Tensor, deltas: Tensor, targets: Sequence[Targets]
    ) -> dict[str, Tensor]:
        normaliser = self.config.rpn_batch * len(targets)
        objectness, location = [], []
        for image, target in enumerate(targets):
            positives, negatives, wanted = self._sample(anchors, target)
            chosen = torch.cat((positives, negatives))
            is_positive = torch.arange(len(chosen), device=chosen.device) < len(positives)
            scores = logits[image, chosen]
            objectness.append(objectness_loss(scores, is_positive, normaliser=normaliser))
            location.append(box_loss(deltas[image, positives], wanted, normaliser=normaliser))
        return {"rpn_cls": torch.stack(objectness).sum(), "rpn_loc": torch.stack(location).sum()}

    @torch.no_grad()
    def _sample(self, anchors: Tensor, target: Targets) -> tuple[Tensor, Tensor, Tensor]:
        """Indices of positive and negative anchors, and the deltas wanted of the positive ones."""
        index, state = match(anchors, target, low=NEGATIVE_IOU, high=POSITIVE_IOU, keep_best=True)
        positives, negatives = sample(
            state, size=self.config.rpn_batch, positive=self.config.rpn_positive
        )
        wanted = CODER.encode(anchors[positives], target.boxes[index[positives]])
        return positives, negatives, wanted

    def _select(
        self,
        anchors: Sequence[Tensor],
        logits: Sequence[Tensor],
        deltas: Sequence[Tensor],
        sizes: Sizes,
    ) -> list[Proposals]:
        """Best of each level by logit, decoded, then NMS within levels, best of all levels."""
        config = self.config
        before = config.pre_nms_train if self.training else config.pre_nms_test
        after = config.post_nms_train if self.training else config.post_nms_test
        boxes, scores, levels = [], [], []
        for level, (anchor, logit, delta) in enumerate(zip(anchors, logits, deltas, strict=True)):
            best, index = logit.topk(min(before, logit.shape[1]), dim=1)
            picked = delta.gather(1, index[..., None].expand(-1, -1, 4))
            boxes.append(CODER.decode(picked, anchor[index]))
            scores.append(best)
            levels.append(torch.full_like(index[0], level))
        per_image = zip(torch.cat(boxes, 1), torch.cat(scores, 1), sizes, strict=True)
        return [_suppress(*image, torch.cat(levels), keep=after) for image in per_image]


def _suppress(
    boxes: Tensor, logits: Tensor, size: tuple[int, int], levels: Tensor, *, keep: int
) -> Proposals:
    boxes = clip(boxes, size)
    valid = nonempty(boxes)
    boxes, logits, levels = boxes[valid], logits[valid], levels[valid]
    best = batched_nms(boxes, logits, levels, NMS_THRESHOLD)[:keep]
    return Proposals(boxes[best], logits[best])
