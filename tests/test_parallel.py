"""Errors of work that is spread over processes."""

from __future__ import annotations

import os
import signal

import pytest

from helpers.data.parallel import WorkerError, work_on


def square(number: int) -> int:
    if number < 0:
        raise ValueError("no roots here")
    return number * number


def kill_oneself(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_a_task_goes_on(jobs: int):
    with pytest.raises(ValueError, match="no roots"), work_on(square, [1, -1, 2], jobs) as results:
        list(results)


def test_a_killed_worker_is_told_in_a_sentence():
    with pytest.raises(WorkerError, match="fewer jobs"), work_on(kill_oneself, [1, 2], 2) as done:
        list(done)
