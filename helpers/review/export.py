"""From decisions back to data: reviewed annotations as COCO, and a table for people.

Accepted changes are applied, all else stays as it was. The file reviewed is never written to.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.data.coco import read_index, read_json, write_document
from helpers.data.index import InstanceIndex
from helpers.data.rle import Rle
from helpers.files import UserError, existing
from helpers.review.sources import (
    Mask,
    Source,
    annotations_of,
    check_sources,
    item_key,
    predictions_of,
)
from helpers.review.store import Decision, DecisionStore, ItemKey

NAMED = 5  # decisions that could not be applied are named up to this number


@dataclass(frozen=True)
class Applied:
    """Reviewed annotations as a COCO document, and how many were replaced, added, removed, kept.

    matched: how many decisions are of these masks; left_out: those of others (another split or
    file, or masks that have changed since), which change nothing.
    """

    document: dict[str, Any]
    replaced: int
    added: int
    removed: int
    kept: int
    matched: int
    left_out: tuple[Decision, ...]

    def __str__(self) -> str:
        return (
            f"{self.replaced} annotations replaced, {self.added} added, {self.removed} removed, "
            f"{self.kept} kept; {self.told_left_out}"
        )

    @property
    def told_left_out(self) -> str:
        """What was left out, in words: how many decisions, and which were to be applied."""
        told = f"{len(self.left_out)} decisions are of other masks"
        accepted = [ItemKey.parse(d.key) for d in self.left_out if d.verdict == "accept"]
        if not accepted:
            return told
        named = [key.place for key in accepted[:NAMED]]
        named += ["..."] * (len(accepted) > NAMED)
        return f"{told}, {len(accepted)} of them accepted and not applied: {', '.join(named)}"


def apply_decisions(
    before: Path, after: Path, store: DecisionStore | Path, *, split: str = "train"
) -> Applied:
    """What was accepted of `after` put into `before`: annotations ready for training.

    before: a COCO file (fine classes); after: another, or a file of COCO results; split: what the
    review called these pictures. An accepted pair takes mask, class, area and box of `after` and
    keeps its own mask as `original_segmentation`; an instance of `after` alone is added under a new
    id; one of `before` alone is taken out, and kept under `removed_annotations`. Each decided
    annotation carries `review` (verdict, note). Decisions are bound to the masks seen: where a mask
    is another one now, nothing is applied.
    Raises UserError for files that cannot be read or that contradict each other.
    """
    store = store if isinstance(store, DecisionStore) else _existing_store(store)
    before, after = existing(before), existing(after)
    index = read_index(before, check_images=False)
    sources = annotations_of(index, name=before.name), _source(after, index)
    check_sources(*sources)
    matched, left_out = _matched(store, *sources, split)
    document = dict(read_json(before))
    annotations = {entry["id"]: entry for entry in document["annotations"]}
    fresh_id, gone, counts = int(max(0, *annotations)) + 1, [], Counter()
    for decision, old, new in matched:
        review = {"review": {"verdict": decision.verdict, "note": decision.note}}
        if old:
            annotations[old.id] = annotations[old.id] | review
        if decision.verdict != "accept" or (old and new and _equal(old, new)):
            continue
        if new is None:
            gone.append(annotations.pop(old.id))
        elif old:
            first = {"original_segmentation": annotations[old.id]["segmentation"]}
            annotations[old.id] = first | annotations[old.id] | _fields(new)
            counts["replaced"] += 1
        else:
            image_id = ItemKey.parse(decision.key).image_id
            head = {"id": fresh_id, "image_id": image_id, "iscrowd": 0}
            annotations[fresh_id] = head | _fields(new) | review
            fresh_id, counts["added"] = fresh_id + 1, counts["added"] + 1
    document["annotations"] = list(annotations.values())
    if gone:
        document["removed_annotations"] = [*document.get("removed_annotations", ()), *gone]
    return Applied(
        document=document,
        replaced=counts["replaced"],
        added=counts["added"],
        removed=len(gone),
        kept=len(annotations) - counts["replaced"] - counts["added"],
        matched=len(matched),
        left_out=tuple(left_out),
    )


def export_coco(applied: Applied, path: Path | str) -> Path:
    """Write reviewed annotations as a COCO file. Raises UserError when the file is there."""
    path = Path(path)
    if path.exists():
        raise UserError(f"{path} is there already: give another name, or remove it")
    write_document(path, applied.document)
    return path


def _existing_store(path: Path) -> DecisionStore:
    if not path.is_file():
        raise UserError(f"{path}: no such file; notebook 20_inspect_masks writes decisions")
    return DecisionStore(path)


def _source(file: Path, index: InstanceIndex) -> Source:
    """The masks of an annotation file, or all those of a file of results."""
    content = read_json(file)
    if isinstance(content, list):
        return predictions_of(content, index, name=file.name, score=-math.inf)
    return annotations_of(read_index(file, check_images=False), name=file.name)


def _matched(
    store: DecisionStore, before: Source, after: Source, split: str
) -> tuple[list[tuple[Decision, Mask | None, Mask | None]], list[Decision]]:
    """The decisions on these very masks with the masks, and all others, oldest first.

    Of several on one mask (it was paired otherwise since) the last counts.
    """
    olds, news = (
        {(image_id, m.id): m for image_id, masks in source.masks.items() for m in masks}
        for source in (before, after)
    )
    matched, left_out, seen = [], [], set()
    decisions = sorted(store.decisions.values(), key=lambda decision: decision.time, reverse=True)
    for decision in decisions:
        key = ItemKey.parse(decision.key)
        old, new = olds.get((key.image_id, key.before)), news.get((key.image_id, key.after))
        same = (old or new) and item_key(split, key.image_id, old, new) == key
        masks = {id(mask) for mask in (old, new) if mask}
        if decision.verdict and same and not masks & seen:
            matched.append((decision, old, new))
            seen |= masks
        elif decision.verdict:
            left_out.append(decision)
    return matched[::-1], left_out[::-1]


def _equal(old: Mask, new: Mask) -> bool:
    return (old.category_id, old.rle["counts"]) == (new.category_id, new.rle["counts"])


def _fields(mask: Mask) -> Mapping[str, Any]:
    return {
        "category_id": mask.category_id,
        "segmentation": Rle(size=list(mask.rle["size"]), counts=mask.rle["counts"]),
        "area": mask.area,
        "bbox": list(mask.box),
    }
