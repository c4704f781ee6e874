"""Panels show the right part of the right picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers.data import rle
from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.drawing import grid
from helpers.series.viz import gallery
from helpers.series.viz.sources import truth

# image, category, x, y, side: the first chair is larger, but cut by the frame
SQUARES = [(1, 1, 0, 0, 30), (1, 1, 40, 20, 20), (2, 2, 10, 10, 25), (2, 1, 70, 40, 8)]


@pytest.fixture
def index(tmp_path: Path) -> InstanceIndex:
    """Two pictures of 60 x 90: black ones with a bright square for every instance."""
    images = {number: np.zeros((60, 90, 3), np.uint8) for number in (1, 2)}
    annotations = []
    for number, (image, category, x, y, side) in enumerate(SQUARES, start=1):
        images[image][y : y + side, x : x + side] = 60 * number
        mask = images[image][..., 0] == 60 * number
        annotations.append(
            {"id": number, "image_id": image, "category_id": category, "iscrowd": 0,
             "bbox": [x, y, side, side], "area": side**2, "segmentation": rle.encode(mask)}
        )  # fmt: skip
    for number, image in images.items():
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    entries = [
        {"id": n, "width": 90, "height": 60, "file_name": f"{n}.png"} for n in sorted(images)
    ]
    categories = [
        {"id": n, "name": name, "supercategory": "x"} for n, name in ((1, "Chair"), (2, "Sofa"))
    ]
    file = tmp_path / "truth.json"
    file.write_text(
        json.dumps({"images": entries, "annotations": annotations, "categories": categories})
    )
    return read_index(file)


def test_examples_prefer_what_the_frame_does_not_cut(index: InstanceIndex):
    chair, sofa = gallery.class_examples(index)
    assert (chair.title, sofa.title) == ("Chair", "Sofa")
    assert (chair.image[chair.overlay.masks[0]] == 120).all()
    assert chair.overlay.masks[0].sum() == 400
    assert chair.image.shape == (24, 24, 3)
    assert (sofa.image[sofa.overlay.masks[0]] == 180).all()


def test_free_shares_by_hand():
    table = pd.DataFrame(
        {"image_id": [1, 1, 2], "bbox_x": [0, 5, 5], "bbox_y": [0, 0, 0],
         "bbox_w": [10, 20, 20], "bbox_h": [10, 5, 5]}
    )  # fmt: skip
    assert gallery.free_shares(table).tolist() == [0.75, 0.75, 1.0]


def test_windows_stay_square_inside_the_picture():
    rows, columns = gallery.square_window(np.array([80.0, 50, 90, 60]), (60, 90))
    assert (rows, columns) == (slice(40, 60), slice(70, 90))
    rows, columns = gallery.square_window(np.array([0.0, 0, 90, 20]), (60, 90))
    assert (rows, columns) == (slice(0, 60), slice(0, 90))


def test_cropped_overlays_follow_the_window(index: InstanceIndex):
    found = gallery.cropped(truth(index, 1), (slice(5, 40), slice(8, 50)))
    assert found.masks.shape == (2, 35, 42)
    assert found.boxes[0].tolist() == [2, 5, 27, 30]
    assert found.masks[0, 5:30, 2:27].all()


def test_one_picture_in_four_ways(index: InstanceIndex):
    panels = gallery.one_picture(index, 0)
    assert [panel.overlay is None for panel in panels] == [True, True, False, False]
    assert grid(panels, columns=4, alt="x").encoded()[0] == "image/jpeg"


def test_truth_stands_before_prediction(index: InstanceIndex):
    segmentation = rle.encode(np.eye(60, 90, dtype=bool))
    results = [
        {"image_id": 2, "category_id": 1, "score": score, "segmentation": segmentation}
        for score in (0.9, 0.3)
    ]
    panels = gallery.truth_and_prediction(index, results, [1, 0], score=0.5)
    assert [len(panel.overlay) for panel in panels] == [2, 1, 2, 0]
    assert [panel.title for panel in panels[:2]] == [
        "picture 2: truth (2)", "prediction (1 of score ≥ 0.5)"
    ]  # fmt: skip


def test_truth_panels(index: InstanceIndex):
    assert [len(panel.overlay) for panel in gallery.with_truth(index, [0, 1])] == [2, 2]
