"""The batch that a run could not digest, in a file that can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.files import replace_file
from helpers.structures import Sample


def save_batch(path: Path, samples: Sequence[Sample]) -> None:
    """Write what the model was given as arrays for `numpy.load`.

    image_ids (N,); for each picture n: image_n (3, H, W) uint8 RGB, boxes_n (M, 4) xyxy px,
    labels_n (M,), masks_n (M, H, W) bool, ignore_n (C, 4). Raises StorageError.
    """
    arrays = {"image_ids": np.array([sample.image_id for sample in samples])}
    for number, sample in enumerate(samples):
        tensors = {"image": sample.image, **vars(sample.targets)}
        arrays |= {f"{name}_{number}": tensor.numpy() for name, tensor in tensors.items()}
    replace_file(path, lambda file: np.savez_compressed(file, **arrays))
