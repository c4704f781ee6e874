"""From decisions back to data: reviewed annotations as COCO, and a table for people.

Accepted changes are applied, all else stays as it was. The file reviewed is never written to.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.data import rle as rles
from helpers.data.coco import read_json
from helpers.data.rle import Rle
from helpers.files import UserError
from helpers.review.queue import decisions_frame
from helpers.review.sources import Item, Mask, item_key
from helpers.review.store import DecisionStore, ItemKey

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Applied:
    """Reviewed annotations as a COCO document, and how many were replaced, added, removed, kept.

    foreign: decisions on other masks than these (of another split or file, or of masks that have
    changed since); they are left out.
    """

    document: dict[str, Any]
    replaced: int
    added: int
    removed: int
    kept: int
    foreign: int

    def __str__(self) -> str:
        return (
            f"{self.replaced} annotations replaced, {self.added} added, {self.removed} removed, "
            f"{self.kept} kept; {self.foreign} decisions are of other masks"
        )


def apply_decisions(
    before: Document | Path,
    after: Document | Sequence[Mapping[str, Any]] | Path,
    store: DecisionStore | Path,
    *,
    split: str = "train",
) -> Applied:
    """What was accepted of `after` put into `before`: annotations ready for training.

    before: a COCO document or its file (fine classes); after: the same, or COCO results; split:
    what the review called these pictures. An accepted pair takes mask, class, area and box of
    `after` and keeps its own mask as `original_segmentation`; an instance of `after` alone is added
    under a new id; one of `before` alone is taken out, and kept under `removed_annotations`. Each
    decided annotation carries `review` (verdict, note). Decisions are bound to the masks
    seen: where a mask is another one now, nothing is applied.
    Raises UserError for documents without annotations, UserError for masks that can not be read.
    """
    document = dict(_loaded(before))
    old = {a["id"]: dict(a) for a in _annotations(document, before)}
    new = _by_number(_loaded(after), after)
    sizes = {image["id"]: (image["height"], image["width"]) for image in document["images"]}
    store = store if isinstance(store, DecisionStore) else _existing_store(store)
    counts: Counter[str] = Counter()
    gone, fresh_id = [], max(old, default=0) + 1
    for text, decision in store.decisions.items():
        key = ItemKey.parse(text)
        if decision.verdict is None:
            continue
        size = sizes.get(key.image_id)
        pair = _pair(key, old, new, size) if key.split == split and size else None
        if pair is None:
            counts["foreign"] += 1
            continue
        review = {"verdict": decision.verdict, "note": decision.note}
        mask, accepted = pair[1], decision.verdict == "accept"
        if key.before is not None:
            old[key.before]["review"] = review
        if accepted and mask is None:
            gone.append(old.pop(key.before))
            counts["removed"] += 1
        elif accepted and key.before is None:
            head = {"id": fresh_id, "image_id": key.image_id, "iscrowd": 0, "review": review}
            old[fresh_id] = head | _fields(mask)
            fresh_id, counts["added"] = fresh_id + 1, counts["added"] + 1
        elif accepted:
            annotation = old[key.before]
            original = {"original_segmentation": annotation["segmentation"]}
            old[key.before] = annotation | _fields(mask) | original
            counts["replaced"] += 1
    document["annotations"] = list(old.values())
    if gone:
        document["removed_annotations"] = gone
    kept = len(old) - counts["replaced"] - counts["added"]
    numbers = {name: counts[name] for name in ("replaced", "added", "removed", "foreign")}
    return Applied(document, kept=kept, **numbers)


def export_coco(applied: Applied, path: Path | str) -> Path:
    """Write reviewed annotations as a COCO file. Raises UserError when the file is there."""
    return _write_new(Path(path), json.dumps(applied.document, ensure_ascii=False))


def export_csv(items: Sequence[Item], store: DecisionStore, path: Path | str) -> Path:
    """Write all items with numbers, verdicts and notes as CSV, over an older one."""
    path = Path(path)
    _replace(path, decisions_frame(items, store).to_csv(index=False))
    return path


def _loaded(source: Any) -> Any:
    return read_json(source) if isinstance(source, Path) else source


def _existing_store(path: Path) -> DecisionStore:
    if not path.is_file():
        raise UserError(f"{path}: no such file; notebook 20_inspect_masks writes decisions")
    return DecisionStore(path)


def _annotations(document: Any, source: Any) -> list[Mapping[str, Any]]:
    name = source if isinstance(source, Path) else "the document"
    if not isinstance(document, Mapping) or not {"images", "annotations"} <= document.keys():
        raise UserError(f"{name} has no 'images' and 'annotations': give a COCO annotation file")
    return document["annotations"]


def _by_number(document: Any, source: Any) -> dict[int, Mapping[str, Any]]:
    """Annotations by id, results by position."""
    if isinstance(document, Mapping):
        return {a["id"]: a for a in _annotations(document, source)}
    return dict(enumerate(document))


def _pair(
    key: ItemKey, old: Mapping[int, Any], new: Mapping[int, Any], size: tuple[int, int]
) -> tuple[Mask | None, Mask | None] | None:
    """The two masks a decision is about; None when they are not what was seen."""
    masks = []
    for number, source in ((key.before, old), (key.after, new)):
        entry = source.get(number)
        if (number is None) != (entry is None) or (entry and entry["image_id"] != key.image_id):
            return None
        masks.append(_mask(number, entry, size) if entry else None)
    return (masks[0], masks[1]) if item_key(key.split, key.image_id, *masks) == key else None


def _mask(number: int, entry: Mapping[str, Any], size: tuple[int, int]) -> Mask:
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, list):
        segmentation = rles.from_polygons(segmentation, size)
    packed, area, box = rles.examine(segmentation)
    return Mask(number, entry["category_id"], packed, box, area)


def _fields(mask: Mask) -> dict[str, Any]:
    return {
        "category_id": mask.category_id,
        "segmentation": Rle(size=list(mask.rle["size"]), counts=mask.rle["counts"]),
        "area": mask.area,
        "bbox": list(mask.box),
    }


def _write_new(path: Path, text: str) -> Path:
    if path.exists():
        raise UserError(f"{path} is there already: give another name, or remove it")
    _replace(path, text)
    return path


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
