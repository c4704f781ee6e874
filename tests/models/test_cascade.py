"""The cascade: relabelling, gradient scale, score average, one stage as the plain case."""

import dataclasses

import pytest
import torch

from helpers.config import LossConfig, TestConfig
from helpers.models.build import RoIHeads, select_detections
from helpers.models.cascade import BoxBranch, ScoredBoxes
from helpers.models.matching import label_boxes

K = 3
SIZES = [(64, 64)]


@pytest.fixture
def features() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(1, 16, 64 // s, 64 // s, requires_grad=True) for s in (4, 8, 16, 32)]


def branch(config, architecture="cascade_rcnn") -> BoxBranch:
    torch.manual_seed(0)
    made = BoxBranch(dataclasses.replace(config, architecture=architecture), LossConfig(), K)
    for stage in made.stages:
        stage.classes.weight.data.normal_(std=0.2)
    return made


def rois_of(targets, *boxes):
    given = torch.tensor(boxes, dtype=torch.float32)
    return [label_boxes(given, targets, threshold=0.5, num_classes=K)]


def test_boxes_emptied_by_a_stage_are_dropped_in_training_only(tiny, features, make_targets):
    made = branch(tiny)
    made.stages[0].deltas.weight.data.zero_()
    made.stages[0].deltas.bias.data = torch.tensor([1e4, 0, 0, 0])  # far out of the picture
    rois = rois_of(make_targets((10, 10, 30, 30, 1)), [10, 10, 30, 30], [0, 0, 9, 9])
    boxes, terms = made.losses(features, rois, SIZES)
    assert len(boxes[0]) == 0
    assert all(torch.isfinite(t) for t in terms.values())
    (scored,) = made.predict(features, [rois[0].boxes], SIZES)
    assert scored.scores.shape == (2, K)
    assert scored.boxes.shape == (2, 1, 4)
    assert torch.isfinite(scored.scores).all()


def test_the_gradient_into_the_features_is_divided_by_the_number_of_stages(
    tiny, features, make_targets
):
    targets = make_targets((10, 10, 30, 30, 1))
    rois = rois_of(targets, [10, 10, 30, 30], [0, 0, 9, 9])
    made = branch(tiny)
    made.losses(features, rois, SIZES)[1]["cls_stage0"].backward()
    scaled = features[0].grad.clone()
    features[0].grad = None
    alone = branch(tiny)
    alone.stages = alone.stages[:1]
    alone.losses(features, rois, SIZES)[1]["cls"].backward()
    torch.testing.assert_close(scaled, features[0].grad / 3)


def test_one_stage_has_boxes_per_class_and_gives_those_of_the_label(tiny, features, make_targets):
    made = branch(tiny, "mask_rcnn")
    targets = make_targets((10, 10, 30, 30, 1))
    made.stages[0].deltas.weight.data.zero_()
    made.stages[0].deltas.bias.data[4 * 1] = 10.0  # class 1 moves by its width
    rois = rois_of(targets, [10, 10, 30, 30], [0, 0, 9, 9])
    boxes, terms = made.losses(features, rois, SIZES)
    assert set(terms) == {"cls", "box_reg"}
    assert boxes[0][0].tolist() == [30, 10, 50, 30]
    assert made.predict(features, [rois[0].boxes], SIZES)[0].boxes.shape == (2, K, 4)


def test_selection_thresholds_suppresses_within_classes_and_caps():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])[:, None]
    scores = torch.tensor([[0.9, 0.0, 0.3], [0.8, 0.7, 0.0], [0.04, 0.6, 0.05]])
    scored = ScoredBoxes(scores, boxes)
    found = select_detections(scored, (64, 64), TestConfig())
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.6, 0.3])
    assert found.labels.tolist() == [0, 1, 1, 2]
    assert len(select_detections(scored, (64, 64), TestConfig(max_detections=2))) == 2
    boxes[1, 0, 2], scores[2, 1] = torch.nan, torch.inf  # rows that are not finite are left out
    found = select_detections(scored, (64, 64), TestConfig())
    assert found.scores.tolist() == pytest.approx([0.9, 0.3])


def test_boxes_a_cascade_predicts_are_labelled_anew_for_the_mask_head(tiny, make_targets):
    config = dataclasses.replace(tiny, mask_train_boxes="predicted", architecture="cascade_rcnn")
    heads = RoIHeads(config, LossConfig(), TestConfig(), K)
    rois = rois_of(make_targets((10, 10, 30, 30, 1)), [12, 10, 32, 30], [40, 40, 50, 50])
    boxes = torch.tensor([[9.0, 10, 31, 30], [70, 70, 80, 80]])
    (chosen,) = heads._predicted(rois, [boxes], SIZES)
    assert chosen.labels.tolist() == [1]  # the other one is not in the picture
    assert torch.equal(chosen.boxes, boxes[:1])
