"""Mask correction: the numbered acceptance cases, each on a map drawn for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from helpers.correction.correct import CorrectionConfig, correct_labels
from helpers.correction.instances import correct_image
from helpers.correction.measure import measure_correction
from helpers.data import rle

SIZE = 1200  # at which thresholds are not scaled


def room(*boxes: tuple[int, int, int, int, int], size: int = SIZE) -> np.ndarray:
    """A map with (label, top, left, bottom, right) boxes, later ones on top."""
    labels = np.zeros((size, size), np.int32)
    for label, top, left, bottom, right in boxes:
        labels[top:bottom, left:right] = label
    return labels


SEAT = (1, 300, 300, 500, 700)
BED = (2, 600, 200, 900, 800)


def corrected(labels: np.ndarray) -> np.ndarray:
    return correct_labels(labels).labels


def unchanged(labels: np.ndarray) -> None:
    assert np.array_equal(corrected(labels), labels)


def thin_rod() -> None:
    unchanged(room(SEAT, (1, 500, 400, 540, 401)))
    slanted = room(SEAT)
    slanted[500 + np.arange(40), 400 + np.arange(40)] = 1
    found = corrected(slanted)
    assert (found[slanted == 1] == 1).all()
    assert (found != slanted).sum() <= 1  # the sharp corner where it meets the seat


def dashed_rod() -> None:
    dashes = [(1, 501, 400, 505, 401), (1, 508, 400, 512, 401), (1, 514, 400, 519, 401)]
    unchanged(room(SEAT, *dashes, (1, 522, 400, 526, 401)))


def sofa_cut_in_three() -> None:
    unchanged(room(BED, (5, 600, 380, 900, 400), (5, 600, 600, 900, 620)))


def speck_inside_a_bed() -> None:
    for speck in ((7, 700, 500, 703, 501), (7, 700, 500, 701, 503), (7, 700, 500, 702, 502)):
        labels = room(BED, (7, 100, 100, 200, 200), speck)
        assert np.array_equal(corrected(labels), room(BED, (7, 100, 100, 200, 200)))


def speck_on_a_border() -> None:
    left, right = (1, 300, 300, 500, 500), (2, 300, 500, 500, 700)
    clean = room(left, right, (7, 900, 900, 1000, 1000))
    mostly_left = clean.copy()
    mostly_left[400:402, 497:501] = 7
    found = corrected(mostly_left)
    assert not (found[390:410, 490:510] == 7).any()
    assert (found[400:402, 497:500] == 1).all()
    mostly_right = clean.copy()
    mostly_right[400:402, 499:503] = 7
    assert (corrected(mostly_right)[400:402, 500:503] == 2).all()


def slats() -> None:
    bars = [(0, 320, left, 328, left + 1) for left in range(320, 680, 20)]
    labels = room(SEAT, *bars)
    unchanged(labels)
    with_speck = room(SEAT, *bars, (0, 400, 400, 402, 403))  # 6 px: below 8
    assert np.array_equal(corrected(with_speck), labels)


def small_instance() -> None:
    unchanged(room(SEAT, (9, 100, 100, 104, 105)))
    unchanged(room(BED, (9, 700, 500, 704, 505)))


def clean_maps() -> None:
    unchanged(np.zeros((SIZE, SIZE), np.int32))
    unchanged(np.full((300, 400), 5))
    unchanged(np.zeros((0, 0), np.int32))
    y, x = np.mgrid[:SIZE, :SIZE]
    labels = room(SEAT, BED)
    labels[(y - 250) ** 2 + (x - 900) ** 2 < 120**2] = 4
    labels[np.abs((y - 700) + 0.3 * (x - 900)) < 6] = 3
    found = corrected(labels)
    assert (found != labels).sum() <= 0.0002 * (labels > 0).sum()


def ids_and_order() -> None:
    labels = room((40, *SEAT[1:]), (7, *BED[1:]))
    labels[350, 350] = 7
    masks = {12: labels == 40, 3: labels == 7}
    annotations = [
        {"id": i, "category_id": 5, "segmentation": rle.encode(mask), "theme": None}
        for i, mask in masks.items()
    ]
    result, report = correct_image(annotations, labels.shape)
    assert [a["id"] for a in result] == [12, 3]
    assert all(a["category_id"] == 5 and a["theme"] is None for a in result)
    assert report.instances == {12: 1, 3: 1}
    assert np.array_equal(rle.decode(result[0]["segmentation"]), room(SEAT) == 1)
    assert set(np.unique(corrected(labels))) == {0, 7, 40}


def noisy_room(seed: int = 0) -> np.ndarray:
    """A room with 3,000 wrong pixels, among them ties to be broken."""
    rng = np.random.default_rng(seed)
    labels = room(SEAT, BED, (3, 500, 350, 640, 352), (4, 100, 800, 500, 1200))
    at = rng.integers(0, labels.size, 3000)
    labels.ravel()[at] = rng.integers(0, 5, 3000)
    return labels


def numbering() -> None:
    labels = noisy_room()
    other = np.array([0, 30, 2, 9, 1])  # of the same five labels
    assert np.array_equal(corrected(other[labels]), other[corrected(labels)])
    moved = np.array([6, 30, 2, 9, 0])  # the background is 6 here
    assert np.array_equal(
        correct_labels(moved[labels], background=6).labels, moved[corrected(labels)]
    )


def image_border() -> None:
    unchanged(room(SEAT, (1, 500, 400, 1200, 401)))
    unchanged(room((1, 0, 0, 100, 100), (1, 100, 0, 140, 1)))
    labels = room((1, 0, 0, 100, 100), (2, 600, 600, 800, 800))
    labels[50:52, 0] = 2
    assert np.array_equal(corrected(labels), room((1, 0, 0, 100, 100), (2, 600, 600, 800, 800)))


def scale() -> None:
    small = room(*((k, *(v // 2 for v in box)) for k, *box in (SEAT, BED)), size=SIZE // 2)
    for side, kept in ((2, False), (5, True)):  # 4 and 25 px at 600: 16 and 100 at 1200
        labels = small.copy()
        labels[350 : 350 + side, 250 : 250 + side] = 1
        large = labels.repeat(2, 0).repeat(2, 1)
        assert (corrected(labels)[351, 251] == 1) == kept
        assert (corrected(large)[702, 502] == 1) == kept


def overlap() -> None:
    seat, bed = room(SEAT) == 1, room((1, 450, 350, 900, 800)) == 1
    annotations = [
        {"id": 1, "category_id": 1, "segmentation": rle.encode(seat)},
        {"id": 2, "category_id": 2, "segmentation": rle.encode(bed)},
    ]
    result, report = correct_image(annotations, seat.shape)
    assert report.overlap == 50 * 350
    assert np.array_equal(rle.decode(result[0]["segmentation"]), seat)  # the smaller one
    assert np.array_equal(rle.decode(result[1]["segmentation"]), bed & ~seat)


def fixed_point() -> None:
    for seed in range(5):
        found = correct_labels(noisy_room(seed))
        assert found.settled and 1 < found.passes <= 5
        again = correct_labels(found.labels)
        assert again.passes == 1 and np.array_equal(again.labels, found.labels)


def written_masks() -> None:
    labels = noisy_room()
    annotations = [
        {"id": i, "category_id": i, "segmentation": rle.encode(labels == i)} for i in range(1, 5)
    ]
    expected = corrected(labels)
    result, _ = correct_image(annotations, labels.shape)
    for annotation in result:
        mask = rle.decode(annotation["segmentation"])
        assert np.array_equal(mask, expected == annotation["id"])
        assert (annotation["area"], tuple(annotation["bbox"])) == rle.measure(
            annotation["segmentation"]
        )


CASES: dict[str, Callable[[], None]] = {
    "B4-01 a thin rod on a seat stays": thin_rod,
    "B4-02 a dashed rod stays": dashed_rod,
    "B4-03 a sofa cut by table legs keeps its parts": sofa_cut_in_three,
    "B4-04 a speck inside a bed goes to the bed": speck_inside_a_bed,
    "B4-05 a speck on a border goes to the longer side": speck_on_a_border,
    "B4-06 gaps between slats stay": slats,
    "B4-07 an instance of 20 pixels stays": small_instance,
    "B4-08 clean maps stay as they are": clean_maps,
    "B4-09 ids and order are kept": ids_and_order,
    "B4-10 numbering does not matter": numbering,
    "B4-11 the image border is nothing special": image_border,
    "B4-12 the size of the picture does not matter": scale,
    "B4-13 overlaps are reported": overlap,
    "B4-14 a fixed point is reached in five passes": fixed_point,
    "B4-15 what is written agrees with the map": written_masks,
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_acceptance(case: Callable[[], None]):
    case()


def test_the_input_is_not_touched_and_the_type_is_kept():
    labels = noisy_room().astype(np.uint8)
    before = labels.copy()
    assert corrected(labels).dtype == np.uint8
    assert np.array_equal(labels, before)


def test_changed_pixels_are_counted_once_by_cause():
    found = correct_labels(noisy_room())
    assert sum(found.changed.values()) == (found.labels != noisy_room()).sum()
    assert all(count > 0 for count in found.changed.values())


def test_specks_holes_and_islands_are_told_apart():
    labels = room(SEAT, BED)
    labels[100:102, 100:102] = 1
    labels[400:402, 400:402] = 0
    labels[700:702, 300:303] = 1
    assert correct_labels(labels).changed == {"border": 0, "speck": 4, "hole": 4, "island": 6}


def test_bumps_and_notches_of_one_pixel_go_and_corners_stay():
    labels = room(SEAT)
    labels[299, 450] = 1  # bump
    labels[300, 550] = 0  # notch
    found = correct_labels(labels)
    assert np.array_equal(found.labels, room(SEAT))
    assert found.changed["border"] == 2
    kept = correct_labels(labels, CorrectionConfig(smooth_border=False))
    assert np.array_equal(kept.labels, labels)


@pytest.mark.parametrize("labels", [np.zeros((2, 2, 3), int), np.zeros((4, 4))])
def test_what_is_no_label_map_is_refused(labels):
    with pytest.raises(ValueError, match="label map"):
        correct_labels(labels)


def test_wrong_pixels_are_found_and_right_ones_left_alone():
    clean = room(SEAT, BED, (3, 500, 350, 640, 352), (4, 100, 800, 500, 1200))
    noisy = noisy_room()
    score = measure_correction(noisy, corrected(noisy), clean)
    assert score.noisy > 2000
    assert score.precision > 0.97 and score.recall > 0.97
    assert score.damage < 1e-4 and score.thin_share > 0.98
    assert score.boundary_iou > 0.98
    before = measure_correction(noisy, noisy, clean)
    assert before.recall == 0 and np.isnan(before.precision)
    assert before.boundary_iou < score.boundary_iou


def test_scores_are_counted_on_a_map_drawn_by_hand():
    truth = np.zeros((24, 24), int)
    truth[2:22, 2:22] = 1
    noisy, found = truth.copy(), truth.copy()
    noisy[0, 0] = noisy[23, 23] = 1
    found[0, 0] = 1  # stays wrong
    found[2, 2] = 0  # made wrong
    score = measure_correction(noisy, found, truth)
    assert (score.changed, score.noisy, score.restored) == (2, 2, 1)
    assert (score.clean, score.damaged) == (400, 1)
    assert score.precision == score.recall == 0.5
    assert score.mask_iou == 399 / 401
    both = score + score
    assert both.noisy == 4 and both.precision == 0.5 and len(both.mask_ious) == 2


def test_maps_of_different_sizes_cannot_be_measured():
    with pytest.raises(ValueError, match="different sizes"):
        measure_correction(np.zeros((2, 2), int), np.zeros((2, 3), int), np.zeros((2, 2), int))
