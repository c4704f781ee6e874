"""What surfaces look like: solid procedural textures, their colours, and one room's choice of them.

Colours are sRGB triples in 0..1 where people write them and linear light where kernels read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from helpers.scenes.random import Stream
from helpers.scenes.textures import FABRIC, LEATHER, MATERIAL, METAL, OUTDOORS, PLAIN

Colour = tuple[float, float, float]
ColourPair = tuple[Colour, Colour]


@dataclass(frozen=True)
class Material:
    """One surface.

    kind: which texture; colour, second: sRGB, without a second it is 0.6 x the linear first; scale:
    of the pattern; axis: 0, 1, 2 = the grain runs along x, y, z; motif: which pattern of the kind
    (walls, rugs, plaid); half_size: of a rug (m); specular: reflectance seen head on; roughness
    0..1; emission: times the colour, 0 = not a lamp; metallic 0..1; seed: of the noise; brightness:
    factor on the linear colours.
    """

    kind: int
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
    (0.80, 0.77, 0.72), (0.62, 0.60, 0.57), (0.36, 0.40, 0.46), (0.55, 0.42, 0.33),
    (0.45, 0.52, 0.44), (0.70, 0.55, 0.42), (0.28, 0.30, 0.34), (0.83, 0.80, 0.74),
    (0.46, 0.28, 0.22), (0.60, 0.66, 0.72),
)  # fmt: skip
ACCENTS: tuple[Colour, ...] = (
    (0.80, 0.55, 0.20), (0.20, 0.38, 0.42), (0.66, 0.24, 0.20), (0.22, 0.28, 0.45),
    (0.55, 0.60, 0.35), (0.85, 0.70, 0.62), (0.50, 0.25, 0.35),
)  # fmt: skip
GOLD, BLACK, CHROME = (0.83, 0.66, 0.36), (0.15, 0.15, 0.15), (0.75, 0.75, 0.76)
WARM_WHITE, DAYLIGHT, SHADE_CLOTH = (1.0, 0.93, 0.80), (1.0, 0.97, 0.92), (1.0, 0.95, 0.85)

LINEN = Material(FABRIC, (0.93, 0.92, 0.90), (0.88, 0.87, 0.85), specular=0.0)
MIRROR = Material(METAL, (0.90, 0.93, 0.95), specular=0.85, roughness=0.0, metallic=1.0)


def shade(colour: Colour, factor: float) -> Colour:
    """The sRGB colour times a factor, at most white."""
    red, green, blue = (min(1.0, channel * factor) for channel in colour)
    return red, green, blue


@dataclass(frozen=True)
class Palette:
    """One room's style: two woods, two fabrics, two accents, one metal; neighbours share them.

    materials: of everything in the room, in the order in which they were mixed (see `Maker`).
    """

    wood_tone: ColourPair
    second_wood_tone: ColourPair
    fabric_colour: Colour
    second_fabric_colour: Colour
    accent_colour: Colour
    second_accent_colour: Colour
    metal_colour: Colour
    materials: list[Material] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def sample(cls, stream: Stream) -> Palette:
        """A style drawn from the stream, without materials yet."""
        metals = (GOLD, GOLD, BLACK, CHROME)
        return cls(*map(stream.choice, (WOODS, WOODS, FABRICS, FABRICS, ACCENTS, ACCENTS, metals)))


def pack_materials(materials: Sequence[Material]) -> np.ndarray:
    """(M,) records of MATERIAL: what the kernels read."""
    packed = np.empty(len(materials), MATERIAL)
    for name in set(MATERIAL.names) - {"colour", "second", "mean"}:
        packed[name] = [getattr(material, name) for material in materials]
    for row, m in zip(packed, materials, strict=True):
        first = [channel**2.2 for channel in m.colour]
        second = [channel**2.2 for channel in m.second] if m.second else [0.6 * c for c in first]
        row["colour"] = [round(m.brightness * channel, 6) for channel in first]
        row["second"] = [round(m.brightness * channel, 6) for channel in second]
    first, second = packed["colour"], packed["second"]
    one_colour = np.isin(packed["kind"], (PLAIN, LEATHER, METAL, OUTDOORS))[:, None]
    packed["mean"] = np.where(one_colour, first, 0.55 * first + 0.45 * second)
    return packed
