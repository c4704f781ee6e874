"""The numbers stored in data/reference are those of the predictions stored beside them."""

from __future__ import annotations

import json
import shutil
from itertools import islice

import pytest

from helpers.files import ROOT
from helpers.ladder.measure import check
from helpers.ladder.reference import REFERENCE, Reference, matches_file, references
from helpers.ladder.results import gain
from helpers.ladder.rungs import rung, rungs

STORED = [r for preset in ("bench", "paper") for r in references(preset)]


@pytest.fixture(params=STORED, ids=lambda reference: reference.path.stem)
def reference(request: pytest.FixtureRequest) -> Reference:
    return request.param


def test_the_first_numbers_agree(reference):
    checked = [wrong for _, wrong in islice(check(reference, subsets=False), 2)]
    assert checked
    assert not any(checked)


@pytest.mark.slow
def test_all_numbers_agree(reference):
    assert [(entry.rung, entry.seed) for entry, wrong in check(reference) if wrong] == []


def test_every_entry_is_a_rung_as_it_is_today(reference):
    for entry in reference.entries():
        assert rung(reference.preset, entry.rung, seed=entry.seed).is_of(entry), entry.rung
        assert (reference.folder / matches_file(entry.predictions)).exists()


def test_the_readme_shows_what_is_stored():
    stored = [entry for reference in references("bench") for entry in reference.entries()]
    stored.sort(key=lambda entry: entry.seed)
    shown = (ROOT / "README.md").read_text()
    for row in rungs("bench"):
        ap = [f"{100 * e.scores.metrics['segm']['AP']:.2f}" for e in stored if e.rung == row.key]
        if row.table in ("table2", "table3"):
            assert f"| {row.label} | {row.paper:.2f} | {', '.join(ap)} |" in shown


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("mask_rcnn_r50", "pointrend_r50", "+3.8 (+2.9 to +4.7), 3 pairs"),  # on two machines
        ("pointrend_x101", "x101", "+5.6 (+4.4 to +6.9), 1 pair"),  # each on its own machine
        ("mst", "tta", "+5.9 (+5.1 to +6.8), 1 pair"),
    ],
)
def test_gains_that_the_readme_states(before, after, said):
    assert str(gain("bench", before, after)) == said


@pytest.mark.slow
def test_a_changed_number_or_prediction_is_found(tmp_path):
    name = "bench-2-cpu-cores-x86-64"
    shutil.copytree(REFERENCE / name, tmp_path / name)
    copy = Reference(tmp_path / f"{name}.json")
    rows = json.loads((REFERENCE / f"{name}.json").read_text())
    rows["entries"] = [row for row in rows["entries"] if row["rung"].endswith("x101")]
    plain, points = (copy.folder / row["predictions"] for row in rows["entries"])
    rows["entries"][0]["evaluation"]["metrics"]["segm"]["AP"] -= 1e-6
    copy.path.write_text(json.dumps(rows))
    shutil.copy(plain, points)
    wrong = [found for _, found in check(copy)]
    assert any("evaluation.metrics.segm.AP is" in one for one in wrong[0])
    assert len(wrong[1]) > 10
