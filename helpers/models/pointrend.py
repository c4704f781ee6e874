"""PointRend (Kirillov 2020): a coarse mask, made sharp point by point where it is uncertain.

R RoIs of all images, P points of a RoI, K classes, C channels of the pyramid levels read together,
S side of the coarse mask, T side of the final one, D width of the point head's layers.

In the order of reading: where points get their features (`FineFeatures`), the two networks
(`CoarseHead`, `PointHead`), training and prediction (`PointRendHead`), and the algorithm itself,
`subdivision`. Training draws its points with `points.draw_training_points`.

What is faster than the textbook: interpolating at a point and applying a layer's weight may change
places, as both are linear. Where fewer cells than points are concerned, the weight is applied to
the cells once and the points interpolate the result: always for coarse logits (`CoarseParts`), for
fine features when there are many points (`FineFeatures.reader`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.config import LossConfig, ModelConfig
from helpers.models.boxes import cat_boxes
from helpers.models.layers import init_msra, init_normal, init_xavier
from helpers.models.losses import mask_loss, process_weight
from helpers.models.mask_head import mask_targets, of_class
from helpers.models.matching import RoIs, cat_labels
from helpers.models.points import (
    PointTable,
    cell_centres,
    cells_under,
    draw_training_points,
    for_sampling,
    in_image,
    weighted_rows,
)
from helpers.structures import Detections

# Box-relative points (R, P, 2), their boxes (R, 4) and images (R,) -> values there (R, P, D).
Reader = Callable[[Tensor, Tensor, Tensor], Tensor]
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
        """Box-relative (R, P, 2) points of (R, 4) boxes in images (R,) -> (R, P, C)."""
        return torch.cat(self._samples(points, boxes, image), dim=-1)

    def weighted_at(self, weight: Tensor, points: Tensor, boxes: Tensor, image: Tensor) -> Tensor:
        """weight (D, C) times the features at points: (R, P, D)."""
        return F.linear(self.at(points, boxes, image), weight)

    def reader(self, weight: Tensor, boxes: Tensor, image: Tensor, *, points: int) -> Reader:
        """`weighted_at` for `points` points in all inside these boxes, the cheaper way around."""
        cells = [
            cells_under(boxes / stride, image, table)
            for table, stride in zip(self.tables, self.strides, strict=True)
        ]
        # 1.25: on a CPU a cell takes about as long as 1.25 points
        if 1.25 * sum(int(one.sum()) for one in cells) > points * len(cells):
            return partial(self.weighted_at, weight)
        parts = weight.split([table.rows.shape[1] for table in self.tables], dim=1)
        weighted = tuple(
            table.weighted(part, needed)
            for table, part, needed in zip(self.tables, parts, cells, strict=True)
        )
        return lambda *where: sum(FineFeatures(weighted, self.strides)._samples(*where))

    def _samples(self, points: Tensor, boxes: Tensor, image: Tensor) -> list[Tensor]:
        pixels = in_image(points, boxes)
        samples = []
        for table, stride in zip(self.tables, self.strides, strict=True):
            size = pixels.new_tensor([table.width, table.height]) * stride
            samples.append(table.at(pixels / size, image))
        return samples


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


@dataclass(frozen=True)
class CoarseParts:
    """The parts `C_i c + b_i` of `PointHead` at every cell of the coarse masks.

    Each mask has a border of one cell with logits 0: samples near its edge, which read outside of
    it, then get the whole bias. rows: (R * side * side, D) of each layer, the last with D = 1;
    side: S + 2.
    """

    rows: tuple[Tensor, ...]
    side: int

    def at(self, points: Tensor) -> list[Tensor]:
        """Box-relative (R, P, 2) points -> of each layer (R * P, D)."""
        table = PointTable(self.rows[0], self.side, self.side)
        past_border = (1 + points * (self.side - 2)) / self.side
        taps = table.taps(past_border, torch.arange(len(points), device=points.device))
        return [weighted_rows(rows, *taps) for rows in self.rows]


class PointHead(nn.Module):
    """The class of single points: an MLP whose every layer also gets the coarse logits.

    Layer i makes relu(F_i h + C_i c + b_i) of the layer before it, h (at first the fine features),
    and the coarse logits c at the point; the last is without relu. The stored weight is F_i and C_i
    side by side: one linear layer of h and c concatenated. `F_0 h` and all `C_i c + b_i` are made
    outside of `forward`.
    """

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

    @property
    def fine_weight(self) -> Tensor:
        """(D, C): F_0, which the fine features are multiplied with."""
        return self.fcs[0].weight[:, : -self.predictor.out_features]

    def coarse_parts(self, coarse: Tensor, labels: Tensor) -> CoarseParts:
        """`C_i c + b_i` of coarse logits (R, K, S, S); of the last layer for each RoI's label."""
        classes = coarse.shape[1]
        cells = F.pad(coarse, (1, 1, 1, 1)).permute(0, 2, 3, 1)
        rows = [F.linear(cells, layer.weight[:, -classes:], layer.bias) for layer in self.fcs]
        # one row of the predictor per RoI: the other K - 1 logits would be thrown away
        weight, bias = self.predictor.weight[labels, -classes:], self.predictor.bias[labels]
        last = (cells * weight[:, None, None]).sum(-1) + bias[:, None, None]
        tables = (*rows, last[..., None])
        return CoarseParts(tuple(for_sampling(one.flatten(0, 2)) for one in tables), cells.shape[1])

    def forward(self, fine: Tensor, parts: Sequence[Tensor], labels: Tensor) -> Tensor:
        """fine (R, P, D): F_0 h; parts: `CoarseParts` at the same points; labels (R,) -> (R, P)
        logits of each RoI's label."""
        device, width, rois = fine.device.type, fine.shape[-1], fine.shape[:2]
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else fine.dtype
        hidden = parts[0].to(dtype).add_(fine.flatten(0, 1)).relu_()  # in place: half the memory
        for layer, part in zip(self.fcs[1:], parts[1:-1], strict=True):
            weight = layer.weight[:, :width].to(dtype)
            hidden = part.to(dtype).addmm_(hidden, weight.t()).relu_()
        weight = self.predictor.weight[labels, None, :width].to(dtype)
        last = weight @ hidden.unflatten(0, rois).transpose(1, 2)
        return last.squeeze(1).float() + parts[-1].view(rois)


class PointRendHead(nn.Module):
    """Coarse and point head; trains on drawn points, predicts by subdivision."""

    def __init__(self, config: ModelConfig, loss: LossConfig, num_classes: int) -> None:
        super().__init__()
        self.config, self.loss = config, loss
        self.coarse = CoarseHead(config, num_classes)
        self.point = PointHead(config, num_classes)

    def losses(self, features: Sequence[Tensor], rois: Sequence[RoIs]) -> dict[str, Tensor]:
        """`mask` of the coarse map, `mask_point` of the drawn points, of foreground RoIs."""
        boxes, image = cat_boxes([one.boxes for one in rois])
        fine = FineFeatures.of(features, self.config.point_levels)
        coarse = self._coarse(fine, boxes, image)
        labels = cat_labels(rois)
        masks = of_class(coarse, labels)
        points = draw_training_points(
            masks,
            self.config.train_points,
            oversample=self.config.oversample,
            importance=self.config.importance,
        )
        read = partial(fine.weighted_at, self.point.fine_weight)
        logits = self._logits_at(read, coarse, boxes, image, labels)(points)
        coarse_truth = mask_targets(rois, self.coarse.side)
        coarse_term = mask_loss(masks, coarse_truth, self.loss.masks, self.loss)
        point_truth = point_targets(rois, in_image(points, boxes))
        point_term = mask_loss(logits, point_truth, self.loss.points, self.loss)
        weight = process_weight(len(labels), logits)
        return {
            "mask": self.loss.mask_weight * (weight * coarse_term),
            "mask_point": self.loss.point_weight * (weight * point_term),
        }

    def predict(self, features: Sequence[Tensor], detections: Sequence[Detections]) -> list[Tensor]:
        """Per image (n, T, T) float32 probabilities over each box, of the predicted class."""
        boxes, image = cat_boxes([one.boxes for one in detections])
        labels = torch.cat([d.labels for d in detections])
        fine = FineFeatures.of(features, self.config.point_levels)
        with torch.autocast(boxes.device.type, enabled=False):  # small, and counts at every point
            coarse = self._coarse(fine, boxes, image)
        budget = self.config.subdivision_points
        side, steps = first_grid(self.coarse.side, self.config.subdivision_steps, budget)
        points = len(boxes) * (side**2 + steps * budget)
        read = fine.reader(self.point.fine_weight, boxes, image, points=points)
        at_once = CPU_POINTS if boxes.device.type == "cpu" else GPU_POINTS
        rois = max(1, at_once // max(budget, self.coarse.side**2))
        chunks = zip(*(t.split(rois) for t in (coarse, boxes, image, labels)), strict=True)
        masks = torch.cat([self.subdivide(read, *chunk) for chunk in chunks])
        return list(masks.sigmoid().split([len(d) for d in detections]))

    def subdivide(
        self, read: Reader, coarse: Tensor, boxes: Tensor, image: Tensor, labels: Tensor
    ) -> Tensor:
        """Coarse logits (R, K, S, S) -> (R, T, T) logits of each label, T = S * 2 ** steps."""
        for _, logits in subdivision(
            self._logits_at(read, coarse, boxes, image, labels),
            like=boxes,
            side=self.coarse.side,
            steps=self.config.subdivision_steps,
            budget=self.config.subdivision_points,
        ):
            masks = logits
        return masks

    def _coarse(self, fine: FineFeatures, boxes: Tensor, image: Tensor) -> Tensor:
        """Coarse logits (R, K, S, S) from a regular 2S x 2S grid of points in each box."""
        side = 2 * self.coarse.side
        points = cell_centres(side, boxes).expand(len(boxes), -1, -1)
        pooled = fine.at(points, boxes, image).float().transpose(1, 2)
        return self.coarse(pooled.unflatten(2, (side, side)))

    def _logits_at(
        self, read: Reader, coarse: Tensor, boxes: Tensor, image: Tensor, labels: Tensor
    ) -> Callable[[Tensor], Tensor]:
        """The function from box-relative (R, P, 2) points to the logits (R, P) of these RoIs."""
        parts = self.point.coarse_parts(coarse, labels)
        return lambda points: self.point(read(points, boxes, image), parts.at(points), labels)


def subdivision(
    evaluate: Callable[[Tensor], Tensor], *, like: Tensor, side: int, steps: int, budget: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Fine masks from few points (PointRend, section 3.1).

    The largest grid of at most `budget` points is evaluated everywhere. Each further doubling
    interpolates, and evaluates only the `budget` points whose logits are nearest to 0.

    evaluate: the logits (R, P) at (R, P, 2) points, x and y in 0..1 of each box; like: (R, ...) on
    the device wanted. Yields grid after grid the points evaluated (R, P, 2) and the logits
    (R, T, T), in the end with T = side * 2 ** steps.
    """
    side, steps = first_grid(side, steps, budget)
    count = len(like)
    points = cell_centres(side, like).expand(count, -1, -1)
    logits = evaluate(points)
    yield points, logits.view(count, side, side)
    for _ in range(steps):
        logits = F.interpolate(logits.view(count, 1, side, side), scale_factor=2.0, mode="bilinear")
        logits, side = logits.flatten(1), 2 * side
        few = min(budget, side**2)
        uncertain = logits.abs().topk(few, dim=1, largest=False, sorted=False).indices
        points = cell_centres(side, like)[uncertain]
        logits = logits.scatter(1, uncertain, evaluate(points))
        yield points, logits.view(count, side, side)


def first_grid(side: int, steps: int, budget: int) -> tuple[int, int]:
    """The side of the grid that is evaluated everywhere, and the steps that are left."""
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
        used, index = image.index.unique(return_inverse=True)  # the others need no table
        truth.append(PointTable.of(masks[used, None]).at(points / size, index).squeeze(2))
    return torch.cat(truth)
