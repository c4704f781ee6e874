"""`python -m helpers ensemble`: stored soft predictions of several models made into one.

The result is a folder of predictions like those of `predict`: it goes on after a kill, several
processes can share the work, `submit` makes a submission of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.evaluation.average_precision import PRESETS, evaluate
from helpers.evaluation.submission import read_results
from helpers.files import UserError, outputs_dir
from helpers.inference.calibration import Isotonic, calibration_of
from helpers.inference.ensemble import calibrated, fuse, model_weights
from helpers.inference.ensemble_baselines import union_nms, weighted_soft_nms
from helpers.inference.ensemble_clusters import CALIBRATED, EnsembleConfig
from helpers.inference.ensemble_files import Member, check_alike, find_folder
from helpers.inference.predict import to_results
from helpers.inference.predict_command import parse_shard
from helpers.inference.stored import StoredPredictions
from helpers.structures import Detections


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ensemble`."""
    parser.add_argument(
        "members",
        metavar="RUN",
        nargs="+",
        help="a run with predictions made by `predict --soft`, or a folder of predictions",
    )
    parser.add_argument(
        "--data",
        default="val",
        help="which of the runs' predictions: the name of their folder (default: val)",
    )
    parser.add_argument(
        "--method",
        choices=("fuse", "union", "soft-nms"),
        default="fuse",
        help="fuse masks, or pool unfused detections by NMS or the first place's soft-NMS",
    )
    parser.add_argument(
        "--held-out",
        metavar="DATA",
        help="learn score calibration and weights on these predictions of each run, beside --data",
    )
    parser.add_argument("--truth", type=Path, help="annotations of the held-out pictures")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="coco", help="of their mAP")
    parser.add_argument(
        "--weights", type=float, nargs="+", metavar="W", help="trust in each model, instead"
    )
    parser.add_argument(
        "--coverage",
        type=float,
        default=EnsembleConfig.coverage,
        help="how much a thing suffers that few models find (default: %(default)s; 0: not at all)",
    )
    parser.add_argument(
        "--min-score",
        type=float,
        metavar="S",
        help=f"least score of a detection to take part (default: {EnsembleConfig.min_score}; with "
        "--held-out all, as calibrated scores are small)",
    )
    parser.add_argument("--soft", action="store_true", help="keep mask probabilities")
    parser.add_argument("--shard", type=parse_shard, default=(1, 1), metavar="I/N")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: by its content")


def run(args: argparse.Namespace) -> int:
    """Fuse the pictures that are not fused yet; say where the results lie, or what is missing."""
    members = [Member.open(find_folder(text, args.data)) for text in args.members]
    check_alike(members)
    calibrations, weights = _learnt(members, args)
    config = replace(
        EnsembleConfig() if calibrations is None else CALIBRATED, coverage=args.coverage
    )
    if args.min_score is not None:
        config = replace(config, min_score=args.min_score)
    about = _about(members, calibrations, weights, config, args)
    stored = StoredPredictions.open(args.output or _folder(about, args.data), about)
    _fuse_missing(stored, members, calibrations, weights, config, args)
    results = stored.assemble()
    if results is None:
        total = len(about["images"])
        print(f"{len(stored.done())} of {total} pictures done; other shards are missing")
    else:
        print(results)
    return 0


def _fuse_missing(
    stored: StoredPredictions,
    members: Sequence[Member],
    calibrations: Sequence[Isotonic | None] | None,
    weights: Sequence[float],
    config: EnsembleConfig,
    args: argparse.Namespace,
) -> None:
    number, of = args.shard
    taxonomy = members[0].taxonomy
    with stored.part(number, of) as part:
        done = stored.done()
        ids = [image["id"] for image in members[0].about["images"]][number - 1 :: of]
        for image_id in tqdm([i for i in ids if i not in done], desc="fuse", unit="picture"):
            found = [member.detections(image_id) for member in members]
            if calibrations is not None:
                pairs = zip(found, calibrations, strict=True)
                found = [calibrated(one, c(one.scores)) if c else one for one, c in pairs]
            fused = _together(found, weights, config, args.method)
            results = to_results(fused, image_id, taxonomy)
            part.append(image_id, results, soft=fused if args.soft else None)


def _together(
    found: Sequence[Detections], weights: Sequence[float], config: EnsembleConfig, method: str
) -> Detections:
    if method == "union":
        return union_nms(found)
    if method == "soft-nms":
        return weighted_soft_nms(found, weights)
    return fuse(found, weights=weights, config=config)


def _learnt(
    members: Sequence[Member], args: argparse.Namespace
) -> tuple[list[Isotonic | None] | None, tuple[float, ...]]:
    """Calibrations and weights: from held-out pictures, or none and those given or all alike."""
    if (args.held_out is None) != (args.truth is None):
        raise UserError("--held-out and --truth go together: the pictures, and what is there")
    if args.weights and (len(args.weights) != len(members) or min(args.weights) <= 0):
        raise UserError(f"--weights: give {len(members)} numbers over 0, one for each run")
    calibrations, weights = None, (1.0,) * len(members)
    if args.held_out is not None:
        space = members[0].about["label_space"]
        index = read_index(args.truth, None, label_space=space, check_images=False)
        results = [_held_out(member, index, args.held_out) for member in members]
        truth = index.to_coco()
        calibrations = [calibration_of(truth, r) for r in results]
        scored = [evaluate(index, r, preset=args.preset, kinds=("segm",)) for r in results]
        weights = model_weights([s.metrics["segm"]["AP"] for s in scored])
    return calibrations, tuple(args.weights) if args.weights else weights


def _held_out(member: Member, index: InstanceIndex, data: str) -> list[dict[str, Any]]:
    """The member's results on the held-out pictures, which must not be those to fuse."""
    stored = StoredPredictions(member.stored.folder.parent / data)
    if {i["id"] for i in stored.about["images"]} != set(index.image_ids.tolist()):
        raise UserError(f"--truth is not of the pictures of {stored.folder}: give its own")
    if stored.about["data"] == member.about["data"]:
        raise UserError(
            f"{stored.folder} holds the pictures to be fused: calibrate on others, or the result "
            "is no honest measurement"
        )
    if not stored.results_file.exists():
        raise UserError(f"{stored.folder} is not complete: let `predict` come to its end")
    return read_results(stored.results_file)


def _about(
    members: Sequence[Member],
    calibrations: Sequence[Isotonic | None] | None,
    weights: Sequence[float],
    config: EnsembleConfig,
    args: argparse.Namespace,
) -> dict[str, Any]:
    first = members[0].about
    return {
        "run": "ensemble",
        "members": [[m.name, m.about.get("weights")] for m in members],
        "method": args.method,
        "model_weights": list(weights),
        "calibrations": [c and asdict(c) for c in calibrations] if calibrations else None,
        "ensemble": asdict(config),
        "label_space": first["label_space"],
        "soft": args.soft,
        "data": first["data"],
        "images": first["images"],
        "categories": first["categories"],
    }


def _folder(about: dict[str, Any], data: str) -> Path:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:8]
    return outputs_dir() / "predictions" / f"ensemble-{digest}" / data
