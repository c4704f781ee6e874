"""Measured ladders in files that can be checked: data/reference/<preset>-<hardware>.json.

Beside each lies a folder of the same name:

    truth.json.xz        the validation pictures' true masks, plain COCO, classes as trained
    truth-noisy.json.xz  the same with annotation noise, where the data have it
    <run>.json.xz        what the run predicted on them, enough to compute its numbers again
    member_<x>-<seed>.json.xz  what an ensemble needs of a member: boxes, scores, soft masks

Soft masks keep four levels of probability, two points a byte; boxes and scores a few decimals; a
picture its most confident detections.
"""

from __future__ import annotations

import base64
import fcntl
import io
import json
import lzma
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from helpers.config import Preset
from helpers.data import rle
from helpers.evaluation.average_precision import KINDS, Evaluation, Kind
from helpers.evaluation.bootstrap import ClassMatches, match
from helpers.files import ROOT, UserError, make_folder, read_json, replace_file, write_json

if TYPE_CHECKING:
    from helpers.structures import Detections

REFERENCE = ROOT / "data" / "reference"
WHOLE = (0,)  # seeds whose predictions are stored with their masks
LEVELS = 3  # soft masks are stored as 0..3: one half lies between
KEPT = 15  # detections a picture of a member, at every preset
STACKED = 200  # masks on one picture of stored results
COLUMNS = ("image_id", "category_id", "score", "bbox")  # of stored results, and their masks

Soft = Mapping[int, "Detections"]  # image id -> detections in the picture's frame


@dataclass(frozen=True)
class Entry:
    """One measured rung with one seed.

    config: all of it that is not the default (`Rung.settings`). hardware: of all sittings. sha256:
    of its annotation files. predictions: file below the reference's folder, or what it would be
    (`Reference.keep`). evaluation: as `Evaluation.to_dict`. sizes: mask AP by size when the
    challenge's ranges shrink with the pictures. noisy: the same predictions scored against noisy
    masks, where that is the question. extra: what an ensemble learnt and its subsets.
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
        """All that is measured so far; none when there is no file."""
        rows = read_json(self.path)["entries"] if self.path.exists() else []
        return [Entry(**row) for row in rows]

    def find(self, rung: str, seed: int = 0) -> Entry | None:
        """That rung's entry, or None."""
        return next((e for e in self.entries() if (e.rung, e.seed) == (rung, seed)), None)

    def add(self, entry: Entry) -> None:
        """Put one entry in, in place of a former one of the same rung and seed. Processes that
        measure other rungs wait for one another here."""
        make_folder(self.path.parent)
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rows = [*self._others(entry.rung, entry.seed), entry]
            rows.sort(key=lambda e: (e.seed, e.rung))
            write_json(self.path, {"preset": self.preset, "entries": [asdict(e) for e in rows]})

    def keep_truth(self, truth: Mapping[str, Any], *, rung: str, seed: int) -> None:
        """Store the ground truth against which that rung will be scored. Raises UserError when
        other entries were scored against another one."""
        others, there = self._others(rung, seed), (self.folder / "truth.json.xz").exists()
        if others and there and self.truth() != json.loads(json.dumps(truth)):
            raise UserError(
                f"the {len(others)} other rows in {self.path} are of other validation data: "
                f"bring those back, or move the file and {self.folder} away"
            )
        self.write("truth.json.xz", truth)

    def truth(self) -> dict[str, Any]:
        """Plain COCO ground truth of the validation pictures."""
        return self.read("truth.json.xz")

    def keep(self, name: str, results: Sequence[Mapping[str, Any]], preset: str, seed: int) -> None:
        """Store what a run predicted on the validation pictures: how it matches the truth, and for
        `WHOLE` seeds all of it."""
        truth = self.truth()
        found = {kind: match(truth, results, preset, kind) for kind in KINDS}
        packed = {kind: [one.pack() for one in classes] for kind, classes in found.items()}
        self.write(matches_file(name), packed)
        if seed in WHOLE:
            self.write(name, pack_results(results))

    def matches(self, predictions: str, kind: Kind) -> list[ClassMatches]:
        """How an entry's predictions match the truth, class by class."""
        return [ClassMatches.unpack(one) for one in self.read(matches_file(predictions))[kind]]

    def results(self, entry: Entry) -> list[dict[str, Any]]:
        """COCO results of an entry, as they were scored; those of seeds in `WHOLE` are stored."""
        return unpack_results(self.read(entry.predictions), self.truth())

    def write(self, name: str, content: Any) -> None:
        """Store JSON, packed; equal content gives equal bytes."""
        packed = lzma.compress(json.dumps(content, separators=(",", ":")).encode(), preset=9)
        make_folder(self.folder)
        replace_file(self.folder / name, lambda file: file.write(packed))

    def read(self, name: str) -> Any:
        """What `write` stored. Raises UserError when it is damaged."""
        try:
            return json.loads(lzma.decompress((self.folder / name).read_bytes()))
        except (lzma.LZMAError, EOFError, ValueError) as error:
            where = self.folder / name
            raise UserError(f"{where} is damaged ({error}): measure its row again") from error

    def _others(self, rung: str, seed: int) -> list[Entry]:
        return [e for e in self.entries() if (e.rung, e.seed) != (rung, seed)]


def references(preset: Preset, folder: Path = REFERENCE) -> list[Reference]:
    """All measured ladders of a preset, by the name of the file."""
    return [Reference(path) for path in sorted(folder.glob(f"{preset}-*.json"))]


def matches_file(predictions: str) -> str:
    """Where the matches lie of the predictions in a file of that name."""
    return predictions.replace(".json.xz", "-matches.json.xz")


def pack_results(results: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """COCO results by column, masks a third smaller than as run lengths.

    masks: black-and-white TIFFs (CCITT group 4, which codes how a row differs from the one above),
    `STACKED` masks on each, one below the other. rows: first row in the picture and number of rows
    of each; the others show nothing of it.
    """
    columns: dict[str, list[Any]] = {key: [r[key] for r in results] for key in COLUMNS}
    columns |= {"rows": [], "masks": []}
    for start in range(0, len(results), STACKED):
        strips = []
        for result in results[start : start + STACKED]:
            mask = result["segmentation"]
            _, top, _, height = rle.bbox(mask)
            rows, width = (top, max(height, 1)), mask["size"][1]
            columns["rows"].append(rows)
            strips.append(rle.decode_box(mask, (0, rows[0], width, rows[1])))
        widest = max(strip.shape[1] for strip in strips)
        stack = [np.pad(strip, ((0, 0), (0, widest - strip.shape[1]))) for strip in strips]
        file = io.BytesIO()
        Image.fromarray(np.concatenate(stack)).save(file, "TIFF", compression="group4")
        columns["masks"].append(base64.b64encode(file.getvalue()).decode("ascii"))
    return columns


def unpack_results(
    columns: Mapping[str, list[Any]], truth: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The results `pack_results` packed; sizes of the masks come from the truth's pictures."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    values = zip(*(columns[key] for key in COLUMNS), strict=True)
    results = [dict(zip(COLUMNS, row, strict=True)) for row in values]
    for number, packed in enumerate(columns["masks"]):
        stack = np.asarray(Image.open(io.BytesIO(base64.b64decode(packed))))
        part, end = slice(number * STACKED, (number + 1) * STACKED), 0
        for result, (top, rows) in zip(results[part], columns["rows"][part], strict=True):
            mask = np.zeros(sizes[result["image_id"]], bool)
            end += rows
            mask[top : top + rows] = stack[end - rows : end, : mask.shape[1]]
            result["segmentation"] = rle.encode(mask)
    return results


def pack_soft(found: Iterable[tuple[int, Detections]]) -> dict[str, Any]:
    """Plain values for JSON of (image id, soft detections), in the order given."""
    pairs = [(image_id, one[:KEPT]) for image_id, one in found]
    levels = [(one.masks * LEVELS).round().byte().numpy().ravel() for _, one in pairs]
    points = np.concatenate(levels)
    points = np.append(points, np.zeros(len(points) % 2, np.uint8))
    halved = (points[::2] << 4 | points[1::2]).tobytes()
    return {
        "images": [
            {
                "image_id": image_id,
                "size": list(one.image_size),
                "boxes": [[round(v, 1) for v in box] for box in one.boxes.tolist()],
                "scores": [round(score, 5) for score in one.scores.tolist()],
                "labels": one.labels.tolist(),
            }
            for image_id, one in pairs
        ],
        "side": max(one.masks.shape[-1] for _, one in pairs),
        "masks": base64.b64encode(lzma.compress(halved)).decode("ascii"),
    }


def unpack_soft(packed: Mapping[str, Any]) -> Soft:
    """What `pack_soft` stored."""
    import torch  # lists of rows do without

    from helpers.structures import Detections

    counts, side = [len(image["scores"]) for image in packed["images"]], packed["side"]
    halved = np.frombuffer(lzma.decompress(base64.b64decode(packed["masks"])), np.uint8)
    points = np.stack([halved >> 4, halved & 15], axis=1).ravel()[: sum(counts) * side * side]
    masks = torch.from_numpy(points.reshape(-1, side, side)) / LEVELS
    return {
        image["image_id"]: Detections(
            torch.tensor(image["boxes"], dtype=torch.float32).reshape(-1, 4),
            torch.tensor(image["scores"], dtype=torch.float32),
            torch.tensor(image["labels"], dtype=torch.int64),
            tuple(image["size"]),
            own,
        )
        for image, own in zip(packed["images"], masks.split(counts), strict=True)
    }
