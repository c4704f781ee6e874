"""Id-maps: pictures whose pixel values are instance ids (or colours that stand for them)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from helpers.data.errors import DataError, Findings
from helpers.data.pictures import describe_sizes, open_picture
from helpers.data.rle import decode

BLENDED = 0.002  # share of pixels whose colour is rare; a clean id-map has none


def read_idmap(path: Path, *, size: tuple[int, int] | None = None) -> NDArray[np.int32]:
    """(H, W) ids: red + 256 green + 65536 blue, a palette's index, or an 8 or 16-bit grey value.

    Raises DataError for a file that is no picture, is compressed with loss (JPEG), or is not of
    `size` (height, width).
    """
    with open_picture(path) as picture:
        if picture.format in ("JPEG", "MPO"):
            raise DataError(f"{path}: an id-map must not be a JPEG, which changes ids. Use PNG.")
        if size is not None and picture.size != size[::-1]:
            sizes = describe_sizes(picture.size[::-1], size)
            raise DataError(f"{path}: id-map of another size than the picture, {sizes}. Redo it.")
        values = np.asarray(_decoded(picture, path)).astype(np.int32)
    if values.ndim == 2:
        return values
    return values[..., 0] + 256 * values[..., 1] + 65536 * values[..., 2]


def _decoded(picture: Image.Image, path: Path) -> Image.Image:
    if picture.mode in ("RGB", "P", "L", "1") or picture.mode.startswith("I"):
        return picture
    if picture.mode in ("RGBA", "LA"):
        return picture.convert(picture.mode[:-1])
    raise DataError(f"{path}: an id-map of mode {picture.mode} has no ids. Save it as RGB or grey.")


def check_idmap(
    idmap: NDArray[np.int32], ids: Collection[int], findings: Findings, *, place: str
) -> None:
    """Compare the ids of a map (0 is background) with those of its annotations.

    An annotation without a pixel is an error, a region without an annotation a warning, and many
    colours that cover next to nothing mean that the map was drawn with anti-aliasing.
    """
    values, counts = np.unique(idmap, return_counts=True)
    extra = [int(v) for v in values if v and int(v) not in ids]
    for number in sorted(set(ids) - set(values.tolist())):
        findings.add("idmap-missing", f"{place}, id {number}")
    strange = np.isin(values, extra) & (counts <= 50)
    share = counts[strange].sum() / idmap.size
    if share > BLENDED:
        findings.add("idmap-blended", f"{place}, {strange.sum()} colours on {share:.1%} of it")
        extra = [int(v) for v in values[np.isin(values, extra) & ~strange]]
    for number in extra:
        findings.add("idmap-extra", f"{place}, id {number}")


def overlaps(rles: Sequence[Mapping[str, Any]]) -> list[tuple[int, int, int]]:
    """(first, second, pixels) of each pair of masks that share pixels; no id-map can show both."""
    masks = [decode(rle) for rle in rles]
    pairs = ((i, j) for i in range(len(masks)) for j in range(i + 1, len(masks)))
    shared = ((i, j, int((masks[i] & masks[j]).sum())) for i, j in pairs)
    return [pair for pair in shared if pair[2]]
