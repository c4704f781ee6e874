"""What the rows of a ladder cost: a training step, and looking at a picture.

All rows are timed in one sitting, in turns, so that their ratios hold on a busy machine too; the
minutes that a run took beside other work do not compare. Weights do not matter: models are new.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from helpers.config import Preset, change
from helpers.files import make_folder, read_json, resolve, write_json
from helpers.inference.predict import predict_image
from helpers.inference.tta import views_of
from helpers.ladder.data import held_out
from helpers.ladder.reference import Reference
from helpers.ladder.rungs import MEMBERS, Rung, rungs
from helpers.models.build import build_model
from helpers.run_store import hardware
from helpers.training.data import read_split
from helpers.training.loop import prepare
from helpers.training.schedule import total_steps

KINDS = ("step", "picture")
ROUNDS = 3


def measure_costs(preset: Preset) -> Path:
    """Time every row that has a model of its own; writes costs.json beside the reference.

    Milliseconds, the median of some rounds, each time after one to warm up: `step`, one training
    step of the row's run, and `picture`, one picture of the training set with the row's views. An
    ensemble's are the sums of its members'.
    """
    models = [row for row in rungs(preset) if row.key != "ensemble"]
    spent = defaultdict(list)
    for _ in range(ROUNDS):
        for row in {row.config: row for row in models}.values():  # equal rows once
            for name, work in zip((row.run_name, row.config), _works(row), strict=True):
                work()
                spent[name].append(_milliseconds(work))
    rows: dict[str, dict[str, float]] = {
        row.key: {
            kind: round(float(np.median(spent[name])), 1)
            for kind, name in zip(KINDS, (row.run_name, row.config), strict=True)
        }
        for row in models
    }
    rows["ensemble"] = {k: round(sum(rows[one][k] for one in MEMBERS), 1) for k in KINDS}
    path = Reference.of(preset, hardware()).folder / "costs.json"
    make_folder(path.parent)
    write_json(path, {"hardware": hardware(), "threads": torch.get_num_threads(), "rows": rows})
    return path


def costs(reference: Reference) -> pd.DataFrame:
    """Milliseconds of a training step and of a picture, one row a rung; empty when not timed."""
    path = reference.folder / "costs.json"
    rows = read_json(path)["rows"] if path.exists() else {}
    return pd.DataFrame.from_dict(rows, orient="index", columns=KINDS)


def expected_hours(rows: Sequence[Rung]) -> float:
    """How long the rows will take here, one after the other, by what `measure_costs` timed.

    Each run takes its training steps and one view of each validation picture. A row with more
    views looks at the pictures once more, and so does a member of the ensemble, which looks at the
    held-out pictures, too.
    """
    preset = rows[0].preset
    reference = Reference.of(preset, hardware())
    if costs(reference).empty:
        measure_costs(preset)
    spent, data, total = costs(reference), rows[0].trained.data, 0.0
    train, val = (len(read_split(data, split)) for split in ("train", "val"))
    others = held_out(preset)
    more = 0 if others is None else len(read_json(resolve(others[0]))["images"])
    trained = [row for row in rows if row.key != "ensemble"]
    for row in {row.run_name: row for row in trained}.values():
        tta, section = row.config.test.tta, row.trained.train
        steps = total_steps(section, train // section.batch_size)
        one_view = spent["picture"][row.key] / (1 if tta is None else len(views_of(tta)))
        total += steps * spent["step"][row.key] + val * one_view
    again = [row for row in trained if row.config.test.tta is not None or row.key in MEMBERS]
    for row in {row.config: row for row in again}.values():
        total += (val + more * (row.key in MEMBERS)) * spent["picture"][row.key]
    return total / 3.6e6


def _works(row: Rung) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A training step, and looking at a picture, each to be timed again and again."""
    config = change(row.trained, model__pretrained=False, train__workers=0)
    index = read_split(config.data, "train")
    trainer, batches = prepare(config, index)
    samples, looked = batches(0), replace(config, test=row.config.test)
    model = build_model(config.model, config.loss, looked.test, index.taxonomy.num_classes)
    model = model.to(trainer.accelerator.device).eval()
    with Image.open(index.paths[0]) as file:
        image = file.convert("RGB")
    return lambda: trainer.train_step(next(samples)), lambda: predict_image(model, image, looked)


def _milliseconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started)
