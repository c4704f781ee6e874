"""The `images` and `annotations` lists of an annotation file as checked records.

Every defect goes to the ledger of findings with its id and field; a record that cannot be used is
left out, so that one pass over a file tells all that is wrong with it. Masks come as polygons or
run lengths (text, bytes or a list) and leave as compressed run lengths; what cannot be read is
named by its form, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from helpers.data import rle as rles
from helpers.data.errors import Findings
from helpers.data.rle import MAX_PIXELS, MAX_SIDE, Box, Rle
from helpers.files import UserError, whole_number

BOX_TOLERANCE = 1.0  # px
AREA_TOLERANCE = 0.05  # relative
NAME_KEYS = ("file_name", "filename", "path", "coco_url", "url")  # where tools put the file name

Mask = tuple[Rle, int, Box]  # with its area and box
Note = Callable[[str, str], None]  # takes a kind of defect, and the field with what is in it


class ImageRecord(NamedTuple):
    """One usable entry of `images`; width and height in pixels as declared."""

    id: int
    width: int
    height: int
    file_name: str


class AnnotationRecord(NamedTuple):
    """One usable entry of `annotations`; area and box (x, y, w, h) are those of the mask."""

    id: int
    image_id: int
    category_id: int
    crowd: bool
    rle: Rle
    area: int
    box: Box


def read_images(
    entries: Sequence[Any], findings: Findings
) -> tuple[dict[int, ImageRecord], set[int | str]]:
    """Records by image id, and `_key` of all ids that are declared, also by unusable entries."""
    images: dict[int, ImageRecord] = {}
    declared = set()
    for position, entry in enumerate(entries, start=1):
        entry = entry if isinstance(entry, dict) else {}
        declared.add(_key(entry.get("id")))
        number, width, height = (whole_number(entry.get(key)) for key in ("id", "width", "height"))
        names = (entry.get(key) for key in NAME_KEYS)
        name = next((n for n in names if isinstance(n, str) and n.strip()), None)
        note = findings.at(f"image number {position}" if number is None else f"image {number}")
        sides = {"width": width, "height": height}
        wrong = [key for key, side in sides.items() if side is None or not 1 <= side <= MAX_SIDE]
        wrong += [key for key, value in (("id", number), ("file_name", name)) if value is None]
        for key in wrong:
            note("field", f"{key}: {_short(entry.get(key))}")
        if wrong:
            continue
        if width * height > MAX_PIXELS:
            note("field", f"width: {width}, by height {height}: too large")
        elif number in images:
            note("id-twice", f"id: of {images[number].file_name} and {name}")
        else:
            images[number] = ImageRecord(number, width, height, name)
    return images, declared


def read_annotations(
    entries: Sequence[Any],
    images: Mapping[int, ImageRecord],
    declared: Collection[int | str],
    categories: Mapping[int, str],
    findings: Findings,
) -> list[AnnotationRecord]:
    """Usable annotations. `images` may lack some of the ids `declared`: the images' own defects are
    reported, so their annotations are left out without another error. categories: names by id."""
    records: list[AnnotationRecord] = []
    seen: set[int] = set()
    corners: list[bool] = []  # of each box: is it [x1, y1, x2, y2]?
    for position, entry in enumerate(entries, start=1):
        entry = entry if isinstance(entry, dict) else {}
        number = whole_number(entry.get("id"))
        if number is None:
            findings.at(f"annotation number {position}")("field", f"id: {_short(entry.get('id'))}")
            continue
        note = findings.at(f"annotation {number} (image {_short(entry.get('image_id'))})")
        if number in seen:
            note("id-twice", f"id: {number}")
            continue
        seen.add(number)
        image = images.get(whole_number(entry.get("image_id")))
        if not _is_linked(entry, declared, categories, note) or image is None:
            continue
        mask = read_segmentation(entry.get("segmentation"), (image.height, image.width), note)
        corners.append(_check_box(entry.get("bbox"), mask, note))
        if mask is not None:
            _check_area(entry.get("area"), mask[1], note)
            crowd, category = bool(entry.get("iscrowd")), whole_number(entry["category_id"])
            records.append(AnnotationRecord(number, image.id, category, crowd, *mask))
    if sum(corners) * 2 > len(corners):
        findings.add("box-corners", f"field bbox: {sum(corners)} of {len(corners)} boxes")
    _note_copies(records, findings)
    _note_crowds(records, categories, findings)
    return records


def read_segmentation(segmentation: Any, size: tuple[int, int], note: Note) -> Mask | None:
    """The mask of a picture of `size` (height, width), or None; never raises for bad input."""
    try:
        if isinstance(segmentation, dict) and segmentation:
            _require_size(segmentation.get("size"), size)
            mask = rles.examine(segmentation)
        elif _is_flat(segmentation or []):
            mask = _rasterised(segmentation or [], size, note)
        else:
            note("mask-form", f"segmentation: {_short(segmentation)}")
            return None
    except UserError as error:
        note("mask", f"segmentation: {error}")
        return None
    if mask is None or mask[1] == 0:
        note("mask-missing", f"segmentation: {_short(segmentation)} covers no pixel of the picture")
        return None
    return mask


def _require_size(declared: Any, size: tuple[int, int]) -> None:
    if isinstance(declared, list | tuple) and list(declared) != list(size):
        swapped = " (swapped)" if list(declared) == [size[1], size[0]] else ""
        raise UserError(f"RLE size {_short(declared)}{swapped}, picture {list(size)}")


def _rasterised(rings: Sequence[Any], size: tuple[int, int], note: Note) -> Mask | None:
    """The mask of polygons; None when no ring has three points."""
    usable = [ring for ring in rings if len(ring) % 2 or len(ring) >= 6]
    if len(usable) < len(rings):
        note("polygon", f"segmentation: {_short(rings)}, a ring of fewer than 3 points")
    if not usable:
        return None
    rle = rles.from_polygons(usable, size)
    points = np.concatenate([np.reshape(ring, (-1, 2)) for ring in usable])  # x, y
    shares = points.min() >= 0 and points.max() <= 1 and (points % 1).any()  # no corner pixel
    if min(size) > 2 and shares:
        raise UserError(
            f"{_short(usable)}, which look like shares of the picture (0 to 1); COCO wants pixels: "
            "multiply x by its width and y by its height"
        )
    if points.min() < 0 or (points > size[::-1]).any():
        note("polygon", f"segmentation: reaches out of the picture of {size[1]}x{size[0]}")
    return rles.examine(rle)


def _is_flat(rings: Any) -> bool:
    """Is this a list of rings, each a flat list of values?"""
    if not isinstance(rings, list | tuple) or not all(isinstance(r, list | tuple) for r in rings):
        return False
    if len(rings) > 1 and {len(ring) for ring in rings} in ({2}, {3}):
        return False  # points, or points with a visibility
    return not any(isinstance(value, list | dict) for ring in rings for value in ring)


def _is_linked(
    entry: Mapping[str, Any], declared: Collection[Any], categories: Collection[int], note: Note
) -> bool:
    """Does an annotation point at a declared image and category, and is its crowd flag one?"""
    image, category, crowd = (entry.get(key) for key in ("image_id", "category_id", "iscrowd"))
    wrong = []
    if image is None or _key(image) not in declared:
        wrong.append(("undeclared", f"image_id: {_short(image)}"))
    if whole_number(category) not in categories:
        wrong.append(("undeclared", f"category_id: {_short(category)}"))
    if crowd is not None and crowd not in (0, 1):
        wrong.append(("field", f"iscrowd: {_short(crowd)}"))
    for kind, found in wrong:
        note(kind, found)
    return not wrong


def _check_box(box: Any, mask: Mask | None, note: Note) -> bool:
    """Note a `bbox` that is not the mask's; returns whether it is that box as [x1, y1, x2, y2]."""
    if box is None:
        return False
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(_is_number, box)):
        note("field", f"bbox: {_short(box)} is not four finite numbers")
        return False
    if mask is None:
        return False
    x, y, w, h = mask[2]
    true, given = (x, y, x + w, y + h), (box[0], box[1], box[0] + box[2], box[1] + box[3])
    if _are_close(given, true) and min(box[2:]) > 0:
        return False
    note("mask-differs", f"bbox: {_short(box)}, mask {list(mask[2])}")
    return _are_close(box, true) and not _are_close(given, true)


def _are_close(corners: Sequence[float], true: Sequence[float]) -> bool:
    pairs = zip(corners, true, strict=True)
    return all(abs(given - wanted) <= BOX_TOLERANCE for given, wanted in pairs)


def _check_area(stated: Any, area: int, note: Note) -> None:
    if stated is None or (_is_number(stated) and abs(stated - area) <= AREA_TOLERANCE * area):
        return
    note("mask-differs", f"area: {_short(stated)}, mask {area}")


def _note_copies(records: Sequence[AnnotationRecord], findings: Findings) -> None:
    first: dict[tuple[int, int, str], int] = {}
    for record in records:
        key = (record.image_id, record.category_id, record.rle["counts"])
        original = first.setdefault(key, record.id)
        if original != record.id:
            place = f"annotations {original} and {record.id} (image {record.image_id})"
            findings.add("mask-twice", place)


def _note_crowds(
    records: Sequence[AnnotationRecord], names: Mapping[int, str], findings: Findings
) -> None:
    """Note every class of more crowd regions than single objects."""
    total = Counter(record.category_id for record in records)
    crowds = Counter(record.category_id for record in records if record.crowd)
    for category in sorted(crowds):
        if 2 * crowds[category] > total[category]:
            place = (
                f"category {category} {names[category]!r}, {crowds[category]} of {total[category]}"
            )
            findings.add("crowd-only", f"{place} annotations")


def _key(value: Any) -> int | str:
    """An id of whatever type, to be looked up: 7.0 is 7, and "7" is another."""
    number = whole_number(value)
    return repr(value) if number is None else number


def _is_number(value: Any) -> bool:
    """A finite number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
