"""Id-maps in every encoding, and how they disagree with annotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import rle as rles
from helpers.data.errors import DataError, Findings
from helpers.data.idmap import check_idmap, overlaps, read_idmap

IDS = np.array([[0, 1, 7, 255], [254, 128, 3, 2]])


def save(path: Path, encoding: str) -> np.ndarray:
    """Write IDS, scaled up where the encoding has room; returns the ids written."""
    wide = IDS * 40_503  # three different channels
    ids = {"rgb": wide, "rgba": wide, "grey16": IDS * 257}.get(encoding, IDS)
    if encoding in ("rgb", "rgba"):
        channels = np.stack([ids % 256, ids // 256 % 256, ids // 65_536], axis=-1)
        alpha = np.full((2, 4, 1), 9) if encoding == "rgba" else np.zeros((2, 4, 0), dtype=int)
        Image.fromarray(np.concatenate([channels, alpha], axis=-1).astype(np.uint8)).save(path)
    elif encoding == "grey16":
        Image.fromarray(ids.astype(np.uint16)).save(path)
    else:
        flat = Image.fromarray(ids.astype(np.uint8))
        if encoding == "palette":
            flat.putpalette(np.random.default_rng(0).bytes(768))
        flat.save(path)
    return ids


@pytest.mark.parametrize("encoding", ["rgb", "rgba", "grey8", "grey16", "palette"])
def test_D23_every_encoding(tmp_path: Path, encoding: str) -> None:
    ids = save(tmp_path / "map.png", encoding)
    assert np.array_equal(read_idmap(tmp_path / "map.png", size=(2, 4)), ids)


def test_D23_jpeg_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 2)).save(tmp_path / "map.png", format="JPEG")
    with pytest.raises(DataError, match="must not be a JPEG"):
        read_idmap(tmp_path / "map.png")


def test_D24_size_must_be_the_pictures(tmp_path: Path) -> None:
    save(tmp_path / "map.png", "grey8")
    with pytest.raises(DataError, match=r"file 4x2, declared 2x4 .*swapped"):
        read_idmap(tmp_path / "map.png", size=(4, 2))


def findings(idmap: np.ndarray, ids: set[int]) -> dict[str, int]:
    ledger = Findings(Path("GT/train_set.json"))
    check_idmap(idmap, ids, ledger, place="0000000.png")
    return {finding.kind: finding.total for finding in ledger.report()}


def test_D23_ids_missing_on_either_side() -> None:
    idmap = np.zeros((40, 40), dtype=np.int32)
    idmap[:20, :20], idmap[20:, :20] = 5, 6
    assert findings(idmap, {5, 6}) == {}
    assert findings(idmap, {5, 6, 9}) == {"idmap-missing": 1}
    assert findings(idmap, {5}) == {"idmap-extra": 1}


def test_D23_blended_colours_are_one_warning() -> None:
    idmap = np.zeros((40, 40), dtype=np.int32)
    idmap[10:30, 10:30] = 200
    idmap[10:30, 10] = np.arange(20) + 1000  # a rim of mixtures, all different
    assert findings(idmap, {200}) == {"idmap-blended": 1}


def test_D22_overlaps_are_reported() -> None:
    masks = np.zeros((3, 6, 6), dtype=bool)
    masks[0, :4, :4], masks[1, 2:, 2:], masks[2, 5, 0] = True, True, True
    assert overlaps([rles.encode(mask) for mask in masks]) == [(0, 1, 4)]
