"""Parameters are checked, a notebook must make what it promised, and a series keeps its order."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest

from helpers.files import UserError
from helpers.series import execute, notebook, report
from helpers.series.execute import Executed, execute_series
from helpers.series.notebook import parameters_of, parse_parameter

NAME = "90_example"
PARAMETERS = """\
steps = 3  # of training
scenes = 4  # type: count of them
rate = 0.5
name = "x"  # type: str|None of what
sizes = None  # type: list[count]|None short sides
"""
START = """
from pathlib import Path
import helpers.series.notebook
helpers.series.notebook.NOTEBOOKS = Path(r"{folder}")
work = helpers.series.notebook.start("{name}", globals())
"""
FINISH = """
import matplotlib.figure
figure = matplotlib.figure.Figure()
figure.add_subplot().plot([1, steps])
unrelated = "a value of the notebook, not a parameter"
work.finish({"steps": steps, "table": [{"a": 1, "b": 0.5}]}, {"a_line": figure})
"""


def write_notebook(
    folder: Path,
    *,
    name: str = NAME,
    finish: str = FINISH,
    parameters: str = PARAMETERS,
    needs: str = "",
) -> Path:
    table = f"| needs | makes | takes |\n| --- | --- | --- |\n| {needs} | little | seconds |"
    cells = [
        nbformat.v4.new_markdown_cell(f"# An example\n\n{table}"),
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(START.format(folder=folder, name=name)),
        nbformat.v4.new_code_cell(finish),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path = folder / f"{name}.ipynb"
    nbformat.write(document, path)
    return path


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "note books"
    folder.mkdir()
    monkeypatch.setattr(notebook, "NOTEBOOKS", folder)
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "outputs"))
    return write_notebook(folder)


def test_parameters_are_read_without_running(example: Path) -> None:
    found = {name: (p.default, p.kind, p.optional) for name, p in parameters_of(NAME).items()}
    assert found == {
        "steps": (3, "int", False),
        "scenes": (4, "count", False),
        "rate": (0.5, "float", False),
        "name": ("x", "str", True),
        "sizes": (None, "list[count]", True),
    }


def test_every_parameter_of_the_series_has_a_kind() -> None:
    for name in notebook.series():
        for parameter in parameters_of(name).values():
            kinds = ("bool", "int", "count", "float", "str", "list[count]", "list[str]")
            assert parameter.kind in kinds, (name, parameter)
            assert parameter.fit(parameter.default, name) == parameter.default


def test_given_values_replace_defaults_and_numbers_fit(example: Path) -> None:
    checked = notebook.plan([NAME], {"steps": 1e2, "rate": 1, "sizes": (1, 2.0)})[NAME]
    assert checked["steps"] == 100 and isinstance(checked["steps"], int)
    assert checked["rate"] == 1.0 and isinstance(checked["rate"], float)
    assert checked["sizes"] == [1, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": "many"}, "steps of 90_example is 'many': it has to be int"),
        ({"steps": 2.5}, "has to be int"),
        ({"scenes": 0}, "has to be int above 0"),
        ({"name": 3}, "has to be str or None.*papermill -r name 3"),
        (
            {"sizes": 160},
            r"has to be list\[int above 0\] or None.*papermill -y 'sizes: \[128, 160\]'",
        ),
        ({"sizes": "[128, 160]"}, r"helpers run NOTEBOOK -p 'sizes=\[128, 160\]'"),
    ],
)
def test_wrong_parameters_say_what_is_known(example: Path, given: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        notebook.plan([NAME], given)


def test_parameter_without_value_is_refused() -> None:
    with pytest.raises(ValueError, match="not of the form NAME=VALUE"):
        parse_parameter("steps")


def test_rerunning_the_start_cell_in_a_live_kernel_is_fine(example: Path) -> None:
    namespace = {"steps": 5.0, "rate": 0.5, "name": "x", "later": 1, "In": ["steps"]}
    assert notebook.start(NAME, namespace).parameters["steps"] == 5
    assert isinstance(namespace["steps"], int)


@pytest.mark.parametrize("known", [True, False])
def test_plain_papermill_from_any_folder(example: Path, tmp_path: Path, known: bool) -> None:
    """Good parameters pass, a mistyped name fails; as a user types it, wherever they stand."""
    command = [sys.executable, "-m", "papermill", str(example), str(tmp_path / "out.ipynb")]
    command += ["-p", "steps" if known else "stepz", "8e0", "--no-progress-bar"]
    command += ["-y", "sizes: [1, 2]"]
    environment = {**os.environ, "HELPERS_OUTPUTS": str(tmp_path / "outputs")}
    folder = example.parent if known else tmp_path
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if known:
        assert done.returncode == 0, done.stderr[-2000:]
        assert "unknown parameter" not in done.stderr
        manifest = notebook.read_manifest(NAME)
        assert manifest["results"]["steps"] == 8 and manifest["parameters"]["sizes"] == [1, 2]
    else:
        assert done.returncode != 0
        assert "no parameter 'stepz'" in done.stderr


def test_executed_has_the_manifest_and_the_report_shows_it(example: Path) -> None:
    [executed] = execute_series([NAME], {"steps": 4})
    assert executed.manifest["parameters"]["steps"] == 4
    assert executed.manifest["seconds"] >= 0
    assert [one.path for one in execute.executed_before([])] == [executed.path]
    index = report.write_report([executed])
    page = index.read_text()
    assert "An example" in page and "<td>4</td>" in page and "a line" in page
    assert (index.parent / f"{NAME}-a_line.png").stat().st_size > 1000
    assert (index.parent / f"{NAME}.html").exists()


def test_a_recorded_widget_is_its_contact_sheet_in_the_report(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path))
    name, manifest = "20_inspect_masks", {"hardware": "a machine", "results": {}, "figures": []}
    done = Executed(name, notebook.NOTEBOOKS / f"{name}.ipynb", manifest, 1.0)
    page = (report.write_report([done]).parent / f"{name}.html").read_text()
    assert "data:image/png;base64" in page and "Loading widget" not in page


def test_links_of_the_report_lead_to_pages_or_to_files_of_the_project() -> None:
    folder = notebook.NOTEBOOKS.parent / "outputs" / "report"
    links = {
        "90_example.ipynb#top": "90_example.html#top",
        "01_dataset_analysis.ipynb": "../../notebooks/01_dataset_analysis.ipynb",
        "../data/models/README.md": "../../data/models/README.md",
        "https://arxiv.org/abs/1708.02002": "https://arxiv.org/abs/1708.02002",
        "#a.md": "#a.md",
    }
    for link, wanted in links.items():
        found = report.relinked(f'<a href="{link}">', folder, {"90_example"})
        assert found == f'<a href="{wanted}">'


@pytest.mark.parametrize(
    ("finish", "message"),
    [
        ("pass", "wrote no manifest"),
        ("work.finish({}, {})", "promised results"),
        ("import os; os._exit(1)", "kernel of 90_example was ended"),
    ],
)
def test_broken_promises_are_errors(example: Path, finish: str, message: str) -> None:
    write_notebook(example.parent, finish=finish)
    with pytest.raises(UserError, match=message):
        execute_series([NAME])


def test_a_series_is_planned_before_anything_runs(example: Path) -> None:
    write_notebook(example.parent, name="91_other", parameters="steps = 0.5")
    names = [NAME, "91_other"]
    assert notebook.plan(names, {"steps": 4, "rate": 1}) == {
        NAME: {"steps": 4, "rate": 1.0},
        "91_other": {"steps": 4.0},
    }
    with pytest.raises(UserError, match="no parameter 'stepz' in 90_example, 91_other"):
        execute_series(names, {"stepz": 4})
    with pytest.raises(UserError, match=r"steps of 90_example is 4\.5: it has to be int"):
        execute_series(names[::-1], {"steps": 4.5})


@pytest.mark.parametrize(
    ("left_out", "order"),
    [
        ("", ["90_example", "94_d", "91_a", "93_c", "92_b"]),
        # 90 makes the data of 91 and 92: without it, 91 has to
        ("90_example", ["91_a", "94_d", "93_c", "92_b"]),
    ],
)
def test_two_run_at_a_time_after_what_they_need(
    example: Path, monkeypatch: pytest.MonkeyPatch, left_out: str, order: list[str]
) -> None:
    links = {"91_a": [NAME], "92_b": [NAME, "91_a"], "93_c": ["91_a"], "94_d": []}
    for name, made_by in links.items():
        needs = " and ".join(f"[{one}]({one}.ipynb)" for one in made_by)
        write_notebook(example.parent, name=name, needs=f"results of {needs}")
    started, finished, together, lock = [], set(), [], threading.Lock()

    def stand_in(name: str, *_) -> Executed:
        with lock:
            assert finished >= set(links.get(name, [])) - {left_out}
            started.append(name)
        time.sleep(0.3 if name == "94_d" else 0.2)
        with lock:
            together.append(len(started) - len(finished))
            finished.add(name)
        return Executed(name, example, {}, 0.2)

    monkeypatch.setattr(execute, "_execute", stand_in)
    names = sorted(order)
    assert [one.name for one in execute_series(names, at_once=2)] == names
    assert started == order and max(together) == 2


def test_an_error_stops_the_kernel_beside(example: Path) -> None:
    write_notebook(example.parent, finish="import time; time.sleep(2); raise KeyError('gone')")
    write_notebook(example.parent, name="91_long", finish="import time; time.sleep(600)")
    began = time.monotonic()
    with pytest.raises(UserError, match="90_example stopped in cell 3: KeyError: 'gone'"):
        execute_series([NAME, "91_long"], at_once=2)
    assert time.monotonic() - began < 300
