"""Pictures as files: found under any tool's spelling, turned and converted to the right RGB, damage
found before anything starts and never read as black."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from datafiles import Document, picture, write
from PIL import Image

from helpers.data import pictures
from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.locate import find_picture
from helpers.data.pictures import check_pictures, read_header, read_picture, to_rgb

UPRIGHT = np.zeros((4, 6, 3), dtype=np.uint8)
UPRIGHT[0, 0], UPRIGHT[0, -1], UPRIGHT[-1, 0] = (255, 0, 0), (0, 255, 0), (0, 0, 255)

# How a camera held that way stores the upright picture.
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.swapaxes(0, 1),
    6: UPRIGHT.swapaxes(0, 1)[::-1],
    7: UPRIGHT.swapaxes(0, 1)[::-1, ::-1],
    8: UPRIGHT.swapaxes(0, 1)[:, ::-1],
}


def tagged(path: Path, stored: np.ndarray, tag: int) -> Path:
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("tag", STORED)
def test_D35_every_orientation_is_applied_unless_it_contradicts(tmp_path: Path, tag: int) -> None:
    file = tagged(tmp_path / "a.png", STORED[tag], tag)
    assert np.array_equal(np.asarray(read_picture(file, (4, 6))), UPRIGHT)
    assert read_header(file).oriented_size == (4, 6)
    if tag >= 5:
        contradicting = tagged(tmp_path / "b.png", UPRIGHT, tag)
        assert np.array_equal(np.asarray(read_picture(contradicting, (4, 6))), UPRIGHT)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "CMYK", "YCbCr", "I;16"])
def test_D36_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    grey = np.array([[0, 64, 128, 255]] * 3, dtype=np.uint8)
    if mode == "1":
        grey = np.where(grey > 100, 255, 0).astype(np.uint8)
    if mode == "I;16":
        stored = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        via = "L" if mode == "P" else "RGB"  # from RGB a palette would be dithered
        stored = Image.fromarray(grey).convert(via).convert(mode)
    file = tmp_path / f"a.{'tif' if mode in ('CMYK', 'YCbCr') else 'png'}"
    stored.save(file)
    found = np.asarray(read_picture(file, (3, 4))).astype(int)
    assert np.abs(found - grey[..., None]).max() <= 1


@pytest.mark.parametrize("extension", ["png", "tif", "pgm"])
def test_D36_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, extension: str) -> None:
    ramp = np.linspace(0, 65535, 50).astype(np.uint16).reshape(1, 50)
    Image.fromarray(ramp).save(tmp_path / f"a.{extension}")
    found = np.asarray(read_picture(tmp_path / f"a.{extension}"))[0, :, 0]
    assert np.array_equal(found, np.round(ramp[0] / 257))


def test_D36_alpha_is_dropped_not_blended(tmp_path: Path) -> None:
    values = np.zeros((2, 2, 4), dtype=np.uint8)
    values[..., 0] = 200
    Image.fromarray(values).save(tmp_path / "a.png")
    assert (np.asarray(read_picture(tmp_path / "a.png"))[..., 0] == 200).all()
    Image.fromarray(UPRIGHT).quantize(4).save(tmp_path / "p.png", transparency=bytes(4))
    assert np.array_equal(np.asarray(read_picture(tmp_path / "p.png")), UPRIGHT)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_D36_numbers_without_a_white_are_refused(tmp_path: Path, kind: type) -> None:
    grey = Image.fromarray(np.arange(256, dtype=kind).reshape(16, 16))
    with pytest.raises(ValueError, match="white"):
        to_rgb(grey)
    grey.save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="white"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("extension", ["jpg", "png", "gif", "tif", "webp"])
def test_D33_truncated_pictures_are_errors_never_black(tmp_path: Path, extension: str) -> None:
    file = tmp_path / f"one.{extension}"

    def named(doc: Document, folder: Path) -> None:
        picture(16, 24).save(file)
        doc["images"][0]["file_name"] = file.name

    index = read_index(write(tmp_path, named))
    check_pictures(index)
    content = file.read_bytes()
    for share in (0.1, 0.5, 0.9):
        file.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(DataError, match="cannot be read"):
            read_picture(file)
        with pytest.raises(DataError, match=rf"image 1, .*one\.{extension}"):
            check_pictures(index)


def test_D37_the_smallest_pictures_are_whole(tmp_path: Path) -> None:
    for name in ("one.jpg", "one.png"):
        picture(1, 7).save(tmp_path / name)
        assert read_header(tmp_path / name, decode=True).size == (1, 7)


def test_pictures_that_are_whole_are_remembered_until_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr(pictures, "WORTH_KEEPING", 1)
    index = read_index(write(tmp_path))
    check_pictures(index)
    two = tmp_path / "two.png"
    status, content = two.stat(), two.read_bytes()
    two.write_bytes(bytes(len(content)))
    os.utime(two, ns=(status.st_atime_ns, status.st_mtime_ns))
    check_pictures(index)  # not looked at again
    os.utime(two, ns=(1, 1))
    with pytest.raises(DataError, match=r"two\.png"):
        check_pictures(index)
    with pytest.raises(DataError, match=r"two\.png"):
        check_pictures(index)  # what is broken is not remembered as whole
    for kept in (tmp_path / "outputs/cache").iterdir():
        kept.write_bytes(b"damaged")
    two.write_bytes(content)
    check_pictures(index)


# (file_name in the annotations, file on the disk, is it the exact name?)
SPELLINGS = {
    "itself": ("my room.png", "my room.png", True),
    "in a folder": ("Möbel/椅子.png", "Möbel/椅子.png", True),
    "around": ("./a/../x.png", "x.png", True),
    "no extension": ("0000007", "0000007.jpg", True),
    "percent in the name": ("100%25.png", "100%25.png", True),
    "backslashes": ("images\\p1.png", "images/p1.png", False),
    "percent-encoded": ("my%20room.png", "my room.png", False),
    "composed": (unicodedata.normalize("NFC", "Stühle"), "Stu\u0308hle.png", False),
    "decomposed": ("Stu\u0308hle.png", unicodedata.normalize("NFC", "Stühle.png"), False),
    "label studio": ("..\\..\\media\\upload\\4\\p1.png", "p1.png", False),
    "drive": ("C:\\data\\p1.png", "p1.png", False),
    "absolute": ("/home/me/data/p1.png", "p1.png", False),
    "local files": ("/data/local-files/?d=upload/p1.png", "p1.png", False),
    "url": ("https://x.org/up%20load/p%201.png?sig=a", "p 1.png", False),
    "the folder's own name": ("pictures/p1.png", "p1.png", False),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_D39_file_names_of_all_tools_are_found(tmp_path: Path, spelling: str) -> None:
    name, stored, exact = SPELLINGS[spelling]

    def change(doc: Document, folder: Path) -> None:
        path = tmp_path / "pictures" / stored
        for parent in (path.parent, tmp_path / "pictures/a"):
            parent.mkdir(parents=True, exist_ok=True)
        picture(16, 24).save(path)
        doc["images"][0]["file_name"] = name

    (tmp_path / "GT").mkdir()
    index = read_index(write(tmp_path / "GT", change), tmp_path / "pictures")
    assert index.paths[0].samefile(tmp_path / "pictures" / stored)
    assert index.file_names[0] == name  # what the file says stays
    assert [(w.kind, w.total) for w in index.warnings] == ([] if exact else [("file-name", 1)])


def test_a_url_stands_in_for_a_missing_file_name(tmp_path: Path) -> None:
    def lvis(doc: Document, folder: Path) -> None:
        for image in doc["images"]:
            image["coco_url"] = "http://images.org/train/" + image.pop("file_name")

    index = read_index(write(tmp_path, lvis))
    assert [path.name for path in index.paths] == ["one.png", "two.png"]
    assert [(w.kind, w.total) for w in index.warnings] == [("file-name", 2)]


def test_names_that_two_pictures_would_share_are_refused(tmp_path: Path) -> None:
    def change(doc: Document, folder: Path) -> None:
        doc["images"][0]["file_name"] = "/data/train/one.png"
        doc["images"][1].update(file_name="/data/val/one.png", width=24, height=16)
        doc["annotations"].pop()

    with pytest.raises(DataError, match=r"images 1, 2 would all be .*one\.png") as raised:
        read_index(write(tmp_path, change))
    assert [(f.kind, f.total) for f in raised.value.findings] == [("file-missing", 2)]


def test_D39_pictures_may_be_links_and_lie_beside_the_json(tmp_path: Path) -> None:
    file, images = write(tmp_path), tmp_path / "images"
    images.mkdir()
    (images / "one.png").symlink_to(tmp_path / "one.png")
    assert [path.parent for path in read_index(file, images).paths] == [images, tmp_path]
    file.write_text(file.read_text().replace("one.png", "images/one.png"))
    assert read_index(file, images).warnings == ()  # so it is, relative to the JSON
    file.write_text(file.read_text().replace("images/one.png", "one.png"))
    (tmp_path / "one.png").unlink()
    with pytest.raises(ValueError, match="nowhere does not exist"):
        read_index(file, tmp_path / "nowhere")
    assert find_picture("x" * 5000, (tmp_path,)) is None
