"""Masks as run lengths: against a slow reference, and against inputs that must be refused."""

from __future__ import annotations

import numpy as np
import pycocotools.mask as coco_mask
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import rle as rles
from helpers.files import UserError


def pictures() -> dict[str, np.ndarray]:
    """Hand-drawn masks of 6 x 5 pixels."""
    blank = np.zeros((6, 5), dtype=bool)

    def painted(*parts: tuple[slice, slice], value: bool = True) -> np.ndarray:
        mask = np.full((6, 5), not value)
        for rows, columns in parts:
            mask[rows, columns] = value
        return mask

    return {
        "empty": blank,
        "full": ~blank,
        "one pixel": painted((slice(2, 3), slice(3, 4))),
        "first pixel": painted((slice(0, 1), slice(0, 1))),
        "last pixel": painted((slice(5, 6), slice(4, 5))),
        "hole": painted((slice(2, 4), slice(1, 3)), value=False),
        "two parts": painted((slice(0, 2), slice(0, 2)), (slice(4, 6), slice(3, 5))),
        "a row": painted((slice(3, 4), slice(0, 5))),
        "columns over the border": painted((slice(4, 6), slice(1, 2)), (slice(0, 2), slice(2, 3))),
    }


def slow_runs(mask: np.ndarray) -> list[int]:
    """Run lengths of 0, 1, 0, ... pixels, column by column, counted one by one."""
    counts, value = [0], False
    for pixel in mask.T.ravel():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda size: st.lists(
        st.booleans(), min_size=size[0] * size[1], max_size=size[0] * size[1]
    ).map(lambda bits: np.array(bits).reshape(size))
)


@pytest.mark.parametrize("name", pictures())
def test_round_trip_runs_area_and_box(name: str) -> None:
    mask = pictures()[name]
    rle = rles.encode(mask)
    ys, xs = np.nonzero(mask)
    box = (0, 0, 0, 0)
    if mask.any():
        box = (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1)
    assert isinstance(rle["counts"], str) and rle["size"] == [6, 5]
    assert np.array_equal(rles.decode(rle), mask)
    assert rles.runs(rle).tolist() == slow_runs(mask)
    assert rles.measure(rle) == (mask.sum(), box)
    assert (rles.area(rle), rles.bbox(rle)) == (mask.sum(), box)
    assert rles.examine(rle) == (rle, mask.sum(), box)


@given(mask=masks)
def test_every_form_decodes_to_the_same_raster(mask: np.ndarray) -> None:
    text = rles.encode(mask)
    plain = {"size": list(mask.shape), "counts": slow_runs(mask)}
    packed = {"size": text["size"], "counts": text["counts"].encode()}
    for form in (text, plain, packed):
        assert np.array_equal(rles.decode(form), mask)
        assert rles.normalise(form) == text
    assert np.array_equal(coco_mask.decode(text), mask)


@given(mask=masks, data=st.data())
def test_decoding_a_box_is_cutting_the_mask(mask: np.ndarray, data: st.DataObject) -> None:
    height, width = mask.shape
    x, y = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
    w, h = data.draw(st.integers(0, width - x)), data.draw(st.integers(0, height - y))
    cut = rles.decode_box(rles.encode(mask), (x, y, w, h))
    assert np.array_equal(cut, mask[y : y + h, x : x + w])


def test_large_runs_survive_the_text_form() -> None:
    counts = [0, 1, 70_000_000, 29_999_998, 1]
    rle = rles.from_runs(counts, (10_000, 10_000))
    assert rles.runs(rle).tolist() == counts


def test_runs_of_no_pixels_are_joined_before_merging() -> None:
    left = {"size": [4, 2], "counts": [2, 0, 2, 4]}
    right = {"size": [4, 2], "counts": [2, 0, 2, 0, 4]}
    assert rles.runs(rles.normalise(left)).tolist() == [4, 4]
    assert rles.area(rles.merge([left, right])) == 4
    assert rles.area(rles.merge([left, right], intersect=True)) == 0


@given(first=masks, second=masks)
def test_iou_and_merge_equal_pixel_arithmetic(first: np.ndarray, second: np.ndarray) -> None:
    second = np.resize(second, first.shape)
    a, b = rles.encode(first), rles.encode(second)
    both, either = (first & second).sum(), (first | second).sum()
    assert rles.iou([a], [b])[0, 0] == pytest.approx(both / max(either, 1))
    crowd = rles.iou([a], [b], crowd=[True])[0, 0]
    assert crowd == pytest.approx(both / max(first.sum(), 1))
    assert np.array_equal(rles.decode(rles.merge([a, b])), first | second)


def test_iou_of_nothing_has_a_shape() -> None:
    one = rles.encode(np.ones((2, 2), dtype=bool))
    assert rles.iou([], [one]).shape == (0, 1)
    assert rles.iou([one], []).shape == (1, 0)


def test_a_polygon_of_pixel_corners_is_that_rectangle() -> None:
    rle = rles.from_polygons([[1, 2, 4, 2, 4, 5, 1, 5]], (6, 5))
    expected = np.zeros((6, 5), dtype=bool)
    expected[2:5, 1:4] = True
    assert np.array_equal(rles.decode(rle), expected)


def test_polygons_are_clipped_however_far_they_reach() -> None:
    near = rles.from_polygons([[2, -3, 9, -3, 9, 4, 2, 4]], (6, 5))
    far = rles.from_polygons([[2, -1e8, 1e8, -1e8, 1e8, 4, 2, 4]], (6, 5))
    assert near == far
    assert rles.measure(far) == (12, (2, 0, 3, 4))
    assert rles.area(rles.from_polygons([[900, 900, 990, 900, 990, 990]], (6, 5))) == 0


def test_collinear_polygon_is_empty() -> None:
    assert rles.area(rles.from_polygons([[1, 1, 3, 1, 4, 1]], (6, 5))) == 0


BAD_RLE = {
    "no counts": {"size": [2, 2]},
    "no size": {"counts": [4]},
    "not a mapping": [[4]],
    "sum too small": {"size": [2, 2], "counts": [1, 2]},
    "sum too large": {"size": [2, 2], "counts": [1, 2, 3]},
    "negative": {"size": [2, 2], "counts": [5, -1]},
    "fraction": {"size": [2, 2], "counts": [1.5, 2.5]},
    "NaN": {"size": [2, 2], "counts": [float("nan"), 4]},
    "nested": {"size": [2, 2], "counts": [[4]]},
    "ragged": {"size": [2, 2], "counts": [[4], 1]},
    "wraps around": {"size": [2, 2], "counts": [2**63 - 1, 2**63 - 1, 6]},
    "too large for an integer": {"size": [2, 2], "counts": [2**70]},
    "text in a list": {"size": [2, 2], "counts": ["4"]},
    "empty list": {"size": [2, 2], "counts": []},
    "empty text": {"size": [2, 2], "counts": ""},
    "characters out of range": {"size": [2, 2], "counts": "4 "},
    "not ASCII": {"size": [2, 2], "counts": "4é"},
    "cut short": {"size": [100, 100], "counts": "R"},
    "too many characters a number": {"size": [2, 2], "counts": "oooooooooooo0"},
    "number instead of counts": {"size": [2, 2], "counts": 4},
    "size zero": {"size": [0, 4], "counts": []},
    "size of one": {"size": [4], "counts": [4]},
    "size of text": {"size": "22", "counts": [4]},
    "size a fraction": {"size": [2.5, 2.0], "counts": [4]},
    "size beyond all pictures": {"size": [10**6, 10**6], "counts": [10**12]},
}


@pytest.mark.parametrize("name", BAD_RLE)
def test_bad_rle_is_refused(name: str) -> None:
    for function in (rles.runs, rles.normalise, rles.decode, rles.measure):
        with pytest.raises(UserError):
            function(BAD_RLE[name])
    with pytest.raises(UserError):
        rles.iou([BAD_RLE[name]], [rles.encode(np.ones((2, 2), dtype=bool))])


BAD_POLYGON = {
    "none": [],
    "two points": [[0, 0, 1, 1]],
    "odd": [[0, 0, 1, 1, 2, 2, 3]],
    "NaN": [[0, 0, 1, float("nan"), 2, 2]],
    "infinite": [[0, 0, 1, float("inf"), 2, 2]],
    "far away": [[0, 0, 1, 1e12, 2, 2]],
    "beyond a float": [[0, 0, 1, 10**400, 2, 2]],
    "text": [[0, 0, 1, "1", 2, 2]],
    "nested": [[[0, 0], [1, 1], [2, 2]] * 2],
    "null": [[0, 0, 1, None, 2, 2]],
}


@pytest.mark.parametrize("name", BAD_POLYGON)
def test_bad_polygons_are_refused(name: str) -> None:
    with pytest.raises(UserError):
        rles.from_polygons(BAD_POLYGON[name], (6, 5))


def test_masks_of_different_sizes_do_not_mix() -> None:
    wide, high = rles.encode(np.ones((2, 3), bool)), rles.encode(np.ones((3, 2), bool))
    with pytest.raises(UserError, match="different sizes"):
        rles.iou([wide], [high])
    with pytest.raises(UserError, match="different sizes"):
        rles.merge([wide, high])


@given(text=st.binary(max_size=12), height=st.integers(1, 9), width=st.integers(1, 9))
def test_any_text_is_a_mask_or_an_error(text: bytes, height: int, width: int) -> None:
    try:
        mask = rles.decode({"size": [height, width], "counts": text})
    except UserError:
        return
    assert mask.shape == (height, width)
    assert np.array_equal(coco_mask.decode({"size": [height, width], "counts": text}), mask)
