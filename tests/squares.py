"""An ensemble whose members see one square each picture, or half of it, or nothing; stored too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.data.rle import encode
from helpers.evaluation.average_precision import evaluate
from helpers.ladder.ensemble import LETTERS, Members, all_scores
from helpers.ladder.measure import by_size
from helpers.ladder.reference import Entry, Reference, pack_soft, unpack_soft
from helpers.ladder.rungs import MEMBERS, Rung, rung
from helpers.structures import Detections

SIZE = (40, 60)
IMAGES = (1, 2, 3)
PRESET = "future3d"
MACHINE = "a machine"
LEARNT = {
    "calibrations": [{"scores": [0.0, 1.0], "values": [0.0, 0.5]}, None, None, None],
    "weights": [1.0, 0.6, 0.6, 1.0],
    "precision": [0.9, 0.1, 0.0, 0.9],
}


def truth() -> dict[str, Any]:
    """Three pictures with one square of 20 px each."""
    mask = np.zeros(SIZE, dtype=bool)
    mask[10:30, 10:30] = True
    return {
        "images": [
            {"id": n, "height": SIZE[0], "width": SIZE[1], "file_name": f"000000{n}.jpg"}
            for n in IMAGES
        ],
        "annotations": [
            {
                "id": n,
                "image_id": n,
                "category_id": 1,
                "segmentation": dict(encode(mask)),
                "area": 400,
                "bbox": [10, 10, 20, 20],
                "iscrowd": 0,
            }
            for n in IMAGES
        ],
        "categories": [{"id": 1, "name": "square", "supercategory": "shape"}],
    }


def soft() -> list[dict[int, Detections]]:
    """A sees each square, B its left half, C nothing, D sees it in the first picture alone."""
    whole, half = _sees([10.0, 10, 30, 30], 0.9), _sees([10.0, 10, 20, 30], 0.5)
    first = {1: whole, 2: whole[:0], 3: whole[:0]}
    members = [*(dict.fromkeys(IMAGES, one) for one in (whole, half, whole[:0])), first]
    return [unpack_soft(pack_soft(member.items())) for member in members]


def members() -> Members:
    return Members.of(soft(), LEARNT, truth(), PRESET)


def stored(folder: Path) -> Reference:
    """Its ladder: the ensemble, and two rungs of table 2 that are what A and B see."""
    reference, together = Reference.of("bench", MACHINE, folder), members()
    reference.write("truth.json.xz", truth())
    names = [f"{key}-0.json.xz" for key in MEMBERS]
    for name, member in zip(names, soft(), strict=True):
        reference.write(name, pack_soft(member.items()))
    extra = {"members": list(MEMBERS), "soft": names, "learnt": LEARNT}
    add(reference, "x101", "B")
    add(reference, "s101", "A")
    add(reference, "ensemble", LETTERS, extra=extra | all_scores(together))
    return reference


def add(
    reference: Reference,
    key: str,
    letters: str,
    *,
    seed: int = 0,
    extra: dict[str, Any] | None = None,
) -> None:
    """Put a row in that is what those members see."""
    row, results = rung("bench", key, seed=seed), members().results(letters)
    reference.add(_entry(reference, row, results, extra or {}))


def _sees(box: list[float], score: float) -> Detections:
    labels = torch.zeros(1, dtype=torch.int64)
    return Detections(torch.tensor([box]), torch.tensor([score]), labels, SIZE, torch.ones(1, 8, 8))


def _entry(
    reference: Reference, row: Rung, results: list[dict[str, Any]], extra: dict[str, Any]
) -> Entry:
    name = f"{row.key}-{row.seed}.json.xz"
    reference.keep(name, results, PRESET, row.seed)
    return Entry(
        rung=row.key,
        seed=row.seed,
        run=row.run_name,
        data="squares",
        steps=1,
        minutes=2.0,
        hardware=MACHINE,
        versions={},
        config=row.settings(),
        sha256={},
        predictions=name,
        evaluation=evaluate(truth(), results, preset=PRESET).to_dict(),
        sizes=by_size(truth(), results, PRESET),
        extra=extra,
    )
