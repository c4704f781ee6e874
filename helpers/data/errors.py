"""What can be wrong with a data set: one error type, and a ledger of defects by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from helpers.files import UserError

SHOWN = 10  # places listed of each kind


class DataError(UserError):
    """A data set that cannot be used as it is; `findings` holds its defects by kind."""

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)

    def __reduce__(self) -> tuple[type[DataError], tuple[str, tuple[Finding, ...]]]:
        return type(self), (str(self), self.findings)  # so that it survives the way from a worker


# kind -> what is wrong (how to fix it)
ERRORS = {
    "field": "missing or wrong field (correct the file)",
    "id-twice": "id used twice (correct the file: ids must be unique)",
    "undeclared": "annotation of an undeclared image or category (correct it, or declare that)",
    "category-name": "category has another name than the classes demanded (use files of one "
    "release, or read this one with its own classes)",
    "mask": "mask that cannot be read (correct or export these masks again)",
    "mask-form": "mask that is neither RLE nor a list of flat rings, [[x1, y1, x2, y2, ...]] "
    "(put a single ring into a list, [ring]; flatten a ring of points by [v for point in ring for "
    "v in point[:2]], a ring of objects by [v for p in ring for v in (p['x'], p['y'])])",
    "box-corners": "most boxes look like [x1, y1, x2, y2] (convert to [x, y, width, height])",
    "file-missing": "image file not found (give the right image folder; names are relative to it)",
    "file-unreadable": "image file cannot be read (replace it, or take its entry out of the file)",
    "size-differs": "image file has another size than declared (correct the file or the picture)",
}

# kind -> what is odd (what is done about it)
WARNINGS = {
    "categories": "oddity of the categories (they are matched by id)",
    "crowd-only": "class of more crowd regions (iscrowd 1), of which nothing is learned, than "
    "single objects (CVAT exports masks drawn by brush so: set iscrowd to 0 where they are single "
    "objects)",
    "mask-missing": "annotation without a usable mask (it is left out)",
    "mask-twice": "annotation given twice: same picture, class and mask (all are used; delete the "
    "copies: a perfect detector would miss every second one)",
    "mask-differs": "area or bbox is off the mask, by over 5 % or 1 px (the mask's own are used)",
    "polygon": "polygon partly outside the picture, or with a ring of fewer than 3 points (it is "
    "cut at the border; such rings are left out)",
    "picture-twice": "picture listed under several image ids (all are used; merge them: what is "
    "annotated under one id is missing under the others)",
    "file-name": "file_name is written differently from the file's name (the file found is used)",
    "orientation": "EXIF orientation contradicts the declared size (the tag is not applied)",
    "frames": "picture with more than one frame (the first one is used)",
    "split-leak": "same picture in two splits (scores on it say too little: take it out of one)",
    "skipped": "picture that cannot be used (it is left out, with its annotations)",
}

KINDS = {**ERRORS, **WARNINGS}


@dataclass(frozen=True)
class Finding:
    """All defects of one kind in one file: how many, and the first ten places."""

    kind: str
    total: int
    places: tuple[str, ...]

    @property
    def is_error(self) -> bool:
        return self.kind in ERRORS

    @property
    def what(self) -> str:
        """What is wrong, and in brackets how to fix it, or what is done about it."""
        return KINDS[self.kind]

    def brief(self) -> str:
        """One line for a log: how many, and one place."""
        return f"{self.what}, {self.total} in all, as {self.places[0]}"

    def __str__(self) -> str:
        more = f"; in all {self.total}" if self.total > len(self.places) else ""
        return f"{self.what}: {'; '.join(self.places)}{more}"


class Findings:
    """Collects the defects of one file, so that all are told at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._found: dict[str, Finding] = {}

    def add(self, kind: str, place: str) -> None:
        """Note one defect; `kind` is a key of `KINDS`, `place` says where and what was found."""
        old = self._found.get(kind, Finding(kind, 0, ()))
        places = old.places if old.total >= SHOWN else (*old.places, place)
        self._found[kind] = Finding(kind, old.total + 1, places)

    def at(self, place: str) -> Callable[[str, str], None]:
        """`add` for one entry of the file: takes the kind, and the field with what is in it."""
        return lambda kind, field: self.add(kind, f"{place}, field {field}")

    def report(self) -> tuple[Finding, ...]:
        """All findings in the order of `KINDS`, errors first."""
        return tuple(self._found[kind] for kind in KINDS if kind in self._found)

    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.report() if finding.is_error)

    def raise_errors(self) -> None:
        """Raise one DataError that lists every error of the file, if there is any."""
        errors = self.errors()
        if errors:
            lines = "\n  ".join(map(str, errors))
            joint = " " if len(errors) == 1 else "\n  "
            raise DataError(f"{self.file}:{joint}{lines}", self.report())
