"""What test-time augmentation does to one picture, and what it is worth on many."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers.config import Merge, TestConfig, TtaConfig
from helpers.data.index import InstanceIndex
from helpers.data.pictures import read_picture
from helpers.evaluation.average_precision import evaluate
from helpers.inference.paste import paste_masks
from helpers.inference.predict import resized_images, to_results
from helpers.inference.tta import AugmentedPicture, View, merge, views_of
from helpers.structures import Detections


@dataclass(frozen=True)
class Looks:
    """One picture in V views. K merged instances, M side of a mask grid.

    own: what each view finds by itself, with its own masks, in the frame of the picture; merged:
    the boxes of all views together; masks: (V, K, M, M) what each view says of those.
    """

    views: tuple[View, ...]
    own: tuple[Detections, ...]
    merged: Detections
    masks: Tensor

    def averaged(self, views: Sequence[int]) -> Detections:
        """The merged instances with the mean masks of some views. ValueError when none is given."""
        if not len(views):
            raise ValueError("no view is chosen: the mean of no mask is no mask")
        return replace(self.merged, masks=self.masks[list(views)].mean(dim=0))


def order_of(tta: TtaConfig, short_side: int) -> tuple[View, ...]:
    """All views, nearest to the usual short side first, plain before mirrored."""
    return tuple(sorted(views_of(tta), key=lambda v: (abs(v.short_side - short_side), v.flip)))


def look_at(model: nn.Module, index: InstanceIndex, row: int, test: TestConfig) -> Looks:
    """Picture number `row` in all views of `test.tta`. DataError when it can not be read."""
    picture = _picture(model, index, row, test)
    views = order_of(test.tta, test.short_side)
    found = [picture.look(view) for view in views]
    own = [
        replace(one, masks=picture.masks_in(number, one)).to("cpu")
        for number, one in enumerate(found)
    ]
    merged = merge(found, mode=test.tta.merge, test=test)
    masks = torch.stack(list(picture.masks(merged)))
    return Looks(views, tuple(own), merged.to("cpu"), masks.cpu())


def disagreement(looks: Looks, *, score: float = 0.5) -> NDArray[np.float64]:
    """(H, W) in 0..0.5: the share of views that differ from the majority about a pixel, for the
    instance of at least `score` where it is largest."""
    height, width = looks.merged.image_size
    worst = np.zeros((height, width))
    for k in np.flatnonzero(looks.merged.scores.numpy() >= score).tolist():
        alone = looks.merged[k : k + 1]
        planes = [paste_masks(replace(alone, masks=m[k : k + 1]))[0] for m in looks.masks]
        inside = torch.stack(planes).double().mean(dim=0).numpy()
        np.maximum(worst, np.minimum(inside, 1 - inside), out=worst)
    return worst


@dataclass(frozen=True)
class Worth:
    """What views are worth on a data set; scores AP, APs, APm, APl in percent.

    ladder: one row for each number of views in the order of `order_of`, with columns views, added
    (the last one), seconds (a picture: both passes and merging) and the scores. merging: the scores
    of all views under each way of merging. found: the COCO results behind each row of the ladder.
    """

    ladder: pd.DataFrame
    merging: pd.DataFrame
    found: tuple[list[dict[str, Any]], ...]


def worth(
    model: nn.Module,
    index: InstanceIndex,
    test: TestConfig,
    *,
    preset: str = "coco",
    progress: bool = True,
) -> Worth:
    """Score 1, 2, ... all views of `test.tta` under `preset`; each is computed once for all."""
    views = order_of(test.tta, test.short_side)
    ways = {way: replace(test, tta=replace(test.tta, merge=way)) for way in get_args(Merge)}
    ladder: list[list[dict[str, Any]]] = [[] for _ in views]
    merging: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    seconds = np.zeros(len(views))
    for row in tqdm(range(len(index)), desc="augment", unit="picture", disable=not progress):
        picture, image_id, spent = _picture(model, index, row, test), int(index.image_ids[row]), 0.0
        for number, view in enumerate(views):
            began = time.perf_counter()
            picture.look(view)
            looked = time.perf_counter()
            merged = _merged(picture, test)
            spent += looked - began  # the first pass of all views so far
            seconds[number] += spent + time.perf_counter() - looked
            ladder[number] += to_results(merged, image_id, index.taxonomy)
        for way, changed in ways.items():
            merged = _merged(picture, changed)
            merging[way] += to_results(merged, image_id, index.taxonomy)
    scores = [_scores(index, found, preset) for found in ladder]
    cost = seconds / max(1, len(index))
    rows = zip(range(1, len(views) + 1), map(str, views), cost, scores, strict=True)
    of_ways = {way: _scores(index, found, preset) for way, found in merging.items()}
    return Worth(
        pd.DataFrame([{"views": n, "added": v, "seconds": s, **row} for n, v, s, row in rows]),
        pd.DataFrame.from_dict(of_ways, orient="index").rename_axis("merge"),
        tuple(ladder),
    )


def _scores(index: InstanceIndex, results: list[dict[str, Any]], preset: str) -> dict[str, float]:
    metrics = evaluate(index, results, preset=preset, kinds=("segm",)).metrics["segm"]
    return {name: round(100 * metrics[name], 2) for name in ("AP", "APs", "APm", "APl")}


def _merged(picture: AugmentedPicture, test: TestConfig) -> Detections:
    merged = merge(picture.found, mode=test.tta.merge, test=test)
    masks = sum(picture.masks(merged)) / len(picture.views)
    return replace(merged, masks=masks).to("cpu")


def _picture(
    model: nn.Module, index: InstanceIndex, row: int, test: TestConfig
) -> AugmentedPicture:
    size = index.image_size(row)
    device = next(model.parameters()).device
    images = resized_images(read_picture(index.image_path(row), size), test)
    by_side = {s: image.to(device) for s, image in zip(test.tta.sizes, images, strict=True)}
    return AugmentedPicture(model, by_side, size)
