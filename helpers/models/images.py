"""What a model is given: pictures of any sizes as one normalised, padded batch.

N images, H x W pixels of the padded batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers.files import UserError

Sizes = Sequence[tuple[int, int]]  # (height, width) of each image in pixels
IMAGENET_MEAN = (123.675, 116.28, 103.53)  # R, G, B in 0..255
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
        """Raises UserError when there is no picture, or one is no (3, h, w) tensor."""
        shapes = [tuple(image.shape) for image in images]
        if not images or any(len(shape) != 3 or shape[0] != 3 for shape in shapes):
            raise UserError(f"images of shapes {shapes}: give RGB tensors of shape (3, H, W)")
        sizes = tuple((image.shape[1], image.shape[2]) for image in images)
        height, width = (_round_up(max(side)) for side in zip(*sizes, strict=True))
        batch = self.mean.new_zeros(len(images), 3, height, width)
        # convolutions are a fifth faster in this layout, and their outputs keep it
        batch = batch.contiguous(memory_format=torch.channels_last)
        for padded, image, (h, w) in zip(batch, images, sizes, strict=True):
            padded[:, :h, :w] = (image.to(self.mean.device).float() - self.mean) / self.std
        return ImageBatch(batch, sizes)


def _round_up(side: int) -> int:
    return -(-side // DIVISOR) * DIVISOR
