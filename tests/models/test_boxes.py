"""Box arithmetic: overlaps, clipping, the coder and its clamp; golden numbers cover anchors."""

import math

import pytest
import torch

from helpers.models.boxes import BoxCoder, clip, covered, iou, nonempty

CODER = BoxCoder((10.0, 10.0, 5.0, 5.0))


def boxes(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def test_overlaps_of_hand_drawn_boxes():
    some = boxes((0, 0, 4, 4), (8, 8, 9, 9), (3, 3, 3, 3))
    assert iou(some, boxes((2, 0, 6, 4))).tolist() == [[pytest.approx(1 / 3)], [0], [0]]
    assert nonempty(some).tolist() == [True, True, False]
    assert clip(boxes((-5, -6, 30, 40)), (20, 10)).tolist() == [[0, 0, 10, 20]]  # height, width


def test_half_covered_boxes_are_ignored_and_less_are_not():
    ignore = boxes((0, 0, 10, 10))
    assert covered(boxes((5, 0, 15, 10), (6, 0, 16, 10)), ignore).tolist() == [True, False]
    assert covered(boxes((5, 0, 15, 10)), boxes()).tolist() == [False]


def test_deltas_are_shares_of_the_box_and_growth_is_bounded():
    moved = CODER.decode(torch.tensor([10.0, 0, 5 * math.log(2), 0]), boxes((0, 0, 8, 8))[0])
    assert moved.tolist() == pytest.approx([4, 0, 20, 8])
    assert CODER.encode(boxes((0, 0, 8, 8)), moved[None])[0].tolist() == pytest.approx(
        [10, 0, 5 * math.log(2), 0]
    )
    grown = CODER.decode(torch.tensor([0.0, 0, 1000, -1000]), boxes((0, 0, 16, 16))[0])
    assert grown[2] - grown[0] == pytest.approx(1000)  # 1000 / 16 times as wide
    assert grown[3] - grown[1] == pytest.approx(0, abs=1e-6)
