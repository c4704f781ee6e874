"""Pictures as files: every mode and orientation arrives as the right RGB, damage never as black."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from datafiles import picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.data.errors import DataError
from helpers.data.pictures import find_picture, read_header, read_picture, to_rgb

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
def test_D35_every_orientation_is_applied(tmp_path: Path, tag: int) -> None:
    file = tagged(tmp_path / "a.png", STORED[tag], tag)
    assert np.array_equal(np.asarray(read_picture(file, (4, 6))), UPRIGHT)
    assert read_header(file).oriented_size == (4, 6)


@pytest.mark.parametrize("tag", [5, 6, 7, 8])
def test_D35_tag_that_contradicts_the_size_is_not_applied(tmp_path: Path, tag: int) -> None:
    file = tagged(tmp_path / "a.png", UPRIGHT, tag)
    assert np.array_equal(np.asarray(read_picture(file, (4, 6))), UPRIGHT)


def test_D35_tag_6_of_a_40x100_bitmap(tmp_path: Path) -> None:
    file = tagged(tmp_path / "a.jpg", np.asarray(picture(40, 100)), 6)
    assert read_picture(file, (100, 40)).size == (40, 100)
    assert read_picture(file).size == (40, 100)
    with pytest.raises(DataError, match="file 40x100, declared 50x100"):
        read_picture(file, (100, 50))


@pytest.mark.parametrize("tag", [0, 9, 300])
def test_D35_meaningless_tag_means_upright(tmp_path: Path, tag: int) -> None:
    file = tagged(tmp_path / "a.png", UPRIGHT, tag)
    assert np.array_equal(np.asarray(read_picture(file)), UPRIGHT)


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
    assert found.shape == (3, 4, 3)
    assert np.abs(found - grey[..., None]).max() <= 1


def test_D36_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 50).astype(np.uint16).reshape(1, 50)
    for name in ("a.png", "a.tif"):
        Image.fromarray(ramp).save(tmp_path / name)
        found = np.asarray(read_picture(tmp_path / name))[0, :, 0]
        assert np.array_equal(found, np.round(ramp[0] / 257))


def test_D36_alpha_is_dropped_not_blended(tmp_path: Path) -> None:
    values = np.zeros((2, 2, 4), dtype=np.uint8)
    values[..., 0] = 200
    Image.fromarray(values).save(tmp_path / "a.png")
    assert (np.asarray(read_picture(tmp_path / "a.png"))[..., 0] == 200).all()


def test_D36_transparent_palette(tmp_path: Path) -> None:
    indexed = Image.fromarray(UPRIGHT).quantize(4)
    indexed.save(tmp_path / "a.png", transparency=bytes([0, 0, 0, 0]))
    assert np.array_equal(np.asarray(read_picture(tmp_path / "a.png")), UPRIGHT)


@pytest.mark.parametrize("options", [{"progressive": True}, {"quality": 95}, {"subsampling": 0}])
def test_D36_kinds_of_jpeg(tmp_path: Path, options: dict[str, int]) -> None:
    flat = Image.new("RGB", (20, 10), (200, 30, 60))
    flat.save(tmp_path / "a.jpg", **options)
    found = np.asarray(read_picture(tmp_path / "a.jpg", (10, 20))).astype(int)
    assert np.abs(found - (200, 30, 60)).max() <= 3


def test_D36_cmyk_jpeg(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), (200, 30, 60)).convert("CMYK").save(tmp_path / "a.jpg")
    found = np.asarray(read_picture(tmp_path / "a.jpg")).astype(int)
    assert np.abs(found - (200, 30, 60)).max() <= 5


def test_D36_png_named_jpg(tmp_path: Path) -> None:
    picture(4, 6).save(tmp_path / "a.jpg", format="PNG")
    assert np.array_equal(np.asarray(read_picture(tmp_path / "a.jpg")), np.asarray(picture(4, 6)))


def test_D36_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="floating-point"):
        read_picture(tmp_path / "a.tif")


def test_D36_whole_numbers_of_32_bits_are_refused(tmp_path: Path) -> None:
    grey = Image.fromarray(np.arange(256, dtype=np.int32).reshape(16, 16))
    with pytest.raises(ValueError, match="white is unknown: give 8 bits"):
        to_rgb(grey)
    grey.save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="white is unknown"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("extension", ["png", "pgm"])
def test_D36_sixteen_bits_in_the_32_bit_mode_are_scaled(tmp_path: Path, extension: str) -> None:
    """As Pillow opens a .pgm, and some of its versions a .png."""
    ramp = np.linspace(0, 65535, 50).astype(np.uint16).reshape(1, 50)
    file = tmp_path / f"a.{extension}"
    Image.fromarray(ramp).save(file)
    with Image.open(file) as opened:
        grey = opened.convert("I")
        grey.format = opened.format
    for found in (to_rgb(grey), read_picture(file)):
        assert np.array_equal(np.asarray(found)[0, :, 0], np.round(ramp[0] / 257))


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_D37_extreme_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    picture(*size).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", size).size == size[::-1]


def test_D37_hundred_megapixels_pass_and_the_limit_is_an_error(tmp_path: Path) -> None:
    for side in (10_000, 14_000):
        Image.new("1", (side, side)).save(tmp_path / f"{side}.png")
    assert read_header(tmp_path / "10000.png").size == (10_000, 10_000)
    with pytest.raises(DataError, match="decompression bomb"):
        read_header(tmp_path / "14000.png")


@pytest.mark.parametrize("extension", ["jpg", "png", "gif", "tif", "webp"])
def test_D33_truncated_pictures_are_errors_never_black(tmp_path: Path, extension: str) -> None:
    file = tmp_path / f"a.{extension}"
    picture(64, 64).save(file)
    content = file.read_bytes()
    for share in (0.1, 0.5, 0.9):
        file.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(DataError, match=r"can not be read"):
            read_picture(file)


def test_D33_the_error_survives_the_way_from_a_worker(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read_picture(tmp_path / "missing.png")
    copy = pickle.loads(pickle.dumps(raised.value))
    assert type(copy) is DataError and "file not found" in str(copy)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@settings(max_examples=60, deadline=None)
@given(data=st.data(), extension=st.sampled_from(["jpg", "png", "gif", "tif", "bmp"]))
def test_D33_damaged_bytes_give_a_picture_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, extension: str
) -> None:
    file = tmp_path_factory.getbasetemp() / f"damaged.{extension}"
    tagged(file, np.asarray(picture(8, 8)), 6) if extension != "bmp" else picture(8, 8).save(file)
    content = bytearray(file.read_bytes())
    places = data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8))
    for place in places:
        content[place] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        read_header(file)
        assert read_picture(file).mode == "RGB"
    except DataError:
        pass


def test_missing_extension_is_found(tmp_path: Path) -> None:
    picture(4, 4).save(tmp_path / "0000007.jpg")
    assert find_picture("0000007", (tmp_path,)) == tmp_path / "0000007.jpg"
    assert find_picture("0000008", (tmp_path,)) is None
    assert find_picture("x" * 5000, (tmp_path,)) is None
