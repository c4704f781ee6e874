"""A whole run, from its first step to its scores, killed at random moments of all kinds."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from helpers.config import ExperimentConfig, change, preset
from helpers.run_store import Run
from helpers.training.checkpoint import load_newest
from tests.command_line import command_of

STEPS, EVERY = 120, 10
KINDS = [*["step"] * 5, "evaluation", "evaluation"]
TRAIN = """
import json, sys
from helpers.config import from_dict
from helpers.runs import get_or_train
get_or_train(from_dict(json.load(open(sys.argv[1]))), progress=False)
"""


@pytest.fixture
def config(rectangles, tmp_path) -> ExperimentConfig:
    paths = rectangles.data_set(tmp_path, train=12, val=60)
    return change(
        preset("quick"),
        name="killed",
        **paths,
        model__backbone="resnet10t",
        model__pretrained=False,
        model__norm="bn",
        model__fpn_channels=16,
        model__mask_head_dim=8,
        train__steps=STEPS,
        train__batch_size=2,
        train__checkpoint_every=EVERY,
        train__ema=0.9,
        train__short_side=(48, 64),
        train__max_side=64,
        test__short_side=64,
        test__score_threshold=0.0,
        test__preset="coco",
    )


def begin(config: ExperimentConfig, folder: Path) -> tuple[subprocess.Popen, Run]:
    """A process that trains and evaluates in the run store `folder`, or goes on there."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    place = {"OMP_NUM_THREADS": "1", "HELPERS_OUTPUTS": str(folder), "ACCELERATE_USE_CPU": "1"}
    command = [sys.executable, "-c", TRAIN, str(folder / "config.json")]
    process = subprocess.Popen(command, env={**os.environ, **place})
    return process, Run(folder / "runs" / f"killed-{config.hash()}")


def steps_logged(run: Run) -> int:
    log = run.dir / "log.csv"
    return log.read_text().count("\n") if log.exists() else 0


def moment(kind: str, run: Run) -> Callable[[], bool]:
    """Whether it has come: some steps after the first of this sitting, or between the last
    checkpoint and the scores."""
    last = run.dir / "checkpoints" / f"step_{STEPS:08d}.pt"
    sittings = len(run.environment) if kind == "evaluation" else 0
    wait, seen = random.randint(1, 18), {steps_logged(run)}

    def now() -> bool:
        if kind == "evaluation":
            return last.exists() and len(run.environment) > sittings and run.status == "running"
        seen.add(steps_logged(run))
        return len(seen) > wait

    return now


@pytest.mark.slow
def test_a_signal_to_the_whole_group_stops_after_a_step(config, tmp_path):
    config = change(config, train__workers=1, train__steps=5000, train__checkpoint_every=5000)
    place = {"OMP_NUM_THREADS": "1", "HELPERS_OUTPUTS": str(tmp_path), "ACCELERATE_USE_CPU": "1"}
    process = subprocess.Popen(
        [sys.executable, *command_of(config, "quick")[1:]],
        env={**os.environ, **place},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, with its loader process
    )
    run = Run(tmp_path / "runs" / f"killed-{config.hash()}")
    while process.poll() is None and steps_logged(run) < 3:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    told = process.communicate(timeout=120)[1]
    assert process.returncode == 130, told
    last = int(run.log().step.iloc[-1])
    assert f"stopped on request after step {last} of 5000" in told
    assert load_newest(run.dir / "checkpoints").step == last


@pytest.mark.slow
def test_kills_of_all_kinds_leave_no_trace(config, tmp_path):
    for kind in KINDS:
        process, run = begin(config, tmp_path / "killed")
        come = moment(kind, run)
        while process.poll() is None and not come():
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.5 if kind == "evaluation" else 0.1))
        assert process.poll() is None, f"it ended before it could be killed in {kind}"
        process.send_signal(signal.SIGKILL)
        process.wait()
    for folder in ("killed", "whole"):
        process, run = begin(config, tmp_path / folder)
        assert process.wait() == 0
    compare(*(Run(tmp_path / f / "runs" / run.name) for f in ("killed", "whole")))


def compare(killed: Run, whole: Run) -> None:
    """The same in everything but time."""
    assert len(killed.environment) == len(KINDS) + 1 and len(whole.environment) == 1
    times = ["seconds_data", "seconds_step"]
    pd.testing.assert_frame_equal(killed.log().drop(columns=times), whole.log().drop(columns=times))
    assert killed.log().step.tolist() == list(range(1, STEPS + 1))
    ours, theirs = (load_newest(run.dir / "checkpoints") for run in (killed, whole))
    assert ours.step == theirs.step == STEPS
    for found, wanted in ((ours.model, theirs.model), (ours.average, theirs.average)):
        assert all(torch.equal(value, wanted[name]) for name, value in found.items())
    assert killed.predictions() == whole.predictions() != []
    assert killed.evaluation.to_dict() == whole.evaluation.to_dict()
