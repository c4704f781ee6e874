"""Packed masks against decoded ones."""

import numpy as np
import pytest

from helpers.data import rle
from helpers.files import UserError
from helpers.inference.packed import PackedMasks

SIZE = (9, 13)


def shapes() -> list[np.ndarray]:
    """Empty, full, one pixel in each corner, a ring, two parts, columns that touch, noise."""
    empty, ring, parts, columns = (np.zeros(SIZE, bool) for _ in range(4))
    ring[2:7, 3:9], ring[4, 5] = True, False
    parts[0:2, 0:2] = parts[6:9, 10:13] = True
    columns[5:, 4] = columns[:3, 5] = True  # one run over the end of a column
    corners = [empty.copy() for _ in range(4)]
    for mask, (y, x) in zip(corners, ((0, 0), (0, -1), (-1, 0), (-1, -1)), strict=True):
        mask[y, x] = True
    random = np.random.default_rng(0)
    noise = [random.random(SIZE) < share for share in (0.1, 0.5, 0.9)]
    return [empty, ~empty, *corners, ring, parts, columns, *noise]


MASKS = shapes()
PACKED = PackedMasks.of([rle.encode(mask) for mask in MASKS])


def test_areas_and_boxes():
    assert PACKED.areas.tolist() == [mask.sum() for mask in MASKS]
    for mask, box in zip(MASKS, PACKED.boxes.tolist(), strict=True):
        y, x = np.nonzero(mask)
        expected = [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1] if len(y) else [0] * 4
        assert box == expected


def test_common_pixels_of_every_pair():
    rows, partners = (grid.ravel() for grid in np.meshgrid(*[np.arange(len(MASKS))] * 2))
    common = PACKED.common(rows, PACKED, partners)
    expected = [(MASKS[a] & MASKS[b]).sum() for a, b in zip(rows, partners, strict=True)]
    assert common.tolist() == expected


@pytest.mark.parametrize("seed", range(3))
def test_large_random_masks_have_the_reference_iou(seed):
    random = np.random.default_rng(seed)
    masks = [np.cumsum(random.normal(size=(60, 80)), axis=0) > 2 for _ in range(6)]
    rles = [rle.encode(mask) for mask in masks]
    packed = PackedMasks.of(rles)
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(6), np.arange(6), indexing="ij"))
    common = packed.common(a, packed, b)
    iou = common / (packed.areas[a] + packed.areas[b] - common)
    np.testing.assert_array_equal(iou.reshape(6, 6), rle.iou(rles, rles))


def test_none_at_all():
    none = PackedMasks.of([])
    nothing = np.zeros(0, np.int64)
    assert len(none.common(nothing, PACKED, nothing)) == 0
    assert none.boxes.shape == (0, 4)


BROKEN = ["0", "", "5", "~", "0P", "\x10", "o" * 30, "l3", "0l3", "00e3", "é"]


@pytest.mark.parametrize("counts", [*BROKEN, b"l3", [50, 67], None])
def test_what_is_not_in_the_plain_form_is_not_sound(counts):
    fine = rle.encode(MASKS[6])
    packed = PackedMasks.of([fine, {"size": [9, 13], "counts": counts}, fine])
    assert packed.sound.tolist() == [True, False, True]


SIZES = [[0, 5], [9, 13, 1], [9.0, 13], [True, 117], (9, 13), [117], None, [1, 2**21], [2**15] * 2]


@pytest.mark.parametrize("size", SIZES)
def test_a_size_that_is_no_size_is_not_sound(size):
    counts = rle.encode(MASKS[6])["counts"]
    assert not PackedMasks.of([{"size": size, "counts": counts}]).sound.any()


@pytest.mark.parametrize(
    "value", [None, "text", [1, 2], {}, {"size": [9, 13], "x": "", "counts": ""}]
)
def test_what_is_no_mask_is_not_sound(value):
    assert not PackedMasks.of([value]).sound.any()


def test_any_form_is_read_as_normalised_one_by_one():
    with_empty_runs = {"size": [9, 13], "counts": [50, 0, 17, 20, 0, 30]}
    as_text = rle.normalise({"size": [9, 13], "counts": [20, 97]})
    given = [*[rle.encode(mask) for mask in MASKS], with_empty_runs, as_text]
    packed = PackedMasks.read(given)
    assert [packed.rle(n) for n in range(len(given))] == [rle.normalise(one) for one in given]
    with pytest.raises(UserError):
        PackedMasks.read([*given, {"size": [9, 13], "counts": "5"}])


def test_masks_taken_out_are_the_same_masks():
    rows = np.array([7, 0, 10, 7])
    taken = PACKED.take(rows)
    assert [taken.rle(n) for n in range(4)] == [rle.encode(MASKS[row]) for row in rows]
    assert taken.areas.tolist() == [MASKS[row].sum() for row in rows]
    common = taken.common(np.arange(4), PACKED, rows)
    assert common.tolist() == taken.areas.tolist()
