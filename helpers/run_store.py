"""The run store: what trained configs left behind, each in a folder of its own, found by name.

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
Nothing in it is ever overwritten by another config or by other data. What is slow to import (torch,
pandas, numba) is imported where it is needed: lists and help do without.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from helpers.config import ExperimentConfig, TestConfig, from_dict
from helpers.data.index import InstanceIndex
from helpers.data.parallel import available_cores
from helpers.data.taxonomy import Taxonomy
from helpers.evaluation.average_precision import Evaluation
from helpers.files import UserError, is_locked, outputs_dir, read_json, resolve, sha256

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from helpers.training.data import Split

VERSIONS = ("torch", "torchvision", "timm", "numpy", "numba", "pycocotools")
Status = Literal["finished", "running", "interrupted"]


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
        """Each sitting: started (UTC), hardware, versions of the packages that matter; none before
        the first."""
        path = self.dir / "environment.json"
        return read_json(path) if path.exists() else []

    @property
    def seconds(self) -> float:
        """Training time so far, over all sittings, as the log has it."""
        log = self.log()
        return 0.0 if log.empty else float(log[["seconds_data", "seconds_step"]].sum().sum())

    @property
    def evaluation(self) -> Evaluation:
        """Scores on the validation split, with their preset. UserError if unfinished."""
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
        from helpers.training.log import read_log

        return read_log(self.dir / "log.csv")

    def predictions(self) -> list[dict[str, Any]]:
        """COCO results on the validation split. UserError if unfinished."""
        return read_json(self._finished("predictions.json"))

    def index(self, split: Split) -> InstanceIndex:
        """The data of a split in the run's label space, read anew. UserError if they changed."""
        from helpers.training.data import read_split

        self.check_data()
        return read_split(self.config.data, split, taxonomy=self.taxonomy)

    def model(self, test: TestConfig | None = None) -> nn.Module:
        """The model of the newest checkpoint in evaluation mode, on the CPU.

        Its weights are the averaged ones where the config keeps them. test: other limits of score,
        overlap and number than the run's own.
        """
        from helpers.models.build import trained_model
        from helpers.training.checkpoint import load_newest

        checkpoint = load_newest(self.dir / "checkpoints")
        if checkpoint is None:
            raise UserError(f"run {self.name} has no checkpoint yet: train it first")
        return trained_model(self.config, self.taxonomy.num_classes, checkpoint.weights, test)

    def check_data(self) -> None:
        """UserError when an annotation file is not what it was when training began. A
        missing file is no error: a finished run does not need it."""
        for name, digest in read_json(self.dir / "data.json")["sha256"].items():
            if data_digest(name) not in (digest, None):
                raise UserError(
                    f"{name} is not what run {self.name} was made with any more: bring the former "
                    f"file back, give the config another name, or move {self.dir} away"
                )

    def _finished(self, name: str) -> Path:
        if self.status != "finished":
            raise UserError(
                f"run {self.name} is {self.status}, it has no {name} yet: "
                "get_or_train (or `python -m helpers train`) with its config finishes it"
            )
        return self.dir / name


def store_dir() -> Path:
    """Where the runs are."""
    return outputs_dir() / "runs"


def list_runs() -> list[Run]:
    """All runs of the store, by name."""
    return [Run(path.parent) for path in sorted(store_dir().glob("*/config.json"))]


def find_run(name: str) -> Run:
    """The run whose folder is called `name` (or is that path), or the only one that starts with it.

    Raises UserError naming the runs there are when there is none, or more than one.
    """
    runs, name = list_runs(), Path(name).name
    found = [run for run in runs if run.name == name] or [
        run for run in runs if run.name.startswith(name)
    ]
    if len(found) == 1:
        return found[0]
    known = ", ".join(run.name for run in found or runs) or "none at all"
    problem = "several runs start with" if found else "no run starts with"
    raise UserError(f"{problem} {name!r}; there are: {known}")


def data_digest(name: str | Path) -> str | None:
    """SHA-256 of a file as a config names it; None for one that is gone."""
    path = resolve(name)
    return sha256(path) if path.exists() else None


def hardware() -> str:
    """What this process works on, e.g. "2 CPU cores (x86_64)" or the name of the GPU.

    A process that has not imported torch, which takes seconds, works on the CPU.
    """
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return f"{available_cores()} CPU cores ({platform.machine()})"
