"""What a set of generated scenes is made of: one frozen config, a few named presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from helpers.files import UserError

Quality = Literal["draft", "full"]
Noise = Literal["none", "antialias", "statistical"]

REFERENCE_SIZE = 1200  # px: side of 3D-FUTURE's pictures, at which lengths and areas are given


@dataclass(frozen=True)
class SceneConfig:
    """One set of scenes. Everything in it, and nothing else, decides the bytes that are written.

    `size` is the side of the square pictures in pixels; every threshold given "at 1200" is scaled
    by (size / 1200)**2, so a small set has the statistics of a large one.
    """

    name: str = "quick"
    seed: int = 0
    size: int = 320
    train: int = 400
    val: int = 80
    test: int = 0
    views_per_room: int = 2
    quality: Quality = "draft"
    noise: Noise = "none"
    noise_level: float = 0.5
    min_visible_area: int = 36 * 36  # px at 1200: smaller pieces stay in the picture, unlabelled
    min_instances: int = 3  # a view with fewer visible pieces is drawn again

    def __post_init__(self) -> None:
        if self.size < 1 or min(self.train, self.val, self.test, self.noise_level) < 0:
            raise UserError(f"{self}: give a size above 0, and no number below 0")


#: nano (tests), quick (default run), released (its model), small, full (the paper's counts).
PRESETS = {
    "nano": SceneConfig(name="nano", size=128, train=12, val=6),
    "quick": SceneConfig(),
    "released": SceneConfig("released", seed=7, size=384, train=3000, val=300),
    "small": SceneConfig("small", size=512, train=1200, val=200, test=600, quality="full"),
    "full": SceneConfig("full", size=1200, train=12144, val=2024, test=6072, quality="full"),
}


def scene_preset(name: str) -> SceneConfig:
    """The named preset. Raises UserError with the known names when there is none."""
    if name not in PRESETS:
        raise UserError(f"no scene preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
