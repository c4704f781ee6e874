"""Two stored runs compared: config, scores, paired differences, pictures; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.__main__ import main
from helpers.config import TtaConfig, change, preset
from helpers.data.coco import read_index
from helpers.data.rle import bbox, encode
from helpers.evaluation.average_precision import evaluate
from helpers.files import UserError, read_json, write_json
from helpers.run_store import Run, find_run
from helpers.runs_compare import compare, config_changes

SIDE, PICTURES = 64, 10


def square(number: int, shift: int = 0) -> dict:
    """Instance of picture `number`: a square, or one that lies some pixels beside it."""
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[10:46, 8 + shift : 44 + shift] = True
    encoded = dict(encode(mask))
    return {
        "image_id": number,
        "category_id": 3 + 4 * (number % 2),
        "segmentation": encoded,
        "bbox": [float(v) for v in bbox(encoded)],
    }


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a data set of one square a picture, with an empty run store."""
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "outputs"))
    images = []
    for number in range(PICTURES):
        name = f"{number}.png"
        Image.new("RGB", (SIDE, SIDE)).save(tmp_path / name)
        images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
    annotations = [
        square(n) | {"id": n + 1, "area": 36 * 36, "iscrowd": 0} for n in range(PICTURES)
    ]
    categories = [{"id": n, "name": f"kind {n}", "supercategory": "kind"} for n in (3, 7)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "val.json").write_text(json.dumps(coco))
    places = {
        f"data__{split}_annotations": str(tmp_path / "val.json") for split in ("train", "val")
    }
    places |= {f"data__{split}_images": str(tmp_path) for split in ("train", "val")}
    return change(preset("quick"), data__label_space="fine", data__name="squares", **places)


def stored(config, *, shifts: dict[int, int], preset: str = "coco", digest: str = "d") -> Run:
    """A finished run that found each square, some of them `shifts` pixels aside."""
    folder = Path(config.data.train_images) / "outputs" / "runs" / f"{config.name}-{config.hash()}"
    folder.mkdir(parents=True)
    data = config.data
    index = read_index(
        Path(data.val_annotations), Path(data.val_images), label_space=data.label_space
    )
    results = [square(n, shifts.get(n, 0)) | {"score": 0.9} for n in range(PICTURES)]
    if data.label_space == "super":
        results = []
    write_json(folder / "config.json", config.to_dict())
    held = {"sha256": {data.val_annotations: digest}, "taxonomy": index.taxonomy.to_dict()}
    write_json(folder / "data.json", held)
    write_json(folder / "environment.json", [{"hardware": "a test"}])
    write_json(folder / "predictions.json", results)
    write_json(folder / "metrics.json", evaluate(index, results, preset=preset).to_dict())
    (folder / "log.csv").write_text("step,seconds_data,seconds_step\n1,0.1,59.9\n")
    write_json(folder / "status.json", {"status": "finished"})
    return Run(folder)


def test_what_differs_and_where(config):
    good = stored(change(config, name="good", train__lr=0.5), shifts={})
    bad = stored(change(config, name="bad", test__tta=TtaConfig()), shifts={1: 5, 2: 9, 8: 2})
    found = compare(bad, good, samples=200)
    rows = found.changes.set_index("field")
    assert rows.loc["train.lr"].tolist() == ["0.004", "0.5"]
    assert rows.loc["test.tta"].tolist() == ["-", "None"]
    assert rows.loc["test.tta.flip"].tolist() == ["True", "-"]
    assert list(found.scores.index) == [bad.name, good.name]
    gain = good.metrics["segm"]["AP"] - bad.metrics["segm"]["AP"]
    assert found.masks.mean == pytest.approx(gain, abs=1e-12) and gain > 0
    assert found.masks.low <= found.masks.mean <= found.masks.high
    table = found.most_different()
    assert table["file_name"].tolist() == ["2.png", "1.png", "8.png"]
    assert table["b"].tolist() == [100, 100, 100] and table["difference"].is_monotonic_decreasing
    assert len(compare(good, bad).most_different(2)) == 2


def test_equal_results_differ_by_nothing(config):
    a, b = (stored(change(config, name=name), shifts={1: 5}) for name in "ab")
    found = compare(a, b, samples=50)
    assert found.changes.empty and found.most_different().empty
    assert (found.masks.low, found.masks.high, found.outlines.mean) == (0, 0, 0)


def test_another_preset_is_scored_anew(config):
    """The squares are of medium size under coco, and small under future3d."""
    a = stored(change(config, name="a"), shifts={}, preset="coco")
    b = stored(change(config, name="b", train__lr=0.1), shifts={}, preset="future3d")
    found = compare(a, b, samples=10)
    assert found.scores["preset"].tolist() == ["coco", "coco"]
    assert np.isnan(b.metrics["segm"]["APm"]) and not found.scores["APm"].isna().any()


@pytest.mark.parametrize(
    ("changes", "digest", "message"),
    [
        ({"data__label_space": "super"}, "d", r"different label spaces \(fine and super\)"),
        ({"data__val_limit": 5}, "d", r"different limits of pictures \(None and 5\)"),
        ({}, "other", "different annotations; evaluate both"),
    ],
)
def test_runs_of_other_data_are_refused(config, changes, digest, message):
    a = stored(change(config, name="a"), shifts={})
    b = stored(change(config, name="b", **changes), shifts={}, digest=digest)
    with pytest.raises(UserError, match=rf"{a.name} and {b.name} can not be compared.*{message}"):
        compare(a, b)


def test_an_unfinished_run_is_refused(config):
    a, b = (stored(change(config, name=name), shifts={}) for name in "ab")
    (b.dir / "status.json").unlink()
    with pytest.raises(UserError, match=r"b-\w+ is interrupted, it has no predictions\.json yet"):
        compare(a, b)


def test_from_the_command_line(config, capsys):
    stored(change(config, name="first"), shifts={1: 5})
    stored(change(config, name="second", train__lr=0.5), shifts={})
    assert main(["runs", "compare", "first", "second", "--samples", "50"]) == 0
    out = capsys.readouterr().out
    assert f"a: {find_run('first').name}, 1 steps in 1.0 min on a test" in out
    assert "train.lr 0.004 0.5" in " ".join(out.split())
    assert "10 pictures of squares (fine classes)" in out and "95 % of 50 draws" in out
    assert "mask AP      +" in out and "1.png" in out
    assert main(["runs"]) == 0
    assert "first" in capsys.readouterr().out
    assert main(["runs", "compare", "first", "third"]) == 2
    assert "no run starts with 'third'" in capsys.readouterr().err


def test_the_name_is_no_difference(config):
    a, b = (stored(change(config, name=name), shifts={}) for name in "ab")
    assert config_changes(a, b).empty
    assert read_json(a.dir / "config.json") != read_json(b.dir / "config.json")
