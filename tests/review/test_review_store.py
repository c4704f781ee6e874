"""No decision is ever lost: not by a kill, a torn line, a second writer, or a wrong file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.files import UserError
from helpers.review.store import DecisionStore, ItemKey

KEYS = [f"train/1/{n}/{n}/abc" for n in range(1, 4)]
WRITER = """
import sys
from helpers.review.store import DecisionStore
store, name = DecisionStore(sys.argv[1]), sys.argv[2]
for n in range(int(sys.argv[3])):
    store.put(f"train/{n}/1/1/{name}", "accept", "x" * (n % 97))
    print(n, flush=True)
"""


def writer(file: Path, name: str, count: int) -> subprocess.Popen:
    arguments = [sys.executable, "-c", WRITER, str(file), name, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_every_line_is_kept_in_order_and_the_last_about_an_item_counts(tmp_path: Path):
    store = DecisionStore(tmp_path / "a" / "decisions.jsonl")
    told = [(0, "accept", ""), (1, "flag", "ümlaut →"), (0, "reject", ""), (1, None, "")]
    for n, verdict, note in told:
        store.put(KEYS[n], verdict, note)  # in the file when this returns
        last = json.loads(store.path.read_text(encoding="utf-8").splitlines()[-1])
        assert (last["key"], last["verdict"], last["note"]) == (KEYS[n], verdict, note)
    lines = [json.loads(line) for line in store.path.read_text(encoding="utf-8").splitlines()]
    assert [(KEYS.index(line["key"]), line["verdict"], line["note"]) for line in lines] == told
    again = DecisionStore(store.path)
    assert again.decisions == store.decisions
    assert [again.get(key).verdict for key in KEYS] == ["reject", None, None]


@pytest.mark.parametrize("cut", [1, 60])
def test_a_torn_last_line_costs_that_line_only(tmp_path: Path, cut: int):
    store = DecisionStore(tmp_path / "d.jsonl")
    store.put(KEYS[0], "accept")
    store.put(KEYS[1], "accept")
    store.path.write_bytes(store.path.read_bytes()[:-cut])
    again = DecisionStore(store.path)
    assert set(again.decisions) == {KEYS[0]}
    again.put(KEYS[2], "reject")
    last = DecisionStore(store.path)
    torn_was_whole = cut == 1  # only the newline was missing
    assert set(last.decisions) == {KEYS[0], KEYS[2]} | ({KEYS[1]} if torn_was_whole else set())
    assert last.damaged == (0 if torn_was_whole else 1)


def test_two_writers_at_once_lose_nothing_and_see_each_other(tmp_path: Path):
    store = DecisionStore(tmp_path / "d.jsonl")
    writers = [writer(store.path, name, 100) for name in "ab"]
    assert [process.wait(120) for process in writers] == [0, 0]
    store.refresh()
    assert len(store.decisions) == 200 and store.damaged == 0


def test_a_killed_writer_loses_nothing_it_was_told_is_saved(tmp_path: Path):
    file = tmp_path / "d.jsonl"
    process = writer(file, "a", 5000)
    for _ in range(50):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    said = 50 + len(process.stdout.read().splitlines())
    process.wait(60)
    assert said < 5000, "it was not killed in the middle"
    assert len(DecisionStore(file).decisions) >= said


@pytest.mark.parametrize("content", ['{"images": []}\n', '{"images": []}'])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: str):
    file = tmp_path / "annotations.json"
    file.write_text(content)
    with pytest.raises(UserError, match="not a file of decisions"):
        DecisionStore(file)
    assert file.read_text() == content


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path):
    store = DecisionStore(tmp_path / "d.jsonl")
    for key in KEYS:
        store.put(key, "accept")
    store.path.write_text(store.path.read_text().splitlines()[1] + "\n")
    store.refresh()
    assert set(store.decisions) == {KEYS[1]}


def test_a_wrong_verdict_is_refused_before_anything_is_written(tmp_path: Path):
    store = DecisionStore(tmp_path / "d.jsonl")
    with pytest.raises(UserError):
        store.put(KEYS[0], "maybe")
    assert store.path.read_bytes() == b""


def test_keys_survive_their_text():
    for key in (ItemKey("a/b", 7, 3, None, "x"), ItemKey("train", -1, None, 2**60, "y")):
        assert ItemKey.parse(str(key)) == key
    assert ItemKey.parse("train/2/0/9/0d").place == "train · picture 2 · instance 0 / 9"
