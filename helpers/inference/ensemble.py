"""Several models' detections of one picture made into one set, and what that has to beat.

Detections of one class whose masks agree form a cluster, at most one of each model. A cluster's
soft masks are averaged, and its score falls with the number of models that are missing, as in
weighted boxes fusion (Solovyev et al., 2021).

m models, each with weight w; a detection's power is w times its score. K clusters; M side of a
box-relative mask; h x w cells of the grid on which masks are compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import batched_nms, box_iou

from helpers.inference.calibration import Isotonic
from helpers.models.matrix_nms import mask_overlaps, matrix_nms
from helpers.structures import Detections

GRID_SIDE = 400  # cells along the longer side where masks are compared; 3 px each at 1200
SAME_BOX, FLOOR, KEPT = 0.5, 0.001, 100  # of the baselines: box IoU, least score, detections

Box = tuple[float, float, float, float]  # xyxy, pixels


@dataclass(frozen=True)
class EnsembleConfig:
    """The numbers of the method."""

    min_score: float = 0.02
    max_per_model: int = 100
    agreement: float = 0.6  # mask IoU from which two detections are the same thing
    small_agreement: float = 0.5  # the same for masks smaller than small_area
    small_area: float = 32.0**2  # px
    coverage: float = 0.5  # exponent; 0: missing models do not matter, 1: as in box fusion
    nms_sigma: float = 2.0  # of matrix NMS on the fused masks; 0: leave scores alone
    same_place: float = 0.9  # mask IoU of two classes from which the worse one is in doubt
    doubt: float = 0.8  # factor on its score
    max_detections: int = 100
    mask_size: int = 112  # side of the fused masks, at least; no less than the members' own


def fuse(
    members: Sequence[Detections],
    weights: Sequence[float] | None = None,
    *,
    config: EnsembleConfig | None = None,
) -> Detections:
    """One set of detections, best first, from those of m models of the same picture.

    weights: how much each model is trusted, over 0 (default: all alike). Scores should mean the
    same in every model: calibrate them before. The order of the models does not matter. A single
    model comes back as it is: there is nothing to agree on.
    """
    if len(members) == 1:
        return members[0]
    weights, config = weights or [1.0] * len(members), config or EnsembleConfig()
    size, side = members[0].image_size, max(member.masks.shape[-1] for member in members)
    clusters = _clusters(members, weights, config)
    if not all(cluster.on_one_grid for cluster in clusters):
        side = max(side, config.mask_size)
    boxes = [_fused_box(cluster, size) for cluster in clusters]
    fused = [(c, box) for c, box in zip(clusters, boxes, strict=True) if box is not None]
    masks = [_mean_mask(cluster, box, side) for cluster, box in fused]
    return ranked(
        Detections(
            torch.tensor([box for _, box in fused], dtype=torch.float32).reshape(-1, 4),
            _scores([cluster for cluster, _ in fused], weights, config),
            torch.tensor([cluster.label for cluster, _ in fused], dtype=torch.int64),
            size,
            torch.stack(masks) if masks else torch.zeros(0, side, side),
        )
    )[: config.max_detections]


def ranked(detections: Detections) -> Detections:
    """Best first; equal ones keep their order."""
    return detections[detections.scores.argsort(descending=True, stable=True)]


def calibrated(found: Sequence[Detections], curves: Sequence[Isotonic | None]) -> list[Detections]:
    """Each model's detections with scores by its curve (None: as they are), best first."""
    pairs = zip(found, curves, strict=True)
    return [one if c is None else ranked(replace(one, scores=c(one.scores))) for one, c in pairs]


def model_weights(precision: Sequence[float]) -> tuple[float, ...]:
    """Weights linear in held-out mAP: 0.6 for the worst model, 1 for the best.

    That is how the challenge's first place weighted its models; equal models all get 1.
    """
    low, high = min(precision), max(precision)
    if high == low:
        return (1.0,) * len(precision)
    return tuple(0.6 + 0.4 * (p - low) / (high - low) for p in precision)


def sample(mask: Tensor, box: Sequence[float], x: Tensor, y: Tensor) -> Tensor:
    """(M, M) probabilities over `box` -> (len(y), len(x)) at those pixel coordinates.

    Bilinear between the centres of the M x M cells, constant from the outermost of them to the
    edge of the box, 0 outside of it. x, y: float64.
    """
    across, down = (
        _bilinear(points, box[axis], box[axis + 2], len(mask)) for axis, points in enumerate((x, y))
    )
    return down @ mask @ across.T


def _bilinear(points: Tensor, low: float, high: float, side: int) -> Tensor:
    """(P, side) float32: what each of `side` cells between low and high adds to each point."""
    if high <= low:
        return torch.zeros(len(points), side)
    places = ((points - low) / (high - low) * side - 0.5).clamp(0, side - 1)
    shares = (1 - (places[:, None] - torch.arange(side)).abs()).clamp(min=0)
    inside = (points >= low) & (points <= high)
    return (shares * inside[:, None]).float()


def _centres(low: float, high: float, count: int, step: int = 1) -> tuple[int, Tensor]:
    """The first of `count` cells of `step` pixels whose centre lies between low and high, and the
    centres of all of them in pixels, float64."""
    first = max(0, math.ceil(low / step - 0.5))
    last = min(count - 1, math.floor(high / step - 0.5))
    return first, (torch.arange(first, last + 1, dtype=torch.float64) + 0.5) * step


def _cell(ends: tuple[float, float], count: int, step: int) -> slice:
    """The one of `count` cells of `step` pixels that the middle between two ends lies in."""
    cell = min(max(int(sum(ends) / 2 / step), 0), count - 1)
    return slice(cell, cell + 1)


@dataclass(frozen=True)
class Candidate:
    """One detection on its way into a cluster. mask: (M, M) float32 over `box`."""

    model: int
    weight: float
    score: float
    label: int
    box: Box
    mask: Tensor

    @property
    def power(self) -> float:
        return self.weight * self.score

    @property
    def order(self) -> tuple:
        """Falling power; ties broken by content, never by the model's number."""
        return -self.power, -self.score, self.label, self.box, float(self.mask.sum())


class Cluster:
    """Detections of one thing. mask: (h, w) bool, where the mean of their masks reaches 1/2."""

    def __init__(self, label: int, grid: tuple[int, int]) -> None:
        self.label, self.members, self.power = label, [], 0.0
        self._total, self.mask = torch.zeros(grid), torch.zeros(grid, dtype=torch.bool)
        self.area = 0

    def add(self, candidate: Candidate, patch: Tensor, window: tuple[slice, slice]) -> None:
        """patch: the candidate's mask on those cells of the grid."""
        self.members.append(candidate)
        self.power += candidate.power
        self._total[window] += candidate.power * patch
        self.mask = self._total >= _half(self.power)
        self.area = int(self.mask.sum())

    def overlap(self, hits: Tensor, window: tuple[slice, slice]) -> float:
        """IoU of the mean mask with a mask that is set on some cells of that window alone."""
        shared = int((self.mask[window] & hits).sum())
        return shared / max(1, self.area + int(hits.sum()) - shared)

    def score(self, trust: float, coverage: float) -> float:
        """Weighted mean of the members' scores, times (their share of all trust) ^ coverage."""
        own = math.fsum(m.weight for m in self.members)
        mean = math.fsum(m.power for m in self.members) / own
        return min(1.0, mean * (own / trust) ** coverage)

    @property
    def on_one_grid(self) -> bool:
        """All members' masks lie on the same points, and need no resampling."""
        first = self.members[0]
        return all(m.box == first.box and len(m.mask) == len(first.mask) for m in self.members)


def _half(power: float) -> float:
    """Half of the sum of power times mask; a little less, for what rounding takes away."""
    return 0.5 * power * (1 - 1e-6)


def _clusters(
    members: Sequence[Detections], weights: Sequence[float], config: EnsembleConfig
) -> list[Cluster]:
    """Each detection joins the cluster of its class that it overlaps most, if enough. If that one
    has a member of its model already, it is a duplicate and dropped. Best cluster first."""
    (height, width), clusters = members[0].image_size, []
    step = max(1, -(-max(height, width) // GRID_SIDE))
    grid = (-(-height // step), -(-width // step))
    for one in _candidates(members, weights, config):
        left, x = _centres(one.box[0], one.box[2], grid[1], step)
        top, y = _centres(one.box[1], one.box[3], grid[0], step)
        window = slice(top, top + len(y)), slice(left, left + len(x))
        patch = sample(one.mask, one.box, x, y)
        hits = patch >= 0.5
        if not hits.any():  # thinner than the grid: it stands on the cell of its box's centre
            window = _cell(one.box[1::2], grid[0], step), _cell(one.box[::2], grid[1], step)
            patch, hits = torch.ones(1, 1), torch.ones(1, 1, dtype=torch.bool)
        same = [cluster for cluster in clusters if cluster.label == one.label]
        overlaps = [cluster.overlap(hits, window) for cluster in same]
        small = int(hits.sum()) * step**2 < config.small_area
        best = same[int(np.argmax(overlaps))] if same else None
        if best is None or max(overlaps) < (config.small_agreement if small else config.agreement):
            best = Cluster(one.label, grid)
            clusters.append(best)
        if all(member.model != one.model for member in best.members):
            best.add(one, patch, window)
    trust = math.fsum(weights)
    return sorted(clusters, key=lambda c: -c.score(trust, config.coverage))


def _candidates(
    members: Sequence[Detections], weights: Sequence[float], config: EnsembleConfig
) -> list[Candidate]:
    found = []
    for model, (member, weight) in enumerate(zip(members, weights, strict=True)):
        best = ranked(member)[: config.max_per_model].to("cpu")
        kept = best[best.scores >= config.min_score]
        columns = (kept.scores.tolist(), kept.labels.tolist(), kept.boxes.tolist())
        found += [
            Candidate(model, weight, score, label, tuple(box), mask.float())
            for score, label, box, mask in zip(*columns, kept.masks, strict=True)
            if (mask >= 0.5).any()  # else it shows nothing, on whatever grid
        ]
    return sorted(found, key=lambda candidate: candidate.order)


def _scores(
    clusters: Sequence[Cluster], weights: Sequence[float], config: EnsembleConfig
) -> Tensor:
    """(K,) float32: each cluster's score, after matrix NMS inside each class and doubt about a
    second class in the same place. clusters: best first."""
    trust = math.fsum(weights)
    scores = torch.tensor([c.score(trust, config.coverage) for c in clusters])
    if not clusters:
        return scores
    labels = torch.tensor([cluster.label for cluster in clusters])
    overlaps = mask_overlaps(torch.stack([cluster.mask for cluster in clusters]).flatten(1))
    other = (labels[:, None] != labels) & (overlaps > config.same_place)
    decay = matrix_nms(overlaps, labels, sigma=config.nms_sigma)
    return scores * decay * config.doubt ** other.triu(diagonal=1).sum(dim=0)


def _fused_box(cluster: Cluster, size: tuple[int, int]) -> Box | None:
    """The members' own box where they share it; else that around the pixels where the mean of
    their masks reaches 1/2, None without any."""
    if cluster.on_one_grid:
        return cluster.members[0].box
    boxes = np.array([member.box for member in cluster.members])
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    (_, x), (_, y) = _centres(left, right, size[1]), _centres(top, bottom, size[0])
    total = sum(m.power * sample(m.mask, m.box, x, y) for m in cluster.members)
    rows, columns = (total >= _half(cluster.power)).nonzero(as_tuple=True)
    if not len(rows):
        return None
    low, high = (x[columns.min()], y[rows.min()]), (x[columns.max()], y[rows.max()])
    return *(float(v) - 0.5 for v in low), *(float(v) + 0.5 for v in high)


def _mean_mask(cluster: Cluster, box: Box, side: int) -> Tensor:
    """(side, side): the members' masks over `box`, averaged by power."""
    shares = [member.power / cluster.power for member in cluster.members]
    if cluster.on_one_grid:
        mean = sum(s * member.mask for s, member in zip(shares, cluster.members, strict=True))
        return at_side(mean.clamp(max=1.0)[None], side)[0]
    place = (torch.arange(side, dtype=torch.float64) + 0.5) / side
    x, y = (box[axis] + place * (box[axis + 2] - box[axis]) for axis in (0, 1))
    masks = [sample(member.mask, member.box, x, y) for member in cluster.members]
    return sum(s * mask for s, mask in zip(shares, masks, strict=True)).clamp(max=1.0)


def union_nms(members: Sequence[Detections]) -> Detections:
    """All detections, without those that overlap a better one of their class by more than half."""
    pool = _pooled(members)
    return pool[batched_nms(pool.boxes, pool.scores, pool.labels, SAME_BOX)[:KEPT]]


def weighted_soft_nms(members: Sequence[Detections], weights: Sequence[float]) -> Detections:
    """The challenge's first place: scores times the model's weight, then linear soft-NMS on boxes
    (Bodla et al., 2017).

    Each detection taken, best first, multiplies the scores of those of its class that it overlaps
    by more than half with 1 - IoU; what falls below `FLOOR` is gone. Masks stay as they are.
    """
    pairs = zip(members, weights, strict=True)
    pool = _pooled([replace(member, scores=member.scores * weight) for member, weight in pairs])
    scores, left = pool.scores.clone(), torch.ones(len(pool), dtype=torch.bool)
    overlaps = box_iou(pool.boxes, pool.boxes) * (pool.labels[:, None] == pool.labels)
    for _ in range(len(pool)):
        taken = torch.where(left, scores, -1.0).argmax()
        left[taken] = False
        decay = torch.where(overlaps[taken] > SAME_BOX, 1 - overlaps[taken], 1.0)
        scores = torch.where(left, scores * decay, scores)
    best = ranked(replace(pool, scores=scores))[:KEPT]
    return best[best.scores >= FLOOR]


def _pooled(members: Sequence[Detections]) -> Detections:
    """All detections together, their masks brought to the largest side among them."""
    side = max(member.masks.shape[-1] for member in members)
    return Detections.cat([replace(m, masks=at_side(m.masks, side)) for m in members])


def at_side(masks: Tensor, side: int) -> Tensor:
    """(N, M, M) masks -> (N, side, side), interpolated where that differs."""
    if masks.shape[-1] == side:
        return masks
    if not len(masks):
        return masks.new_zeros(0, side, side)
    return functional.interpolate(masks[:, None], (side, side), mode="bilinear")[:, 0]
