"""`python -m helpers step-times`: where the time of a config's training steps goes.

While it is measured, methods of the trainer's parts are replaced by ones that take the time; on a
GPU they wait for it, which a training never does between the parts of a step.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from helpers.files import UserError

if TYPE_CHECKING:
    import pandas as pd

    from helpers.structures import Sample
    from helpers.training.trainer import Trainer

PARTS = {
    "backbone": ("backbone", "forward"),
    "FPN": ("fpn", "forward"),
    "RPN": ("rpn", "losses"),
    "box head": ("roi_heads.box", "losses"),
    "mask head": ("roi_heads.mask", "losses"),
    "instance branch": ("instances", "forward"),
    "mask branch": ("masks", "forward"),
}
COMPILED = {"backbone and FPN": ("", "features")}  # compiled parts cannot be told apart


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `step-times`."""
    parser.add_argument("--steps", type=int, default=10, help="to measure (default: 10)")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before them (default: 3)")
    parser.add_argument(
        "config", nargs="*", help="after --, options as of train: -- --preset bench"
    )


def run(args: argparse.Namespace) -> int:
    """Print the table; nothing is stored. The errors of a training."""
    if args.steps < 1:
        raise UserError(f"--steps {args.steps} measures nothing: give 1 or more")
    from helpers.run_train import parse
    from helpers.training.data import read_split
    from helpers.training.loop import prepare

    config = parse(args.config)
    trainer, batches = prepare(config, read_split(config.data, "train"))
    table = step_times(trainer, batches(0), steps=args.steps, warm_up=args.warm_up)
    size = config.train
    print(
        f"{config.name} on {config.data.name}: {size.batch_size} pictures a step, short side "
        f"{size.short_side[0]} to {size.short_side[1]} px, precision {size.precision}, "
        f"on {trainer.accelerator.device}"
    )
    table["share"] = table["share"].map("{:.0%}".format)
    print(table.to_string(index=False, float_format="{:.1f}".format))
    return 0


def step_times(
    trainer: Trainer, batches: Iterator[Sequence[Sample]], *, steps: int, warm_up: int = 2
) -> pd.DataFrame:
    """Train `steps` steps (after some to warm up) and tell where their time went.

    One row a part, in the order of a step, the last one the whole: part, ms (median over the
    steps), share (of the whole step). `data` is what the step had to wait for its batch.
    """
    import pandas as pd

    rows = []
    with _clocked(trainer) as seconds:
        for step in range(warm_up + steps):
            seconds.clear()
            started = time.perf_counter()
            samples = next(batches)
            fetched = time.perf_counter()
            trainer.train_step(samples)
            _wait(trainer)
            done = time.perf_counter()
            if step >= warm_up:
                rows.append(_parts(seconds, data=fetched - started, whole=done - started))
    medians = 1000 * pd.DataFrame(rows).median()
    share = medians / medians["whole step"]
    return pd.DataFrame({"part": medians.index, "ms": medians.values, "share": share.values})


def _parts(seconds: dict[str, float], *, data: float, whole: float) -> dict[str, float]:
    """All parts of one step, with what is left of the forward pass and of the step."""
    inner = {f"forward: {n}": seconds[n] for n in (*PARTS, *COMPILED) if n in seconds}
    inner["forward: rest"] = seconds["forward"] - sum(inner.values())
    backward = seconds["update"] - seconds["optimiser"]
    row = {"data": data, **inner, "backward": backward, "optimiser": seconds["optimiser"]}
    return {**row, "rest": whole - sum(row.values()), "whole step": whole}


@contextmanager
def _clocked(trainer: Trainer) -> Iterator[dict[str, float]]:
    """Seconds spent in each part since they were last cleared."""
    seconds: dict[str, float] = defaultdict(float)
    owners: list[tuple[str, Any, str]] = [
        ("forward", trainer, "_forward"),
        ("update", trainer, "_update"),
        ("optimiser", trainer._optimizer, "step"),
    ]
    modules = dict(trainer.model.named_modules())
    for part, (path, method) in (COMPILED if trainer.config.compile else PARTS).items():
        if path in modules:
            owners.append((part, modules[path], method))
    with ExitStack() as undo:
        for part, owner, method in owners:
            setattr(owner, method, _timed(getattr(owner, method), part, seconds, trainer))
            undo.callback(delattr, owner, method)  # the class's own shows again
        yield seconds


def _timed(
    plain: Callable, part: str, seconds: dict[str, float], trainer: Trainer
) -> Callable[..., Any]:
    @wraps(plain)
    def timed(*args: Any, **named: Any) -> Any:
        _wait(trainer)
        started = time.perf_counter()
        answer = plain(*args, **named)
        _wait(trainer)
        seconds[part] += time.perf_counter() - started
        return answer

    return timed


def _wait(trainer: Trainer) -> None:
    if trainer.accelerator.device.type == "cuda":
        import torch

        torch.cuda.synchronize()
