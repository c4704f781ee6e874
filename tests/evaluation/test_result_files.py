"""`evaluate`: files read in any form, matched with an annotation file by name, refused where a
number or a submission would be wrong."""

import json
import zipfile

import pytest

from helpers.__main__ import main
from helpers.evaluation.average_precision import evaluate
from helpers.evaluation.result_files import MEMBER, match_pictures, read_results, write_submission
from helpers.files import UserError

from .reference import make_truth, perturb

NAMES = ("kitchen", "attic", "office", "bath", "hall", "den")


@pytest.fixture
def truth():
    """As `make_truth`, with names whose order is not that of the ids, and annotation ids from 0."""
    truth = make_truth(images=6, size=(60, 70), seed=1)
    for image, name in zip(truth["images"], NAMES, strict=True):
        image["file_name"] = f"rooms/{name}.jpg"
    truth["images"][1]["file_name"] = "rooms\\my%20attic"
    for number, annotation in enumerate(truth["annotations"]):
        annotation["id"] = number
    for category in truth["categories"]:
        category["supercategory"] = "low" if category["id"] < 4 else "high"
    return truth


@pytest.fixture
def results(truth):
    return perturb(truth, seed=2)


@pytest.fixture
def file(truth, tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    return path


def predicted(folder, truth, results, *, ids="file", **changes):
    """A folder as `predict` leaves it; with invented ids, numbers by name and no folder."""
    images = [{**image} for image in truth["images"]]
    if ids == "invented":
        for image in images:
            name = image["file_name"].replace("\\", "/").replace("%20", " ").rpartition("/")[2]
            image["file_name"] = f"{name.removesuffix('.jpg')}.jpg"
        images.sort(key=lambda image: image["file_name"])
        new = {image["id"]: number for number, image in enumerate(images, start=1)}
        images = [image | {"id": new[image["id"]]} for image in images]
        results = [row | {"image_id": new[row["image_id"]]} for row in results]
    about = {"images": images, "categories": truth["categories"], "ids": ids} | changes
    folder.mkdir()
    (folder / "about.json").write_text(json.dumps(about))
    (folder / "predictions.json").write_text(json.dumps(results))
    return folder


def scores_of(capsys, *words):
    assert main(["evaluate", *map(str, words), "--json"]) == 0
    out, matched = capsys.readouterr()
    return json.loads(out), matched


def refusal(capsys, *words):
    assert main([*map(str, words)]) == 2
    [error] = capsys.readouterr().err.strip().splitlines()
    return error


@pytest.mark.parametrize("ids", ["file", "invented"])
def test_predictions_are_matched_by_file_name(ids, truth, results, file, tmp_path, capsys):
    folder = predicted(tmp_path / "p", truth, results, ids=ids)
    expected = evaluate(truth, results).to_dict()
    for source in (folder, folder / "predictions.json"):
        found, matched = scores_of(capsys, "--annotations", file, "--results", source)
        assert found == expected
        assert "6 in the annotation file, 6 predicted, matched by file name" in matched
    entry = tmp_path / "entry.zip"
    words = ["--results", folder, "--annotations", file, "--submission", entry]
    assert main(["evaluate", *map(str, words)]) == 0
    submitted = read_results(entry)
    assert evaluate(truth, submitted).to_dict() == expected


def test_a_submission_of_known_ids_needs_no_annotation_file(truth, results, tmp_path, capsys):
    entry = tmp_path / "entry.zip"
    folder = predicted(tmp_path / "p", truth, results)
    assert main(["evaluate", "--results", str(folder), "--submission", str(entry)]) == 0
    assert len(read_results(entry)) == len(results)
    entry.unlink()
    folder = predicted(tmp_path / "i", truth, results, ids="invented")
    error = refusal(capsys, "evaluate", "--results", folder, "--submission", entry)
    assert "add --annotations" in error and not entry.exists()


IMAGES = {10: "train/attic.jpg", 20: "bath.jpg"}


def images(names, width=30):
    return [{"id": i, "file_name": n, "height": 20, "width": width} for i, n in names.items()]


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (IMAGES, {1: "attic.jpg", 2: "bath.JPG"}, {10: 1, 20: 2}),
        ({1: "bath", 2: "attic"}, IMAGES, {1: 20, 2: 10}),
        ({1: "a/x.jpg", 2: "b/x.jpg"}, {7: "b/x.jpg", 8: "a/x.jpg"}, {1: 8, 2: 7}),
        ({1: "rooms\\my%20attic"}, {7: "rooms/my attic"}, {1: 7}),
    ],
)
@pytest.mark.parametrize("invented", [False, True])
def test_pictures_are_matched_by_file_name(theirs, ours, expected, invented):
    if not invented:  # ids of a file may differ, but not name other pictures
        theirs, expected = ({100 + n: v for n, v in d.items()} for d in (theirs, expected))
    assert match_pictures(images(theirs), images(ours), invented=invented) == expected


@pytest.mark.parametrize("ids", ["file", "invented"])
def test_other_pictures_and_other_classes_are_refused(ids, truth, results, file, tmp_path, capsys):
    elsewhere = [image | {"file_name": f"{image['id']}.jpg"} for image in truth["images"]]
    other = predicted(tmp_path / "pictures", truth | {"images": elsewhere}, results, ids=ids)
    error = refusal(capsys, "evaluate", "--annotations", file, "--results", other)
    assert "100.jpg" in error and "and 1 more" in error
    named = [category | {"name": f"kind {category['id'] + 1}"} for category in truth["categories"]]
    classes = predicted(tmp_path / "classes", truth | {"categories": named}, results, ids=ids)
    error = refusal(capsys, "evaluate", "--annotations", file, "--results", classes)
    assert "3 kind 4" in error and "3 kind 3" in error
    fewer = predicted(tmp_path / "fewer", truth | {"images": truth["images"][:1]}, results)
    assert "lacks" in refusal(capsys, "evaluate", "--annotations", file, "--results", fewer)


def test_a_bare_list_is_matched_by_id(truth, results, file, tmp_path, capsys):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    command = ["evaluate", "--annotations", str(file), "--results", str(path)]
    assert main([*command, "--preset", "future3d"]) == 0
    out = capsys.readouterr().out
    assert "matched by image id" in out
    assert out.strip().endswith(str(evaluate(truth, results, preset="future3d")))
    path.write_text(json.dumps([row | {"category_id": 77} for row in results]))
    assert "category_id 77 is none of the file's: 0 kind 0" in refusal(capsys, *command)
    command = ["evaluate", "--results", path, "--submission", tmp_path / "entry.zip"]
    assert "add --annotations" in refusal(capsys, *command)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--results", __file__], "--annotations is missing"),
        (["--run", "no-such-run"], "no-such-run"),
        (["--annotations", "/no/such/file.json", "--results", __file__], "/no/such/file.json"),
        (["--results", "/no/such/folder"], "/no/such/folder is missing"),
    ],
)
def test_errors_are_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))
    assert message in refusal(capsys, "evaluate", *words)


def test_a_submission_has_the_official_form(truth, results, tmp_path):
    path = write_submission(results, truth, tmp_path / "entry.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [MEMBER]
        content = json.loads(archive.read(MEMBER))
    assert list(content) == ["annotations"] and len(content["annotations"]) == len(results)
    fields = {"image_id", "category_id", "segmentation", "bbox", "score"}
    assert all(set(row) == fields for row in content["annotations"])
    raw = [row | {"segmentation": _bytes(row["segmentation"])} for row in results[::-1]]
    again = write_submission(raw, truth, tmp_path / "again.zip")
    assert again.read_bytes() == path.read_bytes() and len(list(tmp_path.iterdir())) == 2


def _bytes(mask):
    return mask | {"counts": mask["counts"].encode()}


def test_submissions_that_would_be_wrong_are_not_written(truth, results, tmp_path, capsys):
    path = tmp_path / "a.zip"
    with pytest.raises(UserError, match="no picture 5"):
        write_submission([results[0] | {"image_id": 5}], truth, path)
    assert not path.exists()
    path.write_bytes(b"precious")
    with pytest.raises(UserError, match="exists already"):
        write_submission(results, truth, path)
    assert path.read_bytes() == b"precious"
    with pytest.raises(UserError, match=r"\.zip"):
        write_submission(results, truth, tmp_path / "a.json")
    folder = predicted(tmp_path / "p", truth, results, label_space="super")
    command = ["evaluate", "--results", folder, "--submission", tmp_path / "b.zip"]
    assert "34 categories" in refusal(capsys, *command)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[1, 2", "not JSON"), (b"\xff\xfe\x00", "not JSON"), (b'"text"', "a list"), (b"{}", "list")],
)
def test_other_files_are_refused_by_name(content, message, tmp_path):
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"odd.json.*{message}"):
        read_results(path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UserError, match=r"holds no segmentation_results\.json"):
        read_results(tmp_path / "other.zip")
