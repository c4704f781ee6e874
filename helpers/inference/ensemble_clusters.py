"""Which detections of several models are one thing (specification section 10, steps 1, 2, 4, 5).

m models, each with weight w; a detection's power is w times its score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.files import UserError
from helpers.inference.ensemble_masks import Box, Cells, Patch, added, reached, render, shared_cells
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

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise UserError(f"a least score of {self.min_score}: give one from 0 to 1")
        if not (math.isfinite(self.coverage) and self.coverage >= 0):
            raise UserError(f"a coverage of {self.coverage}: give an exponent of 0 or more")


# Calibrated scores of a weak model are small, and members are cut to their best already: all take
# part, as in the baselines, but for a score that was rounded to 0, which has no weight in a mean.
CALIBRATED = EnsembleConfig(min_score=1e-9)


def clusters_of(
    members: Sequence[Detections], weights: Sequence[float], config: EnsembleConfig
) -> list[Cluster]:
    """Detections of one class whose masks agree, at most one of each model; best cluster first.

    Raises UserError when there is no model, a weight is missing or not positive, sizes
    differ, or masks are missing.
    """
    _check(members, weights)
    candidates = _candidates(members, weights, config)
    clusters = _clusters(candidates, members[0].image_size, config)
    trust = math.fsum(weights)
    return sorted(clusters, key=lambda c: -c.score(trust, config.coverage))


def scores_of(
    clusters: Sequence[Cluster], weights: Sequence[float], config: EnsembleConfig
) -> Tensor:
    """(K,) float32: each cluster's score, after matrix NMS inside each class and doubt about a
    second class in the same place. clusters: best first."""
    trust = math.fsum(weights)
    scores = torch.tensor([c.score(trust, config.coverage) for c in clusters])
    if config.nms_sigma is None or not clusters:
        return scores.float()
    return _suppressed(scores, clusters, config).float()


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
    """Detections of one thing. total: the sum of power times mask, on the picture's grid; cells:
    where the mean mask reaches 1/2."""

    label: int
    total: Patch
    cells: Cells
    members: list[Candidate]
    power: float

    @staticmethod
    def of(candidate: Candidate, patch: Patch) -> Cluster:
        power = candidate.power
        total = replace(patch, values=np.float32(power) * patch.values)
        return Cluster(candidate.label, total, reached(total, half(power)), [candidate], power)

    def add(self, candidate: Candidate, patch: Patch) -> None:
        self.members.append(candidate)
        self.total = added(self.total, patch, candidate.power)
        self.power += candidate.power
        self.cells = reached(self.total, self.threshold)

    @property
    def threshold(self) -> float:
        """Of the total, where the mean is 1/2."""
        return half(self.power)

    def overlap(self, other: Cells) -> float:
        """IoU of the mean mask with another one."""
        shared = shared_cells(self.cells, other)
        return shared / max(1, self.cells.count + other.count - shared)

    def score(self, trust: float, coverage: float) -> float:
        """Weighted mean of the members' scores, times (their share of all trust) ^ coverage."""
        own = math.fsum(m.weight for m in self.members)
        mean = math.fsum(m.power for m in self.members) / own
        return min(1.0, mean * (own / trust) ** coverage)


def half(power: float) -> float:
    """Half of the sum of power times mask; a little less, for what rounding takes away."""
    return 0.5 * power * (1 - 1e-6)


def _check(members: Sequence[Detections], weights: Sequence[float]) -> None:
    if not members:
        raise UserError("an ensemble needs the detections of at least one model")
    if len(weights) != len(members) or not all(w > 0 and math.isfinite(w) for w in weights):
        raise UserError(f"weights are {list(weights)}: give {len(members)} numbers over 0")
    sizes = {member.image_size for member in members}
    if len(sizes) > 1:
        raise UserError(
            f"the models saw pictures of sizes {sorted(sizes)}: bring all detections into one frame"
        )
    if any(member.masks is None for member in members):
        raise UserError("a model gave boxes without masks: an ensemble fuses soft masks")


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
        cells = reached(patch, 0.5)
        if not cells.count:
            continue
        small = cells.count * step**2 < config.small_area
        same = [c for c in clusters if c.label == candidate.label]
        overlaps = [c.overlap(cells) for c in same]
        best = int(np.argmax(overlaps)) if same else -1
        needed = config.small_agreement if small else config.agreement
        if best < 0 or overlaps[best] < needed:
            clusters.append(Cluster.of(candidate, patch))
        elif all(m.model != candidate.model for m in same[best].members):
            same[best].add(candidate, patch)
    return clusters


def _suppressed(scores: Tensor, clusters: Sequence[Cluster], config: EnsembleConfig) -> Tensor:
    labels = torch.tensor([cluster.label for cluster in clusters])
    table = np.zeros((len(clusters), len(clusters)))
    for j, worse in enumerate(clusters):
        for i, better in enumerate(clusters[:j]):
            table[i, j] = better.overlap(worse.cells)
    overlaps = torch.from_numpy(table)
    other = (labels[:, None] != labels[None]) & (overlaps > config.same_place)
    decay = matrix_nms(overlaps, labels, sigma=config.nms_sigma)
    return scores * decay * config.doubt ** other.sum(dim=0)


def _step(size: tuple[int, int]) -> int:
    return max(1, -(-max(size) // GRID_SIDE))
