"""Configs: equal ones share a hash, files give them back, mistakes are named."""

import dataclasses
import json

import pytest

from helpers.config import (
    ExperimentConfig,
    TestConfig,
    TrainConfig,
    TtaConfig,
    change,
    from_dict,
    preset,
)
from helpers.config_fields import differences

PRESETS = ["quick", "bench", "paper"]


@pytest.mark.parametrize("name", PRESETS)
def test_json_gives_back_the_same_config(name):
    config = preset(name)
    again = from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert again.hash() == config.hash()


def test_the_hash_is_of_the_content_alone():
    base = preset("quick")
    assert change(base, name="other").hash() == base.hash()
    assert change(base, train__lr=0.5).hash() != base.hash()
    assert change(base, train__lr=1).hash() == change(base, train__lr=1.0).hash()
    sides = change(base, train__short_side=[100, 170])
    assert sides.hash() == change(base, train__short_side=(100, 170)).hash()
    assert len({preset(name).hash() for name in PRESETS}) == len(PRESETS)


def test_the_hash_does_not_depend_on_the_process():
    assert ExperimentConfig("a").hash() == from_dict({"name": "b"}).hash()


def test_a_config_from_before_a_field_was_added_gets_its_default():
    content = preset("bench").to_dict()
    del content["train"]["colour"]
    assert from_dict(content) == preset("bench")


def test_change_leaves_the_original_alone():
    base = preset("quick")
    changed = change(base, name="x", train__lr=0.5, model__backbone="resnet18")
    assert (changed.name, changed.train.lr, changed.model.backbone) == ("x", 0.5, "resnet18")
    assert base == preset("quick")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__lrr": 1}, r"'train\.lrr' is not a field of section 'train': .*\blr\b"),
        ({"trian__lr": 1}, r"'trian\.lr' is not a field of the config: .*train"),
        ({"lr": 1}, r"'lr' is not a field of the config"),
        ({"train__lr": "fast"}, r"TrainConfig\.lr is 'fast': it has to be float"),
        ({"train__steps": 2.5}, r"TrainConfig\.steps is 2\.5: it has to be int"),
        ({"train__short_side": (1,)}, r"TrainConfig\.short_side .* tuple\[int, int\]"),
        ({"train__precision": "half"}, r"one of auto, float32, bf16, fp16"),
        ({"train__flip": True}, r"TrainConfig\.flip is True"),
        ({"train__rotate": -5.0}, r"train\.rotate is -5\.0: it can not be below 0"),
        ({"train__short_side": (1200, 1600)}, r"up to 1600 px, but train\.max_side .* 1500"),
        ({"test__short_side": 1700}, r"up to 1700 px, but test\.max_side .* 1600"),
        ({"test__score_threshold": -0.1}, r"test\.score_threshold is -0\.1: .* between 0 and 1"),
        ({"test__score_threshold": 1.1}, r"test\.score_threshold is 1\.1: .* between 0 and 1"),
        ({"test__nms_threshold": -0.5}, r"test\.nms_threshold is -0\.5: .* between 0 and 1"),
        ({"test__nms_threshold": 50}, r"test\.nms_threshold is 50\.0: .* between 0 and 1"),
        ({"test__max_detections": 0}, r"test\.max_detections is 0: it has to be above 0"),
        ({"train__short_side": (1500, 1200)}, r"train\.short_side .* the smaller first"),
        ({"train__checkpoint_every": 0}, r"train\.checkpoint_every is 0: it has to be above 0"),
        ({"train__epochs": -1}, r"train\.epochs is -1\.0: it has to be above 0"),
        ({"train__lr": float("nan")}, r"TrainConfig\.lr is nan: it has to be a finite number"),
        ({"train__rotate": float("inf")}, r"TrainConfig\.rotate is inf: .* a finite number"),
        ({"train__flip": 1.5}, r"train\.flip is 1\.5: it has to lie between 0 and 1"),
        ({"train__flip": -0.1}, r"train\.flip is -0\.1: it has to lie between 0 and 1"),
        ({"train__colour": 1.2}, r"train\.colour is 1\.2: it has to lie between 0 and 1"),
        ({"model__anchor_ratios": ()}, r"model\.anchor_ratios is \(\): give one ratio"),
        ({"model__anchor_ratios": (1, 0)}, r"model\.anchor_ratios is \(1\.0, 0\.0\)"),
        ({"model__anchor_sizes": ()}, r"model\.anchor_sizes is \(\): give five sizes"),
        ({"model__anchor_sizes": (8, 16, 32, 64)}, r"model\.anchor_sizes .* each level P2\.\.P6"),
        ({"model__anchor_sizes": (0, 8, 16, 32, 64)}, r"model\.anchor_sizes .* above 0 px"),
        ({"model__point_levels": ()}, r"model\.point_levels is \(\): give one or more of 2, 3"),
        ({"model__point_levels": (1,)}, r"model\.point_levels is \(1,\)"),
        ({"model__point_levels": (2, 7)}, r"model\.point_levels is \(2, 7\)"),
        ({"model__point_levels": (2, 2)}, r"model\.point_levels is \(2, 2\): .* each once"),
        ({"model__mask_size": 27}, r"model\.mask_size is 27: give an even number"),
        ({"model__mask_size": 0}, r"model\.mask_size is 0: .* 2 or more"),
        ({"model__importance": 2.0}, r"model\.importance is 2\.0: .* between 0 and 1"),
        ({"model__roi_positive": -0.1}, r"model\.roi_positive is -0\.1: .* between 0 and 1"),
        ({"model__rpn_positive": 1.1}, r"model\.rpn_positive is 1\.1: .* between 0 and 1"),
        ({"model__subdivision_steps": -1}, r"model\.subdivision_steps is -1: .* below 0"),
        ({"model__subdivision_points": 0}, r"model\.subdivision_points is 0: .* above 0"),
        ({"model__mask_rois": 0}, r"model\.mask_rois is 0: it has to be above 0"),
        ({"model__mask_head_convs": -1}, r"model\.mask_head_convs is -1: .* below 0"),
        ({"loss__gamma": 0.5}, r"loss\.gamma is 0\.5: .* at least 1, .* the gradient is NaN"),
        ({"loss__gamma": -1.0}, r"loss\.gamma is -1\.0: it has to be 0 \(no focus\) or at least 1"),
        ({"loss__mask_weight": -1.0}, r"loss\.mask_weight is -1\.0: it can not be below 0"),
        ({"model__solov2": {"focal_gamma": 0.5}}, r"solov2\.focal_gamma is 0\.5: .* NaN"),
        ({"train__warmup_factor": 1.5}, r"train\.warmup_factor is 1\.5: .* between 0 and 1"),
        ({"train__milestones": (32, 40)}, r"train\.milestones .* shares of the run"),
        ({"train__steps": 5}, r"train\.steps is 5 and train\.epochs is 44\.0: give exactly one"),
        ({"train__epochs": None}, r"give exactly one"),
        ({"train": {"lr": 1}}, r"ExperimentConfig\.train is .*TrainConfig"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        change(preset("paper"), **changes)


@pytest.mark.parametrize("threshold", [0, 1])
def test_thresholds_may_keep_all_or_nothing(threshold):
    test = TestConfig(score_threshold=threshold, nms_threshold=threshold, max_detections=1)
    assert (test.score_threshold, test.nms_threshold) == (threshold, threshold)


def test_an_unknown_preset():
    with pytest.raises(ValueError, match="choose one of quick, released, bench, paper"):
        preset("fast")


def test_sections_check_themselves():
    with pytest.raises(ValueError, match=r"TrainConfig\.workers"):
        TrainConfig(workers="many")


def test_a_field_at_its_default_has_no_part_in_the_hash():
    """So a config keeps its run when a later version knows one field more."""
    assert differences(preset("quick"), preset("quick")) == {}
    changed = change(preset("quick"), train__lr=0.5, test__tta=TtaConfig())
    assert differences(changed, preset("quick")) == {
        "train": {"lr": 0.5},
        "test": {"tta": dataclasses.asdict(TtaConfig())},
    }
