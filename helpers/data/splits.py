"""Splits of a data set: what two of them must not share and must agree on, and holding some out."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.augment import generator
from helpers.data.coco import read_document, read_index
from helpers.data.errors import DataError, Findings
from helpers.data.index import InstanceIndex
from helpers.data.taxonomy import require_same


def same_pictures(first: InstanceIndex, second: InstanceIndex) -> list[tuple[Path, Path]]:
    """Pairs of equal files (by SHA-256) of two indexes; files of unique size are not even read."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in first.paths:
        by_size[path.stat().st_size].append(path)
    candidates = [(path, by_size.get(path.stat().st_size, [])) for path in second.paths]
    hashes = {path: _hash(path) for _, equals in candidates for path in equals}
    by_hash: dict[str, Path] = {}
    for path, value in hashes.items():
        by_hash.setdefault(value, path)
    pairs = ((by_hash.get(_hash(path)), path) for path, equals in candidates if equals)
    return [(left, right) for left, right in pairs if left is not None]


def compare_classes(first: InstanceIndex, second: InstanceIndex, findings: Findings) -> None:
    """Note what of the classes of `second` disagrees with `first`, in the ledger of `second`.

    An error: an id that has another name, or none, in `first`. A warning: another order.
    """
    require_same(second.taxonomy.categories, first.taxonomy, findings)
    here, there = (
        [n for n in one.declared if n in other.declared]
        for one, other in ((second, first), (first, second))
    )
    if here != there:
        place = next(
            n for n, pair in enumerate(zip(here, there, strict=True)) if len(set(pair)) > 1
        )
        ids = f"category {here[place]} stands where the other has {there[place]}"
        findings.add("category-order", f"field categories: {ids}")


def holdout(index: InstanceIndex, count: int, *, seed: int = 0) -> tuple[list[int], list[int]]:
    """Split off `count` pictures at random: (ids that stay, ids held out), both sorted.

    Stratified by each picture's rarest category, so that rare ones are held out in proportion.
    Depends on the annotations and the seed alone. ValueError when there are fewer pictures.
    """
    if not 0 <= count <= len(index):
        raise ValueError(f"can not hold out {count} of {len(index)} pictures")
    strata = _rarest_category(index)
    # One random order; then taking every (I / count)-th of the strata laid end to end is fair.
    shuffled = generator(seed).permutation(len(index))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    places = (np.arange(count) * 2 + 1) * len(index) // (2 * max(count, 1))
    held = np.zeros(len(index), dtype=bool)
    held[order[places]] = True
    return index.image_ids[~held].tolist(), index.image_ids[held].tolist()


def write_holdout(annotations: Path, folder: Path, *, count: int, seed: int = 0) -> dict[Path, int]:
    """Divide an annotation file as `holdout` says: `folder`/train.json and val.json.

    Both keep the dialect and every field of the original, which is only read; their pictures stay
    where they are. Returns the number of pictures in each. Files that hold the same already are
    left alone. Raises DataError for a file that can not be used, too few pictures, or other
    content under these names.
    """
    index = read_index(annotations, check_images=False)
    if not 0 < count < len(index):
        raise DataError(
            f"{annotations}: can not hold out {count} of {len(index)} pictures. Give --images a "
            "number between."
        )
    stay, held = holdout(index, count, seed=seed)
    document = read_document(annotations)
    parts = {folder / "train.json": set(stay), folder / "val.json": set(held)}
    folder.mkdir(parents=True, exist_ok=True)
    for file, ids in parts.items():
        _write_part(document, ids, file)
    return {file: len(ids) for file, ids in parts.items()}


def _write_part(document: Mapping[str, Any], image_ids: set[int], file: Path) -> None:
    temporary = file.with_name(f"{file.name}.part")
    try:
        with temporary.open("w") as stream:
            stream.writelines(_part_as_json(document, image_ids))
            stream.flush()
            os.fsync(stream.fileno())
        if not file.exists():
            os.replace(temporary, file)
        elif not filecmp.cmp(temporary, file, shallow=False):
            raise DataError(
                f"{file} holds another split. Give --out another folder, or move that one away."
            )
    finally:
        temporary.unlink(missing_ok=True)


def _part_as_json(document: Mapping[str, Any], image_ids: set[int]) -> Iterator[str]:
    """Piece by piece: as one text, uncompressed runs take gigabytes."""
    key_of = {"images": "id", "annotations": "image_id"}
    for number, (name, value) in enumerate(document.items()):
        yield f"{',' if number else '{'}\n{json.dumps(name)}: "
        if name not in key_of:
            yield json.dumps(value)
            continue
        kept = (entry for entry in value if entry[key_of[name]] in image_ids)
        for place, entry in enumerate(kept):
            yield ",\n" if place else "[\n"
            yield json.dumps(entry, default=np.ndarray.tolist)
        yield "]"
    yield "}\n"


def _rarest_category(index: InstanceIndex) -> np.ndarray:
    """(I,) the category of fewest instances among those of a picture, -1 for a picture of none."""
    kinds, inverse, counts = np.unique(index.category_ids, return_inverse=True, return_counts=True)
    rarest = np.full(len(index), -1, dtype=np.int64)
    for annotation in np.argsort(-counts[inverse], kind="stable"):  # the rarest is written last
        rarest[index.image_rows[annotation]] = kinds[inverse[annotation]]
    return rarest


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
