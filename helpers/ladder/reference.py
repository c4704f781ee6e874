"""Measured ladders in files that can be checked: data/reference/<preset>-<hardware>.json.

Beside each lies a folder of the same name:

    truth.json.xz        the validation pictures' true masks, plain COCO, classes as trained
    truth-noisy.json.xz  the same with annotation noise, where the data have it
    <run>.json.xz        what the run predicted on them, enough to compute its numbers again
    member_<x>-<seed>.json.xz  what an ensemble needs of a member: boxes, scores, soft masks
"""

from __future__ import annotations

import fcntl
import json
import lzma
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from helpers.config import Preset
from helpers.evaluation.average_precision import Evaluation
from helpers.files import ROOT, UserError, read_json, replace_file, write_json

REFERENCE = ROOT / "data" / "reference"
LARGEST = 2**30  # bytes a stored file may unpack to


@dataclass(frozen=True)
class Entry:
    """One measured rung with one seed.

    config: all of it that is not the default (`Rung.settings`). hardware: of all sittings. sha256:
    of its annotation files. predictions: file below the reference's folder. evaluation: as
    `Evaluation.to_dict`. sizes: mask AP by size when the challenge's ranges shrink with the
    pictures. noisy: the same predictions scored against noisy masks, where that is the question.
    extra: what an ensemble learnt and its subsets.
    """

    rung: str
    seed: int
    run: str
    data: str
    steps: int
    minutes: float
    hardware: str
    versions: Mapping[str, str]
    config: Mapping[str, Any]
    sha256: Mapping[str, str | None]
    predictions: str
    evaluation: Mapping[str, Any]
    sizes: Mapping[str, float | None] = field(default_factory=dict)
    noisy: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scores(self) -> Evaluation:
        return Evaluation.from_dict(self.evaluation)


@dataclass(frozen=True)
class Reference:
    """One file of measured rungs, and the folder beside it."""

    path: Path

    @staticmethod
    def of(preset: Preset, hardware: str, folder: Path = REFERENCE) -> Reference:
        """The file of a preset on a kind of machine; it may not exist yet."""
        words = re.sub(r"[^a-z0-9]+", "-", hardware.lower()).strip("-")
        return Reference(folder / f"{preset}-{words}.json")

    @property
    def folder(self) -> Path:
        return self.path.with_suffix("")

    @property
    def preset(self) -> str:
        return self.path.name.partition("-")[0]

    def entries(self) -> list[Entry]:
        """All that is measured so far; none when there is no file. Raises UserError for entries
        that have other fields than today's."""
        if not self.path.exists():
            return []
        rows, known = read_json(self.path)["entries"], {field.name for field in fields(Entry)}
        if any(set(row) != known for row in rows):
            raise UserError(
                f"{self.path} is of another version: move it away and measure its rows again "
                "(finished runs are not trained again)"
            )
        return [Entry(**row) for row in rows]

    def find(self, rung: str, seed: int = 0) -> Entry | None:
        """That rung's entry, or None."""
        found = [e for e in self.entries() if (e.rung, e.seed) == (rung, seed)]
        return found[0] if found else None

    def add(self, entry: Entry) -> None:
        """Put one entry in, in place of a former one of the same rung and seed. Processes that
        measure other rungs wait for one another here."""
        with self._alone():
            others = [e for e in self.entries() if (e.rung, e.seed) != (entry.rung, entry.seed)]
            rows = sorted([*others, entry], key=lambda e: (e.seed, e.rung))
            write_json(self.path, {"preset": self.preset, "entries": [asdict(e) for e in rows]})

    def keep_truth(self, truth: Mapping[str, Any], *, rung: str, seed: int) -> None:
        """Store the ground truth against which that rung will be scored. Raises UserError when
        other entries were scored against another one."""
        with self._alone():
            others = [e for e in self.entries() if (e.rung, e.seed) != (rung, seed)]
            there = (self.folder / "truth.json.xz").exists()
            if others and there and self.truth() != json.loads(json.dumps(truth)):
                raise UserError(
                    f"the {len(others)} other rows in {self.path} are of other validation data: "
                    f"bring those back, or move the file and {self.folder} away"
                )
            self._write("truth.json.xz", truth)

    def truth(self) -> dict[str, Any]:
        """Plain COCO ground truth of the validation pictures."""
        return self.read("truth.json.xz")

    def write(self, name: str, content: Any) -> None:
        """Store JSON as <name>, packed when that ends in .xz; equal content gives equal bytes, and
        is not written again."""
        with self._alone():
            self._write(name, content)

    def read(self, name: str) -> Any:
        """What `write` stored. Raises UserError for what is damaged or not in the folder."""
        path = self.folder / plain_name(name)
        data = path.read_bytes()
        return json.loads(unpacked(data, LARGEST, str(path)) if name.endswith(".xz") else data)

    def _write(self, name: str, content: Any) -> None:
        path = self.folder / plain_name(name)
        data = json.dumps(content, separators=(",", ":")).encode()
        packed = lzma.compress(data, preset=9) if name.endswith(".xz") else data
        self.folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != packed:
            replace_file(path, lambda file: file.write(packed) and None)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process writes here. Not to be entered twice."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def results(self, entry: Entry) -> list[dict[str, Any]]:
        """COCO results of an entry, as they were scored."""
        return unpack_results(self.read(entry.predictions), self.truth())


def references(preset: Preset, folder: Path = REFERENCE) -> list[Reference]:
    """All measured ladders of a preset, by the name of the file."""
    return [Reference(path) for path in sorted(folder.glob(f"{preset}-*.json"))]


def plain_name(name: str) -> str:
    """The name of a file, as a JSON file gives it. Raises UserError when it leads elsewhere."""
    if Path(name).name != name or name == "..":
        raise UserError(f"{name!r} is not the plain name of a file: correct the JSON that has it")
    return name


def unpacked(data: bytes, most: int, where: str) -> bytes:
    """LZMA data unpacked. Raises UserError when they are damaged or hold over `most` bytes."""
    packed = lzma.LZMADecompressor()
    try:
        content = packed.decompress(data, max_length=most + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise UserError(f"{where} is damaged ({error}): measure its row again") from error
    if len(content) > most or not packed.eof:
        raise UserError(f"{where} is cut off or too large: measure its row again")
    return content


def without_class_weights(config: Mapping[str, Any]) -> dict[str, Any]:
    """`Entry.config` without the loss's alpha, and without sections that are empty then."""
    nested = {
        name: without_class_weights(value) if isinstance(value, Mapping) else value
        for name, value in config.items()
        if name != "alpha"
    }
    return {name: value for name, value in nested.items() if value != {}}


def pack_results(results: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """COCO results by column, which packs far better than one object each."""
    return {
        "image_id": [r["image_id"] for r in results],
        "category_id": [r["category_id"] for r in results],
        "score": [r["score"] for r in results],
        "bbox": [r["bbox"] for r in results],
        "counts": [r["segmentation"]["counts"] for r in results],
    }


def unpack_results(
    columns: Mapping[str, list[Any]], truth: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The results `pack_results` packed; sizes of the masks come from the truth's pictures."""
    sizes = {image["id"]: [image["height"], image["width"]] for image in truth["images"]}
    rows = zip(*(columns[key] for key in columns), strict=True)
    named = (dict(zip(columns, row, strict=True)) for row in rows)
    return [
        {
            **{key: row[key] for key in ("image_id", "category_id", "score", "bbox")},
            "segmentation": {"size": sizes[row["image_id"]], "counts": row["counts"]},
        }
        for row in named
    ]
