"""Material tables and palettes: what the kernels read, and that streams alone decide."""

import numpy as np
import pytest

from helpers.scenes.materials import (
    WOODS,
    Material,
    MaterialTable,
    Palette,
    TextureKind,
    mix,
    shade,
)
from helpers.scenes.random import stream


@pytest.fixture
def palette():
    return Palette.sample(stream(0, "palette"), MaterialTable())


def test_arrays_have_the_kernels_layout():
    table = MaterialTable()
    rug = Material(
        TextureKind.RUG,
        (1.0, 0.5, 0.0),
        (0.0, 1.0, 0.5),
        scale=2.0,
        axis=1,
        motif=3,
        half_size=(1.2, 0.8),
        specular=0.1,
        roughness=0.2,
        emission=0.3,
        metallic=0.4,
        seed=99,
    )
    assert [table.add(rug), table.add(Material(TextureKind.PLAIN, (0.5, 0.5, 0.5)))] == [0, 1]
    kinds, colours, parameters = table.arrays()
    assert kinds.dtype == np.int64 and kinds.tolist() == [8, 0]
    assert colours.dtype == parameters.dtype == np.float64
    assert colours[0] == pytest.approx([1, 0.5**2.2, 0, 0, 1, 0.5**2.2], abs=1e-6)
    assert colours[1] == pytest.approx([0.5**2.2] * 3 + [0.6 * 0.5**2.2] * 3, abs=1e-6)
    assert parameters[0].tolist() == [99, 2.0, 1, 3, 1.2, 0.8, 0.1, 0.2, 0.3, 0.4]


def test_an_empty_table_has_empty_arrays():
    kinds, colours, parameters = MaterialTable().arrays()
    assert (kinds.shape, colours.shape, parameters.shape) == ((0,), (0, 6), (0, 10))


def test_one_stream_one_palette(palette):
    again = Palette.sample(stream(0, "palette"), MaterialTable())
    assert again == palette
    others = [Palette.sample(stream(seed, "palette"), MaterialTable()) for seed in range(1, 6)]
    assert any(other != palette for other in others)


def test_materials_are_decided_by_the_piece_s_stream(palette):
    first, second = palette.wood(stream(1)), palette.wood(stream(1))
    third = palette.wood(stream(2))
    table = palette.materials
    assert first != second and table[first] == table[second]
    assert table[first].seed != table[third].seed


def test_rooms_keep_to_their_style(palette):
    woods = [palette.materials[palette.wood(stream(k), other=0.0)] for k in range(20)]
    assert {(w.colour, w.second) for w in woods} == {palette.wood_tone}
    any_wood = [palette.materials[palette.wood(stream(k), other=1.0)] for k in range(60)]
    assert {(w.colour, w.second) for w in any_wood} == set(WOODS)


def test_every_maker_adds_a_lit_or_unlit_material_in_range(palette):
    source = stream(7)
    makers = [
        palette.wood,
        palette.front,
        palette.fabric,
        palette.accent,
        palette.white_cloth,
        palette.metal,
        palette.mirror,
        palette.top,
    ]
    made = [maker(source) for maker in makers for _ in range(30)]
    made += [palette.glow(source, 2.0), palette.plain(source, (0.1, 0.2, 0.3))]
    _, colours, parameters = palette.materials.arrays()
    assert made == list(range(len(palette.materials)))
    assert colours.min() >= 0 and colours.max() <= 1.08
    assert set(parameters[:, 8]) == {0.0, 2.0}
    assert (parameters[:, 0] >= 1).all()


def test_colour_arithmetic():
    assert shade((0.2, 0.5, 0.9), 2) == pytest.approx((0.4, 1.0, 1.0))
    assert mix((0, 0, 0), (1, 0.5, 0.2), 0.5) == pytest.approx((0.5, 0.25, 0.1))
