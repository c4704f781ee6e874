"""PointRend's point head: an MLP for single points, told the coarse mask at every layer (5.3).

R RoIs of all images, P points of a RoI, K classes, S side of the coarse mask, D width of the MLP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.config import ModelConfig
from helpers.models.layers import init_msra, init_normal
from helpers.models.points import PointTable, readable, weighted_rows


@dataclass(frozen=True)
class CoarseTerms:
    """What each layer of the point head adds for the coarse logits, and its bias, at every cell.

    The logits at a point are interpolated, and layers take them linearly: the other way around, a
    layer's weight is applied once per cell, and points read the result. Around each RoI's cells
    is one without logits, so that the bias counts in full up to the edge.

    rows: (R * side * side, D) of each layer, the last with D = 1; side: S + 2.
    """

    rows: tuple[Tensor, ...]
    side: int

    def at(self, points: Tensor) -> list[Tensor]:
        """Box-relative (R, P, 2) points -> of each layer (R * P, D)."""
        table = PointTable(self.rows[0], self.side, self.side)
        inner = (1 + points * (self.side - 2)) / self.side
        taps = table.taps(inner, torch.arange(len(points), device=points.device))
        return [weighted_rows(rows, *taps) for rows in self.rows]


class PointHead(nn.Module):
    """The class of single points: an MLP that is told the coarse logits at every layer (5.3)."""

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
        """(D, C): what the first layer makes of fine features."""
        return self.fcs[0].weight[:, : -self.predictor.out_features]

    def terms(self, coarse: Tensor, labels: Tensor) -> CoarseTerms:
        """Of coarse logits (R, K, S, S) and the label (R,) that is asked of each RoI."""
        kinds = coarse.shape[1]
        cells = F.pad(coarse, (1, 1, 1, 1)).permute(0, 2, 3, 1)
        rows = [F.linear(cells, layer.weight[:, -kinds:], layer.bias) for layer in self.fcs]
        # one row of the predictor per RoI: the other K - 1 answers would be thrown away
        weight, bias = self.predictor.weight[labels, -kinds:], self.predictor.bias[labels]
        last = (cells * weight[:, None, None]).sum(-1) + bias[:, None, None]
        tables = (*rows, last[..., None])
        return CoarseTerms(tuple(readable(one.flatten(0, 2)) for one in tables), cells.shape[1])

    def forward(self, first: Tensor, terms: Sequence[Tensor], labels: Tensor) -> Tensor:
        """first (R, P, D): `fine_weight` times the fine features; terms: `CoarseTerms` at the same
        points; labels (R,) -> (R, P) logits of each RoI's label."""
        device, width, rois = first.device.type, first.shape[-1], first.shape[:2]
        autocast = torch.is_autocast_enabled(device)
        kind = torch.get_autocast_dtype(device) if autocast else first.dtype
        hidden = terms[0].to(kind).add_(first.flatten(0, 1)).relu_()  # in place: half the memory
        for layer, term in zip(self.fcs[1:], terms[1:-1], strict=True):
            weight = layer.weight[:, :width].to(kind)
            hidden = term.to(kind).addmm_(hidden, weight.t()).relu_()
        weight = self.predictor.weight[labels, None, :width].to(kind)
        last = weight @ hidden.unflatten(0, rois).transpose(1, 2)
        return last.squeeze(1).float() + terms[-1].view(rois)
