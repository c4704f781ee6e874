"""Two sources of masks of the same pictures, paired instance by instance into items for review.

A source is whatever gives masks: annotations as they came or corrected, a run's predictions.
"before" is what stands now, "after" what may replace it; between models they are just A and B.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from helpers.data import rle as rles
from helpers.data.index import InstanceIndex
from helpers.data.rle import Rle
from helpers.files import UserError
from helpers.review.store import ItemKey

SEEN = 0.1  # mask IoU from which two instances can be a pair
SAME = 0.5  # and from which two of one class are paired before all others

Kind = Literal["changed", "same", "only before", "only after"]
KINDS: tuple[Kind, ...] = ("changed", "same", "only before", "only after")


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
    """Masks by image id, and what the review calls them."""

    name: str
    masks: Mapping[int, tuple[Mask, ...]]

    def of(self, image_id: int) -> tuple[Mask, ...]:
        """The masks of a picture, none for one it does not know."""
        return self.masks.get(image_id, ())


@dataclass(frozen=True)
class Item:
    """One thing to decide: a mask before and after; one of them is None where it has no partner.

    kept, added, removed: pixels of both masks, of the new one alone, of the old one alone.
    """

    key: str
    split: str
    row: int  # of the picture in its index
    image_id: int
    category_id: int
    category: str
    before: Mask | None
    after: Mask | None
    kept: int
    added: int
    removed: int
    remark: str = ""

    @property
    def iou(self) -> float:
        union = self.kept + self.added + self.removed
        return self.kept / union if union else 0.0

    @property
    def kind(self) -> Kind:
        if self.before is None or self.after is None:
            return "only after" if self.before is None else "only before"
        same = self.iou == 1 and self.before.category_id == self.after.category_id
        return "same" if same else "changed"

    @property
    def shown(self) -> Mask:
        """The old mask, or the new one where there is no old one."""
        return self.before or self.after  # type: ignore[return-value]

    @property
    def score(self) -> float | None:
        """Confidence of the new mask, else of the old one; None for annotations."""
        scores = [m.score for m in (self.after, self.before) if m and m.score is not None]
        return scores[0] if scores else None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two sources over the pictures of an index, and how their instances are paired.

    pairing: "id" (annotations that kept their ids) or "iou" (anything else). remarks: a few words
    on an annotation by (image id, id in either source).
    """

    index: InstanceIndex
    before: Source
    after: Source
    split: str = "train"
    pairing: Literal["id", "iou"] = "id"
    remarks: Mapping[tuple[int, int], str] = field(default_factory=dict)

    def items(self) -> list[Item]:
        """All pairs and all instances without a partner, in the order of the pictures."""
        names = {c.id: c.name for c in self.index.taxonomy.classes}
        found = []
        for row, image_id in enumerate(self.index.image_ids.tolist()):
            before, after = self.before.of(image_id), self.after.of(image_id)
            pair = _by_id if self.pairing == "id" else _by_iou
            found += [self._item(row, image_id, a, b, names) for a, b in pair(before, after)]
        return found

    def _item(
        self, row: int, image_id: int, before: Mask | None, after: Mask | None, names: dict
    ) -> Item:
        shown = before or after
        kept, added, removed = _overlap(before, after)
        remarks = [self.remarks.get((image_id, shown.id), "")]
        if before and after and before.category_id != after.category_id:
            remarks.append(f"{names[before.category_id]} → {names[after.category_id]}")
        return Item(
            key=str(item_key(self.split, image_id, before, after)),
            split=self.split,
            row=row,
            image_id=image_id,
            category_id=shown.category_id,
            category=names[shown.category_id],
            before=before,
            after=after,
            kept=kept,
            added=added,
            removed=removed,
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
    return Source(name, found)


def predictions_of(
    results: Sequence[Mapping[str, Any]], index: InstanceIndex, *, name: str, score: float = 0.3
) -> Source:
    """COCO results of at least `score` with category ids of the index's label space.

    A result has no id: its position in `results` serves. Raises UserError for a class that the
    index does not know, UserError for a mask that can not be read.
    """
    known = {c.id for c in index.taxonomy.classes}
    found: dict[int, list[Mask]] = defaultdict(list)
    for place, result in enumerate(results):
        if result["category_id"] not in known:
            raise UserError(
                f"result {place} of {name} has the category {result['category_id']}, which the "
                "annotations do not know: give the predictions of a model trained on these classes"
            )
        if result["score"] >= score:
            packed, area, box = rles.examine(result["segmentation"])
            mask = Mask(place, result["category_id"], packed, box, area, float(result["score"]))
            found[int(result["image_id"])].append(mask)
    return Source(name, {image: tuple(masks) for image, masks in found.items()})


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


Pairs = list[tuple[Mask | None, Mask | None]]


def _by_id(before: Sequence[Mask], after: Sequence[Mask]) -> Pairs:
    old, new = ({mask.id: mask for mask in masks} for masks in (before, after))
    return [(old.get(n), new.get(n)) for n in dict.fromkeys([*old, *new])]


def _by_iou(before: Sequence[Mask], after: Sequence[Mask]) -> Pairs:
    """Greedy: first those of one class that overlap well, best first, then all that overlap."""
    overlap = rles.iou([m.rle for m in before], [m.rle for m in after])
    same = np.equal.outer([m.category_id for m in before], [m.category_id for m in after])
    rank = overlap + (same & (overlap >= SAME))
    partner: dict[int, int] = {}
    for place in np.argsort(-rank, axis=None, kind="stable"):
        i, j = np.unravel_index(int(place), rank.shape)
        if overlap[i, j] < SEEN and rank[i, j] < 1:
            break
        if i not in partner and j not in partner.values():
            partner[int(i)] = int(j)
    pairs: Pairs = [
        (mask, after[partner[i]] if i in partner else None) for i, mask in enumerate(before)
    ]
    taken = set(partner.values())
    return pairs + [(None, mask) for j, mask in enumerate(after) if j not in taken]


def _overlap(before: Mask | None, after: Mask | None) -> tuple[int, int, int]:
    """Pixels kept, added, removed."""
    if before is None or after is None:
        return 0, after.area if after else 0, before.area if before else 0
    if before.rle["counts"] == after.rle["counts"]:
        return before.area, 0, 0
    kept = rles.area(rles.merge([before.rle, after.rle], intersect=True))
    return kept, after.area - kept, before.area - kept
