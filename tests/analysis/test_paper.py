"""The paper's tables agree with each other where they state the same thing."""

from __future__ import annotations

import pytest

from helpers.series.analysis import paper


def test_the_ladder_adds_up():
    table = paper.ladder()
    assert table["mask_ap"].iloc[0] + table["gain"].sum() == pytest.approx(77.12)
    assert (table["gain"].dropna() > 0).all()


def test_the_best_single_model_is_the_top_of_the_ladder():
    models = paper.ensemble().set_index("model")["val_mask_ap"]
    assert models["C: cascade, ResNeSt-101, focal loss"] == paper.ladder()["mask_ap"].iloc[-1]
    assert models.idxmax() == "ensemble A + B + C + D"


def test_the_mask_heads_differ_as_printed():
    first, second = paper.mask_heads()["mask_ap"]
    assert second - first == pytest.approx(14.65)
