"""The painted pictures as a data set."""

import pytest

from helpers.data.coco import read_index
from tests.data.datafiles import coco

from .painted import PICTURES, paint


@pytest.fixture
def index(tmp_path):
    sizes, rows = {}, []
    for image_id, size, *boxes in PICTURES:
        sizes[image_id] = size
        paint(size, *boxes).save(tmp_path / f"{image_id}.png")
        rows += [(image_id, kind, box) for kind, box in zip((4, 9), boxes, strict=True) if box]
    kinds = [{"id": 4, "name": "red"}, {"id": 9, "name": "green"}]
    return read_index(coco(tmp_path / "truth.json", sizes, rows, kinds), tmp_path)
