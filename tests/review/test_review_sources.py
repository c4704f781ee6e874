"""Pairs, their numbers, and what they can be sorted by, on squares counted by hand."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from helpers.data import rle
from helpers.data.coco import read_index
from helpers.files import UserError
from helpers.review.scores import defect_score
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


def ids(items: list[Item]) -> list[tuple[int | None, int | None]]:
    return [(i.before and i.before.id, i.after and i.after.id) for i in items]


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
    written = ["train/1/1/1/1db35ab88ccb", "train/2/4/-/afa2039356be", "train/2/-/9/bb895f964b2c"]
    assert [items[n].key for n in (0, 3, 4)] == written, "stored decisions are of no use any more"
    others = review_data.comparison(tmp_path, review_data.before(), review_data.before()).items()
    changed = {i.key for i in others} ^ {i.key for i in items}
    assert items[1].key not in changed and items[0].key in changed


def test_ids_given_anew_pair_by_overlap_and_are_told(tmp_path: Path, caplog):
    """A duplicate was dropped and the ids after it closed up: 3 is what was 4, and so on."""
    old, new = review_data.before(), review_data.before()
    first, *others = review_data.before(shift=1)["annotations"]
    old["annotations"] = [{**first, "id": 1}, {**first, "id": 2}, *others]
    with caplog.at_level(logging.WARNING):
        found = review_data.comparison(tmp_path, old, new).items()
    assert ids(found) == [(1, 1), (2, None), (3, 2), (4, 3), (5, 4)]
    assert {item.kind for item in found} == {"same", "only before"}
    assert "3 instances have other ids in new than in old" in caplog.text


def test_an_id_with_another_mask_is_another_thing(tmp_path: Path):
    new = review_data.before()
    new["annotations"][1] = review_data.annotation(2, 1, 1, review_data.square(60, 40, 20))
    assert ids(review_data.comparison(tmp_path, review_data.before(), new).items())[:3] == [
        (1, 1),
        (2, None),
        (None, 2),
    ]


def test_files_that_contradict_each_other_are_refused(tmp_path: Path):
    swapped, classes = review_data.after(), review_data.after()
    for image in swapped["images"]:
        image["file_name"] = f"{3 - image['id']}.jpg"
    classes["categories"][1]["name"] = "Lamp"
    for new, told in ((swapped, "picture 2 has the id 1 in new, 2 in old"), (classes, "'Lamp'")):
        with pytest.raises(UserError, match=told):
            review_data.comparison(tmp_path, review_data.before(), new).items()


def test_pictures_of_one_file_alone_are_left_out_and_told(tmp_path: Path, caplog):
    new = review_data.after()
    new["images"], new["annotations"] = new["images"][:1], new["annotations"][:2]
    with caplog.at_level(logging.WARNING):
        found = review_data.comparison(tmp_path, review_data.before(), new).items()
    assert ids(found) == [(1, 1), (2, 2)] and "1 pictures are in old or new alone" in caplog.text


def test_predictions_pair_by_overlap_same_class_first(tmp_path: Path):
    index = read_index(review_data.write_files(tmp_path)[0])
    result = {"image_id": 1, "category_id": 2, "score": 0.9}
    result["segmentation"] = rle.encode(review_data.square(0, 0, 30))
    shifted = rle.encode(review_data.square(1, 0, 30))
    results = [
        result,
        {**result, "category_id": 1, "segmentation": shifted},
        {**result, "image_id": 2, "score": 0.05},
    ]
    truth = annotations_of(index, name="truth")

    def compared(results: list[dict]) -> list[Item]:
        model = predictions_of(results, index, name="model")
        return Comparison(index, truth, model, pairing="iou").items()

    found = compared(results)
    assert ids(found) == [(1, 1), (2, None), (None, 0), (3, None), (4, None)]
    assert found[0].score == 0.9
    first = compared(results[:1])[0]
    assert (first.remark, first.kind, first.iou) == ("Chair → Sofa", "changed", 1.0)
    with pytest.raises(UserError, match="category 7"):
        compared([{**result, "category_id": 7}])
    with pytest.raises(UserError, match="result 0 of model lacks score"):
        compared([{name: result[name] for name in result if name != "score"}])


def test_remarks_of_a_correction(tmp_path: Path):
    told = {"review": {"3": 0.41}, "duplicates": [[1, 2]], "vanished": [5]}
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"files": {"a.json": {"changed_images": {"8": told}}}}))
    remarks = correction_remarks(report, "a.json")
    assert remarks[8, 3] == "changes by 41%: please look"
    assert remarks[8, 2] == "duplicate of annotation 1" and (8, 5) in remarks
    with pytest.raises(UserError, match="knows a"):
        correction_remarks(report, "b.json")


def defects(plane: np.ndarray) -> float:
    packed, area, box = rle.examine(rle.encode(plane))
    return defect_score(Mask(1, 1, packed, box, area))


def test_defects_by_hand():
    plain = review_data.square(10, 10, 20)
    assert [defects(plane) for plane in (plain, plain & False, plain | True)] == [0, 0, 0]
    bump, crumb, hole = plain.copy(), plain.copy(), plain.copy()
    bump[9, 15] = True
    crumb[40:42, 40:42] = True
    hole[15:17, 15:17] = False
    # The bump, and no other pixel; 76 of the square's outline, less the one below it, and itself.
    assert defects(bump) == pytest.approx(1 / 76)
    assert defects(crumb) == pytest.approx(4 / 80)
    assert defects(hole) == pytest.approx(4 / (76 + 8))
