"""The two splits a config names, and the training batches of one of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from helpers.config import DataConfig, TrainConfig
from helpers.data import pictures
from helpers.data.coco import read_index
from helpers.data.errors import Findings
from helpers.data.index import InstanceIndex
from helpers.data.loader import EpochSampler, InstanceDataset, make_loader, repeat_factors
from helpers.data.splits import compare_classes, same_pictures
from helpers.data.taxonomy import Taxonomy
from helpers.files import UserError, resolve
from helpers.structures import Sample

log = logging.getLogger(__name__)

Split = Literal["train", "val"]
NAMED = 10  # classes in a sentence


def read_split(
    data: DataConfig, split: Split, *, taxonomy: Taxonomy | None = None
) -> InstanceIndex:
    """The index of a split, cut to the config's limit (its first pictures by id).

    taxonomy: classes it must agree with, such as those of the training split. Raises DataError as
    `read_index` does.
    """
    file, folder = (resolve(getattr(data, f"{split}_{what}")) for what in ("annotations", "images"))
    stamp = (file.stat().st_size, file.stat().st_mtime_ns) if file.exists() else None
    index = _read(file, folder, data.label_space, taxonomy, stamp)
    limit = getattr(data, f"{split}_limit")
    return index if limit is None else index.subset(index.image_ids[:limit])


@lru_cache(maxsize=2)  # both splits: read once in a process, their warnings logged once
def _read(
    file: Path, folder: Path, label_space: str, taxonomy: Taxonomy | None, stamp: object
) -> InstanceIndex:
    return read_index(file, folder, label_space=label_space, taxonomy=taxonomy)


def read_splits(data: DataConfig) -> tuple[InstanceIndex, InstanceIndex]:
    """Training and validation split in the classes of the former; warns of another order of them,
    and of pictures that are in both.

    Every picture is looked at, so that none can stop a training at its turn. Raises DataError as
    `read_split` and for broken pictures, UserError when super-categories make one class of many.
    """
    train = read_split(data, "train")
    taxonomy = train.taxonomy
    if taxonomy.num_classes == 1 < len(taxonomy.categories):
        raise UserError(
            f"data.label_space {data.label_space!r} makes one class, {taxonomy.names[0]!r}, of all "
            f"{len(taxonomy.categories)} categories of {data.train_annotations}: set "
            "data.label_space to fine"
        )
    val = read_split(data, "val", taxonomy=taxonomy)
    for split in (train, val):
        pictures.check_pictures(split)
    findings = Findings(resolve(data.val_annotations))
    compare_classes(train, val, findings)
    for left, right in same_pictures(train, val):
        findings.add("split-leak", f"{right} is {left}")
    for finding in findings.report():
        log.warning("%s: %s", findings.file, finding.brief())
    return train, val


def class_table(train: InstanceIndex, val: InstanceIndex) -> pd.DataFrame:
    """Pictures and instances of each class in both splits, a row each; crowds are not counted."""
    columns, classes = {"class": train.taxonomy.names}, train.taxonomy.num_classes
    for split, index in (("train", train), ("val", val)):
        pairs = np.stack([index.labels, index.image_rows], axis=1)[~index.crowd]
        shown = np.unique(pairs, axis=0)[:, 0]
        columns[f"{split} pictures"] = np.bincount(shown, minlength=classes)
        columns[f"{split} instances"] = np.bincount(pairs[:, 0], minlength=classes)
    return pd.DataFrame(columns)


def missing_classes(table: pd.DataFrame) -> list[str]:
    """What to warn of in a `class_table`: classes that one split has no instance of, by name."""
    taught, asked = table["train instances"] > 0, table["val instances"] > 0
    gaps = {
        "no picture of either split shows": ~taught & ~asked,
        "only val has, so that none of them will be found": ~taught & asked,
        "only train has, so that they are not scored": taught & ~asked,
    }
    return [
        f"{missing.sum()} classes that {what}: {', '.join(table['class'][missing][:NAMED])}"
        for what, missing in gaps.items()
        if missing.any()
    ]


class TrainingBatches:
    """The batches of a whole training, as one process of `world` sees them; any step can be first.

    Batches are full: what remains of an epoch is left out, unless the data are fewer than a batch.
    `epoch_steps` is the number of steps in one pass. Raises UserError for an empty training
    set, and a batch size the processes cannot share evenly.
    """

    def __init__(
        self, index: InstanceIndex, config: TrainConfig, *, rank: int = 0, world: int = 1
    ) -> None:
        self._dataset = InstanceDataset(index, config)
        images = len(self._dataset)
        if images == 0:
            raise UserError("the training set has no picture with an instance: check its file")
        if config.batch_size % world:
            raise UserError(
                f"train.batch_size {config.batch_size} cannot be shared by {world} processes: "
                f"use a multiple of {world}"
            )
        full = images >= config.batch_size
        self._batch_size = config.batch_size // world  # of this process
        self._sampler = EpochSampler(
            images,
            seed=config.seed,
            rank=rank,
            world=world,
            drop_last=full,
            repeats=repeat_factors(index, self._dataset.rows, threshold=config.repeat_factor),
        )
        self._loader = make_loader(
            self._dataset,
            batch_size=self._batch_size,
            sampler=self._sampler,
            workers=config.workers,
            drop_last=full,
        )
        self.epoch_steps = len(self._loader)

    def __call__(self, start: int) -> Iterator[list[Sample]]:
        """The batches of step `start` and all after it, without end."""
        epoch, done = divmod(start, self.epoch_steps)
        while True:
            self._dataset.set_epoch(epoch)
            self._sampler.set_epoch(epoch, start=done * self._batch_size)
            yield from self._loader
            epoch, done = epoch + 1, 0
