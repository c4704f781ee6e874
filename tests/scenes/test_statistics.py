"""Statistics of a set, on a folder drawn by hand and on real views."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.files import UserError
from helpers.scenes.config import SceneConfig
from helpers.scenes.statistics import category_table, comparison, label_statistics, scene_statistics


def annotation(category: int, area: int, *bbox: int, image: int = 1) -> dict:
    return {"image_id": image, "category_id": category, "area": area, "bbox": list(bbox)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of 600 px: a length of 48 there is one of 96 at 1200."""
    (tmp_path / "coco").mkdir()
    images = [{"id": i, "width": 600, "height": 600} for i in (1, 2)]
    annotations = [
        annotation(18, 48 * 48, 10, 10, 48, 48),  # exactly 96 x 96 at 1200: not larger
        annotation(18, 48 * 48 + 1, 10, 10, 49, 49),
        annotation(18, 130 * 130, 470, 100, 130, 130),  # touches the right border
        annotation(34, 100, 0, 20, 10, 10),
    ]
    text = json.dumps({"images": images, "annotations": annotations})
    (tmp_path / "coco" / "train.json").write_text(text)
    return tmp_path


def test_a_folder_is_measured_at_the_reference_size(folder):
    found = scene_statistics(folder)
    assert (found.images, found.instances, found.instances_per_image) == (2, 4, 2.0)
    assert found.area_over_96 == 0.5 and found.area_over_256 == 0.25
    assert found.box_over_96 == 0.5 and found.box_over_256 == 0.25
    assert found.truncated == 0.5
    assert found.box_percentiles[3] == 97.0  # the median of 20, 96, 98, 260
    assert found.category_counts[18] == 3 and found.category_counts[34] == 1
    assert found.head_to_tail == 3.0 and len(found.absent) == 32
    json.dumps(found.to_dict())


def test_an_index_gives_what_the_folder_gives(folder):
    data = json.loads((folder / "coco" / "train.json").read_text())
    frame = pd.DataFrame(data["annotations"]).assign(width=600, height=600)
    boxes = np.array(frame.pop("bbox").tolist())
    for column, name in enumerate(("bbox_x", "bbox_y", "bbox_w", "bbox_h")):
        frame[name] = boxes[:, column]

    class Index:
        def __len__(self) -> int:
            return 2

        def frame(self) -> pd.DataFrame:
            return frame

    assert scene_statistics(Index()) == scene_statistics(folder)


def test_tables_stand_beside_the_published_numbers(folder):
    table = comparison(scene_statistics(folder))
    assert table.loc["instances per image"].tolist() == ["5.02", "2.00"]
    assert table.loc["mask area > 96 x 96"].tolist() == ["over 80 %", "50.0 %"]
    assert table.loc["head : tail category", "scenes"] == "3 : 1 (32 absent)"
    counts = category_table(scene_statistics(folder))
    assert counts.index[:2].tolist() == [18, 34] and counts.instances.sum() == 4


def test_no_annotations_at_all_give_no_numbers_but_no_error(tmp_path):
    (tmp_path / "coco").mkdir()
    text = json.dumps({"images": [], "annotations": []})
    (tmp_path / "coco" / "train.json").write_text(text)
    found = scene_statistics(tmp_path)
    assert found.instances == 0 and np.isnan(found.head_to_tail)
    assert "nan" in comparison(found).loc["head : tail category", "scenes"]


def test_a_folder_without_annotations_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no finished set of scenes"):
        scene_statistics(tmp_path)


def test_labels_alone_give_the_sizes_of_real_views():
    found = label_statistics(SceneConfig(size=1200), views=6)
    assert found.images == 6
    assert found.instances >= 6 * SceneConfig().min_instances
    assert min(found.box_percentiles) > 30 and max(found.box_percentiles) <= 1200
    assert sum(found.category_counts.values()) == found.instances
