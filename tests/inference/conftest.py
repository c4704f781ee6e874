"""The painted pictures as a data set."""

import json

import pytest

from helpers.data.coco import read_index
from tests.data.datafiles import annotation

from .painted import PICTURES, paint


@pytest.fixture
def index(tmp_path):
    images, annotations = [], []
    for image_id, (height, width), *boxes in PICTURES:
        name = f"{image_id}.png"
        paint((height, width), *boxes).save(tmp_path / name)
        images.append({"id": image_id, "height": height, "width": width, "file_name": name})
        shown = [(kind, box) for kind, box in zip((4, 9), boxes, strict=True) if box]
        for category, box in shown:
            annotations.append(annotation(len(annotations) + 1, image_id, category, box))
    categories = [{"id": 4, "name": "red"}, {"id": 9, "name": "green"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    file = tmp_path / "truth.json"
    file.write_text(json.dumps(content))
    return read_index(file, tmp_path)
