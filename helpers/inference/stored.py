"""Predictions of a data set in a folder, so that a kill at any moment costs one picture at most.

<folder>/
    about.json          what was predicted with what, the pictures and the categories
    pictures/<id>.json  one picture each, renamed into place when it is whole: a picture is done
                        when its file is there
    shares/<n>-of-<m>/  locked by the process that predicts this share of the pictures
    predictions.json    COCO results of all pictures, made when the last is done

A picture's file is {"results": COCO results} and, on demand, "soft": size, boxes, scores, labels
and the mask probabilities as zlib-compressed bytes (0..255) in base64.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers.config import ExperimentConfig
from helpers.data.index import InstanceIndex
from helpers.data.pictures import check_pictures
from helpers.files import TEMPORARY, UserError, locked, make_folder, replace_file, write_json
from helpers.inference.predict import detect_index, to_results
from helpers.structures import Detections


@dataclass(frozen=True)
class StoredPredictions:
    """One folder of predictions. Everything is read from it when asked for."""

    folder: Path

    @staticmethod
    def open(folder: Path, about: Mapping[str, Any]) -> StoredPredictions:
        """The folder for predictions of what `about` says, made if it is not there.

        about: plain values for JSON, with `images` and `categories` as in COCO; `ids` is "invented"
        where the image ids are not those of an annotation file. Raises UserError, naming what
        differs, when the folder holds predictions of anything else, or other files.
        """
        stored, about = StoredPredictions(folder), json.loads(json.dumps(about))
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file: give a folder with --output")
        make_folder(folder)
        names = [path.name for path in folder.iterdir()]  # first: others may begin just now
        if not stored._about.exists():
            if any(not name.endswith(TEMPORARY) for name in names):
                raise UserError(f"{folder} holds other files: give another folder with --output")
            write_json(stored._about, about)
        was = {"ids": "file"} | stored.about
        other = [key for key in about if was.get(key) != about[key]]
        if other:
            raise UserError(
                f"{folder} holds predictions with other {', '.join(other)}: give another folder "
                "with --output, or move that one away"
            )
        return stored

    @property
    def about(self) -> dict[str, Any]:
        """What was predicted with what. UserError when there is no such file, or a damaged one."""
        if not self._about.exists():
            raise UserError(f"{self.folder} holds no predictions: make them with `predict`")
        return _read(self._about, {"images", "categories"}, "move its folder away")

    @property
    def results_file(self) -> Path:
        """predictions.json; it exists when all pictures are done."""
        return self.folder / "predictions.json"

    @property
    def _about(self) -> Path:
        return self.folder / "about.json"

    def _picture(self, image_id: int) -> Path:
        return self.folder / "pictures" / f"{image_id}.json"

    def done(self) -> set[int]:
        """Ids of the pictures that are predicted."""
        stems = (path.stem for path in (self.folder / "pictures").glob("*.json"))
        return {int(stem) for stem in stems if stem.removeprefix("-").isdecimal()}

    def missing(self) -> list[int]:
        """Ids of the pictures that are not, in the order of `about`."""
        done = self.done()
        return [image["id"] for image in self.about["images"] if image["id"] not in done]

    def share(self, number: int, of: int) -> AbstractContextManager[None]:
        """Hold one process's share alone. RunBusyError when another process has it."""
        folder = self.folder / "shares" / f"{number}-of-{of}"
        make_folder(folder)
        return locked(folder)

    def add(
        self, image_id: int, results: list[dict[str, Any]], *, soft: Detections | None = None
    ) -> None:
        """Store one picture, on the disk before this returns."""
        content: dict[str, Any] = {"results": results}
        if soft is not None:
            content["soft"] = _packed(soft)
        make_folder(self.folder / "pictures")
        packed = json.dumps(content, separators=(",", ":"))
        replace_file(self._picture(image_id), lambda file: file.write(packed.encode()))

    def results(self, image_id: int) -> list[dict[str, Any]]:
        """COCO results of one picture that is done. UserError when its file is damaged."""
        return self._content(image_id)["results"]

    def detections(self, image_id: int) -> Detections:
        """Soft detections of one picture that is done. UserError when its masks were not kept, or
        its file is damaged."""
        content = self._content(image_id)
        if "soft" not in content:
            raise UserError(f"{self.folder} has no soft masks: predict with --soft")
        return _unpacked(content["soft"])

    def assemble(self) -> Path | None:
        """predictions.json of all pictures in the order of `about`; None while some are missing."""
        if self.missing():
            return None
        ids = [image["id"] for image in self.about["images"]]
        results = [result for image_id in ids for result in self.results(image_id)]
        replace_file(self.results_file, lambda file: file.write(json.dumps(results).encode()))
        return self.results_file

    def _content(self, image_id: int) -> dict[str, Any]:
        return _read(self._picture(image_id), {"results"}, "delete it")


def predict_missing(
    stored: StoredPredictions,
    image_ids: Sequence[int],
    *,
    model: nn.Module,
    index: InstanceIndex,
    config: ExperimentConfig,
    soft: bool = False,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> None:
    """Predict those of these pictures that are not there yet.

    soft: keep the mask probabilities, too. Raises DataError, before the first prediction, when a
    picture cannot be read.
    """
    missing = set(image_ids) - stored.done()
    if not missing:
        return
    chosen = index.subset(missing)
    check_pictures(chosen)
    found = detect_index(model, chosen, config=config, device=device, progress=progress)
    for image_id, detections in found:
        results = to_results(detections, image_id, index.taxonomy)
        stored.add(image_id, results, soft=detections if soft else None)


def _packed(detections: Detections) -> dict[str, Any]:
    masks = (detections.masks * 255).round().to(torch.uint8).numpy()
    return {
        "size": list(detections.image_size),
        "boxes": detections.boxes.tolist(),
        "scores": detections.scores.tolist(),
        "labels": detections.labels.tolist(),
        "side": masks.shape[-1],
        "masks": base64.b64encode(zlib.compress(masks.tobytes(), 1)).decode("ascii"),
    }


def _unpacked(soft: Mapping[str, Any]) -> Detections:
    raw = np.frombuffer(zlib.decompress(base64.b64decode(soft["masks"])), dtype=np.uint8)
    masks = torch.from_numpy(raw.reshape(-1, soft["side"], soft["side"]).copy()).float() / 255
    return Detections(
        torch.tensor(soft["boxes"], dtype=torch.float32).reshape(-1, 4),
        torch.tensor(soft["scores"], dtype=torch.float32),
        torch.tensor(soft["labels"], dtype=torch.int64),
        tuple(soft["size"]),
        masks,
    )


def _read(path: Path, keys: set[str], remedy: str) -> dict[str, Any]:
    """A JSON object with those keys. UserError, with the remedy, for anything else."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None
    if not (isinstance(content, dict) and keys <= content.keys()):
        raise UserError(f"{path} is damaged: {remedy}, and the same `predict` makes it anew")
    return content
