"""Work on all cores: tasks spread over processes that end with their parent, come what may."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar


class WorkerError(OSError):
    """A worker process that was ended from outside."""


Task = TypeVar("Task")
Result = TypeVar("Result")


def available_cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def work_on(
    function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[Iterable[Result]]:
    """The results as they come, in any order, made here (jobs <= 1) or by `jobs` processes.

    Function and tasks must be picklable. When a task fails, or the block is left by an error, no
    further task is begun and the error goes on. Raises WorkerError when a process was killed.
    """
    if jobs <= 1:
        yield map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_end_with_parent) as pool:
        try:
            futures = [pool.submit(function, task) for task in tasks]
            yield (future.result() for future in as_completed(futures))
        except BrokenProcessPool:
            raise WorkerError(
                "a worker process ended abruptly, most likely for lack of memory: use fewer jobs; "
                "what is done is kept"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Ends this worker when its parent is killed: a pool's worker would wait for work for ever.

    An interrupt from the keyboard reaches all processes; only the parent answers it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
