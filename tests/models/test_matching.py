"""Matching: thresholds, ties, nothing to match. Sampling: counts."""

import pytest
import torch

from helpers.models.matching import BETWEEN, NEGATIVE, POSITIVE, match, sample


def test_thresholds_include_their_lower_end():
    overlaps = torch.tensor([[0.29, 0.3, 0.69, 0.7, 1.0]])
    _, state = match(overlaps, low=0.3, high=0.7, keep_best=False)
    assert state.tolist() == [NEGATIVE, BETWEEN, BETWEEN, POSITIVE, POSITIVE]


def test_each_box_answers_for_the_instance_it_overlaps_most():
    overlaps = torch.tensor([[0.8, 0.1, 0.0], [0.2, 0.9, 0.0]])
    index, state = match(overlaps, low=0.5, high=0.5, keep_best=False)
    assert index[:2].tolist() == [0, 1]
    assert state.tolist() == [POSITIVE, POSITIVE, NEGATIVE]


def test_all_best_boxes_of_an_instance_are_positive_on_a_tie():
    overlaps = torch.tensor([[0.2, 0.2, 0.1], [0.0, 0.0, 0.9]])
    _, state = match(overlaps, low=0.3, high=0.7, keep_best=True)
    assert state.tolist() == [POSITIVE, POSITIVE, POSITIVE]


def test_a_best_box_keeps_the_index_of_its_own_best_instance():
    overlaps = torch.tensor([[0.4], [0.5]])
    index, state = match(overlaps, low=0.3, high=0.7, keep_best=True)
    assert index.tolist() == [1]
    assert state.tolist() == [POSITIVE]


def test_an_instance_that_no_box_meets_makes_nothing_positive():
    _, state = match(torch.zeros(1, 3), low=0.3, high=0.7, keep_best=True)
    assert state.tolist() == [NEGATIVE] * 3


@pytest.mark.parametrize("shape", [(0, 4), (2, 0), (0, 0)])
def test_no_instances_or_no_boxes(shape):
    index, state = match(torch.zeros(shape), low=0.3, high=0.7, keep_best=True)
    assert index.tolist() == [0] * shape[1]
    assert state.tolist() == [NEGATIVE] * shape[1]


@pytest.mark.parametrize(
    ("positives", "negatives", "expected"),
    [(50, 50, (4, 12)), (2, 50, (2, 14)), (0, 50, (0, 16)), (50, 0, (4, 0)), (1, 3, (1, 3))],
)
def test_sample_counts(positives, negatives, expected):
    state = torch.tensor([POSITIVE] * positives + [NEGATIVE] * negatives + [BETWEEN] * 7)
    chosen = sample(state, size=16, positive=0.25)
    assert tuple(map(len, chosen)) == expected
    assert (state[chosen[0]] == POSITIVE).all()
    assert (state[chosen[1]] == NEGATIVE).all()
    assert len(set(torch.cat(chosen).tolist())) == sum(expected)


def test_the_seed_decides_the_sample():
    state = torch.zeros(1000, dtype=torch.int64)

    def draw(seed: int) -> list[int]:
        torch.manual_seed(seed)
        return sample(state, size=8, positive=0.5)[1].tolist()

    assert draw(1) == draw(1) != draw(2)
