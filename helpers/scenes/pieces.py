"""Furniture as it is handed over (`Part`, `Piece`), and the `Maker` that puts a piece together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from helpers.scenes.materials import FABRICS, WARM_WHITE, WOODS, Colour, Material, Palette, shade
from helpers.scenes.random import Stream
from helpers.scenes.shapes import (
    Floats,
    Ints,
    Mesh,
    Vector,
    box,
    face_vectors,
    lathe,
    length,
    ring,
    tube,
)
from helpers.scenes.textures import FABRIC, FRONT, LEATHER, MARBLE, METAL, PLAID, PLAIN, WOOD

Support = Literal["floor", "ceiling", "wall"]

SIDES = (-1, 1)
GRID = 2.0**-20  # m: vertices lie on multiples of it, so that every machine makes the same bytes
SMALLEST_FACE = 1e-10  # m^2: smaller faces are dropped


@dataclass(frozen=True)
class Part:
    """A mesh of one material: vertices (V, 3) float64, faces (F, 3) int64, index of the material.

    The vertices are the texture coordinates too, before the piece is placed in a room.
    """

    vertices: Floats
    faces: Ints
    material: int

    @classmethod
    def of(cls, mesh: Mesh, material: int) -> Part:
        """The mesh on the common grid, without faces that have no area."""
        vertices = np.round(mesh.vertices / GRID) * GRID
        keep = length(face_vectors(vertices, mesh.faces)) > 2 * SMALLEST_FACE
        return cls(vertices, mesh.faces[keep], material)


@dataclass(frozen=True)
class Piece:
    """One thing to place in a room: its front looks to -y, the origin is the middle of its base.

    It fills [-w/2, w/2] x [-d/2, d/2] (`width` and `depth`) and stands on z = 0 up to `height`
    ("ceiling": hangs from z = 0 down to -height; "wall": its back touches y = 0, z = 0 is its
    middle). `category_id` is 1..34, or 0 for decoration that nobody labels.
    """

    category_id: int
    parts: tuple[Part, ...]
    width: float
    depth: float
    height: float
    support: Support = "floor"


@dataclass
class Maker:
    """Makes one piece: draws from the piece's stream, mixes materials in the room's style, and
    collects parts.

    A material is added to the palette's list and known by its index there, each with a noise seed
    of its own and a brightness a few per cent off.
    """

    draw: Stream
    palette: Palette
    parts: list[Part] = field(default_factory=list)

    def piece(self, category_id: int = 0, *, support: Support = "floor") -> Piece:
        """The parts as one piece, shifted so that its box is centred on the origin in x and y.

        A "wall" piece is only centred in x. Heights are kept as built: standing is the builder's
        duty.
        """
        corners = np.concatenate([p.vertices for p in self.parts])
        low, high = corners.min(axis=0), corners.max(axis=0)
        middle = np.round((low + high) / 2 / GRID) * GRID
        shift = np.array([middle[0], 0.0 if support == "wall" else middle[1], 0.0])
        width, depth, tall = (float(s) for s in high - low)
        height = {"floor": float(high[2]), "ceiling": -float(low[2]), "wall": tall}[support]
        placed = tuple(Part(p.vertices - shift, p.faces, p.material) for p in self.parts)
        return Piece(category_id, placed, width, depth, height, support)

    # Materials.

    def material(self, look: Material) -> int:
        """The material, varied a little."""
        seed, brightness = self.draw.integers(1, 9999), self.draw.uniform(0.93, 1.07)
        self.palette.materials.append(replace(look, seed=seed, brightness=brightness))
        return len(self.palette.materials) - 1

    def wood(self, *, axis: int = 0) -> int:
        """The room's wood, or any of a third of the pieces; grain along the axis."""
        tone = self.draw.choice(WOODS) if self.draw.chance(0.3) else self.palette.wood_tone
        scale = self.draw.uniform(0.8, 1.6)
        return self.material(Material(WOOD, *tone, scale=scale, axis=axis, roughness=0.25))

    def front(self, *, axis: int = 0) -> int:
        """Veneer of doors and drawers in one of the room's two woods."""
        first = self.draw.chance(0.5)
        light, dark = self.palette.wood_tone if first else self.palette.second_wood_tone
        red, green, blue = (a + 0.5 * (b - a) for a, b in zip(light, dark, strict=True))
        look = Material(FRONT, light, (red, green, blue), axis=axis, roughness=0.25)
        return self.material(look)

    def fabric(self, *, other: float = 0.35) -> int:
        """Upholstery in the room's colour, or any with probability `other`; sometimes leather."""
        draw = self.draw
        colour = draw.choice(FABRICS) if draw.chance(other) else self.palette.fabric_colour
        if draw.chance(0.18):
            dark = shade(colour, 0.8)
            return self.material(Material(LEATHER, dark, specular=0.05, roughness=0.35))
        return self.cloth(colour, scale=draw.uniform(0.6, 1.2))

    def cloth(self, colour: Colour, *, scale: float = 1.0) -> int:
        """Plain woven cloth of the given colour."""
        look = Material(FABRIC, colour, shade(colour, 0.8), scale=scale, specular=0.0)
        return self.material(look)

    def accent(self) -> int:
        """Cloth for pillows and throws: an accent colour, a third of it striped or checked."""
        draw, style = self.draw, self.palette
        colour = style.accent_colour if draw.chance(0.6) else style.second_accent_colour
        if not draw.chance(0.35):
            return self.cloth(colour)
        scale, motif, ground = draw.uniform(0.8, 2.5), draw.integers(2), style.second_fabric_colour
        look = Material(PLAID, ground, colour, scale=scale, motif=motif, specular=0.0)
        return self.material(look)

    def metal(self) -> int:
        """The room's metal, brushed."""
        colour = self.palette.metal_colour
        look = Material(METAL, colour, specular=0.45, roughness=0.25, metallic=0.75)
        return self.material(look)

    def top(self) -> int:
        """A table top: wood, or white or black marble."""
        if self.draw.chance(0.6):
            return self.wood()
        colour, veins = (0.93, 0.92, 0.90), (0.55, 0.52, 0.50)
        if not self.draw.chance(0.7):
            colour = (0.12, 0.12, 0.13)
        look = Material(MARBLE, colour, veins, scale=1.5, specular=0.06, roughness=0.08)
        return self.material(look)

    def plain(self, colour: Colour, *, specular: float = 0.03, roughness: float = 0.5) -> int:
        """Smooth paint, plastic, ceramic or glass of the given colour."""
        return self.material(Material(PLAIN, colour, specular=specular, roughness=roughness))

    def glow(self, emission: float, colour: Colour = WARM_WHITE) -> int:
        """A lit surface: bulbs and lamp shades."""
        return self.material(Material(PLAIN, colour, emission=emission, specular=0.0))

    # Solids, lengths in metres. `both`: the same on the other side, left first; give the right one.

    def add(self, material: int, *meshes: Mesh) -> None:
        """Meshes of one material, a part each."""
        self.parts += [Part.of(mesh, material) for mesh in meshes]

    def board(
        self,
        centre: Vector,
        size: Vector,
        material: int,
        radius: float = 0.004,
        *,
        both: bool = False,
    ) -> None:
        """A plain board whose edges are rounded by the radius."""
        x, y, z = centre
        for side in SIDES if both else (1,):
            self.add(material, box((side * x, y, z), size, radius=radius))

    def bar(
        self,
        path: ArrayLike,
        radius: float | Vector,
        material: int,
        sides: int = 8,
        *,
        closed: bool = False,
        both: bool = False,
    ) -> None:
        """A rod or tube along a polyline; with a radius for each of its points it tapers."""
        for side in SIDES if both else (1,):
            mirrored = np.asarray(path, float) * (side, 1, 1)
            self.add(material, tube(mirrored, radius, sides=sides, closed=closed))

    def hoop(
        self, height: float, radius: float, thick: float, material: int, count: int, sides: int = 6
    ) -> None:
        """A level ring of `count` pieces about the z axis."""
        self.bar(ring(radius, height, count), thick, material, sides, closed=True)

    def legs(
        self,
        spread: Vector,
        top: float,
        radii: Vector,
        material: int,
        *,
        splay: float = 0.03,
        sides: int = 10,
    ) -> None:
        """Four tapered legs from the floor to the corners of a rectangle of size `spread`.

        radii: (at the top, at the foot); splay: how far the feet stand out.
        """
        (width, depth), (head, foot) = spread, radii
        for x in SIDES:
            for y in SIDES:
                low = (x * (width / 2 + splay), y * (depth / 2 + splay), 0)
                path = [low, (x * width / 2, y * depth / 2, top)]
                self.bar(path, (foot, head), material, sides)

    def knob(self, position: Vector, material: int) -> None:
        """A round pull on a front at `position`, standing out to -y."""
        radius = 0.013
        profile = [(0, -0.004), (0.5 * radius, -0.004), (0.5 * radius, 0.012), (radius, 0.016)]
        mesh = lathe([*profile, (0.9 * radius, 0.024), (0, 0.026)], segments=12)
        self.add(material, mesh.facing_front().moved(*position))

    def mirror_sometimes(self) -> None:
        """Half of all pieces are finished by exchanging left and right."""
        if self.draw.chance(0.5):
            flip = np.array([-1.0, 1.0, 1.0])
            self.parts = [Part(p.vertices * flip, p.faces[:, ::-1], p.material) for p in self.parts]
