"""Stored soft predictions of several models, picture by picture, checked to be of the same data."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.data.taxonomy import Category, Taxonomy
from helpers.files import UserError, outputs_dir
from helpers.inference.stored import StoredPredictions, unpacked
from helpers.structures import Detections

_IMAGE_ID = re.compile(rb'\{"image_id":\s*(-?\d+)')


@dataclass(frozen=True)
class Member:
    """One model's stored predictions. Pictures are read one at a time, in any order.

    sizes: image id -> (height, width); places: image id -> file and byte where its line begins.
    """

    stored: StoredPredictions
    about: dict[str, Any]
    sizes: dict[int, tuple[int, int]]
    places: dict[int, tuple[Path, int]]

    @staticmethod
    def open(folder: Path) -> Member:
        """Raises UserError when the folder has no soft masks, or not of all pictures."""
        stored = StoredPredictions(folder)
        about = stored.about
        if not about.get("soft"):
            raise UserError(f"{folder} has no soft masks: predict with --soft")
        sizes = {image["id"]: (image["height"], image["width"]) for image in about["images"]}
        places = _places(folder)
        missing = len(sizes.keys() - places.keys())
        if missing:
            raise UserError(
                f"{folder} lacks {missing} of {len(sizes)} pictures: let `predict` come to its end"
            )
        return Member(stored, about, sizes, places)

    @property
    def name(self) -> str:
        """Run and data, as the folders are called."""
        return f"{self.stored.folder.parent.name}/{self.stored.folder.name}"

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes of the labels."""
        rows = (Category(c["id"], c["name"], c["supercategory"]) for c in self.about["categories"])
        return Taxonomy(tuple(rows))

    def detections(self, image_id: int) -> Detections:
        """Soft detections of one picture. KeyError for a picture that is not there."""
        path, start = self.places[image_id]
        with path.open("rb") as file:
            file.seek(start)
            line = json.loads(file.readline())
        return unpacked(line["soft"], self.sizes[image_id])


def find_folder(text: str, data: str) -> Path:
    """A folder of predictions itself, or that of the one run whose name begins so on `data`.

    Raises UserError when there is none, or more than one.
    """
    folder = Path(text).expanduser()
    if (folder / "about.json").exists():
        return folder
    store = outputs_dir() / "predictions"
    found = sorted(p.parent for p in store.glob(f"*/{data}/about.json"))
    exact = [p for p in found if p.parent.name == text]
    found = exact or [p for p in found if p.parent.name.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(p.parent.name for p in found)
        raise UserError(f"several predictions begin with {text!r}: {names}; say more of it")
    raise UserError(
        f"{text!r} is neither a folder of predictions nor a run with predictions on {data!r}: make "
        f"them with `python -m helpers predict {text} --soft`"
    )


def check_alike(members: Sequence[Member]) -> None:
    """Raises UserError when two members are the same, or saw other pictures or classes."""
    first = members[0]
    folders = [member.stored.folder.resolve() for member in members]
    if len(set(folders)) < len(folders):
        raise UserError("a model is named twice: it would only outvote the others")
    for member in members[1:]:
        if member.about["label_space"] != first.about["label_space"] or (
            member.about["categories"] != first.about["categories"]
        ):
            raise UserError(
                f"{member.name} knows other categories than {first.name} "
                f"({_difference(first, member)}): only models of the same classes can be fused"
            )
        if any(member.about[key] != first.about[key] for key in ("images", "data")):
            raise UserError(
                f"{member.name} saw other data than {first.name} ({len(member.sizes)} and "
                f"{len(first.sizes)} pictures): predict the same data set with both"
            )


def _difference(one: Member, other: Member) -> str:
    names = [[f"{c['id']} {c['name']}" for c in m.about["categories"]] for m in (one, other)]
    pairs = [(b, a) for a, b in zip(*names, strict=False) if a != b]
    if pairs:
        return "for example {!r} in place of {!r}".format(*pairs[0])
    return f"{len(names[1])} and {len(names[0])} of them"


def _places(folder: Path) -> dict[int, tuple[Path, int]]:
    """Where each whole line begins; the first of several for one picture counts."""
    places: dict[int, tuple[Path, int]] = {}
    for path in sorted(folder.glob("part-*.jsonl")):
        start = 0
        with path.open("rb") as file:
            for line in file:
                found = _IMAGE_ID.match(line)
                if found and line.endswith(b"\n"):
                    places.setdefault(int(found[1]), (path, start))
                start += len(line)
    return places
