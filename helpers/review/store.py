"""Decisions on disk: a file of JSON lines that only ever grows, replayed when it is opened.

The last line about an item counts. Each is written by one append and is on the disk before the call
returns, so neither a killed kernel nor a power cut loses one; several programs may write at once
(on a local disk). A line cut short by a crash is passed over, and the next begins on a fresh line.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from helpers.files import UserError, make_folder

Verdict = Literal["accept", "reject", "skip", "flag"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
BEGIN = b'{"key": "'  # of every line

log = logging.getLogger(__name__)


class ItemKey(NamedTuple):
    """What a decision is about; `digest` stands for the classes and masks that were seen."""

    split: str
    image_id: int
    before: int | None
    after: int | None
    digest: str

    def __str__(self) -> str:
        return "/".join("-" if part is None else str(part) for part in self)

    @property
    def place(self) -> str:
        """In words, by the ids of the files; both where they differ."""
        ids = dict.fromkeys(str(n) for n in (self.before, self.after) if n is not None)
        return f"{self.split} · picture {self.image_id} · instance {' / '.join(ids)}"

    @staticmethod
    def parse(text: str) -> ItemKey:
        """The key that reads `text`. Raises UserError when it is none."""
        try:
            split, image, *ids, digest = text.rsplit("/", 4)
            before, after = (None if number == "-" else int(number) for number in ids)
            return ItemKey(split, int(image), before, after, digest)
        except ValueError:
            raise UserError(f"{text!r} is not the key of a reviewed item") from None


@dataclass(frozen=True)
class Decision:
    """A verdict on an item, or its withdrawal (None), with a note; `time` is ISO 8601, UTC."""

    key: str
    verdict: Verdict | None
    note: str
    time: str

    @staticmethod
    def read(line: bytes) -> Decision | None:
        """The decision of one line; None where it holds something else."""
        try:
            decision = Decision(**json.loads(line))
            ItemKey.parse(decision.key)
        except (ValueError, TypeError, AttributeError):
            return None
        return decision if decision.verdict in (None, *VERDICTS) else None


class DecisionStore:
    """All decisions of one file, of whichever program. Opening a file that is not there makes it.

    Raises UserError when the file holds something else; nothing is ever overwritten.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.decisions: dict[str, Decision] = {}  # what counts for each key, withdrawn ones too
        self.damaged = 0  # lines that could not be read
        self._read = 0  # bytes
        make_folder(self.path.parent)
        if not self.path.exists():
            self.path.touch()  # what another program has made and written to meanwhile stays
        self.refresh()
        with self.path.open("rb") as file:
            foreign = not BEGIN.startswith(file.read(len(BEGIN)))
        if (foreign or self.damaged) and not self.decisions:
            raise UserError(f"{self.path} is not a file of decisions: give another path")

    def get(self, key: str) -> Decision:
        """What counts for an item; without verdict, note and time where nothing was decided."""
        return self.decisions.get(key) or Decision(key, None, "", "")

    def put(self, key: str, verdict: Verdict | None, note: str = "") -> Decision:
        """Write a decision; it is on the disk when this returns. Raises OSError when it cannot be.

        verdict None withdraws. Raises UserError for an unknown verdict.
        """
        if verdict not in (None, *VERDICTS):
            raise UserError(f"no verdict {verdict!r}: choose one of {', '.join(VERDICTS)}")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        decision = Decision(key, verdict, note, now)
        _append(self.path, json.dumps(asdict(decision), ensure_ascii=False).encode())
        self.refresh()
        return decision

    def refresh(self) -> None:
        """Read what was written since, by this or another program."""
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self._read:  # another file has taken its place
                self.decisions.clear()
                self._read, self.damaged = 0, 0
            file.seek(self._read)
            fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        lines = [line for line in whole.split(b"\n") if line.strip()]
        found = [decision for decision in map(Decision.read, lines) if decision]
        self.decisions |= {decision.key: decision for decision in found}
        if len(found) < len(lines):
            self.damaged += len(lines) - len(found)
            log.warning("%s: damaged lines were passed over: %d", self.path, self.damaged)


def _append(path: Path, line: bytes) -> None:
    """One write to the end of the file, made to last. After a torn line, a fresh one is begun."""
    with path.open("ab+", buffering=0) as file:
        torn = b""
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            torn = b"" if file.read(1) == b"\n" else b"\n"
        content = torn + line + b"\n"
        if file.write(content) != len(content):
            raise OSError(f"{path}: the disk is full; the last decision was not saved")
        os.fsync(file.fileno())
