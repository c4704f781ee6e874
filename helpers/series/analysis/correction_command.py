"""`python -m helpers measure-correction`."""

from __future__ import annotations

import argparse
import json

from tqdm.auto import tqdm

from helpers.series.analysis import correction
from helpers.series.analysis.correction_goals import beside_goals


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenes", type=int, default=8, help="how many scenes (default: 8)")
    parser.add_argument("--size", type=int, default=1200, help="side in pixels (default: 1200)")
    parser.add_argument("--seed", type=int, default=100, help="of the first scene (default: 100)")
    parser.add_argument("--json", action="store_true", help="print the numbers for machines")


def run(args: argparse.Namespace) -> int:
    if args.scenes < 1 or args.size < 32:
        raise ValueError("give at least one scene (--scenes 1) of at least 32 pixels (--size 32)")
    seeds = range(args.seed, args.seed + args.scenes)
    scenes = [correction.scene(seed, args.size) for seed in tqdm(seeds, desc="scenes")]
    table = correction.measure(scenes, seed=args.seed)
    if args.json:
        rows = json.loads(table.to_json(orient="records"))
        print(json.dumps({"seeds": list(seeds), "size": args.size, "rows": rows}, indent=1))
        return 0
    print(f"{args.scenes} scenes of {args.size} px, 95 % intervals over scenes in brackets")
    print(correction.readable(table).to_string())
    print("\nours with picture beside the goals, on maps with mixed noise and without any")
    print(beside_goals(table).to_string())
    return 0
