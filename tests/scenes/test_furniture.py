"""All 34 categories: sound meshes of the right size, always the same bytes."""

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
GOLDEN = "87ecea76816e962d99834bc3af8ad369ba8594c652aefbf7c89d92e0352c866f"

# (width, depth, height) in metres as (least, most); handles, feet and flares included
SIZES = {
    1: ((0.70, 1.05), (0.40, 0.46), (0.90, 1.30)),
    2: ((0.42, 0.57), (0.36, 0.47), (0.45, 0.60)),
    3: ((0.80, 1.31), (0.32, 0.33), (1.70, 2.20)),
    4: ((1.30, 2.01), (0.60, 0.65), (2.00, 2.35)),
    5: ((0.60, 1.30), (0.50, 1.00), (0.36, 0.46)),
    6: ((0.42, 0.56), (0.40, 0.51), (0.50, 0.62)),
    7: ((1.00, 1.61), (0.34, 0.47), (0.76, 0.92)),
    8: ((0.75, 1.06), (0.36, 0.41), (1.70, 2.10)),
    9: ((1.50, 2.11), (0.40, 0.45), (0.42, 0.55)),
    10: ((0.70, 1.11), (0.45, 0.50), (0.85, 1.20)),
    11: ((0.70, 1.11), (0.32, 0.33), (1.50, 1.95)),
    12: ((0.40, 0.62), (0.40, 0.62), (0.48, 0.62)),
    13: ((1.60, 2.06), (2.10, 2.25), (0.95, 1.34)),
    14: ((1.20, 1.45), (2.00, 2.10), (1.70, 1.80)),
    15: ((1.40, 1.80), (2.05, 2.12), (0.90, 1.20)),
    16: ((0.95, 1.31), (2.10, 2.25), (0.95, 1.34)),
    17: ((0.90, 1.17), (1.80, 1.90), (0.95, 1.80)),
    18: ((0.43, 0.55), (0.42, 0.61), (0.78, 1.00)),
    19: ((0.55, 0.66), (0.55, 0.66), (0.85, 1.10)),
    20: ((0.50, 0.66), (0.46, 0.60), (0.70, 0.80)),
    21: ((0.60, 0.76), (0.44, 0.56), (0.88, 1.00)),
    22: ((0.48, 0.55), (0.48, 0.61), (0.84, 1.10)),
    23: ((0.80, 1.11), (0.42, 0.49), (1.25, 1.65)),
    24: ((1.00, 1.91), (0.80, 1.32), (0.74, 0.76)),
    25: ((1.10, 1.51), (0.55, 0.67), (0.74, 1.12)),
    26: ((2.20, 2.50), (0.85, 0.99), (0.83, 1.00)),
    27: ((0.75, 0.95), (0.72, 0.86), (0.78, 1.00)),
    28: ((1.48, 1.80), (0.85, 0.99), (0.83, 1.00)),
    29: ((2.30, 2.91), (1.50, 1.81), (0.83, 1.00)),
    30: ((0.70, 1.05), (0.85, 1.20), (0.60, 0.80)),
    31: ((1.50, 1.83), (0.62, 0.80), (0.78, 0.86)),
    32: ((0.42, 1.33), (0.40, 0.66), (0.36, 0.50)),
    33: ((0.25, 1.00), (0.25, 1.00), (0.55, 1.30)),
    34: ((0.44, 0.80), (0.44, 0.80), (0.06, 0.21)),
}


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
        emission = pack_materials(palette.materials).value[:, 8]
        lit = any(emission[p.material] > 0 for p in piece.parts)
        assert lit == (category_id in CEILING)
        for part in piece.parts:
            assert np.isfinite(part.vertices).all()
            assert length(face_vectors(part.vertices, part.faces)).min() > 2e-10
            a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
            assert (a * np.cross(b, c)).sum() > 0, "a part is inside out"
    assert len({fingerprint(piece) for piece, _ in made}) == len(SEEDS)


def test_every_build_stands_or_hangs_and_has_its_size(builds):
    category_id, made = builds
    for seed, (piece, _) in enumerate(made):
        corners = np.concatenate([p.vertices for p in piece.parts])
        low, high = corners.min(axis=0), corners.max(axis=0)
        for k, (least, most) in enumerate(SIZES[category_id]):
            size = (*piece.footprint, piece.height)[k]
            assert least - 0.01 <= size <= most + 0.01, (seed, "xyz"[k], size)
        assert high[:2] - low[:2] == pytest.approx(piece.footprint)
        assert high[:2] + low[:2] == pytest.approx([0, 0], abs=1e-5)
        if category_id in CEILING:
            assert piece.support == "ceiling"
            assert high[2] == pytest.approx(0, abs=1e-6)
            assert low[2] == pytest.approx(-piece.height)
        else:
            assert piece.support == "floor"
            assert low[2] == pytest.approx(0, abs=0.01)
            assert high[2] == pytest.approx(piece.height)


def test_the_bytes_never_change_whatever_was_built_before():
    palette = Palette.sample(stream(3, "palette"))
    build(3, stream(3, "another"), palette)
    after = build(26, stream(3, "piece", 26), palette)
    assert fingerprint(after) == fingerprint(make(26, 3)[0])
    digest = hashlib.sha256()
    for category_id in CATEGORIES:
        digest.update(fingerprint(make(category_id, 0)[0]).encode())
    assert digest.hexdigest() == GOLDEN


@pytest.mark.parametrize("name", ["picture", "vase", "plant", "books", "table_lamp"])
def test_decoration_is_sound_and_unlabelled(name):
    for seed in range(10):
        maker = Maker(stream(seed, name), Palette.sample(stream(seed, "palette")))
        piece = getattr(decor, name)(maker)
        assert piece.category_id == 0
        assert 0.02 < piece.height < 1.5 and max(piece.footprint) < 1.5
        assert all(np.isfinite(p.vertices).all() and len(p.faces) for p in piece.parts)
        if piece.support == "wall":
            assert max(p.vertices[:, 1].max() for p in piece.parts) == pytest.approx(0, abs=1e-5)
        else:
            assert min(p.vertices[:, 2].min() for p in piece.parts) == pytest.approx(0, abs=1e-5)
