"""Boundary bands: drawn by hand, against brute force, and the fast form against the plain one."""

import numpy as np
import pytest
from scipy import ndimage

from helpers.data import rle
from helpers.data.boundary import band_width, boundary_band, boundary_iou, boundary_rle

PIXELS = {" ": False, "#": True, ".": True}


def draw(*rows: str) -> np.ndarray:
    return np.array([[PIXELS[c] for c in row] for row in rows])


def drawn_band(*rows: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in rows])


# "." is inside the mask but not on its band; the band of so small a picture is one pixel wide
CASES = {
    "empty": ("     ", "     ", "     "),
    "one-pixel": ("     ", "  #  ", "     "),
    "full": ("#####", "#...#", "#####"),
    "touches-border": ("###  ", "#.#  ", "###  "),
    "hole": ("#######", "#.###.#", "#.# #.#", "#.###.#", "#######"),
    "two-parts": ("### ###", "#.# #.#", "### ###"),
}


@pytest.mark.parametrize("rows", CASES.values(), ids=CASES)
def test_band_drawn_by_hand(rows):
    np.testing.assert_array_equal(boundary_band(draw(*rows)), drawn_band(*rows))


@pytest.mark.parametrize(
    ("size", "width"), [((1200, 1200), 34), ((480, 640), 16), ((20, 10), 1), ((1, 1), 1)]
)
def test_band_width_is_two_percent_of_the_diagonal(size, width):
    assert band_width(*size) == width


def random_masks(count: int):
    random = np.random.default_rng(5)
    for number in range(count):
        height, width = random.integers(1, 130, 2)
        smooth = ndimage.gaussian_filter(random.random((height, width)), random.uniform(0.1, 9))
        mask = smooth > np.quantile(smooth, random.random())
        yield {0: np.ones_like(mask), 1: np.zeros_like(mask)}.get(number % 10, mask)


def test_band_is_all_within_its_width_of_the_outside():
    for mask in random_masks(20):
        outside = np.argwhere(~np.pad(mask, 1)) - 1
        band = np.zeros_like(mask)
        for y, x in np.argwhere(mask):
            band[y, x] = np.abs(outside - (y, x)).max(axis=1).min() <= band_width(*mask.shape)
        np.testing.assert_array_equal(boundary_band(mask), band)


def test_encoded_band_equals_plain_band():
    for mask in random_masks(200):
        band = rle.decode(boundary_rle(rle.encode(mask)))
        np.testing.assert_array_equal(band, boundary_band(mask))


def test_encoded_band_is_canonical():
    mask = np.zeros((90, 120), bool)
    mask[10:70, 20:100] = True
    assert boundary_rle(rle.encode(mask)) == rle.encode(boundary_band(mask))


def test_boundary_iou_of_shifted_squares():
    first, second = np.zeros((2, 20, 20), bool)
    first[5:10, 5:10], second[5:10, 6:11] = True, True
    # two outlines of 16 px, one column apart: top and bottom share 4 px each, two sides cross
    shared = 4 + 4
    assert boundary_iou(first, second) == pytest.approx(shared / (16 + 16 - shared))


def test_boundary_iou_ignores_the_inside():
    mask = np.zeros((200, 200), bool)
    mask[20:180, 20:180] = True
    hollow = mask.copy()
    hollow[90:110, 90:110] = False
    wrong_edge = ndimage.binary_erosion(mask, iterations=2)
    mask_iou = np.count_nonzero(wrong_edge) / np.count_nonzero(mask)
    assert boundary_iou(mask, mask) == 1
    assert boundary_iou(mask, wrong_edge) < 0.6 < 0.9 < mask_iou
    assert boundary_iou(mask, hollow) < 1  # a hole has an edge too


def test_boundary_iou_of_empty_masks_is_zero():
    empty = np.zeros((5, 5), bool)
    assert boundary_iou(empty, empty) == 0
    assert boundary_iou(empty, ~empty) == 0


def test_width_follows_the_ratio():
    assert band_width(300, 400, dilation_ratio=0.1) == 50
    assert boundary_band(np.ones((9, 9), bool), dilation_ratio=0.16).sum() == 81 - 25
