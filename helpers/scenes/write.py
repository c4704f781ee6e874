"""One scene on disk, and the annotation files of a whole set.

`write_scene` makes one picture with its id-map and leaves a record of its annotations in the
hidden work folder; `write_annotations` joins all records, in index order, into the annotation
files: the dialect of the 3D-FUTURE release with its quirks (`GT/`), plain COCO (`coco/`), and with
noise the exact masks (`true/`) and what was changed (`noise_log.json`).

Every file is written under another name and then renamed, so a file that exists is complete; the
bytes depend on the config, the split and the index alone. Pictures are JPEG, quality 90, without
chroma subsampling (thin coloured legs keep their borders); id-maps are colour PNGs.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from helpers.data import rle
from helpers.data.taxonomy import FUTURE3D
from helpers.scenes import noise, render
from helpers.scenes.config import SceneConfig
from helpers.scenes.random import stream

WORK = ".work"  # hidden folder of an unfinished set: its config, records, files being written
ANTIALIAS_FACTOR = 4  # samples per pixel side of an anti-aliased id-map


Add = Callable[[dict[str, Any]], None]


def splits(config: SceneConfig) -> dict[str, int]:
    """Number of pictures of every split that has any."""
    sizes = {"train": config.train, "val": config.val, "test": config.test}
    return {split: count for split, count in sizes.items() if count > 0}


def image_name(index: int) -> str:
    """File name without extension; names repeat across splits, as in the release."""
    return f"{index:07d}"


def record_path(folder: Path, split: str, index: int) -> Path:
    """Where the record of a finished picture lies while the set is being made."""
    return folder / WORK / split / f"{image_name(index)}.json"


def write_bytes(folder: Path, path: Path, content: bytes) -> None:
    """Writes a file of the set so that it is either complete or absent."""
    for parent in (path.parent, folder / WORK):
        parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder / WORK / f"{os.getpid()}-{path.parent.name}-{path.name}"
    unfinished.write_bytes(content)
    unfinished.replace(path)


# One picture.


def write_room(config: SceneConfig, folder: Path, views: tuple[str, list[int]]) -> int:
    """Writes views (split, indices) of one room, which is built once; returns how many."""
    split, indices = views
    for index in indices:
        write_scene(config, split, index, folder)
    return len(indices)


def write_scene(config: SceneConfig, split: str, index: int, folder: Path) -> None:
    """Renders one scene and writes its picture, its id-map and, last of all, its record."""
    view = render.compose_view(config, split, index)
    image, ids = render.render_image(view, config.size, config.quality)
    picture, masks, log = _annotate(config, split, index, view, ids)
    files = {"image": (".jpg", _jpeg(image)), "idmap": (".png", _png(picture))}
    for kind, (extension, content) in files.items():
        write_bytes(folder, folder / split / kind / (image_name(index) + extension), content)
    record = {
        "sha256": {
            f"{split}/{kind}/{image_name(index)}{extension}": hashlib.sha256(content).hexdigest()
            for kind, (extension, content) in files.items()
        },
        "instances": [
            {
                "category_id": int(view.category_ids[label - 1]),
                "annotation": describe_mask(mask),
                "true": describe_mask(ids == label),
                "changed": log.get(label, {}),
            }
            for label, mask in masks.items()
        ],
    }
    write_bytes(folder, record_path(folder, split, index), json.dumps(record).encode())


def visible_labels(ids: np.ndarray, config: SceneConfig) -> list[int]:
    """The ids large enough to be annotated: at least `min_visible_area`, scaled to the picture."""
    area = np.bincount(ids.ravel())
    smallest = config.min_visible_area * (ids.shape[0] / noise.REFERENCE_SIZE) ** 2
    return [label for label in range(1, len(area)) if area[label] >= max(smallest, 1)]


def _annotate(
    config: SceneConfig, split: str, index: int, view: render.View, ids: np.ndarray
) -> tuple[np.ndarray, dict[int, np.ndarray], noise.NoiseLog]:
    """The id-map picture (H, W, 3) uint8, {id: mask} of the annotated pieces, changed pixels."""
    draw = stream(config.seed, "annotation", split, index)
    colours = noise.object_colours(len(view.category_ids), draw)
    labels = visible_labels(ids, config)
    if config.noise == "antialias":
        fine = render.render_ids(view, config.size, supersample=ANTIALIAS_FACTOR)
        picture = noise.antialias_colours(fine, colours, ANTIALIAS_FACTOR)
        masks, log = _decoded(noise.nearest_labels(picture, colours), ids, labels)
        return picture, masks, log
    if config.noise == "statistical":
        masks, log = noise.corrupt(ids, draw, config.noise_level, labels=labels)
        return colours[_painted(ids, masks)], masks, log
    return colours[ids], {label: ids == label for label in labels}, {}


def _decoded(
    decoded: np.ndarray, ids: np.ndarray, labels: list[int]
) -> tuple[dict[int, np.ndarray], noise.NoiseLog]:
    """Masks of a decoded id-map; a piece that vanished in it keeps its exact mask."""
    masks, log = {}, {}
    for label in labels:
        exact, mask = ids == label, decoded == label
        masks[label] = mask if mask.any() else exact
        changed = int((masks[label] ^ exact).sum())
        log[label] = {"antialias": changed} if changed else {}
    return masks, log


def _painted(ids: np.ndarray, masks: dict[int, np.ndarray]) -> np.ndarray:
    """One id-map from masks that may overlap: the smaller instance lies on top."""
    painted = np.where(np.isin(ids, list(masks)), 0, ids)
    for label in sorted(masks, key=lambda k: (-int(masks[k].sum()), k)):
        painted[masks[label]] = label
    return painted


def describe_mask(mask: np.ndarray) -> dict[str, Any]:
    """Uncompressed RLE, area in pixels and bbox [x, y, w, h] of a non-empty (H, W) bool mask."""
    flat = mask.ravel(order="F")
    bounds = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], bounds, [flat.size]])).tolist()
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    x, y, right, bottom = (int(v) for v in (columns[0], rows[0], columns[-1], rows[-1]))
    return {
        "segmentation": {
            "counts": [0, *counts] if flat[0] else counts,
            "size": list(mask.shape),
        },
        "area": int(mask.sum()),
        "bbox": [x, y, right - x + 1, bottom - y + 1],
    }


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90, subsampling=0)
    return buffer.getvalue()


def _png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


# The annotation files of all pictures.


def write_annotations(config: SceneConfig, folder: Path) -> dict[str, str]:
    """Joins the records into the annotation files; returns {file: sha256} of all pictures.

    Ids of pictures and annotations start at 1 in every file. The 3D-FUTURE dialect has no `name`
    in its categories, no extension in file names, no `iscrowd`, uncompressed RLE, and fields that
    are null; its test file has neither categories nor annotations, as in the challenge.
    """
    hashes: dict[str, str] = {}
    log: dict[str, dict[str, dict[str, int]]] = {}
    for split in splits(config):
        log[split] = _write_split(config, folder, split, hashes)
    if config.noise != "none":
        write_bytes(folder, folder / "noise_log.json", json.dumps(log, indent=1).encode())
    return hashes


def _write_split(
    config: SceneConfig, folder: Path, split: str, hashes: dict[str, str]
) -> dict[str, dict[str, int]]:
    """Writes the files of one split, adds its picture hashes, returns {annotation id: changed}."""
    plain = {"categories": _categories("name", "supercategory"), "images": _images(config, split)}
    quirky = {
        "images": [image | {"file_name": image["file_name"][:-4]} for image in plain["images"]]
    }
    if split != "test":
        quirky["categories"] = _categories("fine-grained category name", "category")
    log = {}
    with ExitStack() as files:
        release = files.enter_context(
            _annotation_file(folder, f"GT/{split}_set.json", quirky, listed=split != "test")
        )
        coco = files.enter_context(_annotation_file(folder, f"coco/{split}.json", plain))
        true = None
        if config.noise != "none":
            true = files.enter_context(_annotation_file(folder, f"true/{split}.json", plain))
        for index, record in _records(folder, split, splits(config)[split]):
            hashes |= record["sha256"]
            for instance in record["instances"]:
                number = len(log) + 1
                log[str(number)] = instance["changed"]
                head = {
                    "id": number,
                    "image_id": index + 1,
                    "category_id": instance["category_id"],
                }
                release(head | instance["annotation"] | _RELEASE_FIELDS)
                coco(head | _compressed(instance["annotation"]))
                if true:
                    true(head | _compressed(instance["true"]))
    return log


_RELEASE_FIELDS = dict.fromkeys(
    ("model_id", "texture_id", "pose", "fov", "style", "theme", "material")
)


def _categories(name: str, supercategory: str) -> list[dict[str, Any]]:
    return [{"id": c.id, name: c.name, supercategory: c.supercategory} for c in FUTURE3D.categories]


def _images(config: SceneConfig, split: str) -> list[dict[str, Any]]:
    return [
        {
            "id": index + 1,
            "width": config.size,
            "height": config.size,
            "file_name": image_name(index) + ".jpg",
        }
        for index in range(splits(config)[split])
    ]


def _records(folder: Path, split: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for index in range(count):
        yield index, json.loads(record_path(folder, split, index).read_bytes())


def _compressed(description: dict[str, Any]) -> dict[str, Any]:
    """The same annotation as plain COCO has it: compressed RLE as text, and `iscrowd`."""
    runs = description["segmentation"]
    segmentation = rle.from_runs(runs["counts"], runs["size"])
    return description | {"segmentation": segmentation, "iscrowd": 0}


@contextmanager
def _annotation_file(
    folder: Path, name: str, head: dict[str, Any], *, listed: bool = True
) -> Iterator[Add]:
    """A JSON file whose annotations are added one by one, never all in memory.

    With `listed` false the annotations are left out of the file.
    """
    path, unfinished = folder / name, folder / WORK / name.replace("/", "-")
    path.parent.mkdir(exist_ok=True)
    with unfinished.open("w") as file:
        separator = ',\n"annotations": [\n'
        file.write(json.dumps(head, ensure_ascii=False)[:-1])

        def add(annotation: dict[str, Any]) -> None:
            nonlocal separator
            if listed:
                file.write(separator + json.dumps(annotation))
                separator = ",\n"

        yield add
        if listed:
            file.write("\n]" if separator == ",\n" else separator + "]")
        file.write("}\n")
    unfinished.replace(path)
