"""The review widget: a view on a queue. It sends commands; Python answers by changing traits.

>>> widget = ReviewWidget([comparison], "outputs/review.jsonl")
>>> widget            # in JupyterLab: look, press a key
>>> widget.queue.progress()

Where nobody can press keys (papermill, an exported page) a contact sheet takes its place.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from helpers.data.errors import DataError
from helpers.files import UserError
from helpers.review.picture import contact_sheet, picture_bytes, scene_of
from helpers.review.queue import Filters, ReviewQueue
from helpers.review.scores import ORDERS
from helpers.review.sources import KINDS, Comparison, Item
from helpers.review.store import VERDICTS, DecisionStore
from helpers.training.progress import someone_watches

HERE = Path(__file__).parent
ON_SHEET = 9  # items


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
        self._made: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.choices = _choices(self.queue)
        self._answer({})
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
        if current and command.get("key", current.key) != current.key:
            return "this item was no longer shown: nothing was written"
        match command:
            case {"do": "decide", "verdict": verdict}:
                queue.decide(verdict)
            case {"do": "annotate", "note": str(note)}:
                queue.annotate(note)
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
            case {"do": "refresh"}:
                queue.store.refresh()
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
        """The view's values for an item and its picture's file; the last few are kept."""
        if item is None:
            return {}, b""
        if item.key not in self._made:
            comparison = self._comparisons[item.split]
            try:
                mime, picture = picture_bytes(comparison.index, item.row)
                scene = scene_of(comparison, item, mime=mime)
            except (DataError, OSError) as error:
                picture = b""
                scene = scene_of(comparison, item, mime="") | {"problem": str(error)}
            self._made[item.key] = scene, picture
            while len(self._made) > 4:
                del self._made[next(iter(self._made))]
        scene, picture = self._made[item.key]
        return dict(scene), picture

    def _status(self, message: str) -> dict[str, Any]:
        queue, item = self.queue, self.queue.current
        progress = queue.progress()
        return {
            "position": queue.position,
            "total": progress.total,
            "all": len(queue.items),
            "decided": progress.decided,
            "verdicts": progress.verdicts,
            "verdict": queue.store.verdict(item.key) if item else None,
            "note": queue.note(item) if item else "",
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

    def contact_sheet(self, count: int = ON_SHEET) -> bytes:
        """PNG of the first items of the queue, before and after, with their verdicts."""
        items = self.queue.visible[:count]
        verdict = self.queue.store.verdict
        shown = [(self._comparisons[i.split], i, verdict(i.key) or "") for i in items]
        names = next(iter(self._comparisons.values()))
        title = (
            f"{names.before.name} | {names.after.name}: the first {len(items)} of "
            f"{len(self.queue)} by {self.queue.order}; {self.queue.progress()}"
        )
        return contact_sheet(shown, title=title)


def _choices(queue: ReviewQueue) -> dict[str, Any]:
    """What the view offers, classes with their number of items."""
    classes = Counter((item.category_id, item.category) for item in queue.items)
    kinds = Counter(item.kind for item in queue.items)
    return {
        "classes": [
            [number, name, count]
            for (number, name), count in sorted(classes.items(), key=lambda pair: pair[0][1])
        ],
        "splits": list(dict.fromkeys(item.split for item in queue.items)),
        "kinds": [[kind, kinds[kind]] for kind in KINDS if kinds[kind]],
        "orders": list(ORDERS),
        "verdicts": ["undecided", "decided", *VERDICTS],
        "scored": any(item.score is not None for item in queue.items),
    }


def _watched() -> bool:
    """False in a kernel that runs a notebook without a person, where a live view would stay blank.

    A stored page prefers a live view over a picture, and can not show it.
    """
    from IPython import get_ipython

    return someone_watches() or getattr(get_ipython(), "kernel", None) is None
