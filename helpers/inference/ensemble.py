"""Several models' detections of one picture made into one set (specification section 10).

Detections of one class whose masks agree form a cluster, at most one of each model; a cluster's
soft masks are averaged, and its score falls with the number of models that are missing.

m models, each with weight w; K clusters; M side of a mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from helpers.inference.ensemble_clusters import (
    Candidate,
    Cluster,
    EnsembleConfig,
    clusters_of,
    scores_of,
)
from helpers.inference.ensemble_masks import Box, grid_of, sample, tight_box
from helpers.structures import Detections


def fuse(
    members: Sequence[Detections],
    *,
    weights: Sequence[float] | None = None,
    config: EnsembleConfig | None = None,
) -> Detections:
    """One set of detections, best first, from those of m models of the same picture.

    weights: how much each model is trusted, over 0 (default: all alike). Scores should mean the
    same in every model: calibrate them before. The order of the models does not matter. A single
    model comes back as it is: there is nothing to agree on. Raises UserError when there is
    no model, a weight is missing or not positive, sizes differ, or masks are missing.
    """
    weights = [1.0] * len(members) if weights is None else list(weights)
    config = config or EnsembleConfig()
    if len(members) == len(weights) == 1:
        return members[0]
    clusters, size = clusters_of(members, weights, config), members[0].image_size
    side = max((member.masks.shape[-1] for member in members), default=1)
    if not all(_on_one_grid(cluster) for cluster in clusters):
        side = max(side, config.mask_size)
    fused = list(_with_masks(clusters, size, side))
    return ranked(
        Detections(
            torch.tensor([box for _, box, _ in fused], dtype=torch.float32).reshape(-1, 4),
            scores_of([c for c, _, _ in fused], weights, config),
            torch.tensor([c.label for c, _, _ in fused], dtype=torch.int64),
            size,
            torch.stack([m for _, _, m in fused]) if fused else torch.zeros(0, side, side),
        )
    )[: config.max_detections]


def calibrated(detections: Detections, scores: Tensor) -> Detections:
    """The same detections with other scores, best first again."""
    return ranked(replace(detections, scores=scores))


def ranked(detections: Detections) -> Detections:
    """The same detections, best first; equal ones keep their order."""
    return detections[detections.scores.argsort(descending=True, stable=True)]


def model_weights(precision: Sequence[float], *, least: float = 0.6) -> tuple[float, ...]:
    """Weights linear in held-out mAP: `least` for the worst model, 1 for the best.

    That is how the challenge's first place weighted its models; equal models all get 1.
    """
    low, high = min(precision), max(precision)
    if high == low:
        return (1.0,) * len(precision)
    return tuple(least + (1 - least) * (p - low) / (high - low) for p in precision)


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
    parts = [(member.mask, member.box, member.power) for member in cluster.members]
    return tight_box(parts, size, cluster.threshold)
