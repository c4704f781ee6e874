"""Things that make a room look lived in and that nobody labels: rugs, curtains, pictures, plants."""

from __future__ import annotations

from helpers.scenes.layout import Layout
from helpers.scenes.materials import Palette
from helpers.scenes.programmes import RoomKind
from helpers.scenes.random import Stream


def decorate(layout: Layout, kind: RoomKind, palette: Palette, draw: Stream) -> None:
    """Add decoration to the layout."""
