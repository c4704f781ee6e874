"""All 34 categories: sound meshes of the right size, with the shapes that tell them apart."""

import hashlib

import numpy as np
import pytest

from helpers.scenes import decor
from helpers.scenes.furniture import CEILING, build
from helpers.scenes.furniture.carcass import Carcass, Row, carcass
from helpers.scenes.materials import MaterialTable, Palette
from helpers.scenes.pieces import Piece
from helpers.scenes.random import stream
from helpers.scenes.shapes import face_vectors, length

CATEGORIES = range(1, 35)
SEEDS = range(40)
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


def make(category_id: int, seed: int) -> tuple[Piece, MaterialTable]:
    table = MaterialTable()
    palette = Palette.sample(stream(seed, "palette"), table)
    return build(category_id, stream(seed, "piece", category_id), palette), table


def fingerprint(piece: Piece) -> str:
    digest = hashlib.sha256()
    for part in piece.parts:
        digest.update(part.vertices.tobytes())
        digest.update(part.faces.tobytes())
    return digest.hexdigest()


def covered(piece: Piece, axis: int, step: float = 0.03) -> float:
    """Share of the piece's bounding rectangle, seen along an axis, that is not see-through."""
    u, v = (k for k in range(3) if k != axis)
    triangles = np.concatenate([p.vertices[p.faces][..., [u, v]] for p in piece.parts])
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    hit = np.zeros(np.maximum(((high - low) / step).astype(int), 1), dtype=bool)
    for corners in (triangles - low) / step - 0.5:
        first = np.maximum(np.ceil(corners.min(axis=0)).astype(int), 0)
        last = np.floor(corners.max(axis=0)).astype(int) + 1
        x, y = np.mgrid[first[0] : last[0], first[1] : last[1]]
        (ax, ay), (bx, by), (cx, cy) = corners
        sides = [
            (bx - ax) * (y - ay) - (by - ay) * (x - ax),
            (cx - bx) * (y - by) - (cy - by) * (x - bx),
            (ax - cx) * (y - cy) - (ay - cy) * (x - cx),
        ]
        inside = np.all([s >= 0 for s in sides], axis=0) | np.all([s <= 0 for s in sides], axis=0)
        window = hit[first[0] : last[0], first[1] : last[1]]
        window |= inside[: window.shape[0], : window.shape[1]]
    return float(hit.mean())


def mean_cover(category_id: int, axis: int, seeds=range(2)) -> float:
    return float(np.mean([covered(make(category_id, seed)[0], axis) for seed in seeds]))


@pytest.fixture(scope="module", params=CATEGORIES)
def builds(request):
    """Forty builds of one category: its id, the pieces, their material tables."""
    return request.param, [make(request.param, seed) for seed in SEEDS]


def test_every_build_is_sound(builds):
    category_id, made = builds
    seen = set()
    for piece, table in made:
        assert piece.category_id == category_id
        assert sum(len(p.faces) for p in piece.parts) <= MOST_TRIANGLES
        assert all(0 <= p.material < len(table) for p in piece.parts)
        for part in piece.parts:
            assert np.isfinite(part.vertices).all()
            assert part.faces.min() >= 0 and part.faces.max() < len(part.vertices)
            assert length(face_vectors(part.vertices, part.faces)).min() > 2e-10
            a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
            assert (a * np.cross(b, c)).sum() > 0, "a part is inside out"
        seen.add(fingerprint(piece))
    assert len(seen) == len(SEEDS)


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


def test_only_lamps_are_lit(builds):
    category_id, made = builds
    for piece, table in made:
        lit = any(table[p.material].emission > 0 for p in piece.parts)
        assert lit == (category_id in CEILING)


@pytest.mark.parametrize("category_id", CATEGORIES)
def test_one_stream_one_piece(category_id):
    first, first_table = make(category_id, 3)
    second, second_table = make(category_id, 3)
    assert fingerprint(first) == fingerprint(second)
    for one, other in zip(first_table.arrays(), second_table.arrays(), strict=True):
        assert np.array_equal(one, other)


def test_pieces_do_not_depend_on_what_was_built_before():
    palette = Palette.sample(stream(3, "palette"), MaterialTable())
    build(3, stream(3, "another"), palette)
    after = build(26, stream(3, "piece", 26), palette)
    assert fingerprint(after) == fingerprint(make(26, 3)[0])


def test_the_bytes_never_change():
    digest = hashlib.sha256()
    for category_id in CATEGORIES:
        digest.update(fingerprint(make(category_id, 0)[0]).encode())
    assert digest.hexdigest() == GOLDEN


def test_a_carcass_has_a_board_between_its_rows_and_a_front_on_every_cell():
    rows = [Row(1, 2, "open")] * 3 + [Row(2, 3, "drawer")]
    plan = Carcass(1.0, 0.4, 1.2, rows, body=0, front=1, metal=2, top=3, handle="none")
    palette = Palette.sample(stream(0), MaterialTable())
    parts = carcass(stream(0), palette, plan)
    cells = plan.openings()
    assert len(cells) == 9
    assert sum(c.width * c.height for c in cells) == pytest.approx(0.96 * (1.2 - 0.08 - 0.04))
    spans = [np.ptp(p.vertices, axis=0) for p in parts if p.material == plan.body]
    assert sum(s == pytest.approx([0.96, 0.38, 0.016], abs=1e-4) for s in spans) == 3
    assert sum(p.material == plan.front for p in parts) == 3


def test_shelves_are_see_through_and_bookcases_are_not():
    assert mean_cover(11, axis=1) < 0.5
    assert mean_cover(3, axis=1) > 0.97


def test_bed_frames_show_their_slats():
    assert 0.4 < mean_cover(15, axis=2) < 0.85
    assert mean_cover(13, axis=2) > 0.9


def test_l_shaped_sofas_leave_a_corner_free():
    assert 0.55 < mean_cover(29, axis=2) < 0.85
    assert mean_cover(26, axis=2) > 0.9


def test_chairs_and_tables_stand_on_thin_legs():
    for category_id in (5, 6, 18, 21, 22, 24):
        assert mean_cover(category_id, axis=1) < 0.65, category_id
    for category_id in (2, 4, 10):
        assert mean_cover(category_id, axis=1) > 0.7, category_id


def test_lazy_sofas_lie_on_the_floor():
    for seed in range(6):
        piece, _ = make(30, seed)
        low = np.concatenate([p.vertices[p.vertices[:, 2] < 0.06] for p in piece.parts])
        assert np.ptp(low[:, 0]) > 0.6 * piece.footprint[0]
        assert len(piece.parts) <= 3  # no legs


def test_unknown_categories_are_refused():
    with pytest.raises(ValueError, match="ids run from 1 to 34"):
        build(35, stream(0), Palette.sample(stream(0), MaterialTable()))


@pytest.mark.parametrize("name", ["picture", "vase", "plant", "books", "table_lamp"])
def test_decoration_is_sound_and_unlabelled(name):
    for seed in range(10):
        palette = Palette.sample(stream(seed, "palette"), MaterialTable())
        piece = getattr(decor, name)(stream(seed, name), palette)
        assert piece.category_id == 0
        assert 0.02 < piece.height < 1.5 and max(piece.footprint) < 1.5
        assert all(np.isfinite(p.vertices).all() and len(p.faces) for p in piece.parts)
        if piece.support == "wall":
            assert max(p.vertices[:, 1].max() for p in piece.parts) == pytest.approx(0, abs=1e-5)
        else:
            assert min(p.vertices[:, 2].min() for p in piece.parts) == pytest.approx(0, abs=1e-5)


def test_rugs_and_curtains_have_the_size_asked_for():
    palette = Palette.sample(stream(0, "palette"), MaterialTable())
    rug = decor.rug(stream(0, "rug"), palette, size=(2.4, 1.6))
    assert rug.footprint == pytest.approx((2.4, 1.6), abs=1e-5) and rug.height < 0.02
    look = palette.materials[rug.parts[0].material]
    assert look.half_size == (1.2, 0.8)
    round_rug = decor.rug(stream(0, "rug"), palette, size=(2.0, 2.0))
    assert covered(round_rug, axis=2) == pytest.approx(np.pi / 4, abs=0.02)
    curtains = decor.curtains(stream(0, "curtains"), palette, width=1.2, height=2.4)
    assert curtains.height == pytest.approx(2.4, abs=0.03)
    assert 0.15 < covered(curtains, axis=1) < 0.5  # the window stays free
