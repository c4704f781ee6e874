"""COCO files read into detectron2's records."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any

from pycocotools.coco import COCO

from detectron2.data import DatasetCatalog, MetadataCatalog

XYWH_ABS = 1  # BoxMode


def register_coco_instances(
    name: str, metadata: dict[str, Any], json_file: str, image_root: str
) -> None:
    assert isinstance(name, str)
    assert isinstance(json_file, str | os.PathLike)
    assert isinstance(image_root, str | os.PathLike)
    DatasetCatalog.register(name, lambda: load_coco_json(json_file, image_root, name))
    kept = MetadataCatalog.get(name)
    kept.set(json_file=json_file, image_root=image_root, evaluator_type="coco", **metadata)


def load_coco_json(json_file: str, image_root: str, dataset_name: str) -> list[dict[str, Any]]:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(json_file)
    ids = sorted(coco.getCatIds())
    names = [category["name"] for category in coco.loadCats(ids)]
    MetadataCatalog.get(dataset_name).set(thing_classes=names)
    return [
        {
            "file_name": os.path.join(image_root, image["file_name"]),
            "height": image["height"],
            "width": image["width"],
            "image_id": image["id"],
            "annotations": [
                {
                    "iscrowd": row["iscrowd"],
                    "bbox": row["bbox"],
                    "category_id": ids.index(row["category_id"]),
                    "segmentation": row["segmentation"],
                    "bbox_mode": XYWH_ABS,
                }
                for row in coco.imgToAnns[image["id"]]
            ],
        }
        for image in coco.loadImgs(sorted(coco.imgs))
    ]
