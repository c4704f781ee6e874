"""A whole ladder in miniature: trained, stored, fused, read back and checked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.config import change
from helpers.ladder import data, rungs, scales
from helpers.ladder.ensemble import Members
from helpers.ladder.measure import check, measure
from helpers.ladder.reference import Reference, references
from helpers.scenes.config import SceneConfig

pytestmark = pytest.mark.slow


def miniature() -> scales.Scale:
    """The bench preset with four steps a training, at 96 px."""
    sizes = BENCH()
    base = change(sizes.base, train__steps=4, train__batch_size=2, test__short_side=96)
    base = change(base, test__score_threshold=0.0, test__max_detections=20)
    base = change(base, model__pretrained=False)
    return replace(sizes, base=base, single=96, multi=(96, 112), solo=(96, 112))


BENCH = scales._bench


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Some rungs measured on twelve and six scenes of 128 px."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        patch.setattr(scales, "_bench", miniature)
        config = SceneConfig(name="ladder", size=128, train=12, val=6, noise="statistical")
        patch.setattr(data, "scenes", lambda preset: config)
        data.prepare("bench", jobs=1)
        for key in (*rungs.MEMBERS, "ensemble", "tta", "masks_noisy"):
            measure(rungs.rung("bench", key), folder=folder, progress=False)
        yield references("bench", folder)[0]


def test_its_numbers_are_those_of_its_predictions(reference):
    checked = {entry.rung: wrong for entry, wrong in check(reference)}
    assert checked == {key: [] for key in (*rungs.MEMBERS, "ensemble", "tta", "masks_noisy")}


def test_every_subset_of_the_members_is_scored(reference):
    entry = reference.find("ensemble")
    assert len(entry.extra["subsets"]) == 15
    assert set(entry.extra["baselines"]) == {"union + NMS", "weighted soft-NMS"}
    members = Members.stored(reference, entry)
    assert members.scores("BD") == pytest.approx(entry.extra["subsets"]["BD"], nan_ok=True)


def test_what_it_says_of_a_run(reference):
    entry = reference.find("tta")
    assert entry.steps == 4
    assert entry.run.startswith("bench-mst-")
    assert entry.config["test"]["tta"]["sizes"] == [80, 96, 112, 128]
    assert reference.find("masks_noisy").noisy["images"] == 6
    assert entry.scores.images == 6
