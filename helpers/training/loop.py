"""The training loop: from a config and a run folder to a trained model, through any kills.

The folder gets `log.csv` (one row a step) and `checkpoints/`. The same call on the same folder goes
on from the last checkpoint; on the CPU the result is bit-identical to an undisturbed run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from tqdm.auto import tqdm

from helpers.config import ExperimentConfig
from helpers.models.build import build_model
from helpers.structures import Sample
from helpers.training.checkpoint import check_digest, load_newest, save
from helpers.training.data import TrainingBatches, read_split
from helpers.training.files import locked
from helpers.training.log import Row, StepLog
from helpers.training.schedule import total_steps
from helpers.training.trainer import Trainer

Batches = Callable[[int], Iterator[Sequence[Sample]]]  # from a first step on, all batches
OnLog = Callable[[Row], None]


def train(
    config: ExperimentConfig,
    run_dir: Path,
    *,
    on_log: OnLog | None = None,
    progress: bool = True,
) -> None:
    """Train what `config` says in `run_dir`, or go on with it; returns after the last step.

    on_log gets each row of the log (see `fit`). Raises DataError for data that cannot be used,
    ModelError for a model that cannot be built, and the errors of `fit`.
    """
    accelerator = Accelerator(mixed_precision="no")  # precision is the trainer's own business
    index = read_split(config.data, "train")
    batches = TrainingBatches(
        index, config.train, rank=accelerator.process_index, world=accelerator.num_processes
    )
    torch.manual_seed(config.train.seed)
    model = build_model(config.model, config.loss, config.test, index.taxonomy.num_classes)
    total = total_steps(config.train, batches.epoch_steps)
    trainer = Trainer(model, config.train, total=total, accelerator=accelerator)
    fit(
        trainer,
        batches,
        run_dir,
        digest=index.digest,
        epoch_steps=batches.epoch_steps,
        on_log=on_log,
        progress=progress,
    )


def fit(
    trainer: Trainer,
    batches: Batches,
    folder: Path,
    *,
    digest: str,
    epoch_steps: float,
    on_log: OnLog | None = None,
    progress: bool = True,
) -> None:
    """Bring `trainer` to its last step, storing log and checkpoints in `folder`.

    batches(start): the batches of steps start, start + 1, ..., the same ones whenever asked;
    digest: names the training data; epoch_steps: steps in one pass over them;
    on_log: gets each row as it is written, a dict of numbers with the keys step (1 = the first),
    epoch, lr, the losses' names, total, grad_norm, skipped, seconds_data, seconds_step.
    Raises TrainingError (see Trainer), StorageError, RunBusyError.
    """
    main = trainer.accelerator.is_main_process
    with locked(folder) if main else nullcontext():
        trainer.accelerator.wait_for_everyone()
        newest = load_newest(folder / "checkpoints")
        if newest is not None:
            check_digest(newest, digest, folder)
            trainer.restore(newest)
        if trainer.step == trainer.total:
            return
        rows = _steps(trainer, batches(trainer.step), epoch_steps)
        if main:
            _record(rows, trainer, folder, digest, on_log, progress)
        else:
            deque(rows, maxlen=0)  # the main process keeps the record for all


def _steps(
    trainer: Trainer, batches: Iterator[Sequence[Sample]], epoch_steps: float
) -> Iterator[Row]:
    """Take one step after another, giving the row of each."""
    while trainer.step < trainer.total:
        started = time.perf_counter()
        samples = next(batches)
        fetched = time.perf_counter()
        values = trainer.train_step(samples)
        done = time.perf_counter()
        yield {
            "step": trainer.step,
            "epoch": trainer.step / epoch_steps,
            **values,
            "seconds_data": fetched - started,
            "seconds_step": done - fetched,
        }


def _record(
    rows: Iterator[Row],
    trainer: Trainer,
    folder: Path,
    digest: str,
    on_log: OnLog | None,
    progress: bool,
) -> None:
    """Keep log, checkpoints and progress bar while the steps are taken."""
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(exist_ok=True)
    bar = tqdm(total=trainer.total, initial=trainer.step, unit="step", disable=not progress)
    with bar, closing(StepLog(folder / "log.csv", last_step=trainer.step)) as log:
        for row in rows:
            log.write(row)
            if trainer.step % trainer.config.checkpoint_every == 0 or trainer.step == trainer.total:
                log.sync()
                save(checkpoints, trainer.checkpoint(digest))
            bar.set_postfix_str(_summary(row), refresh=False)
            bar.update()
            if on_log is not None:
                on_log(row)


def _summary(row: Row) -> str:
    losses = list(row)[list(row).index("lr") + 1 : list(row).index("grad_norm")]
    return " ".join(f"{name} {row[name]:.3g}" for name in losses)
