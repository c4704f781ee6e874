"""What was accepted is applied, nothing else is; what was reviewed is never written to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.__main__ import main
from helpers.data import rle
from helpers.data.coco import read_index
from helpers.files import UserError
from helpers.review.export import apply_decisions, export_coco, export_csv
from helpers.review.sources import Comparison, annotations_of, predictions_of
from helpers.review.store import DecisionStore
from tests.review import review_data


@pytest.fixture
def decided(tmp_path: Path) -> DecisionStore:
    """1 and the new one accepted, 3 rejected, 4 (gone) accepted; 2 undecided."""
    store = DecisionStore(tmp_path / "d.jsonl")
    one, _, three, four, new = review_data.comparison(tmp_path).items()
    store.put(three.key, "accept")
    for item, verdict in ((one, "accept"), (three, "reject"), (four, "accept"), (new, "accept")):
        store.put(item.key, verdict, f"note on {item.shown.id}")
    return store


def test_accepted_changes_and_only_these(decided: DecisionStore):
    original = review_data.before()
    applied = apply_decisions(original, review_data.after(), decided)
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
    assert [a["id"] for a in applied.document["removed_annotations"]] == [4]
    assert original == review_data.before()


def test_without_decisions_everything_stays(tmp_path: Path):
    store = DecisionStore(tmp_path / "d.jsonl")
    applied = apply_decisions(review_data.before(), review_data.after(), store)
    assert applied.document == review_data.before() and applied.kept == 4


def test_a_withdrawn_verdict_does_nothing(decided: DecisionStore):
    for key in list(decided.decisions):
        decided.put(key, None)
    applied = apply_decisions(review_data.before(), review_data.after(), decided)
    assert applied.document == review_data.before()


def test_decisions_on_other_masks_are_not_applied(decided: DecisionStore):
    changed = review_data.after()
    changed["annotations"][0]["segmentation"] = rle.encode(review_data.square(0, 0, 5))
    applied = apply_decisions(review_data.before(), changed, decided)
    assert (applied.replaced, applied.foreign) == (0, 1)
    other_split = apply_decisions(review_data.before(), review_data.after(), decided, split="val")
    assert other_split.foreign == 4 and other_split.document == review_data.before()


def test_any_encoding_of_the_same_masks_will_do(decided: DecisionStore):
    documents = review_data.before(), review_data.after()
    for document in documents:
        for entry in document["annotations"]:
            runs = rle.runs(entry["segmentation"]).tolist()
            entry["segmentation"] = {"size": list(review_data.SIZE), "counts": runs}
    assert apply_decisions(*documents, decided).foreign == 0


def test_predictions_can_be_accepted(tmp_path: Path):
    index = read_index(review_data.write_files(tmp_path)[0])
    plane = review_data.square(1, 1, 29)
    results = [
        {"image_id": 1, "category_id": 2, "score": s, "segmentation": rle.encode(plane)}
        for s in (0.1, 0.9)
    ]
    truth = annotations_of(index, name="truth")
    model = predictions_of(results, index, name="model")
    store = DecisionStore(tmp_path / "d.jsonl")
    store.put(Comparison(index, truth, model, pairing="iou").items()[0].key, "accept")
    applied = apply_decisions(review_data.before(), results, store)
    first = applied.document["annotations"][0]
    assert (applied.replaced, first["category_id"], first["area"]) == (1, 2, 29 * 29)
    assert np.array_equal(rle.decode(first["segmentation"]), plane)


def test_the_command_writes_a_file_that_training_reads(
    decided: DecisionStore, tmp_path: Path, capsys: pytest.CaptureFixture
):
    names = [str(tmp_path / name) for name in ("before.json", "after.json")]
    reviewed_file = tmp_path / "before.json"
    content = reviewed_file.read_bytes()
    arguments = ["apply-decisions", *names, str(decided.path), str(tmp_path / "reviewed.json")]
    assert main(arguments) == 0
    assert "1 annotations replaced" in capsys.readouterr().out
    index = read_index(tmp_path / "reviewed.json")
    assert index.annotation_ids.tolist() == [1, 2, 3, 5] and not index.warnings
    assert index.areas.tolist() == [930, 400, 625, 100]
    assert reviewed_file.read_bytes() == content
    assert main(arguments) == 2, "an existing file was overwritten"
    assert "is there already" in capsys.readouterr().err


def test_what_is_no_annotation_file_is_refused(tmp_path: Path, decided: DecisionStore):
    with pytest.raises(UserError, match="no 'images' and 'annotations'"):
        apply_decisions({"images": []}, review_data.after(), decided)
    with pytest.raises(UserError, match="no such file"):
        apply_decisions(review_data.before(), review_data.after(), tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_csv_reads_back(decided: DecisionStore, tmp_path: Path):
    items = review_data.comparison(tmp_path).items()
    table = pd.read_csv(export_csv(items, decided, tmp_path / "out" / "decisions.csv"))
    assert table["verdict"].fillna("").tolist() == ["accept", "", "reject", "accept", "accept"]
    assert table["iou"].tolist()[1] == 1.0


def test_export_is_plain_coco(decided: DecisionStore, tmp_path: Path):
    applied = apply_decisions(review_data.before(), review_data.after(), decided)
    path = export_coco(applied, tmp_path / "deep" / "reviewed.json")
    assert json.loads(path.read_text()) == applied.document
    assert [p.name for p in path.parent.iterdir()] == ["reviewed.json"]
