"""What was accepted is applied, nothing else is; what was reviewed is never written to."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.__main__ import main
from helpers.data import rle
from helpers.data.coco import read_index
from helpers.files import UserError
from helpers.review.export import Applied, apply_decisions
from helpers.review.queue import ReviewQueue
from helpers.review.sources import Comparison, Source, annotations_of, predictions_of
from helpers.review.store import DecisionStore
from tests.review import review_data


@pytest.fixture
def decided(tmp_path: Path) -> DecisionStore:
    """1 and the new one accepted, 3 rejected, 4 (gone) accepted; 2 undecided."""
    return decide(tmp_path, review_data.comparison(tmp_path))


def decide(folder: Path, comparison: Comparison) -> DecisionStore:
    store = DecisionStore(folder / "d.jsonl")
    one, _, three, four, new = comparison.items()
    store.put(three.key, "accept")
    for item, verdict in ((one, "accept"), (three, "reject"), (four, "accept"), (new, "accept")):
        store.put(item.key, verdict, f"note on {item.shown.id}")
    return store


def applied_to(folder: Path, *documents: dict[str, Any], **given: Any) -> Applied:
    files = review_data.write_files(folder, *documents)
    return apply_decisions(*files, folder / "d.jsonl", **given)


def test_accepted_changes_and_only_these(decided: DecisionStore, tmp_path: Path):
    original = review_data.before()
    earlier = original | {"removed_annotations": [{"id": 77}]}
    applied = applied_to(tmp_path, earlier, review_data.after())
    assert str(applied).startswith("1 annotations replaced, 1 added, 1 removed, 2 kept; 0 ")
    found = {a["id"]: a for a in applied.document["annotations"]}
    assert set(found) == {1, 2, 3, 5}
    assert rle.decode(found[1]["segmentation"])[:30, 30].all()
    assert (found[1]["area"], found[1]["bbox"]) == (930, [0, 0, 31, 30])
    assert found[1]["original_segmentation"] == original["annotations"][0]["segmentation"]
    assert found[2] == original["annotations"][1]
    assert found[3]["segmentation"] == original["annotations"][2]["segmentation"]
    assert found[3]["review"] == {"verdict": "reject", "note": "note on 3"}
    assert (found[5]["image_id"], found[5]["area"]) == (2, 100)
    assert [a["id"] for a in applied.document["removed_annotations"]] == [77, 4]


def test_without_decisions_and_with_withdrawn_ones_everything_stays(
    decided: DecisionStore, tmp_path: Path
):
    for key in list(decided.decisions):
        decided.put(key, None)
    applied = applied_to(tmp_path)
    assert applied.document == review_data.before() and applied.kept == 4


@pytest.mark.parametrize("shift", [-1, 2**60])
def test_ids_are_those_of_the_file(tmp_path: Path, shift: int):
    documents = review_data.before(shift=shift), review_data.after(shift=shift)
    store = decide(tmp_path, review_data.comparison(tmp_path, *documents))
    keys = [key.split("/")[2:4] for key in store.decisions]
    assert keys[1] == [str(1 + shift)] * 2 and keys[2] == [str(4 + shift), "-"]
    applied = applied_to(tmp_path, *documents)
    assert (applied.replaced, applied.added, applied.removed, applied.left_out) == (1, 1, 1, ())
    found = {a["id"]: a["area"] for a in applied.document["annotations"]}
    assert found == {1 + shift: 930, 2 + shift: 400, 3 + shift: 625, 5 + shift: 100}


def test_decisions_on_other_masks_are_named_and_change_nothing(
    decided: DecisionStore, tmp_path: Path
):
    changed = review_data.after()
    changed["annotations"][0]["segmentation"] = rle.encode(review_data.square(0, 0, 5))
    applied = applied_to(tmp_path, review_data.before(), changed)
    assert (applied.replaced, len(applied.left_out)) == (0, 1)
    assert "1 of them accepted and not applied: train · picture 1 · instance 1" in str(applied)
    other_split = applied_to(tmp_path, split="val")
    assert len(other_split.left_out) == 4 and other_split.document == review_data.before()


def test_of_two_decisions_on_one_mask_the_last_counts(decided: DecisionStore, tmp_path: Path):
    comparison = review_data.comparison(tmp_path)
    alone = Comparison(comparison.index, comparison.before, Source("nothing", {}, {}))
    time.sleep(0.002)  # times are written in milliseconds
    decided.put(alone.items()[0].key, "accept")  # taken out, where it was replaced before
    applied = applied_to(tmp_path)
    assert (applied.replaced, applied.removed, len(applied.left_out)) == (0, 2, 1)


def test_predictions_can_be_accepted(tmp_path: Path):
    before, after = review_data.write_files(tmp_path)
    index, plane = read_index(before), review_data.square(1, 1, 29)
    results = [
        {"image_id": 1, "category_id": 2, "score": s, "segmentation": rle.encode(plane)}
        for s in (0.1, 0.9)
    ]
    truth = annotations_of(index, name="truth")
    model = predictions_of(results, index, name="model")
    store = DecisionStore(tmp_path / "d.jsonl")
    store.put(Comparison(index, truth, model, pairing="iou").items()[0].key, "accept")
    after.write_text(json.dumps(results))
    applied = apply_decisions(before, after, store)
    first = applied.document["annotations"][0]
    assert (applied.replaced, first["category_id"], first["area"]) == (1, 2, 29 * 29)
    assert np.array_equal(rle.decode(first["segmentation"]), plane)


def test_the_command_writes_a_file_that_training_reads(
    decided: DecisionStore, tmp_path: Path, capsys: pytest.CaptureFixture
):
    out = tmp_path / "deep"
    names = [str(tmp_path / name) for name in ("before.json", "after.json", "d.jsonl")]
    content = (tmp_path / "before.json").read_bytes()
    arguments = ["apply-decisions", *names, str(out / "reviewed.json")]
    assert main(arguments) == 0
    assert "1 annotations replaced" in capsys.readouterr().out
    index = read_index(out / "reviewed.json", tmp_path)
    assert index.annotation_ids.tolist() == [1, 2, 3, 5] and not index.warnings
    assert index.areas.tolist() == [930, 400, 625, 100]
    assert (tmp_path / "before.json").read_bytes() == content
    assert [file.name for file in out.iterdir()] == ["reviewed.json"]
    assert main(arguments) == 2, "an existing file was overwritten"
    assert "is there already" in capsys.readouterr().err
    table = ReviewQueue(review_data.comparison(tmp_path).items(), decided).frame()
    assert table["verdict"].tolist() == ["accept", "", "reject", "accept", "accept"]


def test_decisions_of_other_data_are_refused_by_the_command(
    decided: DecisionStore, tmp_path: Path, capsys: pytest.CaptureFixture
):
    other = review_data.before()
    other["annotations"] = [
        review_data.annotation(n, 1, 1, review_data.square(5 * n, 7, 9)) for n in range(1, 5)
    ]
    names = map(str, review_data.write_files(tmp_path, other, other))
    out = tmp_path / "reviewed.json"
    assert main(["apply-decisions", *names, str(decided.path), str(out)]) == 2
    assert "4 decisions are of other masks, 3 of them accepted" in capsys.readouterr().err
    assert not out.exists()


def test_files_that_are_not_what_they_should_be_are_refused(tmp_path: Path):
    before, after = review_data.write_files(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        apply_decisions(before, after, tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()
    before.write_text('{"images": []}')
    with pytest.raises(UserError, match="annotations"):
        apply_decisions(before, after, DecisionStore(tmp_path / "d.jsonl"))
