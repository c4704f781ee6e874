"""The numbers stored in data/reference are those of the predictions stored beside them."""

from __future__ import annotations

from itertools import islice

import pytest

from helpers.ladder import rungs
from helpers.ladder_check import check
from helpers.ladder_reference import Reference, references

STORED = [r for preset in ("quick", "bench", "paper") for r in references(preset)]
LARGEST = 8_000_000  # bytes of all of them together


@pytest.fixture(params=STORED, ids=lambda reference: reference.path.stem)
def reference(request: pytest.FixtureRequest) -> Reference:
    return request.param


def test_the_first_numbers_agree(reference):
    assert [wrong for _, wrong in islice(check(reference, subsets=False), 2)] == [[], []]


@pytest.mark.slow
def test_all_numbers_agree(reference):
    assert [(entry.rung, entry.seed) for entry, wrong in check(reference) if wrong] == []


def test_every_entry_is_a_rung_as_it_is_today(reference):
    for entry in reference.entries():
        rows = {row.key: row for row in rungs(reference.preset, seed=entry.seed)}
        changes = rows[entry.rung].changes()
        changes.get("loss", {}).pop("alpha", None)  # known only where the scenes are
        stored = {key: dict(value) for key, value in entry.changes.items()}
        stored.get("loss", {}).pop("alpha", None)
        assert str(stored) == str(as_stored(changes)), entry.rung


def test_they_are_small():
    files = [f for r in STORED for f in (r.path, *r.folder.iterdir())]
    assert sum(file.stat().st_size for file in files) < LARGEST


def as_stored(value):
    """What JSON makes of it: tuples become lists."""
    if isinstance(value, dict):
        return {key: as_stored(item) for key, item in value.items()}
    return [as_stored(item) for item in value] if isinstance(value, list | tuple) else value
