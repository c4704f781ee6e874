"""Submissions in the challenge's form: written, read back, and refused when they would be wrong."""

import json
import zipfile

import pytest

from helpers.evaluation.average_precision import evaluate
from helpers.evaluation.submission import MEMBER, read_results, write_submission
from helpers.files import UserError

from .reference import make_truth, perturb


@pytest.fixture(scope="module")
def truth():
    return make_truth(images=6, size=(60, 70), seed=1)


@pytest.fixture(scope="module")
def results(truth):
    return perturb(truth, seed=2)


def test_the_archive_holds_one_object_of_the_official_form(truth, results, tmp_path):
    path = write_submission(results, truth, tmp_path / "entry.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [MEMBER]
        content = json.loads(archive.read(MEMBER))
    assert list(content) == ["annotations"]
    assert len(content["annotations"]) == len(results)
    for row in content["annotations"]:
        assert set(row) == {"image_id", "category_id", "segmentation", "bbox", "score"}
        assert isinstance(row["segmentation"]["counts"], str)
    assert not list(tmp_path.glob("*.part"))


def test_what_is_read_back_scores_the_same(truth, results, tmp_path):
    path = write_submission(results, truth, tmp_path / "entry.zip")
    read = read_results(path)
    assert evaluate(truth, read).to_dict() == evaluate(truth, results).to_dict()


def test_counts_as_bytes_are_written_as_text_d51(truth, results, tmp_path):
    raw = [
        result
        | {
            "segmentation": {
                "size": result["segmentation"]["size"],
                "counts": result["segmentation"]["counts"].encode(),
            }
        }
        for result in results
    ]
    written = write_submission(raw, truth, tmp_path / "bytes.zip").read_bytes()
    assert written == write_submission(results, truth, tmp_path / "text.zip").read_bytes()


def test_equal_results_in_another_order_give_equal_bytes(truth, results, tmp_path):
    first = write_submission(results, truth, tmp_path / "a.zip")
    second = write_submission(results[::-1], truth, tmp_path / "b.zip")
    assert first.read_bytes() == second.read_bytes()


def test_images_without_truth_can_be_submitted(truth, results, tmp_path):
    bare = {"images": truth["images"], "categories": truth["categories"]}
    assert len(read_results(write_submission(results, bare, tmp_path / "a.zip"))) == len(results)


def test_bad_results_write_nothing(truth, results, tmp_path):
    with pytest.raises(UserError, match="image_id 5"):
        write_submission([results[0] | {"image_id": 5}], truth, tmp_path / "a.zip")
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(truth, results, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"precious")
    with pytest.raises(UserError, match="exists already"):
        write_submission(results, truth, path)
    assert path.read_bytes() == b"precious"


def test_another_ending_is_refused(truth, results, tmp_path):
    with pytest.raises(UserError, match=r"\.zip"):
        write_submission(results, truth, tmp_path / "a.json")


@pytest.mark.parametrize("wrap", [list, lambda rows: {"annotations": list(rows), "images": []}])
def test_plain_json_of_both_shapes_is_read_d50(wrap, results, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(wrap(results)))
    assert read_results(path) == results


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1, 2", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'"text"', "must be a list"),
        (b"{}", "must be"),
    ],
)
def test_other_files_are_refused_by_name(content, message, tmp_path):
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"odd.json.*{message}"):
        read_results(path)


def test_an_archive_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UserError, match=r"holds no segmentation_results\.json"):
        read_results(path)
