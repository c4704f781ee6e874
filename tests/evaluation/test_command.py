"""`python -m helpers evaluate` on files."""

import json

import pytest

from helpers.__main__ import main
from helpers.evaluation.average_precision import evaluate

from .reference import make_truth, perturb


@pytest.fixture
def files(tmp_path):
    truth = make_truth(images=6, size=(60, 70), seed=1)
    for category in truth["categories"]:
        category["supercategory"] = "low" if category["id"] < 4 else "high"
    results = perturb(truth, seed=2)
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    return tmp_path, truth, results


def test_results_are_scored(files, capsys):
    folder, truth, results = files
    command = ["evaluate", "--annotations", f"{folder}/truth.json"]
    assert main([*command, "--results", f"{folder}/results.json", "--preset", "future3d"]) == 0
    expected = str(evaluate(truth, results, preset="future3d"))
    assert capsys.readouterr().out.strip() == expected


def test_a_folder_of_predictions_is_as_good_as_its_file(files, capsys):
    folder, truth, results = files
    (folder / "predicted").mkdir()
    command = ["evaluate", "--annotations", f"{folder}/truth.json", "--results"]
    assert main([*command, f"{folder}/predicted"]) == 2
    assert "predicted/predictions.json is missing: give a file" in capsys.readouterr().err
    (folder / "results.json").rename(folder / "predicted" / "predictions.json")
    assert main([*command, f"{folder}/predicted"]) == 0
    assert capsys.readouterr().out.strip() == str(evaluate(truth, results))


def test_json_holds_all_numbers(files, capsys):
    folder, truth, results = files
    command = ["evaluate", "--annotations", f"{folder}/truth.json", "--json"]
    assert main([*command, "--results", f"{folder}/results.json"]) == 0
    assert json.loads(capsys.readouterr().out) == evaluate(truth, results).to_dict()


@pytest.mark.parametrize("space", ["fine", "super"])
def test_ground_truth_scores_one(files, capsys, space):
    command = ["evaluate", "--annotations", f"{files[0]}/truth.json", "--ground-truth", "--json"]
    assert main([*command, "--label-space", space]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [values["metrics"][kind]["AP"] for kind in ("segm", "boundary", "bbox")] == [1, 1, 1]
    assert len(values["classes"]) == (4 if space == "fine" else 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ground-truth"], "--annotations is missing"),
        (["--run", "no-such-run"], "no-such-run"),
        (["--annotations", "/no/such/file.json", "--ground-truth"], "/no/such/file.json"),
    ],
)
def test_errors_are_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
