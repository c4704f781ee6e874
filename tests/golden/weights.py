"""Weights, image and masks that are a pure function of a name: the recipe behind the golden files.

Only numpy is needed, and the numbers do not depend on the platform.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

# multiplies the default scale of a weight, so that a random net gives spread-out scores and masks
GAIN = {
    "stem.conv1.weight": 0.02,
    "proposal_generator.rpn_head.objectness_logits.weight": 1.5,
    "proposal_generator.rpn_head.anchor_deltas.weight": 0.15,
    "cls_score.weight": 0.4,
    "bbox_pred.weight": 0.2,
}


def tensor_for(key: str, shape: Sequence[int], salt: str = "") -> np.ndarray:
    """float32 tensor of `shape` for a checkpoint key (detectron2's key names)."""
    rng = _rng(key, salt)
    if key.endswith(("running_mean", "norm.bias")):
        tensor = 0.05 * rng.standard_normal(shape)
    elif key.endswith("running_var"):
        tensor = 0.75 + 0.5 * rng.random(shape)
    elif key.endswith("norm.weight"):
        tensor = 0.5 + 0.3 * rng.random(shape)
    elif key.endswith(".bias"):
        tensor = 0.02 * rng.standard_normal(shape)
    else:
        gain = next((g for suffix, g in GAIN.items() if key.endswith(suffix)), 1.0)
        fan_in = int(np.prod(shape[1:]))
        tensor = gain * np.sqrt(2.0 / fan_in) * rng.standard_normal(shape)
    return tensor.astype(np.float32)


def image_for(height: int, width: int, salt: str = "") -> np.ndarray:
    """RGB picture, float32 (3, height, width), whole numbers 0..255: soft blobs, hard boxes."""
    rng = _rng("image", salt)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.full((3, height, width), 128.0)
    for _ in range(24):
        cy, cx = rng.random() * height, rng.random() * width
        spread = (0.05 + 0.2 * rng.random()) * min(height, width)
        blob = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * spread * spread))
        image += (rng.random((3, 1, 1)) - 0.5) * 220.0 * blob
    for _ in range(6):
        top, left = int(rng.random() * height * 0.7), int(rng.random() * width * 0.7)
        colour = 255.0 * rng.random((3, 1, 1))
        image[:, top : top + height // 5, left : left + width // 6] = colour
    return np.clip(np.rint(image), 0, 255).astype(np.float32)


def scene_masks(
    height: int, width: int, salt: str = "", classes: int = 34
) -> tuple[np.ndarray, np.ndarray]:
    """Five ellipses with a hole each: bool (5, height, width), and int64 (5,) class indices."""
    rng = _rng("masks", salt)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    masks = []
    for _ in range(5):
        cy, cx = (0.25 + 0.5 * rng.random()) * height, (0.25 + 0.5 * rng.random()) * width
        ry, rx = (0.1 + 0.25 * rng.random()) * height, (0.1 + 0.25 * rng.random()) * width
        radius = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2
        masks.append((radius < 1) & (radius > 0.05))
    return np.stack(masks), rng.integers(0, classes, 5)


def _rng(name: str, salt: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(f"{salt}|{name}".encode())))
