"""Splits of a data set: what two of them must not share and must agree on; holding pictures out of
one for validation, which is `python -m helpers split DATA`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.coco import read_document, read_index
from helpers.data.errors import DataError, Findings
from helpers.data.index import InstanceIndex
from helpers.data.layouts import HOLDOUT, find_dataset
from helpers.data.locate import clean_name
from helpers.data.taxonomy import require_same
from helpers.files import UserError, existing, make_folder, replace_file, sha256


def same_pictures(first: InstanceIndex, second: InstanceIndex) -> list[tuple[Path, Path]]:
    """Pairs of equal files (by SHA-256) of two indexes; files of unique size are not even read."""
    theirs = {path.stat().st_size for path in second.paths}
    known = {path: size for path in first.paths if (size := path.stat().st_size) in theirs}
    by_hash, sizes = {sha256(path): path for path in known}, set(known.values())
    likely = (path for path in second.paths if path.stat().st_size in sizes)
    pairs = ((by_hash.get(sha256(path)), path) for path in likely)
    return [(left, right) for left, right in pairs if left is not None]


def compare_classes(first: InstanceIndex, second: InstanceIndex, findings: Findings) -> None:
    """Note what of the classes of `second` disagrees with `first`, in the ledger of `second`.

    An error: an id that has another name, or none, in `first`. A warning: another order.
    """
    require_same(second.taxonomy.categories, first.taxonomy, findings)
    here = [n for n in second.declared if n in first.declared]
    there = [n for n in first.declared if n in second.declared]
    moved = next((pair for pair in zip(here, there, strict=True) if pair[0] != pair[1]), None)
    if moved:
        place = f"in another order: {moved[0]} stands where the other file has {moved[1]}"
        findings.add("categories", f"{place}; mind tools that count positions")


def holdout(index: InstanceIndex, count: int, *, seed: int = 0) -> tuple[list[int], list[int]]:
    """Split off `count` of the pictures at random: (ids that stay, ids held out), both sorted.

    All image ids of one file go together. Stratified by each picture's rarest category, so that
    rare ones are held out in proportion. Depends on the annotations and the seed alone.
    """
    picture, strata = _pictures(index), _rarest_category(index)
    total = picture.max(initial=-1) + 1
    rarest = np.full(total, -1)
    rarest[picture[::-1]] = strata[::-1]  # of several ids of one file the first counts
    # One random order; then taking every (I / count)-th of the strata laid end to end is fair.
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed,))))
    shuffled = random.permutation(total)
    order = shuffled[np.argsort(rarest[shuffled], kind="stable")]
    places = (np.arange(count) * 2 + 1) * total // (2 * max(count, 1))
    held = np.isin(picture, order[places])
    return index.image_ids[~held].tolist(), index.image_ids[held].tolist()


def write_holdout(annotations: Path, folder: Path, *, count: int, seed: int = 0) -> dict[Path, int]:
    """Divide an annotation file as `holdout` says: `folder`/train.json and val.json.

    Both keep the dialect and every field of the original, which is only read; their pictures stay
    where they are. Returns the number of image entries in each. Files that hold the same already
    are left alone. Raises DataError for a file that cannot be used, too few pictures, or other
    content under these names.
    """
    index = read_index(annotations, check_images=False)
    total = len(set(_pictures(index).tolist()))
    if not 0 < count < total:
        advice = f"Give --images a number from 1 to {total - 1}." if total > 1 else "Add more."
        raise DataError(f"{annotations}: cannot hold out {count} of {total} pictures. {advice}")
    stay, held = holdout(index, count, seed=seed)
    document = read_document(annotations)
    ids = {folder / "train.json": set(stay), folder / "val.json": set(held)}
    parts = {file: b"".join(_part(document, of_file)) for file, of_file in ids.items()}
    for file, content in parts.items():
        if file.exists() and file.read_bytes() != content:
            raise DataError(
                f"{file} holds another split. Give --out another folder, or move that one away."
            )
    make_folder(folder)
    for file, content in parts.items():
        replace_file(file, lambda stream, content=content: stream.write(content))
    return {file: len(of_file) for file, of_file in ids.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `split`."""
    add = parser.add_argument
    what = "folder of a data set, whose training split is divided, or one annotation file"
    add("data", type=Path, metavar="DATA", help=what)
    count = "pictures to hold out (default: 1200, the paper's)"
    add("--images", type=int, default=1200, help=count)
    add("--seed", type=int, default=0, help="of the choice (default: 0)")
    where = f"folder of the new files (default: {HOLDOUT} in DATA, or beside)"
    add("--out", type=Path, help=where)


def run(args: argparse.Namespace) -> int:
    """Write the two files and say what they hold."""
    data = existing(args.data)
    found = find_dataset(data)
    pair = found.get("train", found.get("all"))
    if pair is None:
        splits = ", ".join(found)
        raise UserError(f"{data}: no training split, only {splits}. Give its file instead.")
    annotations, pictures = pair
    folder = args.out or (data.parent if data.is_file() else data) / HOLDOUT
    parts = write_holdout(annotations, folder.expanduser(), count=args.images, seed=args.seed)
    for file, images in parts.items():
        print(f"{file}: {images} pictures of {annotations}, which stay in {pictures}")
    return 0


def _part(document: Mapping[str, Any], image_ids: set[int]) -> Iterator[bytes]:
    """The document with these pictures alone, an entry at a time: as Python's own numbers, all
    uncompressed runs at once take gigabytes."""
    key_of = {"images": "id", "annotations": "image_id"}
    for number, (name, value) in enumerate(document.items()):
        yield f"{',' if number else '{'}\n{json.dumps(name)}: ".encode()
        if name not in key_of:
            yield json.dumps(value).encode()
            continue
        kept = (entry for entry in value if entry[key_of[name]] in image_ids)
        yield b"["
        for place, entry in enumerate(kept):
            yield b",\n" if place else b"\n"
            yield json.dumps(entry, default=np.ndarray.tolist).encode()
        yield b"]"
    yield b"}\n"


def _pictures(index: InstanceIndex) -> np.ndarray:
    """(I,) number of the picture file of each image id, in order of first appearance."""
    numbers: dict[str, int] = {}
    names = (clean_name(name) for name in index.file_names)
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _rarest_category(index: InstanceIndex) -> np.ndarray:
    """(I,) the category of fewest instances among those of a picture, -1 for a picture of none."""
    kinds, inverse, counts = np.unique(index.category_ids, return_inverse=True, return_counts=True)
    rarest = np.full(len(index), -1, dtype=np.int64)
    for annotation in np.argsort(-counts[inverse], kind="stable"):  # the rarest is written last
        rarest[index.image_rows[annotation]] = kinds[inverse[annotation]]
    return rarest
