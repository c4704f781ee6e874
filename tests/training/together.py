"""One of two processes: `together.py runs FOLDER` or `together.py toy FOLDER`.

runs: FOLDER holds the config of a run to train (train.json) and of one to evaluate (evaluate.json).
toy: each process writes what it saw of a disturbed toy training to `seen_<rank>.json`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from toy import CONFIG, ToyModel, batches, train_toy

from helpers import files
from helpers.config import from_dict
from helpers.training import checkpoint, log
from helpers.training.interrupt import Interrupted
from helpers.training.processes import this_process
from helpers.training.trainer import Trainer


def refuse(path: Path, write: object) -> None:
    """What any process but the main one gets for writing."""
    raise AssertionError(f"a process that is not the main one writes {path}")


def toy(folder: Path, rank: int) -> None:
    """Toy steps: at the third only the last process sees NaN, at the sixth it is asked to stop."""

    def asked(start: int):
        for step, batch in enumerate(batches(start), start=start):
            if rank == 1 and step == 5:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    this_process()  # tells accelerate to meet on the CPU
    torch.manual_seed(0)
    model = ToyModel(poison=(2,) if rank == 1 else ())
    trainer = Trainer(model, CONFIG, total=CONFIG.steps, accelerator=Accelerator())
    try:
        train_toy(folder, trainer, batches=asked)
    except Interrupted as stopped:
        weights = torch.cat([p.flatten() for p in trainer.model.parameters()]).tolist()
        seen = {"told": str(stopped), "step": trainer.step, "skipped": trainer.skipped}
        (folder / f"seen_{rank}.json").write_text(json.dumps({**seen, "weights": weights}))


def runs(folder: Path) -> None:
    from helpers.runs import get_or_train  # slow to import: the toy does without

    for name in ("train", "evaluate"):
        config = from_dict(json.loads((folder / f"{name}.json").read_text()))
        get_or_train(config, progress=False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    if rank:
        for room in (files, checkpoint, log):
            room.replace_file = refuse
    if sys.argv[1] == "runs":
        runs(Path(sys.argv[2]))
    else:
        toy(Path(sys.argv[2]), rank)
    this_process().destroy_process_group()  # its threads may abort a process that just ends
