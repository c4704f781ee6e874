"""Timing two ways of doing the same, turn by turn in one process, so that only ratios matter."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import pandas as pd

Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One path of the project, and another way to the same answer where there is one.

    ours, reference: do the work once; reference_name: whose way that is, or "".
    """

    name: str
    ours: Work
    reference: Work | None = None
    reference_name: str = ""


@dataclass(frozen=True)
class Timing:
    """Medians in milliseconds; `ratio` is ours over reference; memory: MB above what was there.

    None where there is no reference, and for memory where the system does not tell it.
    """

    name: str
    milliseconds: float
    megabytes: float | None
    reference: str
    reference_milliseconds: float | None = None
    reference_megabytes: float | None = None
    ratio: float | None = None


def measure(case: Case, *, repeats: int = 5, seconds: float = 4.0) -> Timing:
    """Both ways in turn, after one run of each to warm up: `repeats` times, or fewer in `seconds`.

    The first run of each tells its memory, and its time is thrown away.
    """
    ways = [case.ours] if case.reference is None else [case.ours, case.reference]
    memory = [_peak(work) for work in ways]
    times: list[list[float]] = [[] for _ in ways]
    began = time.perf_counter()
    while len(times[0]) < repeats and (not times[0] or time.perf_counter() - began < seconds):
        for work, spent in zip(ways, times, strict=True):
            start = time.perf_counter()
            work()
            spent.append(1000 * (time.perf_counter() - start))
    middle = [statistics.median(spent) for spent in times]
    timing = Timing(case.name, middle[0], memory[0], case.reference_name)
    if case.reference is None:
        return timing
    return replace(
        timing,
        reference_milliseconds=middle[1],
        reference_megabytes=memory[1],
        ratio=middle[0] / middle[1],
    )


def table(timings: Sequence[Timing]) -> pd.DataFrame:
    """One row a case: path, ms, MB, reference, its ms and MB, ratio."""
    columns = ["path", "ms", "MB", "reference", "its ms", "its MB", "ratio"]
    return pd.DataFrame(map(astuple, timings), columns=columns).replace("", "-")


def _peak(work: Work) -> float | None:
    """Megabytes of resident memory above the start at the worst moment of `work`; None where the
    system does not tell, as outside of Linux."""
    gc.collect()
    # glibc keeps what was freed, and new work in it would seem to need nothing
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the highest starts from now again
        start = _highest()
        work()
        return max(0.0, _highest() - start)
    except OSError:
        work()
        return None


def _highest() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
