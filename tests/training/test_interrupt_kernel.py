"""Interrupt Kernel in a real kernel: one sentence, a checkpoint, and the same cell goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from helpers.training.checkpoint import load_newest
from helpers.training.log import read_log

STEPS = 400
CELL = """
import sys
sys.path.insert(0, {folder!r})
from dataclasses import replace
from pathlib import Path
import toy
config = replace(toy.CONFIG, steps={steps}, checkpoint_every=1000)
toy.train_toy(Path({run!r}), toy.make_trainer(config), batches=toy._slow_batches,
              on_log=lambda row: row["step"] == 3 and print("under way")).step
"""


@pytest.mark.slow
def test_interrupt_kernel_stores_and_the_same_cell_goes_on(toy, tmp_path):
    manager, client = start_new_kernel()
    cell = CELL.format(folder=str(Path(toy.__file__).parent), steps=STEPS, run=str(tmp_path))

    def interrupt(message: dict) -> None:
        if message["msg_type"] == "stream" and "under way" in message["content"]["text"]:
            manager.interrupt_kernel()

    try:
        reply = client.execute_interactive(cell, output_hook=interrupt, timeout=240)["content"]
        stored = load_newest(tmp_path / "checkpoints").step
        steps = read_log(tmp_path / "log.csv").step.tolist()
        again = client.execute_interactive(cell, timeout=240)["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert reply["ename"] == "Interrupted"
    [sentence] = reply["traceback"]
    assert f"of {STEPS}; all is stored in {tmp_path}, and the same call goes on" in sentence
    assert 3 <= stored < STEPS and steps == list(range(1, stored + 1))
    assert again["status"] == "ok"
    assert read_log(tmp_path / "log.csv").step.tolist() == list(range(1, STEPS + 1))
