"""Stopping on request: Interrupt Kernel, Ctrl-C and SIGTERM end a step, not the work done."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_SECONDS = 1.0  # launchers pass on a signal that the terminal has sent already


class Interrupted(KeyboardInterrupt):
    """Training stopped on request, with all it had stored. Notebooks show the sentence alone."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for this name
        return [str(self)]


class Stop:
    """A signal handler that notes that a stop was requested."""

    def __init__(self) -> None:
        self.requested = False
        self._since = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.requested and time.monotonic() - self._since > SAME_SECONDS:
            raise KeyboardInterrupt
        self._since = self._since if self.requested else time.monotonic()
        self.requested = True


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Within, the first request to stop is only noted; a later second one raises KeyboardInterrupt.

    Signals that are ignored stay so. Outside of the main thread, which alone gets signals, nothing
    is changed.
    """
    stop = Stop()
    former = {}
    if threading.current_thread() is threading.main_thread():
        former = {number: signal.getsignal(number) for number in SIGNALS}
        former = {n: old for n, old in former.items() if old not in (signal.SIG_IGN, None)}
    for number in former:
        signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number, old in former.items():
            signal.signal(number, old)
