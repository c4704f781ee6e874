"""An ensemble in two passes: the models agree on boxes first, then all draw masks in these boxes.

Section 10, step 6. All masks then lie on the same points, and nothing is resampled but the masks
of models without a second stage. m models; K clusters; M side of a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from helpers.inference.ensemble import ranked
from helpers.inference.ensemble_baselines import at_side
from helpers.inference.ensemble_clusters import Cluster, EnsembleConfig, clusters_of, scores_of
from helpers.inference.ensemble_masks import grid_of, sample
from helpers.inference.tta import TwoStage
from helpers.structures import Detections

MaskHead = Callable[[Detections], Tensor]


@dataclass(frozen=True)
class Look:
    """What a model sees in a picture: its detections in the picture's frame, and its mask head
    (detections in that frame -> (K, M, M) probabilities), or None for a model of one stage."""

    found: Detections
    head: MaskHead | None


def look(model: nn.Module, image: Tensor, size: tuple[int, int]) -> Look:
    """image: (3, h, w) as the model wants it; size: (height, width) of the picture itself."""
    if not isinstance(model, TwoStage):
        return Look(model.predict([image])[0].resized(size).to("cpu"), None)
    features, found = model.find([image])
    [seen] = model.add_masks(features, found)

    def head(asked: Detections) -> Tensor:
        framed = asked.resized(seen.image_size).to(image.device)
        return model.add_masks(features, [framed])[0].masks.to("cpu")

    return Look(seen.resized(size).to("cpu"), head)


def fuse_two_pass(
    looks: Sequence[Look],
    *,
    weights: Sequence[float] | None = None,
    config: EnsembleConfig | None = None,
) -> Detections:
    """As `fuse`, but with masks drawn anew.

    A cluster's box is the mean of its members', weighted by power. Every mask head answers for
    every box, whether its model found the thing or not; a model without one gives the mask it has
    in the cluster, if any. Answers are averaged with the models' weights.
    """
    weights = [1.0] * len(looks) if weights is None else list(weights)
    config = config or EnsembleConfig()
    members = [one.found for one in looks]
    clusters = clusters_of(members, weights, config)
    boxes = torch.tensor([_mean_box(c) for c in clusters], dtype=torch.float32).reshape(-1, 4)
    labels = torch.tensor([c.label for c in clusters], dtype=torch.int64)
    scores = scores_of(clusters, weights, config)
    agreed = Detections(boxes, scores, labels, members[0].image_size)
    side = max(member.masks.shape[-1] for member in members)
    masks = _mean_masks(looks, weights, clusters, agreed, side)
    return ranked(replace(agreed, masks=masks))[: config.max_detections]


def _mean_masks(
    looks: Sequence[Look],
    weights: Sequence[float],
    clusters: Sequence[Cluster],
    agreed: Detections,
    side: int,
) -> Tensor:
    total, trust = torch.zeros(len(agreed), side, side), torch.zeros(len(agreed), 1, 1)
    for number, (one, weight) in enumerate(zip(looks, weights, strict=True)):
        if one.head is not None and len(agreed):
            total += weight * at_side(one.head(agreed), side)
            trust += weight
        elif one.head is None:
            for row, cluster in enumerate(clusters):
                own = _own_mask(cluster, number, agreed.boxes[row].tolist(), side)
                if own is not None:
                    total[row] += weight * own
                    trust[row] += weight
    return (total / trust).clamp(max=1.0)


def _own_mask(cluster: Cluster, model: int, box: Sequence[float], side: int) -> Tensor | None:
    """The model's mask in the cluster on the points of `box`; None when it has none."""
    member = next((m for m in cluster.members if m.model == model), None)
    if member is None:
        return None
    return torch.from_numpy(sample(member.mask, member.box, *grid_of(tuple(box), side)))


def _mean_box(cluster: Cluster) -> list[float]:
    powers = [member.power for member in cluster.members]
    return np.average([member.box for member in cluster.members], axis=0, weights=powers).tolist()
