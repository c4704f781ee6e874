"""What can be wrong with a data set: one error type, and a ledger of defects by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from helpers.files import UserError

SHOWN = 10  # places listed of each kind


class DataError(UserError):
    """A data set that cannot be used as it is; `findings` holds its defects by kind."""

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)

    def __reduce__(self) -> tuple[type[DataError], tuple[str, tuple[Finding, ...]]]:
        return type(self), (str(self), self.findings)  # so that it survives the way from a worker


# kind -> (what is wrong, how to fix it)
ERRORS = {
    "field": ("missing or wrong field", "Correct the file."),
    "id-twice": ("id used twice", "Correct the file: ids must be unique."),
    "undeclared": (
        "annotation of an image or category that is not declared",
        "Correct the file, or declare it.",
    ),
    "category-name": (
        "category has another name than the classes demanded",
        "Use files of one release, or read this one with its own classes.",
    ),
    "mask": ("mask that cannot be read", "Correct or export these masks again."),
    "polygon-form": (
        "mask that is not in COCO's form, one flat list per ring, [[x1, y1, x2, y2, ...]]",
        "Flatten the points as said at each place.",
    ),
    "box-corners": (
        "most boxes look like [x1, y1, x2, y2]",
        "COCO wants [x, y, width, height]: convert.",
    ),
    "path-escapes": (
        "file_name leads out of the image folder, and no file of that name is in it",
        "Use paths relative to the image folder.",
    ),
    "file-missing": ("image file not found", "Give the right image folder."),
    "file-unreadable": (
        "image file cannot be read",
        "Replace it, or take its entry out of the file.",
    ),
    "size-differs": (
        "image file has another size than declared",
        "Correct the file or replace the picture.",
    ),
}

# kind -> (what is odd, what is done about it)
WARNINGS = {
    "category-name-twice": ("category name declared twice", "Both stay, distinguished by id."),
    "category-placeholder": ("category 0 is a placeholder of the export", "It is left out."),
    "category-order": (
        "categories in another order than in the other file",
        "They are matched by id; mind tools that count positions.",
    ),
    "crowd-only": (
        "class with nothing but crowd regions (iscrowd 1), of which nothing is learned",
        "CVAT exports masks drawn by brush so: set iscrowd to 0 where they are single objects.",
    ),
    "mask-missing": ("annotation without a usable mask", "These annotations are left out."),
    "mask-twice": (
        "annotation given twice: same picture, class and mask",
        "All are used. Delete the copies: a perfect detector would miss every second one.",
    ),
    "polygon-short": ("polygon with fewer than 3 points", "The ring is left out."),
    "polygon-outside": ("polygon partly outside the picture", "It is cut at the border."),
    "area": ("area is off by more than 5 %", "The area of the mask is used."),
    "box-differs": ("bbox is empty or more than 1 px off the mask", "The box of the mask is used."),
    "picture-twice": (
        "picture listed under several image ids",
        "All are used. Merge them: what is annotated under one id is missing under the others.",
    ),
    "file-name": (
        "file_name is written differently from the name of the file",
        "The file found is used.",
    ),
    "orientation": ("EXIF orientation contradicts the declared size", "The tag is not applied."),
    "frames": ("picture with more than one frame", "The first one is used."),
    "split-leak": (
        "same picture in two splits",
        "Scores on it say too little: leave it out of one of them.",
    ),
    "skipped": ("picture that cannot be used", "It is left out, with its annotations."),
}

KINDS = MappingProxyType({**ERRORS, **WARNINGS})


@dataclass(frozen=True)
class Finding:
    """All defects of one kind in one file: how many, and the first ten places."""

    kind: str
    total: int
    places: tuple[str, ...]

    @property
    def severity(self) -> Literal["error", "warning"]:
        return "error" if self.kind in ERRORS else "warning"

    @property
    def what(self) -> str:
        return KINDS[self.kind][0]

    @property
    def remedy(self) -> str:
        return KINDS[self.kind][1]

    def brief(self) -> str:
        """One line for a log: how many, and one place."""
        return f"{self.what}, {self.total} in all, as {self.places[0]}. {self.remedy}"

    def __str__(self) -> str:
        more = f"; in all {self.total}" if self.total > len(self.places) else ""
        return f"{self.what}: {'; '.join(self.places)}{more}. {self.remedy}"


class Findings:
    """Collects the defects of one file, so that all are told at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._places: dict[str, list[str]] = {}
        self._totals: Counter[str] = Counter()

    def add(self, kind: str, place: str) -> None:
        """Note one defect; `kind` is a key of `KINDS`, `place` says where and what was found."""
        self.include([Finding(kind, 1, (place,))])

    def include(self, findings: Iterable[Finding]) -> None:
        """Note defects that another ledger reported."""
        for finding in findings:
            self._totals[finding.kind] += finding.total
            places = self._places.setdefault(finding.kind, [])
            places.extend(finding.places[: SHOWN - len(places)])

    def report(self) -> tuple[Finding, ...]:
        """All findings in the order of `KINDS`, errors first."""
        return tuple(
            Finding(kind, self._totals[kind], tuple(self._places[kind]))
            for kind in KINDS
            if kind in self._totals
        )

    def raise_errors(self) -> None:
        """Raise one DataError that tells every error of the file, if there is any."""
        errors = [finding for finding in self.report() if finding.severity == "error"]
        if errors:
            lines = "\n  ".join(str(error) for error in errors)
            joint = " " if len(errors) == 1 else "\n  "
            raise DataError(f"{self.file}:{joint}{lines}", self.report())
