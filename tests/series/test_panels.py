"""Truth, results and detections of one picture as overlays; panels of the right part of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.series.panels import (
    picture,
    predicted,
    spread_rows,
    square_window,
    truth,
    truth_and_prediction,
)
from tests.data.datafiles import coco
from tests.review.review_data import annotation, square

# image, category, x, y, side; the first chair is the larger, but cut by the frame; 3 is a crowd
SQUARES = [(1, 3, 0, 0, 30), (1, 3, 40, 20, 20), (1, 3, 60, 50, 5), (2, 8, 10, 10, 25),
           (2, 3, 70, 40, 8)]  # fmt: skip
CATEGORIES = [
    {"id": 3, "name": "Chair", "supercategory": "Seat"},
    {"id": 8, "name": "Sofa", "supercategory": "Seat"},
]
BLACK = np.zeros((60, 90, 3), np.uint8)


def result(image: int, category: int, score: float, *at: int) -> dict:
    return annotation(0, image, category, square(*at)) | {"score": score}


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> InstanceIndex:
    """Three black pictures of 60 x 90 with a bright square for every instance, the third empty."""
    folder: Path = tmp_path_factory.mktemp("squares")
    images = {n: BLACK.copy() for n in (1, 2, 3)}
    for number, (image, _, x, y, side) in enumerate(SQUARES, start=1):
        images[image][square(x, y, side)] = 40 * number
    for number, image in images.items():
        Image.fromarray(image).save(folder / f"{number}.png")
    rows = [(image, category, (x, y, side, side)) for image, category, x, y, side in SQUARES]
    sizes = dict.fromkeys(images, BLACK.shape[:2])
    return read_index(coco(folder / "truth.json", sizes, rows, CATEGORIES, crowds=(3,)))


def test_truth_leaves_crowds_out_and_names_are_those_of_the_label_space(index):
    assert picture(index, 1)[12, 12].tolist() == [160, 160, 160]
    found = truth(index, 1)
    assert found.names == ("Sofa", "Chair") and found.category_ids.tolist() == [8, 3]
    assert found.boxes.tolist() == [[10, 10, 35, 35], [70, 40, 78, 48]]
    assert (found.masks[0] == square(10, 10, 25)).all() and found.scores is None
    assert len(truth(index, 0)) == 2
    assert truth(index, 2).masks.shape == (0, 60, 90) and truth(index, 2).boxes.shape == (0, 4)
    groups = truth(index.in_space("super"), 1)
    assert groups.names == ("Seat", "Seat") and groups.category_ids.tolist() == [1, 1]


def test_predictions_of_one_picture_best_first(index):
    results = [result(1, 3, 0.4, 2, 3, 5), result(2, 3, 0.8, 0, 0, 9), result(1, 8, 0.7, 9, 9, 6)]
    found = predicted(results, index, 0)
    assert found.names == ("Sofa", "Chair")
    assert found.scores.tolist() == [0.7, 0.4]
    assert found.boxes.tolist() == [[9, 9, 15, 15], [2, 3, 7, 8]]
    assert len(predicted(results, index, 2)) == 0
    panels = truth_and_prediction(index, results, [1, 0, 2], score=0.5)
    assert [len(panel.overlay) for panel in panels] == [2, 1, 2, 1, 0, 0]


def test_rows_are_spread_over_pictures_with_enough_in_them(index):
    assert spread_rows(index, 2) == [0, 2]
    assert spread_rows(index, 5, least=1) == [0, 1]
    assert spread_rows(index, 5, least=3) == []


def test_a_window_is_square_and_inside_the_picture():
    assert square_window(np.array([80.0, 50, 90, 60]), (60, 90)) == (
        slice(40, 60),
        slice(70, 90),
    )
