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
    1: ((.70, 1.05), (.40, .46), (.90, 1.30)), 2: ((.42, .57), (.36, .47), (.45, .60)),
    3: ((.80, 1.31), (.32, .33), (1.70, 2.20)), 4: ((1.30, 2.01), (.60, .65), (2.00, 2.35)),
    5: ((.60, 1.30), (.50, 1.00), (.36, .46)), 6: ((.42, .56), (.40, .51), (.50, .62)),
    7: ((1.00, 1.61), (.34, .47), (.76, .92)), 8: ((.75, 1.06), (.36, .41), (1.70, 2.10)),
    9: ((1.50, 2.11), (.40, .45), (.42, .55)), 10: ((.70, 1.11), (.45, .50), (.85, 1.20)),
    11: ((.70, 1.11), (.32, .33), (1.50, 1.95)), 12: ((.40, .62), (.40, .62), (.48, .62)),
    13: ((1.60, 2.06), (2.10, 2.25), (.95, 1.34)), 14: ((1.20, 1.45), (2.00, 2.10), (1.70, 1.80)),
    15: ((1.40, 1.80), (2.05, 2.12), (.90, 1.20)), 16: ((.95, 1.31), (2.10, 2.25), (.95, 1.34)),
    17: ((.90, 1.17), (1.80, 1.90), (.95, 1.80)), 18: ((.43, .55), (.42, .61), (.78, 1.00)),
    19: ((.55, .66), (.55, .66), (.85, 1.10)), 20: ((.50, .66), (.46, .60), (.70, .80)),
    21: ((.60, .76), (.44, .56), (.88, 1.00)), 22: ((.48, .55), (.48, .61), (.84, 1.10)),
    23: ((.80, 1.11), (.42, .49), (1.25, 1.65)), 24: ((1.00, 1.91), (.80, 1.32), (.74, .76)),
    25: ((1.10, 1.51), (.55, .67), (.74, 1.12)), 26: ((2.20, 2.50), (.85, .99), (.83, 1.00)),
    27: ((.75, .95), (.72, .86), (.78, 1.00)), 28: ((1.48, 1.80), (.85, .99), (.83, 1.00)),
    29: ((2.30, 2.91), (1.50, 1.81), (.83, 1.00)), 30: ((.70, 1.05), (.85, 1.20), (.60, .80)),
    31: ((1.50, 1.83), (.62, .80), (.78, .86)), 32: ((.42, 1.33), (.40, .66), (.36, .50)),
    33: ((.25, 1.00), (.25, 1.00), (.55, 1.30)), 34: ((.44, .80), (.44, .80), (.06, .21)),
}  # fmt: skip


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


def test_every_build_stands_or_hangs_and_has_its_size(builds):
    category_id, made = builds
    for seed, (piece, _) in enumerate(made):
        corners = np.concatenate([p.vertices for p in piece.parts])
        low, high = corners.min(axis=0), corners.max(axis=0)
        for k, (least, most) in enumerate(SIZES[category_id]):
            size = (piece.width, piece.depth, piece.height)[k]
            assert least - 0.01 <= size <= most + 0.01, (seed, "xyz"[k], size)
        assert high[:2] - low[:2] == pytest.approx([piece.width, piece.depth])
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
        assert 0.02 < piece.height < 1.5 and max(piece.width, piece.depth) < 1.5
        assert all(np.isfinite(p.vertices).all() and len(p.faces) for p in piece.parts)
        if piece.support == "wall":
            assert max(p.vertices[:, 1].max() for p in piece.parts) == pytest.approx(0, abs=1e-5)
        else:
            assert min(p.vertices[:, 2].min() for p in piece.parts) == pytest.approx(0, abs=1e-5)
