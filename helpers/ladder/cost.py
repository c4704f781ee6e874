"""What the rows of a ladder cost: a training step, and looking at a picture.

All rows are timed in one sitting, in turns, so that their ratios hold on a busy machine too; the
minutes that a run took beside other work do not compare. Weights do not matter: models are new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from helpers.config import Preset, change
from helpers.files import read_json, write_json
from helpers.inference.predict import predict_image
from helpers.ladder.reference import REFERENCE, Reference
from helpers.ladder.rungs import MEMBERS, Rung, rungs
from helpers.models.build import build_model
from helpers.run_store import hardware
from helpers.training.data import read_split
from helpers.training.loop import prepare
from helpers.training.schedule import total_steps


@dataclass(frozen=True)
class _Timed:
    """A row's two actions, each to be timed again and again."""

    step: Callable[[], Any]
    picture: Callable[[], Any]


def measure_costs(preset: Preset, *, rounds: int = 5, folder: Path = REFERENCE) -> Path:
    """Time every row that has a model of its own; writes costs.json beside the reference.

    Milliseconds, the median of `rounds` rounds after one to warm up: `step`, one training step, and
    `picture`, one picture of the training set with the row's views.
    """
    rows = [row for row in rungs(preset) if row.key != "ensemble"]
    timed = {row.key: _ready(row) for row in rows}
    found: dict[str, dict[str, list[float]]] = {key: {"step": [], "picture": []} for key in timed}
    for _ in range(rounds + 1):
        for key, one in timed.items():
            for what, action in (("step", one.step), ("picture", one.picture)):
                found[key][what].append(_milliseconds(action))
    costs = {
        key: {what: round(float(np.median(values[1:])), 1) for what, values in both.items()}
        for key, both in found.items()
    }
    costs["ensemble"] = {
        what: round(sum(costs[member][what] for member in MEMBERS), 1)
        for what in ("step", "picture")
    }
    path = Reference.of(preset, hardware(), folder).folder / "costs.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"hardware": hardware(), "threads": torch.get_num_threads(), "rows": costs})
    return path


def costs(reference: Reference) -> pd.DataFrame:
    """Milliseconds of a training step and of a picture, one row a rung; empty when not timed."""
    path = reference.folder / "costs.json"
    rows = read_json(path)["rows"] if path.exists() else {}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["step", "picture"])


def expected_hours(rows: Sequence[Rung], *, folder: Path = REFERENCE) -> float:
    """How long the rows will take here, one after the other, by what `measure_costs` timed: each
    run's training steps once, and the validation pictures of every row."""
    reference = Reference.of(rows[0].preset, hardware(), folder)
    if costs(reference).empty:
        measure_costs(rows[0].preset, rounds=2, folder=folder)
    spent, data = costs(reference), rows[0].trained.data
    pictures, total = {split: len(read_split(data, split)) for split in ("train", "val")}, 0.0
    for row in {row.run_name: row for row in rows if row.key != "ensemble"}.values():
        train = row.trained.train
        steps = total_steps(train, pictures["train"] // train.batch_size)
        total += steps * spent["step"][row.key] + pictures["val"] * spent["picture"][row.key]
    return total / 3.6e6


def _ready(row: Rung) -> _Timed:
    config = change(row.trained, model__pretrained=False, train__workers=0)
    index = read_split(config.data, "train")
    trainer, batches = prepare(config, index)
    samples = batches(0)
    model = build_model(config.model, config.loss, row.config.test, index.taxonomy.num_classes)
    model = model.to(trainer.accelerator.device).eval()
    looked = replace(config, test=row.config.test)
    with Image.open(index.image_path(0)) as file:
        image = file.convert("RGB")
    return _Timed(
        lambda: trainer.train_step(next(samples)), lambda: predict_image(model, image, looked)
    )


def _milliseconds(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started)
