"""The `images` and `annotations` lists of an annotation file as checked records.

Every defect goes to the ledger of findings with its id and field; a record that can not be used is
left out, so that one pass over a file tells all that is wrong with it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from helpers.data.errors import Findings
from helpers.data.pictures import escapes
from helpers.data.rle import MAX_PIXELS, MAX_SIDE, Rle
from helpers.data.segmentation import Reading, read_segmentation

BOX_TOLERANCE = 1.0  # px
AREA_TOLERANCE, AREA_FAR = 0.05, 0.2  # relative


@dataclass(frozen=True)
class ImageRecord:
    """One entry of `images`; width and height in pixels as declared."""

    id: int
    width: int
    height: int
    file_name: str


@dataclass(frozen=True)
class AnnotationRecord:
    """One usable entry of `annotations`; area and box (x, y, w, h) are those of the mask."""

    id: int
    image_id: int
    category_id: int
    crowd: bool
    rle: Rle
    area: int
    box: tuple[int, int, int, int]


def read_images(entries: Sequence[Any], findings: Findings) -> dict[int, ImageRecord]:
    """Records by image id."""
    images: dict[int, ImageRecord] = {}
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict) or not _is_id(entry.get("id")):
            findings.add("field", f"image number {position + 1}, field id: not a whole number")
            continue
        number, name = entry["id"], entry.get("file_name")
        wrong = [key for key in ("width", "height") if not _is_side(entry.get(key))]
        if not isinstance(name, str) or not name.strip():
            wrong.append("file_name")
        if wrong:
            found = ", ".join(f"field {key}: {_short(entry.get(key))}" for key in wrong)
            findings.add("field", f"image {number}, {found}")
        elif entry["width"] * entry["height"] > MAX_PIXELS:
            findings.add("field", f"image {number}, fields width and height: too large")
        elif number in images:
            findings.add("image-id-twice", f"image {number}: {images[number].file_name}, {name}")
        elif escapes(name):
            findings.add("path-escapes", f"image {number}, field file_name: {_short(name)}")
        else:
            images[number] = ImageRecord(number, entry["width"], entry["height"], name)
    return images


def read_annotations(
    entries: Sequence[Any],
    images: Mapping[int, ImageRecord],
    categories: Collection[int],
    findings: Findings,
    *,
    image_ids: Collection[int],
) -> list[AnnotationRecord]:
    """Usable annotations. `images` may lack some of `image_ids`, all that the file declares: their
    annotations are left out without a word."""
    records: list[AnnotationRecord] = []
    boxes = _BoxCheck(findings)
    for entry in _identified(entries, findings):
        place = f"annotation {entry['id']} (image {_short(entry.get('image_id'))})"
        if not _linked(entry, place, image_ids, categories, findings):
            continue
        image = images.get(entry["image_id"])
        if image is None:
            continue
        reading = read_segmentation(entry.get("segmentation"), (image.height, image.width))
        for kind, detail in reading.remarks:
            findings.add(kind, f"{place}, {detail}")
        boxes.check(entry.get("bbox"), reading, image, place)
        _check_area(entry.get("area"), reading, place, findings)
        if reading.rle is not None:
            records.append(_record(entry, reading))
    boxes.conclude()
    return _without_id_zero(records)


def _record(entry: dict[str, Any], reading: Reading) -> AnnotationRecord:
    assert reading.rle is not None
    crowd = bool(entry.get("iscrowd") or 0)
    return AnnotationRecord(
        entry["id"],
        entry["image_id"],
        entry["category_id"],
        crowd,
        reading.rle,
        reading.area,
        reading.box,
    )


def _identified(entries: Sequence[Any], findings: Findings) -> Iterator[dict[str, Any]]:
    """Entries with an id of their own."""
    seen: set[int] = set()
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict) or not _is_id(entry.get("id")):
            findings.add("field", f"annotation number {position + 1}, field id: not a whole number")
        elif entry["id"] in seen:
            place = f"annotation {entry['id']} (image {_short(entry.get('image_id'))})"
            findings.add("annotation-id-twice", place)
        else:
            if entry["id"] == 0:
                findings.add("annotation-id-zero", f"image {_short(entry.get('image_id'))}")
            seen.add(entry["id"])
            yield entry


def _linked(
    entry: dict[str, Any],
    place: str,
    image_ids: Collection[int],
    categories: Collection[int],
    findings: Findings,
) -> bool:
    """Does an annotation point at a declared image and category, and is its crowd flag one?"""
    image, category = entry.get("image_id"), entry.get("category_id")
    known_image = _is_id(image) and image in image_ids
    known_category = _is_id(category) and category in categories
    if not known_image:
        findings.add("unknown-image", f"{place}, field image_id")
    if not known_category:
        findings.add("unknown-category", f"{place}, field category_id: {_short(category)}")
    crowd = entry.get("iscrowd", 0)
    if not (crowd is None or (isinstance(crowd, int) and crowd in (0, 1))):
        findings.add("crowd-value", f"{place}, field iscrowd: {_short(crowd)}")
        return False
    return known_image and known_category


def _check_area(area: Any, reading: Reading, place: str, findings: Findings) -> None:
    if area is None or reading.rle is None:
        return
    stated = float(area) if _is_number(area) else math.inf
    error = abs(stated - reading.area) / reading.area
    if error > AREA_TOLERANCE:
        kind = "area-far" if error > AREA_FAR else "area"
        findings.add(kind, f"{place}, field area: {_short(area)}, mask {reading.area}")


class _BoxCheck:
    """Compares boxes with masks, one by one and, for wrong conventions, all together."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.seen = self.corners = self.shares = 0
        self.first_corners = ""

    def check(self, box: Any, reading: Reading, image: ImageRecord, place: str) -> None:
        if box is None:
            return
        if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(_is_number, box)):
            self.findings.add("box", f"{place}, field bbox: {_short(box)}")
            return
        self.seen += 1
        found = f"{place}, field bbox: {_short(list(box))}"
        w, h = box[2:]
        self.shares += all(0 <= value <= 1 for value in box) and w * h > 0
        if _off(box, reading) and _looks_like_corners(box, reading, image):
            self.corners += 1
            self.first_corners = self.first_corners or found
        if w <= 0 or h <= 0:
            self.findings.add("box-empty", found)
        elif _off(box, reading):
            self.findings.add("box-differs", f"{found}, mask {list(reading.box)}")

    def conclude(self) -> None:
        if self.corners * 2 > self.seen:
            self.findings.add("box-corners", f"{self.corners} of {self.seen}: {self.first_corners}")
        elif self.shares * 2 > self.seen:
            self.findings.add("box-shares", f"{self.shares} of {self.seen} boxes")


def _off(box: Sequence[float], reading: Reading) -> bool:
    """Is any side of the box more than the tolerance away from the mask's?"""
    if reading.rle is None:
        return False
    (x, y, w, h), (mx, my, mw, mh) = box, reading.box
    sides = zip((x, y, x + w, y + h), (mx, my, mx + mw, my + mh), strict=True)
    return any(abs(given - true) > BOX_TOLERANCE for given, true in sides)


def _looks_like_corners(box: Sequence[float], reading: Reading, image: ImageRecord) -> bool:
    x, y, w, h = box
    mx, my, mw, mh = reading.box
    corners = (mx, my, mx + mw, my + mh)
    fits = all(abs(a - b) <= BOX_TOLERANCE for a, b in zip(box, corners, strict=True))
    return fits or (x + w > image.width + 1 and y + h > image.height + 1)


def _without_id_zero(records: list[AnnotationRecord]) -> list[AnnotationRecord]:
    if all(record.id != 0 for record in records):
        return records
    free = max(record.id for record in records) + 1
    return [replace(r, id=free) if r.id == 0 else r for r in records]


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SIDE


def _is_number(value: Any) -> bool:
    """A finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
