"""What the review shows: a scene for the browser (numbers, masks, a picture file), and a still."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from helpers.data import rle as rles
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex
from helpers.data.pictures import open_picture, read_header, read_picture
from helpers.drawing_style import GREY, INK, PAPER, class_colour, short_name, text_on
from helpers.review.sources import Comparison, Item, Mask

BROWSER_FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png"}
LARGEST_FILE = 6_000_000  # bytes sent as they are
TILE, MARGIN = 150, 8  # px of the contact sheet


def picture_bytes(index: InstanceIndex, row: int) -> tuple[str, bytes]:
    """Mime type and bytes of a picture as a browser shows it right.

    The file itself where that is so, without decoding it; else it is stored anew as JPEG. Raises
    DataError when it can not be read.
    """
    path, size = index.image_path(row), index.image_size(row)
    mime = _sendable(path, size)
    if mime:
        return mime, path.read_bytes()
    stored = io.BytesIO()
    read_picture(path, size).save(stored, "JPEG", quality=92)
    return "image/jpeg", stored.getvalue()


def _sendable(path: Path, size: tuple[int, int]) -> str | None:
    header = read_header(path)
    if header.orientation != 1 or header.size != size or path.stat().st_size > LARGEST_FILE:
        return None
    with open_picture(path) as picture:
        plain = picture.mode in ("RGB", "L")
        return BROWSER_FORMATS.get(picture.format or "") if plain else None


def scene_of(comparison: Comparison, item: Item, *, mime: str) -> dict[str, Any]:
    """Plain values for the view: both sources' masks of the picture, the item's numbers."""
    height, width = comparison.index.image_size(item.row)
    sides = {}
    for name in ("before", "after"):
        source, mask = getattr(comparison, name), getattr(item, name)
        masks = source.of(item.image_id)
        place = next((n for n, m in enumerate(masks) if mask and m.id == mask.id), None)
        sides[name] = {
            "name": source.name,
            "focus": place,
            "masks": [_mask_entry(m) for m in masks],
        }
    return {
        "key": item.key,
        "picture": f"{item.split}/{item.image_id}",
        "mime": mime,
        "width": width,
        "height": height,
        "category": short_name(item.category, length=40),
        "colour": class_colour(item.category_id),
        "place": _place(item),
        "kind": item.kind,
        "remark": item.remark,
        "numbers": {
            "iou": item.iou,
            "kept": item.kept,
            "added": item.added,
            "removed": item.removed,
            "score": item.score,
        },
        **sides,
    }


def _mask_entry(mask: Mask) -> dict[str, Any]:
    return {
        "counts": mask.rle["counts"],
        "box": list(mask.box),
        "colour": class_colour(mask.category_id),
    }


def _place(item: Item) -> str:
    ids = [None if m is None else m.id for m in (item.before, item.after)]
    both = ids[0] == ids[1] or None in ids
    which = str(next(i for i in ids if i is not None)) if both else f"{ids[0]} / {ids[1]}"
    return f"{item.split} · picture {item.image_id} · instance {which}"


def contact_sheet(
    shown: Sequence[tuple[Comparison, Item, str]], *, title: str, columns: int = 3
) -> bytes:
    """PNG of items (with a word each, say the verdict): before and after side by side, close up."""
    rows = -(-max(len(shown), 1) // columns)
    cell = (2 * TILE + 2 * MARGIN, TILE + 34)
    sheet = Image.new("RGB", (columns * cell[0] + MARGIN, rows * cell[1] + 30), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 8), title, fill=INK, font=ImageFont.load_default(13))
    for n, (comparison, item, word) in enumerate(shown):
        x, y = MARGIN + n % columns * cell[0], 30 + n // columns * cell[1]
        for side, tile in enumerate(_closeups(comparison, item)):
            sheet.paste(tile, (x + side * (TILE + 2), y))
        small = ImageFont.load_default(11)
        name = f"{short_name(item.category, length=20)}, IoU {item.iou:.3f}"
        draw.text((x, y + TILE + 2), name, fill=INK, font=small)
        words = f"+{item.added} -{item.removed} px" + (f" · {word}" if word else "")
        draw.text((x, y + TILE + 16), words, fill=GREY, font=small)
    stored = io.BytesIO()
    sheet.quantize(96, dither=Image.Dither.NONE).save(stored, "PNG", optimize=True)
    return stored.getvalue()


def _closeups(comparison: Comparison, item: Item) -> list[Image.Image]:
    """The item before and after, TILE px square, outlined; grey where there is no picture."""
    size = comparison.index.image_size(item.row)
    try:
        picture = read_picture(comparison.index.image_path(item.row), size)
    except DataError:
        picture = Image.new("RGB", size[::-1], GREY)
    corners = [_corners(m) for m in (item.before, item.after) if m and m.area] or [(0, 0, 1, 1)]
    x1, y1, x2, y2 = np.concatenate([np.min(corners, 0)[:2], np.max(corners, 0)[2:]]).tolist()
    side = round(1.2 * max(x2 - x1, y2 - y1, 20))
    left, top = (x1 + x2 - side) // 2, (y1 + y2 - side) // 2
    window = (left, top, left + side, top + side)  # what lies outside of the picture becomes black
    return [_outlined(picture.crop(window), mask, window) for mask in (item.before, item.after)]


def _corners(mask: Mask) -> tuple[int, int, int, int]:
    x, y, w, h = mask.box
    return x, y, x + w, y + h


def _outlined(
    crop: Image.Image, mask: Mask | None, window: tuple[int, int, int, int]
) -> Image.Image:
    side = (TILE, TILE)
    tile = np.asarray(crop.resize(side, Image.Resampling.LANCZOS)).copy()
    if mask is not None:
        plane = Image.fromarray(rles.decode(mask.rle)).crop(window)
        inside = np.asarray(plane.resize(side, Image.Resampling.NEAREST))
        edge = inside & ~ndimage.binary_erosion(inside)
        colour = class_colour(mask.category_id)
        for pixels, paint in (
            (ndimage.binary_dilation(edge, np.ones((3, 3))), text_on(colour)),
            (edge, colour),
        ):
            tile[pixels] = [round(255 * part) for part in to_rgb(paint)]
    return Image.fromarray(tile)
