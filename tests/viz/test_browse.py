"""Leafing through pictures: the class chosen is the class shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.series.viz.browse import EVERY, image_browser, one_picture, rows_with
from tests.review.review_data import write_files


@pytest.fixture
def index(tmp_path: Path) -> InstanceIndex:
    """Picture 1 with two chairs, picture 2 with a sofa and a chair."""
    return read_index(write_files(tmp_path)[0])


def test_pictures_of_a_class(index):
    assert rows_with(index, EVERY) == [0, 1]
    assert rows_with(index, 1) == [0, 1]
    assert rows_with(index, 2) == [1]
    assert rows_with(index, 7) == []


def test_only_the_chosen_class_is_drawn_and_counted(index):
    assert one_picture(index, 1).alt == "picture 2: 2 of 2 instances: Sofa, Chair"
    assert one_picture(index, 1, category_id=2).alt == "picture 2: 1 of 2 instances: Sofa"
    bare = one_picture(index, 1, masks=False).encoded()
    assert bare != one_picture(index, 1).encoded()
    assert bare != one_picture(index, 1, masks=False, boxes=True).encoded()


def test_another_class_starts_at_its_first_picture(index):
    view = image_browser(index)
    assert [label for label, _ in view.controls["category_id"].options] == [
        "all classes (2 pictures)", "Chair (2)", "Sofa (1)",
    ]  # fmt: skip
    place = view.controls["place"]
    place.value = 2
    assert view.draw(**view.values).alt.startswith("picture 2: 2 of 2")
    view.controls["category_id"].value = 2
    assert (place.value, place.max) == (1, 1)
    assert view.draw(**view.values).alt == "picture 2: 1 of 2 instances: Sofa"
    view.controls["category_id"].value = EVERY
    assert (place.value, place.max) == (1, 2)
    assert view.image.value == one_picture(index, 0).encoded()[1]
