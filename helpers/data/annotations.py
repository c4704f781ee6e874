"""The `images` and `annotations` lists of an annotation file as checked records.

Every defect goes to the ledger of findings with its id and field; a record that cannot be used is
left out, so that one pass over a file tells all that is wrong with it. Masks come as polygons or
run lengths (text, bytes or a list) and leave as compressed run lengths; what cannot be read is
named by its form, never guessed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.data import rle as rles
from helpers.data.errors import Findings
from helpers.data.rle import MAX_PIXELS, MAX_SIDE, Box, Rle, whole
from helpers.files import UserError

BOX_TOLERANCE = 1.0  # px
AREA_TOLERANCE = 0.05  # relative
NAME_KEYS = ("filename", "path", "coco_url", "url")  # where some tools put the file name


@dataclass(frozen=True)
class ImageRecord:
    """One entry of `images`; width and height in pixels as declared."""

    id: int
    width: int
    height: int
    file_name: str


@dataclass(frozen=True)
class Reading:
    """One mask, with its area and box, or None, and remarks (kind of defect, detail)."""

    rle: Rle | None
    area: int = 0
    box: Box = (0, 0, 0, 0)
    remarks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class AnnotationRecord:
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
) -> tuple[dict[int, ImageRecord], frozenset[Any]]:
    """Records by image id, and all ids that are declared, those of unusable entries included."""
    images: dict[int, ImageRecord] = {}
    declared = set()
    for position, entry in enumerate(entries):
        given = entry.get("id") if isinstance(entry, dict) else None
        number = whole(given)
        if isinstance(given, str) or number is not None:
            declared.add(given)
        if number is None:
            found = _short(entry) if given is None else _short(given)
            findings.add(
                "field", f"image number {position + 1}, field id: {found}, no whole number"
            )
            continue
        name = _file_name(entry)
        width, height = (whole(entry.get(key)) for key in ("width", "height"))
        sides = {"width": width, "height": height}
        wrong = [key for key, side in sides.items() if side is None or not 1 <= side <= MAX_SIDE]
        wrong += [] if name else ["file_name"]
        if wrong:
            found = ", ".join(f"field {key}: {_short(entry.get(key))}" for key in wrong)
            findings.add("field", f"image {number}, {found}")
        elif width * height > MAX_PIXELS:
            findings.add("field", f"image {number}, fields width and height: too large")
        elif number in images:
            findings.add("id-twice", f"image {number}: {images[number].file_name}, {name}")
        else:
            images[number] = ImageRecord(number, width, height, name)
    return images, frozenset(declared)


def read_annotations(
    entries: Sequence[Any],
    images: Mapping[int, ImageRecord],
    categories: Collection[int],
    findings: Findings,
    *,
    declared: Collection[Any],
) -> list[AnnotationRecord]:
    """Usable annotations. `images` may lack some of the ids `declared`: the images' own defects are
    told, so their annotations are left out without another error."""
    records: list[AnnotationRecord] = []
    seen: set[int] = set()
    corners: list[bool] = []  # of each box: does it look like [x1, y1, x2, y2]?
    for position, entry in enumerate(entries):
        number = whole(entry.get("id")) if isinstance(entry, dict) else None
        if number is None:
            findings.add("field", f"annotation number {position + 1}, field id: not a whole number")
            continue
        place = f"annotation {number} (image {_short(entry.get('image_id'))})"
        if number in seen:
            findings.add("id-twice", place)
            continue
        seen.add(number)
        if not _is_linked(entry, place, declared, categories, findings):
            continue
        image = images.get(whole(entry["image_id"]))
        if image is None:
            continue
        reading = read_segmentation(entry.get("segmentation"), (image.height, image.width))
        for kind, detail in reading.remarks:
            findings.add(kind, f"{place}, field segmentation: {detail}")
        if entry.get("bbox") is not None:
            corners += _check_box(entry["bbox"], reading, image, place, findings)
        if reading.rle is not None:
            _check_area(entry.get("area"), reading.area, place, findings)
            crowd, category = bool(entry.get("iscrowd")), whole(entry["category_id"])
            mask = (reading.rle, reading.area, reading.box)
            records.append(AnnotationRecord(number, image.id, category, crowd, *mask))
    if sum(corners) * 2 > len(corners):
        findings.add("box-corners", f"field bbox: {sum(corners)} of {len(corners)} boxes")
    _note_copies(records, findings)
    return records


def note_crowd_classes(
    records: Sequence[AnnotationRecord], names: Mapping[int, str], findings: Findings
) -> None:
    """Note every class (id -> name) whose annotations are all crowd regions."""
    crowds = Counter(record.category_id for record in records if record.crowd)
    single = {record.category_id for record in records if not record.crowd}
    for category in sorted(crowds.keys() - single):
        place = f"category {category} {names[category]!r}, {crowds[category]} annotations"
        findings.add("crowd-only", place)


def read_segmentation(segmentation: Any, size: tuple[int, int]) -> Reading:
    """Read one mask of a picture of `size` (height, width); never raises for bad input."""
    if not segmentation or segmentation == [[]]:
        return _without_mask("mask-missing", "empty or missing")
    try:
        if isinstance(segmentation, dict):
            return _read_rle(segmentation, size)
        if isinstance(segmentation, list | tuple):
            return _read_polygons(segmentation, size)
    except UserError as error:
        return _without_mask("mask", str(error))
    found = type(segmentation).__name__
    return _without_mask("mask", f"{found}, neither RLE nor a list of polygons")


def _read_rle(segmentation: dict[str, Any], size: tuple[int, int]) -> Reading:
    if "counts" not in segmentation and segmentation.keys() - {"size"}:
        keys = ", ".join(sorted(map(str, segmentation)))
        return _without_mask("polygon-form", f"an object with {keys}, neither RLE nor polygons")
    declared = segmentation.get("size")
    if isinstance(declared, list | tuple) and list(declared) != list(size):
        swapped = " (swapped)" if list(declared) == [size[1], size[0]] else ""
        detail = f"RLE size {_short(declared)}{swapped}, picture {list(size)}"
        return _without_mask("mask", detail)
    return _measured(segmentation)


def _read_polygons(rings: Sequence[Any], size: tuple[int, int]) -> Reading:
    form = _other_form(rings)
    if form:
        return _without_mask("polygon-form", form)
    remarks: list[tuple[str, str]] = []
    usable = [ring for ring in rings if len(ring) % 2 or len(ring) >= 6]
    if len(usable) < len(rings):
        points = min(len(ring) // 2 for ring in rings)
        remarks.append(("polygon-short", f"a ring of {points} points"))
    if not usable:
        return _without_mask("mask-missing", "no ring of 3 points or more", *remarks)
    rle = rles.from_polygons(usable, size)
    if min(size) > 2 and all(0 <= value <= 1 for ring in usable for value in ring):
        raise UserError(
            f"{_short(usable)}, which look like shares of the picture (0 to 1); COCO wants pixels: "
            "multiply x by its width and y by its height"
        )
    if _leaves(usable, size):
        remarks.append(("polygon-outside", f"picture {size[1]}x{size[0]}"))
    return _measured(rle, *remarks)


def _other_form(rings: Sequence[Any]) -> str | None:
    """What a list is that holds no flat rings, by its name, and how to flatten it; or None."""
    if any(isinstance(ring, dict) for ring in rings):
        form = "points as objects: [[v for p in points for v in (p['x'], p['y'])]]"
    elif all(isinstance(ring, int | float) for ring in rings):
        form = "one flat list of numbers: wrap it in a list"
    elif not all(isinstance(ring, list | tuple) for ring in rings):
        form = "not a list of rings"
    elif any(isinstance(value, dict) for ring in rings for value in ring):
        form = "rings of objects: [[v for p in ring for v in (p['x'], p['y'])] for ring in rings]"
    elif any(isinstance(value, list | tuple) for ring in rings for value in ring):
        form = "rings of points: [[v for point in ring for v in point[:2]] for ring in rings]"
    elif len(rings) > 1 and {len(ring) for ring in rings} in ({2}, {3}):  # 3: a visibility, too
        form = "points: [[v for point in points for v in point[:2]]]"
    else:
        return None
    return f"{_short(rings)}, {form}"


def _measured(given: Mapping[str, Any], *remarks: tuple[str, str]) -> Reading:
    rle, area, box = rles.examine(given)
    if not area:
        return _without_mask("mask-missing", "covers no pixel of the picture", *remarks)
    return Reading(rle, area, box, remarks)


def _without_mask(kind: str, detail: str, *remarks: tuple[str, str]) -> Reading:
    return Reading(None, remarks=(*remarks, (kind, detail)))


def _leaves(rings: Sequence[Sequence[float]], size: tuple[int, int]) -> bool:
    height, width = size
    low = min(min(ring) for ring in rings)
    right = max(max(ring[0::2]) for ring in rings)
    bottom = max(max(ring[1::2]) for ring in rings)
    return low < 0 or right > width or bottom > height


def _file_name(entry: Mapping[str, Any]) -> str | None:
    names = (entry.get(key) for key in ("file_name", *NAME_KEYS))
    return next((name for name in names if isinstance(name, str) and name.strip()), None)


def _is_linked(
    entry: Mapping[str, Any],
    place: str,
    declared: Collection[Any],
    categories: Collection[int],
    findings: Findings,
) -> bool:
    """Does an annotation point at a declared image and category, and is its crowd flag one?"""
    image, category, crowd = (entry.get(key) for key in ("image_id", "category_id", "iscrowd"))
    wrong = []
    if not (isinstance(image, str) or whole(image) is not None) or image not in declared:
        wrong.append(("undeclared", "image_id", image))
    if whole(category) not in categories:
        wrong.append(("undeclared", "category_id", category))
    if crowd is not None and crowd not in (0, 1):
        wrong.append(("field", "iscrowd", crowd))
    for kind, field, value in wrong:
        findings.add(kind, f"{place}, field {field}: {_short(value)}")
    return not wrong


def _check_area(stated: Any, area: int, place: str, findings: Findings) -> None:
    if stated is None:
        return
    error = abs((stated if _is_number(stated) else math.inf) - area) / area
    if error > AREA_TOLERANCE:
        findings.add("area", f"{place}, field area: {_short(stated)}, mask {area}")


def _note_copies(records: Sequence[AnnotationRecord], findings: Findings) -> None:
    first: dict[tuple[int, int, str], int] = {}
    for record in records:
        key = (record.image_id, record.category_id, record.rle["counts"])
        original = first.setdefault(key, record.id)
        if original != record.id:
            place = f"annotations {original} and {record.id} (image {record.image_id})"
            findings.add("mask-twice", place)


def _check_box(
    box: Any, reading: Reading, image: ImageRecord, place: str, findings: Findings
) -> list[bool]:
    """Whether a box looks like corners, in a list; an empty one for what is no box at all."""
    found = f"{place}, field bbox: {_short(box)}"
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(_is_number, box)):
        findings.add("field", f"{found} is not four finite numbers")
        return []
    off = reading.rle is not None and _is_off(_corners(box), reading.box)
    if off or box[2] <= 0 or box[3] <= 0:
        findings.add("box-differs", f"{found}, mask {list(reading.box)}")
    _, _, right, bottom = _corners(box)
    outside = right > image.width + 1 and bottom > image.height + 1
    return [off and (outside or not _is_off(box, reading.box))]


def _is_off(corners: Sequence[float], mask_box: Box) -> bool:
    """Is any side more than the tolerance away from the mask's?"""
    sides = zip(corners, _corners(mask_box), strict=True)
    return any(abs(given - true) > BOX_TOLERANCE for given, true in sides)


def _corners(box: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, w, h = box
    return x, y, x + w, y + h


def _is_number(value: Any) -> bool:
    """A finite number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
