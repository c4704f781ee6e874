"""The review queue: which item is next, what was decided, and how to take it back. No pictures.

>>> queue = ReviewQueue(comparison.items(), DecisionStore("outputs/review.jsonl"))
>>> queue.decide("accept")   # on disk now; the cursor stands on the next undecided item
>>> queue.undo()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.files import UserError
from helpers.review.scores import ORDERS
from helpers.review.sources import Comparison, Item, Kind, Source
from helpers.review.store import Decision, DecisionStore, Verdict

__all__ = ["Comparison", "DecisionStore", "Filters", "Item", "ReviewQueue", "Source"]


@dataclass(frozen=True)
class Filters:
    """Which items are gone through; None lets all pass.

    verdict: "undecided", "decided", or a verdict; score: least confidence, of items that have one.
    """

    category_id: int | None = None
    split: str | None = None
    verdict: str | None = None
    kind: Kind | None = None
    score: float | None = None


@dataclass(frozen=True)
class Progress:
    """How far the items at hand are decided, and with which verdicts."""

    total: int
    verdicts: dict[str, int]

    @property
    def decided(self) -> int:
        return sum(self.verdicts.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{verdict} {count}" for verdict, count in self.verdicts.items())
        return f"{self.decided} of {self.total} decided" + (f" ({parts})" if parts else "")


class ReviewQueue:
    """Items in an order, a cursor, and a store of decisions.

    Filters are applied when they are set: what is decided afterwards stays in the list, so that
    going back always works. Scores of an order are computed when it is first used.
    """

    def __init__(
        self, items: Sequence[Item], store: DecisionStore, *, order: str = "disagreement"
    ) -> None:
        self.items = tuple(items)
        self.store = store
        self.filters = Filters()
        self._values: dict[str, np.ndarray] = {}
        self._done: list[tuple[Decision, Decision | None]] = []  # written, and what it replaced
        self._visible: list[int] = []  # positions in items
        self._keys: set[str] = set()  # of the visible items
        self._cursor = 0
        self.sort(order)

    # What is shown.

    @property
    def visible(self) -> list[Item]:
        """The items that pass the filters, in order."""
        return [self.items[n] for n in self._visible]

    def __len__(self) -> int:
        return len(self._visible)

    @property
    def position(self) -> int:
        """Of the cursor among the visible items, from 0."""
        return self._cursor

    @property
    def current(self) -> Item | None:
        """The item under the cursor; None when no item passes the filters."""
        return self.items[self._visible[self._cursor]] if self._visible else None

    @property
    def value(self) -> float:
        """What the current item is sorted by; 0 when there is none."""
        return (
            float(self._values[self.order][self._visible[self._cursor]]) if self._visible else 0.0
        )

    def progress(self) -> Progress:
        """Of the visible items."""
        decisions = self.store.decisions.values()
        verdicts = Counter(d.verdict for d in decisions if d.verdict and d.key in self._keys)
        return Progress(len(self._visible), dict(sorted(verdicts.items())))

    def sort(self, order: str) -> None:
        """Sort by one of `ORDERS`, highest first, and start at the first undecided item."""
        if order not in ORDERS:
            raise UserError(f"no order {order!r}: choose one of {', '.join(ORDERS)}")
        self.order = order
        if order not in self._values:
            self._values[order] = ORDERS[order](self.items)
        self.filter(self.filters)

    def filter(self, filters: Filters) -> None:
        """Show the items that pass, and start at the first undecided one."""
        self.store.refresh()
        self.filters = filters
        order = np.argsort(-self._values[self.order], kind="stable").tolist()
        self._visible = [n for n in order if self._passes(self.items[n])]
        self._keys = {self.items[n].key for n in self._visible}
        self._cursor = 0
        if self.current and self.store.verdict(self.current.key):
            self.next_undecided()

    def _passes(self, item: Item) -> bool:
        wanted, verdict = self.filters, self.store.verdict(item.key)
        return (
            wanted.category_id in (None, item.category_id)
            and wanted.split in (None, item.split)
            and wanted.kind in (None, item.kind)
            and wanted.verdict in (None, verdict, "decided" if verdict else "undecided")
            and (wanted.score is None or item.score is None or item.score >= wanted.score)
        )

    # Going through them.

    def move(self, steps: int) -> None:
        """The cursor forward (or back), not beyond the ends."""
        self.go(self._cursor + steps)

    def go(self, position: int) -> None:
        """The cursor to a position, or the nearest there is."""
        self._cursor = int(np.clip(position, 0, max(len(self._visible) - 1, 0)))

    def next_undecided(self) -> bool:
        """The cursor to the next undecided item, from the start again after the end.

        Returns False, and stays, when everything is decided.
        """
        place = self._undecided_after(self._cursor)
        if place is not None:
            self._cursor = place
        return place is not None

    def peek(self) -> Item | None:
        """The item that a verdict on the current one would lead to."""
        place = self._undecided_after(self._cursor)
        return None if place is None else self.items[self._visible[place]]

    def _undecided_after(self, cursor: int) -> int | None:
        count = len(self._visible)
        for step in range(1, count + 1):
            place = (cursor + step) % count
            if place != cursor and not self.store.verdict(self.items[self._visible[place]].key):
                return place
        return None

    # Deciding.

    def decide(self, verdict: Verdict) -> Item | None:
        """Write a verdict on the current item, then go to the next undecided; returns the item.

        A note stays. Returns None where there is nothing to decide. Raises OSError when the
        decision can not be written; the cursor stays then.
        """
        item = self.current
        if item is not None:
            self._write(item, verdict, self.note(item))
            self.next_undecided()
        return item

    def annotate(self, note: str) -> Item | None:
        """Write a note on the current item; its verdict and the cursor stay."""
        item = self.current
        if item is not None and note != self.note(item):
            self._write(item, self.store.verdict(item.key), note)
        return item

    def note(self, item: Item) -> str:
        found = self.store.get(item.key)
        return found.note if found else ""

    def undo(self) -> Item | None:
        """Take back the last verdict or note of this queue and go to its item.

        Returns None when there is nothing (more) to take back. Raises UserError when somebody
        else has decided the item since: theirs stays.
        """
        if not self._done:
            return None
        written, replaced = self._done[-1]
        self.store.refresh()
        place = next(n for n, item in enumerate(self.items) if item.key == written.key)
        if place in self._visible:
            self._cursor = self._visible.index(place)
        if self.store.decisions.get(written.key) != written:
            self._done.pop()
            raise UserError("this item was decided elsewhere since: undo leaves that decision")
        old = (replaced.verdict, replaced.note) if replaced else (None, "")
        restored = self.store.put(written.key, *old)
        self._done.pop()
        # What was restored bears a new time; an earlier entry of it must still be known as ours.
        self._done = [(restored if w == replaced else w, r) for w, r in self._done]
        return self.items[place]

    def _write(self, item: Item, verdict: Verdict | None, note: str) -> None:
        self.store.refresh()
        replaced = self.store.decisions.get(item.key)
        self._done.append((self.store.put(item.key, verdict, note), replaced))

    def frame(self) -> pd.DataFrame:
        """One row per item, in order of the pictures, with its numbers, verdict, note and time."""
        return decisions_frame(self.items, self.store)


def decisions_frame(items: Sequence[Item], store: DecisionStore) -> pd.DataFrame:
    """The items and what was decided, as a table; `verdict` is empty where nothing was."""
    rows = []
    for item in items:
        decision = store.decisions.get(item.key)
        rows.append(
            {
                "split": item.split,
                "image_id": item.image_id,
                "before_id": item.before.id if item.before else None,
                "after_id": item.after.id if item.after else None,
                "category": item.category,
                "kind": item.kind,
                "iou": round(item.iou, 4),
                "kept": item.kept,
                "added": item.added,
                "removed": item.removed,
                "score": item.score,
                "verdict": (decision.verdict or "") if decision else "",
                "note": decision.note if decision else "",
                "time": decision.time if decision else "",
                "remark": item.remark,
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"before_id": "Int64", "after_id": "Int64"}) if rows else table
