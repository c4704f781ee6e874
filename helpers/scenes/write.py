"""One scene on disk, and the annotation files of a whole set.

`write_scene` makes one picture with its id-map and leaves a record of its annotations in the
hidden work folder; `write_annotations` joins all records, in index order, into the annotation
files: the dialect of the 3D-FUTURE release with its quirks (`GT/`), plain COCO (`coco/`), and with
noise the exact masks (`true/`) and what was changed (`noise_log.json`).

The bytes depend on the config, the split and the index alone. Pictures are JPEG, quality 90,
without chroma subsampling (thin coloured legs keep their borders); id-maps are colour PNGs.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from helpers.data import rle
from helpers.data.taxonomy import FUTURE3D
from helpers.files import make_folder, read_json, replace_file, write_json
from helpers.scenes import noise, render
from helpers.scenes.config import REFERENCE_SIZE, SceneConfig
from helpers.scenes.random import stream

WORK = ".work"  # hidden folder of an unfinished set: its config and the records of its pictures
ANTIALIAS_FACTOR = 4  # samples per pixel side of an anti-aliased id-map
RELEASE_FIELDS = ("model_id", "texture_id", "pose", "fov", "style", "theme", "material")

Masks = dict[int, np.ndarray]  # label of a piece -> (H, W) bool
Json = dict[str, Any]


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
    files = {
        f"{split}/image/{image_name(index)}.jpg": _encoded(image, "JPEG"),
        f"{split}/idmap/{image_name(index)}.png": _encoded(picture, "PNG"),
    }
    instances = [
        {
            "category_id": int(view.category_ids[label - 1]),
            "annotation": describe_mask(mask),
            "true": describe_mask(ids == label),
            "changed": log.get(label, {}),
        }
        for label, mask in masks.items()
    ]
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    record = json.dumps({"sha256": hashes, "instances": instances}).encode()
    for path, content in [
        *((folder / name, content) for name, content in files.items()),
        (record_path(folder, split, index), record),
    ]:
        make_folder(path.parent)
        replace_file(path, lambda file, content=content: file.write(content) and None)


def _encoded(picture: np.ndarray, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form, quality=90, subsampling=0)
    return buffer.getvalue()


def visible_labels(ids: np.ndarray, config: SceneConfig) -> list[int]:
    """The ids large enough to be annotated: at least `min_visible_area`, scaled to the picture."""
    area = np.bincount(ids.ravel())
    smallest = config.min_visible_area * (ids.shape[0] / REFERENCE_SIZE) ** 2
    return [label for label in range(1, len(area)) if area[label] >= max(smallest, 1)]


def describe_mask(mask: np.ndarray) -> Json:
    """Compressed RLE, area in pixels and bbox [x, y, w, h] of an (H, W) bool mask."""
    segmentation = rle.encode(mask)
    area, box = rle.measure(segmentation)
    return {"segmentation": segmentation, "area": area, "bbox": list(box)}


def _annotate(
    config: SceneConfig, split: str, index: int, view: render.View, ids: np.ndarray
) -> tuple[np.ndarray, Masks, noise.NoiseLog]:
    """The id-map picture (H, W, 3) uint8, the masks of the annotated pieces, changed pixels."""
    draw = stream(config.seed, "annotation", split, index)
    colours = noise.object_colours(len(view.category_ids), draw)
    labels = visible_labels(ids, config)
    if config.noise == "antialias":
        fine = render.render_ids(view, config.size, supersample=ANTIALIAS_FACTOR)
        picture = noise.antialias_colours(fine, colours, ANTIALIAS_FACTOR)
        return picture, *_decoded(noise.nearest_labels(picture, colours), ids, labels)
    if config.noise == "statistical":
        masks, log = noise.corrupt(ids, draw, config.noise_level, labels=labels)
        return colours[_painted(ids, masks)], masks, log
    return colours[ids], {label: ids == label for label in labels}, {}


def _decoded(
    decoded: np.ndarray, ids: np.ndarray, labels: list[int]
) -> tuple[Masks, noise.NoiseLog]:
    """Masks of a decoded id-map; a piece that vanished in it keeps its exact mask."""
    masks, log = {}, {}
    for label in labels:
        exact, mask = ids == label, decoded == label
        masks[label] = mask if mask.any() else exact
        changed = int((masks[label] ^ exact).sum())
        log[label] = {"antialias": changed} if changed else {}
    return masks, log


def _painted(ids: np.ndarray, masks: Masks) -> np.ndarray:
    """One id-map from masks that may overlap: the smaller instance lies on top."""
    painted = np.where(np.isin(ids, list(masks)), 0, ids)
    for label in sorted(masks, key=lambda k: (-int(masks[k].sum()), k)):
        painted[masks[label]] = label
    return painted


# The annotation files of all pictures.


def write_annotations(config: SceneConfig, folder: Path) -> dict[str, str]:
    """Joins the records into the annotation files; returns {file: sha256} of all pictures.

    Ids of pictures and annotations start at 1 in every file. The 3D-FUTURE dialect has no `name`
    in its categories, no extension in file names, no `iscrowd`, uncompressed RLE, and fields that
    are null; its test file has neither categories nor annotations, as in the challenge.
    """
    hashes: dict[str, str] = {}
    log = {}
    for split, count in splits(config).items():
        _write_split(config, folder, split, count)
        for index in range(count):
            hashes |= read_json(record_path(folder, split, index))["sha256"]
        changed = ((ids["id"], one["changed"]) for ids, one in _instances(folder, split, count))
        log[split] = {str(number): causes for number, causes in changed}
    if config.noise != "none":
        write_json(folder / "noise_log.json", log)
    return hashes


def _write_split(config: SceneConfig, folder: Path, split: str, count: int) -> None:
    side = {"width": config.size, "height": config.size}
    names = [image_name(index) for index in range(count)]
    plain = {
        "categories": _categories("name", "supercategory"),
        "images": [{"id": i, **side, "file_name": f"{n}.jpg"} for i, n in enumerate(names, 1)],
    }
    release = {"images": [{"id": i, **side, "file_name": n} for i, n in enumerate(names, 1)]}
    annotations = None
    if split != "test":
        release["categories"] = _categories("fine-grained category name", "category")
        annotations = (ids | _in_release(one) for ids, one in _instances(folder, split, count))
    _write_annotation_file(folder / "GT" / f"{split}_set.json", release, annotations)
    for name, field in (("coco", "annotation"), ("true", "true")):
        if name == "coco" or config.noise != "none":
            instances = _instances(folder, split, count)
            annotations = (ids | one[field] | {"iscrowd": 0} for ids, one in instances)
            _write_annotation_file(folder / name / f"{split}.json", plain, annotations)


def _instances(folder: Path, split: str, count: int) -> Iterator[tuple[Json, Json]]:
    """All annotated pieces of a split in order: their ids, and what their records say of them."""
    number = 0
    for index in range(count):
        for instance in read_json(record_path(folder, split, index))["instances"]:
            number += 1
            category = instance["category_id"]
            yield {"id": number, "image_id": index + 1, "category_id": category}, instance


def _in_release(instance: Json) -> Json:
    packed = instance["annotation"]["segmentation"]
    plain = {"counts": rle.runs(packed).tolist(), "size": packed["size"]}
    return instance["annotation"] | {"segmentation": plain} | dict.fromkeys(RELEASE_FIELDS)


def _categories(name: str, supercategory: str) -> list[Json]:
    return [{"id": c.id, name: c.name, supercategory: c.supercategory} for c in FUTURE3D.categories]


def _write_annotation_file(path: Path, head: Json, annotations: Iterable[Json] | None) -> None:
    """One annotation a line, never all of them in memory; None: the file has no list of them."""

    def write(file: BinaryIO) -> None:
        file.write(json.dumps(head, ensure_ascii=False)[:-1].encode())
        if annotations is not None:
            file.write(b',\n"annotations": [')
            for number, annotation in enumerate(annotations):
                file.write((",\n" if number else "\n").encode())
                file.write(json.dumps(annotation).encode())
            file.write(b"\n]")
        file.write(b"}\n")

    make_folder(path.parent)
    replace_file(path, write)
