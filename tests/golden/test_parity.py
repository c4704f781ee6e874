"""The models against the golden numbers of the reference implementation."""

from pathlib import Path

import pytest
from compare import compare

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("name", ["maskrcnn_r50.npz", "pointrend_r50.npz", "cascade_r50.npz"])
def test_every_quantity_is_within_its_tolerance(name):
    rows = compare(FOLDER / name)
    assert len(rows) > 25  # features, proposals, detections, masks, losses
    assert [str(row) for row in rows if not row.passed] == []
