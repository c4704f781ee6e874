"""Box arithmetic: overlaps, clipping, the coder and its clamp; golden numbers cover anchors."""

import torch

from helpers.models.boxes import covered


def boxes(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def test_half_covered_boxes_are_ignored_and_less_are_not():
    ignore = boxes((0, 0, 10, 10))
    assert covered(boxes((5, 0, 15, 10), (6, 0, 16, 10)), ignore).tolist() == [True, False]
    assert covered(boxes((5, 0, 15, 10)), boxes()).tolist() == [False]
