"""Colours that stay fixed, and figures that show themselves."""

from __future__ import annotations

import base64
import io

import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from helpers.drawing_style import (
    CYCLE,
    INK,
    Picture,
    class_colour,
    instance_colours,
    shade,
    text_on,
)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_34_classes_have_34_colours():
    assert len({class_colour(i) for i in range(1, 35)}) == 34


def test_the_first_seven_are_the_safe_cycle():
    assert [class_colour(i) for i in range(1, 8)] == list(CYCLE)


@pytest.mark.parametrize("category_id", [0, 90, 4711])
def test_any_id_has_a_colour(category_id: int):
    assert class_colour(category_id).startswith("#")


def test_labels_can_be_read_on_every_class_colour():
    for category_id in range(1, 35):
        colour = class_colour(category_id)
        assert contrast(text_on(colour), colour) >= 3


def test_shade_ends_at_white_and_black():
    assert shade("#123456", 1.0) == "#ffffff"
    assert shade("#123456", -1.0) == "#000000"
    assert shade("#123456", 0.0) == "#123456"


def test_instances_are_told_apart():
    assert len(set(instance_colours(30))) == 30


@pytest.mark.parametrize(
    ("photograph", "kind", "size"), [(True, "JPEG", (168, 84)), (False, "PNG", (200, 100))]
)
def test_a_picture_brings_one_opaque_image_and_words(
    photograph: bool, kind: str, size: tuple[int, int]
):
    picture = Picture((2.0, 1.0), alt="two lines", photograph=photograph)
    picture.add_subplot().plot([0, 1], [1, 0], color=INK)
    bundle = picture.bundle()
    assert bundle.pop("text/plain") == "two lines"
    (mime, data), *rest = bundle.items()
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert not rest
    assert mime == f"image/{kind.lower()}"
    assert image.format == kind
    assert image.size == size
    red, green, blue, alpha = image.convert("RGBA").getpixel((1, 1))
    assert min(red, green, blue) >= 245
    assert alpha == 255
