"""What can be wrong with a data set: one error type, and a ledger of defects by kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from helpers.files import UserError

SHOWN = 10  # places listed of each kind


class DataError(UserError):
    """A data set that can not be used as it is; the message says what, where and how to mend it.

    `findings` holds the defects by kind when there is more than one thing to say.
    """

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)

    def __reduce__(self) -> tuple[type[DataError], tuple[str, tuple[Finding, ...]]]:
        return type(self), (str(self), self.findings)  # so that it survives the way from a worker


@dataclass(frozen=True)
class Kind:
    """One kind of defect: is it an error, what is it, and what to do (warning: what is done)."""

    severity: Literal["error", "warning"]
    what: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """All defects of one kind in one file: how many, and the first ten places."""

    kind: str
    severity: Literal["error", "warning"]
    what: str
    remedy: str
    total: int
    places: tuple[str, ...]

    def brief(self) -> str:
        """One line for a log: how many, and one place."""
        return f"{self.what}, {self.total} in all, as {self.places[0]}. {self.remedy}"

    def __str__(self) -> str:
        more = f"; in all {self.total}" if self.total > len(self.places) else ""
        return f"{self.what}: {'; '.join(self.places)}{more}. {self.remedy}"


def _error(what: str, remedy: str) -> Kind:
    return Kind("error", what, remedy)


def _warning(what: str, remedy: str) -> Kind:
    return Kind("warning", what, remedy)


_FIX = "Correct the file"
_DROPPED = "These annotations are left out."
_MASK_BOX = "The box of the mask is used."

KINDS = MappingProxyType(
    {
        "field": _error("missing or wrong field", f"{_FIX}."),
        "category-id-twice": _error("category id declared twice", f"{_FIX}."),
        "category-name-twice": _warning(
            "category name declared twice", "Both stay, told apart by id."
        ),
        "category-placeholder": _warning(
            "category 0 is a placeholder of the export", "It is left out."
        ),
        "category-name": _error(
            "category has another name than the classes demanded",
            "Use files of one release, or read this one with its own classes.",
        ),
        "category-order": _warning(
            "categories in another order than in the other file",
            "They are told apart by id; mind tools that count positions.",
        ),
        "image-id-twice": _error("image id declared twice", f"{_FIX}: ids must be unique."),
        "annotation-id-twice": _error("annotation id used twice", f"{_FIX}: ids must be unique."),
        "annotation-id-zero": _warning(
            "annotation id 0, which evaluators read as 'not matched'", "It gets the next free id."
        ),
        "unknown-image": _error(
            "annotation of an image that is not declared", f"{_FIX}, or add the image."
        ),
        "unknown-category": _error(
            "annotation of a category that is not declared", f"{_FIX}, or add the category."
        ),
        "crowd-value": _error("iscrowd is neither 0 nor 1", f"{_FIX}."),
        "polygon": _error("polygon that can not be drawn", "Export these masks again."),
        "polygon-short": _warning("polygon with fewer than 3 points", "The ring is left out."),
        "polygon-outside": _warning(
            "polygon partly outside of the picture", "It is cut at the border."
        ),
        "mask-missing": _warning("annotation without a mask", _DROPPED),
        "mask-empty": _warning("mask without a pixel inside the picture", _DROPPED),
        "rle-size": _error(
            "RLE size is not the picture's [height, width]",
            "Export these masks again, for these pictures.",
        ),
        "rle": _error("RLE that can not be decoded", "Export these masks again."),
        "area": _warning("area is off by more than 5 %", "The area of the mask is used."),
        "area-far": _warning(
            "area is off by more than 20 %: an outline that crosses itself?",
            "The area of the mask is used.",
        ),
        "box": _error("bbox is not four finite numbers", f"{_FIX}, or leave bbox out."),
        "box-empty": _warning("bbox without width or height", _MASK_BOX),
        "box-differs": _warning("bbox is more than 1 px off the mask", _MASK_BOX),
        "box-corners": _error(
            "most boxes look like [x1, y1, x2, y2]", "COCO wants [x, y, width, height]: convert."
        ),
        "box-shares": _warning("boxes look like shares of the picture (0 to 1)", _MASK_BOX),
        "path-escapes": _error(
            "file_name leads out of the image folder", "Use paths relative to the image folder."
        ),
        "file-missing": _error("image file not found", "Give the right image folder."),
        "file-unreadable": _error(
            "image file can not be read", "Replace it, or choose to skip bad pictures."
        ),
        "size-differs": _error(
            "image file has another size than declared", f"{_FIX} or replace the picture."
        ),
        "orientation": _warning(
            "EXIF orientation contradicts the declared size", "The tag is not applied."
        ),
        "frames": _warning("picture with more than one frame", "The first one is used."),
        "split-leak": _warning(
            "same picture in two splits",
            "Scores on it say too little: leave it out of one of them.",
        ),
        "idmap-missing": _error("id of an annotation is not in the id-map", f"{_FIX}."),
        "idmap-extra": _warning(
            "id of the id-map has no annotation (room structure, say)", "It counts as background."
        ),
        "idmap-blended": _warning(
            "id-map with blended colours (it was drawn with anti-aliasing)",
            "Correct the masks before training on them.",
        ),
        "skipped": _warning(
            "picture that can not be used", "It is left out, with its annotations."
        ),
    }
)


class Findings:
    """Collects the defects of one file, so that all are told at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._places: dict[str, list[str]] = {}
        self._totals: dict[str, int] = {}

    def add(self, kind: str, place: str) -> None:
        """Note one defect; `kind` is a key of `KINDS`, `place` says where and what was found."""
        self._totals[kind] = self._totals.get(kind, 0) + 1
        places = self._places.setdefault(kind, [])
        if len(places) < SHOWN:
            places.append(place)

    def include(self, findings: Iterable[Finding]) -> None:
        """Note defects that another ledger reported."""
        for finding in findings:
            self._totals[finding.kind] = self.total(finding.kind) + finding.total
            places = self._places.setdefault(finding.kind, [])
            places.extend(finding.places[: SHOWN - len(places)])

    def total(self, kind: str) -> int:
        return self._totals.get(kind, 0)

    def report(self) -> tuple[Finding, ...]:
        """All findings, errors first, else in the order of `KINDS`."""
        found = [
            Finding(
                name,
                kind.severity,
                kind.what,
                kind.remedy,
                self.total(name),
                tuple(self._places[name]),
            )
            for name, kind in KINDS.items()
            if name in self._totals
        ]
        return tuple(sorted(found, key=lambda f: f.severity != "error"))

    def raise_errors(self) -> None:
        """Raise one DataError that tells every error of the file, if there is any."""
        errors = [finding for finding in self.report() if finding.severity == "error"]
        if errors:
            lines = "\n  ".join(str(error) for error in errors)
            joint = " " if len(errors) == 1 else "\n  "
            raise DataError(f"{self.file}:{joint}{lines}", self.report())
