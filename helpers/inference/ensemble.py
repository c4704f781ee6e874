"""Several models' detections of one picture made into one set (specification section 10).

Detections of one class whose masks agree form a cluster, at most one of each model; a cluster's
soft masks are averaged, and its score falls with the number of models that are missing.

m models, each with weight w; a detection's power is w times its score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from helpers.inference.ensemble_masks import (
    Box,
    Patch,
    added,
    grid_of,
    render,
    sample,
    shared_cells,
    tight_box,
)
from helpers.inference.errors import PredictionError
from helpers.models.matrix_nms import matrix_nms
from helpers.structures import Detections

GRID_SIDE = 600  # cells along the longer side where masks are compared; 2 px each at 1200


@dataclass(frozen=True)
class EnsembleConfig:
    """The numbers of the method; the defaults are the specification's."""

    min_score: float = 0.02
    max_per_model: int = 100
    agreement: float = 0.6  # mask IoU from which two detections are the same thing
    small_agreement: float = 0.5  # the same for masks smaller than small_area
    small_area: float = 32.0**2  # px
    coverage: float = 0.5  # exponent; 0: missing models do not matter, 1: as in box fusion
    nms_sigma: float | None = 2.0  # of matrix NMS on the fused masks; None: leave scores alone
    same_place: float = 0.9  # mask IoU of two classes from which the worse one is in doubt
    doubt: float = 0.8  # factor on its score
    max_detections: int = 100
    mask_size: int = 112  # side of the fused masks, at least; no less than the members' own


def fuse(
    members: Sequence[Detections],
    *,
    weights: Sequence[float] | None = None,
    config: EnsembleConfig | None = None,
) -> Detections:
    """One set of detections, best first, from those of m models of the same picture.

    weights: how much each model is trusted, over 0 (default: all alike). Scores should mean the
    same in every model: calibrate them before. The order of the models does not matter. A single
    model comes back as it is: there is nothing to agree on. Raises PredictionError when there is
    no model, a weight is missing or not positive, sizes differ, or masks are missing.
    """
    weights = [1.0] * len(members) if weights is None else list(weights)
    _check(members, weights)
    if len(members) == 1:
        return members[0]
    config, size = config or EnsembleConfig(), members[0].image_size
    clusters = _clusters(_candidates(members, weights, config), size, config)
    trust = math.fsum(weights)
    clusters.sort(key=lambda c: -c.score(trust, config.coverage))
    fused = _fused(clusters, size, config)
    scores = torch.tensor([c.score(trust, config.coverage) for c, _, _ in fused])
    labels = torch.tensor([c.label for c, _, _ in fused], dtype=torch.int64)
    if config.nms_sigma is not None:
        scores = _suppressed(scores, labels, [c for c, _, _ in fused], config)
    best = scores.argsort(descending=True, stable=True)[: config.max_detections]
    side = members[0].masks.shape[-1]
    return Detections(
        torch.tensor([box for _, box, _ in fused], dtype=torch.float32).reshape(-1, 4)[best],
        scores.float()[best],
        labels[best],
        size,
        torch.stack([mask for _, _, mask in fused])[best] if fused else torch.zeros(0, side, side),
    )


def model_weights(precision: Sequence[float], *, least: float = 0.6) -> tuple[float, ...]:
    """Weights linear in held-out mAP: `least` for the worst model, 1 for the best.

    That is how the challenge's first place weighted its models; equal models all get 1.
    """
    low, high = min(precision), max(precision)
    if high == low:
        return (1.0,) * len(precision)
    return tuple(least + (1 - least) * (p - low) / (high - low) for p in precision)


@dataclass(frozen=True)
class Candidate:
    """One detection on its way into a cluster. mask: (M, M) float32 over `box`."""

    model: int
    weight: float
    score: float
    label: int
    box: Box
    mask: NDArray[np.float32]

    @property
    def power(self) -> float:
        return self.weight * self.score

    @property
    def order(self) -> tuple:
        """Falling power; ties broken by content, never by the model's number."""
        return -self.power, -self.score, self.label, self.box, float(self.mask.sum())


@dataclass
class Cluster:
    """Detections of one thing. total: the sum of power times mask, on the picture's grid."""

    label: int
    total: Patch
    members: list[Candidate] = field(default_factory=list)
    power: float = 0.0
    cells: int = 0  # where the mean mask reaches 1/2

    @staticmethod
    def of(candidate: Candidate, patch: Patch) -> Cluster:
        empty = Patch(patch.left, patch.top, np.zeros_like(patch.values))
        cluster = Cluster(candidate.label, empty)
        cluster.add(candidate, patch)
        return cluster

    def add(self, candidate: Candidate, patch: Patch) -> None:
        self.members.append(candidate)
        self.total = added(self.total, patch, candidate.power)
        self.power += candidate.power
        self.cells = int(np.count_nonzero(self.total.values >= np.float32(self.threshold)))

    @property
    def threshold(self) -> float:
        """Of the total, where the mean is 1/2; a little less, for what rounding takes away."""
        return 0.5 * self.power * (1 - 1e-6)

    def overlap(self, patch: Patch, cells: int, threshold: float = 0.5) -> float:
        """IoU of the mean mask with a patch that has so many cells over its threshold."""
        shared = shared_cells(self.total, patch, (self.threshold, threshold))
        return shared / max(1, self.cells + cells - shared)

    def score(self, trust: float, coverage: float) -> float:
        """Weighted mean of the members' scores, times (their share of all trust) ^ coverage."""
        own = math.fsum(m.weight for m in self.members)
        mean = math.fsum(m.power for m in self.members) / own
        return min(1.0, mean * (own / trust) ** coverage)


def _check(members: Sequence[Detections], weights: Sequence[float]) -> None:
    if not members:
        raise PredictionError("an ensemble needs the detections of at least one model")
    if len(weights) != len(members) or not all(w > 0 and math.isfinite(w) for w in weights):
        raise PredictionError(f"weights are {list(weights)}: give {len(members)} numbers over 0")
    sizes = {member.image_size for member in members}
    if len(sizes) > 1:
        raise PredictionError(
            f"the models saw pictures of sizes {sorted(sizes)}: bring all detections into one frame"
        )
    if any(member.masks is None for member in members):
        raise PredictionError("a model gave boxes without masks: an ensemble fuses soft masks")


def _candidates(
    members: Sequence[Detections], weights: Sequence[float], config: EnsembleConfig
) -> list[Candidate]:
    found = []
    for model, (member, weight) in enumerate(zip(members, weights, strict=True)):
        ranked = member.scores.argsort(descending=True, stable=True)[: config.max_per_model]
        kept = member[ranked[member.scores[ranked] >= config.min_score]].to("cpu")
        rows = zip(
            kept.scores.tolist(),
            kept.labels.tolist(),
            kept.boxes.tolist(),
            kept.masks.float().numpy(),
            strict=True,
        )
        found += [
            Candidate(model, weight, score, label, tuple(box), mask)
            for score, label, box, mask in rows
        ]
    return sorted(found, key=lambda candidate: candidate.order)


def _clusters(
    candidates: Sequence[Candidate], size: tuple[int, int], config: EnsembleConfig
) -> list[Cluster]:
    """Each candidate joins the cluster of its class that it overlaps most, if enough.

    If that one has a member of its model already, it is a duplicate and dropped.
    """
    step = _step(size)
    clusters: list[Cluster] = []
    for candidate in candidates:
        patch = render(candidate.mask, candidate.box, size, step)
        cells = int(np.count_nonzero(patch.values >= 0.5))
        if not cells:
            continue
        small = cells * step**2 < config.small_area
        same = [c for c in clusters if c.label == candidate.label]
        overlaps = [c.overlap(patch, cells) for c in same]
        best = int(np.argmax(overlaps)) if same else -1
        needed = config.small_agreement if small else config.agreement
        if best < 0 or overlaps[best] < needed:
            clusters.append(Cluster.of(candidate, patch))
        elif all(m.model != candidate.model for m in same[best].members):
            same[best].add(candidate, patch)
    return clusters


def _fused(
    clusters: Sequence[Cluster], size: tuple[int, int], config: EnsembleConfig
) -> list[tuple[Cluster, Box, Tensor]]:
    """Each cluster with its box and mask; masks all of one side."""
    side = max((len(m.mask) for c in clusters for m in c.members), default=1)
    if not all(_on_one_grid(cluster) for cluster in clusters):
        side = max(side, config.mask_size)
    return list(_with_masks(clusters, size, side))


def _with_masks(
    clusters: Sequence[Cluster], size: tuple[int, int], side: int
) -> Iterator[tuple[Cluster, Box, Tensor]]:
    for cluster in clusters:
        if _on_one_grid(cluster):
            mean = sum(share * m.mask for share, m in _shares(cluster))
            mask = torch.from_numpy(mean).clamp(max=1.0)
            if len(mask) != side:
                mask = functional.interpolate(mask[None, None], (side, side), mode="bilinear")[0, 0]
            yield cluster, cluster.members[0].box, mask
            continue
        box = _fused_box(cluster, size)
        if box is not None:
            x, y = grid_of(box, side)
            mean = sum(share * sample(m.mask, m.box, x, y) for share, m in _shares(cluster))
            yield cluster, box, torch.from_numpy(mean).clamp(max=1.0)


def _shares(cluster: Cluster) -> list[tuple[np.float32, Candidate]]:
    """Each member with its part of the mean; a single one has exactly 1, and keeps its mask."""
    return [(np.float32(m.power / cluster.power), m) for m in cluster.members]


def _on_one_grid(cluster: Cluster) -> bool:
    """All members' masks lie on the same points, and need no resampling."""
    first = cluster.members[0]
    return all(m.box == first.box and len(m.mask) == len(first.mask) for m in cluster.members)


def _fused_box(cluster: Cluster, size: tuple[int, int]) -> Box | None:
    """Around the pixels where the mean of the members' masks reaches 1/2."""
    patch = render(cluster.members[0].mask, cluster.members[0].box, size, 1)
    total = Patch(patch.left, patch.top, np.zeros_like(patch.values))
    for member in cluster.members:
        total = added(total, render(member.mask, member.box, size, 1), member.power)
    return tight_box(total, cluster.threshold)


def _suppressed(
    scores: Tensor, labels: Tensor, clusters: Sequence[Cluster], config: EnsembleConfig
) -> Tensor:
    """Matrix NMS inside each class, and doubt about a second class in the same place.

    scores: sorted, best first.
    """
    overlaps = torch.zeros(len(clusters), len(clusters), dtype=torch.float64)
    for j, worse in enumerate(clusters):
        for i, better in enumerate(clusters[:j]):
            overlaps[i, j] = better.overlap(worse.total, worse.cells, worse.threshold)
    other = (labels[:, None] != labels[None]) & (overlaps > config.same_place)
    decay = matrix_nms(overlaps, labels, sigma=config.nms_sigma)
    return scores * decay * config.doubt ** other.sum(dim=0)


def _step(size: tuple[int, int]) -> int:
    return max(1, -(-max(size) // GRID_SIDE))


def calibrated(detections: Detections, scores: Tensor) -> Detections:
    """The same detections with other scores, best first again."""
    order = scores.argsort(descending=True, stable=True)
    return replace(detections, scores=scores)[order]
