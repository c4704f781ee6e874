"""The comparison with detectron2, as far as it can be tested without detectron2."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from helpers.files import UserError
from helpers.structures import Detections
from helpers.tools import compare
from helpers.tools.compare import agreement
from helpers.tools.detectron2_live import has_detectron2, reference_detections


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
    boxes = found().boxes.clone()
    boxes[0, 0] += 0.5
    masks = torch.ones(3, 8, 8)
    masks[1, :, :4] = 0
    other = found(boxes=boxes, masks=masks, scores=torch.tensor([0.9, 0.7, 0.38]))
    apart = agreement(found(), other)
    assert apart["paired"] == 3
    assert apart["box"] == 0.5
    assert apart["score"] == pytest.approx(0.02)
    assert apart["mask_iou"] == pytest.approx(0.5, abs=0.01)


def test_another_class_or_place_is_no_pair():
    other = found(labels=torch.tensor([0, 0, 1]))
    assert agreement(found(), other)["paired"] == 2
    none = agreement(found(), found(boxes=found().boxes + 100))
    assert none["paired"] == 0
    assert none["box"] != none["box"]


def test_nothing_found_by_either():
    empty = found()[:0]
    assert agreement(empty, empty)["paired"] == 0
    assert agreement(found(), empty) | {"box": 0, "score": 0, "mask_iou": 0} == {
        "ours": 3, "theirs": 0, "paired": 0, "box": 0, "score": 0, "mask_iou": 0
    }  # fmt: skip


class StandIn(nn.Module):
    """Answers as detectron2's models do, and remembers what it was given."""

    input_format = "BGR"

    def inference(self, inputs, *, do_postprocess):
        assert not do_postprocess
        self.given = inputs[0]["image"]
        ours = found()
        return [
            SimpleNamespace(
                has=lambda name: True,
                pred_boxes=SimpleNamespace(tensor=ours.boxes),
                scores=ours.scores,
                pred_classes=ours.labels,
                pred_masks=ours.masks[:, None],
            )
        ]


def test_the_reference_gets_its_channel_order_and_its_answer_becomes_detections():
    image = torch.arange(3, dtype=torch.uint8).view(3, 1, 1).expand(3, 64, 64)
    model = StandIn()
    answer = reference_detections(model, image)
    assert model.given[:, 0, 0].tolist() == [2, 1, 0]
    assert agreement(answer, found())["paired"] == 3
    assert answer.image_size == (64, 64)
    model.input_format = "RGB"
    reference_detections(model, image)
    assert model.given[:, 0, 0].tolist() == [0, 1, 2]


def test_both_are_timed_in_turns_after_a_first_run_each():
    calls = []

    class Ours:
        def predict(self, images):
            calls.append("here")

    class Theirs(StandIn):
        def inference(self, inputs, *, do_postprocess):
            calls.append("detectron2")
            return super().inference(inputs, do_postprocess=do_postprocess)

    taken = compare.Pair(Ours(), Theirs()).seconds(torch.zeros(3, 64, 64), repeats=2)
    assert calls == ["here", "detectron2"] * 3
    assert taken.keys() == {"detectron2", "here"}
    assert taken["detectron2"] > taken["here"] > 0


def test_an_unknown_golden_file_names_those_there_are():
    before = list(sys.path)
    with pytest.raises(UserError, match="there are cascade_r50, maskrcnn_r50, pointrend_r50"):
        compare.golden_table("resnet")
    assert sys.path == before


@pytest.mark.slow
def test_the_golden_table_is_what_the_script_prints():
    table = compare.golden_table("maskrcnn_r50")
    assert table["passed"].all()
    assert {"boxes", "scores", "mask_areas", "loss_loss_mask"} <= set(table.index)
    assert (table["worst"] <= table["tolerance"]).all()


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
