"""The training loop: from a config and a run folder to a trained model, through any kills.

The folder gets `log.csv` (one row a step) and `checkpoints/`. The same call on the same folder goes
on from the last checkpoint; on the CPU the result is bit-identical to an undisturbed run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from tqdm.auto import tqdm

from helpers.config import ExperimentConfig
from helpers.data.index import InstanceIndex
from helpers.files import StorageError, UserError, locked, make_folder
from helpers.models.build import build_model
from helpers.models.precision import autocast_dtype
from helpers.models.pretrained import load_start, weights_source
from helpers.structures import Sample
from helpers.training.checkpoint import load_newest, save
from helpers.training.data import TrainingBatches, class_table, missing_classes, read_splits
from helpers.training.interrupt import Interrupted, Stop, stoppable
from helpers.training.log import Row, StepLog
from helpers.training.processes import any_process, require_same, this_process
from helpers.training.progress import ProgressBar, TensorBoard
from helpers.training.schedule import total_steps
from helpers.training.trainer import Trainer

Batches = Callable[[int], Iterator[Sequence[Sample]]]  # from a first step on, all batches
OnLog = Callable[[Row], None]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watch:
    """What is shown of a training; none of it changes what is trained.

    on_log: gets each row as it is written, a dict of numbers with the keys step (1 = the first),
    epoch, lr, the losses' names, total, grad_norm, skipped, seconds_data, seconds_step.
    on_step: gets the trainer after each step; must not change it.
    tensorboard: write the rows for TensorBoard too, into the run's folder `tensorboard`.
    progress: print the classes, and show a bar, or lines where nobody watches.
    """

    on_log: OnLog | None = None
    on_step: Callable[[Trainer], None] | None = None
    tensorboard: bool = False
    progress: bool = True


def train(config: ExperimentConfig, run_dir: Path, *, watch: Watch | None = None) -> None:
    """Train what `config` says in `run_dir`, or go on with it; returns after the last step.

    Both splits are read and all their pictures checked first. Raises DataError for data that cannot
    be used, UserError for a model that cannot be built, and the errors of `fit`.
    """
    watch = watch or Watch()
    index, val = read_splits(config.data)
    trainer, batches = prepare(config, index)
    if trainer.accelerator.is_main_process:
        table = class_table(index, val)
        if watch.progress:
            space, device = index.taxonomy.label_space, trainer.accelerator.device
            tqdm.write(f"on {device}, {len(table)} classes ({space}) of {len(index)} pictures:")
            tqdm.write(table.to_string(index=False, max_rows=100))
            tqdm.write(f"weights: {weights_source(config.model)}")
        for gap in missing_classes(table):
            logger.warning(gap)
    fit(
        trainer,
        batches,
        run_dir,
        digest=index.digest,
        epoch_steps=batches.epoch_steps,
        watch=watch,
    )


def prepare(config: ExperimentConfig, index: InstanceIndex) -> tuple[Trainer, TrainingBatches]:
    """The trainer at its first step, and the batches of the training split `index`."""
    this_process()  # accelerate takes the CPU for many processes only when asked to
    accelerator = Accelerator(mixed_precision="no")  # precision is the trainer's own business
    autocast_dtype(config.test.precision, accelerator.device)  # refused before, not after, training
    batches = TrainingBatches(
        index, config.train, rank=accelerator.process_index, world=accelerator.num_processes
    )
    torch.manual_seed(config.train.seed)
    model = build_model(config.model, config.loss, config.test, index.taxonomy.num_classes)
    if config.model.start is not None:
        left = load_start(model, config.model.start, index.taxonomy)
        logger.info("layers that start anew: %s", ", ".join(left) or "none")
    total = total_steps(config.train, batches.epoch_steps)
    if total < config.train.warmup_steps:
        logger.warning(
            "the learning rate will not reach train.lr: train.warmup_steps is %d, of %d steps",
            config.train.warmup_steps,
            total,
        )
    return Trainer(model, config.train, total=total, accelerator=accelerator), batches


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
    a checkpoint and raises Interrupted. Whatever else ends it leaves a checkpoint of the last whole
    step and is raised: NonFiniteError, UserError for a batch the model refuses or when the training
    data changed or processes see different checkpoints, StorageError, RunBusyError.
    """
    main = trainer.accelerator.is_main_process
    with locked(folder) if main else nullcontext(), stoppable() as stop:
        trainer.accelerator.wait_for_everyone()
        newest = load_newest(folder / "checkpoints")
        if newest is not None:
            if newest.digest != digest:
                raise UserError(
                    f"the training data of run {folder.name} changed since it began: bring the "
                    "former data back, or give the run another name to train on the new ones"
                )
            trainer.restore(newest)
        require_same((folder.name, trainer.step), "run and step")
        if trainer.step == trainer.total:
            return
        rows = _steps(trainer, batches(trainer.step), epoch_steps, stop)
        if main:
            _record(rows, trainer, folder, digest, watch)
        else:
            for _ in rows:  # the main process keeps the record for all
                pass
        if any_process(stop.requested):
            raise Interrupted(
                f"stopped on request after step {trainer.step} of {trainer.total}; all is stored "
                f"in {folder}, and the same call goes on from there"
            )


def _steps(
    trainer: Trainer,
    batches: Iterator[Sequence[Sample]],
    epoch_steps: float,
    stop: Stop,
) -> Iterator[Row]:
    """Take one step after another, giving the row of each, up to the last or to a stop."""
    while trainer.step < trainer.total and not any_process(stop.requested):
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


def _record(rows: Iterator[Row], trainer: Trainer, folder: Path, digest: str, watch: Watch) -> None:
    """Keep log and checkpoints, and show what is asked for, while the steps are taken."""
    checkpoints = folder / "checkpoints"
    make_folder(checkpoints)
    logged = stored = trainer.step
    with ExitStack() as stack:
        log = stack.enter_context(closing(StepLog(folder / "log.csv", last_step=trainer.step)))

        def store() -> None:
            nonlocal stored
            log.sync()
            save(checkpoints, trainer.checkpoint(digest))
            stored = trainer.step

        sinks = list(_sinks(stack, trainer, folder, watch))
        try:
            for row in rows:
                log.write(row)
                logged = trainer.step
                if logged % trainer.config.checkpoint_every == 0 or logged == trainer.total:
                    store()
                for sink in sinks:
                    sink(row)
        except StorageError:  # where nothing can be written, a checkpoint cannot either
            raise
        except BaseException as error:
            # A step that did not get into the log is done again, so its weights are not stored.
            if stored < logged == trainer.step and trainer.whole:
                store()
                logger.warning(
                    "training ended after step %d of %d (%s); it is stored, and the same call goes "
                    "on from there",
                    logged,
                    trainer.total,
                    type(error).__name__,
                )
            raise
        if stored < trainer.step:  # asked to stop in between
            store()


def _sinks(stack: ExitStack, trainer: Trainer, folder: Path, watch: Watch) -> Iterator[OnLog]:
    """What gets each row, in this order, after it is in the log."""
    if watch.tensorboard:
        board = TensorBoard(folder / "tensorboard", after=trainer.step)
        yield stack.enter_context(closing(board))
    bar = ProgressBar(trainer.total, done=trainer.step, shown=watch.progress)
    yield stack.enter_context(bar)
    if watch.on_log is not None:
        yield watch.on_log
    if watch.on_step is not None:
        yield lambda row: watch.on_step(trainer)
