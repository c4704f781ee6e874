"""The painted pictures as a data set."""

import json

import pytest

from helpers.data.coco import read_index

from .painted import PICTURES, paint


@pytest.fixture
def index(tmp_path):
    annotations = []
    for image_id, size, *boxes in PICTURES:
        paint(size, *boxes).save(tmp_path / f"{image_id}.png")
        for category, box in zip((4, 9), boxes, strict=True):
            if box is not None:
                x, y, w, h = box
                ring = [x, y, x + w, y, x + w, y + h, x, y + h]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": category,
                        "segmentation": [ring],
                        "bbox": box,
                        "area": w * h,
                    }
                )
    document = {
        "images": [
            {"id": i, "height": h, "width": w, "file_name": f"{i}.png"}
            for i, (h, w), *_ in PICTURES
        ],
        "annotations": annotations,
        "categories": [{"id": 4, "name": "red"}, {"id": 9, "name": "green"}],
    }
    file = tmp_path / "truth.json"
    file.write_text(json.dumps(document))
    return read_index(file, tmp_path)
