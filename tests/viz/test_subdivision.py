"""Subdivision with an oracle: the model's own steps, better with points, exact with all of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.config import LossConfig, ModelConfig
from helpers.drawing import Overlay
from helpers.models.pointrend import PointRendHead
from helpers.models.points import PointTable
from helpers.series.viz.subdivision import _oracle, subdivide_truth, subdivision_view

BOX = np.array([10.0, 6, 66, 62])


@pytest.fixture
def mask() -> np.ndarray:
    """A chair: seat, back and two thin legs in a picture of 70 x 80."""
    drawn = np.zeros((70, 80), bool)
    drawn[6:40, 10:18] = drawn[32:40, 10:66] = True
    drawn[40:62, 12:15] = drawn[40:62, 60:63] = True
    return drawn


@pytest.mark.parametrize(("points", "steps"), [(49, 3), (400, 2), (784, 1), (49, 0)])
def test_the_steps_are_those_of_the_model(mask, points, steps):
    config = ModelConfig(
        mask_head="pointrend", fpn_channels=4, mask_head_dim=4, coarse_dim=4, point_dim=4,
        coarse_size=7, subdivision_points=points, subdivision_steps=steps,
    )  # fmt: skip
    head = PointRendHead(config, LossConfig(), 1)
    truth, asked = PointTable.of(torch.from_numpy(mask)[None, None].float()), []

    def oracle(points):
        asked.append(points.shape[1])
        return _oracle(truth, rest[1], points) - 0.5

    head._answers = lambda *rest: oracle
    rest = torch.zeros(1, 1, 7, 7), torch.tensor(BOX, dtype=torch.float32)[None]
    of_model = head.subdivide(None, *rest, torch.zeros(1).long(), torch.zeros(1).long())
    found = subdivide_truth(mask, BOX, points=points, steps=steps)
    assert [len(step.asked) for step in found] == asked
    np.testing.assert_allclose(found[-1].mask, of_model[0].numpy() + 0.5, atol=1e-6)


def test_every_step_and_every_point_brings_the_mask_nearer(mask):
    ious = [step.iou for step in subdivide_truth(mask, BOX, points=196, steps=3)]
    assert ious == sorted(ious) and len(ious) == 3  # 14, 28, 56
    few, many = (subdivide_truth(mask, BOX, points=p, steps=3)[-1].iou for p in (49, 3136))
    assert few < many == 1.0  # a cell a pixel, all of them asked


def test_points_lie_along_the_outline(mask):
    last = subdivide_truth(mask, BOX, points=196, steps=3)[-1]
    x, y = (10 + last.asked[:, 0] * 56).astype(int), (6 + last.asked[:, 1] * 56).astype(int)
    near = [mask[b - 3 : b + 4, a - 3 : a + 4].mean() for a, b in zip(x, y, strict=True)]
    assert np.mean([0 < share < 1 for share in near]) > 0.9


def test_too_few_points_are_refused(mask):
    with pytest.raises(ValueError, match="48 points do not fill a grid of 7 x 7"):
        subdivide_truth(mask, BOX, points=48, steps=2)


def test_the_view_follows_its_controls(mask):
    overlay = Overlay(mask[None], BOX[None], np.array([1]), ("Dining Chair",))
    view = subdivision_view(np.full((70, 80, 3), 90, np.uint8), overlay, points=49, steps=2)
    before = view.image.value
    assert "7 x 7" in view._repr_mimebundle_()["text/plain"]
    view.controls["steps"].value = 1
    assert view.image.value != before
    view.controls["points"].value = 784
    assert view.draw(**view.values).alt.startswith("Dining Chair: 14 x 14 IoU")
