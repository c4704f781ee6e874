"""Generated pictures made more like photographs: cut off, cluttered, patterned, badly lit, noisy.

Renderings are too clean: a surface is one material, a picture shows rooms and nothing else. A model
trained on them takes colours for shapes, and everything with structure for furniture. What is drawn
here breaks that: other things in the background (never labelled), patterns that end where no object
ends, and what cameras do. No photograph is used.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from helpers.data.augment import Photo, boxes_around, generator
from helpers.structures import Targets

Pixels = NDArray[np.float32]  # (H, W, 3), RGB in 0..255

LEAST_CROP = 0.5  # of each side, at strength 1
LEAST_LEFT = 0.15  # of an object's pixels; less of it is still seen, but no longer asked for


def photographed(image: Tensor, targets: Targets, photo: Photo) -> tuple[Tensor, Targets]:
    """A picture (3, H, W) uint8 as a photograph might show it, smaller where it was cropped.

    Equal draws give equal pictures. Clutter lies behind what is labelled and patterns on it, so
    that masks change by the crop alone; an instance of which too little is left is dropped.
    """
    random = generator(*photo.seed)
    strength = photo.strength
    if random.random() < 0.7 * strength:
        height, width = image.shape[1:]
        share = random.uniform(1 - (1 - LEAST_CROP) * strength, 1)
        share = np.clip(share * np.exp(random.uniform(-0.2, 0.2, 2)), LEAST_CROP, 1)
        size = np.maximum(1, (share * (height, width)).astype(int))
        top, left = (random.random(2) * (np.array([height, width]) - size + 1)).astype(int)
        image, targets = cropped(image, targets, (int(left), int(top), int(size[1]), int(size[0])))
    pixels = image.permute(1, 2, 0).numpy().astype(np.float32)
    masks = targets.masks.numpy()
    pixels = _cluttered(pixels, masks, strength, random)
    pixels = _patterned(pixels, masks, strength, random)
    pixels = _taken(pixels, strength, random)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), targets


def cropped(
    image: Tensor, targets: Targets, window: tuple[int, int, int, int]
) -> tuple[Tensor, Targets]:
    """Picture and targets inside a window [x, y, w, h]; boxes are those of what is left of masks.

    An instance with less than `LEAST_LEFT` of its pixels inside is dropped, or becomes an `ignore`
    box where any is.
    """
    x, y, w, h = window
    image = image[:, y : y + h, x : x + w]
    before = targets.masks.sum(dim=(1, 2))
    masks = targets.masks[:, y : y + h, x : x + w]
    after = masks.sum(dim=(1, 2))
    kept = after > LEAST_LEFT * before
    rest = boxes_around(masks[~kept & (after > 0)])
    ignore = targets.ignore - torch.tensor([x, y, x, y])
    ignore[:, 0::2] = ignore[:, 0::2].clamp(0, w)
    ignore[:, 1::2] = ignore[:, 1::2].clamp(0, h)
    inside = (ignore[:, 2:] > ignore[:, :2]).all(dim=1)
    ignore = torch.cat([ignore[inside], rest])
    return image, Targets(boxes_around(masks[kept]), targets.labels[kept], masks[kept], ignore)


def _cluttered(
    pixels: Pixels, masks: NDArray[np.bool_], strength: float, random: np.random.Generator
) -> Pixels:
    """Textured shapes on everything that is not labelled."""
    free = ~masks.any(axis=0)
    for _ in range(random.poisson(5 * strength)):
        shape = free & _shape(pixels.shape[:2], random)
        pixels[shape] = _texture(pixels, random)[shape]
    return pixels


def _patterned(
    pixels: Pixels, masks: NDArray[np.bool_], strength: float, random: np.random.Generator
) -> Pixels:
    """Another texture mixed into single objects, into all of the rest, and across everything."""
    for region in (*masks, ~masks.any(axis=0)):
        if random.random() < 0.5 * strength:
            if random.random() < 0.4:  # part of it only
                region = region & _shape(pixels.shape[:2], random)
            share = random.uniform(0.1, 0.7)
            pixels[region] += share * (_texture(pixels, random)[region] - pixels[region])
    if random.random() < 0.5 * strength:  # light and shadow
        light = _noise(pixels.shape[:2], random) if random.random() < 0.5 else 0.0
        light = light + 0.5 * _shape(pixels.shape[:2], random)
        pixels *= np.exp(random.uniform(-0.8, 0.8) * light)[..., None].astype(np.float32)
    return pixels


def _taken(pixels: Pixels, strength: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """White balance, exposure, gamma, blur, noise and JPEG, each with a probability of its own."""
    if random.random() < 0.6 * strength:
        pixels = pixels * np.exp(random.normal(0, 0.12, 3)).astype(np.float32)
    if random.random() < 0.6 * strength:
        pixels = pixels * np.float32(np.exp(random.uniform(-0.6, 0.6)))
    if random.random() < 0.5 * strength:
        gamma = np.float32(np.exp(random.uniform(-0.4, 0.4)))
        pixels = 255 * (pixels.clip(0, 255) / 255) ** gamma
    if random.random() < 0.4 * strength:
        sharp = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        pixels = np.array(sharp.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.5))))
    if random.random() < 0.5 * strength:
        grain = random.standard_normal(pixels.shape, dtype=np.float32)
        pixels = pixels + random.uniform(2, 14) * grain
    taken = pixels.clip(0, 255).astype(np.uint8)
    if random.random() < 0.6 * strength:
        file = io.BytesIO()
        Image.fromarray(taken).save(file, "JPEG", quality=int(random.integers(30, 96)))
        taken = np.array(Image.open(file))
    return taken


def _shape(size: tuple[int, int], random: np.random.Generator) -> NDArray[np.bool_]:
    """(H, W), true inside a random ellipse, quadrilateral or bar that may leave the picture."""
    height, width = size
    centre = random.random(2) * (width, height)
    across = np.exp(random.uniform(np.log(0.04), np.log(0.4), 2)) * min(size)
    across[1] *= random.choice((0.15, 1.0))  # thin things, too
    angle = random.uniform(0, np.pi)
    corners = random.integers(3, 7)
    turns = np.sort(random.random(corners)) if random.random() < 0.6 else np.arange(24) / 24
    around = 2 * np.pi * turns
    points = np.stack([np.cos(around), np.sin(around)], axis=1) * across
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    canvas = Image.new("1", (width, height))
    ImageDraw.Draw(canvas).polygon([tuple(p) for p in points @ turn.T + centre], fill=1)
    return np.array(canvas)


def _texture(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Of the picture's size: stripes, checks or blotches of two colours, or the picture turned."""
    kind, size = random.integers(4), pixels.shape[:2]
    if kind == 0:
        turned = pixels[::-1] if random.random() < 0.5 else pixels[:, ::-1]
        return np.roll(turned, random.integers(0, size), axis=(0, 1))
    if kind == 1:
        mix = _noise(size, random)
    else:
        angle, period = random.uniform(0, np.pi), np.exp(random.uniform(np.log(4), np.log(60)))
        y, x = np.ogrid[: size[0], : size[1]]
        mix = np.sin(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period)
        if kind == 3:
            mix = mix * np.sin(2 * np.pi * (np.cos(angle) * y - np.sin(angle) * x) / period)
        mix = (mix > random.uniform(-0.7, 0.7)) if random.random() < 0.7 else mix
    first, second = random.uniform(0, 255, (2, 3))
    return (first + (second - first) * mix[..., None]).clip(0, 255).astype(np.float32)


def _noise(size: tuple[int, int], random: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) around 0.5: random values on three coarse grids, made smooth between."""
    total = np.full(size, 0.5, dtype=np.float32)
    for weight in (0.3, 0.2, 0.1):
        cells = random.integers(2, 40, 2)
        grid = random.uniform(-1, 1, cells).astype(np.float32)
        fine = Image.fromarray(grid).resize(size[::-1], Image.Resampling.BICUBIC)
        total += np.float32(weight) * np.asarray(fine)
    return total
