"""Two stored runs compared: config, scores, paired differences; and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.__main__ import main
from helpers.config import TtaConfig, change, preset
from helpers.data.coco import read_index
from helpers.data.rle import bbox, encode
from helpers.evaluation.average_precision import evaluate
from helpers.files import UserError, write_json
from helpers.run_command import compare, config_changes
from helpers.run_store import Run, data_digest
from tests.data.datafiles import coco

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
    for number in range(PICTURES):
        Image.new("RGB", (SIDE, SIDE)).save(tmp_path / f"{number}.png")
    rows = [(number, 3 + 4 * (number % 2), (8, 10, 36, 36)) for number in range(PICTURES)]
    kinds = [{"id": n, "name": f"kind {n}", "supercategory": "kind"} for n in (3, 7)]
    coco(tmp_path / "val.json", dict.fromkeys(range(PICTURES), (SIDE, SIDE)), rows, kinds)
    places = {
        f"data__{split}_annotations": str(tmp_path / "val.json") for split in ("train", "val")
    }
    places |= {f"data__{split}_images": str(tmp_path) for split in ("train", "val")}
    return change(preset("quick"), data__label_space="fine", data__name="squares", **places)


def stored(config, *, shifts: dict[int, int], preset: str = "coco", digest: str = "") -> Run:
    """A finished run that found each square, some of them `shifts` pixels aside."""
    folder = Path(config.data.train_images) / "outputs" / "runs" / f"{config.name}-{config.hash()}"
    folder.mkdir(parents=True)
    file, images = config.data.val_annotations, config.data.val_images
    index = read_index(Path(file), Path(images), label_space=config.data.label_space)
    results = [square(n, shifts.get(n, 0)) | {"score": 0.9} for n in range(PICTURES)]
    if config.data.label_space == "super":
        results = []
    held = {"sha256": {file: digest or data_digest(file)}, "taxonomy": index.taxonomy.to_dict()}
    contents = {
        "config": config.to_dict(),
        "data": held,
        "environment": [{"hardware": "a test"}],
        "predictions": results,
        "metrics": evaluate(index, results, preset=preset).to_dict(),
        "status": {"status": "finished"},
    }
    for name, content in contents.items():
        write_json(folder / f"{name}.json", content)
    (folder / "log.csv").write_text("step,seconds_data,seconds_step\n1,0.1,59.9\n")
    return Run(folder)


def test_what_differs_and_where(config, capsys):
    good = stored(change(config, name="good", train__lr=0.5), shifts={})
    bad = stored(change(config, name="bad", test__tta=TtaConfig()), shifts={1: 5, 2: 9, 8: 2})
    assert main(["runs", "compare", "bad", "good", "--samples", "50"]) == 0
    out = capsys.readouterr().out
    assert f"a: {bad.name}, 1 steps in 1.0 min on a test" in out
    assert "train.lr 0.004 0.5" in " ".join(out.split())
    assert "10 pictures of squares (fine classes)" in out and "95 % of 50 draws" in out
    gain = 100 * (good.metrics["segm"]["AP"] - bad.metrics["segm"]["AP"])
    assert gain > 0 and f"mask AP      {gain:+.1f} (" in out
    rows = config_changes(bad, good).set_index("field")
    assert rows.loc["test.tta"].tolist() == ["-", "None"]
    assert rows.loc["test.tta.flip"].tolist() == ["True", "-"]
    assert main(["runs", "compare", "good", "third"]) == 2
    assert "no run starts with 'third'" in capsys.readouterr().err


def test_another_preset_is_scored_anew(config):
    """The squares are of medium size under coco, and small under future3d."""
    a = stored(change(config, name="a"), shifts={}, preset="coco")
    b = stored(change(config, name="b", train__lr=0.1), shifts={}, preset="future3d")
    assert np.isnan(b.metrics["segm"]["APm"])
    line = next(line for line in compare(a, b, samples=10).splitlines() if line.startswith(b.name))
    assert line.split()[1:] == ["100.0", "100.0", "100.0", "-", "100.0", "-", "100.0", "coco"]


@pytest.mark.parametrize(
    ("changes", "digest", "message"),
    [
        ({"data__label_space": "super"}, "", "label spaces"),
        ({"data__val_limit": 5}, "", "limits of pictures"),
        ({}, "other", "different annotations"),
    ],
)
def test_runs_of_other_data_are_refused(config, changes, digest, message):
    a = stored(change(config, name="a"), shifts={})
    b = stored(change(config, name="b", **changes), shifts={}, digest=digest)
    with pytest.raises(UserError, match=rf"{a.name} and {b.name} cannot be compared.*{message}"):
        compare(a, b)
    (b.dir / "status.json").unlink()
    with pytest.raises(UserError, match=r"b-\w+ is interrupted"):
        compare(a, b)
