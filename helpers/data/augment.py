"""What happens to a picture and its masks before a model sees them: colour, flip, resize; blur;
rotation, for the ablation alone. `photo` makes generated pictures more like photographs.

Every decision is drawn beforehand (`draw`) and applied by plain functions, so the same draw gives
the same sample anywhere. Sizes are (height, width) in pixels, boxes xyxy, masks box crops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from torch import Tensor
from torchvision.ops import masks_to_boxes
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F
from torchvision.tv_tensors import BoundingBoxes

from helpers.config import TrainConfig
from helpers.structures import Targets

Size = tuple[int, int]

FILL = (124.0, 116.0, 104.0)  # ImageNet's mean colour, which models see as 0, as they see padding


@dataclass(frozen=True)
class Photo:
    """How strongly `photo.photographed` acts, 0 to 1, and the seed of all that it draws."""

    strength: float
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Draw:
    """The random decisions about one picture in one epoch; a factor of 1 changes nothing."""

    short_side: int
    flip: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    blur: float = 0.0  # sigma in pixels
    angle: float = 0.0  # degrees, counter-clockwise
    photo: Photo | None = None


def draw(key: tuple[int, ...], config: TrainConfig) -> Draw:
    """Decide by `key` = (seed, epoch, picture, ...) and what `config` allows, nothing else.

    short_side: drawn uniformly from both ends included; flip: probability; colour c: brightness,
    contrast and saturation each change with probability 1/2, by a factor from [1 - c, 1 + c];
    blur: with probability 1/2, of a sigma from [0, blur] px; rotate: an angle from [-r, r] degrees;
    photo: strength of what `photo.photographed` does.
    """
    random, colour = generator(*key), config.colour
    short = int(random.integers(config.short_side[0], config.short_side[1] + 1))
    flips = bool(random.random() < config.flip)
    chances, values = random.random(3), random.uniform(1 - colour, 1 + colour, 3)
    factors = np.where(chances < 0.5, values, 1.0).tolist()
    sigma = config.blur * random.random() if random.random() < 0.5 else 0.0
    angle = config.rotate * random.uniform(-1, 1)
    photo = Photo(config.photo, (*key, 1)) if config.photo else None
    return Draw(short, flips, *factors, sigma, angle, photo)


def generator(*key: int) -> np.random.Generator:
    """Random numbers that depend on the key alone (zeros at its end do not count)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def resized_size(size: Size, short_side: int, max_side: int) -> Size:
    """The short side becomes `short_side`, unless the long one would exceed `max_side`.

    Rounds like detectron2: int(x + 0.5); never below one pixel.
    """
    scale = short_side / min(size)
    if scale * max(size) > max_side:
        scale = max_side / max(size)
    height, width = (max(1, int(side * scale + 0.5)) for side in size)
    return height, width


def jitter(picture: Image.Image, drawn: Draw) -> Image.Image:
    """Blend with black (brightness), the mean (contrast), grey (saturation), in that order."""
    if drawn.brightness != 1:
        picture = ImageEnhance.Brightness(picture).enhance(drawn.brightness)
    if drawn.contrast != 1:
        counts = np.reshape(picture.histogram(), (3, 256)).sum(axis=0)
        mean = round(float(counts @ np.arange(256) / counts.sum()))
        flat = Image.new("RGB", picture.size, (mean, mean, mean))
        picture = Image.blend(flat, picture, drawn.contrast)
    if drawn.saturation != 1:
        picture = ImageEnhance.Color(picture).enhance(drawn.saturation)
    return picture


def to_tensor(picture: Image.Image, size: Size, *, flip: bool = False) -> Tensor:
    """(3, H, W) uint8 RGB of the wanted size, bilinear with antialiasing, mirrored or not."""
    image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    if tuple(image.shape[1:]) != size:
        image = F.resize(image, list(size), antialias=True)
    return (image.flip(2) if flip else image).contiguous()


def blurred(image: Tensor, sigma: float) -> Tensor:
    """A picture (3, H, W) after a Gaussian of `sigma` px, cut off at three sigma; 0: as it was."""
    height, width = image.shape[1:]
    reach = min(int(np.ceil(3 * sigma)), height - 1, width - 1)  # the border is mirrored
    return F.gaussian_blur(image, [2 * reach + 1] * 2, [sigma] * 2) if sigma and reach else image


def rotated(image: Tensor, targets: Targets, angle: float) -> tuple[Tensor, Targets]:
    """Picture and targets turned about the centre by `angle` degrees, counter-clockwise.

    The size stays; corners that come from outside are `FILL`. Masks take the nearest pixel, boxes
    are those of the turned masks, an instance without a pixel left is dropped. `ignore` boxes
    become the boxes around their turned corners.
    """
    if angle == 0:
        return image, targets
    size = tuple(image.shape[1:])
    image = F.rotate(image, angle, InterpolationMode.BILINEAR, fill=FILL)
    masks = F.rotate(targets.masks.to(torch.uint8), angle).bool() if len(targets) else targets.masks
    left = masks.any(dim=(1, 2))
    masks = masks[left]
    boxes = boxes_around(masks)
    ignore = BoundingBoxes(targets.ignore, format="XYXY", canvas_size=size)
    ignore = F.rotate(ignore, angle).as_subclass(Tensor)
    inside = (ignore[:, 2:] > ignore[:, :2]).all(dim=1)
    return image, Targets(boxes, targets.labels[left], masks, ignore[inside])


def boxes_around(masks: Tensor) -> Tensor:
    """(N, 4) float32 xyxy boxes of masks (N, H, W) bool, each of at least one pixel."""
    boxes = masks_to_boxes(masks)
    boxes[:, 2:] += 1  # from the last pixel to its far border
    return boxes


def transform_boxes(boxes: NDArray[np.float64], size: Size, new: Size, *, flip: bool) -> Tensor:
    """Boxes (N, 4) [x, y, w, h] of a picture of `size`, as (N, 4) float32 xyxy in one of `new`."""
    left, top = boxes[:, 0], boxes[:, 1]
    right, bottom = left + boxes[:, 2], top + boxes[:, 3]
    if flip:
        left, right = size[1] - right, size[1] - left
    scale = np.array([new[1] / size[1], new[0] / size[0]] * 2)
    corners = np.stack([left, top, right, bottom], axis=1) * scale
    return torch.from_numpy(corners.astype(np.float32))


def paste_resized(
    crop: NDArray[np.bool_], corner: tuple[int, int], size: Size, canvas: NDArray[np.bool_]
) -> bool:
    """Resize a whole mask by nearest neighbour (pixel centres) into an empty `canvas` (H, W).

    The mask is given by its box alone: `crop`, whose first pixel lies at `corner` (x, y) of a
    picture of `size`; only the box is computed. Returns whether any pixel is left.
    """
    rows, top = _sources(corner[1], crop.shape[0], size[0], canvas.shape[0])
    columns, left = _sources(corner[0], crop.shape[1], size[1], canvas.shape[1])
    part = crop[rows[:, None], columns]
    canvas[top : top + len(rows), left : left + len(columns)] = part
    return bool(part.any())


def _sources(start: int, length: int, old: int, new: int) -> tuple[NDArray[np.int64], int]:
    """Which crop row each new row shows, and the first new row that shows one.

    New row j shows old row floor((j + 1/2) old / new), in whole numbers to be exact.
    """
    shown = (2 * np.arange(new) + 1) * old // (2 * new)
    first, last = np.searchsorted(shown, (start, start + length))
    return shown[first:last] - start, int(first)
