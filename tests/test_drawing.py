"""Masks in the colour of their class, class names of any kind, pictures that show themselves."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from helpers.drawing import Overlay, Panel, deepest_point, grid, id_map, tint
from helpers.drawing_style import INK, Picture, class_colour, short_name, short_names


def rectangle(
    y1: int, x1: int, y2: int, x2: int, *, size: tuple[int, int] = (40, 60)
) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[y1:y2, x1:x2] = True
    return mask


@pytest.fixture
def two() -> Overlay:
    """A large thing of class 26 with a small one of class 18 upon it."""
    return Overlay(
        masks=np.stack([rectangle(25, 20, 35, 30), rectangle(10, 5, 40, 55)]),
        boxes=np.array([[20.0, 25, 30, 35], [5, 10, 55, 40]]),
        category_ids=np.array([18, 26]),
        names=("Dining Chair", "Three-Seat / Multi-person sofa"),
        scores=np.array([0.4, 0.9]),
    )


def rgb(category_id: int) -> list[int]:
    return [round(255 * c) for c in to_rgb(class_colour(category_id))]


def test_tint_paints_masks_only_and_small_things_last(two: Overlay):
    image = np.full((40, 60, 3), 100, np.uint8)
    painted = tint(image, two, strength=1.0)
    assert painted[5, 5].tolist() == [100, 100, 100]
    assert painted[12, 6].tolist() == rgb(26)
    assert painted[30, 25].tolist() == rgb(18)
    assert (tint(image, two, strength=0.0) == image).all()


def test_id_map_has_one_colour_an_instance(two: Overlay):
    painted = id_map(two, (40, 60))
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == 3
    assert painted[30, 25].tolist() != painted[12, 6].tolist()


def test_best_keeps_confident_ones_best_first(two: Overlay):
    assert two.best(score=0.5).names == ("Three-Seat / Multi-person sofa",)
    assert two.best(score=0.1).scores.tolist() == [0.9, 0.4]
    assert len(two.best(score=0.1, limit=1)) == 1
    assert len(two.best(score=0.95)) == 0


def test_a_label_lies_inside_its_thing():
    mask = rectangle(10, 10, 30, 14) | rectangle(20, 10, 32, 50)
    assert mask[deepest_point(mask)]
    one = rectangle(7, 9, 8, 10)
    assert deepest_point(one) == (7, 9)


MASKS = {
    "full": np.ones((2, 40, 60), bool),
    "empty": np.zeros((2, 40, 60), bool),
    "one pixel": np.stack([rectangle(0, 0, 1, 1), rectangle(39, 59, 40, 60)]),
}


@pytest.mark.parametrize("case", [*MASKS, "none left", "no overlay"])
def test_every_case_is_drawn(case: str, two: Overlay):
    shown = two.best(score=1.0) if case == "none left" else None
    if case in MASKS:
        shown = Overlay(MASKS[case], two.boxes, two.category_ids, two.names)
    panel = Panel(np.zeros((40, 60, 3), np.uint8), case, shown, boxes=True)
    mime, data = grid([panel], columns=3, alt=case).encoded()
    assert mime == "image/jpeg" and len(data) > 500


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
    ((mime, data),) = bundle.items()
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (mime, image.format, image.size) == (f"image/{kind.lower()}", kind, size)
    assert min(image.convert("RGB").getpixel((1, 1))) >= 245


def test_short_names():
    assert short_name("Sideboard / Side Cabinet / Console") == "Sideboard"
    assert short_name("Three-Seat / Multi-person sofa") == "Three-Seat Sofa"
    assert short_name("Corner/Side Table") == "Corner/Side Table"
    assert short_name("x" * 40) == "x" * 25 + "…"
    labels = short_names(["Lamp / Floor", "Bed", "Lamp / Table", "Bed"])
    assert labels == {"Lamp / Floor": "Lamp / Floor", "Bed": "Bed", "Lamp / Table": "Lamp / Table"}
    alike = ["x" * 30 + middle + "y" * 30 for middle in "abc"]
    labels = short_names(alike, length=20)
    assert len(set(labels.values())) == 3 and max(map(len, labels.values())) <= 20
