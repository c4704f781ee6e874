"""All 34 categories: always the same bytes."""

from __future__ import annotations

import hashlib

from helpers.scenes.furniture import build
from helpers.scenes.materials import Palette
from helpers.scenes.pieces import Piece
from helpers.scenes.random import stream

GOLDEN = "5c533ca713b44033a36da2999660e8d87fe9b54edcd0aee080d192dede30d4b3"


def make(category_id: int, seed: int) -> Piece:
    palette = Palette.sample(stream(seed, "palette"))
    return build(category_id, stream(seed, "piece", category_id), palette)


def fingerprint(piece: Piece) -> str:
    digest = hashlib.sha256()
    for part in piece.parts:
        digest.update(part.vertices.tobytes())
        digest.update(part.faces.tobytes())
    return digest.hexdigest()


def test_the_bytes_never_change_whatever_was_built_before():
    palette = Palette.sample(stream(3, "palette"))
    build(3, stream(3, "another"), palette)
    after = build(26, stream(3, "piece", 26), palette)
    assert fingerprint(after) == fingerprint(make(26, 3))
    digest = hashlib.sha256()
    for seed in range(5):
        for category_id in range(1, 35):
            digest.update(fingerprint(make(category_id, seed)).encode())
    assert digest.hexdigest() == GOLDEN
