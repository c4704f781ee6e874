"""Picture files as they come: oriented, checked against the declared size, as RGB.

EXIF orientation: it is applied, then the size compared with the declared one; when only the stored
size fits, the tag is not applied. Modes: grey, palette and CMYK become RGB; alpha is dropped; 16
bits are scaled to 8; numbers without a fixed white, 32 bits or floating-point, are refused, and so
are pictures of more than Pillow's limit (179 million pixels).
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from helpers.data.errors import DataError, Findings
from helpers.data.parallel import available_cores
from helpers.files import StorageError, make_folder, outputs_dir, read_json, write_json

if TYPE_CHECKING:
    from helpers.data.index import InstanceIndex

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp"),
    *(".tif", ".tiff", ".gif", ".ppm", ".pgm"),
)
WORTH_KEEPING = 200  # pictures; what is known of fewer is looked up anew each time
_ORIENTATION = 0x0112
_SIXTEEN_BITS = ("PNG", "PPM")  # never more bits, also where Pillow opens them in its 32-bit mode
_TURNED = (5, 6, 7, 8)  # orientations that exchange width and height
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Once for the process: changing the filters around each call is not safe between threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # half the hard limit
warnings.filterwarnings("ignore", "(Truncated|Corrupt|Metadata)", UserWarning, "PIL")


@dataclass(frozen=True)
class Header:
    """What a picture file says of itself, without decoding: (height, width) as stored, EXIF tag."""

    size: tuple[int, int]
    orientation: int
    frames: int

    @property
    def oriented_size(self) -> tuple[int, int]:
        return self.size[::-1] if self.orientation in _TURNED else self.size


def is_picture(path: Path) -> bool:
    """Is it a picture by its name, and not a hidden file such as macOS's ._a.jpg?"""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def read_header(path: Path, *, decode: bool = False) -> Header:
    """Size, orientation and frames. DataError when the file is empty or not a picture.

    decode: or cannot be decoded; JPEGs at an eighth of their size: faster, and every byte is read
    all the same.
    """
    with open_picture(path) as picture:
        frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
        untagged = not decode and picture.format == "PNG" and not _may_have_tags(path)
        header = Header(picture.size[::-1], 1 if untagged else _orientation(picture), frames)
        if decode:
            _require_white(picture)
            picture.draft(None, (max(1, picture.width // 8), max(1, picture.height // 8)))
            picture.load()
        return header


def read_picture(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """Decode to 8-bit RGB, oriented. DataError when broken or not of `size` (height, width)."""
    with open_picture(path) as picture:
        header = Header(picture.size[::-1], _orientation(picture), 1)
        orient = size is None or _applies_orientation(header, size) is not False
        picture.load()
        rgb = to_rgb(picture, orient=orient)
    if size is not None and rgb.size != size[::-1]:
        raise DataError(f"{path}: {_describe(rgb.size[::-1], size)}. Correct the annotations.")
    return rgb


def to_rgb(picture: Image.Image, *, orient: bool = True) -> Image.Image:
    """An open picture of any mode as 8-bit RGB, turned as its EXIF tag says unless told not to.

    Raises ValueError for numbers without a fixed white: floating-point ones, and those of mode "I"
    that are not from a file of 16 bits.
    """
    _require_white(picture)
    turn = _TURNS.get(_orientation(picture)) if orient else None
    if turn is not None:
        picture = picture.transpose(turn)
    if picture.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip at 255
        values = np.asarray(picture).astype(np.int64).clip(0, 65535)
        picture = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if picture.mode == "P":
        picture = picture.convert("RGBA")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """An open picture file; whatever goes wrong with it in the block becomes a DataError."""
    try:
        with Image.open(path) as picture:
            yield picture
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        raise _unreadable(path, error) from error


def check_pictures(index: InstanceIndex) -> None:
    """Look at every picture of an index once, to its last byte, and remember those that are whole.

    Raises DataError with the number and the first places of those that are broken or missing.
    """
    if not len(index):
        return
    folders = {path.parent.absolute() for path in index.paths}
    findings = Findings(Path(os.path.commonpath(folders)))
    for kind, place in picture_problems(index, range(len(index)), findings, decode=True).values():
        findings.add(kind, place)
    findings.raise_errors()


def picture_problems(
    index: InstanceIndex, rows: Sequence[int], findings: Findings, *, decode: bool
) -> dict[int, tuple[str, str]]:
    """The error (kind, place) of each of these pictures that is broken or of another size.

    Notes in `findings` what is merely odd. decode: as for `examine_pictures`.
    """
    problems: dict[int, tuple[str, str]] = {}
    headers = examine_pictures([index.paths[row] for row in rows], decode=decode)
    for row, header in zip(rows, headers, strict=True):
        place, size = f"image {index.image_ids[row]}, {index.paths[row]}", index.image_size(row)
        if isinstance(header, DataError):
            problems[row] = ("file-unreadable", f"image {index.image_ids[row]}, {header}")
            continue
        applies = _applies_orientation(header, size)
        if applies is None:
            problems[row] = ("size-differs", f"{place}: {_describe(header.oriented_size, size)}")
        elif not applies:
            findings.add("orientation", f"{place}: tag {header.orientation}")
        if header.frames > 1:
            findings.add("frames", f"{place}: {header.frames} frames")
    return problems


def examine_pictures(paths: Sequence[Path], *, decode: bool) -> list[Header | DataError]:
    """The header of each picture file, or why it cannot be read; several threads share the work.

    decode: read each to its end, too, which alone finds files that are cut short. What is known of
    many files is remembered for as long as their size and time of change stay the same.
    """
    many = len(paths) >= WORTH_KEEPING
    before = _remembered(paths) if many else {}
    known = dict(before)

    def examine(path: Path) -> Header | DataError:
        try:
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns]
            row = known.get(str(path), [])
            if row[:2] != stamp or (decode and not row[-1]):
                header = read_header(path, decode=decode)
                row = [*stamp, *header.size, header.orientation, header.frames, int(decode)]
                known[str(path)] = row
            height, width, orientation, frames = row[2:6]
            return Header((height, width), orientation, frames)
        except OSError as error:
            return _unreadable(path, error)
        except DataError as error:
            return error

    with ThreadPoolExecutor(available_cores()) as pool:
        work = pool.map(examine, paths)
        shown = decode and many
        found = list(tqdm(work, "pictures", len(paths), leave=False, disable=not shown))
    if many and known != before:
        with suppress(StorageError):  # then they are looked at anew
            make_folder(_memory(paths).parent)
            write_json(_memory(paths), known)
    return found


def _memory(paths: Sequence[Path]) -> Path:
    """The file in which headers of pictures in these folders are kept; it may be deleted."""
    folders = sorted({str(path.parent.absolute()) for path in paths})
    key = hashlib.sha256("\n".join(folders).encode()).hexdigest()[:32]
    return outputs_dir() / "cache" / f"headers-{key}.json"


def _remembered(paths: Sequence[Path]) -> dict[str, list[int]]:
    """Of each path: size and time of change, height, width, orientation, frames, was it decoded?"""
    try:
        return read_json(_memory(paths))
    except (OSError, ValueError):  # not there, or damaged
        return {}


def _applies_orientation(header: Header, size: tuple[int, int]) -> bool | None:
    """Is the EXIF tag applied to give `size` (height, width)? None when neither way gives it."""
    if header.oriented_size == size:
        return True
    return False if header.size == size else None


def _describe(found: tuple[int, int], declared: tuple[int, int]) -> str:
    """Both sizes as width x height, and whether they are exchanged."""
    swapped = " (width and height are swapped)" if found == declared[::-1] else ""
    return f"file {found[1]}x{found[0]}, declared {declared[1]}x{declared[0]}{swapped}"


def _orientation(picture: Image.Image) -> int:
    """The EXIF tag, 1 (upright) when there is none or it is damaged."""
    try:
        tag = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # as above: a damaged tag does not spoil the picture
        return 1
    return tag if tag in range(1, 9) else 1


def _may_have_tags(png: Path) -> bool:
    """Whether to look for an orientation, for which Pillow decodes all of a PNG: a tag may lie at
    its end."""
    content = png.read_bytes()
    return any(mark in content for mark in (b"eXIf", b"Raw profile type", b"com.adobe.xmp"))


def _require_white(picture: Image.Image) -> None:
    if picture.mode == "F" or (picture.mode == "I" and picture.format not in _SIXTEEN_BITS):
        # a picture that was turned has no format any more
        raise ValueError(
            f'a picture of mode "{picture.mode}" holds numbers whose white is unknown: give 8 bits '
            "(0..255), e.g. Image.fromarray(np.asarray(picture).astype('uint8'))"
        )


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: file not found")
    empty = path.is_file() and path.stat().st_size == 0
    reason = "the file is empty" if empty else str(error) or type(error).__name__
    return DataError(f"{path}: the picture cannot be read ({reason})")
