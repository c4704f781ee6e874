"""The training loop: from a config and a run folder to a trained model, through any kills.

The folder gets `log.csv` (one row a step) and `checkpoints/`. The same call on the same folder goes
on from the last checkpoint; on the CPU the result is bit-identical to an undisturbed run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from helpers.config import ExperimentConfig
from helpers.files import UserError, locked, make_folder
from helpers.models.build import build_model
from helpers.structures import Sample
from helpers.training.bad_batch import save_batch
from helpers.training.checkpoint import check_digest, load_newest, save
from helpers.training.data import TrainingBatches, read_split
from helpers.training.errors import NonFiniteError
from helpers.training.events import EventLog
from helpers.training.interrupt import Interrupted, Stop, stoppable
from helpers.training.log import Row, StepLog
from helpers.training.processes import anywhere, this_process
from helpers.training.progress import Progress
from helpers.training.schedule import total_steps
from helpers.training.trainer import Trainer

Batches = Callable[[int], Iterator[Sequence[Sample]]]  # from a first step on, all batches
OnLog = Callable[[Row], None]


@dataclass(frozen=True)
class Look:
    """A look at the model on the way: show(step, model) after every so many steps.

    The model is the one to predict with; it has to be left as it is found. Nothing changes by it.
    """

    every: int
    show: Callable[[int, nn.Module], None]


@dataclass(frozen=True)
class Watch:
    """Who looks on; none of it changes what is trained.

    on_log: gets each row as it is written, a dict of numbers with the keys step (1 = the first),
    epoch, lr, the losses' names, total, grad_norm, skipped, seconds_data, seconds_step, and of the
    step seconds_forward, seconds_backward, seconds_optimiser.
    tensorboard: write the rows as TensorBoard files too, into the run's folder `tensorboard`.
    progress: show a bar, or lines where nobody watches.
    """

    on_log: OnLog | None = None
    look: Look | None = None
    tensorboard: bool = False
    progress: bool = True


def train(config: ExperimentConfig, run_dir: Path, *, watch: Watch | None = None) -> None:
    """Train what `config` says in `run_dir`, or go on with it; returns after the last step.

    Raises DataError for data that cannot be used, UserError for a model that cannot be built, and
    the errors of `fit`.
    """
    trainer, batches, digest = prepare(config)
    fit(
        trainer,
        batches,
        run_dir,
        digest=digest,
        epoch_steps=batches.epoch_steps,
        watch=watch or Watch(),
    )


def prepare(config: ExperimentConfig) -> tuple[Trainer, TrainingBatches, str]:
    """The trainer at its first step, its batches, and the digest that names the data."""
    this_process()  # accelerate takes the CPU for many processes only when told
    accelerator = Accelerator(mixed_precision="no")  # precision is the trainer's own business
    index = read_split(config.data, "train")
    batches = TrainingBatches(
        index, config.train, rank=accelerator.process_index, world=accelerator.num_processes
    )
    torch.manual_seed(config.train.seed)
    model = build_model(config.model, config.loss, config.test, index.taxonomy.num_classes)
    total = total_steps(config.train, batches.epoch_steps)
    trainer = Trainer(model, config.train, total=total, accelerator=accelerator)
    return trainer, batches, index.digest


def fit(
    trainer: Trainer,
    batches: Batches,
    folder: Path,
    *,
    digest: str,
    epoch_steps: float,
    watch: Watch,
) -> None:
    """Bring `trainer` to its last step, storing log and checkpoints in `folder`.

    batches(start): the batches of steps start, start + 1, ..., the same ones whenever asked;
    digest: names the training data; epoch_steps: steps in one pass over them.
    Asked to stop (Ctrl-C, Interrupt Kernel, SIGTERM; in any process), it finishes the step, stores
    a checkpoint and raises Interrupted. Raises NonFiniteError, and UserError for a batch the model
    refuses, both naming a file with that batch; UserError, StorageError, RunBusyError.
    """
    main = trainer.accelerator.is_main_process
    with locked(folder) if main else nullcontext(), stoppable() as stop:
        trainer.accelerator.wait_for_everyone()
        newest = load_newest(folder / "checkpoints")
        if newest is not None:
            check_digest(newest, digest, folder)
            trainer.restore(newest)
        if trainer.step == trainer.total:
            return
        rows = _steps(trainer, batches(trainer.step), epoch_steps, folder, stop)
        if main:
            _record(rows, trainer, folder, digest, watch)
        else:
            for _ in rows:  # the main process keeps the record for all
                pass
        if anywhere(stop.requested):
            raise Interrupted(
                f"stopped on request after step {trainer.step} of {trainer.total}; all is stored "
                f"in {folder}, and the same call goes on from there"
            )


def _steps(
    trainer: Trainer,
    batches: Iterator[Sequence[Sample]],
    epoch_steps: float,
    folder: Path,
    stop: Stop,
) -> Iterator[Row]:
    """Take one step after another, giving the row of each, up to the last or to a stop."""
    while trainer.step < trainer.total and not anywhere(stop.requested):
        number, started = trainer.step + 1, time.perf_counter()
        samples = next(batches)
        fetched = time.perf_counter()
        try:
            values = trainer.train_step(samples)
        except (NonFiniteError, UserError) as error:
            name = f"bad_batch_step_{number:08d}_{trainer.accelerator.process_index}.npz"
            save_batch(folder / name, samples)
            raise type(error)(f"{error}; the batch is in {folder / name}") from error
        done = time.perf_counter()
        yield {
            "step": trainer.step,
            "epoch": trainer.step / epoch_steps,
            **values,
            "seconds_data": fetched - started,
            "seconds_step": done - fetched,
            **{f"seconds_{part}": value for part, value in trainer.seconds.items()},
        }


def _record(rows: Iterator[Row], trainer: Trainer, folder: Path, digest: str, watch: Watch) -> None:
    """Keep log and checkpoints, and show what is asked for, while the steps are taken."""
    checkpoints = folder / "checkpoints"
    make_folder(checkpoints)
    every, stored = trainer.config.checkpoint_every, trainer.step
    with ExitStack() as stack:
        log = stack.enter_context(closing(StepLog(folder / "log.csv", last_step=trainer.step)))
        sinks = list(_sinks(stack, trainer, folder, watch))
        for row in rows:
            log.write(row)
            if trainer.step % every == 0 or trainer.step == trainer.total:
                log.sync()
                save(checkpoints, trainer.checkpoint(digest))
                stored = trainer.step
            for sink in sinks:
                sink(row)
        if stored < trainer.step:  # asked to stop in between
            log.sync()
            save(checkpoints, trainer.checkpoint(digest))


def _sinks(stack: ExitStack, trainer: Trainer, folder: Path, watch: Watch) -> Iterator[OnLog]:
    """What gets each row, in this order, after it is in the log."""
    if watch.tensorboard:
        yield stack.enter_context(closing(EventLog(folder / "tensorboard", after=trainer.step)))
    yield stack.enter_context(Progress(trainer.total, done=trainer.step, shown=watch.progress))
    if watch.on_log is not None:
        yield watch.on_log
    if watch.look is not None:
        yield lambda row: _look(watch.look, trainer)


def _look(look: Look, trainer: Trainer) -> None:
    if trainer.step % look.every == 0 or trainer.step == trainer.total:
        look.show(trainer.step, trainer.predictor())
