"""From an index to batches of samples, the same ones with any number of workers and processes.

A sample depends on (seed, epoch, picture), the order on (seed, epoch): nothing else is random, so a
run that was stopped goes on with exactly the samples it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from helpers.data.augment import (
    Draw,
    draw,
    generator,
    jitter,
    paste_resized,
    resized_size,
    to_tensor,
    transform_boxes,
)
from helpers.data.index import InstanceIndex, Instances
from helpers.data.pictures import read_picture
from helpers.masks.rle import decode_box
from helpers.structures import Sample, Targets


class InstanceDataset(Dataset[Sample]):
    """Pictures of an index, resized (bilinear, antialiased, on uint8; in training and test alike).

    train: draw size, flip and colour per picture and epoch; else one size and no change.
    short_side: in pixels, or the range it is drawn from, both ends included; max_side bounds the
    other side. flip: probability; colour: see `augment.draw`. keep_empty: keep pictures without
    an instance (crowds do not count); by default all are kept but in training.

    Targets lie in the frame of the resized picture: boxes are the scaled boxes of the masks, masks
    are resized by nearest neighbour. Crowds become `ignore` boxes; an instance without a pixel
    left is dropped with its box and label.
    """

    def __init__(
        self,
        index: InstanceIndex,
        *,
        train: bool,
        short_side: tuple[int, int] | int,
        max_side: int,
        flip: float = 0.0,
        colour: float = 0.0,
        seed: int = 0,
        keep_empty: bool | None = None,
    ) -> None:
        sides = (short_side, short_side) if isinstance(short_side, int) else short_side
        if not 1 <= sides[0] <= sides[1] or max_side < 1:
            raise ValueError(f"short_side {short_side} and max_side {max_side} must be sizes >= 1")
        if not train and (sides[0] != sides[1] or flip or colour):
            raise ValueError("without train=True there is one short_side, no flip and no colour")
        self.index, self.train, self.seed = index, train, seed
        self.short_side, self.max_side = (sides[0], sides[1]), max_side
        self.flip, self.colour = flip, colour
        filled = np.zeros(len(index), dtype=bool)
        filled[index.image_rows[~index.crowd]] = True
        keep = not train if keep_empty is None else keep_empty
        self.rows = np.flatnonzero(filled | keep)
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
        """Sample number `position`. Raises DataError when its picture can not be read."""
        row = int(self.rows[position])
        size = self.index.image_size(row)
        picture = read_picture(self.index.image_path(row), size)
        drawn = self._draw(row)
        new = resized_size(size, drawn.short_side, self.max_side)
        return Sample(
            image=to_tensor(jitter(picture, drawn), new, flip=drawn.flip),
            targets=make_targets(self.index.instances(row), size, new, flip=drawn.flip),
            image_id=int(self.index.image_ids[row]),
            original_size=size,
        )

    def _draw(self, row: int) -> Draw:
        if not self.train:
            return Draw(self.short_side[0])
        key = (self.seed, self.epoch, row)
        return draw(key, short_side=self.short_side, flip=self.flip, colour=self.colour)


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
    return list(samples)


class EpochSampler(Sampler[int]):
    """The positions one process visits in one epoch, in an order of (seed, epoch) alone.

    Process `rank` of `world` takes every world-th position. When shuffling, the order is filled up
    from its own beginning so that all processes make equally many steps; else nothing is repeated.
    """

    def __init__(
        self, length: int, *, seed: int = 0, shuffle: bool = True, rank: int = 0, world: int = 1
    ) -> None:
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} is not one of {world} processes")
        self.length, self.seed, self.shuffle = length, seed, shuffle
        self.rank, self.world = rank, world
        self.set_epoch(0)

    def set_epoch(self, epoch: int, *, start: int = 0) -> None:
        """Choose the epoch; `start`: how many positions of this process are done already."""
        self.epoch, self.start = epoch, start

    def __iter__(self) -> Iterator[int]:
        return iter(self._positions()[self.start :].tolist())

    def __len__(self) -> int:
        return max(0, len(self._positions()) - self.start)

    def _positions(self) -> NDArray[np.int64]:
        if not self.shuffle:
            return np.arange(self.rank, self.length, self.world)
        order = generator(self.seed, self.epoch).permutation(self.length)
        filled = np.resize(order, -(-self.length // self.world) * self.world)
        return filled[self.rank :: self.world]


def make_loader(
    dataset: InstanceDataset,
    *,
    batch_size: int,
    sampler: Sampler[int] | Sequence[int] | None = None,
    workers: int = 0,
    drop_last: bool = False,
) -> DataLoader[list[Sample]]:
    """Batches (lists of samples) in the sampler's order, by default that of the data set.

    workers: processes that prepare samples, kept between epochs; 0 prepares them right here.
    """
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        drop_last=drop_last,
        persistent_workers=workers > 0,
    )
