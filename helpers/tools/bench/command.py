"""`python -m helpers bench`: the fast paths against what others offer, timed on this machine."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib import metadata
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds TEXT")
    parser.add_argument("--repeats", type=int, default=5, help="of each case (default: 5)")
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="a case ends earlier after so many (default: 4)"
    )
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")


def run(args: argparse.Namespace) -> int:
    """Print the table. OSError, before anything is timed, when the numbers cannot be written;
    ValueError when no case is meant."""
    import torch
    from tqdm import tqdm

    from helpers.run_store import hardware
    from helpers.tools.bench.cases import cases
    from helpers.tools.bench.timing import measure, table

    if args.json:
        args.json.touch()
    if args.threads:
        torch.set_num_threads(args.threads)
    timings, names = [], []
    for case in tqdm(cases(), desc="bench", unit="case", leave=False):
        names.append(case.name)
        if args.only.casefold() in case.name.casefold():
            timings.append(measure(case, repeats=max(1, args.repeats), seconds=args.seconds))
    if not timings:
        known = "; ".join(dict.fromkeys(names))
        raise ValueError(f"no case is called {args.only!r}: give a part of one of these: {known}")
    machine = {
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        "versions": {name: metadata.version(name) for name in ("torch", "torchvision", "numba")},
    }
    print(", ".join(f"{key}: {value}" for key, value in machine.items()))
    print(table(timings).to_string(index=False, na_rep="-", float_format=_short))
    if args.json:
        rows = [asdict(timing) for timing in timings]
        args.json.write_text(json.dumps({**machine, "cases": rows}, indent=1))
    return 0


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"
