"""Two processes (gloo, CPU) do what one does: the same losses, weights and predictions.

All anchors and proposals are taken here (`rpn_batch` and `roi_batch` beyond their number): where
some are drawn, as the points of PointRend are, each process draws its own, and equality can not be.
Pictures have one size, because padding reaches into a picture's border; norms use constant
statistics.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from helpers.config import ExperimentConfig, change, preset
from helpers.data.parallel import WorkerError
from helpers.files import UserError
from helpers.run_store import Run
from helpers.runs import get_or_train
from helpers.training import processes
from helpers.training.launch import launch
from helpers.training.log import read_log
from helpers.training.processes import this_process
from tests.training import rectangles

TOGETHER = Path(__file__).with_name("together.py")
SIDE = 64  # px, of the rectangles
TRAIN, VAL = 11, 5  # odd numbers: nothing is shared evenly
SETTING = {
    "model__architecture": "mask_rcnn",
    "model__backbone": "resnet10t",
    "model__pretrained": False,
    "model__norm": "eval",
    "model__mask_head": "conv",
    "model__fpn_channels": 16,
    "model__box_head_dim": 16,
    "model__mask_head_dim": 8,
    "model__rpn_batch": 4096,
    "model__roi_batch": 1024,
    "model__roi_positive": 1.0,
    "model__mask_rois": None,
    "train__steps": 6,
    "train__batch_size": 4,
    "train__optimizer": "sgd",
    "train__lr": 0.2,
    "train__momentum": 0.9,
    "train__warmup_steps": 0,
    "train__workers": 0,
    "train__checkpoint_every": 4,
    "train__short_side": (SIDE, SIDE),
    "train__max_side": SIDE,
    "train__precision": "float32",
    "test__short_side": SIDE,
    "test__max_side": SIDE,
    "test__score_threshold": 0.0,
    "test__max_detections": 10,
    "test__preset": "coco",
}


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> ExperimentConfig:
    paths = rectangles.data_set(tmp_path_factory.mktemp("data"), train=TRAIN, val=VAL)
    return change(preset("quick"), name="together", **paths, **SETTING)


def train_together(what: str, folder: Path) -> None:
    """Two processes, started in one that can be given up. Fails when one of them does."""
    starter = "import sys, helpers.training.launch as l; sys.exit(l.launch(sys.argv[1:], 2))"
    place = {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    place |= {"HELPERS_OUTPUTS": str(folder / "outputs")}
    done = subprocess.run(
        [sys.executable, "-c", starter, sys.executable, str(TOGETHER), what, str(folder)],
        env={**os.environ, **place},
        capture_output=True,
        text=True,
        timeout=480,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_losses_weights_and_scores_are_those_of_one_process(config, tmp_path, monkeypatch):
    """Two processes train the config, and evaluate the weights that one process made of it."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "alone"))
    alone = get_or_train(config, progress=False)
    other = change(config, name="evaluate")
    together, shared = (
        Run(tmp_path / "outputs" / "runs" / f"{one.name}-{one.hash()}") for one in (config, other)
    )
    shutil.copytree(alone.dir, shared.dir)
    for name in ("status.json", "metrics.json", "predictions.json"):
        (shared.dir / name).unlink()
    (shared.dir / "config.json").write_text(json.dumps(other.to_dict()))
    for name, content in (("train", config), ("evaluate", other)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content.to_dict()))
    train_together("runs", tmp_path)
    ours, theirs = together.log(), alone.log()
    times = ["seconds_data", "seconds_step"]
    pd.testing.assert_frame_equal(
        ours.drop(columns=times), theirs.drop(columns=times), rtol=1e-4, atol=1e-4
    )
    assert theirs.total.iloc[-1] < 0.9 * theirs.total.iloc[0]  # something was learnt
    wanted = alone.model().state_dict()
    for name, value in together.model().state_dict().items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-4, msg=name)
    assert shared.predictions() == alone.predictions() != []
    assert shared.evaluation.to_dict() == alone.evaluation.to_dict()
    assert [sitting["processes"] for sitting in shared.environment] == [1, 2]


def test_a_bad_step_and_a_stop_in_one_process_are_everybodys(tmp_path):
    train_together("toy", tmp_path)
    first, second = (json.loads((tmp_path / f"seen_{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert first["step"] == 6 and first["skipped"] == 1
    assert "after step 6 of 12" in first["told"]
    assert read_log(tmp_path / "log.csv").step.tolist() == [1, 2, 3, 4, 5, 6]


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="process 3 of this machine has no GPU: there are 2"):
        this_process()


def test_processes_that_see_different_checkpoints_are_refused(monkeypatch):
    monkeypatch.setattr(processes, "gather_object", lambda value: [("run", 6), ("run", 0)])
    with pytest.raises(UserError, match="differ in run and step"):
        processes.require_same(("run", 6), "run and step")


@pytest.mark.parametrize("end", ["sys.exit('no such weights')", "os.kill(os.getpid(), 9)"])
def test_when_one_process_fails_all_end_and_its_reason_is_told(end, capfd):
    script = f"import os, sys, time\nif os.environ['RANK'] == '1': {end}\ntime.sleep(300)"
    if "kill" in end:
        with pytest.raises(WorkerError, match=r"process 2 of 2 was ended from outside \(signal 9"):
            launch([sys.executable, "-c", script], 2)
    else:
        assert launch([sys.executable, "-c", script], 2) == 1
        assert "no such weights" in capfd.readouterr().err
