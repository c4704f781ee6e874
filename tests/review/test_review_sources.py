"""Pairs, their numbers, and what they can be sorted by, on squares counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.data import rle
from helpers.data.coco import read_index
from helpers.files import UserError
from helpers.review.scores import ap_losses, defect_score
from helpers.review.sources import (
    Comparison,
    Item,
    Mask,
    annotations_of,
    correction_remarks,
    predictions_of,
)
from tests.review import review_data


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    return review_data.comparison(tmp_path).items()


def mask(plane: np.ndarray, *, category: int = 1) -> Mask:
    packed, area, box = rle.examine(rle.encode(plane))
    return Mask(1, category, packed, box, area)


def test_pairs_by_id_with_pixel_counts(items: list[Item]):
    told = [(i.image_id, i.kind, i.kept, i.added, i.removed) for i in items]
    assert told == [
        (1, "changed", 900, 30, 0),
        (1, "same", 400, 0, 0),
        (2, "changed", 624, 0, 1),
        (2, "only before", 0, 0, 64),
        (2, "only after", 0, 100, 0),
    ]
    assert items[0].iou == pytest.approx(900 / 930)
    assert [item.category for item in items] == ["Chair", "Chair", "Sofa", "Chair", "Chair"]


def test_a_key_changes_with_the_masks_and_with_nothing_else(tmp_path: Path, items: list[Item]):
    same = review_data.comparison(tmp_path).items()
    assert [i.key for i in same] == [i.key for i in items]
    old, new = read_index(tmp_path / "before.json"), read_index(tmp_path / "before.json")
    other = Comparison(old, annotations_of(old, name="a"), annotations_of(new, name="b")).items()
    changed = {i.key for i in other} ^ {i.key for i in items}
    assert items[1].key not in changed and items[0].key in changed


def test_predictions_pair_by_overlap_same_class_first(tmp_path: Path):
    index = read_index(review_data.write_files(tmp_path)[0])
    shifted = review_data.square(1, 0, 30)
    results = [
        {"image_id": 1, "category_id": 2, "score": 0.9, "segmentation": rle.encode(square)}
        for square in (review_data.square(0, 0, 30), shifted)
    ]
    results[1]["category_id"] = 1
    results.append({**results[0], "image_id": 2, "score": 0.05})
    found = Comparison(
        index,
        annotations_of(index, name="truth"),
        predictions_of(results, index, name="model"),
        pairing="iou",
    ).items()
    pairs = [(i.before and i.before.id, i.after and i.after.id) for i in found]
    assert pairs == [(1, 1), (2, None), (None, 0), (3, None), (4, None)]
    assert found[0].score == 0.9


def test_a_pair_of_two_classes_says_so(tmp_path: Path):
    index = read_index(review_data.write_files(tmp_path)[0])
    result = {"image_id": 1, "category_id": 2, "score": 0.9}
    result["segmentation"] = rle.encode(review_data.square(0, 0, 30))
    truth = annotations_of(index, name="truth")
    model = predictions_of([result], index, name="model")
    first = Comparison(index, truth, model, pairing="iou").items()[0]
    assert (first.remark, first.kind, first.iou) == ("Chair → Sofa", "changed", 1.0)


def test_results_of_other_classes_are_refused(tmp_path: Path):
    index = read_index(review_data.write_files(tmp_path)[0])
    with pytest.raises(UserError, match="category 7"):
        predictions_of([{"category_id": 7, "score": 1.0}], index, name="model")


def test_remarks_of_a_correction(tmp_path: Path):
    told = {"review": {"3": 0.41}, "duplicates": [[1, 2]], "vanished": [5]}
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"files": {"a.json": {"changed_images": {"8": told}}}}))
    remarks = correction_remarks(report, "a.json")
    assert remarks[8, 3] == "changes by 41%: please look"
    assert remarks[8, 2] == "duplicate of annotation 1" and (8, 5) in remarks
    with pytest.raises(UserError, match="knows a"):
        correction_remarks(report, "b.json")


def test_defects_by_hand():
    plain = review_data.square(10, 10, 20)
    assert defect_score(mask(plain)) == 0
    bump = plain.copy()
    bump[9, 15] = True
    # The bump, and no other pixel; 76 of the square's outline, less the one below it, and itself.
    assert defect_score(mask(bump)) == pytest.approx(1 / 76)
    crumb = plain.copy()
    crumb[40:42, 40:42] = True
    assert defect_score(mask(crumb)) == pytest.approx(4 / 80)
    hole = plain.copy()
    hole[15:17, 15:17] = False
    assert defect_score(mask(hole)) == pytest.approx(4 / (76 + 8))


@pytest.mark.parametrize("plane", [np.zeros((5, 5), bool), np.ones((5, 5), bool)])
def test_defects_of_nothing_and_of_everything(plane: np.ndarray):
    assert defect_score(mask(plane)) == 0


def pair(iou: float, *, score: float = 1.0, kind: str = "pair", category: int = 1) -> Item:
    """An item of an IoU (in per cent) without real masks."""
    one = Mask(1, category, rle.encode(np.ones((1, 1))), (0, 0, 1, 1), 1, score)
    kept = round(100 * iou)
    return Item(
        key="",
        split="",
        row=0,
        image_id=0,
        category_id=category,
        category="",
        before=None if kind == "extra" else one,
        after=None if kind == "missed" else one,
        kept=kept,
        added=100 - kept,
        removed=0,
    )


def test_ap_loss_by_hand():
    # Two instances of one class: one missed costs half; the other is perfect.
    assert ap_losses([pair(1.0), pair(0, kind="missed")]).tolist() == [0, 0.5]
    # A false alarm above one hit: precision at the hit would be 1 instead of 1/2.
    losses = ap_losses([pair(1.0, score=0.5), pair(0, score=0.9, kind="extra")])
    assert losses == pytest.approx([0, 0.5])
    # Below the hit it costs nothing.
    assert ap_losses([pair(1.0, score=0.9), pair(0, score=0.5, kind="extra")]).tolist() == [0, 0]
    # IoU 0.72 is a hit at 0.50 .. 0.70, five of ten thresholds; two classes halve it.
    losses = ap_losses([pair(0.72), pair(1.0, category=2)])
    assert losses == pytest.approx([0.25, 0])


def test_a_rare_class_costs_more():
    common = [pair(1.0) for _ in range(9)] + [pair(0, kind="missed")]
    losses = ap_losses([*common, pair(0, kind="missed", category=2)])
    assert losses[-1] == pytest.approx(10 * losses[-2])
