"""The comparison with detectron2; what needs the library itself runs where it is installed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.files import UserError
from helpers.structures import Detections
from helpers.tools import compare
from helpers.tools.compare import agreement
from helpers.tools.detectron2_live import has_detectron2


def found(**changes) -> Detections:
    boxes = torch.tensor([[2.0, 2, 22, 22], [30, 5, 50, 45], [5, 30, 25, 60]])
    given = Detections(
        boxes, torch.tensor([0.9, 0.7, 0.4]), torch.tensor([1, 0, 1]), (64, 64), torch.ones(3, 8, 8)
    )
    return replace(given, **changes)


def test_equal_detections_agree_in_any_order():
    same = agreement(found(), found()[torch.tensor([2, 0, 1])])
    assert same == {"ours": 3, "theirs": 3, "paired": 3, "box": 0, "score": 0, "mask_iou": 1}


def test_the_worst_of_each_is_told():
    boxes, masks = found().boxes.clone(), torch.ones(3, 8, 8)
    boxes[0, 0] += 0.5
    masks[1, :, :4] = 0
    other = found(boxes=boxes, masks=masks, scores=torch.tensor([0.9, 0.7, 0.38]))
    apart = agreement(found(), other)
    assert (apart["paired"], apart["box"]) == (3, 0.5)
    assert apart["score"] == pytest.approx(0.02)
    assert apart["mask_iou"] == pytest.approx(0.5, abs=0.01)


def test_an_unknown_golden_file_names_those_there_are():
    with pytest.raises(UserError, match="there are cascade_r50, maskrcnn_r50, pointrend_r50"):
        compare.golden_table("resnet")


@pytest.mark.skipif(not has_detectron2(), reason="detectron2 is not installed")
@pytest.mark.parametrize("name", ["maskrcnn_r50", "pointrend_r50", "cascade_r50"])
def test_detectron2_itself_finds_the_same(name: str):
    pair = compare.golden_pair(name)
    image = torch.randint(0, 256, (3, 256, 320), generator=torch.Generator().manual_seed(0))
    both = pair.detect(image.to(torch.uint8))
    apart = agreement(both["here"], both["detectron2"])
    assert apart["paired"] == apart["theirs"] == apart["ours"]
    assert apart["box"] < 0.05
    assert apart["score"] < 1e-3
