"""Whatever an annotation file holds, reading it gives an index or a DataError, nothing else.

A sound document is damaged at random places: values replaced, entries deleted, doubled or moved.
"""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from datafiles import Document, document
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.data import rle as rles
from helpers.data.coco import read_index
from helpers.data.errors import DataError

NUMBERS = (0, 1, -1, 2, 3, 7, 11, 16, 24, 384, 10**6, 2**31, 2**32, 2**63, 2**64, 10**30)
FLOATS = (0.5, -0.0, 1e-300, 1e9, 1e300, float("nan"), float("inf"), -float("inf"))
TEXTS = ("", "a", "3", "PPP", "\x00", "é椅", "../x", "/", ".", "one.png", "x" * 300, "\ud800")
LISTS = ([], [[]], [0], [0, 0], [[0]], [[0, 0, 9, 9, 0, 9]], [16, 24], [384])
OBJECTS = ({}, {"counts": []}, {"size": [16, 24], "counts": [384]}, {"size": [1, 1], "counts": "0"})
NASTY = (None, True, False, *NUMBERS, *FLOATS, *TEXTS, *LISTS, *OBJECTS)


def damaged(seed: int) -> Document:
    """A document with one to six random damages."""
    choose = random.Random(seed)
    doc = copy.deepcopy(document())
    first = doc["annotations"][0]
    packed = rles.from_polygons(first["segmentation"], (16, 24))
    first["segmentation"] = choose.choice(
        [first["segmentation"], dict(packed), dict(packed) | {"counts": rles.runs(packed).tolist()}]
    )
    for _ in range(choose.randint(1, 6)):
        _damage(doc, choose)
    return doc


def _damage(doc: Document, choose: random.Random) -> None:
    parent, key = choose.choice(list(_places(doc)) or [(doc, "images")])
    action = choose.choice(["replace", "replace", "replace", "delete", "double", "move", "text"])
    if action == "replace":
        parent[key] = copy.deepcopy(choose.choice(NASTY))
    elif action == "delete":
        del parent[key]
    elif action == "double" and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
    elif action == "text" and isinstance(parent[key], str):
        letters = list(parent[key]) or ["x"]
        letters[choose.randrange(len(letters))] = chr(choose.randrange(32, 127))
        parent[key] = "".join(letters)
    elif action == "move":
        other, place = choose.choice(list(_places(doc)))
        other[place] = copy.deepcopy(parent[key])


def _places(value: Any) -> Any:
    """Every (container, key) of a document."""
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    else:
        return
    for key, inner in entries:
        yield value, key
        yield from _places(inner)


def survives(folder: Path, doc: Any) -> bool:
    """Read a document in both modes; was it readable in either?"""
    file = folder / "fuzzed.json"
    file.write_text(json.dumps(doc))
    readable = False
    for mode in ("train", "predict"):
        try:
            index = read_index(file, mode=mode, check_images=False, label_space="super")
        except DataError as error:
            assert str(file) in str(error)
            continue
        readable = True
        for annotation in range(index.num_annotations):
            mask = rles.decode(index.rle(annotation))
            assert mask.sum() == index.areas[annotation] > 0
        assert len(index.frame()) == len(index.to_coco()["annotations"])
        assert len(index.digest) == 64
    return readable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("block", range(6))
def test_damaged_documents(folder: Path, block: int) -> None:
    results = [survives(folder, damaged(seed)) for seed in range(block * 100, block * 100 + 100)]
    assert {True, False} == set(results)  # some damages matter and some do not


@pytest.mark.slow
def test_many_damaged_documents(folder: Path) -> None:
    for seed in range(1000, 31_000):
        survives(folder, damaged(seed))


json_values = st.recursive(
    st.sampled_from(NASTY) | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "image_id", "category_id", "segmentation", "size", "counts"]),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=json_values, field=st.sampled_from(["segmentation", "bbox", "area", "iscrowd", "id"]))
def test_any_value_in_a_field(folder: Path, value: Any, field: str) -> None:
    doc = document()
    doc["annotations"][0][field] = value
    survives(folder, doc)


@settings(max_examples=100, deadline=None)
@given(value=json_values, key=st.sampled_from(["images", "annotations", "categories", None]))
def test_any_value_at_the_top(folder: Path, value: Any, key: str | None) -> None:
    survives(folder, value if key is None else document() | {key: value})
