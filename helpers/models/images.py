"""What a model is given: pictures of any sizes as one normalised, padded batch, and their truth.

N images, H x W pixels of the padded batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers.files import UserError
from helpers.models.boxes import nonempty
from helpers.structures import Targets

Sizes = Sequence[tuple[int, int]]  # (height, width) of each image in pixels
IMAGENET_MEAN = (123.675, 116.28, 103.53)  # RGB, 0..255
IMAGENET_STD = (58.395, 57.12, 57.375)
DIVISOR = 32  # the coarsest backbone stride, so that every FPN level is exactly half the one before


@dataclass(frozen=True)
class ImageBatch:
    """tensor: (N, 3, H, W) float32, normalised, zeros right of and below each picture.
    sizes: (height, width) of each picture, without the padding."""

    tensor: Tensor
    sizes: tuple[tuple[int, int], ...]


class Normalise(nn.Module):
    """RGB pictures (3, h, w), values 0..255, to an `ImageBatch`.

    Padding follows normalisation, so a padded pixel is 0 for the network. Mean and deviation are
    buffers: they travel with the weights they belong to.
    """

    def __init__(
        self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, images: Sequence[Tensor]) -> ImageBatch:
        """Raises UserError when there is no picture, or one is not finite (3, h, w) numbers."""
        if not images:
            raise UserError("the batch holds no image: give at least one of shape (3, H, W)")
        for number, image in enumerate(images):
            _check(image, number)
        sizes = tuple((image.shape[1], image.shape[2]) for image in images)
        height, width = (_round_up(max(side)) for side in zip(*sizes, strict=True))
        batch = self.mean.new_zeros(len(images), 3, height, width)
        # convolutions are a fifth faster in this layout, and their answers keep it
        batch = batch.contiguous(memory_format=torch.channels_last)
        for padded, image, (h, w) in zip(batch, images, sizes, strict=True):
            padded[:, :h, :w] = (image.to(self.mean.device).float() - self.mean) / self.std
        return ImageBatch(batch, sizes)


def _check(image: Tensor, number: int) -> None:
    if image.ndim != 3 or image.shape[0] != 3 or not image.numel():
        shape = tuple(image.shape)
        raise UserError(f"image {number} has shape {shape}: give RGB tensors of shape (3, H, W)")
    if image.is_floating_point() and not torch.isfinite(image).all():
        raise UserError(f"image {number} holds NaN or infinite values: give numbers from 0 to 255")


def _round_up(side: int) -> int:
    return -(-side // DIVISOR) * DIVISOR


def check_targets(images: Sequence[Tensor], targets: Sequence[Targets], num_classes: int) -> None:
    """Raises UserError when the targets do not fit the images or the classes."""
    if len(images) != len(targets):
        raise UserError(f"{len(images)} images but {len(targets)} targets: give one for each")
    for number, (image, target) in enumerate(zip(images, targets, strict=True)):
        if target.masks.shape[1:] != image.shape[1:]:
            raise UserError(
                f"the masks of image {number} are {tuple(target.masks.shape[1:])}, the image is "
                f"{tuple(image.shape[1:])}: resize both alike"
            )
        counts = (len(target.boxes), len(target.labels), len(target.masks))
        if len(set(counts)) > 1:
            raise UserError(
                f"image {number} has {counts[0]} boxes, {counts[1]} labels and {counts[2]} masks: "
                "give one of each for every instance"
            )
        if not (target.boxes.isfinite().all() and nonempty(target.boxes).all()):
            raise UserError(
                f"image {number} has a box that is empty or not finite: leave such instances out"
            )
        if ((target.labels < 0) | (target.labels >= num_classes)).any():
            raise UserError(
                f"image {number} has labels outside 0..{num_classes - 1}: build the model with "
                "the number of classes of the data's label space"
            )
