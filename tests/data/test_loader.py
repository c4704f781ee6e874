"""Samples and batches: geometry, determinism, and the same answer with any number of workers."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from datafiles import Document, annotation, picture, rectangle, uncompressed, write
from PIL import Image
from torch.utils.data._utils.pin_memory import pin_memory

from helpers.data import rle as rles
from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.data.loader import (
    EpochSampler,
    InstanceDataset,
    make_loader,
    make_targets,
    repeat_factors,
)
from helpers.structures import Sample


def plain(index: InstanceIndex, short: int = 16, longest: int = 100) -> InstanceDataset:
    return InstanceDataset(index, train=False, short_side=short, max_side=longest)


def training(index: InstanceIndex, *, seed: int = 0, colour: float = 0.3) -> InstanceDataset:
    return InstanceDataset(
        index, train=True, short_side=(12, 40), max_side=60, flip=0.5, colour=colour, seed=seed
    )


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


@pytest.fixture
def many(tmp_path: Path) -> InstanceIndex:
    """Eleven pictures of different sizes."""

    def change(doc: Document, folder: Path) -> None:
        doc["images"], doc["annotations"] = [], []
        for n in range(1, 12):
            height, width = 10 + n, 30 - n
            picture(height, width, seed=n).save(folder / f"{n}.png")
            entry = {"id": n, "width": width, "height": height, "file_name": f"{n}.png"}
            doc["images"].append(entry)
            doc["annotations"].append(annotation(n, n, 3, (n // 2, 1, 9, 7)))

    return read_index(write(tmp_path, change))


def test_sample_at_its_own_size_is_the_file(index: InstanceIndex, tmp_path: Path) -> None:
    sample = plain(index)[0]
    stored = np.asarray(Image.open(tmp_path / "one.png"))
    assert np.array_equal(sample.image.permute(1, 2, 0), stored)
    assert sample.image.dtype == torch.uint8 and sample.image.is_contiguous()
    assert (sample.image_id, sample.original_size) == (1, (16, 24))
    targets = sample.targets
    assert targets.boxes.tolist() == [[2, 3, 10, 8], [12, 1, 22, 15]]
    assert targets.labels.tolist() == [0, 1]
    assert [mask.sum() for mask in targets.masks] == [40, 140]
    assert targets.masks[0, 3:8, 2:10].all()
    assert (targets.boxes.dtype, targets.labels.dtype) == (torch.float32, torch.int64)
    assert targets.masks.dtype == torch.bool and targets.ignore.shape == (0, 4)


def test_D38_red_arrives_as_red(tmp_path: Path) -> None:
    def red(doc: Document, folder: Path) -> None:
        Image.new("RGB", (24, 16), (255, 0, 0)).save(folder / "one.png")

    sample = plain(read_index(write(tmp_path, red)), short=32)[0]
    assert [int(channel.float().mean()) for channel in sample.image] == [255, 0, 0]


def empty(doc: Document, folder: Path) -> None:
    """The second picture has nothing, a third one a crowd only."""
    doc["annotations"].pop()
    picture(8, 8).save(folder / "three.png")
    doc["images"].append({"id": 3, "width": 8, "height": 8, "file_name": "three.png"})
    crowd = annotation(20, 3, 7, (1, 2, 3, 4)) | {"iscrowd": 1}
    doc["annotations"].append(crowd)


def test_D29_pictures_without_instances(tmp_path: Path) -> None:
    index = read_index(write(tmp_path, empty))
    kept = plain(index, short=20)
    assert len(kept) == 3 and len(training(index)) == 1
    nothing, crowd = kept[1].targets, kept[2].targets
    assert nothing.boxes.shape == (0, 4) and nothing.masks.shape == (0, 25, 20)
    assert nothing.labels.shape == (0,) and nothing.labels.dtype == torch.int64
    assert nothing.masks.dtype == torch.bool and nothing.boxes.dtype == torch.float32
    assert len(crowd) == 0 and crowd.ignore.tolist() == [[2.5, 5.0, 10.0, 15.0]]


def test_D28_crowds_are_ignore_boxes_and_follow_the_flip(tmp_path: Path) -> None:
    index = read_index(write(tmp_path, empty))
    targets = make_targets(index.instances(2), (8, 8), (16, 16), flip=True)
    assert targets.ignore.tolist() == [[8.0, 4.0, 14.0, 12.0]]


def test_D21_holes_survive_flip_and_resize(tmp_path: Path) -> None:
    ring = np.zeros((16, 24), dtype=bool)
    ring[2:14, 2:20] = True
    ring[5:11, 6:15] = False

    def change(doc: Document, folder: Path) -> None:
        entry = {"size": [16, 24], "counts": uncompressed(ring)}
        doc["annotations"][0].update(segmentation=entry, bbox=None, area=None)

    index = read_index(write(tmp_path, change))
    targets = make_targets(index.instances(0), (16, 24), (32, 48), flip=True)
    expected = ring[:, ::-1].repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(targets.masks[0], expected)
    again = rles.decode(rles.encode(targets.masks[0].numpy()))
    assert np.array_equal(again, expected)


def test_D22_overlapping_instances_stay_whole(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        doc["annotations"][1].update(annotation(12, 1, 7, (4, 4, 12, 10)))

    targets = plain(read_index(write(tmp_path, change)))[0].targets
    assert [int(mask.sum()) for mask in targets.masks] == [40, 120]
    assert (targets.masks[0] & targets.masks[1]).sum() == 24


@pytest.mark.parametrize("size", [(16, 24), (15, 23), (33, 47), (9, 11)])
def test_D40_flip(index: InstanceIndex, size: tuple[int, int]) -> None:
    instances = index.instances(0)
    straight = make_targets(instances, (16, 24), size)
    flipped = make_targets(instances, (16, 24), size, flip=True)
    if size == (16, 24):
        assert torch.equal(flipped.masks, straight.masks.flip(2))
        xs = flipped.masks[0].any(0).nonzero()
        assert flipped.boxes[0, [0, 2]].tolist() == [xs.min(), xs.max() + 1]
    left, top, right, bottom = straight.boxes.unbind(1)
    twice = torch.stack([size[1] - right, top, size[1] - left, bottom], dim=1)
    assert torch.allclose(flipped.boxes, twice, atol=1e-4)


def test_D40_picture_and_masks_are_flipped_together(tmp_path: Path) -> None:
    def mark(doc: Document, folder: Path) -> None:
        values = np.zeros((16, 24, 3), dtype=np.uint8)
        values[3:8, 2:10] = 255
        Image.fromarray(values).save(folder / "one.png")

    index = read_index(write(tmp_path, mark))
    dataset = InstanceDataset(index, train=True, short_side=16, max_side=99, flip=0.5)
    seen = set()
    for epoch in range(12):
        dataset.set_epoch(epoch)
        sample = dataset[0]
        assert torch.equal(sample.image[0] > 0, sample.targets.masks[0])
        seen.add(int(sample.targets.boxes[0, 0]))
    assert seen == {2, 14}


def slow_nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Each new pixel shows the old pixel under its centre, one by one."""
    out = np.zeros(size, dtype=bool)
    for j in range(size[0]):
        for i in range(size[1]):
            y = int((j + 0.5) * mask.shape[0] / size[0])
            x = int((i + 0.5) * mask.shape[1] / size[1])
            out[j, i] = mask[y, x]
    return out


@pytest.mark.parametrize("size", [(16, 24), (5, 7), (31, 50), (64, 96)])
def test_D41_box_crops_resize_like_whole_masks(index: InstanceIndex, size: tuple[int, int]) -> None:
    instances = index.instances(0)
    targets = make_targets(instances, (16, 24), size)
    for rle, mask, box in zip(instances.rles, targets.masks, targets.boxes, strict=True):
        assert np.array_equal(mask, slow_nearest(rles.decode(rle), size))
        ys, xs = mask.nonzero(as_tuple=True)
        tight = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        assert (tight - box).abs().max() <= 1


def test_D41_masks_survive_the_way_to_1500_and_back(tmp_path: Path) -> None:
    yy, xx = np.mgrid[:1200, :1200]
    disc = (yy - 500) ** 2 + (xx - 700) ** 2 < 40**2

    def change(doc: Document, folder: Path) -> None:
        Image.new("RGB", (1200, 1200)).save(folder / "one.png")
        doc["images"][0].update(width=1200, height=1200)
        doc["annotations"][:2] = [annotation(11, 1, 3, (0, 0, 1, 1))]
        doc["annotations"][0].update(segmentation=rles.encode(disc), bbox=None, area=None)

    index = read_index(write(tmp_path, change))
    for short in (1200, 1350, 1500):
        sample = plain(index, short=short, longest=1500)[0]
        assert sample.image.shape == (3, short, short) == (3, *sample.targets.masks.shape[1:])
        back = shrunk(sample.targets.masks[0].numpy(), (1200, 1200))
        assert (back & disc).sum() / (back | disc).sum() > 0.98


def shrunk(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows = ((np.arange(size[0]) + 0.5) * mask.shape[0] / size[0]).astype(int)
    columns = ((np.arange(size[1]) + 0.5) * mask.shape[1] / size[1]).astype(int)
    return mask[rows[:, None], columns]


def test_D42_colour_changes_the_picture_alone(index: InstanceIndex) -> None:
    calm, vivid = training(index, colour=0.0), training(index, colour=0.5)
    changed = 0
    for epoch in range(8):
        calm.set_epoch(epoch)
        vivid.set_epoch(epoch)
        first, second = calm[0], vivid[0]
        assert first.image.shape == second.image.shape
        assert torch.equal(first.targets.masks, second.targets.masks)
        changed += not torch.equal(first.image, second.image)
    assert changed > 0


def test_D42_samples_depend_on_seed_and_epoch_alone(index: InstanceIndex) -> None:
    first, again, other = training(index), training(index), training(index, seed=1)
    for dataset in (first, again, other):
        dataset.set_epoch(5)
    assert equal(first[1], again[1])
    assert not equal(first[1], other[1])
    again.set_epoch(6)
    assert not equal(first[1], again[1])
    again.set_epoch(5)
    assert equal(first[1], again[1])


def test_D44_vanished_instances_leave_together(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        doc["annotations"].insert(0, annotation(5, 1, 7, (3, 3, 1, 1)))

    sample = plain(read_index(write(tmp_path, change)), short=4)[0]
    targets = sample.targets
    assert len(targets.boxes) == len(targets.labels) == len(targets.masks) == 2
    assert targets.labels.tolist() == [0, 1]
    assert targets.masks.any(dim=(1, 2)).all()


def test_D44_when_all_vanish_the_sample_is_empty(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        doc["annotations"][:2] = [annotation(5, 1, 7, (3, 3, 1, 1))]

    sample = plain(read_index(write(tmp_path, change)), short=4)[0]
    assert sample.targets.masks.shape == (0, 4, 6) and sample.targets.boxes.shape == (0, 4)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 8 worker processes")
@pytest.mark.parametrize("workers", [1, 8])
def test_D45_any_number_of_workers_yields_the_same(many: InstanceIndex, workers: int) -> None:
    epochs: dict[int, list[list[Sample]]] = {0: [], workers: []}
    for count in epochs:
        dataset = training(many, seed=3)
        sampler = EpochSampler(len(dataset), seed=3)
        loader = make_loader(dataset, batch_size=4, sampler=sampler, workers=count)
        for epoch in (0, 1):
            dataset.set_epoch(epoch)
            sampler.set_epoch(epoch)
            epochs[count].extend(loader)
    assert [len(batch) for batch in epochs[0]] == [4, 4, 3, 4, 4, 3]
    for here, there in zip(epochs[0], epochs[workers], strict=True):
        assert all(equal(a, b) for a, b in zip(here, there, strict=True))
    first, second = (
        [sample.image_id for batch in epochs[0][part] for sample in batch]
        for part in (slice(0, 3), slice(3, 6))
    )
    assert sorted(first) == sorted(second) == list(range(1, 12)) and first != second


def test_D45_masks_stay_one_block_of_bytes(many: InstanceIndex) -> None:
    assert many.mask_bytes.nbytes < 40 * many.num_annotations
    assert many.mask_ends[-1] == len(many.mask_bytes)


def test_D33_a_broken_picture_stops_the_loader_by_name(many: InstanceIndex) -> None:
    path = many.image_path(4)
    path.write_bytes(path.read_bytes()[:200])
    loader = make_loader(plain(many), batch_size=2, workers=1)
    with pytest.raises(DataError, match=path.name) as caught:
        list(loader)
    assert "Traceback" not in str(caught.value)  # of the worker


def test_too_little_shared_memory_is_told(many: InstanceIndex, monkeypatch) -> None:
    def full(tensor: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    loader = make_loader(plain(many), batch_size=1, workers=1)
    monkeypatch.setattr(torch.Tensor, "share_memory_", full)  # the forked worker has it, too
    with pytest.raises(DataError, match=r"ran out of shared memory \(.*--shm-size.*workers to 0"):
        list(loader)


def test_other_errors_of_a_loader_stay_what_they_are(many: InstanceIndex, monkeypatch) -> None:
    dataset = plain(many)
    monkeypatch.setattr(dataset, "_draw", lambda row: (_ for _ in ()).throw(RuntimeError("other")))
    with pytest.raises(RuntimeError, match="other"):
        list(make_loader(dataset, batch_size=1))


def test_samples_are_pinned_where_there_is_a_gpu(many: InstanceIndex, monkeypatch) -> None:
    assert make_loader(plain(many), batch_size=2).pin_memory == torch.cuda.is_available()
    pinned: list[int] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda t: pinned.append(t.numel()) or t)
    sample = plain(many)[0]
    assert equal(pin_memory([sample])[0], sample)  # as a loader does, which finds it by its name
    tensors = (sample.image, *vars(sample.targets).values())
    assert sorted(pinned) == sorted(t.numel() for t in tensors)


def test_sampler_goes_on_in_the_middle_of_an_epoch() -> None:
    sampler = EpochSampler(10, seed=1)
    sampler.set_epoch(3)
    whole = list(sampler)
    assert sorted(whole) == list(range(10)) and len(sampler) == 10
    sampler.set_epoch(3, start=4)
    assert list(sampler) == whole[4:] and len(sampler) == 6
    sampler.set_epoch(4)
    assert list(sampler) != whole


@pytest.mark.parametrize(("length", "world"), [(10, 3), (2, 4), (7, 1)])
def test_sampler_shares_an_epoch_between_processes(length: int, world: int) -> None:
    shuffled = [list(EpochSampler(length, rank=rank, world=world)) for rank in range(world)]
    assert {len(part) for part in shuffled} == {-(-length // world)}
    assert set(chain.from_iterable(shuffled)) == set(range(length))
    ordered = [
        list(EpochSampler(length, shuffle=False, rank=rank, world=world)) for rank in range(world)
    ]
    assert sorted(chain.from_iterable(ordered)) == list(range(length))


def visits(sampler: EpochSampler, epochs: int) -> np.ndarray:
    """(epochs, length) how often each position is visited."""
    counts = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        counts.append(np.bincount(list(sampler), minlength=sampler.length))
    return np.array(counts)


def test_repeats_are_met_on_average_in_epochs_of_one_length() -> None:
    repeats = np.array([1.0, 1.0, 1.25, 2.5, 4.0, 1.0, 1.75])
    counts = visits(EpochSampler(7, seed=2, repeats=repeats), 600)
    assert set(counts.sum(axis=1)) == {13}  # 12.5, rounded up
    assert (counts >= 1).all() and (np.abs(counts - repeats * 13 / 12.5) < 1 + 1e-9).all()
    assert np.abs(counts.mean(axis=0) - repeats * 13 / 12.5).max() < 0.08
    assert len({tuple(row) for row in counts}) > 5


@pytest.mark.parametrize("world", [1, 2, 3])
def test_repeats_go_on_in_the_middle_of_an_epoch_on_any_process(world: int) -> None:
    repeats = np.array([1.0, 3.3, 1.0, 2.2, 1.0])
    parts = [EpochSampler(5, seed=1, rank=r, world=world, repeats=repeats) for r in range(world)]
    alone = EpochSampler(5, seed=1, repeats=repeats)
    for epoch in (0, 1, 7):
        for sampler in (*parts, alone):
            sampler.set_epoch(epoch)
        whole, shares = list(alone), [list(part) for part in parts]
        assert len(whole) == 9 and len(alone) == 9
        assert list(chain.from_iterable(zip(*shares, strict=True)))[:9] == whole
        for part, share in zip(parts, shares, strict=True):
            part.set_epoch(epoch, start=2)
            assert list(part) == share[2:]


def test_repeats_of_one_visit_each_picture_once() -> None:
    counts = visits(EpochSampler(50, repeats=np.ones(50)), 20)
    assert (counts == 1).all()


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
    assert found[rare] == pytest.approx((0.25 / 0.04) ** 0.5)
    assert (found[~rare] == 1).all()
    half = repeat_factors(index, rows[:20], threshold=0.25)  # there, 2 of 20 show it
    assert half[9] == pytest.approx((0.25 / 0.1) ** 0.5)
    assert repeat_factors(index, rows, threshold=0.0) is None


def test_wrong_settings_are_refused(index: InstanceIndex) -> None:
    with pytest.raises(ValueError, match="one short_side"):
        InstanceDataset(index, train=False, short_side=(8, 9), max_side=20)
    with pytest.raises(ValueError, match="must be sizes"):
        InstanceDataset(index, train=True, short_side=(9, 8), max_side=20)
    with pytest.raises(ValueError, match="rank 2"):
        EpochSampler(4, rank=2, world=2)
    for wrong in (np.ones(3), np.array([1, 1, 1, 0.5])):
        with pytest.raises(ValueError, match="4 numbers of 1 or more"):
            EpochSampler(4, repeats=wrong)


def test_polygon_and_runs_make_the_same_sample(tmp_path: Path) -> None:
    def runs(doc: Document, folder: Path) -> None:
        packed = rles.from_polygons([rectangle(2, 3, 8, 5)], (16, 24))
        doc["annotations"][0]["segmentation"] = {
            "size": [16, 24],
            "counts": rles.runs(packed).tolist(),
        }

    first = read_index(write(tmp_path))
    second = read_index(write(tmp_path, runs, name="runs.json"))
    assert equal(plain(first, 20)[0], plain(second, 20)[0])
