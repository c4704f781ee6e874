"""Goals: which way each is met, and what is not asked of clean maps."""

from __future__ import annotations

import pandas as pd

from helpers.series.analysis.correction_goals import beside_goals

REACHED = {"precision": 0.95, "recall": 0.84, "damage": 0.00008, "thin kept": 0.975}


def test_damage_is_to_be_low_and_all_else_high():
    noisy = {"noise": "all", "method": "ours with picture", "boundary IoU": 0.93} | REACHED
    clean = noisy | {"noise": "none", "damage": 0.0002, "precision": 0.0, "recall": float("nan")}
    other = noisy | {"method": "nothing", "precision": 0.1}
    found = beside_goals(pd.DataFrame([other, noisy, clean]))
    assert found["met with mixed noise"].to_dict() == {
        "precision": "yes", "recall": "no", "damage": "yes", "thin kept": "yes",
        "boundary IoU": "yes",
    }  # fmt: skip
    assert found["met with no noise"].tolist() == ["-", "-", "no", "yes", "-"]
    assert found.loc["damage"].tolist()[:2] == ["at most 0.0100%", "0.0080%"]
    assert found.loc["recall", "no noise"] == "-"
