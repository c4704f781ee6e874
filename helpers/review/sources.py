"""Two sources of masks of the same pictures, paired instance by instance into items for review.

A source is whatever gives masks: annotations as they came or corrected, a run's predictions.
"before" is what stands now, "after" what may replace it; between models they are just A and B.
All ids are those of the files.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from helpers.data import rle as rles
from helpers.data.index import InstanceIndex
from helpers.data.rle import Rle
from helpers.drawing_style import short_names
from helpers.files import UserError
from helpers.review.store import ItemKey

SEEN = 0.1  # mask IoU from which two instances can be a pair
SAME = 0.5  # and from which two of one id or class are paired before all others

Kind = Literal["changed", "same", "only before", "only after"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Pair = tuple["Mask | None", "Mask | None", float]  # and their IoU

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mask:
    """One instance of a source: its id there, class, mask, box (x, y, w, h) and area in pixels."""

    id: int
    category_id: int
    rle: Rle
    box: tuple[int, int, int, int]
    area: int
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """Masks by image id, and what the review calls them.

    classes: names by category id; files: stem of each picture's file by image id, empty where only
    ids are known.
    """

    name: str
    masks: Mapping[int, tuple[Mask, ...]]
    classes: Mapping[int, str]
    files: Mapping[int, str] = field(default_factory=dict)

    def of(self, image_id: int) -> tuple[Mask, ...]:
        """The masks of a picture, none for one it does not know."""
        return self.masks.get(image_id, ())


@dataclass(frozen=True)
class Item:
    """One thing to decide: a mask before and after; one of them is None where it has no partner.

    kept: pixels of both masks; added, removed: those of the new one alone, of the old one alone.
    """

    key: str
    split: str
    row: int  # of the picture in its index
    image_id: int
    category: str
    before: Mask | None
    after: Mask | None
    kept: int
    remark: str = ""

    @property
    def shown(self) -> Mask:
        """The old mask, or the new one where there is no old one."""
        return self.before or self.after  # type: ignore[return-value]

    @property
    def category_id(self) -> int:
        return self.shown.category_id

    @property
    def added(self) -> int:
        return self.after.area - self.kept if self.after else 0

    @property
    def removed(self) -> int:
        return self.before.area - self.kept if self.before else 0

    @property
    def iou(self) -> float:
        return self.kept / max(self.kept + self.added + self.removed, 1)

    @property
    def kind(self) -> Kind:
        if self.before is None or self.after is None:
            return "only after" if self.before is None else "only before"
        same = self.iou == 1 and self.before.category_id == self.after.category_id
        return "same" if same else "changed"

    @property
    def score(self) -> float | None:
        """Confidence of the new mask, else of the old one; None for annotations."""
        scores = [m.score for m in (self.after, self.before) if m and m.score is not None]
        return scores[0] if scores else None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two sources over the pictures of an index, and how their instances are paired.

    pairing: what counts beside overlap, "id" (annotations that kept their ids) or "iou" (the class;
    predictions have no ids). remarks: a few words on an annotation by (image id, id in either
    source).
    """

    index: InstanceIndex
    before: Source
    after: Source
    split: str = "train"
    pairing: Literal["id", "iou"] = "id"
    remarks: Mapping[tuple[int, int], str] = field(default_factory=dict)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Short names of the classes, no two alike."""
        return short_names(self.before.classes.values(), length=40)

    def items(self) -> list[Item]:
        """All pairs and all instances without a partner, in the order of the pictures.

        Pictures that `after` does not declare are left out. Raises UserError where the sources
        contradict each other, see `check_sources`.
        """
        check_sources(self.before, self.after)
        found = []
        for row, image_id in enumerate(self.index.image_ids.tolist()):
            if self.after.files and image_id not in self.after.files:
                continue
            try:
                pairs = _pairs(self.before.of(image_id), self.after.of(image_id), self.pairing)
            except UserError as error:
                raise UserError(f"picture {image_id}: {error}: give masks of its size") from None
            found += [self._item(row, image_id, pair) for pair in pairs]
        moved = [i for i in found if i.before and i.after and i.before.id != i.after.id]
        if moved and self.pairing == "id":
            where = f"other ids in {self.after.name} than in {self.before.name}"
            log.warning("%d instances have %s: paired by overlap", len(moved), where)
        return found

    def _item(self, row: int, image_id: int, pair: Pair) -> Item:
        before, after, iou = pair
        shown, names = before or after, self.before.classes
        remarks = [self.remarks.get((image_id, shown.id), "")]
        if before and after and before.category_id != after.category_id:
            remarks.append(f"{names[before.category_id]} → {names[after.category_id]}")
        return Item(
            key=str(item_key(self.split, image_id, before, after)),
            split=self.split,
            row=row,
            image_id=image_id,
            category=names[shown.category_id],
            before=before,
            after=after,
            kept=round(iou * (before.area + after.area) / (1 + iou)) if iou else 0,
            remark="; ".join(filter(None, remarks)),
        )


def annotations_of(index: InstanceIndex, *, name: str) -> Source:
    """The annotations of an index, crowd regions left out."""
    found: dict[int, tuple[Mask, ...]] = {}
    for row, image_id in enumerate(index.image_ids.tolist()):
        here = index.instances(row)
        found[image_id] = tuple(
            Mask(
                id=int(here.annotation_ids[n]),
                category_id=index.taxonomy.classes[here.labels[n]].id,
                rle=here.rles[n],
                box=tuple(int(v) for v in here.boxes[n]),
                area=int(here.areas[n]),
            )
            for n in np.flatnonzero(~here.crowd)
        )
    files = {n: path.stem for n, path in zip(index.image_ids.tolist(), index.paths, strict=True)}
    return Source(name, found, {c.id: c.name for c in index.taxonomy.classes}, files)


def predictions_of(
    results: Sequence[Mapping[str, Any]], index: InstanceIndex, *, name: str, score: float = 0.3
) -> Source:
    """COCO results of at least `score` with category ids of the index's label space.

    A result has no id: its position in `results` serves. Raises UserError for a class that the
    index does not know and for a mask that is missing or cannot be read.
    """
    classes = {c.id: c.name for c in index.taxonomy.classes}
    found: dict[int, list[Mask]] = defaultdict(list)
    for place, result in enumerate(results):
        absent = {"image_id", "category_id", "segmentation", "score"} - set(result)
        if absent:
            raise UserError(f"result {place} of {name} lacks {', '.join(sorted(absent))}")
        if result["category_id"] not in classes:
            raise UserError(
                f"result {place} of {name} has the category {result['category_id']}, which the "
                "annotations do not know: give the predictions of a model trained on these classes"
            )
        if result["score"] >= score:
            packed, area, box = rles.examine(result["segmentation"])
            mask = Mask(place, result["category_id"], packed, box, area, float(result["score"]))
            found[int(result["image_id"])].append(mask)
    masks = {image: tuple(one) for image, one in found.items()}
    return Source(name, masks, classes)


def check_sources(before: Source, after: Source) -> None:
    """Raises UserError where an id means one class or picture in `before`, another in `after`.

    Pictures that only one of them has are logged with their number.
    """
    used = {mask.category_id for masks in after.masks.values() for mask in masks}
    for number in sorted(used):
        mine, other = before.classes.get(number), after.classes.get(number)
        if mine != other:
            raise UserError(
                f"category {number} is {other!r} in {after.name}, {mine!r} in {before.name}: give "
                "both with the same categories"
            )
    ids = defaultdict(set)
    for number, stem in before.files.items():
        ids[stem].add(number)
    for number, stem in after.files.items():
        if ids.get(stem) and number not in ids[stem]:
            raise UserError(
                f"picture {stem} has the id {number} in {after.name}, {min(ids[stem])} in "
                f"{before.name}: export it again with the image ids of {before.name}"
            )
    alone = sorted(before.files.keys() ^ (after.files or before.files).keys())
    if alone:
        log.warning("%d pictures are in %s or %s alone and are not compared, id %d first",
                    len(alone), before.name, after.name, alone[0])  # fmt: skip


def correction_remarks(report: Path, file: str) -> dict[tuple[int, int], str]:
    """What a mask correction noted about single annotations, from its report.json.

    file: name of the annotation file in the report. Raises UserError when it is not there.
    """
    files = json.loads(report.read_text())["files"]
    if file not in files:
        raise UserError(f"{report} tells nothing of {file}: it knows {', '.join(files)}")
    remarks = {}
    for image, told in files[file]["changed_images"].items():
        for number, share in told["review"].items():
            remarks[int(image), int(number)] = f"changes by {share:.0%}: please look"
        for kept, dropped in told["duplicates"]:
            remarks[int(image), dropped] = f"duplicate of annotation {kept}"
        for number in told["vanished"]:
            remarks[int(image), number] = "hardly a pixel was left"
    return remarks


def item_key(split: str, image_id: int, before: Mask | None, after: Mask | None) -> ItemKey:
    """Names a pair by its ids and by what its masks are, so that a decision never passes to others.

    Where masks change later, they are a new item, still to be decided.
    """
    parts = [None if m is None else [m.category_id, m.rle["counts"]] for m in (before, after)]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    ids = (None if m is None else m.id for m in (before, after))
    return ItemKey(split, image_id, *ids, digest)


def _pairs(before: Sequence[Mask], after: Sequence[Mask], pairing: str) -> list[Pair]:
    """Greedy: first those of one id (or class) that overlap well, best first, then all that
    overlap. What shares an id but not a pixel is two things: the id was given anew."""
    overlap = rles.iou([m.rle for m in before], [m.rle for m in after])
    trait = (lambda m: m.id) if pairing == "id" else (lambda m: m.category_id)
    alike = np.equal.outer([trait(m) for m in before], [trait(m) for m in after])
    rank = overlap + (alike & (overlap >= SAME))
    olds, news = dict(enumerate(before)), dict(enumerate(after))
    pairs: dict[int, Pair] = {}
    for place in np.argsort(-rank, axis=None, kind="stable"):
        i, j = (int(n) for n in np.unravel_index(int(place), rank.shape))
        least = 0 if alike[i, j] and pairing == "id" else SEEN
        if overlap[i, j] > least and i in olds and j in news:
            pairs[i] = olds.pop(i), news.pop(j), float(overlap[i, j])
    pairs |= {i: (mask, None, 0.0) for i, mask in olds.items()}
    return [pairs[i] for i in sorted(pairs)] + [(None, mask, 0.0) for mask in news.values()]
