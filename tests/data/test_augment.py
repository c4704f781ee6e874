"""Sizes, draws and colour, each against the rule written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datafiles import picture
from PIL import Image

from helpers.data.augment import Draw, draw, jitter, resized_size, to_tensor


@pytest.mark.parametrize(
    ("size", "short", "longest", "expected"),
    [
        ((1200, 1200), 1350, 1500, (1350, 1350)),
        ((1200, 1200), 1500, 1333, (1333, 1333)),
        ((480, 640), 800, 1333, (800, 1067)),
        ((640, 480), 800, 1333, (1067, 800)),
        ((427, 640), 800, 1333, (800, 1199)),  # 1199.06
        ((375, 500), 1200, 1600, (1200, 1600)),
        ((300, 1000), 800, 1333, (400, 1333)),  # 399.9
        ((1, 5000), 800, 1333, (1, 1333)),  # never zero
    ],
)
def test_resized_size(
    size: tuple[int, int], short: int, longest: int, expected: tuple[int, int]
) -> None:
    assert resized_size(size, short, longest) == expected


def test_D42_draws_cover_their_ranges_and_repeat() -> None:
    options = {"short_side": (12, 15), "flip": 0.3, "colour": 0.1}
    drawn = [draw((0, 1, row), **options) for row in range(2000)]
    assert drawn == [draw((0, 1, row), **options) for row in range(2000)]
    assert {d.short_side for d in drawn} == {12, 13, 14, 15}
    assert np.mean([d.flip for d in drawn]) == pytest.approx(0.3, abs=0.05)
    for name in ("brightness", "contrast", "saturation"):
        factors = np.array([getattr(d, name) for d in drawn])
        changed = factors[factors != 1]
        assert len(changed) / len(factors) == pytest.approx(0.5, abs=0.05)
        assert changed.min() < 0.91 and changed.max() > 1.09
        assert changed.min() >= 0.9 and changed.max() <= 1.1


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.1, 1.4])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_D42_colour_blends_with_black_mean_or_grey(name: str, factor: float) -> None:
    source = picture(20, 30)
    pixels = np.asarray(source).astype(float)
    other = {
        "brightness": np.zeros(3),
        "contrast": pixels.mean(),
        "saturation": (pixels @ (0.299, 0.587, 0.114))[..., None],
    }[name]
    expected = np.clip(factor * pixels + (1 - factor) * other, 0, 255)
    found = np.asarray(jitter(source, Draw(1, **{name: factor}))).astype(float)
    assert np.abs(found - expected).max() <= 1.5


def test_no_draw_changes_nothing() -> None:
    source = picture(20, 30)
    assert np.array_equal(np.asarray(jitter(source, Draw(1))), np.asarray(source))
    tensor = to_tensor(source, (20, 30), flip=True)
    assert torch.equal(tensor.permute(1, 2, 0).flip(1), torch.from_numpy(np.array(source)))


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::4] = 255  # plain bilinear sampling of every fourth pixel would miss them
    small = to_tensor(Image.fromarray(stripes), (16, 16))[0, :, 2:-2].float()
    assert (small - 255 / 4).abs().max() < 15
