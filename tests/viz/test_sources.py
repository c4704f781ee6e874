"""Truth, results and detections of one picture arrive as the same overlay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.data import rle
from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.inference.predictor import detected
from helpers.series.viz.sources import picture, predicted, spread_rows, truth
from helpers.structures import Detections

CATEGORIES = [
    {"id": 3, "name": "Chair", "supercategory": "Seat"},
    {"id": 8, "name": "Sofa", "supercategory": "Seat"},
]


def square(x: int, y: int, side: int) -> np.ndarray:
    mask = np.zeros((20, 30), bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def index(tmp_path: Path) -> InstanceIndex:
    """Three pictures of 20 x 30; the first has a sofa, a chair and a crowd, the second a chair."""
    for number in (1, 2, 3):
        Image.new("RGB", (30, 20), (number * 40, 0, 0)).save(tmp_path / f"{number}.png")
    masks = [(1, 8, square(5, 5, 10), 0), (1, 3, square(20, 2, 4), 0), (1, 3, square(0, 0, 3), 1)]
    masks.append((2, 3, square(1, 1, 2), 0))
    annotations = [
        {"id": n, "image_id": image, "category_id": category, "iscrowd": crowd,
         "segmentation": rle.encode(mask), "bbox": list(rle.bbox(rle.encode(mask))),
         "area": int(mask.sum())}
        for n, (image, category, mask, crowd) in enumerate(masks, start=1)
    ]  # fmt: skip
    images = [{"id": n, "width": 30, "height": 20, "file_name": f"{n}.png"} for n in (1, 2, 3)]
    file = tmp_path / "truth.json"
    file.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES})
    )
    return read_index(file)


def test_picture_is_rgb(index: InstanceIndex):
    image = picture(index, 1)
    assert image.shape == (20, 30, 3)
    assert image[0, 0].tolist() == [80, 0, 0]


def test_truth_leaves_crowds_out(index: InstanceIndex):
    found = truth(index, 0)
    assert found.names == ("Sofa", "Chair")
    assert found.category_ids.tolist() == [8, 3]
    assert found.boxes.tolist() == [[5, 5, 15, 15], [20, 2, 24, 6]]
    assert (found.masks[0] == square(5, 5, 10)).all()
    assert found.scores is None


def test_truth_of_a_picture_without_anything(index: InstanceIndex):
    found = truth(index, 2)
    assert len(found) == 0
    assert found.masks.shape == (0, 20, 30)
    assert found.boxes.shape == (0, 4)


def test_names_are_those_of_the_label_space(index: InstanceIndex):
    found = truth(index.in_space("super"), 0)
    assert found.names == ("Seat", "Seat")
    assert found.category_ids.tolist() == [1, 1]


def test_predictions_of_one_picture_best_first(index: InstanceIndex):
    results = [
        {
            "image_id": 1,
            "category_id": 3,
            "score": 0.4,
            "segmentation": rle.encode(square(2, 3, 5)),
        },
        {
            "image_id": 2,
            "category_id": 3,
            "score": 0.8,
            "segmentation": rle.encode(square(0, 0, 9)),
        },
        {
            "image_id": 1,
            "category_id": 8,
            "score": 0.7,
            "segmentation": rle.encode(square(9, 9, 6)),
        },
    ]
    found = predicted(results, index, 0)
    assert found.names == ("Sofa", "Chair")
    assert found.scores.tolist() == [0.7, 0.4]
    assert found.boxes.tolist() == [[9, 9, 15, 15], [2, 3, 7, 8]]
    assert len(predicted(results, index, 2)) == 0


def test_detections_are_pasted_into_the_picture(index: InstanceIndex):
    found = detected(
        Detections(
            boxes=torch.tensor([[4.0, 4.0, 12.0, 12.0]]),
            scores=torch.tensor([0.9]),
            labels=torch.tensor([1]),
            image_size=(20, 30),
            masks=torch.ones(1, 4, 4),
        ),
        index.taxonomy,
    )
    assert found.names == ("Sofa",)
    assert found.category_ids.tolist() == [8]
    assert found.masks[0, 5:11, 5:11].all()
    assert found.masks[0].sum() <= 64


def test_rows_are_spread_over_pictures_with_enough_in_them(index: InstanceIndex):
    assert spread_rows(index, 2) == [0, 2]
    assert spread_rows(index, 5, least=1) == [0, 1]
    assert spread_rows(index, 5, least=2) == [0]
    assert spread_rows(index, 5, least=3) == []
