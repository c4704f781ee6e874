"""The review widget: a view on a queue. It sends commands; Python answers by changing traits.

>>> widget = ReviewWidget([comparison], "outputs/review.jsonl")
>>> widget            # in JupyterLab: look, press a key
>>> widget.queue.progress()

Where nobody can press keys (papermill, an exported page) a contact sheet takes its place.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image

from helpers.data import rle as rles
from helpers.data.errors import DataError
from helpers.data.pictures import read_picture
from helpers.drawing import Overlay, Panel, grid
from helpers.drawing_style import GREY, class_colour, short_name
from helpers.files import UserError
from helpers.review.queue import Filters, ReviewQueue
from helpers.review.scores import ORDERS
from helpers.review.sources import KINDS, Comparison, Item, Mask, Source
from helpers.review.store import VERDICTS, DecisionStore, ItemKey
from helpers.series.panels import square_window
from helpers.training.progress import someone_watches

HERE = Path(__file__).parent
ON_SHEET, COLUMNS = 9, 3  # items of a contact sheet


class ReviewWidget(anywidget.AnyWidget):
    """Review the items of comparisons, decisions going to a store (or the file of one).

    `queue` is the review itself, also without a browser. Raises UserError for comparisons without
    a single instance, for two of one split, and for a store that holds something else.
    """

    _esm = HERE / "widget.js"
    _css = HERE / "widget.css"

    scene = traitlets.Dict().tag(sync=True)  # the item shown; see `scene_of`
    picture = traitlets.Bytes().tag(sync=True)
    ahead = traitlets.Dict().tag(sync=True)  # the item likely to be next
    ahead_picture = traitlets.Bytes().tag(sync=True)
    status = traitlets.Dict().tag(sync=True)
    choices = traitlets.Dict().tag(sync=True)  # what can be filtered and sorted by

    def __init__(
        self,
        comparisons: Sequence[Comparison],
        store: DecisionStore | Path | str,
        *,
        order: str = "disagreement",
    ) -> None:
        super().__init__()
        self._comparisons = {comparison.split: comparison for comparison in comparisons}
        items = [item for comparison in comparisons for item in comparison.items()]
        if len(self._comparisons) < len(comparisons) or not items:
            raise UserError(
                "give one comparison a split, with at least one instance in all of them"
            )
        store = store if isinstance(store, DecisionStore) else DecisionStore(store)
        self.queue = ReviewQueue(items, store, order=order)
        self.choices = _choices(self.queue)
        others = self.queue.foreign
        self._answer({}, f"{others} decisions of this file are of other masks" if others else "")
        self.on_msg(lambda _, command, __: self.handle(command))

    def open(self) -> None:
        """Connect to the page; not where there is nobody, whose notebook would store all of it."""
        if _watched():
            super().open()

    def handle(self, command: Mapping[str, Any]) -> None:
        """Do one command of the view, {"do": "decide", "verdict": "accept", "key": ...}.

        What goes wrong is shown in the view; a decision that is not on the disk is never passed on.
        """
        try:
            message = self._do(command)
        except (UserError, OSError) as error:
            message = str(error)
        self._answer(command, message or "")

    def _do(self, command: Mapping[str, Any]) -> str | None:
        queue, current = self.queue, self.queue.current
        match command:
            case {"do": "decide", "key": str(key)} if current and key != current.key:
                return "this item was no longer shown: nothing was written"
            case {"do": "decide", "verdict": verdict}:
                queue.decide(verdict)
            case {"do": "annotate", "note": str(note)}:
                queue.annotate(note, command.get("key"))
            case {"do": "undo"}:
                return "undone" if queue.undo() else "nothing to undo"
            case {"do": "move", "steps": int(steps)}:
                queue.move(steps)
            case {"do": "go", "position": int(position)}:
                queue.go(position)
            case {"do": "next"}:
                return None if queue.next_undecided() else "everything here is decided"
            case {"do": "sort", "order": order}:
                queue.sort(order)
            case {"do": "filter", "filters": dict(filters)}:
                queue.filter(Filters(**filters))
            case _:
                raise UserError(f"the view asked for something unknown: {dict(command)}")
        return None

    def _answer(self, command: Mapping[str, Any], message: str = "") -> None:
        """Show the current item and the state in one go, then prepare the next one."""
        scene, picture = self._scene(self.queue.current)
        message = message or scene.pop("problem", "")
        with self.hold_sync():
            self.scene, self.picture = scene, picture
            self.status = self._status(message) | {"answered": command.get("id")}
        ahead, ahead_picture = self._scene(self.queue.peek())
        with self.hold_sync():
            self.ahead, self.ahead_picture = ahead, ahead_picture

    def _scene(self, item: Item | None) -> tuple[dict[str, Any], bytes]:
        """The view's values for an item and its picture's file."""
        if item is None:
            return {}, b""
        if self.ahead.get("key") == item.key:
            return dict(self.ahead), self.ahead_picture
        comparison = self._comparisons[item.split]
        index, scene, picture = comparison.index, scene_of(comparison, item), b""
        try:
            picture = picture_bytes(index.paths[item.row], index.image_size(item.row))
        except (DataError, OSError) as error:
            scene["problem"] = str(error)
        return scene, picture

    def _status(self, message: str) -> dict[str, Any]:
        queue, item = self.queue, self.queue.current
        progress = queue.progress()
        return {
            "position": queue.position,
            "total": progress.total,
            "all": len(queue.items),
            "decided": progress.decided,
            "verdicts": progress.verdicts,
            "verdict": queue.store.get(item.key).verdict if item else None,
            "note": queue.store.get(item.key).note if item else "",
            "order": queue.order,
            "value": queue.value,
            "filters": vars(queue.filters),
            "message": message,
            "file": str(queue.store.path),
        }

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live view where there is somebody to use it; always the contact sheet."""
        bundle = {
            "image/png": base64.b64encode(self.contact_sheet()).decode(),
            "text/plain": f"review of masks: {self.queue.progress()}",
        }
        if not _watched():
            return bundle, {}
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, **bundle}, metadata

    def contact_sheet(self) -> bytes:
        """PNG of the first items of the queue, before and after close up, with their verdicts.

        Those that only one side has are shown last: there is nothing to compare.
        """
        items = sorted(self.queue.visible, key=lambda item: item.iou == 0)[:ON_SHEET]
        names = next(iter(self._comparisons.values()))
        title = (
            f"{names.before.name} | {names.after.name}: {len(items)} of "
            f"{len(self.queue)}, by {self.queue.order}; {self.queue.progress()}"
        )
        panels = []
        for item in items:
            word = self.queue.store.get(item.key).verdict
            panels += _closeups(self._comparisons[item.split], item, word or "undecided")
        blank = Panel(np.full((8, 64, 3), 255, np.uint8), "nothing to show")
        sheet = grid(panels or [blank], columns=2 * COLUMNS, alt=title, cell=2.0)
        sheet.suptitle(title, x=0.01, ha="left", fontsize=9)
        sheet.set_figheight(sheet.get_figheight() + 0.3)
        sheet.photograph = False
        return sheet.encoded()[1]


def _choices(queue: ReviewQueue) -> dict[str, Any]:
    """What the view offers, classes with their number of items."""
    classes = Counter((item.category_id, item.category) for item in queue.items)
    kinds = Counter(item.kind for item in queue.items)
    ordered = sorted(classes.items(), key=lambda pair: pair[0][1])
    return {
        "classes": [[number, name, count] for (number, name), count in ordered],
        "splits": list(dict.fromkeys(item.split for item in queue.items)),
        "kinds": [[kind, kinds[kind]] for kind in KINDS if kinds[kind]],
        "orders": list(ORDERS),
        "verdicts": ["undecided", "decided", *VERDICTS],
        "scored": any(item.score is not None for item in queue.items),
    }


def _watched() -> bool:
    """False in a kernel that runs a notebook without a person, where a live view would stay blank.

    A stored page prefers a live view over a picture, and cannot show it.
    """
    from IPython import get_ipython

    return someone_watches() or getattr(get_ipython(), "kernel", None) is None


@lru_cache(maxsize=4)  # a picture has several instances, one item after the other
def picture_bytes(path: Path, size: tuple[int, int]) -> bytes:
    """A picture of any kind as a JPEG that every browser shows right: upright and RGB.

    Raises DataError when it cannot be read, or is not of `size` (height, width).
    """
    stored = io.BytesIO()
    read_picture(path, size).save(stored, "JPEG", quality=92)
    return stored.getvalue()


def scene_of(comparison: Comparison, item: Item) -> dict[str, Any]:
    """Plain values for the view: both sources' masks of the picture, the item's numbers."""
    height, width = comparison.index.image_size(item.row)
    return {
        "key": item.key,
        "picture": f"{item.split}/{item.image_id}",
        "width": width,
        "height": height,
        "category": comparison.labels[item.category],
        "colour": class_colour(item.category_id),
        "place": ItemKey.parse(item.key).place,
        "kind": item.kind,
        "remark": item.remark,
        "numbers": {
            name: getattr(item, name) for name in ("iou", "kept", "added", "removed", "score")
        },
        "before": _side(comparison.before, item.image_id, item.before),
        "after": _side(comparison.after, item.image_id, item.after),
    }


def _side(source: Source, image_id: int, shown: Mask | None) -> dict[str, Any]:
    masks = source.of(image_id)
    focus = next((n for n, mask in enumerate(masks) if shown and mask.id == shown.id), None)
    entries = [
        {"counts": m.rle["counts"], "box": list(m.box), "colour": class_colour(m.category_id)}
        for m in masks
    ]
    return {"name": source.name, "focus": focus, "masks": entries}


def _closeups(comparison: Comparison, item: Item, word: str) -> list[Panel]:
    """The item before and after, outlined, with a little room; grey where there is no picture."""
    size = comparison.index.image_size(item.row)
    try:
        picture = read_picture(comparison.index.paths[item.row], size)
    except DataError:
        picture = Image.new("RGB", size[::-1], GREY)
    boxes = np.array([mask.box for mask in (item.before, item.after) if mask])
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    window = square_window(np.append(low, high), size)
    label = short_name(comparison.labels[item.category], length=18)
    titles = f"{label}, IoU {item.iou:.3f}", f"+{item.added} -{item.removed} px, {word}"
    panels = []
    for title, mask in zip(titles, (item.before, item.after), strict=True):
        overlay = None
        if mask:
            plane = rles.decode(mask.rle)[*window]
            overlay = Overlay(plane[None], np.zeros((1, 4)), np.array([mask.category_id]), ("",))
        panels.append(Panel(np.asarray(picture)[*window], title, overlay, fill=0.0, labels=False))
    return panels
