"""`python -m helpers step-times`: where the time of a config's training steps goes."""

from __future__ import annotations

import argparse

from helpers.training.command import parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `step-times`."""
    parser.add_argument("--steps", type=int, default=10, help="to measure (default: 10)")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before them (default: 3)")
    parser.add_argument(
        "config", nargs="*", help="after --, options as of train: -- --preset bench"
    )


def run(args: argparse.Namespace) -> int:
    """Print the table; nothing is stored. The errors of a training."""
    from helpers.run_store import hardware
    from helpers.training.breakdown import breakdown
    from helpers.training.loop import prepare

    if args.steps < 1:
        raise ValueError(f"--steps {args.steps} measures nothing: give 1 or more")
    config = parse(args.config)
    trainer, batches, _ = prepare(config)
    table = breakdown(trainer, batches(0), steps=args.steps, warm_up=args.warm_up)
    size = config.train
    print(
        f"{config.name} on {config.data.name}: {size.batch_size} pictures a step, short side "
        f"{size.short_side[0]} to {size.short_side[1]} px, precision {size.precision}, {hardware()}"
    )
    table["share"] = table["share"].map("{:.0%}".format)
    print(table.to_string(index=False, float_format="{:.1f}".format))
    return 0
