"""The types all rooms share: a picture with its ground truth, and what a model found in it.

N instances, H x W pixels of the picture, M side of a box-relative mask grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """The truth of one picture, in the pixel frame of that picture.

    boxes: (N, 4) float32, xyxy in pixels (x2, y2 exclusive); labels: (N,) int64 in
    0..num_classes-1; masks: (N, H, W) bool. Crowd regions are never among them:
    `ignore` (C, 4) float32 holds their boxes, where no negative may be sampled.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor
    ignore: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Targets:
        return Targets(*(t.to(device, non_blocking=non_blocking) for t in vars(self).values()))

    def pin_memory(self) -> Targets:
        """The same in page-locked memory, which a GPU fetches while it computes."""
        return Targets(*(t.pin_memory() for t in vars(self).values()))


@dataclass(frozen=True)
class Sample:
    """One picture on its way to a model: image (3, H, W) uint8 RGB, its targets, its id."""

    image: Tensor
    targets: Targets
    image_id: int

    def pin_memory(self) -> Sample:
        """The same in page-locked memory; a `DataLoader` calls this by its name."""
        return replace(self, image=self.image.pin_memory(), targets=self.targets.pin_memory())


@dataclass(frozen=True)
class Detections:
    """Instances found in one picture, best first: the one currency of inference and evaluation.

    boxes: (N, 4) float32 xyxy in pixels of a picture of `image_size` (height, width);
    scores: (N,) float32 in [0, 1]; labels: (N,) int64; masks: (N, M, M) float32 probabilities on a
    regular grid over each box (cell centres, align_corners=False), or None for boxes alone.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    image_size: tuple[int, int]
    masks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, keep: Tensor | slice | int) -> Self:
        """Some of them; a number gives Detections of that one alone, IndexError beyond the last."""
        if not isinstance(keep, Tensor | slice):
            row = range(len(self))[keep]
            keep = slice(row, row + 1)
        return replace(self, **{name: tensor[keep] for name, tensor in self._tensors().items()})

    def to(self, device: torch.device | str) -> Detections:
        moved = {name: tensor.to(device) for name, tensor in self._tensors().items()}
        return Detections(image_size=self.image_size, **moved)

    def resized(self, image_size: tuple[int, int]) -> Detections:
        """The same detections in a picture of another size; box-relative masks need no change."""
        (height, width), (old_height, old_width) = image_size, self.image_size
        scale = self.boxes.new_tensor([width / old_width, height / old_height] * 2)
        return Detections(self.boxes * scale, self.scores, self.labels, image_size, self.masks)

    def _tensors(self) -> dict[str, Tensor]:
        """By field, without the masks where there are none."""
        found = {"boxes": self.boxes, "scores": self.scores, "labels": self.labels}
        return found if self.masks is None else {**found, "masks": self.masks}

    @staticmethod
    def cat(parts: Sequence[Detections]) -> Detections:
        """Detections of one picture from several sources, in the order given.

        Either all have masks, on one grid, or none. Raises ValueError when the parts are none, or
        are of pictures of different sizes.
        """
        sizes = {part.image_size for part in parts}
        if len(sizes) != 1:
            raise ValueError(f"cat needs detections of one image size, found {sorted(sizes)}")
        masks = [part.masks for part in parts]
        return Detections(
            torch.cat([part.boxes for part in parts]),
            torch.cat([part.scores for part in parts]),
            torch.cat([part.labels for part in parts]),
            parts[0].image_size,
            None if all(mask is None for mask in masks) else torch.cat(masks),
        )
