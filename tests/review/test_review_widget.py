"""The view's other half: commands in, traits out. What a browser does with them: tests/browser."""

from __future__ import annotations

import base64
import io
import json
import time
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
from PIL import Image

from helpers.data import rle
from helpers.data.coco import read_index
from helpers.files import UserError
from helpers.review.picture import picture_bytes
from helpers.review.sources import Comparison, annotations_of
from helpers.review.store import DecisionStore
from helpers.review.widget import ReviewWidget
from tests.review import review_data


@pytest.fixture
def widget(tmp_path: Path) -> ReviewWidget:
    return ReviewWidget([review_data.comparison(tmp_path)], tmp_path / "d.jsonl")


def test_the_first_item_is_shown_with_its_masks(widget: ReviewWidget, tmp_path: Path):
    scene = widget.scene
    assert (scene["picture"], scene["width"], scene["height"]) == ("train/2", 90, 60)
    assert scene["place"] == "train · picture 2 · instance 4"
    assert (scene["before"]["focus"], scene["after"]["focus"]) == (1, None)
    assert [len(scene[side]["masks"]) for side in ("before", "after")] == [2, 2]
    focus = scene["before"]["masks"][1]
    plane = rle.decode({"size": [60, 90], "counts": focus["counts"]})
    assert np.array_equal(plane, review_data.square(70, 40, 8)) and focus["box"] == [70, 40, 8, 8]
    assert scene["numbers"]["removed"] == 64
    assert widget.picture == (tmp_path / "2.jpg").read_bytes() and scene["mime"] == "image/jpeg"
    json.dumps([scene, widget.status, widget.choices])


def test_a_verdict_is_on_disk_before_the_next_item_shows(widget: ReviewWidget):
    store = widget.queue.store
    seen = []
    widget.observe(lambda _: seen.append(len(store.path.read_bytes())), "scene")
    ahead = widget.ahead["key"]
    widget.handle({"do": "decide", "verdict": "accept", "key": widget.scene["key"], "id": "x"})
    assert seen and seen[0] > 0
    assert widget.scene["key"] == ahead, "what was fetched ahead is not what came"
    assert widget.status["answered"] == "x" and widget.status["decided"] == 1


def test_a_verdict_on_what_is_no_longer_shown_is_not_written(widget: ReviewWidget):
    old = widget.scene["key"]
    widget.handle({"do": "move", "steps": 1})
    widget.handle({"do": "decide", "verdict": "accept", "key": old})
    assert "no longer shown" in widget.status["message"]
    assert widget.queue.store.path.read_bytes() == b""


def test_commands(widget: ReviewWidget):
    for command, position in (
        ({"do": "move", "steps": 2}, 2),
        ({"do": "go", "position": 4}, 4),
        ({"do": "go", "position": -1}, 0),
        ({"do": "decide", "verdict": "flag"}, 1),
        ({"do": "next"}, 2),
        ({"do": "undo"}, 0),
        ({"do": "refresh"}, 0),
        ({"do": "sort", "order": "size"}, 0),
    ):
        widget.handle(command)
        assert widget.status["position"] == position, command
    widget.handle({"do": "annotate", "note": "soft"})
    assert widget.status["note"] == "soft"
    widget.handle({"do": "filter", "filters": {"category_id": 2}})
    assert (widget.status["total"], widget.status["filters"]["category_id"]) == (1, 2)


@pytest.mark.parametrize(
    "command",
    [{"do": "dance"}, {}, {"do": "move"}, {"do": "decide", "verdict": "perhaps"}],
)
def test_a_wrong_command_is_answered_and_nothing_is_written(widget: ReviewWidget, command: dict):
    widget.handle(command | {"id": "y"})
    assert widget.status["message"] and widget.status["answered"] == "y"
    assert widget.queue.store.path.read_bytes() == b""


def test_filters_that_leave_nothing(widget: ReviewWidget):
    widget.handle({"do": "filter", "filters": {"verdict": "accept"}})
    assert widget.scene == {} and widget.picture == b"" and widget.status["total"] == 0
    widget.handle({"do": "decide", "verdict": "accept"})
    widget.handle({"do": "filter", "filters": {}})
    assert widget.status["total"] == 5


def test_a_failing_disk_is_said_and_the_item_stays(
    widget: ReviewWidget, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr("helpers.review.store.os.write", full)
    widget.handle({"do": "decide", "verdict": "accept"})
    assert "no space" in widget.status["message"]
    assert widget.status["position"] == 0 and widget.status["decided"] == 0


def test_a_missing_picture_is_said_and_the_masks_are_shown(widget: ReviewWidget, tmp_path: Path):
    (tmp_path / "1.jpg").unlink()
    widget.handle({"do": "sort", "order": "picture"})
    assert "1.jpg" in widget.status["message"]
    assert widget.picture == b"" and widget.scene["before"]["masks"]
    assert widget.contact_sheet()


def test_two_widgets_on_one_file(widget: ReviewWidget, tmp_path: Path):
    other = ReviewWidget([review_data.comparison(tmp_path)], widget.queue.store.path)
    widget.handle({"do": "decide", "verdict": "accept"})
    other.handle({"do": "refresh"})
    assert other.status["verdict"] == "accept"
    other.handle({"do": "next"})
    other.handle({"do": "decide", "verdict": "reject"})
    widget.handle({"do": "refresh"})
    assert widget.status["verdicts"] == other.status["verdicts"] == {"accept": 1, "reject": 1}
    assert DecisionStore(widget.queue.store.path).damaged == 0


def test_several_splits_are_one_review(tmp_path: Path):
    parts = []
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        parts.append(review_data.comparison(tmp_path / split, split=split))
    widget = ReviewWidget(parts, tmp_path / "d.jsonl")
    assert widget.choices["splits"] == ["train", "val"] and widget.status["total"] == 10
    widget.handle({"do": "filter", "filters": {"split": "val"}})
    assert widget.scene["picture"] == "val/2" and widget.status["total"] == 5
    with pytest.raises(UserError, match="one comparison a split"):
        ReviewWidget([parts[0], parts[0]], tmp_path / "d.jsonl")


@pytest.mark.parametrize("kind", ["png", "cmyk", "turned", "bmp"])
def test_pictures_that_browsers_show_otherwise_are_stored_anew(tmp_path: Path, kind: str):
    file = review_data.write_files(tmp_path)[0]
    index = read_index(file)
    rgb = Image.open(index.image_path(0)).convert("RGB")
    path = index.image_path(0)
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        rgb.transpose(Image.Transpose.ROTATE_90).save(path, "JPEG", exif=exif)
    elif kind == "cmyk":
        rgb.convert("CMYK").save(path, "JPEG")
    else:
        rgb.save(path, kind.upper())
    mime, stored = picture_bytes(index, 0)
    assert (stored == path.read_bytes()) == (kind == "png")
    assert mime == ("image/png" if kind == "png" else "image/jpeg")
    shown = Image.open(io.BytesIO(stored))
    assert shown.size == (90, 60) and shown.mode == "RGB"
    assert np.abs(np.asarray(shown, int) - np.asarray(rgb, int)).mean() < 40


def test_a_large_picture_with_fifty_instances_takes_a_tenth_of_a_second(tmp_path: Path):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (75, 75, 3), dtype=np.uint8))
    rows, columns = np.mgrid[:1200, :1200]
    images, annotations = [], []
    planes = []
    for _ in range(50):
        y, x = rng.integers(100, 1100, 2)
        planes.append(np.hypot(rows - y, columns - x) + rng.normal(0, 4, (1200, 1)) < 120)
    for image in (1, 2):
        noise.resize((1200, 1200)).save(tmp_path / f"{image}.jpg", quality=95)
        images.append({"id": image, "width": 1200, "height": 1200, "file_name": f"{image}.jpg"})
        annotations += [
            review_data.annotation(100 * image + n, image, 1, plane)
            for n, plane in enumerate(planes)
        ]
    document = review_data.before() | {"images": images, "annotations": annotations}
    (tmp_path / "a.json").write_text(json.dumps(document))
    index = read_index(tmp_path / "a.json")
    sources = [annotations_of(index, name=name) for name in "ab"]
    widget = ReviewWidget([Comparison(index, *sources)], tmp_path / "d.jsonl", order="picture")
    widget.queue.go(40)
    seconds = []
    for _ in range(20):  # goes over from one picture to the other
        began = time.perf_counter()
        widget.handle({"do": "decide", "verdict": "accept"})
        seconds.append(time.perf_counter() - began)
    assert np.median(seconds) < 0.1


def test_the_bundle_has_a_live_view_and_a_picture(widget: ReviewWidget):
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    sheet = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert sheet.width > 600 and len(sheet.convert("RGB").getcolors(10**6)) > 20
    assert bundle["text/plain"] == "review of masks: 0 of 5 decided"


def test_where_nobody_watches_there_is_a_picture_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("helpers.review.widget._watched", lambda: False)
    widget = ReviewWidget([review_data.comparison(tmp_path)], tmp_path / "d.jsonl")
    assert set(widget._repr_mimebundle_()[0]) == {"image/png", "text/plain"}
    assert widget.comm is None
    widget.handle({"do": "decide", "verdict": "accept"})
    assert widget.queue.progress().decided == 1


@pytest.mark.slow
def test_papermill_keeps_the_picture_and_no_blank_view(tmp_path: Path):
    review_data.write_files(tmp_path)
    cell = (
        "from pathlib import Path\nfrom tests.review import review_data\n"
        "from helpers.review.widget import ReviewWidget\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "ReviewWidget([review_data.comparison(folder)], folder / 'd.jsonl')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "in.ipynb")
    root = Path(__file__).resolve().parents[2]
    done = papermill.execute_notebook(
        tmp_path / "in.ipynb", tmp_path / "out.ipynb", cwd=root, progress_bar=False
    )
    [output] = done.cells[0].outputs
    assert set(output["data"]) == {"image/png", "text/plain"}
    assert "widgets" not in done.metadata
