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
from helpers.review.sources import Item, Kind
from helpers.review.store import Decision, DecisionStore, Verdict


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
        self.visible: list[Item] = []  # those that pass the filters, in order
        self.position = 0  # of the cursor among them
        self._values: dict[str, dict[str, float]] = {}  # by order and key
        self._done: list[tuple[Decision, Decision]] = []  # written, and what it replaced
        self.sort(order)

    # What is shown.

    def __len__(self) -> int:
        return len(self.visible)

    @property
    def current(self) -> Item | None:
        """The item under the cursor; None when no item passes the filters."""
        return self.visible[self.position] if self.visible else None

    @property
    def value(self) -> float:
        """What the current item is sorted by; 0 when there is none."""
        return self._values[self.order][self.current.key] if self.current else 0.0

    def progress(self) -> Progress:
        """Of the visible items."""
        found = (self.store.get(item.key).verdict for item in self.visible)
        verdicts = Counter(verdict for verdict in found if verdict)
        return Progress(len(self.visible), dict(sorted(verdicts.items())))

    @property
    def foreign(self) -> int:
        """Verdicts of the store on none of these items: on other pictures, or other masks since."""
        own = {item.key for item in self.items}
        return sum(bool(d.verdict) and d.key not in own for d in self.store.decisions.values())

    def sort(self, order: str) -> None:
        """Sort by one of `ORDERS`, highest first, and start at the first undecided item."""
        if order not in ORDERS:
            raise UserError(f"no order {order!r}: choose one of {', '.join(ORDERS)}")
        self.order = order
        if order not in self._values:
            self._values[order] = {item.key: float(ORDERS[order](item)) for item in self.items}
        self.filter(self.filters)

    def filter(self, filters: Filters) -> None:
        """Show the items that pass, and start at the first undecided one."""
        self.store.refresh()
        self.filters = filters
        values = self._values[self.order]
        self.visible = sorted(filter(self._passes, self.items), key=lambda item: -values[item.key])
        self.position = 0
        if self.current and self.store.get(self.current.key).verdict:
            self.next_undecided()

    def _passes(self, item: Item) -> bool:
        wanted, verdict = self.filters, self.store.get(item.key).verdict
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
        self.go(self.position + steps)

    def go(self, position: int) -> None:
        """The cursor to a position, or the nearest there is."""
        self.position = int(np.clip(position, 0, max(len(self.visible) - 1, 0)))

    def next_undecided(self) -> bool:
        """The cursor to the next undecided item, from the start again after the end.

        Returns False, and stays, when everything is decided.
        """
        place = self._undecided_after(self.position)
        if place is not None:
            self.position = place
        return place is not None

    def peek(self) -> Item | None:
        """The item that a verdict on the current one would lead to."""
        place = self._undecided_after(self.position)
        return None if place is None else self.visible[place]

    def _undecided_after(self, cursor: int) -> int | None:
        count = len(self.visible)
        others = ((cursor + step) % count for step in range(1, count))
        return next((n for n in others if not self.store.get(self.visible[n].key).verdict), None)

    # Deciding.

    def decide(self, verdict: Verdict) -> Item | None:
        """Write a verdict on the current item, then go to the next undecided; returns the item.

        A note stays. Returns None where there is nothing to decide. Raises OSError when the
        decision cannot be written; the cursor stays then.
        """
        item = self.current
        if item is not None:
            self._write(item, verdict, self.store.get(item.key).note)
            self.next_undecided()
        return item

    def annotate(self, note: str, key: str | None = None) -> Item | None:
        """Write a note on the current item, or that of a key; its verdict and the cursor stay."""
        item = next((item for item in self.items if item.key == key), self.current)
        if item is not None and note != self.store.get(item.key).note:
            self._write(item, self.store.get(item.key).verdict, note)
        return item

    def undo(self) -> Item | None:
        """Take back the last verdict or note of this queue and go to its item.

        Returns None when there is nothing (more) to take back. Raises UserError when somebody
        else has decided the item since: theirs stays.
        """
        if not self._done:
            return None
        written, replaced = self._done[-1]
        self.store.refresh()
        item = next(item for item in self.items if item.key == written.key)
        if item in self.visible:
            self.position = self.visible.index(item)
        if self.store.get(written.key) != written:
            self._done.pop()
            raise UserError("this item was decided elsewhere since: undo leaves that decision")
        restored = self.store.put(written.key, replaced.verdict, replaced.note)
        self._done.pop()
        # What was restored bears a new time; an earlier entry of it must still be known as ours.
        self._done = [(restored if w == replaced else w, r) for w, r in self._done]
        return item

    def _write(self, item: Item, verdict: Verdict | None, note: str) -> None:
        self.store.refresh()
        replaced = self.store.get(item.key)
        self._done.append((self.store.put(item.key, verdict, note), replaced))

    def frame(self) -> pd.DataFrame:
        """One row per item, in order of the pictures, with its numbers, verdict, note and time;
        `verdict` is empty where nothing was decided."""
        rows = []
        for item in self.items:
            decision = self.store.get(item.key)
            row = {
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
                "verdict": decision.verdict or "",
                "note": decision.note,
                "time": decision.time,
                "remark": item.remark,
            }
            rows.append(row)
        table = pd.DataFrame(rows)
        for name in ("before_id", "after_id"):  # as whole numbers: floats do not hold large ids
            table[name] = pd.array([row[name] for row in rows], dtype="Int64")
        return table
