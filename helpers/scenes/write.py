"""One scene on disk, and the annotation files of a whole set.

`write_scene` makes one picture with its id-map and leaves a record of its annotations in the
hidden work folder; `write_annotations` joins all records, in index order, into the annotation
files: the dialect of the 3D-FUTURE release with its quirks (`GT/`), plain COCO (`coco/`), and with
noise the exact masks (`true/`).

The bytes depend on the config, the split and the index alone. Pictures are JPEG, quality 90,
without chroma subsampling (thin coloured legs keep their borders); id-maps are colour PNGs.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
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


def write_scene(config: SceneConfig, split: str, index: int, folder: Path) -> None:
    """Renders one scene and writes its picture, its id-map and, last of all, its record."""
    view = render.compose_view(config, split, index)
    image, ids = render.render_image(view, config.size, config.quality)
    picture, masks = _annotate(config, split, index, view, ids)
    name = image_name(index)
    files = {
        f"{split}/image/{name}.jpg": _encoded(image, "JPEG"),
        f"{split}/idmap/{name}.png": _encoded(picture, "PNG"),
    }
    instances = [
        {
            "category_id": int(view.category_ids[label - 1]),
            "annotation": describe_mask(mask),
            "true": describe_mask(ids == label),
        }
        for label, mask in masks.items()
    ]
    for file, content in files.items():
        make_folder((folder / file).parent)
        replace_file(folder / file, lambda out, content=content: out.write(content))
    record = record_path(folder, split, index)
    make_folder(record.parent)
    write_json(record, {"instances": instances})


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
) -> tuple[np.ndarray, Masks]:
    """The id-map picture (H, W, 3) uint8 and the masks of the annotated pieces."""
    draw = stream(config.seed, "annotation", split, index)
    colours = noise.object_colours(len(view.category_ids), draw)
    labels = visible_labels(ids, config)
    exact = {label: ids == label for label in labels}
    if config.noise == "antialias":
        fine = render.render_ids(view, config.size, supersample=ANTIALIAS_FACTOR)
        picture = noise.antialias_colours(fine, colours, ANTIALIAS_FACTOR)
        decoded = noise.nearest_labels(picture, colours)
        # A piece that vanished keeps its exact mask.
        return picture, {k: decoded == k if (decoded == k).any() else exact[k] for k in labels}
    if config.noise == "statistical":
        masks = noise.corrupt(ids, draw, config.noise_level, labels=labels)
        painted = np.where(np.isin(ids, labels), 0, ids)
        for label in sorted(labels, key=lambda k: (-int(masks[k].sum()), k)):
            painted[masks[label]] = label  # the smaller instance lies on top
        return colours[painted], masks
    return colours[ids], exact


# The annotation files of all pictures.


def write_annotations(config: SceneConfig, folder: Path) -> None:
    """Joins the records into the annotation files.

    Ids of pictures and annotations start at 1 in every file. The 3D-FUTURE dialect has no `name`
    in its categories, no extension in file names, no `iscrowd`, uncompressed RLE, and fields that
    are null; its test file has neither categories nor annotations, as in the challenge.
    """
    for split, count in splits(config).items():
        records = [read_json(record_path(folder, split, index)) for index in range(count)]
        found = [(i, one) for i, record in enumerate(records, 1) for one in record["instances"]]
        rows = [
            ({"id": number, "image_id": i, "category_id": one["category_id"]}, one)
            for number, (i, one) in enumerate(found, 1)
        ]
        _write_split(config, folder, split, rows)


def _write_split(
    config: SceneConfig, folder: Path, split: str, rows: list[tuple[Json, Json]]
) -> None:
    """rows: of every annotation, its ids and what the record says of it."""
    names = [image_name(index) for index in range(splits(config)[split])]
    side = {"width": config.size, "height": config.size}
    release: Json = {"images": [{"id": i, **side, "file_name": n} for i, n in enumerate(names, 1)]}
    annotations = None
    if split != "test":
        release["categories"] = _categories("fine-grained category name", "category")
        annotations = (ids | _in_release(one["annotation"]) for ids, one in rows)
    _write_annotation_file(folder / "GT" / f"{split}_set.json", release, annotations)
    images = [image | {"file_name": f"{image['file_name']}.jpg"} for image in release["images"]]
    plain = {"categories": _categories("name", "supercategory"), "images": images}
    fields = {"coco": "annotation"} | ({} if config.noise == "none" else {"true": "true"})
    for name, field in fields.items():
        annotations = (ids | one[field] | {"iscrowd": 0} for ids, one in rows)
        _write_annotation_file(folder / name / f"{split}.json", plain, annotations)


def _in_release(mask: Json) -> Json:
    packed = mask["segmentation"]
    plain = {"counts": rle.runs(packed).tolist(), "size": packed["size"]}
    return mask | {"segmentation": plain} | dict.fromkeys(RELEASE_FIELDS)


def _categories(name: str, supercategory: str) -> list[Json]:
    return [{"id": c.id, name: c.name, supercategory: c.supercategory} for c in FUTURE3D.categories]


def _write_annotation_file(path: Path, head: Json, annotations: Iterable[Json] | None) -> None:
    """One annotation a line; None: the file has no list of them."""

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
