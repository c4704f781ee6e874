"""What is kept of a file: the same index, never a stale one, and damage does no harm."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from datafiles import Document, picture, write

from helpers.data import cache, coco
from helpers.data.coco import read_index
from helpers.data.errors import DataError
from helpers.data.index import InstanceIndex


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, which keeps even the smallest file here."""
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr(cache, "WORTH_KEEPING", 0)
    return tmp_path / "outputs/cache"


def warned(doc: Document, folder: Path) -> None:
    """A file with a warning about an entry, and one about a picture."""
    doc["annotations"][0]["area"] = 1
    frames = [picture(16, 24, seed=n) for n in (0, 1)]
    frames[0].save(folder / "one.gif", save_all=True, append_images=frames[1:])
    doc["images"][0]["file_name"] = "one.gif"


def same(first: InstanceIndex, second: InstanceIndex) -> bool:
    return (
        first.digest == second.digest
        and first.paths == second.paths
        and first.warnings == second.warnings
        and first.declared == second.declared
        and first.taxonomy == second.taxonomy
        and np.array_equal(first.labels, second.labels)
    )


def read_without_json(file: Path, monkeypatch: pytest.MonkeyPatch, **options: str) -> InstanceIndex:
    """Read from the cache, or fail."""
    with monkeypatch.context() as patch:
        patch.setattr(coco, "read_document", lambda *_: pytest.fail("the file was parsed"))
        return read_index(file, **options)


@pytest.mark.parametrize("space", ["fine", "super"])
def test_second_reading_is_the_same_without_parsing(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, space: str
) -> None:
    file = write(tmp_path, warned)
    plain = read_index(file, label_space=space, cache=False)
    assert not kept.exists()
    assert [w.kind for w in plain.warnings] == ["area-far", "frames"]
    assert read_index(file).digest == plain.in_space("fine").digest
    assert same(plain, read_without_json(file, monkeypatch, label_space=space))


def test_small_files_are_not_kept(kept: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HELPERS_OUTPUTS", str(tmp_path / "outputs"))
    read_index(write(tmp_path))
    assert not kept.exists()


def test_changed_content_of_equal_size_and_time_is_read_anew(tmp_path: Path, kept: Path) -> None:
    file = write(tmp_path)
    read_index(file)
    before = file.stat()
    text = file.read_text()
    file.write_text(text.replace('"category_id": 7', '"category_id": 3'))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert read_index(file).category_ids.tolist() == [3, 3, 3]


def test_changed_code_reads_anew(tmp_path: Path, kept: Path, monkeypatch) -> None:
    file = write(tmp_path)
    old = cache.index_file(file, "train", None)
    monkeypatch.setattr(cache, "_reader", lambda: "another")
    assert cache.index_file(file, "train", None) != old


def test_ways_of_reading_are_kept_apart(tmp_path: Path, kept: Path) -> None:
    file = write(tmp_path)
    taxonomy = read_index(file).taxonomy
    ways = [("train", None), ("predict", None), ("train", taxonomy)]
    assert len({cache.index_file(file, *way) for way in ways}) == 3
    assert cache.index_file(file, *ways[2]) == cache.index_file(
        file, "train", taxonomy.in_space("super")
    )


def test_file_that_changes_while_it_is_read_is_not_kept(
    tmp_path: Path, kept: Path, monkeypatch
) -> None:
    file, read = write(tmp_path), coco.read_document

    def change_first(*args):
        file.write_text(file.read_text().replace('"category_id": 7', '"category_id": 3'))
        return read(*args)

    monkeypatch.setattr(coco, "read_document", change_first)
    read_index(file)
    assert not list(kept.glob("index-*"))


def test_unusable_files_are_not_kept(tmp_path: Path, kept: Path) -> None:
    def break_it(doc: Document, folder: Path) -> None:
        doc["annotations"][0]["image_id"] = 99

    for _ in range(2):
        with pytest.raises(DataError, match="not declared"):
            read_index(write(tmp_path, break_it))
    assert not list(kept.glob("index-*"))


def test_D32_D33_D34_pictures_are_checked_every_time(tmp_path: Path, kept: Path) -> None:
    file = write(tmp_path)
    read_index(file)
    picture(20, 17).save(tmp_path / "two.png")
    with pytest.raises(DataError, match="file 17x20, declared 16x20"):
        read_index(file)
    (tmp_path / "two.png").write_bytes(b"")
    with pytest.raises(DataError, match="the file is empty"):
        read_index(file)
    (tmp_path / "two.png").unlink()
    with pytest.raises(DataError, match="image file not found"):
        read_index(file)


def test_headers_are_read_once_and_after_a_change(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    header = cache.read_header
    monkeypatch.setattr(cache, "read_header", lambda p: seen.append(p.name) or header(p))
    file = write(tmp_path)
    read_index(file)
    read_index(file)
    assert seen == ["one.png", "two.png"]
    os.utime(tmp_path / "two.png", ns=(1, 1))
    read_index(file)
    read_index(file)
    assert seen[2:] == ["two.png"]
    other = tmp_path / "other"
    other.mkdir()
    write(other, name="unused.json")
    assert read_index(file, other).paths[0] == other / "one.png"
    assert seen[3:] == ["one.png", "two.png"]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_mask_bit(content: bytes) -> bytes:
    """Turn a bit among the bytes of the masks, which no length gives away."""
    place = content.index(b"\n", content.index(b"mask_bytes")) + 1  # its header ends there
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        ("index", flip_a_mask_bit),
        *((what, cut) for what in ("index", "headers")),
        *((what, lambda _: b"") for what in ("index", "headers")),
        *((what, lambda _: b"no archive") for what in ("index", "headers")),
    ],
)
def test_damaged_cache_is_made_anew(
    tmp_path: Path, kept: Path, monkeypatch, caplog: pytest.LogCaptureFixture, what: str, damage
) -> None:
    file = write(tmp_path)
    first = read_index(file)
    (stored,) = kept.glob(f"{what}-*.npz")
    stored.write_bytes(damage(stored.read_bytes()))
    assert same(first, read_index(file))
    assert "made anew" in caplog.text and stored.name in caplog.text
    caplog.clear()
    assert same(first, read_without_json(file, monkeypatch))
    assert not caplog.text and len(list(kept.iterdir())) == 2


def test_pickles_are_not_opened(tmp_path: Path, kept: Path) -> None:
    file = write(tmp_path)
    first = read_index(file)
    (stored,) = kept.glob("index-*.npz")
    columns = dict(np.load(stored))
    columns["areas"] = np.array([{"an": "object"}], dtype=object)
    np.savez(stored, **columns)
    assert same(first, read_index(file))


def test_what_was_not_used_for_longest_goes_when_all_grows_too_large(
    tmp_path: Path, kept: Path, monkeypatch
) -> None:
    file = write(tmp_path)
    read_index(file)
    own = {stored: stored.stat().st_size for stored in kept.iterdir()}
    for stored in own:
        stored.unlink()
    old = [kept / f"index-{letter * 32}.npz" for letter in "abcd"]
    foreign = [kept / name for name in ("notes.txt", "index-mine.npz", f"{old[3].name}.123")]
    for age, stored in enumerate([*old, *foreign]):
        stored.write_bytes(bytes(1000))
        os.utime(stored, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(cache, "LARGEST", sum(own.values()) + 2500)
    read_index(file)
    assert set(kept.iterdir()) == {*own, *old[:2], *foreign}


def test_reading_from_the_cache_is_use(tmp_path: Path, kept: Path) -> None:
    file = write(tmp_path)
    read_index(file)
    for stored in kept.iterdir():
        os.utime(stored, (1e9, 1e9))
    read_index(file)
    assert min(stored.stat().st_mtime for stored in kept.iterdir()) > 1.5e9


def test_the_newest_stays_however_large_it_is(tmp_path: Path, kept: Path, monkeypatch) -> None:
    monkeypatch.setattr(cache, "LARGEST", 0)
    read_index(write(tmp_path))
    assert len(list(kept.iterdir())) == 1


def test_cache_that_can_not_be_written_is_no_error(
    tmp_path: Path, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outputs").write_text("in the way")
    file = write(tmp_path)
    assert same(read_index(file, cache=False), read_index(file))
    assert "can not be written" in caplog.text


def test_pictures_not_checked_need_not_exist(tmp_path: Path, kept: Path, monkeypatch) -> None:
    file = write(tmp_path)
    (tmp_path / "two.png").unlink()
    first = read_index(file, check_images=False)
    assert same(first, read_without_json(file, monkeypatch, check_images=False))
    assert json.loads(file.read_text())["images"][1]["file_name"] == first.paths[1].name
