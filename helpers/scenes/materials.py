"""What surfaces look like: solid procedural textures, their colours, and one room's choice of them.

Colours are sRGB triples in 0..1 where people write them and linear light where kernels read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from helpers.scenes.random import Stream

Colour = tuple[float, float, float]
ColourPair = tuple[Colour, Colour]


class TextureKind(IntEnum):
    """How a surface's two colours are mixed; evaluated in a part's own coordinates."""

    PLAIN = 0
    WOOD = 1
    FABRIC = 2
    PLAID = 3
    MARBLE = 4
    PLANK = 5
    TILE = 6
    WALL = 7
    RUG = 8
    LEATHER = 9
    METAL = 10
    PAINTING = 11
    OUTDOORS = 12
    FRONT = 13


@dataclass(frozen=True)
class Material:
    """One surface. colour, second: sRGB; without a second colour it is 0.6 x the linear first.

    scale: of the pattern; axis: 0, 1, 2 = the grain runs along x, y, z; motif: which pattern of the
    kind (walls, rugs, plaid); half_size: of a rug (m); specular: reflectance seen head on;
    roughness 0..1; emission: times the colour, 0 = not a lamp; metallic 0..1; seed: of the noise;
    brightness: factor on the linear colours.
    """

    kind: TextureKind
    colour: Colour
    second: Colour | None = None
    scale: float = 1.0
    axis: int = 0
    motif: int = 0
    half_size: tuple[float, float] = (1.0, 1.0)
    specular: float = 0.04
    roughness: float = 0.5
    emission: float = 0.0
    metallic: float = 0.0
    seed: int = 1
    brightness: float = 1.0

    def linear_colours(self) -> list[float]:
        """Both colours in linear light, six numbers."""
        first = [channel**2.2 for channel in self.colour]
        second = [0.6 * c for c in first] if self.second is None else [c**2.2 for c in self.second]
        return [round(self.brightness * channel, 6) for channel in first + second]

    def parameters(self) -> list[float]:
        """seed, scale, axis, motif, half size x, y, specular, roughness, emission, metallic."""
        surface = [self.specular, self.roughness, self.emission, self.metallic]
        return [self.seed, self.scale, self.axis, self.motif, *self.half_size, *surface]


class MaterialTable:
    """Collects the materials of a scene; parts refer to them by index."""

    def __init__(self) -> None:
        self._materials: list[Material] = []

    def __len__(self) -> int:
        return len(self._materials)

    def __getitem__(self, index: int) -> Material:
        return self._materials[index]

    def add(self, material: Material) -> int:
        """Keep the material and return its index."""
        self._materials.append(material)
        return len(self._materials) - 1

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """What the kernels read: kinds (M,), linear colours (M, 6), parameters (M, 10)."""
        kinds = np.array([m.kind for m in self._materials], dtype=np.int64)
        colours = np.array([m.linear_colours() for m in self._materials], dtype=np.float64)
        parameters = np.array([m.parameters() for m in self._materials], dtype=np.float64)
        return kinds, colours.reshape(-1, 6), parameters.reshape(-1, 10)


WOODS: tuple[ColourPair, ...] = (
    ((0.80, 0.64, 0.45), (0.68, 0.50, 0.32)),  # oak
    ((0.47, 0.30, 0.19), (0.33, 0.20, 0.12)),  # walnut
    ((0.62, 0.42, 0.26), (0.48, 0.30, 0.17)),  # cherry
    ((0.30, 0.20, 0.15), (0.20, 0.13, 0.10)),  # wenge
    ((0.93, 0.92, 0.90), (0.90, 0.89, 0.86)),  # white lacquer
    ((0.72, 0.60, 0.48), (0.60, 0.48, 0.37)),  # ash
    ((0.16, 0.15, 0.15), (0.11, 0.10, 0.10)),  # black stain
)
FABRICS: tuple[Colour, ...] = (
    (0.80, 0.77, 0.72),
    (0.62, 0.60, 0.57),
    (0.36, 0.40, 0.46),
    (0.55, 0.42, 0.33),
    (0.45, 0.52, 0.44),
    (0.70, 0.55, 0.42),
    (0.28, 0.30, 0.34),
    (0.83, 0.80, 0.74),
    (0.46, 0.28, 0.22),
    (0.60, 0.66, 0.72),
)
ACCENTS: tuple[Colour, ...] = (
    (0.80, 0.55, 0.20),
    (0.20, 0.38, 0.42),
    (0.66, 0.24, 0.20),
    (0.22, 0.28, 0.45),
    (0.55, 0.60, 0.35),
    (0.85, 0.70, 0.62),
    (0.50, 0.25, 0.35),
)
GOLD, BLACK, CHROME = (0.83, 0.66, 0.36), (0.15, 0.15, 0.15), (0.75, 0.75, 0.76)
WARM_WHITE = (1.0, 0.93, 0.80)


def shade(colour: Colour, factor: float) -> Colour:
    """The sRGB colour times a factor, at most white."""
    red, green, blue = (min(1.0, channel * factor) for channel in colour)
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The sRGB colour a share of the way from the first to the second."""
    red, green, blue = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class Palette:
    """One room's style: two woods, two fabrics, two accents, one metal; neighbours share them.

    Every method draws from the stream of the piece being made, adds a material to `materials`
    and returns its index.
    """

    wood_tone: ColourPair
    second_wood_tone: ColourPair
    fabric_colour: Colour
    second_fabric_colour: Colour
    accent_colour: Colour
    second_accent_colour: Colour
    metal_colour: Colour
    materials: MaterialTable = field(repr=False, compare=False)

    @classmethod
    def sample(cls, stream: Stream, materials: MaterialTable) -> Palette:
        """A style drawn from the stream, whose materials will be collected in the table."""
        return cls(
            wood_tone=stream.choice(WOODS),
            second_wood_tone=stream.choice(WOODS),
            fabric_colour=stream.choice(FABRICS),
            second_fabric_colour=stream.choice(FABRICS),
            accent_colour=stream.choice(ACCENTS),
            second_accent_colour=stream.choice(ACCENTS),
            metal_colour=stream.choice((GOLD, GOLD, BLACK, CHROME)),
            materials=materials,
        )

    def add(self, stream: Stream, material: Material) -> int:
        """The material with a noise seed of its own and a brightness a few per cent off."""
        varied = replace(
            material, seed=stream.integers(1, 9999), brightness=stream.uniform(0.93, 1.07)
        )
        return self.materials.add(varied)

    def wood(self, stream: Stream, *, axis: int = 0, other: float = 0.3) -> int:
        """The room's wood, or with probability `other` any wood; grain along the axis."""
        tone = stream.choice(WOODS) if stream.chance(other) else self.wood_tone
        scale = stream.uniform(0.8, 1.6)
        look = Material(TextureKind.WOOD, *tone, scale=scale, axis=axis, roughness=0.25)
        return self.add(stream, look)

    def front(self, stream: Stream, *, axis: int = 0) -> int:
        """Veneer of doors and drawers in one of the room's two woods."""
        light, dark = self.wood_tone if stream.chance(0.5) else self.second_wood_tone
        look = Material(TextureKind.FRONT, light, mix(light, dark, 0.5), axis=axis, roughness=0.25)
        return self.add(stream, look)

    def fabric(self, stream: Stream, *, other: float = 0.35) -> int:
        """Upholstery in the room's colour, or any with probability `other`; sometimes leather."""
        colour = stream.choice(FABRICS) if stream.chance(other) else self.fabric_colour
        if stream.chance(0.18):
            leather = Material(TextureKind.LEATHER, shade(colour, 0.8), specular=0.05)
            return self.add(stream, replace(leather, roughness=0.35))
        return self.cloth(stream, colour, scale=stream.uniform(0.6, 1.2))

    def cloth(self, stream: Stream, colour: Colour, *, scale: float = 1.0) -> int:
        """Plain woven cloth of the given colour."""
        look = Material(TextureKind.FABRIC, colour, shade(colour, 0.8), scale=scale, specular=0.0)
        return self.add(stream, look)

    def accent(self, stream: Stream) -> int:
        """Cloth for pillows and throws: an accent colour, a third of it striped or checked."""
        colour = self.accent_colour if stream.chance(0.6) else self.second_accent_colour
        if not stream.chance(0.35):
            return self.cloth(stream, colour)
        scale, motif = stream.uniform(0.8, 2.5), stream.integers(2)
        plaid = Material(TextureKind.PLAID, self.second_fabric_colour, colour, scale=scale)
        return self.add(stream, replace(plaid, motif=motif, specular=0.0))

    def white_cloth(self, stream: Stream) -> int:
        """Bed linen."""
        look = Material(TextureKind.FABRIC, (0.93, 0.92, 0.90), (0.88, 0.87, 0.85), specular=0.0)
        return self.add(stream, look)

    def metal(self, stream: Stream, colour: Colour | None = None) -> int:
        """The room's metal, or brushed metal of the given colour."""
        colour = self.metal_colour if colour is None else colour
        look = Material(TextureKind.METAL, colour, specular=0.45, roughness=0.25, metallic=0.75)
        return self.add(stream, look)

    def mirror(self, stream: Stream) -> int:
        """Silvered glass."""
        look = Material(TextureKind.METAL, (0.90, 0.93, 0.95), specular=0.85, roughness=0.0)
        return self.add(stream, replace(look, metallic=1.0))

    def top(self, stream: Stream) -> int:
        """A table top: wood, or white or black marble."""
        if stream.chance(0.6):
            return self.wood(stream)
        colour = (0.93, 0.92, 0.90) if stream.chance(0.7) else (0.12, 0.12, 0.13)
        marble = Material(TextureKind.MARBLE, colour, (0.55, 0.52, 0.50), scale=1.5)
        return self.add(stream, replace(marble, specular=0.06, roughness=0.08))

    def plain(
        self, stream: Stream, colour: Colour, *, specular: float = 0.03, roughness: float = 0.5
    ) -> int:
        """Smooth paint, plastic, ceramic or glass of the given colour."""
        look = Material(TextureKind.PLAIN, colour, specular=specular, roughness=roughness)
        return self.add(stream, look)

    def glow(self, stream: Stream, emission: float, colour: Colour = WARM_WHITE) -> int:
        """A lit surface: bulbs and lamp shades."""
        look = Material(TextureKind.PLAIN, colour, emission=emission, specular=0.0)
        return self.add(stream, look)
