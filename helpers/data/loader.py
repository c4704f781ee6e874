"""From an index to batches of samples, the same ones with any number of workers and processes.

A sample depends on (seed, epoch, picture), the order on (seed, epoch): nothing else is random, so a
run that was stopped goes on with exactly the samples it would have seen.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from helpers.config import TrainConfig
from helpers.data.augment import (
    Draw,
    blurred,
    draw,
    generator,
    jitter,
    paste_resized,
    resized_size,
    rotated,
    to_tensor,
    transform_boxes,
)
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex, Instances
from helpers.data.photo import photographed
from helpers.data.pictures import read_picture
from helpers.data.rle import decode_box
from helpers.structures import Sample, Targets

_SHARED_MEMORY = re.compile("shared memory|Bus error|No space left on device")


class InstanceDataset(Dataset[Sample]):
    """Pictures of an index to train on, with the changes that `augment.draw` draws each epoch.

    Those without an instance (crowds do not count) are left out unless `config.keep_empty`.
    """

    def __init__(self, index: InstanceIndex, config: TrainConfig) -> None:
        self.index, self.config = index, config
        filled = np.zeros(len(index), dtype=bool)
        filled[index.image_rows[~index.crowd]] = True
        self.rows = np.flatnonzero(filled | config.keep_empty)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers see it change

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw anew. Between two passes, not within one: workers fetch ahead."""
        self._epoch.fill_(epoch)

    def __getitem__(self, position: int) -> Sample:
        """Sample number `position`; one length further on the same picture, drawn once more.

        Raises DataError when its picture cannot be read.
        """
        again, position = divmod(position, len(self))
        row = int(self.rows[position])
        key = (self.config.seed, self.epoch, row)
        if again:
            key = (*key, 0, again)  # (*key, 1) is that of `augment.Photo`
        drawn = draw(key, self.config)
        return make_sample(self.index, row, drawn, max_side=self.config.max_side)


def make_sample(index: InstanceIndex, row: int, drawn: Draw, *, max_side: int) -> Sample:
    """Picture number `row` and its targets after the changes `drawn`: the same ones, any time.

    Resized bilinearly, antialiased, on uint8, in training and test alike. Targets lie in the frame
    of the resized picture: boxes are the scaled boxes of the masks, masks are resized by nearest
    neighbour. Crowds become `ignore` boxes; an instance without a pixel left is dropped with its
    box and label. Raises DataError when the picture cannot be read.
    """
    size = index.image_size(row)
    picture = read_picture(index.paths[row], size)
    new = resized_size(size, drawn.short_side, max_side)
    image = blurred(to_tensor(jitter(picture, drawn), new, flip=drawn.flip), drawn.blur)
    targets = make_targets(index.instances(row), size, new, flip=drawn.flip)
    if drawn.photo:
        image, targets = photographed(image, targets, drawn.photo)
    image, targets = rotated(image, targets, drawn.angle)
    return Sample(image, targets, int(index.image_ids[row]))


def make_targets(
    instances: Instances, size: tuple[int, int], new: tuple[int, int], *, flip: bool = False
) -> Targets:
    """Targets in a picture resized from `size` to `new` (height, width), mirrored or not."""
    rows = np.flatnonzero(~instances.crowd)
    masks = np.zeros((len(rows), *new), dtype=bool)
    left = np.zeros(len(rows), dtype=bool)
    for n, row in enumerate(rows):
        x, y, w, h = (int(value) for value in instances.boxes[row])
        crop = decode_box(instances.rles[row], (x, y, w, h))
        if flip:
            crop, x = crop[:, ::-1], size[1] - x - w
        left[n] = paste_resized(crop, (x, y), size, masks[n])
    boxes = transform_boxes(instances.boxes, size, new, flip=flip)
    kept = rows[left]
    return Targets(
        boxes=boxes[kept],
        labels=torch.from_numpy(instances.labels[kept]),
        masks=torch.from_numpy(masks if left.all() else masks[left]),
        ignore=boxes[np.flatnonzero(instances.crowd)],
    )


def collate(samples: Sequence[Sample]) -> list[Sample]:
    """A batch is a list: pictures keep their own sizes, the model pads."""
    if get_worker_info() is not None:
        # The queue to the parent would do it too, but in a thread whose errors are lost: it hangs.
        for sample in samples:
            for tensor in (sample.image, *vars(sample.targets).values()):
                tensor.share_memory_()
    return list(samples)


class EpochSampler(Sampler[int]):
    """The positions one process visits in one epoch, in an order of (seed, epoch) alone.

    Process `rank` of `world` takes every world-th position. The order is padded by repeating
    its start, or truncated with `drop_last`, so that all processes take equally many steps.

    repeats: visits of each position in an epoch, (length,) float of 1 or more: the whole part of
    it, or one more in as many epochs as the fraction says. All epochs are equally long. The second
    visit is to `position + length`, and so on: the same picture, changed otherwise.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int,
        rank: int,
        world: int,
        drop_last: bool,
        repeats: NDArray[np.float64] | None,
    ) -> None:
        self.length, self.seed, self.repeats = length, seed, repeats
        self.rank, self.world, self.drop_last = rank, world, drop_last
        self.set_epoch(0)

    def set_epoch(self, epoch: int, *, start: int = 0) -> None:
        """Choose the epoch; `start`: how many positions of this process are done already."""
        self.epoch, self.start = epoch, start

    def __iter__(self) -> Iterator[int]:
        return iter(self._positions()[self.start :].tolist())

    def __len__(self) -> int:
        return max(0, len(self._positions()) - self.start)

    def _positions(self) -> NDArray[np.int64]:
        order = self._order()
        missing = 0 if self.drop_last else self.world - 1
        even = np.resize(order, (len(order) + missing) // self.world * self.world)
        return even[self.rank :: self.world]

    def _order(self) -> NDArray[np.int64]:
        random = generator(self.seed, self.epoch)
        order = random.permutation(self.length)
        if self.repeats is None:
            return order
        # Systematic sampling: the repeats end to end, in random order, met by evenly spaced points.
        ends = np.cumsum(self.repeats[order])
        visits = math.ceil(math.fsum(self.repeats))
        points = (np.arange(visits) + random.random()) * (ends[-1] / visits)
        met = np.searchsorted(ends, points, side="right").clip(max=self.length - 1)
        visit = np.arange(visits) - np.searchsorted(met, met)  # 0 the first of its position
        return random.permutation(order[met] + self.length * visit)


def repeat_factors(
    index: InstanceIndex, rows: NDArray[np.int64], *, threshold: float
) -> NDArray[np.float64] | None:
    """How often to show each of these pictures (rows of the index), as in LVIS (Gupta 2019).

    A class in a share f of the pictures gets max(1, sqrt(threshold / f)), a picture the greatest
    of its classes', one without instances 1. Crowds do not count. None for threshold 0.
    """
    if not threshold:
        return None
    shown = np.zeros((len(index), index.taxonomy.num_classes), dtype=bool)
    shown[index.image_rows[~index.crowd], index.labels[~index.crowd]] = True
    share = shown[rows].mean(axis=0)
    factors = np.sqrt(threshold / np.maximum(share, 1 / len(rows))).clip(min=1)
    return np.where(shown[rows], factors, 1.0).max(axis=1)


class WorkerLoader(DataLoader):
    """A `DataLoader` that says in one sentence when its workers run out of shared memory."""

    def __iter__(self) -> Iterator[Any]:
        """All batches. Raises DataError for too little shared memory, or a picture's own."""
        try:
            yield from super().__iter__()
        except DataError as error:  # a worker's comes with its whole trace in front
            raise DataError(str(error).rsplit("DataError: ", 1)[-1].strip()) from None
        except RuntimeError as error:
            if not _SHARED_MEMORY.search(str(error)):
                raise
            raise DataError(
                "the loader processes ran out of shared memory: give a container more (docker run "
                "--shm-size=8g), or set train.workers to 0"
            ) from error


def make_loader(
    dataset: InstanceDataset,
    *,
    batch_size: int,
    sampler: Sampler[int] | Sequence[int] | None = None,
    workers: int = 0,
    drop_last: bool = False,
) -> WorkerLoader:
    """Batches (lists of samples) in the sampler's order, by default that of the data set.

    workers: processes that prepare samples, kept between epochs; 0 prepares them right here.
    Signals to the group of this process do not reach them: they end when it has done with them.
    Where there is a GPU, samples lie in page-locked memory.
    """
    return WorkerLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        drop_last=drop_last,
        persistent_workers=workers > 0,
        worker_init_fn=_stand_alone,
        pin_memory=torch.cuda.is_available(),
    )


def _stand_alone(worker: int) -> None:
    """Ctrl-C and SIGTERM to a whole group would end the workers while their parent needs them."""
    os.setpgid(0, 0)
