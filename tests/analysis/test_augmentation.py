"""What looks agree on, and what each is worth, with a model whose views are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.config import TtaConfig
from helpers.inference.tta import View
from helpers.series.analysis.augmentation import Looks, disagreement, order_of
from helpers.structures import Detections

VIEWS = tuple(View(size, flip) for size in (8, 10) for flip in (False, True))


def looks(*values: float) -> Looks:
    """One instance that fills an 8 x 8 picture; view v says `values[v]` everywhere."""
    box = torch.tensor([[0.0, 0, 8, 8]])
    merged = Detections(box, torch.tensor([0.9]), torch.tensor([0]), (8, 8))
    masks = torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    own = tuple(replace(merged, masks=one) for one in masks)
    return Looks(VIEWS, own, merged, masks)


@pytest.mark.parametrize(
    ("values", "share"),
    [((0.9, 0.9, 0.9, 0.9), 0), ((0.9, 0.9, 0.9, 0.2), 0.25), ((0.9, 0.1, 0.9, 0.1), 0.5)],
)
def test_disagreement_is_the_share_of_the_minority(values, share):
    middle = disagreement(looks(*values))[2:6, 2:6]
    np.testing.assert_array_equal(middle, share)


def test_instances_below_the_score_do_not_count():
    assert not disagreement(looks(0.9, 0.1, 0.9, 0.1), score=0.95).any()


def test_average_of_some_views():
    some = looks(0.9, 0.5, 0.1, 0.3)
    assert some.averaged([0, 2]).masks.unique().tolist() == pytest.approx([0.5])
    assert some.averaged([3]).masks.unique().tolist() == pytest.approx([0.3])
    with pytest.raises(ValueError, match="no view"):
        some.averaged([])


def test_the_usual_view_comes_first():
    order = order_of(TtaConfig(sizes=(133, 160, 187)), 160)
    assert order[:2] == (View(160, False), View(160, True))
    assert len(order) == 6
