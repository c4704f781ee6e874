"""Samples and batches: geometry, determinism, and the same answer with any number of workers."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datafiles import Document, annotation, picture, uncompressed, write
from PIL import Image

from helpers.config import TrainConfig
from helpers.data import rle as rles
from helpers.data.augment import Draw
from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.data.loader import (
    EpochSampler,
    InstanceDataset,
    make_loader,
    make_sample,
    make_targets,
    repeat_factors,
)
from helpers.structures import Sample


def plain(index: InstanceIndex, row: int = 0, short: int = 16, longest: int = 100) -> Sample:
    return make_sample(index, row, Draw(short), max_side=longest)


def training(index: InstanceIndex, **changes: Any) -> InstanceDataset:
    options = {"short_side": (12, 40), "max_side": 60, "colour": 0.3} | changes
    return InstanceDataset(index, TrainConfig(**options))


def sampler_of(length: int, *, seed: int, **given: Any) -> EpochSampler:
    options = {"rank": 0, "world": 1, "drop_last": False, "repeats": None} | given
    return EpochSampler(length, seed=seed, **options)


def equal(first: Sample, second: Sample) -> bool:
    pairs = zip(vars(first.targets).values(), vars(second.targets).values(), strict=True)
    return (
        first.image_id == second.image_id
        and torch.equal(first.image, second.image)
        and all(torch.equal(a, b) for a, b in pairs)
    )


@pytest.fixture
def index(tmp_path: Path) -> InstanceIndex:
    return read_index(write(tmp_path))


def of_sizes(folder: Path, sizes: list[tuple[int, int]]) -> InstanceIndex:
    """A picture of each (height, width), with an instance of 9 x 7 px in its lower right corner."""

    def change(doc: Document, folder: Path) -> None:
        doc["images"], doc["annotations"] = [], []
        for n, (height, width) in enumerate(sizes, start=1):
            picture(height, width, seed=n).save(folder / f"{n}.png")
            entry = {"id": n, "width": width, "height": height, "file_name": f"{n}.png"}
            doc["images"].append(entry)
            doc["annotations"].append(annotation(n, n, 3, (width - 9, height - 7, 9, 7)))

    return read_index(write(folder, change))


@pytest.fixture
def many(tmp_path: Path) -> InstanceIndex:
    return of_sizes(tmp_path, [(10 + n, 30 - n) for n in range(1, 12)])


def test_sample_at_its_own_size_is_the_file(index: InstanceIndex, tmp_path: Path) -> None:
    sample = plain(index)
    assert np.array_equal(
        sample.image.permute(1, 2, 0), np.asarray(Image.open(tmp_path / "one.png"))
    )
    assert sample.image.dtype == torch.uint8 and sample.image.is_contiguous()
    assert sample.image_id == 1
    targets = sample.targets
    assert targets.boxes.tolist() == [[2, 3, 10, 8], [12, 1, 22, 15]]
    assert targets.labels.tolist() == [0, 1]
    assert [int(mask.sum()) for mask in targets.masks] == [40, 140]
    assert targets.masks[0, 3:8, 2:10].all()
    assert (targets.boxes.dtype, targets.masks.dtype) == (torch.float32, torch.bool)
    assert targets.ignore.shape == (0, 4)


def test_D28_D29_pictures_with_nothing_and_with_crowds_only(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        doc["annotations"].pop()
        picture(8, 8).save(folder / "three.png")
        doc["images"].append({"id": 3, "width": 8, "height": 8, "file_name": "three.png"})
        doc["annotations"].append(annotation(20, 3, 7, (1, 2, 3, 4)) | {"iscrowd": 1})

    index = read_index(write(tmp_path, change))
    assert len(training(index, keep_empty=True)) == 3 and len(training(index)) == 1
    nothing, crowd = (plain(index, row, short=20).targets for row in (1, 2))
    assert nothing.boxes.shape == (0, 4) and nothing.masks.shape == (0, 25, 20)
    assert nothing.labels.dtype == torch.int64 and nothing.masks.dtype == torch.bool
    assert len(crowd) == 0 and crowd.ignore.tolist() == [[2.5, 5.0, 10.0, 15.0]]
    mirrored = make_targets(index.instances(2), (8, 8), (16, 16), flip=True)
    assert mirrored.ignore.tolist() == [[8.0, 4.0, 14.0, 12.0]]


def test_D21_D22_holes_and_overlaps_survive_flip_and_resize(tmp_path: Path) -> None:
    ring = np.zeros((16, 24), dtype=bool)
    ring[2:14, 2:20] = True
    ring[5:11, 6:15] = False

    def change(doc: Document, folder: Path) -> None:
        entry = {"size": [16, 24], "counts": uncompressed(ring)}
        doc["annotations"][0].update(segmentation=entry, bbox=None, area=None)

    index = read_index(write(tmp_path, change))
    targets = make_targets(index.instances(0), (16, 24), (32, 48), flip=True)
    assert np.array_equal(targets.masks[0], ring[:, ::-1].repeat(2, axis=0).repeat(2, axis=1))
    assert int(targets.masks[1].sum()) == 4 * 140  # whole, though the ring covers some of it


def test_D40_picture_and_masks_are_flipped_together(tmp_path: Path) -> None:
    def mark(doc: Document, folder: Path) -> None:
        values = np.zeros((16, 24, 3), dtype=np.uint8)
        values[3:8, 2:10] = 255
        Image.fromarray(values).save(folder / "one.png")

    index = read_index(write(tmp_path, mark))
    dataset = training(index, short_side=(16, 16), colour=0.0)
    seen = set()
    for epoch in range(12):
        dataset.set_epoch(epoch)
        sample = dataset[0]
        assert torch.equal(sample.image[0] > 0, sample.targets.masks[0])
        seen.add(int(sample.targets.boxes[0, 0]))
    assert seen == {2, 14}


def nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Each new pixel shows the old pixel under its centre."""
    rows = ((np.arange(size[0]) + 0.5) * mask.shape[0] / size[0]).astype(int)
    columns = ((np.arange(size[1]) + 0.5) * mask.shape[1] / size[1]).astype(int)
    return mask[rows[:, None], columns]


@pytest.mark.parametrize("size", [(16, 24), (5, 7), (31, 50), (64, 96)])
def test_D41_box_crops_resize_like_whole_masks(index: InstanceIndex, size: tuple[int, int]) -> None:
    instances = index.instances(0)
    targets = make_targets(instances, (16, 24), size)
    for rle, mask, box in zip(instances.rles, targets.masks, targets.boxes, strict=True):
        assert np.array_equal(mask, nearest(rles.decode(rle), size))
        ys, xs = mask.nonzero(as_tuple=True)
        tight = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        assert (tight - box).abs().max() <= 1


def test_D42_samples_depend_on_seed_and_epoch_alone_and_colour_on_neither_mask(
    index: InstanceIndex,
) -> None:
    first, again, other = training(index), training(index), training(index, seed=1)
    grey = training(index, colour=0.0)
    changed = 0
    for epoch in range(6):
        for dataset in (first, again, other, grey):
            dataset.set_epoch(epoch)
        assert equal(first[1], again[1]) and not equal(first[1], other[1])
        assert torch.equal(first[0].targets.masks, grey[0].targets.masks)
        changed += not torch.equal(first[0].image, grey[0].image)
    assert changed > 0
    again.set_epoch(6)
    assert not equal(first[1], again[1])


@pytest.mark.parametrize("kept", [2, 0])
def test_D44_vanished_instances_leave_together(tmp_path: Path, kept: int) -> None:
    def change(doc: Document, folder: Path) -> None:
        small = annotation(5, 1, 7, (3, 3, 1, 1))
        doc["annotations"] = [small, *doc["annotations"][: 2 if kept else 0]]

    targets = plain(read_index(write(tmp_path, change)), short=4).targets
    assert targets.boxes.shape == (kept, 4) and targets.masks.shape == (kept, 4, 6)
    assert targets.labels.tolist() == [0, 1][:kept] and targets.masks.any(dim=(1, 2)).all()


@pytest.mark.filterwarnings("ignore:This DataLoader will create 8 worker processes")
@pytest.mark.parametrize("workers", [1, 8])
def test_D45_any_number_of_workers_yields_the_same(many: InstanceIndex, workers: int) -> None:
    epochs: dict[int, list[list[Sample]]] = {0: [], workers: []}
    for count in epochs:
        dataset = training(many, seed=3)
        sampler = sampler_of(len(dataset), seed=3)
        loader = make_loader(dataset, batch_size=4, sampler=sampler, workers=count)
        for epoch in (0, 1):
            dataset.set_epoch(epoch)
            sampler.set_epoch(epoch)
            epochs[count].extend(loader)
    assert [len(batch) for batch in epochs[0]] == [4, 4, 3, 4, 4, 3]
    alone, shared = (list(chain.from_iterable(batches)) for batches in epochs.values())
    assert all(equal(a, b) for a, b in zip(alone, shared, strict=True))
    first, second = ([sample.image_id for sample in alone[n : n + 11]] for n in (0, 11))
    assert sorted(first) == sorted(second) == list(range(1, 12)) and first != second


def test_D33_a_broken_picture_stops_the_loader_by_name(many: InstanceIndex) -> None:
    path = many.paths[4]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=path.name) as caught:
        list(make_loader(training(many), batch_size=2, workers=1))
    assert "Traceback" not in str(caught.value)  # of the worker


def test_too_little_shared_memory_is_told(many: InstanceIndex, monkeypatch) -> None:
    def full(tensor: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    loader = make_loader(training(many), batch_size=1, workers=1)
    monkeypatch.setattr(torch.Tensor, "share_memory_", full)  # the forked worker has it, too
    with pytest.raises(DataError, match=r"--shm-size.*workers to 0"):
        list(loader)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("repeats", [None, np.array([1.0, 3.3, 1.0, 2.2, 1.0])])
def test_sampler_shares_an_epoch_and_goes_on_in_its_middle(world: int, repeats) -> None:
    parts = [sampler_of(5, seed=1, rank=r, world=world, repeats=repeats) for r in range(world)]
    alone, orders = sampler_of(5, seed=1, repeats=repeats), set()
    for epoch in (0, 1, 7):
        for sampler in (*parts, alone):
            sampler.set_epoch(epoch)
        whole, shares = list(alone), [list(part) for part in parts]
        assert len(whole) == len(alone) == (5 if repeats is None else 9)
        assert {place % 5 for place in whole} == set(range(5))
        assert len(set(whole)) == len(whole)  # a second visit has a number of its own
        assert len({len(share) for share in shares}) == 1
        assert list(chain.from_iterable(zip(*shares, strict=True)))[: len(whole)] == whole
        for part, share in zip(parts, shares, strict=True):
            part.set_epoch(epoch, start=1)
            assert list(part) == share[1:]
        orders.add(tuple(whole))
    assert len(orders) > 1


def test_a_picture_that_is_shown_twice_in_an_epoch_is_drawn_twice(many: InstanceIndex) -> None:
    dataset = training(many, short_side=(10, 200), max_side=400)
    first, second = dataset[3], dataset[3 + len(dataset)]
    assert first.image_id == second.image_id and first.image.shape != second.image.shape


def test_repeat_factors_follow_the_rarest_class(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        size = {"width": 24, "height": 16, "file_name": "one.png"}
        doc["images"] = [{"id": n, **size} for n in range(1, 101)]
        doc["annotations"] = [annotation(n, n, 3, (0, 0, 4, 4)) for n in range(1, 100)]
        doc["annotations"] += [annotation(200 + n, n, 7, (5, 5, 4, 4)) for n in (10, 20, 30, 40)]
        doc["annotations"].append(annotation(300, 50, 7, (5, 5, 4, 4)) | {"iscrowd": 1})

    index = read_index(write(tmp_path, change))
    rows = np.arange(100)
    found = repeat_factors(index, rows, threshold=0.25)
    rare = np.isin(index.image_ids, [10, 20, 30, 40])
    assert found[rare] == pytest.approx((0.25 / 0.04) ** 0.5) and (found[~rare] == 1).all()
    half = repeat_factors(index, rows[:20], threshold=0.25)  # there, 2 of 20 show it
    assert half[9] == pytest.approx((0.25 / 0.1) ** 0.5)
    assert repeat_factors(index, rows, threshold=0.0) is None
