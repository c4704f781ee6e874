"""Several processes of this machine that train together, started as torchrun does, but quietly."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from tempfile import TemporaryFile

from helpers.data.parallel import WorkerError, available_cores
from helpers.training.interrupt import Stop, stoppable


def launch(command: Sequence[str], count: int) -> int:
    """Run `command` in `count` processes that find each other; returns the exit status.

    The cores are shared out, and only the first process is heard. When one fails the others are
    asked to stop, and what it said is printed. Ctrl-C and SIGTERM reach all: the status is then the
    first one's. Raises WorkerError when one was killed.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    threads = {"OMP_NUM_THREADS": str(max(1, available_cores() // count))}
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    with ExitStack() as stack:
        stop = stack.enter_context(stoppable())
        errors = stack.enter_context(TemporaryFile())  # of the processes that are not heard
        processes: list[subprocess.Popen[bytes]] = []
        for rank in map(str, range(count)):
            own = {**threads, **os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank}
            silent = {"stdout": subprocess.DEVNULL, "stderr": errors} if processes else {}
            processes.append(stack.enter_context(subprocess.Popen(command, env=own, **silent)))
            stack.callback(processes[-1].kill)
        failed = _wait(processes, stop)
        status = processes[failed or 0].returncode
        if stop.requested and status < 0:  # it was still getting ready, and had nothing to store
            raise KeyboardInterrupt
        if status < 0:
            raise WorkerError(
                f"process {failed + 1} of {count} was ended from outside (signal {-status}; 9 is "
                "often memory that ran out): the same command goes on from the last checkpoint"
            )
        if failed and not stop.requested:
            errors.seek(0)
            print(errors.read().decode(errors="replace"), end="", file=sys.stderr)
        return status


def _wait(processes: Sequence[subprocess.Popen[bytes]], stop: Stop) -> int | None:
    """Until all have ended; returns which one failed first. One that fails, or a stop, ends all."""
    while None in [p.poll() for p in processes]:
        if stop.requested or any(p.returncode for p in processes):
            break
        time.sleep(0.1)
    failed = next((number for number, p in enumerate(processes) if p.returncode), None)
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
    return failed
