"""Every two-stage model of the paper's tables at full width: one step, one prediction.

SOLOv2 at full width is too slow for a CPU, whatever the picture: tests/models has a small one.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.ladder.rungs import rungs
from helpers.models.build import build_model
from helpers.structures import Targets

pytestmark = pytest.mark.slow

HEIGHT, WIDTH, KINDS = 64, 96, 34
ROWS = [row for row in rungs("paper") if row.config.model.architecture != "solov2"]
MODELS = {str((row.config.model, row.config.loss)): row for row in ROWS if row.key != "ensemble"}


def targets() -> Targets:
    masks = torch.zeros(2, HEIGHT, WIDTH, dtype=torch.bool)
    masks[0, 8:50, 10:60], masks[1, 30, 80] = True, True  # one of a single pixel
    boxes = torch.tensor([[10.0, 8, 60, 50], [80, 30, 81, 31]])
    return Targets(boxes, torch.tensor([3, 33]), masks, torch.zeros(0, 4))


@pytest.mark.parametrize("row", MODELS.values(), ids=lambda row: row.key)
def test_it_is_built_takes_a_step_and_predicts(row):
    torch.manual_seed(0)
    few = {"pre_nms_train": 50, "pre_nms_test": 50, "roi_batch": 16}
    config = replace(row.config.model, pretrained=False, **few)
    test = replace(row.config.test, score_threshold=0.0, max_detections=3, tta=None)
    model = build_model(config, row.config.loss, test, KINDS)
    images = torch.randint(0, 256, (2, 3, HEIGHT, WIDTH), dtype=torch.uint8).unbind()
    terms = model.train().losses(images, [targets(), targets()])
    sum(terms.values()).backward()
    assert all(torch.isfinite(term) for term in terms.values())
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)
    for found in model.eval().predict(images):
        assert found.image_size == (HEIGHT, WIDTH)
        assert len(found.masks) == len(found) <= 3
        assert torch.isfinite(found.masks).all()
