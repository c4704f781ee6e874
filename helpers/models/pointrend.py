"""PointRend (Kirillov 2020): a coarse mask, made sharp point by point where it is uncertain.

R RoIs of all images, P points of a RoI, K classes, C channels of the pyramid levels read together,
S side of the coarse mask, T side of the final one, D width of the point head's layers. Points are
relative to their box, x and y in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.config import LossConfig, ModelConfig
from helpers.models.boxes import flat
from helpers.models.layers import init_msra, init_normal, init_xavier
from helpers.models.losses import mask_loss, process_weight
from helpers.models.mask_head import mask_targets, of_class
from helpers.models.matching import RoIs, cat_labels
from helpers.models.points import PointTable, cell_centres, draw_training_points, in_image
from helpers.structures import Detections

# Points evaluated at once: on a CPU as many as stay in the cache, on a GPU as memory allows.
CPU_POINTS, GPU_POINTS = 8192, 131_072


@dataclass(frozen=True)
class FineFeatures:
    """The pyramid levels that points are read from: a table each, with the stride of its cells."""

    tables: tuple[PointTable, ...]
    strides: tuple[int, ...]

    @staticmethod
    def of(features: Sequence[Tensor], levels: Sequence[int]) -> FineFeatures:
        """P2..P6 and the levels to read."""
        tables = tuple(PointTable.of(features[level - 2]) for level in levels)
        return FineFeatures(tables, tuple(2**level for level in levels))

    def at(self, points: Tensor, boxes: Tensor, image: Tensor) -> Tensor:
        """(R, P, 2) points of (R, 4) boxes in images (R,) -> (R, P, C)."""
        pixels, samples = in_image(points, boxes), []
        for table, stride in zip(self.tables, self.strides, strict=True):
            size = pixels.new_tensor([table.width, table.height]) * stride
            samples.append(table.at(pixels / size, image))
        return torch.cat(samples, dim=-1)


class CoarseHead(nn.Module):
    """(R, C, 2S, 2S) -> (R, K, S, S) logits by one strided convolution and FC layers."""

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        super().__init__()
        self.side, width = config.coarse_size, config.mask_head_dim
        inputs = config.fpn_channels * len(config.point_levels)
        self.reduce_channel_dim_conv = nn.Conv2d(inputs, width, 1) if inputs > width else None
        self.reduce_spatial_dim_conv = nn.Conv2d(min(inputs, width), width, 2, stride=2)
        sizes = (width * self.side**2, config.coarse_dim)
        self.fcs = nn.ModuleList(nn.Linear(size, config.coarse_dim) for size in sizes)
        self.prediction = nn.Linear(config.coarse_dim, num_classes * self.side**2)
        for conv in (self.reduce_channel_dim_conv, self.reduce_spatial_dim_conv):
            if conv is not None:
                init_msra(conv)
        for layer in self.fcs:
            init_xavier(layer)
        init_normal(self.prediction, 0.001)

    def forward(self, pooled: Tensor) -> Tensor:
        if self.reduce_channel_dim_conv is not None:
            pooled = F.relu(self.reduce_channel_dim_conv(pooled))
        hidden = F.relu(self.reduce_spatial_dim_conv(pooled)).flatten(1)
        for layer in self.fcs:
            hidden = F.relu(layer(hidden))
        return self.prediction(hidden).float().unflatten(1, (-1, self.side, self.side))


class PointHead(nn.Module):
    """The class of single points: an MLP whose every layer also gets the coarse logits."""

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        super().__init__()
        first, width = config.fpn_channels * len(config.point_levels), config.point_dim
        self.fcs = nn.ModuleList(
            nn.Linear(inputs + num_classes, width) for inputs in (first, width, width)
        )
        self.predictor = nn.Linear(width + num_classes, num_classes)
        for layer in self.fcs:
            init_msra(layer)
        init_normal(self.predictor, 0.001)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Fine features (R, P, C) and coarse logits (R, P, K) of points -> logits (R, K, P)."""
        hidden = fine
        for layer in self.fcs:
            hidden = layer(torch.cat((hidden, coarse), dim=-1)).relu_()
        return self.predictor(torch.cat((hidden, coarse), dim=-1)).transpose(1, 2)


class PointRendHead(nn.Module):
    """Coarse and point head; trains on drawn points, predicts by subdivision."""

    def __init__(self, config: ModelConfig, loss: LossConfig, num_classes: int) -> None:
        super().__init__()
        self.config, self.loss = config, loss
        self.coarse = CoarseHead(config, num_classes)
        self.point = PointHead(config, num_classes)

    def losses(self, features: Sequence[Tensor], rois: Sequence[RoIs]) -> dict[str, Tensor]:
        """`mask` of the coarse map, `mask_point` of the drawn points, of foreground RoIs."""
        boxes, image = flat([one.boxes for one in rois])
        fine = FineFeatures.of(features, self.config.point_levels)
        coarse = self._coarse(fine, boxes, image)
        labels = cat_labels(rois)
        own = of_class(coarse, labels)
        points = draw_training_points(
            own,
            self.config.train_points,
            oversample=self.config.oversample,
            importance=self.config.importance,
        )
        logits = self._answers(fine, coarse, boxes, image, labels)(points)
        truth = point_targets(rois, in_image(points, boxes))
        whole = mask_loss(own, mask_targets(rois, self.coarse.side), self.loss.masks, self.loss)
        point = mask_loss(logits, truth, self.loss.points, self.loss)
        weight = process_weight(len(labels), logits)
        return {
            "mask": self.loss.mask_weight * (weight * whole),
            "mask_point": self.loss.point_weight * (weight * point),
        }

    def predict(self, features: Sequence[Tensor], detections: Sequence[Detections]) -> list[Tensor]:
        """Per image (n, T, T) float32 probabilities over each box, of the predicted class."""
        boxes, image = flat([one.boxes for one in detections])
        labels = torch.cat([d.labels for d in detections])
        fine = FineFeatures.of(features, self.config.point_levels)
        with torch.autocast(boxes.device.type, enabled=False):  # small, and counts at every point
            coarse = self._coarse(fine, boxes, image)
        at_once = CPU_POINTS if boxes.device.type == "cpu" else GPU_POINTS
        rois = max(1, at_once // max(self.config.subdivision_points, self.coarse.side**2))
        chunks = zip(*(t.split(rois) for t in (coarse, boxes, image, labels)), strict=True)
        masks = torch.cat([self._subdivide(fine, *chunk) for chunk in chunks])
        return list(masks.sigmoid().split([len(d) for d in detections]))

    def _subdivide(
        self, fine: FineFeatures, coarse: Tensor, boxes: Tensor, image: Tensor, labels: Tensor
    ) -> Tensor:
        """Coarse logits (R, K, S, S) -> (R, T, T) logits of each label, T = S * 2 ** steps."""
        *_, (_, masks) = subdivision(
            self._answers(fine, coarse, boxes, image, labels),
            like=boxes,
            side=self.coarse.side,
            steps=self.config.subdivision_steps,
            budget=self.config.subdivision_points,
        )
        return masks

    def _coarse(self, fine: FineFeatures, boxes: Tensor, image: Tensor) -> Tensor:
        """Coarse logits (R, K, S, S) from a regular 2S x 2S grid of points in each box."""
        side = 2 * self.coarse.side
        points = cell_centres(side, boxes).expand(len(boxes), -1, -1)
        pooled = fine.at(points, boxes, image).float().transpose(1, 2)
        return self.coarse(pooled.unflatten(2, (side, side)))

    def _answers(
        self, fine: FineFeatures, coarse: Tensor, boxes: Tensor, image: Tensor, labels: Tensor
    ) -> Callable[[Tensor], Tensor]:
        """From (R, P, 2) points to the logits (R, P) of these RoIs' labels there."""
        table, each = PointTable.of(coarse), torch.arange(len(coarse), device=coarse.device)

        def answers(points: Tensor) -> Tensor:
            logits = self.point(fine.at(points, boxes, image), table.at(points, each))
            return of_class(logits, labels)

        return answers


def subdivision(
    ask: Callable[[Tensor], Tensor], *, like: Tensor, side: int, steps: int, budget: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Masks from answers at few points (PointRend, section 3.1), grid after grid: the points asked
    (R, P, 2) and the logits (R, T, T), in the end with T = side * 2 ** steps.

    ask: the logits (R, P) at (R, P, 2) points, x and y in 0..1 of each box; like: (R, ...) on the
    device wanted. The largest grid of at most `budget` points is asked everywhere. Each further
    doubling interpolates, and asks again only at the `budget` points nearest to logit 0.
    """
    side, steps = first_grid(side, steps, budget)
    count = len(like)
    points = cell_centres(side, like).expand(count, -1, -1)
    logits = ask(points)
    yield points, logits.view(count, side, side)
    for _ in range(steps):
        logits = F.interpolate(logits.view(count, 1, side, side), scale_factor=2.0, mode="bilinear")
        logits, side = logits.flatten(1), 2 * side
        few = min(budget, side**2)
        uncertain = logits.abs().topk(few, dim=1, largest=False, sorted=False).indices
        points = cell_centres(side, like)[uncertain]
        logits = logits.scatter(1, uncertain, ask(points))
        yield points, logits.view(count, side, side)


def first_grid(side: int, steps: int, budget: int) -> tuple[int, int]:
    """The side of the grid that is asked everywhere, and the steps that are left."""
    while steps and 4 * side**2 <= budget:
        side, steps = 2 * side, steps - 1
    return side, steps


@torch.no_grad()
def point_targets(rois: Sequence[RoIs], pixels: Tensor) -> Tensor:
    """True masks at (R, P, 2) pixel positions: (R, P) in [0, 1], between cells interpolated."""
    truth = []
    for image, points in zip(rois, pixels.split([len(r) for r in rois]), strict=True):
        masks = image.targets.masks
        size = points.new_tensor([masks.shape[2], masks.shape[1]])
        truth.append(PointTable.of(masks[:, None]).at(points / size, image.index).squeeze(2))
    return torch.cat(truth)
