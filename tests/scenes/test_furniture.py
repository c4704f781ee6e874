"""All 34 categories: sound meshes, always the same bytes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from helpers.scenes import decor
from helpers.scenes.furniture import CEILING, build
from helpers.scenes.materials import Palette, pack_materials
from helpers.scenes.pieces import Maker, Piece
from helpers.scenes.random import stream
from helpers.scenes.shapes import face_vectors, length

CATEGORIES = range(1, 35)
SEEDS = range(25)
MOST_TRIANGLES = 9500
GOLDEN = "5c533ca713b44033a36da2999660e8d87fe9b54edcd0aee080d192dede30d4b3"


def make(category_id: int, seed: int) -> tuple[Piece, Palette]:
    palette = Palette.sample(stream(seed, "palette"))
    return build(category_id, stream(seed, "piece", category_id), palette), palette


def fingerprint(piece: Piece) -> str:
    digest = hashlib.sha256()
    for part in piece.parts:
        digest.update(part.vertices.tobytes())
        digest.update(part.faces.tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module", params=CATEGORIES)
def builds(request):
    """Many builds of one category: its id, the pieces, their palettes with the materials."""
    return request.param, [make(request.param, seed) for seed in SEEDS]


def test_every_build_is_sound(builds):
    category_id, made = builds
    for piece, palette in made:
        assert piece.category_id == category_id
        assert sum(len(p.faces) for p in piece.parts) <= MOST_TRIANGLES
        emission = pack_materials(palette.materials)["emission"]
        lit = any(emission[p.material] > 0 for p in piece.parts)
        assert lit == (category_id in CEILING)
        for part in piece.parts:
            assert np.isfinite(part.vertices).all()
            assert length(face_vectors(part.vertices, part.faces)).min() > 2e-10
            a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
            assert (a * np.cross(b, c)).sum() > 0, "a part is inside out"
    assert len({fingerprint(piece) for piece, _ in made}) == len(SEEDS)


def test_the_bytes_never_change_whatever_was_built_before():
    palette = Palette.sample(stream(3, "palette"))
    build(3, stream(3, "another"), palette)
    after = build(26, stream(3, "piece", 26), palette)
    assert fingerprint(after) == fingerprint(make(26, 3)[0])
    digest = hashlib.sha256()
    for seed in SEEDS[:5]:
        for category_id in CATEGORIES:
            digest.update(fingerprint(make(category_id, seed)[0]).encode())
    assert digest.hexdigest() == GOLDEN


@pytest.mark.parametrize("name", ["picture", "vase", "plant", "books", "table_lamp"])
def test_decoration_is_sound_and_unlabelled(name):
    for seed in range(10):
        maker = Maker(stream(seed, name), Palette.sample(stream(seed, "palette")))
        piece = getattr(decor, name)(maker)
        assert piece.category_id == 0
        assert 0.02 < piece.height < 1.5 and max(piece.width, piece.depth) < 1.5
        assert all(np.isfinite(p.vertices).all() and len(p.faces) for p in piece.parts)
        if piece.support == "wall":
            assert max(p.vertices[:, 1].max() for p in piece.parts) == pytest.approx(0, abs=1e-5)
        else:
            assert min(p.vertices[:, 2].min() for p in piece.parts) == pytest.approx(0, abs=1e-5)
