"""Picture files as they come: found by name, oriented, checked against the declared size, as RGB.

EXIF orientation: it is applied, then the size compared with the declared one; when only the stored
size fits, the tag is not applied. Modes: grey, palette and CMYK become RGB; alpha is dropped; 16
bits are scaled to 8; numbers without a fixed white, 32 bits or floating-point, are refused, and so
are pictures of more than Pillow's limit (179 million pixels).
"""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from helpers.data.errors import DataError, Findings
from helpers.data.parallel import available_cores

if TYPE_CHECKING:
    from helpers.data.index import InstanceIndex

REPLACE = "Replace it or leave it out."  # how the message of an unreadable picture ends
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_ORIENTATION = 0x0112
_SIXTEEN_BITS = ("PNG", "PPM")  # never more bits, also where Pillow opens them in its 32-bit mode
_TURNED = (5, 6, 7, 8)  # orientations that exchange width and height
_TURNS = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)


@dataclass(frozen=True)
class Header:
    """What a picture file says of itself, without decoding: (height, width) as stored, EXIF tag."""

    size: tuple[int, int]
    orientation: int
    frames: int

    @property
    def oriented_size(self) -> tuple[int, int]:
        return self.size[::-1] if self.orientation in _TURNED else self.size


def escapes(file_name: str) -> bool:
    """Does a relative file name lead out of its folder (or is it an absolute one)?"""
    name = os.path.normpath(file_name.replace("\\", "/"))
    return os.path.isabs(name) or name == ".." or name.startswith("../") or "\0" in name


def find_picture(file_name: str, folders: tuple[Path, ...]) -> Path | None:
    """The first existing file of that name; 3D-FUTURE leaves the extension out, so try some."""
    for folder in folders:
        for extension in ("", *EXTENSIONS):
            path = folder / f"{file_name}{extension}"
            try:
                if path.is_file():
                    return path
            except (OSError, ValueError):  # a name too long or impossible here
                return None
    return None


def hint_where(file_name: str, folder: Path) -> str:
    """For a file that is not there: is it one folder deeper, or spelt a little differently?"""
    name, stem = Path(file_name).name, Path(file_name).stem.casefold()
    for pattern in (glob.escape(name), f"{glob.escape(name)}.*"):
        deeper = next(folder.glob(f"*/{pattern}"), None)
        if deeper is not None:
            return f"it is in {deeper.parent}"
    parent = (folder / file_name).parent
    if parent.is_dir():
        for path in sorted(parent.iterdir()):
            if path.stem.casefold() == stem and path.suffix.casefold() in EXTENSIONS:
                return f"{path.name} is there"
    return "" if folder.is_dir() else f"the folder {folder} does not exist"


def read_header(path: Path) -> Header:
    """Size, orientation and frames. DataError when the file is empty or not a picture."""
    with open_picture(path) as picture:
        frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
        return Header(picture.size[::-1], _orientation(picture), frames)


def applies_orientation(header: Header, size: tuple[int, int]) -> bool | None:
    """Is the EXIF tag applied to give `size` (height, width)? None when neither way gives it."""
    if header.oriented_size == size:
        return True
    return False if header.size == size else None


def read_picture(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """Decode to 8-bit RGB, oriented. DataError when broken or not of `size` (height, width)."""
    with open_picture(path) as picture:
        header = Header(picture.size[::-1], _orientation(picture), 1)
        orient = size is None or applies_orientation(header, size) is not False
        picture.load()
        rgb = to_rgb(picture, orient=orient)
    if size is not None and rgb.size != size[::-1]:
        raise DataError(f"{path}: {describe_sizes(rgb.size[::-1], size)}. Correct the annotations.")
    return rgb


def to_rgb(picture: Image.Image, *, orient: bool = True) -> Image.Image:
    """An open picture of any mode as 8-bit RGB, turned as its EXIF tag says unless told not to.

    Raises ValueError for numbers without a fixed white: floating-point ones, and those of mode "I"
    that are not from a file of 16 bits.
    """
    if picture.mode == "I" and picture.format not in _SIXTEEN_BITS:  # a turned one has no format
        raise ValueError(
            'a picture of mode "I" holds 32-bit numbers, whose white is unknown: give 8 bits '
            "(0..255), e.g. Image.fromarray(np.asarray(picture).astype('uint8'))"
        )
    turn = _TURNS.get(_orientation(picture)) if orient else None
    return _to_rgb(picture if turn is None else picture.transpose(turn))


def describe_sizes(found: tuple[int, int], declared: tuple[int, int]) -> str:
    """Both sizes as width x height, and whether they are exchanged."""
    swapped = " (width and height are swapped)" if found == declared[::-1] else ""
    return f"file {found[1]}x{found[0]}, declared {declared[1]}x{declared[0]}{swapped}"


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """An open picture file; whatever goes wrong with it in the block becomes a DataError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # half the hard limit
            warnings.filterwarnings("ignore", message="(Truncated|Corrupt|Metadata)")
            picture = Image.open(path)
        with picture:
            yield picture
    except DataError:
        raise
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        raise _unreadable(path, error) from error


def _orientation(picture: Image.Image) -> int:
    """The EXIF tag, 1 (upright) when there is none or it is damaged."""
    try:
        tag = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # as above: a damaged tag does not spoil the picture
        return 1
    return tag if tag in range(1, 9) else 1


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    if picture.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip at 255
        values = np.asarray(picture).astype(np.int64).clip(0, 65535)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise ValueError("pictures of floating-point numbers have no fixed white; save it as 8 bit")
    if picture.mode == "P":
        return picture.convert("RGBA").convert("RGB")
    return picture.convert("RGB")


def _unreadable(path: Path, error: Exception) -> DataError:
    try:
        empty = path.stat().st_size == 0
    except OSError:
        return DataError(f"{path}: file not found. Give the right image folder.")
    reason = "the file is empty" if empty else str(error) or type(error).__name__
    return DataError(f"{path}: the picture can not be read ({reason}). {REPLACE}")


def check_pictures(index: InstanceIndex) -> None:
    """Decode every picture of an index once. Raises DataError with the first that are broken."""
    findings = Findings(Path(os.path.commonpath(index.paths)) if index.paths else Path())

    def problem(row: int) -> str | None:
        try:
            read_picture(index.image_path(row), index.image_size(row))
        except DataError as error:
            return f"image {index.image_ids[row]}, {error}"
        return None

    with ThreadPoolExecutor(available_cores()) as pool:
        for place in filter(None, pool.map(problem, range(len(index)))):
            findings.add("file-unreadable", place)
    findings.raise_errors()
