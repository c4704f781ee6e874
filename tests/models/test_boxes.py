"""Box arithmetic: overlaps, the coder's round trip and clamp; exact anchors in their order."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.boxes import Anchors, BoxCoder, clip, covered, iou, nonempty

CODER = BoxCoder((10.0, 10.0, 5.0, 5.0))
SIZES = (64.0, 128.0, 256.0, 512.0, 1024.0)


def boxes(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def maps(*shapes: tuple[int, int]) -> list[torch.Tensor]:
    return [torch.zeros(1, 1, *shape) for shape in shapes]


def test_overlaps_of_hand_drawn_boxes():
    some = boxes((0, 0, 4, 4), (8, 8, 9, 9), (3, 3, 3, 3))
    overlaps = iou(some, boxes((0, 0, 4, 4), (2, 0, 6, 4), (3, 3, 3, 3)))
    assert overlaps.tolist() == [[1, pytest.approx(1 / 3), 0], [0, 0, 0], [0, 0, 0]]
    assert iou(some[:0], some).shape == (0, 3)
    assert nonempty(some).tolist() == [True, True, False]
    assert clip(boxes((-5, -6, 30, 40)), (20, 10)).tolist() == [[0, 0, 10, 20]]  # height, width


def test_half_covered_boxes_are_ignored_and_less_are_not():
    ignore = boxes((0, 0, 10, 10))
    assert covered(boxes((5, 0, 15, 10), (6, 0, 16, 10)), ignore).tolist() == [True, False]
    assert covered(boxes((5, 0, 15, 10)), boxes()).tolist() == [False]


corner, side = st.floats(0, 500), st.floats(1, 300)
box = st.tuples(corner, corner, side, side).map(
    lambda b: torch.tensor([b[0], b[1], b[0] + b[2], b[1] + b[3]])
)


@settings(max_examples=50, deadline=None)
@given(box, box)
def test_decoding_the_code_of_a_target_gives_the_target(given_box, target):
    ratio = (target[2:] - target[:2]) / (given_box[2:] - given_box[:2])
    decoded = CODER.decode(CODER.encode(given_box, target), given_box)
    if ratio.max() < 62:
        torch.testing.assert_close(decoded, target, rtol=1e-3, atol=1e-2)


def test_deltas_are_shares_of_the_box_and_growth_is_bounded():
    moved = CODER.decode(torch.tensor([10.0, 0, 5 * math.log(2), 0]), boxes((0, 0, 8, 8))[0])
    assert moved.tolist() == pytest.approx([4, 0, 20, 8])
    grown = CODER.decode(torch.tensor([0.0, 0, 1000, -1000]), boxes((0, 0, 16, 16))[0])
    assert grown[2] - grown[0] == pytest.approx(1000)  # 1000 / 16 times as wide
    assert grown[3] - grown[1] == pytest.approx(0, abs=1e-6)


def test_anchors_are_unrounded_centred_and_of_their_level_s_area():
    levels = Anchors(SIZES, (0.5, 1.0, 2.0))(maps(*[(1, 1)] * 5))
    root = 2**0.5
    assert levels[0].tolist() == [
        pytest.approx([-32 * root, -16 * root, 32 * root, 16 * root]),  # height / width = 0.5
        [-32, -32, 32, 32],
        pytest.approx([-16 * root, -32 * root, 16 * root, 32 * root]),
    ]
    for size, level in zip(SIZES, levels, strict=True):
        sides = level[:, 2:] - level[:, :2]
        torch.testing.assert_close(sides.prod(dim=1), torch.full((3,), size**2))
