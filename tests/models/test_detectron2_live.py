"""What talks to detectron2, against the stand-in of tests/stand_in where detectron2 is missing."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import papermill
import pytest
import torch
from PIL import Image

from helpers.config import ModelConfig
from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.data.rle import encode
from helpers.files import ROOT, UserError
from helpers.series.notebook import notebook_path, read_manifest
from helpers.tools import compare
from helpers.tools.bench import cases
from helpers.tools.detectron2_live import (
    has_detectron2,
    reference_detections,
    reference_model,
    register_split,
)

REAL = importlib.util.find_spec("detectron2") is not None
STAND_IN = ROOT / "tests" / "stand_in"
NOTEBOOK = "21_compare_with_detectron2"
CONFIGS = {
    "maskrcnn": ModelConfig(),
    "pointrend": ModelConfig(mask_head="pointrend", subdivision_points=784),
    "cascade": ModelConfig(architecture="cascade_rcnn", mask_head="pointrend"),
}


@pytest.fixture(autouse=True)
def detectron2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The real one where it is installed, else the stand-in."""
    if not REAL:
        monkeypatch.syspath_prepend(STAND_IN)
    yield
    if not REAL:
        for name in [n for n in sys.modules if n.split(".")[0] == "detectron2"]:
            del sys.modules[name]


def zeros(name: str) -> dict[str, torch.Tensor]:
    """Weights under the names and in the shapes that detectron2 wrote into a golden file."""
    with np.load(compare.GOLDEN / f"{name}_r50.npz") as file:
        keys = json.loads(str(file["meta"]))["keys"]
    return {key: torch.zeros(1).expand(shape) for key, shape in keys.items()}  # small files


def saved(state: dict[str, torch.Tensor], path: Path) -> Path:
    torch.save({"model": state}, path)
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_each_architecture_is_built_there_and_takes_its_weights(name, tmp_path):
    path = saved(zeros(name), tmp_path / "m.pth")
    model = reference_model(path, CONFIGS[name], num_classes=34)
    assert not model.training
    assert model.input_format == "BGR"


def test_names_of_before_pointrend_s_renaming_are_taken(tmp_path):
    old = {
        key.replace("mask_head.point_head", "mask_point_head")
        .replace("mask_head.coarse_head.fc", "mask_coarse_head.coarse_mask_fc")
        .replace("mask_head.coarse_head", "mask_coarse_head"): value
        for key, value in zeros("pointrend").items()
    }
    assert "roi_heads.mask_coarse_head.coarse_mask_fc1.weight" in old
    old["pixel_mean"] = torch.zeros(3, 1, 1)
    reference_model(saved(old, tmp_path / "m.pth"), CONFIGS["pointrend"], num_classes=34)


def test_weights_of_another_model_are_refused(tmp_path):
    path = saved(zeros("maskrcnn"), tmp_path / "m.pth")
    with pytest.raises(UserError, match=r"point_head\.fc1\.weight is missing"):
        reference_model(path, CONFIGS["pointrend"], num_classes=34)
    offset = {"backbone.bottom_up.res3.0.conv2_offset.bias": torch.zeros(1)}
    with pytest.raises(UserError, match=r"conv2_offset\.bias has no place"):
        other = saved(zeros("maskrcnn") | offset, tmp_path / "n.pth")
        reference_model(other, CONFIGS["maskrcnn"], num_classes=34)
    narrow = {"roi_heads.box_head.fc1.weight": torch.zeros(2, 2)}
    with pytest.raises(UserError, match="size mismatch"):
        other = saved(zeros("maskrcnn") | narrow, tmp_path / "o.pth")
        reference_model(other, CONFIGS["maskrcnn"], num_classes=34)


def test_architectures_that_are_not_compared_say_so(tmp_path):
    for changes in ({"architecture": "solov2"}, {"backbone": "resnest50d"}):
        with pytest.raises(UserError, match="is not compared with detectron2"):
            config = dataclasses.replace(ModelConfig(), **changes)
            reference_model(tmp_path / "none", config, num_classes=3)


def test_pointrend_without_opencv_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "detectron2.projects.point_rend", None)
    with pytest.raises(UserError, match="needs OpenCV, `conda install py-opencv`"):
        reference_model(tmp_path / "none", CONFIGS["pointrend"], num_classes=3)


@pytest.mark.skipif(REAL, reason="the real one is tested in test_compare")
@pytest.mark.parametrize(
    "name",
    [
        "maskrcnn_r50",
        pytest.param("pointrend_r50", marks=pytest.mark.slow),
        pytest.param("cascade_r50", marks=pytest.mark.slow),
    ],
)
def test_a_pair_goes_through_the_exported_file_and_finds_the_same(name):
    """The stand-in answers by our model, so any difference is one of colours, names or masks."""
    pair = compare.golden_pair(name)
    image = torch.randint(0, 256, (3, 96, 128), generator=torch.Generator().manual_seed(0))
    both = pair.detect(image.to(torch.uint8))
    apart = compare.agreement(both["here"], both["detectron2"])
    assert apart["ours"] == apart["theirs"] == apart["paired"] > 0
    assert apart["box"] < 0.01
    assert apart["score"] < 1e-4
    off = (both["here"].masks - both["detectron2"].masks).abs() > 2e-3
    assert off.float().mean() <= 1e-3  # what the golden files allow


@pytest.mark.slow
def test_the_bench_times_a_picture_in_both(monkeypatch):
    monkeypatch.setattr(cases, "SIDE", 96)
    torch.manual_seed(0)
    *_, case = cases._prediction()
    assert case.reference_name == "detectron2"
    [ours], theirs = case.ours(), case.reference()
    assert compare.agreement(ours, theirs)["paired"] == len(ours) == len(theirs)


@pytest.mark.skipif(REAL, reason="of the stand-in")
def test_a_picture_without_detections_may_come_without_masks():
    from detectron2.structures import Boxes, Instances

    class Nothing:
        input_format = "RGB"

        def inference(self, given, do_postprocess):
            assert given[0]["image"].dtype == torch.float32
            empty = {"scores": torch.zeros(0), "pred_classes": torch.zeros(0, dtype=torch.int64)}
            return [Instances((8, 9), pred_boxes=Boxes(torch.zeros(0, 4)), **empty)]

    found = reference_detections(Nothing(), torch.zeros(3, 8, 9, dtype=torch.uint8))
    assert len(found) == 0
    assert found.masks.shape == (0, 1, 1)


def split(folder: Path, *, category: str) -> InstanceIndex:
    """Two pictures in folders of their own, the later one first in the file."""
    mask = np.zeros((12, 16), dtype=bool)
    mask[2:6, 3:9] = True
    names = {7: "b/two.png", 3: "a/one.png"}
    for name in names.values():
        (folder / name).parent.mkdir(parents=True)
        Image.new("RGB", (16, 12)).save(folder / name)
    row = {"category_id": 5, "segmentation": dict(encode(mask)), "iscrowd": 0}
    row |= {"area": 24, "bbox": [3, 2, 6, 4]}
    truth = {
        "images": [
            {"id": n, "height": 12, "width": 16, "file_name": name} for n, name in names.items()
        ],
        "annotations": [{"id": n, "image_id": n, **row} for n in names],
        "categories": [{"id": 5, "name": category, "supercategory": "thing"}],
    }
    (folder / "truth.json").write_text(json.dumps(truth))
    return read_index(folder / "truth.json", folder)


def test_a_registered_split_is_read_there_in_the_order_of_the_index(tmp_path):
    index = split(tmp_path / "first", category="chair")
    records = register_split("test-split", index, tmp_path / "coco.json")
    assert [record["image_id"] for record in records] == index.image_ids.tolist() == [3, 7]
    assert [Path(r["file_name"]) for r in records] == [path.resolve() for path in index.paths]
    [annotation] = records[0]["annotations"]
    assert annotation["bbox"] == [3, 2, 6, 4]
    assert annotation["category_id"] == 0
    assert annotation["segmentation"]["size"] == [12, 16]


def test_a_name_can_be_given_to_another_data_set(tmp_path):
    register_split("test-again", split(tmp_path / "a", category="chair"), tmp_path / "coco.json")
    other = split(tmp_path / "b", category="table")
    records = register_split("test-again", other, tmp_path / "other.json")
    from detectron2.data import MetadataCatalog

    assert Path(records[0]["file_name"]).is_relative_to(tmp_path / "b")
    assert MetadataCatalog.get("test-again").thing_classes == ["table"]


@pytest.mark.slow
def test_the_notebook_s_live_cells_run(monkeypatch, tmp_path):
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("PYTHONPATH", "" if REAL else str(STAND_IN))
    split(tmp_path / "data", category="chair")
    papermill.execute_notebook(
        notebook_path(NOTEBOOK),
        tmp_path / "live.ipynb",
        parameters={"data": str(tmp_path / "data"), "pictures": 2, "short_side": 96},
        progress_bar=False,
    )
    made = read_manifest(NOTEBOOK)
    assert made["results"]["detectron2"]
    assert "detections.png" in made["figures"]
    assert len(made["results"]["beside"]) == 2
    for row in made["results"]["beside"]:
        assert row["ours"] == row["theirs"] == row["paired"] > 0
        assert row["seconds, detectron2"] > 0


def test_the_bench_times_its_paste_beside_ours():
    names = {case.reference_name: case for case in cases._paste()}
    theirs = names["detectron2 + pycocotools"]
    ours = names["torchvision + pycocotools"].ours()
    assert [row["counts"].decode() for row in theirs.reference()] == [row["counts"] for row in ours]


@pytest.mark.parametrize(
    "line",
    [
        "import PIL.Image\nPIL.Image.OF_ANOTHER_PILLOW",
        "raise RuntimeError('it was made for OF_ANOTHER CUDA')",
    ],
)
def test_it_is_there_only_if_it_can_be_imported(monkeypatch, tmp_path, caplog, line):
    assert has_detectron2()
    broken = tmp_path / "detectron2"
    broken.mkdir()
    (broken / "__init__.py").write_text("")
    (broken / "modeling.py").write_text(line)
    for name in [n for n in sys.modules if n.split(".")[0] == "detectron2"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    assert not has_detectron2()
    assert "OF_ANOTHER" in caplog.text
