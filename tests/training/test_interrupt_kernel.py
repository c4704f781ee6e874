"""Interrupt Kernel in a real kernel: one sentence, a checkpoint, and the same cell goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from helpers.training.checkpoint import load_newest
from helpers.training.log import read_log

STEPS = 400
SECONDS = 240
IMPORTS = """
import sys
sys.path.insert(0, {folder!r})
from dataclasses import replace
from pathlib import Path
import toy
"""
CELL = """
config = replace(toy.CONFIG, steps={steps}, checkpoint_every=1000)
toy.train_toy(Path({run!r}), toy.make_trainer(config), batches=toy._slow_batches,
              on_log=lambda row: row["step"] == {tell} and print("under way")).step
"""


@pytest.fixture
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager, client = start_new_kernel()
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_interrupt_kernel_stores_and_the_same_cell_goes_on(toy, tmp_path, kernel):
    manager, client = kernel
    folder = str(Path(toy.__file__).parent)
    client.execute_interactive(IMPORTS.format(folder=folder), timeout=SECONDS)
    cell = CELL.format(steps=STEPS, run=str(tmp_path), tell=3)

    def interrupt(message: dict) -> None:
        if message["msg_type"] == "stream" and "under way" in message["content"]["text"]:
            manager.interrupt_kernel()

    reply = client.execute_interactive(cell, output_hook=interrupt, timeout=SECONDS)["content"]
    assert reply["ename"] == "Interrupted"
    [sentence] = reply["traceback"]
    assert f"of {STEPS}; all is stored in {tmp_path}, and the same call goes on" in sentence
    stored = load_newest(tmp_path / "checkpoints").step
    assert 3 <= stored < STEPS
    assert read_log(tmp_path / "log.csv").step.tolist() == list(range(1, stored + 1))
    reply = client.execute_interactive(cell, timeout=SECONDS)["content"]
    assert reply["status"] == "ok"
    assert read_log(tmp_path / "log.csv").step.tolist() == list(range(1, STEPS + 1))
