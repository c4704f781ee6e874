"""The two splits a config names, and the training batches of one of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Literal

from helpers.config import DataConfig, TrainConfig
from helpers.data.coco import read_index
from helpers.data.errors import Findings
from helpers.data.index import InstanceIndex
from helpers.data.loader import EpochSampler, InstanceDataset, make_loader, repeat_factors
from helpers.data.splits import compare_classes
from helpers.data.taxonomy import Taxonomy
from helpers.files import UserError, resolve
from helpers.structures import Sample

log = logging.getLogger(__name__)

Split = Literal["train", "val"]


def read_split(
    data: DataConfig, split: Split, *, taxonomy: Taxonomy | None = None
) -> InstanceIndex:
    """The index of a split, cut to the config's limit (its first pictures by id).

    taxonomy: classes it must agree with, those of the training split say. Raises DataError as
    `read_index` does.
    """
    train = split == "train"
    index = read_index(
        resolve(data.train_annotations if train else data.val_annotations),
        resolve(data.train_images if train else data.val_images),
        label_space=data.label_space,
        taxonomy=taxonomy,
    )
    limit = data.train_limit if train else data.val_limit
    return index if limit is None else index.subset(index.image_ids[:limit])


def read_splits(data: DataConfig) -> tuple[InstanceIndex, InstanceIndex]:
    """Training and validation split in the classes of the former; warns of another order of them.

    Raises DataError as `read_split`.
    """
    train = read_split(data, "train")
    val = read_split(data, "val", taxonomy=train.taxonomy)
    findings = Findings(resolve(data.val_annotations))
    compare_classes(train, val, findings)
    for finding in findings.report():
        log.warning("%s: %s", findings.file, finding.brief())
    return train, val


class TrainingBatches:
    """The batches of a whole training, as one process of `world` sees them; any step can be first.

    Batches are full: what remains of an epoch is left out, unless the data are fewer than a batch.
    `epoch_steps` is the number of steps in one pass. Raises UserError for an empty training
    set, and a batch size the processes cannot share evenly.
    """

    def __init__(
        self, index: InstanceIndex, config: TrainConfig, *, rank: int = 0, world: int = 1
    ) -> None:
        self._dataset = InstanceDataset(
            index,
            train=True,
            short_side=config.short_side,
            max_side=config.max_side,
            flip=config.flip,
            colour=config.colour,
            blur=config.blur,
            rotate=config.rotate,
            seed=config.seed,
            keep_empty=config.keep_empty,
        )
        images = len(self._dataset)
        if images == 0:
            raise UserError("the training set has no picture with an instance: check its file")
        if config.batch_size % world:
            raise UserError(
                f"train.batch_size {config.batch_size} cannot be shared by {world} processes: "
                f"use a multiple of {world}"
            )
        full = images >= config.batch_size
        self._share = config.batch_size // world
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
            batch_size=self._share,
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
            self._sampler.set_epoch(epoch, start=done * self._share)
            yield from self._loader
            epoch, done = epoch + 1, 0
