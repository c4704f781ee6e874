"""Configs: equal ones share a hash, files give them back, mistakes are named."""

import dataclasses
import json

import pytest

from helpers.config import ExperimentConfig, TrainConfig, TtaConfig, change, from_dict, preset
from helpers.config_fields import differences

PRESETS = ["quick", "own", "released", "bench", "paper"]


@pytest.mark.parametrize("name", PRESETS)
def test_json_gives_back_the_same_config(name):
    config = change(preset(name), test__tta=TtaConfig(), model__solov2={"deformable": True})
    again = from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert again.hash() == config.hash()


def test_the_hash_is_of_the_content_alone():
    base = preset("quick")
    assert change(base, name="other").hash() == base.hash()
    assert change(base, train__lr=0.5).hash() != base.hash()
    assert change(base, train__lr=1).hash() == change(base, train__lr=1.0).hash()
    assert change(base, train__steps=1e2).hash() == change(base, train__steps=100).hash()
    sides = change(base, train__short_side=[100, 170])
    assert sides.hash() == change(base, train__short_side=(100, 170)).hash()
    assert len({preset(name).hash() for name in PRESETS}) == len(PRESETS)


def test_the_hash_of_a_stored_run_stays():
    """Runs are found by it: a change of the package must not change it."""
    model = {"mask_head": "pointrend", "anchor_sizes": [10, 20, 40, 80, 160]}
    data = {"train_annotations": "a.json", "label_space": "super"}
    stored = {"name": "a", "train": {"steps": 12, "epochs": None}, "model": model, "data": data}
    assert from_dict(stored).hash() == "15e6f564"


def test_a_config_from_before_a_field_was_added_gets_its_default_and_keeps_its_hash():
    content = preset("bench").to_dict()
    del content["train"]["colour"]
    assert from_dict(content) == preset("bench")
    assert differences(preset("quick"), preset("quick")) == {}
    changed = change(preset("quick"), train__lr=0.5, test__tta=TtaConfig())
    assert differences(changed, preset("quick")) == {
        "train": {"lr": 0.5},
        "test": {"tta": dataclasses.asdict(TtaConfig())},
    }


def test_change_leaves_the_original_alone():
    base = preset("quick")
    changed = change(base, name="x", train__lr=0.5, model={"backbone": "resnet18"})
    assert (changed.name, changed.train.lr, changed.model.backbone) == ("x", 0.5, "resnet18")
    assert changed.model.fpn_channels == base.model.fpn_channels  # a dict changes what it names
    wide = change(base, test__tta=TtaConfig(sizes=(200, 300)))
    assert change(wide, test={"tta": {"flip": False}}).test.tta.sizes == (200, 300)
    assert base == preset("quick")


def test_other_data_are_learnt_with_all_their_classes_unless_asked_otherwise():
    base = preset("quick")
    assert base.data.label_space == "super"
    for field in ("train_annotations", "val_annotations"):
        assert change(base, **{f"data__{field}": "mine.json"}).data.label_space == "fine"
    assert change(base, data__train_annotations=base.data.train_annotations) == base
    asked = change(base, data__train_annotations="mine.json", data__label_space="super")
    assert asked.data.label_space == "super"
    assert change(asked, train__lr=1.0).data.label_space == "super"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__lrr": 1}, r"section 'train' has no field 'lrr': .*\blr\b"),
        ({"train__lr": "fast"}, r"train\.lr is 'fast': it has to be float"),
        ({"train__steps": 2.5}, r"train\.steps is 2\.5: it has to be int"),
        ({"train__precision": "half"}, r"one of auto, float32, bf16, fp16"),
        ({"train__short_side": (1200, 1600)}, r"train\.short_side .* max_side, 1500 px"),
        ({"test__nms_threshold": 50}, r"test\.nms_threshold is 50\.0: .* between 0 and 1"),
        ({"train__lr": float("nan")}, r"train\.lr is nan: it has to be a finite number"),
        ({"model__anchor_sizes": (8, 16, 32, 64)}, r"model\.anchor_sizes .* each of P2\.\.P6"),
        ({"model__point_levels": (2, 2)}, r"model\.point_levels is \(2, 2\): .* each once"),
        ({"model__mask_size": 27}, r"model\.mask_size is 27: give an even number"),
        ({"loss__gamma": 0.5}, r"loss\.gamma is 0\.5: .* at least 1, .* the gradient is NaN"),
        ({"test__tta": {"sizes": (9, 9)}}, r"tta\.sizes is \(9, 9\): give different"),
        ({"train__milestones": (32, 40)}, r"train\.milestones is 32\.0: .* between 0 and 1"),
        ({"model__architecture": "solov2", "test__tta": {}}, "SOLOv2 has no second stage"),
        ({"train__steps": 5}, r"train\.steps is 5 and train\.epochs is 44\.0: give exactly one"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        change(preset("paper"), **changes)


def test_sections_and_presets_check_themselves():
    with pytest.raises(ValueError, match=r"train\.workers"):
        TrainConfig(workers="many")
    with pytest.raises(ValueError, match="choose one of quick, own, released, bench, paper"):
        preset("fast")
    assert ExperimentConfig("a").hash() == from_dict({"name": "b"}).hash()
