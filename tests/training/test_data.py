"""The splits of a config: opened together, checked before the first step, taken in batches."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.config import DataConfig, TrainConfig, change, preset
from helpers.files import UserError
from helpers.training.data import TrainingBatches, class_table, missing_classes, read_splits
from tests.data.datafiles import coco
from tests.training import rectangles

CATEGORIES = [{"id": 3, "name": "chair"}, {"id": 7, "name": "table"}]


def splits(
    folder: Path,
    val_categories: list[dict] = CATEGORIES,
    *,
    categories: list[dict] = CATEGORIES,
    kinds: dict[str, tuple[int, ...]] | None = None,
) -> DataConfig:
    """Two splits of one picture each that declare these categories; kinds: of their instances."""
    paths = {}
    for split, declared in {"train": categories, "val": val_categories}.items():
        (folder / split).mkdir()
        Image.new("RGB", (8, 8)).save(folder / split / "1.png")
        rows = [(1, k, (n, n, 4, 4)) for n, k in enumerate((kinds or {}).get(split, (7,)))]
        file = coco(folder / f"{split}.json", {1: (8, 8)}, rows, declared)
        paths |= {f"{split}_annotations": str(file), f"{split}_images": str(folder / split)}
    return DataConfig(**paths)


def test_classes_are_listed_with_counts_and_gaps_are_named(tmp_path: Path) -> None:
    more = [*CATEGORIES, {"id": 8, "name": "lamp"}, {"id": 9, "name": "bed"}]
    kinds = {"train": (7, 7, 3), "val": (8, 7)}
    train, val = read_splits(splits(tmp_path, more, categories=more, kinds=kinds))
    table = class_table(train, val)
    assert table.values.tolist()[:2] == [["chair", 1, 1, 0, 0], ["table", 1, 2, 1, 1]]
    unused, unlearnt, unscored = missing_classes(table)
    assert "bed" in unused and "lamp" in unlearnt and "chair" in unscored
    assert missing_classes(class_table(train, train))[1:] == []


def test_super_categories_that_make_one_class_of_all_are_refused(tmp_path: Path) -> None:
    under = [{**c, "supercategory": "furniture"} for c in CATEGORIES]
    root = {"id": 0, "name": "furniture", "supercategory": "none"}
    data = splits(tmp_path, [root, *under], categories=[root, *under])
    assert read_splits(data)[0].taxonomy.names == ("chair", "table")
    data = change(preset("quick"), data=vars(data) | {"label_space": "super"}).data
    with pytest.raises(UserError, match="one class, 'furniture', of all 2 categories"):
        read_splits(data)


def test_every_option_reaches_the_batches(tmp_path: Path) -> None:
    index, _ = read_splits(splits(tmp_path))
    options = {"batch_size": 1, "workers": 0, "short_side": (8, 8), "max_side": 8, "colour": 0.0}
    strong = TrainConfig(**options, blur=3.0, rotate=40.0, repeat_factor=4.0)
    plain, batches = (TrainingBatches(index, c) for c in (TrainConfig(**options), strong))
    assert (plain.epoch_steps, batches.epoch_steps) == (1, 2)  # the one class asks for sqrt(4)
    taken = [batch[0].targets.masks for batch in islice(batches(0), 3)]
    assert not torch.equal(taken[0], taken[2])  # turned anew in the next epoch
    cropped = TrainingBatches(index, TrainConfig(**options, photo=1.0))
    assert any(batch[0].image.shape[1:] != (8, 8) for batch in islice(cropped(0), 20))
    still = [batch[0].targets.masks.sum() for batch in islice(plain(0), 3)]
    assert still == [16, 16, 16]


@pytest.mark.parametrize("world", [1, 2])
def test_any_step_can_be_the_first_in_the_middle_of_an_epoch_too(
    tmp_path: Path, world: int
) -> None:
    data = change(preset("own"), **rectangles.data_set(tmp_path, train=7, val=1)).data
    index, _ = read_splits(data)
    config = TrainConfig(batch_size=2, workers=0, short_side=(48, 80), max_side=80)
    batches = TrainingBatches(index, config, world=world)
    assert batches.epoch_steps == 3  # of 7 pictures the last is left out
    undisturbed = list(islice(batches(0), 7))
    first = [[sample.image_id for sample in batch] for batch in undisturbed[:3]]
    assert len({number for batch in first for number in batch}) == 6 // world
    for start, batch in enumerate(undisturbed):
        resumed = next(batches(start))
        assert [s.image_id for s in resumed] == [s.image_id for s in batch]
        assert all(torch.equal(a.image, b.image) for a, b in zip(resumed, batch, strict=True))
