"""What an ensemble needs of a member in a file small enough to be committed.

Masks keep 16 levels of probability, two points a byte; boxes and scores a few decimals; a picture
its most confident detections (`KEPT`, at every preset: one that looks at more loses the rest here,
in its ensemble alone). An ensemble of a ladder is made of nothing else, so it can be made
again from these files alone.
"""

from __future__ import annotations

import base64
import lzma
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.files import UserError
from helpers.ladder.reference import unpacked
from helpers.structures import Detections

LEVELS = 15  # masks are stored as 0..15
KEPT = 15  # detections a picture
LARGEST_SIDE = 512  # of a mask, in points

Soft = Mapping[int, Detections]  # image id -> detections in the picture's frame


def pack_soft(found: Iterable[tuple[int, Detections]]) -> dict[str, Any]:
    """Plain values for JSON of (image id, soft detections), in the order given."""
    pairs = [(image_id, one[:KEPT]) for image_id, one in found]
    side = max(one.masks.shape[-1] for _, one in pairs)
    masks = [np.rint(one.masks.numpy() * LEVELS).astype(np.uint8) for _, one in pairs if len(one)]
    points = np.concatenate([m.reshape(-1) for m in masks]) if masks else np.zeros(0, np.uint8)
    return {
        "images": [
            {
                "image_id": image_id,
                "size": list(one.image_size),
                "boxes": [[round(v, 1) for v in box] for box in one.boxes.tolist()],
                "scores": [round(score, 5) for score in one.scores.tolist()],
                "labels": one.labels.tolist(),
            }
            for image_id, one in pairs
        ],
        "side": side,
        "masks": base64.b64encode(lzma.compress(_halved(points))).decode("ascii"),
    }


def unpack_soft(packed: Mapping[str, Any]) -> dict[int, Detections]:
    """What `pack_soft` stored. Raises UserError when masks do not fit the detections."""
    side = packed["side"]
    count = sum(len(image["scores"]) for image in packed["images"])
    size = (count * side * side + 1) // 2
    if not 0 < side <= LARGEST_SIDE:
        raise UserError(f"stored masks have a side of {side}: measure their ensemble again")
    data = unpacked(base64.b64decode(packed["masks"]), size, "a stored set of masks")
    if len(data) != size:
        raise UserError(f"{count} stored masks are incomplete: measure their ensemble again")
    points = _whole(data, count * side * side)
    masks = torch.from_numpy(points.reshape(count, side, side).astype(np.float32) / LEVELS)
    found, start = {}, 0
    for image in packed["images"]:
        end = start + len(image["scores"])
        found[image["image_id"]] = Detections(
            torch.tensor(image["boxes"], dtype=torch.float32).reshape(-1, 4),
            torch.tensor(image["scores"], dtype=torch.float32),
            torch.tensor(image["labels"], dtype=torch.int64),
            tuple(image["size"]),
            masks[start:end],
        )
        start = end
    return found


def _halved(points: NDArray[np.uint8]) -> bytes:
    """Two values of 0..15 in each byte."""
    even = np.append(points, np.uint8(0)) if len(points) % 2 else points
    return (even[::2] << 4 | even[1::2]).tobytes()


def _whole(data: bytes, count: int) -> NDArray[np.uint8]:
    packed = np.frombuffer(data, dtype=np.uint8)
    return np.stack([packed >> 4, packed & 15], axis=1).reshape(-1)[:count]
