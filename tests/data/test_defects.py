"""What the reader answers to defects: the cases of the data specification, by number.

E cases raise DataError that names file, annotation and field; W cases are counted and go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datafiles import Change, Document, annotation, picture, rectangle, write
from PIL import Image

from helpers.data.coco import read_index
from helpers.data.errors import KINDS, DataError
from helpers.data.taxonomy import FUTURE3D, Category, Taxonomy

NAN, INF = float("nan"), float("inf")


def raw(text: str) -> Change:
    """The file holds this text instead."""
    return lambda doc, folder: (folder / "data.json").write_text(text) and None


def put(**fields: Any) -> Change:
    """Fields of the first annotation take these values."""
    return lambda doc, folder: doc["annotations"][0].update(fields)


def put_all(**fields: Any) -> Change:
    """Fields of every annotation take these values."""
    return lambda doc, folder: [a.update(fields) for a in doc["annotations"]] and None


def drop(*path: Any) -> Change:
    """The entry at this path is deleted."""

    def change(doc: Any, folder: Path) -> None:
        *way, last = path
        for key in way:
            doc = doc[key]
        del doc[last]

    return change


def insert(key: str, entry: Document) -> Change:
    """One more entry in a list of the file."""
    return lambda doc, folder: doc[key].append(entry)


def image(**fields: Any) -> Change:
    """Fields of the first image take these values."""
    return lambda doc, folder: doc["images"][0].update(fields)


def rle(counts: Any, size: Any = (16, 24)) -> Change:
    """The first annotation's mask is this RLE; its picture has 16 rows of 24."""
    return put(segmentation={"size": list(size), "counts": counts})


def file_bytes(content: bytes, name: str = "one.png") -> Change:
    """A picture file holds these bytes."""
    return lambda doc, folder: (folder / name).write_bytes(content) and None


def move(name: str, new: str) -> Change:
    """A picture file is moved."""

    def change(doc: Document, folder: Path) -> None:
        (folder / new).parent.mkdir(exist_ok=True)
        (folder / name).rename(folder / new)

    return change


def save(size: tuple[int, int], name: str = "one.png") -> Change:
    """A picture file gets another (height, width)."""
    return lambda doc, folder: picture(*size).save(folder / name)


def xyxy(doc: Document, folder: Path) -> None:
    for entry in doc["annotations"]:
        x, y, w, h = entry["bbox"]
        entry["bbox"] = [x, y, x + w, y + h]
    doc["annotations"][2].update(annotation(13, 2, 3, (4, 5, 6, 7)), bbox=[4, 5, 10, 12])


HERE = "annotation 11 (image 1), field segmentation"

# (case, damage, what the message must say)
ERRORS: list[tuple[str, Change, tuple[str, ...]]] = [
    ("D2-no-categories", drop("categories"), ("'categories' is missing", "mode='predict'")),
    ("D3-not-json", raw("hello"), ("not a JSON file",)),
    ("D3-empty-file", raw(" "), ("not a JSON file",)),
    ("D3-truncated", raw('{"images": [{"id": 1, "wid'), ("cut short",)),
    ("D3-nested-too-deep", raw("[" * 100_000), ("not a JSON file",)),
    ("D3-list", raw("[]"), ("found a list at top level",)),
    ("D3-no-images", drop("images"), ("'images' is missing", "annotations, categories")),
    ("D3-no-annotations", drop("annotations"), ("'annotations' is missing",)),
    (
        "D3-images-object",
        lambda d, f: d.update(images={}),
        ("'images' must be a list, found dict",),
    ),
    (
        "D3-categories-null",
        lambda d, f: d.update(categories=None),
        ("'categories' must be a list",),
    ),
    ("D3-image-is-text", lambda d, f: d["images"].append("x"), ("image number 3, field id",)),
    ("D3-annotation-is-null", lambda d, f: d["annotations"].append(None), ("annotation number 4",)),
    ("D3-category-unnamed", insert("categories", {"id": 9}), ("category number 3, field name",)),
    ("D3-category-id-text", insert("categories", {"id": "9", "name": "x"}), ("field id: '9'",)),
    ("D3-width-missing", drop("images", 0, "width"), ("image 1, field width: None",)),
    ("D3-height-text", image(height="16"), ("image 1, field height: '16'",)),
    ("D3-size-absurd", image(width=10**5, height=10**5), ("image 1, fields width and height",)),
    ("D4-image-id-twice", lambda d, f: d["images"][1].update(id=1), ("image id declared twice",)),
    ("D4-annotation-id-twice", put(id=12), ("annotation id used twice: annotation 12 (image 1)",)),
    ("D5-unknown-image", put(image_id=99), ("not declared: annotation 11 (image 99)",)),
    (
        "D5-unknown-category",
        put(category_id=99),
        ("annotation 11 (image 1), field category_id: 99",),
    ),
    ("D5-category-id-text", put(category_id="3"), ("field category_id: '3'",)),
    (
        "D5-category-id-twice",
        insert("categories", {"id": 3, "name": "stool"}),
        ("category id declared twice", "'chair' and 'stool'"),
    ),
    ("D13-nan", put(segmentation=[[1, 1, NAN, 5, 9, 9]]), (HERE, "not within")),
    ("D13-infinite", put(segmentation=[[1, 1, INF, 5, 9, 9]]), (HERE, "not within")),
    ("D13-minus-infinite", put(segmentation=[[1, 1, -INF, 5, 9, 9]]), (HERE, "not within")),
    ("D14-odd", put(segmentation=[[1, 1, 5, 1, 5, 5, 1]]), (HERE, "odd number")),
    ("D14-flat", put(segmentation=[1, 1, 5, 1, 5, 5]), (HERE, "flat list")),
    ("D14-text", put(segmentation="1 1 5 1 5 5"), (HERE, "str")),
    ("D14-point-pairs", put(segmentation=[[[1, 1], [5, 1], [5, 5]] * 2]), (HERE, "not a number")),
    ("D14-null-inside", put(segmentation=[[1, 1, None, 1, 5, 5]]), (HERE, "not a number")),
    ("D16-boxes-only", put_all(segmentation=[]), ("data.json", "boxes only")),
    ("D16-no-segmentation", put_all(segmentation=None), ("boxes only",)),
    ("D20-size-swapped", rle([384], (24, 16)), (HERE, "[24, 16] (swapped), picture [16, 24]")),
    ("D20-other-size", rle([100], (10, 10)), (HERE, "[10, 10], picture [16, 24]")),
    ("D20-short", rle([100, 20]), (HERE, "sum to 120", "384")),
    ("D20-long", rle([100, 20, 300]), (HERE, "sum to 420")),
    ("D20-negative", rle([400, -16]), (HERE, "run of -16")),
    ("D20-overflow", rle([2**62, 2**62, 2**63]), (HERE,)),
    ("D20-fraction", rle([300.5, 83.5]), (HERE, "whole numbers")),
    ("D20-garbage-text", rle("~~~~"), (HERE, "characters outside")),
    ("D20-cut-text", rle("PPP"), (HERE, "middle of a number")),
    ("D20-wrong-text", rle("52203"), (HERE, "sum to")),
    ("D20-no-counts", put(segmentation={"size": [16, 24]}), (HERE, "'counts'")),
    ("D25-box-text", put(bbox=["2", 3, 8, 5]), ("annotation 11 (image 1), field bbox",)),
    ("D25-box-of-three", put(bbox=[2, 3, 8]), ("field bbox: [2, 3, 8]",)),
    ("D25-box-nan", put(bbox=[2, 3, NAN, 5]), ("field bbox", "four finite numbers")),
    ("D26-corners", xyxy, ("look like [x1, y1, x2, y2]", "convert")),
    ("D28-crowd-2", put(iscrowd=2), ("annotation 11 (image 1), field iscrowd: 2",)),
    ("D28-crowd-text", put(iscrowd="0"), ("field iscrowd: '0'",)),
    ("D30-no-annotations", lambda d, f: d.update(annotations=[]), ("none of its 0 annotations",)),
    ("D30-crowds-only", put_all(iscrowd=1), ("none of its 3 annotations",)),
    (
        "D32-missing",
        lambda d, f: (f / "one.png").unlink(),
        ("image 1, field file_name: 'one.png'",),
    ),
    ("D32-one-deeper", move("one.png", "deeper/one.png"), ("it is in", "deeper")),
    ("D32-other-extension", move("one.png", "one.JPG"), ("one.JPG is there",)),
    ("D32-other-case", move("one.png", "ONE.png"), ("ONE.png is there",)),
    ("D33-zero-bytes", file_bytes(b""), ("one.png", "the file is empty")),
    ("D33-not-an-image", file_bytes(b"<html>404</html>"), ("one.png", "can not be read")),
    ("D34-other-size", save((10, 10)), ("file 10x10, declared 24x16",)),
    ("D34-swapped", save((24, 16)), ("file 16x24, declared 24x16 (width and height are swapped)",)),
    ("D39-escapes", image(file_name="../../etc/passwd"), ("leads out of the image folder",)),
    ("D39-absolute", image(file_name="/etc/passwd"), ("leads out of the image folder",)),
    ("D39-escapes-windows", image(file_name="..\\..\\x.png"), ("leads out of the image folder",)),
]


@pytest.mark.parametrize(("change", "texts"), [c[1:] for c in ERRORS], ids=[c[0] for c in ERRORS])
def test_error(tmp_path: Path, change: Change, texts: tuple[str, ...]) -> None:
    file = write(tmp_path, change)
    with pytest.raises(DataError) as raised:
        read_index(file)
    for text in ("data.json", *texts):
        assert text in str(raised.value)


def alias(doc: Document, folder: Path) -> None:
    doc["categories"] = [{"id": 3, "name": "a"}, {"id": 7, "name": "a"}]


def placeholder(doc: Document, folder: Path) -> None:
    for category in doc["categories"]:
        category["supercategory"] = "furniture"
    doc["categories"].insert(0, {"id": 0, "name": "furniture", "supercategory": "none"})


def shares(doc: Document, folder: Path) -> None:
    for entry in doc["annotations"]:
        entry["bbox"] = [value / 50 for value in entry["bbox"]]


def gif(doc: Document, folder: Path) -> None:
    frames = [picture(16, 24, seed=n) for n in range(3)]
    frames[0].save(folder / "one.gif", save_all=True, append_images=frames[1:])
    doc["images"][0]["file_name"] = "one.gif"


def turned(doc: Document, folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(16, 24).save(folder / "one.jpg", exif=exif)
    doc["images"][0]["file_name"] = "one.jpg"


TWISTED = [[2, 3, 10, 8, 10, 3, 2, 8]]  # two triangles that meet in the middle: half of the box

# (case, damage, kind of warning, how often, instances left)
WARNINGS: list[tuple[str, Change, str, int, int]] = [
    ("D4-annotation-id-zero", put(id=0), "annotation-id-zero", 1, 3),
    ("D5-category-name-twice", alias, "category-name-twice", 1, 3),
    ("D7-placeholder", placeholder, "category-placeholder", 1, 3),
    (
        "D15-short-ring-of-two",
        put(segmentation=[[1, 1, 2, 2], rectangle(2, 3, 8, 5)]),
        "polygon-short",
        1,
        3,
    ),
    ("D15-no-ring-left", put(segmentation=[[1, 1, 2, 2]]), "mask-missing", 1, 2),
    ("D16-empty", put(segmentation=[]), "mask-missing", 1, 2),
    ("D16-empty-ring", put(segmentation=[[]]), "mask-missing", 1, 2),
    ("D16-missing", drop("annotations", 0, "segmentation"), "mask-missing", 1, 2),
    ("D17-collinear", put(segmentation=[[1, 1, 5, 5, 9, 9]]), "mask-empty", 1, 2),
    ("D17-no-height", put(segmentation=[[1, 4, 5, 4, 9, 4]]), "mask-empty", 1, 2),
    ("D17-empty-rle", rle([384]), "mask-empty", 1, 2),
    ("D18-partly-outside", put(segmentation=[rectangle(-4, 3, 14, 5)]), "polygon-outside", 1, 3),
    ("D18-over-the-right", put(segmentation=[rectangle(20, 3, 5, 5)]), "polygon-outside", 1, 3),
    ("D18-over-the-bottom", put(segmentation=[rectangle(2, 12, 5, 5)]), "polygon-outside", 1, 3),
    ("D18-far-outside", put(segmentation=[rectangle(2, 3, 1e8, 1e8)]), "polygon-outside", 1, 3),
    ("D18-wholly-outside", put(segmentation=[rectangle(50, 50, 9, 9)]), "mask-empty", 1, 2),
    ("D19-crosses-itself", put(segmentation=TWISTED), "area-far", 1, 3),
    ("D25-box-differs", put(bbox=[2, 3, 12, 5]), "box-differs", 1, 3),
    ("D25-box-empty", put(bbox=[2, 3, 0, 5]), "box-empty", 1, 3),
    ("D25-box-negative", put(bbox=[2, 3, -8, 5]), "box-empty", 1, 3),
    ("D26-shares", shares, "box-shares", 1, 3),
    ("D27-area", put(area=43), "area", 1, 3),
    ("D27-area-text", put(area="forty"), "area-far", 1, 3),
    ("D35-tag-contradicts", turned, "orientation", 1, 3),
    ("D36-animated", gif, "frames", 1, 3),
]


@pytest.mark.parametrize(
    ("change", "kind", "total", "left"), [w[1:] for w in WARNINGS], ids=[w[0] for w in WARNINGS]
)
def test_warning(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Change,
    kind: str,
    total: int,
    left: int,
) -> None:
    index = read_index(write(tmp_path, change))
    found = {warning.kind: warning for warning in index.warnings}
    assert found[kind].total == total
    assert index.num_annotations == left
    assert [KINDS[kind].what in line for line in caplog.messages].count(True) == 1


@pytest.mark.parametrize("content", [b"<html>404</html>", b""], ids=["no-picture", "empty"])
def test_D33_the_remedy_is_told_once(tmp_path: Path, content: bytes) -> None:
    file = write(tmp_path, file_bytes(content))
    with pytest.raises(DataError, match=r"\)\. Replace it, or choose to skip bad pictures\.$") as e:
        read_index(file)
    assert str(e.value).count("Replace it") == 1
    (skipped,) = read_index(file, skip_bad_images=True).warnings
    assert str(skipped).endswith("). It is left out, with its annotations.")
    assert "Replace it" not in str(skipped)


def test_sound_file_has_no_findings(tmp_path: Path) -> None:
    assert read_index(write(tmp_path)).warnings == ()


def test_D4_annotation_zero_gets_an_id_no_evaluator_misreads(tmp_path: Path) -> None:
    index = read_index(write(tmp_path, put(id=0)))
    assert index.annotation_ids.tolist() == [12, 14, 13]  # by image, then id
    assert {a["id"] for a in index.to_coco()["annotations"]} == {12, 13, 14}


def test_D5_lists_ten_places_and_the_total(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        doc["annotations"] += [annotation(100 + n, 99, 3, (0, 0, 1, 1)) for n in range(25)]

    with pytest.raises(DataError) as raised:
        read_index(write(tmp_path, change))
    message = str(raised.value)
    assert message.count("(image 99)") == 10 and "in all 25" in message
    assert raised.value.findings[0].total == 25


def test_all_kinds_of_errors_are_told_at_once(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        doc["annotations"][0]["category_id"] = 99
        doc["annotations"][2]["segmentation"] = [[1, 1, NAN, 5, 9, 9]]
        (folder / "two.png").unlink()  # its annotation is checked nevertheless

    with pytest.raises(DataError) as raised:
        read_index(write(tmp_path, change))
    kinds = [finding.kind for finding in raised.value.findings]
    assert kinds == ["unknown-category", "polygon", "file-missing"]


def test_D7_placeholder_shifts_no_label(tmp_path: Path) -> None:
    index = read_index(write(tmp_path, placeholder))
    assert index.taxonomy.names == ("chair", "table")
    assert index.labels.tolist() == [0, 1, 0]


def test_D7_category_zero_in_use_stays(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        placeholder(doc, folder)
        doc["annotations"][0]["category_id"] = 0

    index = read_index(write(tmp_path, change))
    assert index.category_ids.tolist() == [0, 7, 3] and index.taxonomy.num_classes == 3


def test_D8_order_of_categories_does_not_matter_but_names_do(tmp_path: Path) -> None:
    demanded = read_index(write(tmp_path)).taxonomy

    def reverse(doc: Document, folder: Path) -> None:
        doc["categories"].reverse()

    def rename(doc: Document, folder: Path) -> None:
        doc["categories"][0]["name"], doc["categories"][1]["name"] = "table", "chair"

    same = read_index(write(tmp_path, reverse, name="same.json"), taxonomy=demanded)
    assert same.labels.tolist() == [0, 1, 0]
    with pytest.raises(DataError, match="category 3 'table' is there 'chair'"):
        read_index(write(tmp_path, rename, name="renamed.json"), taxonomy=demanded)


@pytest.mark.parametrize(
    ("name", "accepted"), [("Coffee Table", True), ("tea table", True), ("Spaceship", False)]
)
def test_D11_names_of_later_releases(tmp_path: Path, name: str, accepted: bool) -> None:
    def change(doc: Document, folder: Path) -> None:
        doc["categories"] = [{"id": 5, "name": name}, {"id": 3, "name": FUTURE3D.names[2]}]
        doc["annotations"][1]["category_id"] = 5

    file = write(tmp_path, change)
    if accepted:
        index = read_index(file, taxonomy=FUTURE3D)
        assert index.labels.tolist() == [2, 4, 2] and index.taxonomy == FUTURE3D
    else:
        with pytest.raises(DataError, match="category 5 'Spaceship' is there 'Tea Table'"):
            read_index(file, taxonomy=FUTURE3D)


def test_D11_category_beyond_the_fixed_list(tmp_path: Path) -> None:
    fixed = Taxonomy((Category(3, "chair", "seat"),))
    with pytest.raises(DataError, match="category 7 'table' is not among them"):
        read_index(write(tmp_path), taxonomy=fixed)


@pytest.mark.parametrize("damage", ["missing", "truncated", "other size"])
def test_D33_bad_pictures_are_skipped_only_when_asked(tmp_path: Path, damage: str) -> None:
    def change(doc: Document, folder: Path) -> None:
        if damage == "missing":
            (folder / "one.png").unlink()
        elif damage == "truncated":
            content = (folder / "one.png").read_bytes()
            (folder / "one.png").write_bytes(content[: len(content) // 2])
        else:
            picture(5, 5).save(folder / "one.png")

    index = read_index(write(tmp_path, change), skip_bad_images=True)
    assert index.image_ids.tolist() == [2] and index.annotation_ids.tolist() == [13]
    assert [(w.kind, w.total) for w in index.warnings] == [("skipped", 1)]


def test_D60_index_does_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    def shuffle(doc: Document, folder: Path) -> None:
        for key in ("images", "annotations", "categories"):
            doc[key].reverse()
        for key in ("annotations", "images", "categories"):
            doc[key] = [dict(reversed(entry.items())) for entry in doc.pop(key)]

    first = read_index(write(tmp_path))
    again, other = read_index(tmp_path / "data.json"), write(tmp_path, shuffle, name="other.json")
    assert first.digest == again.digest == read_index(other).digest
    moved = write(tmp_path, put(segmentation=[rectangle(2, 3, 8, 6)]), name="moved.json")
    assert read_index(moved).digest != first.digest


def test_index_reads_back_as_itself(tmp_path: Path) -> None:
    index = read_index(write(tmp_path))
    (tmp_path / "again.json").write_text(json.dumps(index.to_coco()))
    assert read_index(tmp_path / "again.json").digest == index.digest


def check_frame(frame: Any) -> None:
    assert frame["category"].tolist() == ["chair", "table", "chair"]
    assert frame["supercategory"].tolist() == ["seat", "board", "seat"]
    assert frame["area"].tolist() == [40, 140, 320]
    assert frame[["bbox_x", "bbox_y", "bbox_w", "bbox_h"]].iloc[1].tolist() == [12, 1, 10, 14]
    assert frame[["width", "height"]].iloc[2].tolist() == [16, 20]


def test_frame_has_one_row_an_annotation(tmp_path: Path) -> None:
    index = read_index(write(tmp_path))
    check_frame(index.frame())
    grouped = index.in_space("super")
    check_frame(grouped.frame())
    assert grouped.frame()["label"].tolist() == [0, 1, 0]


def test_super_space_goes_all_the_way_to_coco(tmp_path: Path) -> None:
    def group(doc: Document, folder: Path) -> None:
        doc["categories"].append({"id": 9, "name": "stool", "supercategory": "seat"})
        doc["annotations"][2]["category_id"] = 9

    index = read_index(write(tmp_path, group), label_space="super")
    coco = index.to_coco()
    assert [c["name"] for c in coco["categories"]] == ["seat", "board"]
    assert [a["category_id"] for a in coco["annotations"]] == [1, 2, 1]
    assert index.category_ids.tolist() == [3, 7, 9]


def test_subset_keeps_pictures_with_all_that_is_theirs(tmp_path: Path) -> None:
    index = read_index(write(tmp_path))
    second = index.subset([2])
    assert second.image_ids.tolist() == [2] and second.image_path(0).name == "two.png"
    assert second.rle(0) == index.rle(2)
    assert index.subset([1, 2]).digest == index.digest
    with pytest.raises(ValueError, match="no images with the ids"):
        index.subset([1, 5])


def _square(value: float) -> Callable[[Document, Path], None]:
    return put(segmentation=[[value, 3, 10, 3, 10, 8, value, 8]])


@pytest.mark.parametrize("value", [1e300, 10**400, -1e18])
def test_D13_coordinates_beyond_all_pictures(tmp_path: Path, value: float) -> None:
    with pytest.raises(DataError, match="not within"):
        read_index(write(tmp_path, _square(value)))


def test_D18_coordinates_at_the_very_border_are_inside(tmp_path: Path) -> None:
    whole = put(segmentation=[rectangle(0, 0, 24, 16)], area=384, bbox=[0, 0, 24, 16])
    index = read_index(write(tmp_path, whole))
    assert index.warnings == () and index.areas[0] == 384


def test_D18_only_the_part_inside_is_left(tmp_path: Path) -> None:
    index = read_index(write(tmp_path, put(segmentation=[rectangle(-4, 3, 14, 5)])))
    assert index.boxes[0].tolist() == [0, 3, 10, 5]


def test_warnings_are_counted_over_the_whole_file(tmp_path: Path) -> None:
    index = read_index(write(tmp_path, put_all(area=1)))
    assert [(w.kind, w.total, len(w.places)) for w in index.warnings] == [("area-far", 3, 3)]
    assert np.array_equal(index.areas, [40, 140, 320])
