"""Each config is trained once, in its folder of the run store (`helpers.run_store`)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
from accelerate.utils import gather_object

from helpers.config import ExperimentConfig, change
from helpers.data.index import InstanceIndex
from helpers.evaluation.average_precision import evaluate
from helpers.files import UserError, locked, make_folder, write_json
from helpers.inference.predict import predict_index
from helpers.models.pretrained import start_file, weights_source
from helpers.run_store import VERSIONS, Run, data_digest, hardware, store_dir
from helpers.training.data import read_splits
from helpers.training.interrupt import Interrupted
from helpers.training.loop import OnLog, Watch, train
from helpers.training.processes import any_process, this_process
from helpers.training.trainer import Trainer

Results = list[dict[str, Any]]  # as COCO has them


@dataclass(frozen=True)
class Preview:
    """Early predictions on the same few validation pictures, every so many steps.

    show(step, index, results): the pictures as an index, and what the model finds in them now.
    """

    show: Callable[[int, InstanceIndex, Results], None]
    every: int = 100
    pictures: int = 3


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
    Raises UserError when the stored run is of other data, RunBusyError when another process is at
    work on it, Interrupted (a KeyboardInterrupt) when asked to stop, DataError, UserError,
    StorageError.
    """
    here = this_process()
    with here.main_process_first():
        run = _open(config)
    if any_process(run.status != "finished"):
        if here.is_main_process:
            with locked(run.dir):
                _note_sitting(run)
        on_step = None if preview is None else _previewer(run, preview)
        watch = Watch(on_log=on_log, on_step=on_step, tensorboard=tensorboard, progress=progress)
        train(config, run.dir, watch=watch)
        _evaluate(run, progress)
        here.wait_for_everyone()
    return run


def run_of(config: ExperimentConfig) -> Run:
    """The place of `config` in the run store, whether it was begun or not."""
    name = f"{config.name}-{config.hash()}"
    if config.model.start is not None:  # from other weights it is another run
        name += f"-{data_digest(start_file(config.model.start)) or ''}"[:5]
    return Run(store_dir() / name)


def _open(config: ExperimentConfig) -> Run:
    """The folder of `config`, made if there is none, with what it was made for checked."""
    if not re.fullmatch(r"[\w.-]+", config.name):
        raise UserError(
            f"{config.name!r} cannot name a run: use letters, digits, dots, dashes, underscores"
        )
    run = run_of(config)
    if not (run.dir / "config.json").exists():
        _create(run, config)
    if run.config != config:
        raise UserError(f"{run.dir} belongs to another config: give yours another name")
    run.check_data()
    return run


def _create(run: Run, config: ExperimentConfig) -> None:
    """Both splits are read first: what is wrong with them shows before anything is written."""
    train, _ = read_splits(config.data)
    make_folder(run.dir)
    files = config.data.train_annotations, config.data.val_annotations
    digests = {name: data_digest(name) for name in files}
    held = {"sha256": digests, "taxonomy": train.taxonomy.to_dict()}
    with locked(run.dir):  # two processes may begin at the same moment
        write_json(run.dir / "data.json", held)
        write_json(run.dir / "config.json", config.to_dict())


def _note_sitting(run: Run) -> None:
    sitting = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
        "processes": this_process().num_processes,
        "versions": {package: metadata.version(package) for package in VERSIONS},
        "backbone weights": weights_source(run.config.model),
    }
    write_json(run.dir / "environment.json", [*run.environment, sitting])


def _previewer(run: Run, preview: Preview) -> Callable[[Trainer], None]:
    """Predicts the previewed pictures, spread evenly over the validation split, and shows them."""
    index = run.index("val")
    rows = np.linspace(0, len(index) - 1, min(preview.pictures, len(index))).round().astype(int)
    few = index.subset(index.image_ids[rows])
    config = change(run.config, train__workers=0, test__tta=None)
    here = this_process().device

    def on_step(trainer: Trainer) -> None:
        if trainer.step % preview.every == 0 or trainer.step == trainer.total:
            model = trainer.predictor()
            found = predict_index(model, few, config=config, device=here, progress=False)
            preview.show(trainer.step, few, found)

    return on_step


def _evaluate(run: Run, progress: bool) -> None:
    """Predict and score the validation split, store both, and mark the run as finished.

    Each process predicts its share; the main one puts them together.
    """
    here, started = this_process(), time.perf_counter()
    config, index = run.config, run.index("val")
    with locked(run.dir) if here.is_main_process else nullcontext():
        try:
            mine = index.subset(index.image_ids[here.process_index :: here.num_processes])
            shown = progress and here.is_main_process
            found = gather_object(
                predict_index(run.model(), mine, config=config, device=here.device, progress=shown)
            )
            if not here.is_main_process:
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
