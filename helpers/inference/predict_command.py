"""`python -m helpers predict`: a run's predictions on a data set, in a folder that survives a kill.

Several processes share the work: start each with its own --shard 1/n ... n/n; whichever finishes
last puts the results together.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from helpers.config import Precision, TestConfig, TtaConfig
from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.data.layouts import find_dataset, picture_list
from helpers.files import UserError, outputs_dir
from helpers.inference.predict import detect_index, to_results
from helpers.inference.predictor import checked_device
from helpers.inference.stored import StoredPredictions
from helpers.models.precision import autocast_dtype
from helpers.run_store import Run, find_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `predict`."""
    parser.add_argument("run_name", metavar="RUN", help="a trained run: its name or how it begins")
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        type=Path,
        help="folder of pictures or of a data set, or an annotation file (its `images` are "
        "enough); default: the validation split of the run",
    )
    parser.add_argument("--images", type=Path, help="image folder of an annotation file")
    parser.add_argument("--split", default="val", help="of a data set folder (default: val)")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation: slower, better")
    parser.add_argument(
        "--tta-sizes", type=int, nargs="+", metavar="PX", help="its short sides; turns it on, too"
    )
    parser.add_argument(
        "--merge", choices=("max", "mean", "vote"), help="how its views join; turns it on, too"
    )
    parser.add_argument(
        "--soft", action="store_true", help="keep mask probabilities, for ensembles"
    )
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="computed in; bf16 is faster on large pictures, nearly the same (default: the run's)",
    )
    parser.add_argument(
        "--shard", type=parse_shard, default=(1, 1), metavar="I/N", help="one of N processes' share"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: by run and data")
    parser.add_argument("--device", help="e.g. cpu or cuda:1; default: a GPU of its own, else cpu")


def run(args: argparse.Namespace) -> int:
    """Predict what is not there yet; say where the results lie, or what is still missing."""
    device = checked_device(args.device or _device(args.shard[0]))
    trained = find_run(args.run_name)
    index = _index(args, trained)
    test = trained.config.test
    test = replace(test, tta=_tta(args, test), precision=args.precision or test.precision)
    autocast_dtype(test.precision, device)  # refused before anything is made
    model = trained.model()
    folder = args.output or _folder(trained, args, test)
    stored = StoredPredictions.open(folder.expanduser(), _about(trained, model, index, test, args))
    _predict_missing(stored, trained, model.to(device), index, test, args)
    results = stored.assemble()
    if results is None:
        print(f"{len(stored.done())} of {len(index)} pictures done; other shards are missing")
        return 0
    print(results)
    if index.taxonomy.label_space == "fine":
        print(f"`python -m helpers submit {stored.folder}` makes the submission")
    return 0


def parse_shard(text: str) -> tuple[int, int]:
    """ "2/4" -> (2, 4), the second of four. ArgumentTypeError for anything else."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard: give I/N from 1/N to N/N")
    return int(number), int(of)


def _predict_missing(
    stored: StoredPredictions,
    trained: Run,
    model: nn.Module,
    index: InstanceIndex,
    test: TestConfig,
    args: argparse.Namespace,
) -> None:
    number, of = args.shard
    with stored.part(number, of) as part:
        done = stored.done()
        share = [i for i in index.image_ids[number - 1 :: of].tolist() if i not in done]
        if not share:
            return
        found = detect_index(
            model,
            index.subset(share),
            config=replace(trained.config, test=test),
        )
        for image_id, detections in found:
            results = to_results(detections, image_id, index.taxonomy)
            part.append(image_id, results, soft=detections if args.soft else None)


def _index(args: argparse.Namespace, trained: Run) -> InstanceIndex:
    if args.data is None:
        return trained.index("val")
    annotations, images = args.data.expanduser(), args.images
    if annotations.is_dir():
        if (listed := picture_list(annotations))["images"]:
            return _index_of(listed, annotations, trained)
        found = find_dataset(annotations)
        pair = found.get("all", found.get(args.split))
        if pair is None:
            known = ", ".join(sorted(found))
            raise UserError(f"{annotations} has no split {args.split!r}: choose --split {known}")
        annotations, images = pair[0], images or pair[1]
    return _read(annotations, images, trained)


def _index_of(listed: dict[str, Any], images: Path, trained: Run) -> InstanceIndex:
    with tempfile.TemporaryDirectory() as folder:
        annotations = Path(folder) / "pictures.json"
        annotations.write_text(json.dumps(listed))
        return _read(annotations, images, trained)


def _read(annotations: Path, images: Path | None, trained: Run) -> InstanceIndex:
    return read_index(
        annotations,
        images,
        mode="predict",
        label_space=trained.config.data.label_space,
        taxonomy=trained.taxonomy,
    )


def _tta(args: argparse.Namespace, test: TestConfig) -> TtaConfig | None:
    if not (args.tta or args.tta_sizes or args.merge):
        return test.tta
    tta = test.tta or TtaConfig.around(test.short_side)
    return replace(tta, sizes=tuple(args.tta_sizes or tta.sizes), merge=args.merge or tta.merge)


def _folder(trained: Run, args: argparse.Namespace, test: TestConfig) -> Path:
    data = "val" if args.data is None else args.data.expanduser().resolve().stem
    split = f"-{args.split}" if args.data is not None and args.data.is_dir() else ""
    tta = f"-tta-{test.tta.merge}" if test.tta else ""
    precision = f"-{test.precision}" if test.precision != "float32" else ""
    return outputs_dir() / "predictions" / trained.name / f"{data}{split}{tta}{precision}"


def _about(
    trained: Run, model: nn.Module, index: InstanceIndex, test: TestConfig, args: argparse.Namespace
) -> dict[str, Any]:
    coco = replace(index, annotation_ids=index.annotation_ids[:0]).to_coco()
    return {
        "run": trained.name,
        "weights": _weights_digest(model),
        "test": asdict(test),
        "label_space": index.taxonomy.label_space,
        "soft": args.soft,
        "data": index.digest,
        "pictures": _pictures_digest(index),
        "images": coco["images"],
        "categories": coco["categories"],
    }


def _pictures_digest(index: InstanceIndex) -> str:
    """Of the files' sizes and times: others of the same names are another prediction."""
    stats = [path.stat() for path in index.paths]
    text = " ".join(f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats)
    return hashlib.sha256(text.encode()).hexdigest()


def _weights_digest(model: nn.Module) -> str:
    """A run may have trained on since: other weights are another prediction."""
    sha = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().numpy())
    return sha.hexdigest()


def _device(number: int) -> str:
    count = torch.cuda.device_count()
    return f"cuda:{(number - 1) % count}" if count else "cpu"
