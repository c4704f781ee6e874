"""Two models' answers on one picture, and deviations as shares of their tolerance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.drawing import grid
from helpers.series.viz.compare import LEAST, deviations, on_one_picture
from helpers.structures import Detections


def test_each_quantity_is_a_share_of_its_tolerance():
    table = pd.DataFrame(
        {
            "worst": [0.002, 0.0, 0.5, np.inf, 0.0, 2.0, np.nan],
            "tolerance": [0.01, 0.01, 0.1, 0.1, 0.0, 0.0, 0.1],
            "passed": [True, True, False, False, True, False, False],
        },
        index=list("abcdefg"),
    )
    picture = deviations(table, title="deviations")
    assert len(picture.encoded()[1]) > 2000
    exact, within, beyond = (marks.get_offsets() for marks in picture.axes[0].collections)
    assert exact[:, 0].tolist() == [LEAST, LEAST]
    assert within[:, 0].tolist() == pytest.approx([0.2])
    assert beyond[:, 1].tolist() == [2, 3, 5, 6]
    assert (beyond[:, 0] > 1).all()


def found(*boxes: tuple[float, float, float, float]) -> Detections:
    count = len(boxes)
    return Detections(
        torch.tensor(boxes).reshape(-1, 4),
        torch.linspace(0.9, 0.5, count),
        torch.zeros(count, dtype=torch.int64),
        (20, 30),
        torch.ones(count, 4, 4),
    )


def test_both_models_are_drawn_in_a_colour_each():
    both = {"one": found((2, 2, 12, 12), (14, 4, 28, 18)), "other": found((3, 2, 12, 12))}
    panel = on_one_picture(np.zeros((20, 30, 3), np.uint8), both, count=1)
    assert panel.title == "one (2) and other (1)"
    assert panel.overlay.category_ids.tolist() == [1, 2]  # the best of each
    columns = [np.flatnonzero(mask.any(axis=0)) for mask in panel.overlay.masks]
    assert [(c[0], c[-1]) for c in columns] == [(2, 11), (3, 11)]
    assert len(grid([panel], columns=1, alt="both").encoded()[1]) > 500


def test_a_model_that_finds_nothing():
    both = {"one": found(), "other": found((3, 2, 12, 12))}
    panel = on_one_picture(np.zeros((20, 30, 3), np.uint8), both, count=8)
    assert panel.overlay.names == ("other",)
