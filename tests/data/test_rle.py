"""Masks as run lengths: against a slow reference, and against inputs that must be refused; the band
along their outline, drawn by hand and against brute force."""

from __future__ import annotations

import numpy as np
import pycocotools.mask as coco_mask
import pytest
from datafiles import uncompressed
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import rle as rles
from helpers.files import UserError


def drawn(*rows: str) -> np.ndarray:
    """A mask of the characters that are no spaces."""
    return np.array([[c != " " for c in row] for row in rows])


# "." is inside of the mask, but not on its band, which is one pixel wide in so small a picture
DRAWINGS = {
    "empty": ("     ", "     ", "     "),
    "one pixel": ("     ", "  #  ", "     "),
    "last pixel": ("     ", "     ", "    #"),
    "full": ("#####", "#...#", "#####"),
    "at the border": ("###  ", "#.#  ", "###  "),
    "hole": ("#######", "#.###.#", "#.# #.#", "#.###.#", "#######"),
    "two parts": ("### ###", "#.# #.#", "### ###"),
    "over a column's end": (" #  ", "  # ", "  # ", " #  ", " #  "),
}

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda size: st.lists(
        st.booleans(), min_size=size[0] * size[1], max_size=size[0] * size[1]
    ).map(lambda bits: np.array(bits).reshape(size))
)


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_form_of_a_mask_drawn_by_hand(name: str) -> None:
    mask = drawn(*DRAWINGS[name])
    ys, xs = np.nonzero(mask)
    box = (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1) if mask.any() else (0, 0, 0, 0)
    text = rles.encode(mask)
    counts = uncompressed(mask)
    assert isinstance(text["counts"], str) and rles.runs(text).tolist() == counts
    for form in (
        text,
        {"size": text["size"], "counts": counts},
        {"size": text["size"], "counts": text["counts"].encode()},
    ):
        assert np.array_equal(rles.decode(form), mask) and rles.normalise(form) == text
        assert rles.examine(form) == (text, mask.sum(), box)
        assert (rles.area(form), rles.bbox(form)) == rles.measure(form) == (mask.sum(), box)


@given(mask=masks, other=masks, data=st.data())
def test_all_operations_equal_pixel_arithmetic(
    mask: np.ndarray, other: np.ndarray, data: st.DataObject
) -> None:
    other = np.resize(other, mask.shape)
    a, b = rles.encode(mask), rles.encode(other)
    both, either = (mask & other).sum(), (mask | other).sum()
    assert rles.runs(a).tolist() == uncompressed(mask)
    assert np.array_equal(coco_mask.decode(a), mask)
    assert rles.iou([a], [b])[0, 0] == pytest.approx(both / max(either, 1))
    assert rles.iou([a], [b], crowd=[True])[0, 0] == pytest.approx(both / max(mask.sum(), 1))
    height, width = mask.shape
    x, y = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
    w, h = data.draw(st.integers(0, width - x)), data.draw(st.integers(0, height - y))
    assert np.array_equal(rles.decode_box(a, (x, y, w, h)), mask[y : y + h, x : x + w])


def test_large_and_empty_runs() -> None:
    counts = [0, 1, 70_000_000, 29_999_998, 1]
    assert (
        rles.runs(rles.normalise({"size": [10_000, 10_000], "counts": counts})).tolist() == counts
    )
    gap = {"size": [4, 2], "counts": [2, 0, 2, 4]}
    assert rles.runs(rles.normalise(gap)).tolist() == [4, 4]
    assert rles.iou([gap], [gap]) == 1  # pycocotools would stop at the empty run
    one = rles.encode(np.ones((2, 2), dtype=bool))
    assert rles.iou([], [one]).shape == (0, 1) and rles.iou([one], []).shape == (1, 0)


def test_polygons_are_filled_and_clipped() -> None:
    rle = rles.from_polygons([[1, 2, 4, 2, 4, 5, 1, 5]], (6, 5))
    assert rles.measure(rle) == (9, (1, 2, 3, 3))
    near = rles.from_polygons([[2, -3, 9, -3, 9, 4, 2, 4]], (6, 5))
    far = rles.from_polygons([[2, -60, 60, -60, 60, 4, 2, 4]], (6, 5))
    assert near == far and rles.measure(far) == (12, (2, 0, 3, 4))
    for nothing in ([50, 50, 59, 50, 59, 59], [1, 1, 3, 1, 4, 1]):  # outside; on one line
        assert rles.area(rles.from_polygons([nothing], (6, 5))) == 0


BAD_RLE = {
    "no counts": {"size": [2, 2]},
    "no size": {"counts": [4]},
    "sum too small": {"size": [2, 2], "counts": [1, 2]},
    "NaN": {"size": [2, 2], "counts": [float("nan"), 4]},
    "too large for an integer": {"size": [2, 2], "counts": [2**70]},
    "characters out of range": {"size": [2, 2], "counts": "4 "},
    "lone surrogate": {"size": [2, 2], "counts": "4\ud800"},
    "cut short": {"size": [100, 100], "counts": "R"},
    "too many characters a number": {"size": [2, 2], "counts": "oooooooooooo0"},
    "size zero": {"size": [0, 4], "counts": []},
    "size beyond all pictures": {"size": [10**6, 10**6], "counts": [10**12]},
}


@pytest.mark.parametrize("name", BAD_RLE)
def test_bad_rle_is_refused(name: str) -> None:
    one = rles.encode(np.ones((2, 2), dtype=bool))
    for function in (rles.runs, rles.normalise, rles.decode, rles.examine):
        with pytest.raises(UserError):
            function(BAD_RLE[name])
    with pytest.raises(UserError):
        rles.iou([BAD_RLE[name]], [one])
    with pytest.raises(UserError, match="different sizes"):
        rles.iou([one], [rles.encode(np.ones((2, 3), dtype=bool))])


@pytest.mark.parametrize(
    "rings",
    [
        *([], [[0, 0, 1, 1]], [[0, 0, 1, 1, 2, 2, 3]], [[0, 0, 1, "1", 2, 2]]),
        *([[0, 0, 1, float(x), 2, 2]] for x in ("nan", "inf", "1e12")),
        *([[0, 0, 1, 10**400, 2, 2]], [[[0, 0], [1, 1], [2, 2]] * 2], [[0, 0, 1, None, 2, 2]]),
    ],
)
def test_bad_polygons_are_refused(rings: list) -> None:
    with pytest.raises(UserError):
        rles.from_polygons(rings, (6, 5))


@given(text=st.binary(max_size=12), height=st.integers(1, 9), width=st.integers(1, 9))
def test_any_text_is_a_mask_or_an_error(text: bytes, height: int, width: int) -> None:
    try:
        mask = rles.decode({"size": [height, width], "counts": text})
    except UserError:
        return
    assert mask.shape == (height, width)
    assert np.array_equal(coco_mask.decode({"size": [height, width], "counts": text}), mask)
