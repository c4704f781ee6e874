"""Batches of pictures of several sizes: what padding does to them, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datafiles import Document, annotation, picture, write

from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.data.loader import InstanceDataset, collate
from helpers.models.images import DIVISOR, Normalise

SIZES = ((40, 70), (64, 33), (31, 32))  # height, width


@pytest.fixture
def index(tmp_path: Path) -> InstanceIndex:
    """Three pictures of different sizes, an instance in the lower right corner of each."""

    def change(doc: Document, folder: Path) -> None:
        doc["images"], doc["annotations"] = [], []
        for n, (height, width) in enumerate(SIZES, start=1):
            picture(height, width, seed=n).save(folder / f"{n}.png")
            entry = {"id": n, "width": width, "height": height, "file_name": f"{n}.png"}
            doc["images"].append(entry)
            doc["annotations"].append(annotation(n, n, 3, (width - 12, height - 9, 12, 9)))

    return read_index(write(tmp_path, change))


def test_D43_padding_is_no_foreground_and_moves_no_box(index: InstanceIndex) -> None:
    dataset = InstanceDataset(index, train=False, short_side=48, max_side=96)
    samples = collate([dataset[n] for n in range(3)])
    before = [(s.targets.boxes.clone(), s.targets.masks.clone()) for s in samples]
    batch = Normalise()([sample.image for sample in samples])
    assert batch.tensor.shape[2] % DIVISOR == batch.tensor.shape[3] % DIVISOR == 0
    assert len(set(batch.sizes)) == 3
    for sample, padded, (height, width), (boxes, masks) in zip(
        samples, batch.tensor, batch.sizes, before, strict=True
    ):
        assert sample.image.shape[1:] == (height, width) == masks.shape[1:]
        assert (padded[:, height:] == 0).all() and (padded[:, :, width:] == 0).all()
        alone = Normalise()([sample.image]).tensor[0, :, :height, :width]
        torch.testing.assert_close(padded[:, :height, :width], alone)
        assert torch.equal(sample.targets.boxes, boxes)
        assert torch.equal(sample.targets.masks, masks)
        assert boxes[:, 2].item() == width and boxes[:, 3].item() == height  # up to the padding
        rows, columns = np.nonzero(masks[0].numpy())
        assert rows.max() == height - 1 and columns.max() == width - 1
