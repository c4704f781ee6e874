"""The ensemble of Table 3 in two passes: the runs' mask heads asked again, in the fused boxes.

Unlike the other ways this needs the models; its predictions are stored, so that its score can be
computed again without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from helpers.config import TestConfig
from helpers.inference.ensemble import CALIBRATED, Member, fuse_two_pass, member_of
from helpers.inference.predict import Pictures, to_results
from helpers.inference.tta import TwoStage
from helpers.ladder.ensemble import LETTERS, Members
from helpers.run_store import Run
from helpers.training.processes import this_process


@torch.no_grad()
def two_pass_results(
    members: Members, runs: Sequence[Run], *, test: TestConfig
) -> list[dict[str, Any]]:
    """COCO results on the validation pictures.

    What the members found is theirs, test-time augmentation and all; their mask heads answer for
    the fused boxes at the one size of `test`. runs: those of the members, in their order.
    """
    device = this_process().device
    models = [run.model().to(device) for run in runs]
    weights = [members.learnt[letter][1] for letter in LETTERS]
    results = []
    pictures = Pictures(runs[0].index("val"), replace(test, tta=None))
    for picture in map(pictures.__getitem__, range(len(pictures))):
        [image] = picture.images
        heads = [
            member_of(model, image.to(device), picture.size).head
            if isinstance(model, TwoStage)
            else None
            for model in models
        ]
        found = members.found(LETTERS, picture.image_id)
        seen = [Member(one, head) for one, head in zip(found, heads, strict=True)]
        fused = fuse_two_pass(seen, weights=weights, config=CALIBRATED)
        results += to_results(fused, picture.image_id, members.taxonomy)
    return results
