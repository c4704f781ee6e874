"""What the reader answers to annotation files: the loader cases of the data specification (D1-D39,
D60) by number, and what the tools that people use write. Errors name file, kind and place; warnings
are counted and go on."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from datafiles import (
    Change,
    Document,
    annotation,
    document,
    picture,
    rectangle,
    uncompressed,
    write,
)
from PIL import Image

from helpers.data import rle as rles
from helpers.data.annotations import read_segmentation
from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.taxonomy import FUTURE3D, Category, Taxonomy

NAN, INF = float("nan"), float("inf")
POINTS = [[2, 3], [10, 3], [10, 8], [2, 8], [2, 5], [2, 4]]


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


def insert(key: str, entry: Any) -> Change:
    """One more entry in a list of the file."""
    return lambda doc, folder: doc[key].append(entry)


def image(**fields: Any) -> Change:
    """Fields of the first image take these values."""
    return lambda doc, folder: doc["images"][0].update(fields)


def rle(counts: Any, size: Any = (16, 24)) -> Change:
    """The first annotation's mask is this RLE; its picture has 16 rows of 24."""
    return put(segmentation={"size": list(size), "counts": counts})


def file_bytes(content: bytes) -> Change:
    return lambda doc, folder: (folder / "one.png").write_bytes(content) and None


def move(name: str, new: str) -> Change:
    def change(doc: Document, folder: Path) -> None:
        (folder / new).parent.mkdir(exist_ok=True)
        (folder / name).rename(folder / new)

    return change


def save(size: tuple[int, int]) -> Change:
    return lambda doc, folder: picture(*size).save(folder / "one.png")


def xyxy(doc: Document, folder: Path) -> None:
    for entry in doc["annotations"]:
        x, y, w, h = entry["bbox"]
        entry["bbox"] = [x, y, x + w, y + h]
    doc["annotations"][2].update(annotation(13, 2, 3, (4, 5, 6, 7)), bbox=[4, 5, 10, 12])


def text_id(doc: Document, folder: Path) -> None:
    doc["images"][0]["id"] = doc["annotations"][0]["image_id"] = "a"
    doc["annotations"][1]["image_id"] = "a"


# (case, damage, kind of defect or None for a file that is refused as a whole, key fact)
ERRORS: list[tuple[str, Change, str | None, str]] = [
    ("D2-no-categories", drop("categories"), None, "'categories'"),
    ("D3-not-json", raw("hello"), None, "not a JSON file"),
    ("D3-truncated", raw('{"images": [{"id": 1, "wid'), None, "cut short"),
    ("D3-list", raw("[]"), None, "found a list"),
    ("D3-no-images", drop("images"), None, "'images'"),
    ("D3-no-annotations", drop("annotations"), None, "'annotations'"),
    ("D3-images-object", lambda d, f: d.update(images={}), None, "found dict"),
    ("D3-image-is-text", insert("images", "x"), "field", "image number 3"),
    ("D3-width-missing", drop("images", 0, "width"), "field", "width: None"),
    ("D3-size-absurd", image(width=10**5, height=10**5), "field", "too large"),
    ("D3-no-file-name", drop("images", 0, "file_name"), "field", "file_name: None"),
    ("D3-image-id-text", text_id, "field", "id: 'a'"),
    ("D4-image-id-twice", lambda d, f: d["images"].append(d["images"][0]), "id-twice", "image 1"),
    ("D4-annotation-id-twice", put(id=12), "id-twice", "annotation 12"),
    ("D5-unknown-image", put(image_id=99), "undeclared", "annotation 11 (image 99)"),
    ("D5-unknown-category", put(category_id=99), "undeclared", "category_id: 99"),
    ("D5-category-twice", insert("categories", {"id": 3, "name": "x"}), "id-twice", "'chair' and"),
    ("D13-nan", put(segmentation=[[1, 1, NAN, 5, 9, 9]]), "mask", "annotation 11 (image 1)"),
    ("D14-odd", put(segmentation=[[1, 1, 5, 1, 5, 5, 1]]), "mask", "7 coordinates"),
    ("D14-flat", put(segmentation=[1, 1, 5, 1, 5, 5]), "mask-form", "into a list, [ring]"),
    ("D14-text", put(segmentation="1 1 5 1 5 5"), "mask-form", "flat rings"),
    ("points", put(segmentation=POINTS), "mask-form", "for point in ring"),
    ("shares", put(segmentation=[[0.1, 0.1, 0.5, 0.1, 0.5, 0.5]]), "mask", "(0 to 1)"),
    ("ring-of-objects", put(segmentation=[[{"x": 1, "y": 2}] * 4]), "mask-form", "p['x']"),
    ("columns", put(segmentation={"x": [1, 5, 5], "y": [1, 1, 5]}), "mask", "'counts'"),
    ("D16-boxes-only", put_all(segmentation=[]), "mask-missing", "boxes only"),
    ("D20-size-swapped", rle([384], (24, 16)), "mask", "(swapped), picture [16, 24]"),
    ("D20-short", rle([100, 20]), "mask", "sum to 120"),
    ("D20-garbage-text", rle("~~~~"), "mask", "characters outside"),
    ("D25-box-nan", put(bbox=[2, 3, NAN, 5]), "field", "four finite numbers"),
    ("D26-corners", xyxy, "box-corners", "[x, y, width, height]"),
    ("D28-crowd-2", put(iscrowd=2), "field", "iscrowd: 2"),
    ("D30-no-annotations", lambda d, f: d.update(annotations=[]), None, "no annotations"),
    ("D30-crowds-only", put_all(iscrowd=1), "crowd-only", "set iscrowd to 0"),
    ("D32-missing", lambda d, f: (f / "one.png").unlink(), "file-missing", "'one.png'"),
    ("D32-one-deeper", move("one.png", "deeper/one.png"), "file-missing", "it is in"),
    ("D32-other-extension", move("one.png", "one.JPG"), "file-missing", "one.JPG is there"),
    ("D33-zero-bytes", file_bytes(b""), "file-unreadable", "the file is empty"),
    ("D33-no-picture", file_bytes(b"<html>404</html>"), "file-unreadable", "one.png"),
    ("D34-other-size", save((10, 10)), "size-differs", "file 10x10, declared 24x16"),
    ("D34-swapped", save((24, 16)), "size-differs", "swapped"),
    ("D39-escapes", image(file_name="../../etc/passwd"), "file-missing", "passwd"),
]


@pytest.mark.parametrize(
    ("change", "kind", "fact"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_error(tmp_path: Path, change: Change, kind: str | None, fact: str) -> None:
    file = write(tmp_path, change)
    with pytest.raises(DataError) as raised:
        read_index(file)
    assert "data.json" in str(raised.value) and fact in str(raised.value)
    kinds = {f.kind for f in raised.value.findings if f.is_error or f.kind == kind}
    assert kinds == ({kind} if kind else set())  # and no error that another one caused


def placeholder(doc: Document, folder: Path) -> None:
    """As Roboflow exports: a category 0 that is only the group of the others."""
    for category in doc["categories"]:
        category["supercategory"] = "furniture"
    doc["categories"].insert(0, {"id": 0, "name": "furniture", "supercategory": "none"})


def gif(doc: Document, folder: Path) -> None:
    frames = [picture(16, 24, seed=n) for n in range(3)]
    frames[0].save(folder / "one.gif", save_all=True, append_images=frames[1:])
    doc["images"][0]["file_name"] = "one.gif"


def turned(doc: Document, folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(16, 24).save(folder / "one.jpg", exif=exif)
    doc["images"][0]["file_name"] = "one.jpg"


def copies(doc: Document, folder: Path) -> None:
    """Every annotation twice, under another id."""
    doc["annotations"] += [entry | {"id": entry["id"] + 100} for entry in doc["annotations"]]


def mostly_crowds(doc: Document, folder: Path) -> None:
    """As CVAT exports a class that was drawn by brush here and as polygons there."""
    doc["annotations"].append(annotation(14, 2, 3, (4, 5, 6, 7)))
    for entry in doc["annotations"][2:]:
        entry["iscrowd"] = 1


def entry_per_box(doc: Document, folder: Path) -> None:
    """As CSV converters write: the picture is listed anew for each of its boxes."""
    doc["images"].append(doc["images"][0] | {"id": 5, "file_name": "./one.png"})
    doc["annotations"][1]["image_id"] = 5


# two triangles that meet in the middle: half of the box
TWISTED = [[2, 3, 10, 8, 10, 3, 2, 8]]

# (case, damage, kind of warning, how often, instances left)
WARNINGS: list[tuple[str, Change, str, int, int]] = [
    ("D7-placeholder", placeholder, "categories", 1, 3),
    ("D15-no-ring-left", put(segmentation=[[1, 1, 2, 2]]), "mask-missing", 1, 2),
    ("D16-missing", drop("annotations", 0, "segmentation"), "mask-missing", 1, 2),
    ("D17-empty-rle", rle([384]), "mask-missing", 1, 2),
    ("D31-corner", put(segmentation=[[0, 0, 0, 1, 1, 1, 1, 0]]), "mask-differs", 2, 3),
    ("D18-left", put(segmentation=[rectangle(-4, 3, 14, 5)]), "polygon", 1, 3),
    ("D18-wholly-outside", put(segmentation=[rectangle(50, 50, 9, 9)]), "mask-missing", 1, 2),
    ("D19-crosses-itself", put(segmentation=TWISTED), "mask-differs", 1, 3),
    ("D25-box-differs", put(bbox=[2, 3, 12, 5]), "mask-differs", 1, 3),
    ("D27-area", put(area=43), "mask-differs", 1, 3),
    ("D35-tag-contradicts", turned, "orientation", 1, 3),
    ("D36-animated", gif, "frames", 1, 3),
    ("class-of-crowds", lambda d, f: d["annotations"][1].update(iscrowd=1), "crowd-only", 1, 3),
    ("class-mostly-of-crowds", mostly_crowds, "crowd-only", 1, 4),
    ("copies", copies, "mask-twice", 3, 6),
    ("entry-per-box", entry_per_box, "picture-twice", 1, 3),
]


@pytest.mark.parametrize(
    ("change", "kind", "total", "left"), [w[1:] for w in WARNINGS], ids=[w[0] for w in WARNINGS]
)
def test_warning(tmp_path: Path, caplog, change: Change, kind: str, total: int, left: int) -> None:
    index = read_index(write(tmp_path, change))
    found = {warning.kind: warning for warning in index.warnings}
    assert found[kind].total == total and index.num_annotations == left
    assert [found[kind].what in line for line in caplog.messages].count(True) == 1


def test_all_kinds_of_errors_are_told_at_once(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        doc["annotations"] += [annotation(100 + n, 99, 3, (0, 0, 1, 1)) for n in range(25)]
        doc["annotations"][2]["segmentation"] = [[1, 1, NAN, 5, 9, 9]]
        (folder / "two.png").unlink()  # its annotation is checked nevertheless

    with pytest.raises(DataError) as raised:
        read_index(write(tmp_path, change))
    assert [f.kind for f in raised.value.findings] == ["undeclared", "mask", "file-missing"]
    assert str(raised.value).count("(image 99)") == 10 and "in all 25" in str(raised.value)


def future3d(doc: Document, folder: Path) -> None:
    """As released: no name, no extension, no iscrowd, runs as lists, pose and model may be null."""
    doc["categories"] = [
        {"id": c.id, "category": c.supercategory, "fine-grained category name": c.name}
        for c in FUTURE3D.categories
    ]
    sizes = {}
    for entry in doc["images"]:
        sizes[entry["id"]] = size = [entry["height"], entry["width"]]
        entry["file_name"] = f"{entry['id'] - 1:07d}"
        picture(*size, seed=entry["id"]).save(folder / f"{entry['file_name']}.jpg")
    for entry in doc["annotations"]:
        del entry["iscrowd"]
        mask = rles.decode(rles.from_polygons(entry["segmentation"], sizes[entry["image_id"]]))
        entry["segmentation"] = {"size": list(mask.shape), "counts": uncompressed(mask)}
        entry.update(model_id=None, texture_id=None, pose={"translation": None}, theme=None)


def test_D1_D9_future3d_dialect(tmp_path: Path) -> None:
    index = read_index(write(tmp_path, future3d))
    plain = read_index(write(tmp_path, name="plain.json"))
    assert index.warnings == () and index.taxonomy == FUTURE3D and not index.crowd.any()
    assert [index.rle(n) for n in range(3)] == [plain.rle(n) for n in range(3)]
    assert index.paths[0].name == "0000000.jpg" and index.file_names[0] == "0000000"
    assert index.frame()["category"].tolist() == [FUTURE3D.names[n] for n in (2, 6, 2)]
    grouped = index.in_space("super")
    assert grouped.taxonomy.num_classes == 7 and grouped.labels.tolist() == [0, 0, 0]


def test_D2_test_file_without_categories(tmp_path: Path) -> None:
    def bare(doc: Document, folder: Path) -> None:
        del doc["categories"], doc["annotations"]

    index = read_index(write(tmp_path, bare), mode="predict")
    assert (len(index), index.num_annotations, index.taxonomy) == (2, 0, FUTURE3D)
    assert index.frame().empty and index.to_coco()["annotations"] == []


def test_D4_D6_ids_are_the_files_own_from_zero_and_with_gaps(tmp_path: Path) -> None:
    def ids(doc: Document, folder: Path) -> None:
        doc["categories"] = [{"id": n, "name": f"kind {n}"} for n in (90, 0, 13)]
        for entry, number, own in zip(doc["annotations"], (90, 0, 13), (7, 0, -2), strict=True):
            entry.update(category_id=number, id=own)

    index = read_index(write(tmp_path, ids))
    assert index.warnings == () and index.annotation_ids.tolist() == [0, 7, -2]
    assert [a["id"] for a in index.to_coco()["annotations"]] == [0, 7, -2]
    taxonomy = index.taxonomy
    assert [taxonomy.classes[label].id for label in index.labels] == [0, 90, 13]
    assert Taxonomy.from_dict(json.loads(json.dumps(taxonomy.to_dict()))) == taxonomy


def test_whole_numbers_may_be_written_as_fractions_and_ids_as_text(tmp_path: Path) -> None:
    def floats(doc: Document, folder: Path) -> None:  # as pandas writes a column with gaps
        for entry in (*doc["images"], *doc["annotations"], *doc["categories"]):
            entry.update({k: float(v) for k, v in entry.items() if isinstance(v, int)})
        doc["annotations"][0]["segmentation"] = {"size": [16.0, 24.0], "counts": [50, 40, 294]}

    def texts(doc: Document, folder: Path) -> None:  # as VIA writes ids, and converters
        for entry in (*doc["images"], *doc["annotations"], *doc["categories"]):
            entry.update({k: str(v) for k, v in entry.items() if k.endswith("id")})

    for change in (floats, texts):
        index = read_index(write(tmp_path, change))
        assert index.image_ids.tolist() == [1, 2] and index.annotation_ids.tolist() == [11, 12, 13]
        assert index.category_ids.tolist() == [3, 7, 3] and index.image_size(0) == (16, 24)


def test_D7_placeholder_shifts_no_label_unless_it_is_used(tmp_path: Path) -> None:
    def used(doc: Document, folder: Path) -> None:
        placeholder(doc, folder)
        doc["annotations"][0]["category_id"] = 0

    index = read_index(write(tmp_path, placeholder))
    assert index.taxonomy.names == ("chair", "table") and index.labels.tolist() == [0, 1, 0]
    index = read_index(write(tmp_path, used, name="used.json"))
    assert index.category_ids.tolist() == [0, 7, 3] and index.taxonomy.num_classes == 3


def test_D8_D11_classes_demanded_are_matched_by_id_and_name(tmp_path: Path) -> None:
    def named(*names: str) -> Change:
        categories = [{"id": n, "name": name} for n, name in zip((3, 7), names, strict=True)]
        return lambda doc, folder: doc.update(categories=categories[::-1])

    shelf = FUTURE3D.names[6]
    for name in (FUTURE3D.names[2], FUTURE3D.names[2].upper().replace(" / ", "/")):
        file = write(tmp_path, named(name, f"{shelf} Table"), name=f"{name[:3]}.json")
        index = read_index(file, taxonomy=FUTURE3D)  # the second name is that of a later release
        assert index.labels.tolist() == [2, 6, 2] and index.taxonomy == FUTURE3D
    swapped = write(tmp_path, named(shelf, FUTURE3D.names[2]), name="swapped.json")
    with pytest.raises(DataError, match="is there 'Bookcase"):
        read_index(swapped, taxonomy=FUTURE3D)
    with pytest.raises(DataError, match="category 7 'table' is not among them") as raised:
        read_index(write(tmp_path), taxonomy=Taxonomy((Category(3, "chair", "seat"),)))
    assert len(raised.value.findings) == 1  # its annotations are not called undeclared, too


def read_mask(segmentation: Any) -> tuple[Any, ...] | None:
    """Of a picture of 16 x 24, without a remark."""
    return read_segmentation(segmentation, (16, 24), lambda *told: pytest.fail(str(told)))


def test_D18_D19_polygons_may_touch_the_border_and_are_filled_even_odd() -> None:
    assert read_mask([rectangle(0, 0, 24, 16)])[2] == (0, 0, 24, 16)
    twice = [[2, 2, 10, 2, 10, 10, 2, 10, 2, 2, 6, 2, 6, 6, 2, 6]]
    mask = rles.decode(read_mask(twice)[0])
    assert not mask[2:6, 2:6].any() and mask[7:10, 7:10].all()


def test_D28_missing_or_null_iscrowd_is_no_crowd(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        del doc["annotations"][0]["iscrowd"]
        doc["annotations"][1]["iscrowd"] = None
        doc["annotations"][2]["iscrowd"] = 1

    index = read_index(write(tmp_path, change))
    assert [a["iscrowd"] for a in index.to_coco()["annotations"]] == [0, 0, 1]
    assert index.warnings == ()  # its class has a single object, too


@pytest.mark.parametrize("damage", ["missing", "truncated", "other size"])
def test_D33_bad_pictures_are_skipped_only_when_asked(tmp_path: Path, damage: str) -> None:
    file = write(tmp_path)
    one = tmp_path / "one.png"
    if damage == "missing":
        one.unlink()
    elif damage == "truncated":
        one.write_bytes(one.read_bytes()[:-100])
    else:
        picture(5, 5).save(one)
    index = read_index(file, skip_bad_images=True)
    assert index.image_ids.tolist() == [2] and index.annotation_ids.tolist() == [13]
    assert [(w.kind, w.total) for w in index.warnings] == [("skipped", 1)]


def test_pictures_not_checked_need_not_exist_and_a_byte_order_mark_may(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    (tmp_path / "one.png").unlink()
    index = read_index(file, check_images=False)
    assert index.paths[0] == tmp_path / "one.png" and index.num_annotations == 3


def test_D60_index_does_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    def shuffle(doc: Document, folder: Path) -> None:
        for key in ("annotations", "images", "categories"):
            doc[key] = [dict(reversed(entry.items())) for entry in doc.pop(key)[::-1]]

    first = read_index(write(tmp_path))
    assert read_index(write(tmp_path, shuffle, name="other.json")).digest == first.digest
    (tmp_path / "again.json").write_text(json.dumps(first.to_coco()))
    assert read_index(tmp_path / "again.json").digest == first.digest
    changed = write(tmp_path, put(segmentation=[rectangle(2, 3, 8, 6)]), name="changed.json")
    assert read_index(changed).digest != first.digest


def test_frame_and_coco_in_both_label_spaces(tmp_path: Path) -> None:
    def group(doc: Document, folder: Path) -> None:
        doc["categories"].append({"id": 9, "name": "stool", "supercategory": "seat"})
        doc["annotations"][2]["category_id"] = 9

    index = read_index(write(tmp_path, group), label_space="super")
    frame = index.frame()
    assert frame["category"].tolist() == ["chair", "table", "stool"]
    assert frame["supercategory"].tolist() == ["seat", "board", "seat"]
    assert frame["label"].tolist() == [0, 1, 0] and frame["area"].tolist() == [40, 140, 320]
    assert frame[["bbox_x", "bbox_y", "bbox_w", "bbox_h"]].iloc[1].tolist() == [12, 1, 10, 14]
    coco = index.to_coco()
    assert [c["name"] for c in coco["categories"]] == ["seat", "board"]
    assert [a["category_id"] for a in coco["annotations"]] == [1, 2, 1]


def test_subset_keeps_pictures_with_all_that_is_theirs(tmp_path: Path) -> None:
    index = read_index(write(tmp_path))
    second = index.subset([2])
    assert second.image_ids.tolist() == [2] and second.paths[0].name == "two.png"
    assert second.rle(0) == index.rle(2) and index.subset([1, 2]).digest == index.digest
    with pytest.raises(ValueError, match="no images with the ids"):
        index.subset([1, 5])


# Whatever an annotation file holds, reading it gives an index or a DataError, nothing else.

NUMBERS = (0, 1, -1, 3, 7, 11, 16, 24, 384, 2**31, 2**63, 2**64, 10**30)
FLOATS = (0.5, 1.0, -0.0, 1e-300, 1e9, 1e300, NAN, INF, -INF)
TEXTS = ("", "a", "3", "PPP", "\x00", "é椅", "../x", "/", ".", "one.png", "x" * 300, "\ud800")
LISTS = ([], [[]], [0], [0, 0], [[0]], [[0, 0, 9, 9, 0, 9]], [16, 24], [384], [{"x": 1}])
OBJECTS = ({}, {"counts": []}, {"size": [16, 24], "counts": [384]}, {"size": [1, 1], "counts": "0"})
NASTY = (None, True, False, *NUMBERS, *FLOATS, *TEXTS, *LISTS, *OBJECTS)


def damaged(seed: int) -> Document:
    """A sound document with one to six values replaced or deleted."""
    choose, doc = random.Random(seed), document()
    packed = rles.from_polygons(doc["annotations"][0]["segmentation"], (16, 24))
    forms = ({}, {"segmentation": dict(packed)}, {"segmentation": dict(packed, counts=[40, 344])})
    doc["annotations"][0].update(choose.choice(forms))
    for _ in range(choose.randint(1, 6)):
        places = list(_places(doc))
        if not places:
            break
        parent, key = choose.choice(places)
        if choose.random() < 0.8:
            parent[key] = copy.deepcopy(choose.choice(NASTY))
        else:
            del parent[key]
    return doc


def _places(value: Any) -> Any:
    """Every (container, key) of a document."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def survives(folder: Path, doc: Any) -> bool:
    """Read a document in both modes; was it readable in either?"""
    file = folder / "fuzzed.json"
    file.write_text(json.dumps(doc))
    readable = False
    for mode in ("train", "predict"):
        try:
            index = read_index(file, mode=mode, check_images=False, label_space="super")
        except DataError as error:
            assert str(file) in str(error)
            continue
        readable = True
        areas = [rles.decode(index.rle(n)).sum() for n in range(index.num_annotations)]
        assert areas == index.areas.tolist() and 0 not in areas
        assert len(index.frame()) == len(index.to_coco()["annotations"])
    return readable


def test_any_damage_gives_an_index_or_a_data_error(tmp_path: Path) -> None:
    assert {survives(tmp_path, damaged(seed)) for seed in range(250)} == {True, False}
