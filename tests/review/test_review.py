"""The queue: order, filters, verdicts, undo, progress; navigation never decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.files import UserError
from helpers.review.queue import Filters, ReviewQueue
from helpers.review.scores import ORDERS
from helpers.review.store import DecisionStore
from tests.review import review_data


@pytest.fixture
def queue(tmp_path: Path) -> ReviewQueue:
    items = review_data.comparison(tmp_path).items()
    return ReviewQueue(items, DecisionStore(tmp_path / "d.jsonl"))


def ids(queue: ReviewQueue) -> list[int]:
    return [item.shown.id for item in queue.visible]


def test_orders(queue: ReviewQueue):
    expected = {
        "disagreement": [4, 9, 1, 3, 2],
        "changed pixels": [9, 4, 1, 3, 2],
        "size": [1, 3, 2, 9, 4],
        "picture": [1, 2, 3, 4, 9],
    }
    for order in ORDERS:
        queue.sort(order)
        assert ids(queue) == expected.get(order, ids(queue)) and queue.position == 0
        values = []
        for place in range(len(queue)):
            queue.go(place)
            values.append(queue.value)
        assert len(values) == 5 and values == sorted(values, reverse=True)
    with pytest.raises(UserError, match="choose one of disagreement"):
        queue.sort("beauty")


def test_a_verdict_leads_to_the_next_undecided_and_wraps(queue: ReviewQueue):
    queue.move(-3)
    assert queue.position == 0
    queue.move(99)
    assert queue.position == 4 and queue.store.path.read_bytes() == b""
    expected = queue.peek()
    queue.decide("accept")
    assert queue.position == 0 and queue.current == expected
    queue.decide("reject")
    assert str(queue.progress()) == "2 of 5 decided (accept 1, reject 1)"
    again = ReviewQueue(queue.items, DecisionStore(queue.store.path))
    assert again.current == queue.current and again.progress() == queue.progress()
    for _ in range(3):
        queue.decide("skip")
    assert queue.progress().decided == 5 and not queue.next_undecided() and queue.peek() is None
    queue.decide("flag")  # changing one's mind is a verdict like any other
    assert queue.progress().decided == 5 and queue.progress().verdicts["flag"] == 1


def test_undo_restores_what_was_there_and_returns(queue: ReviewQueue):
    first = queue.current
    queue.decide("accept")
    queue.go(0)
    queue.decide("reject")
    queue.go(4)
    assert queue.undo() == first and queue.current == first
    assert queue.store.get(first.key).verdict == "accept"
    assert queue.undo() == first and queue.store.get(first.key).verdict is None
    assert queue.undo() is None


def test_undo_leaves_what_somebody_else_decided(queue: ReviewQueue):
    item = queue.decide("accept")
    DecisionStore(queue.store.path).put(item.key, "reject")
    with pytest.raises(UserError, match="elsewhere"):
        queue.undo()
    assert queue.store.get(item.key).verdict == "reject" and queue.undo() is None


def test_notes_stay_with_verdicts_and_go_with_undo(queue: ReviewQueue):
    item = queue.annotate("a leg is missing")
    assert queue.current == item and queue.progress().decided == 0
    queue.decide("flag")
    queue.undo()
    decision = queue.store.get(item.key)
    assert (decision.verdict, decision.note) == (None, "a leg is missing")
    queue.undo()
    assert queue.store.get(item.key).note == ""


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(category_id=2), [3]),
        (Filters(kind="only after"), [9]),
        (Filters(split="val"), []),
        (Filters(verdict="undecided"), [9, 1, 3, 2]),
        (Filters(verdict="accept"), [4]),
        (Filters(score=0.9), [4, 9, 1, 3, 2]),  # annotations have no score to fail by
    ],
)
def test_filters(queue: ReviewQueue, filters: Filters, expected: list[int]):
    queue.decide("accept")
    queue.filter(filters)
    assert ids(queue) == expected and queue.progress().total == len(expected)
    if expected:  # what is decided stays in the list
        queue.decide("skip")
        assert ids(queue) == expected
    else:
        assert queue.current is None and queue.peek() is None and queue.decide("accept") is None


def test_a_disk_that_fails_keeps_the_cursor(queue: ReviewQueue, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr("helpers.review.store.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        queue.decide("accept")
    assert queue.position == 0 and queue.progress().decided == 0 and queue.undo() is None


def test_the_table_has_a_row_for_every_item_with_the_ids_of_the_files(tmp_path: Path):
    large = 2**60 + 1  # floats would round it
    documents = review_data.before(shift=large), review_data.after(shift=large)
    items = review_data.comparison(tmp_path, *documents).items()
    queue = ReviewQueue(items, DecisionStore(tmp_path / "d.jsonl"))
    decided = queue.decide("reject")
    queue.annotate("is no chair", decided.key)  # when the next one is shown already
    table = queue.frame()
    assert table["before_id"].isna().tolist() == [False, False, False, False, True]
    row = table[table["before_id"] == large + 4].iloc[0]
    assert (row["verdict"], row["note"], row["removed"]) == ("reject", "is no chair", 64)
    assert (table["verdict"] != "").sum() == 1
