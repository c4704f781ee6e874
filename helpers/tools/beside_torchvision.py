"""`python -m helpers.tools.beside_torchvision`: the preset `own` beside torchvision's Mask R-CNN.

Both start from the same ImageNet backbone and see the same pictures of the same split, changed in
the same way, in batches of the same size; both end with a cosine to zero. Torchvision's is
`MaskRCNN` over `BackboneWithFPN`'s pyramid of 256 channels as its tutorials build it, with its own
anchors and heads and the tutorials' SGD. It gets the CPU time that ours took; one of ours gets the
number of steps that it made.

Time is CPU time of the one training process, so that other work on the machine counts little (a
busy machine still makes both slower: compare rows measured under the same load). Each training
is a process of its own and leaves a file; what has one is not trained again.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from helpers.config import ExperimentConfig, change
from helpers.data.index import InstanceIndex
from helpers.evaluation.average_precision import evaluate, percent
from helpers.evaluation.bootstrap import interval, mean_difference
from helpers.files import UserError, make_folder, outputs_dir, read_json, sha256, write_json
from helpers.inference.predict import predict_index
from helpers.models.backbones import Backbone
from helpers.models.images import Normalise
from helpers.run_store import hardware
from helpers.run_train import own_data
from helpers.structures import Detections, Targets
from helpers.training.data import TrainingBatches, read_splits
from helpers.training.loop import prepare
from helpers.training.own import fit_config
from helpers.training.trainer import Trainer

LEVELS = "0", "1", "2", "3"  # P2 to P5, as MaskRCNN wants them called
SAMPLED = 8, 2  # steps timed to know how many fit a time, and those before that do not count
SGD = {"train__optimizer": "sgd", "train__momentum": 0.9, "train__weight_decay": 5e-4}
SGD |= {"train__backbone_lr_factor": 1.0, "train__lr": 0.04}  # 0.005 for the tutorials' 2 pictures
AT_400 = {"train__short_side": (400, 400), "train__max_side": 667}
AT_400 |= {"test__short_side": 400, "test__max_side": 667}
MODELS = {  # changes of the config, and what it gets of another model: its time, or its steps
    "ours": ({}, None),
    "ours, from released": ({"model__start": "released"}, None),
    "ours, 28 x 28 masks": ({"model__mask_head": "conv"}, None),
    "torchvision, same sizes": (SGD, ("time", "ours")),
    "torchvision, 400 px": (SGD | AT_400, ("time", "ours")),
    "torchvision, same sizes, AdamW": ({}, ("time", "ours")),
    "ours, as many steps as torchvision": ({}, ("steps", "torchvision, same sizes")),
}


class Torchvision(nn.Module):
    """Torchvision's Mask R-CNN with the two verbs of our detectors; labels 0..K-1, no resizing."""

    def __init__(self, config: ExperimentConfig, num_classes: int) -> None:
        super().__init__()
        model = config.model
        self.backbone = Backbone(
            model.backbone,
            pretrained=model.pretrained,
            norm=model.norm,
            frozen_stages=model.frozen_stages,
        )
        self.normalise = Normalise(self.backbone.mean, self.backbone.std)
        pyramid = FeaturePyramidNetwork(list(self.backbone.channels), 256, LastLevelMaxPool())
        pyramid.out_channels = 256
        self.detector = MaskRCNN(
            pyramid,
            num_classes + 1,
            box_detections_per_img=config.test.max_detections,
            box_score_thresh=config.test.score_threshold,
        )

    def forward(self, images: Sequence[Tensor], targets: Sequence[Targets]) -> dict[str, Tensor]:
        """Its losses."""
        truth = [
            {"boxes": t.boxes, "labels": t.labels + 1, "masks": t.masks.to(torch.uint8)}
            for t in targets
        ]
        return self._run(images, truth)[1]

    @torch.no_grad()
    def predict(self, images: Sequence[Tensor]) -> list[Detections]:
        """Detections with masks of 28 x 28 cells, relative to their boxes."""
        found, _ = self._run(images, None)
        return [
            Detections(
                one["boxes"], one["scores"], one["labels"] - 1, tuple(image.shape[1:]),
                one["masks"][:, 0],
            )
            for one, image in zip(found, images, strict=True)
        ]  # fmt: skip

    def _run(self, images: Sequence[Tensor], truth: Any) -> tuple[Any, dict[str, Tensor]]:
        batch = self.normalise(images)
        listed = ImageList(batch.tensor, [tuple(size) for size in batch.sizes])
        levels = dict(zip(LEVELS, self.backbone(batch.tensor), strict=True))
        features = self.detector.backbone(levels)
        proposals, first = self.detector.rpn(listed, features, truth)
        found, second = self.detector.roi_heads(features, proposals, listed.image_sizes, truth)
        return found, first | second


def measure(config: ExperimentConfig, file: Path, seconds: float | None) -> None:
    """Train and score in this process; the numbers go to `file`, predictions beside it.

    seconds: CPU time to use instead of the config's steps. Names that begin with
    "torchvision" mean theirs.
    """
    torch.set_num_threads(1)  # one thread: its CPU time is its time on an idle core
    train, val = read_splits(config.data)
    if seconds is not None:
        trainer, batches = _prepared(config, train)
        a_step = float(np.median(_timed(trainer, batches, sum(SAMPLED))[SAMPLED[1] :]))
        config = change(config, **_length(max(1, round(seconds / a_step))))
    trainer, batches = _prepared(config, train)
    spent = _timed(trainer, batches, config.train.steps)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    results = predict_index(trainer.model, val, config=config, device="cpu", progress=False)
    write_json(_predictions(file), results)
    evaluation = evaluate(val, results, preset="coco")
    scores = evaluation.metrics
    row = {
        "model": config.name,
        "seed": config.train.seed,
        "mask AP": str(interval(val, results, preset="coco")),
        "AP50": percent(scores["segm"]["AP50"]),
        "boundary AP": percent(scores["boundary"]["AP"]),
        "box AP": str(interval(val, results, preset="coco", kind="bbox")),
        "steps": len(spent),
        "CPU s a step": round(float(np.median(spent)), 2),
        "CPU min": round(sum(spent) / 60, 1),
        "memory GiB": round(memory, 1),
    }
    about = {"config": config.to_dict(), "hardware": hardware(), "evaluation": evaluation.to_dict()}
    write_json(file, {"row": row, "seconds": sum(spent), **about})


def _predictions(file: Path) -> Path:
    return file.with_suffix(".predictions.json")


def _prepared(config: ExperimentConfig, train: Any) -> tuple[Trainer, TrainingBatches]:
    if not config.name.startswith("torchvision"):
        return prepare(config, train)
    torch.manual_seed(config.train.seed)
    model = Torchvision(config, train.taxonomy.num_classes)
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    trainer = Trainer(model, config.train, total=config.train.steps, accelerator=accelerator)
    return trainer, TrainingBatches(train, config.train)


def _timed(trainer: Trainer, batches: TrainingBatches, steps: int) -> list[float]:
    """CPU seconds of each of the first steps, pictures read and resized included."""
    spent, samples = [], batches(0)
    for _ in range(steps):
        began = time.process_time()
        trainer.train_step(next(samples))
        spent.append(time.process_time() - began)
    return spent


def run_all(args: argparse.Namespace) -> dict[tuple[str, int], Path]:
    """The file of every (model, seed); what has none yet is measured, one after the other."""
    name, sections = args.annotations.parent.name, own_data(args)
    plain = change(ExperimentConfig(name), **(sections | {"data__name": name}))
    train, _ = read_splits(plain.data)
    fitted = change(fit_config(train, plain.data, start=None).config, train__workers=0)
    read = "-".join(sha256(file)[:4] for file in (args.annotations, args.val_annotations))
    own = f"{name}-{read}-{fitted.hash()}-{args.steps}"
    folder = args.out or outputs_dir() / "beside_torchvision" / own
    make_folder(folder)
    files: dict[tuple[str, int], Path] = {}
    for seed in args.seeds:
        base = change(fitted, train__seed=seed)
        for model in args.models or MODELS:
            changes, _ = MODELS[model]
            file = folder / f"{model.replace(', ', '-').replace(' ', '_')}-{seed}.json"
            if not file.exists():
                steps, seconds = _allowed(model, args.steps, seed, files)
                config = change(base, name=model, **_length(steps), **changes)
                with ProcessPoolExecutor(1, get_context("spawn")) as alone:
                    alone.submit(measure, config, file, seconds).result()
            files[model, seed] = file
            print(table([file]).to_string(index=False), flush=True)
    return files


def _length(steps: int) -> dict[str, int]:
    """What of a config depends on the number of steps: a tenth of them warms up."""
    return {"train__steps": steps, "train__warmup_steps": min(100, steps // 10)}


def _allowed(
    model: str, steps: int, seed: int, files: Mapping[tuple[str, int], Path]
) -> tuple[int, float | None]:
    """Steps that a model may make, or the CPU seconds that it may take instead."""
    _, budget = MODELS[model]
    if budget is None:
        return steps, None
    kind, other = budget
    if (other, seed) not in files:
        raise UserError(f"{model!r} gets the {kind} of {other!r}: name that before")
    measured = read_json(files[other, seed])
    return (steps, measured["seconds"]) if kind == "time" else (measured["row"]["steps"], None)


def table(files: Iterable[Path]) -> pd.DataFrame:
    """One row a training: AP in per cent with 95 % over the pictures, what it took."""
    return pd.DataFrame([read_json(file)["row"] for file in files])


def differences(files: Mapping[tuple[str, int], Path], truth: InstanceIndex) -> pd.Series:
    """Mask AP of "ours" less that of each other model, mean over the seeds both have."""
    found = {key: _predictions(file) for key, file in files.items()}
    said = {}
    for other in dict.fromkeys(model for model, _ in found if model != "ours"):
        seeds = [n for model, n in found if model == other and ("ours", n) in found]
        pairs = [(truth, read_json(found[other, n]), read_json(found["ours", n])) for n in seeds]
        if pairs:
            said[f"ours less {other}"] = str(mean_difference(pairs, preset="coco"))
    return pd.Series(said)


def main() -> None:
    """Measure what is missing, print the table and the differences, write both as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--annotations", "--images", "--val-annotations", "--val-images"):
        parser.add_argument(option, type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600, help="of ours (default: 600)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, help="default: all")
    parser.add_argument("--out", type=Path, help="folder of the results")
    args = parser.parse_args()
    files = run_all(args)
    _, val = read_splits(change(ExperimentConfig("val"), **own_data(args)).data)
    rows, less = table(files.values()), differences(files, val)
    print(f"\n{rows.to_string(index=False)}\n\n{less.to_string()}")
    file = next(iter(files.values())).with_name("all.json")
    write_json(file, {"rows": rows.to_dict("records"), "differences": less.to_dict()})
    print(f"\n{file}")


if __name__ == "__main__":
    main()
