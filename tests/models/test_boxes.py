"""Box arithmetic: overlaps, the coder's round trip and clamp, ignore regions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.boxes import BoxCoder, area, clip, covered, intersection, iou, nonempty

CODER = BoxCoder((10.0, 10.0, 5.0, 5.0))


def boxes(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def test_area_and_intersection_of_hand_drawn_boxes():
    first, second = boxes((0, 0, 4, 2)), boxes((2, 1, 6, 5), (4, 0, 8, 2), (1, 0, 2, 1))
    assert area(first).tolist() == [8]
    assert intersection(first, second).tolist() == [[2, 0, 1]]


def test_iou_is_one_with_itself_zero_apart_and_finite_for_empty_boxes():
    some = boxes((0, 0, 4, 4), (8, 8, 9, 9), (3, 3, 3, 3))
    overlaps = iou(some, some)
    assert overlaps.diagonal().tolist() == [1, 1, 0]
    assert overlaps[0, 1] == 0
    assert torch.isfinite(overlaps).all()
    assert iou(some[:0], some).shape == (0, 3)


def test_clip_keeps_boxes_in_the_picture():
    cut = clip(boxes((-5, -6, 30, 40)), (20, 10))  # height 20, width 10
    assert cut.tolist() == [[0, 0, 10, 20]]


def test_nonempty_needs_both_sides():
    assert nonempty(boxes((0, 0, 1, 1), (0, 0, 0, 1), (0, 1, 2, 1))).tolist() == [
        True,
        False,
        False,
    ]


def test_half_covered_boxes_are_ignored_and_less_are_not():
    ignore = boxes((0, 0, 10, 10))
    assert covered(boxes((5, 0, 15, 10), (6, 0, 16, 10)), ignore).tolist() == [True, False]
    assert covered(boxes((5, 0, 15, 10)), boxes()).tolist() == [False]


corner = st.floats(0, 500)
side = st.floats(1, 300)
box = st.tuples(corner, corner, side, side).map(
    lambda b: torch.tensor([b[0], b[1], b[0] + b[2], b[1] + b[3]])
)


@settings(max_examples=100, deadline=None)
@given(box, box)
def test_decoding_the_code_of_a_target_gives_the_target(given_box, target):
    ratio = (target[2:] - target[:2]) / (given_box[2:] - given_box[:2])
    decoded = CODER.decode(CODER.encode(given_box, target), given_box)
    if ratio.max() < 62:
        torch.testing.assert_close(decoded, target, rtol=1e-3, atol=1e-2)


def test_a_side_grows_at_most_by_1000_over_16_and_may_shrink_freely():
    grown = CODER.decode(torch.tensor([0.0, 0, 1000, -1000]), boxes((0, 0, 16, 16))[0])
    assert grown[2] - grown[0] == pytest.approx(1000)
    assert grown[3] - grown[1] == pytest.approx(0, abs=1e-6)


def test_a_delta_of_one_over_the_weight_moves_a_box_by_its_own_width():
    moved = CODER.decode(torch.tensor([10.0, 0, 5 * math.log(2), 0]), boxes((0, 0, 8, 8))[0])
    assert moved.tolist() == pytest.approx([4, 0, 20, 8])


def test_decode_takes_one_box_for_several_sets_of_deltas():
    decoded = CODER.decode(torch.zeros(2, 3, 4), boxes((0, 0, 4, 4), (1, 1, 3, 3))[:, None])
    assert decoded.shape == (2, 3, 4)
    assert decoded[1].tolist() == [[1, 1, 3, 3]] * 3
