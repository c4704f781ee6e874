"""The run store: every config is trained once, in a folder of its own, and found again by name.

outputs/runs/<name>-<hash of the config>/
    config.json        the config
    data.json          taxonomy, and what the annotation files held when training began
    environment.json   each sitting: when, on what hardware, with which versions
    log.csv            one row a step
    checkpoints/       the newest two
    tensorboard/       the log once more, where asked for
    predictions.json   COCO results on the validation split
    metrics.json       their scores, with the preset they were made with
    status.json        "finished", written last
Nothing in it is ever overwritten by another config or by other data.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from torch import nn

from helpers.config import DataConfig, ExperimentConfig, change, from_dict
from helpers.data.index import InstanceIndex
from helpers.data.taxonomy import Taxonomy
from helpers.evaluation.average_precision import Evaluation, evaluate
from helpers.inference.predict import predict_index
from helpers.models.build import build_model
from helpers.notebook import VERSIONS, hardware
from helpers.paths import outputs_dir, resolve
from helpers.training.checkpoint import load_newest
from helpers.training.data import Split, read_split, read_splits
from helpers.training.errors import TrainingError
from helpers.training.files import is_locked, locked, make_folder, read_json, write_json
from helpers.training.interrupt import Interrupted
from helpers.training.log import read_log
from helpers.training.loop import Look, OnLog, Watch, train
from helpers.training.processes import anywhere, gathered, this_process

Status = Literal["finished", "running", "interrupted"]
Results = list[dict[str, Any]]  # as COCO has them


@dataclass(frozen=True)
class Preview:
    """Early predictions on the same few validation pictures, every so many steps.

    show(step, index, results): the pictures as an index, and what the model finds in them now.
    """

    show: Callable[[int, InstanceIndex, Results], None]
    every: int = 100
    pictures: int = 3


class RunError(TrainingError):
    """A run that does not exist, is not finished, or does not fit what is asked."""


@dataclass(frozen=True)
class Run:
    """One folder of the run store. Everything is read from it when asked for."""

    dir: Path

    @property
    def name(self) -> str:
        """Name and hash, as the folder is called."""
        return self.dir.name

    @property
    def config(self) -> ExperimentConfig:
        return from_dict(read_json(self.dir / "config.json"))

    @property
    def status(self) -> Status:
        """finished; running (a process is at work in it now); interrupted (goes on when asked)."""
        if is_locked(self.dir):
            return "running"
        return "finished" if (self.dir / "status.json").exists() else "interrupted"

    @property
    def environment(self) -> list[dict[str, Any]]:
        """Each sitting: started (UTC), hardware, versions of the packages that matter."""
        return read_json(self.dir / "environment.json")

    @property
    def seconds(self) -> float:
        """Training time so far, over all sittings, as the log has it."""
        log = self.log()
        return 0.0 if log.empty else float(log[["seconds_data", "seconds_step"]].sum().sum())

    @property
    def evaluation(self) -> Evaluation:
        """Scores on the validation split, with their preset. RunError if unfinished."""
        return Evaluation.from_dict(read_json(self._finished("metrics.json")))

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """The evaluation's numbers: segm, boundary, bbox -> AP, AP50, ... in 0..1."""
        return self.evaluation.metrics

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes it was trained on."""
        return Taxonomy.from_dict(read_json(self.dir / "data.json")["taxonomy"])

    def log(self) -> pd.DataFrame:
        """One row a step, so far."""
        return read_log(self.dir / "log.csv")

    def predictions(self) -> list[dict[str, Any]]:
        """COCO results on the validation split. RunError if unfinished."""
        return read_json(self._finished("predictions.json"))

    def index(self, split: Split) -> InstanceIndex:
        """The data of a split in the run's label space, read anew. DataError if they changed."""
        return read_split(self.config.data, split, taxonomy=self.taxonomy)

    def model(self) -> nn.Module:
        """The model of the newest checkpoint in evaluation mode, on the CPU.

        Its weights are the averaged ones where the config keeps them.
        """
        checkpoint = load_newest(self.dir / "checkpoints")
        if checkpoint is None:
            raise RunError(f"run {self.name} has no checkpoint yet: train it first")
        config = self.config
        architecture = replace(config.model, pretrained=False)
        model = build_model(architecture, config.loss, config.test, self.taxonomy.num_classes)
        model.load_state_dict(checkpoint.weights)
        return model.eval()

    def _finished(self, name: str) -> Path:
        if self.status != "finished":
            raise RunError(
                f"run {self.name} is {self.status}, it has no {name} yet: "
                "get_or_train (or `python -m helpers train`) with its config finishes it"
            )
        return self.dir / name


def get_or_train(
    config: ExperimentConfig,
    *,
    progress: bool = True,
    on_log: OnLog | None = None,
    preview: Preview | None = None,
    tensorboard: bool = False,
) -> Run:
    """The finished run of `config`: at once when there is one, else trained (on) and evaluated.

    progress: show a bar, or lines where nobody watches; on_log gets each row of the log as it is
    written; preview: see there; tensorboard: keep the log as TensorBoard files too. None of them
    changes the result. On many processes all have to call it; they share the pictures, also those
    of the validation split, and the main one writes.
    Raises RunError when the stored run is of other data, RunBusyError when another process is at
    work on it, Interrupted (a KeyboardInterrupt) when asked to stop, DataError, TrainingError,
    StorageError.
    """
    here = this_process()
    with here.main_process_first():
        run = _open(config)
    if anywhere(run.status != "finished"):
        if here.is_main_process:
            with locked(run.dir):
                _note_sitting(run)
        look = None if preview is None else _look(run, preview)
        watch = Watch(on_log=on_log, look=look, tensorboard=tensorboard, progress=progress)
        train(config, run.dir, watch=watch)
        _evaluate(run, progress)
        here.wait_for_everyone()
    return run


def list_runs() -> list[Run]:
    """All runs of the store, by name."""
    return [Run(path.parent) for path in sorted(_store().glob("*/config.json"))]


def find_run(name: str) -> Run:
    """The run whose folder is called `name`, or the only one that starts with it.

    Raises RunError naming the runs there are when there is none, or more than one.
    """
    runs = list_runs()
    found = [run for run in runs if run.name == name] or [
        run for run in runs if run.name.startswith(name)
    ]
    if len(found) == 1:
        return found[0]
    known = ", ".join(run.name for run in found or runs) or "none at all"
    problem = "several runs start with" if found else "no run starts with"
    raise RunError(f"{problem} {name!r}; there are: {known}")


def _store() -> Path:
    return outputs_dir() / "runs"


def _open(config: ExperimentConfig) -> Run:
    """The folder of `config`, made if there is none, with what it was made for checked."""
    if not re.fullmatch(r"[\w.-]+", config.name):
        raise RunError(
            f"{config.name!r} is no name for a run: use letters, digits, dots, dashes, underscores"
        )
    run = Run(_store() / f"{config.name}-{config.hash()}")
    if not (run.dir / "config.json").exists():
        _create(run, config)
    if run.config != config:
        raise RunError(f"{run.dir} belongs to another config: give yours another name")
    _check_data(run)
    return run


def _create(run: Run, config: ExperimentConfig) -> None:
    """Both splits are read first: what is wrong with them shows before anything is written."""
    train, _ = read_splits(config.data)
    make_folder(run.dir)
    held = {"sha256": _digests(config.data), "taxonomy": train.taxonomy.to_dict()}
    with locked(run.dir):  # two processes may begin at the same moment
        write_json(run.dir / "data.json", held)
        write_json(run.dir / "config.json", config.to_dict())


def _check_data(run: Run) -> None:
    """Refuse to mix in other data than the run began with."""
    now = _digests(run.config.data)
    for name, digest in read_json(run.dir / "data.json")["sha256"].items():
        if now[name] not in (digest, None):
            raise RunError(
                f"{name} is not what run {run.name} was made with any more: bring the former file "
                f"back, give the config another name, or move {run.dir} away"
            )


def _digests(data: DataConfig) -> dict[str, str | None]:
    return {name: _sha256(resolve(name)) for name in (data.train_annotations, data.val_annotations)}


def _sha256(path: Path) -> str | None:
    """None for a file that is gone, which a finished run does not need."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _note_sitting(run: Run) -> None:
    path = run.dir / "environment.json"
    sitting = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
        "processes": this_process().num_processes,
        "versions": {package: metadata.version(package) for package in VERSIONS},
    }
    write_json(path, [*(run.environment if path.exists() else []), sitting])


def _look(run: Run, preview: Preview) -> Look:
    """Predict the previewed pictures, spread evenly over the validation split, and show them."""
    index = run.index("val")
    rows = np.linspace(0, len(index) - 1, min(preview.pictures, len(index))).round().astype(int)
    few = index.subset(index.image_ids[rows])
    config = change(run.config, train__workers=0, test__tta=None)

    def show(step: int, model: nn.Module) -> None:
        preview.show(step, few, predict_index(model, few, config=config, progress=False))

    return Look(preview.every, show)


def _evaluate(run: Run, progress: bool) -> None:
    """Predict and score the validation split, store both, and mark the run as finished.

    Each process predicts its share; the main one puts them together.
    """
    here, started = this_process(), time.perf_counter()
    config, index = run.config, run.index("val")
    with locked(run.dir) if here.is_main_process else nullcontext():
        try:
            mine = index.subset(index.image_ids[here.process_index :: here.num_processes])
            model = run.model().to(here.device)
            shown = progress and here.is_main_process
            found = gathered(predict_index(model, mine, config=config, progress=shown))
            if found is None:
                return
            results = sorted(found, key=lambda result: result["image_id"])
            evaluation = evaluate(index, results, preset=config.test.preset)
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped while run {run.name} was evaluated; its training is done and stored, "
                "and the same call evaluates it"
            ) from None
        write_json(run.dir / "predictions.json", results)
        write_json(run.dir / "metrics.json", evaluation.to_dict())
        seconds = round(time.perf_counter() - started, 1)
        write_json(run.dir / "status.json", {"status": "finished", "seconds_evaluation": seconds})
