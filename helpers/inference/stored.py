"""Predictions of a data set in a folder, so that a kill at any moment costs one picture at most.

<folder>/
    about.json              what was predicted with what, and the pictures and categories
    part-<i>-of-<n>.jsonl   one line a picture, appended when it is done, by one process each
    predictions.json        COCO results of all pictures by image id, made when the last is done

A line is {"image_id", "results": COCO results} and, on demand, "soft": boxes, scores, labels and
the mask probabilities as zlib-compressed bytes (0..255) in base64.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from helpers.files import UserError
from helpers.structures import Detections

Line = Mapping[str, Any]
LOCK_SECONDS = 10.0  # what a killed process leaves behind may hold its lock for a few
_SHOWN = 120  # characters of two values that differ; longer ones, as digests, are not shown


@dataclass(frozen=True)
class StoredPredictions:
    """One folder of predictions. Everything is read from it when asked for."""

    folder: Path

    @staticmethod
    def open(folder: Path, about: Mapping[str, Any]) -> StoredPredictions:
        """The folder for predictions of what `about` says, made if it is not there.

        about: plain values for JSON, with `images` and `categories` as in COCO. Raises
        UserError, with old and new values, when the folder holds predictions of anything
        else, and when it is no folder.
        """
        stored, about = StoredPredictions(folder), json.loads(json.dumps(about))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UserError(
                f"{folder} is a file, or would lie below one: give a folder with --output"
            ) from None
        with _locked(folder / "lock", wait=True):
            if not stored._about.exists():
                if any(folder.glob("*.json*")):
                    raise UserError(
                        f"{folder} holds other files: give another folder with --output"
                    )
                _write_json(stored._about, about)
        was = stored.about
        other = _differences({key: was.get(key) for key in about}, about)
        if other:
            raise UserError(
                f"{folder} holds predictions with {'; '.join(other)}: give another folder with "
                "--output, or move that one away"
            )
        return stored

    @property
    def about(self) -> dict[str, Any]:
        """What was predicted with what. UserError when there is no such file, or a damaged
        one."""
        if not self._about.exists():
            raise UserError(f"{self.folder} holds no predictions: make them with `predict`")
        try:
            about = json.loads(self._about.read_bytes())
        except ValueError:
            about = None
        if not (isinstance(about, dict) and {"images", "categories"} <= about.keys()):
            raise UserError(
                f"{self._about} is damaged: move its folder away, and let `predict` make it anew"
            )
        return about

    @property
    def results_file(self) -> Path:
        """predictions.json; it exists when all pictures are done."""
        return self.folder / "predictions.json"

    @property
    def _about(self) -> Path:
        return self.folder / "about.json"

    def lines(self) -> Iterator[Line]:
        """Every whole line of every part, each picture once; a torn last line is passed over.

        Raises UserError for a whole line that is damaged.
        """
        seen: set[int] = set()
        for path in sorted(self.folder.glob("part-*.jsonl")):
            for line in _parsed(path):
                if line["image_id"] not in seen:
                    seen.add(line["image_id"])
                    yield line

    def done(self) -> set[int]:
        """Ids of the pictures that are predicted."""
        return {line["image_id"] for line in self.lines()}

    @contextmanager
    def part(self, number: int, of: int) -> Iterator[Part]:
        """The part of one process, to append to. UserError when another process has it and
        keeps it for LOCK_SECONDS."""
        path = self.folder / f"part-{number}-of-{of}.jsonl"
        with _locked(path) as file:
            _drop_torn_line(file)
            yield Part(file)

    def detections(self) -> Iterator[tuple[int, Detections]]:
        """Image id and soft detections, picture by picture. UserError when none are kept."""
        sizes = {image["id"]: (image["height"], image["width"]) for image in self.about["images"]}
        for line in self.lines():
            if "soft" not in line:
                raise UserError(f"{self.folder} has no soft masks: predict with --soft")
            yield line["image_id"], unpacked(line["soft"], sizes[line["image_id"]])

    def assemble(self) -> Path | None:
        """predictions.json of all pictures in the order of `about`; None while some are missing."""
        by_image = {line["image_id"]: line["results"] for line in self.lines()}
        wanted = [image["id"] for image in self.about["images"]]
        if any(image_id not in by_image for image_id in wanted):
            return None
        with _locked(self.folder / "lock", wait=True):
            results = [result for image_id in wanted for result in by_image[image_id]]
            _write_json(self.results_file, results)
        return self.results_file


@dataclass(frozen=True)
class Part:
    """The open file of one process."""

    file: BinaryIO

    def append(
        self, image_id: int, results: list[dict[str, Any]], *, soft: Detections | None = None
    ) -> None:
        """Store one picture: a single write, handed to the system before this returns."""
        line: dict[str, Any] = {"image_id": image_id, "results": results}
        if soft is not None:
            line["soft"] = _packed(soft)
        self.file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self.file.flush()


def _packed(detections: Detections) -> dict[str, Any]:
    masks = (detections.masks * 255).round().to(torch.uint8).numpy()
    return {
        "boxes": detections.boxes.tolist(),
        "scores": detections.scores.tolist(),
        "labels": detections.labels.tolist(),
        "side": masks.shape[-1],
        "masks": base64.b64encode(zlib.compress(masks.tobytes(), 1)).decode("ascii"),
    }


def unpacked(soft: Mapping[str, Any], size: tuple[int, int]) -> Detections:
    """The detections of a line's "soft", in a picture of `size` (height, width)."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(soft["masks"])), dtype=np.uint8)
    masks = torch.from_numpy(raw.reshape(-1, soft["side"], soft["side"]).copy()).float() / 255
    return Detections(
        torch.tensor(soft["boxes"], dtype=torch.float32).reshape(-1, 4),
        torch.tensor(soft["scores"], dtype=torch.float32),
        torch.tensor(soft["labels"], dtype=torch.int64),
        size,
        masks,
    )


def _parsed(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for number, text in enumerate(file, start=1):
            if not text.endswith(b"\n"):
                return  # torn by a kill
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if not (isinstance(line, dict) and {"image_id", "results"} <= line.keys()):
                raise UserError(
                    f"{path}, line {number} is damaged: delete that line, and the `predict` that "
                    "made the folder makes its picture anew"
                )
            yield line


def _drop_torn_line(file: BinaryIO) -> None:
    """Cut off what a kill left behind the last whole line."""
    file.seek(0)
    end = 0
    for line in file:
        end += len(line) if line.endswith(b"\n") else 0
    file.truncate(end)
    file.seek(end)


def _write_json(path: Path, content: Any) -> None:
    """Whole or not at all. Only under a lock: the temporary name is always the same."""
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


@contextmanager
def _locked(path: Path, *, wait: bool = False) -> Iterator[BinaryIO]:
    """The open file, held alone. UserError when another process has it for longer than
    LOCK_SECONDS and `wait` is off."""
    with path.open("a+b") as file:
        give_up = time.monotonic() + LOCK_SECONDS
        while not _lock(file, wait=wait):
            if time.monotonic() > give_up:
                raise UserError(
                    f"another process is writing {path}: wait for it, or give each its own --shard"
                )
            time.sleep(0.05)
        yield file


def _lock(file: BinaryIO, *, wait: bool) -> bool:
    """Is the file ours alone now?"""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs, by name: old and new value, or that it is another where both are long."""
    told = []
    for key in {**old, **new}:
        was, asked = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(asked, dict):
            told += _differences(was, asked, f"{prefix}{key}.")
        elif was != asked:
            values = f"{json.dumps(was)}, asked {json.dumps(asked)}"
            name = f"{prefix}{key}"
            told.append(f"{name} {values}" if len(values) <= _SHOWN else f"other {name}")
    return told
