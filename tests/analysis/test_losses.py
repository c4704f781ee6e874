"""Numbers about the losses, against formulas written out and configs parsed back."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from helpers.config import LossConfig, ModelConfig, TestConfig, change, preset
from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.evaluation.average_precision import Evaluation, evaluate
from helpers.files import UserError
from helpers.ladder.reference import Entry, Reference
from helpers.ladder.rungs import rung
from helpers.models.build import build_model
from helpers.models.losses import focal_alpha
from helpers.run_train import parse
from helpers.series.analysis import losses

from .conftest import IMAGES, box_rle

FOCAL = LossConfig(classes="focal", masks="focal")
KINDS = {"cross entropy": LossConfig(), "focal": FOCAL}


def test_alpha_is_that_of_the_counts_of_each_label(small_index: InstanceIndex):
    table = losses.alpha_table(small_index)
    assert table["instances"].tolist() == [3, 3, 0, 0]  # crowds do not count
    assert table["alpha"].tolist() == list(focal_alpha([3, 3, 0, 0]))
    hard = losses.alpha_table(small_index, precision=[0.9, 0.1, np.nan, np.nan])
    assert hard["alpha_precision"][1] > hard["alpha_precision"][0]
    groups = losses.alpha_table(small_index.in_space("super"))
    assert groups["category"].tolist() == ["Cabinet", "Bed", "Lighting"]


def test_class_losses_are_the_formulas():
    table = losses.class_losses([1 / 35, 0.3, 0.9], KINDS)
    p = table.index.to_numpy()
    assert table["cross entropy"].to_numpy() == pytest.approx(-np.log(p), rel=1e-5)
    assert table["focal"].to_numpy() == pytest.approx(-np.log(p) * (1 - p) ** 2, rel=1e-4)


def test_mask_losses_of_a_soft_label():
    table = losses.mask_losses([0.1, 0.3, 0.8], [1.0, 0.3], FOCAL)
    p = table.index.to_numpy()
    soft = -(0.3 * np.log(p) + 0.7 * np.log(1 - p))
    assert table["cross entropy, label 0.3"].to_numpy() == pytest.approx(soft, rel=1e-5)
    wanted = (p - 0.3) ** 2 * soft
    assert table["focal, label 0.3"].to_numpy() == pytest.approx(wanted, rel=1e-4, abs=1e-9)
    assert table["focal, label 1"].to_numpy() == pytest.approx(-np.log(p) * (1 - p) ** 2, rel=1e-4)


def test_gradient_of_cross_entropy_is_p_minus_one():
    p = torch.tensor([0.2, 0.7, 0.95])
    logits = torch.stack((p.log(), (1 - p).log()), dim=1)
    table = losses.gradients(logits, torch.zeros(3, dtype=torch.int64), KINDS)
    assert table["p"].to_numpy() == pytest.approx(p.numpy(), rel=1e-5)
    assert table["cross entropy"].to_numpy() == pytest.approx(
        (1 - p.numpy()) * 2**0.5 / 3, rel=1e-4
    )
    assert table["ease"].tolist() == ["p up to 0.3", "0.6 to 0.9", "above 0.9"]
    assert set(table["kind"]) == {"object"}


def test_focal_takes_the_gradient_from_easy_boxes():
    logits = 3 * torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    table = losses.gradients(logits, logits.argmax(dim=1), KINDS)
    shares = losses.gradient_shares(table, list(KINDS), by="ease")
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1)
    easy = shares["above 0.9"]
    assert easy["boxes"] > easy["cross entropy"] > easy["focal"] > 0
    kinds = losses.gradient_shares(table, list(KINDS), by="kind")
    assert kinds.loc["boxes", "background"] == (table["label"] == 4).mean()


@pytest.fixture
def pictures(tmp_path: Path, small_index: InstanceIndex) -> InstanceIndex:
    for number, (height, width) in IMAGES.items():
        Image.new("RGB", (width, height), (90, 40 * number, 60)).save(tmp_path / f"{number}.jpg")
    return read_index(tmp_path / "small.json", tmp_path)


def test_logits_of_the_boxes_it_would_be_trained_on(pictures: InstanceIndex):
    config = change(preset("quick"), test__short_side=64, test__max_side=64)
    torch.manual_seed(0)
    model = build_model(config.model, config.loss, config.test, 4).eval()
    logits, labels = losses.class_logits(model, pictures, [0, 3], config)
    assert logits.shape == (len(labels), 5)
    assert 0 < len(labels) <= 2 * config.model.roi_batch
    assert {0, 1, 4} <= set(labels.tolist())  # the true boxes are among them, and background
    again, same = losses.class_logits(model, pictures, [0, 3], config)
    assert torch.equal(logits, again)
    assert torch.equal(labels, same)


@pytest.mark.parametrize("start", ["quick", "paper"])
def test_the_command_of_every_rung_makes_its_config(start: str):
    base = change(preset(start), data__train_limit=7, train__seed=3)
    rungs = losses.focal_ladder(base, (1.23456, 0.9))
    assert len({config.hash() for config in rungs.values()}) == len(rungs) == 4
    for config in rungs.values():
        words = shlex.split(losses.train_command(config, start))
        assert words[:4] == ["python", "-m", "helpers", "train"]
        assert parse(words[4:]) == config
    assert rungs["focal, alpha by class"].loss.alpha == (1.235, 0.9)


def test_only_a_finished_run_of_the_same_config_counts(monkeypatch: pytest.MonkeyPatch):
    wanted, other = preset("quick"), change(preset("quick"), train__seed=1)
    stored = [(other, "finished"), (wanted, "interrupted")]
    runs = [SimpleNamespace(config=config, status=status) for config, status in stored]
    monkeypatch.setattr(losses, "list_runs", lambda: runs)
    assert losses.finished_run(wanted) is None
    with pytest.raises(UserError, match="notebook 04_x makes it"):
        losses.required_run(wanted, made_by="04_x")
    assert losses.required_run(change(other, name="renamed"), made_by="04_x") is runs[0]


def entry(key: str, seed: int, evaluation: Evaluation, **loss: list[float]) -> Entry:
    """What stands for a measured rung."""
    config = rung("quick", key, seed=seed).settings()
    config |= {"loss": config["loss"] | loss} if loss else {}
    return Entry(
        rung=key, seed=seed, run=f"quick-{key}-{seed}", data="boxes", steps=1, minutes=0.1,
        hardware="a test", versions={}, config=config, sha256={}, predictions="",
        evaluation=evaluation.to_dict(),
    )  # fmt: skip


def test_only_seeds_with_every_rung_are_a_before_and_after(
    tmp_path: Path, small_index: InstanceIndex
):
    nothing = evaluate(small_index, [])
    one, other = (Reference(tmp_path / f"quick-{name}.json") for name in ("a", "b"))
    for file, key, seed in [(one, "dcn", 3), (other, "focal", 3)]:  # not of one machine
        file.add(entry(key, seed, nothing))
    assert losses.stored_seeds("quick", ("dcn", "focal"), folder=tmp_path) == []
    for key, seed in [("dcn", 1), ("focal", 1), ("dcn", 0), ("focal", 0), ("s101", 2)]:
        other.add(entry(key, seed, nothing))
    found = losses.stored_seeds("quick", ("dcn", "focal"), folder=tmp_path)
    assert [[(e.rung, e.seed) for e in row] for row in found] == [
        [("dcn", seed), ("focal", seed)] for seed in (0, 1)
    ]


def test_ap_by_class_over_seeds_is_their_mean(small_index: InstanceIndex):
    mask = box_rle(IMAGES[1], 0, 200, 300, 200)
    bed = {"image_id": 1, "category_id": 2, "score": 0.9, "segmentation": mask}
    nothing, some = evaluate(small_index, []), evaluate(small_index, [bed])
    table = losses.class_ap_table({"some": some, "none": nothing})
    assert list(table) == ["category", "instances", "some", "none"]
    assert set(table["category"]) >= {"Nightstand", "Bed Frame"} and (table["instances"] > 0).all()
    bed = table.set_index("category").loc["Bed Frame"]
    assert bed["some"] > bed["none"] == 0
    pairs = [
        (entry("dcn", 0, some), entry("focal", 0, nothing)),
        (entry("dcn", 1, nothing), entry("focal", 1, nothing)),
    ]
    table = losses.class_ap_of_seeds(["before", "after"], pairs)
    seeds = [f"{name}, seed {seed}" for name in ("before", "after") for seed in (0, 1)]
    assert list(table) == ["category", "instances", "before", "after", *seeds]
    bed = table.set_index("category").loc["Bed Frame"]
    assert bed["before, seed 0"] > 0 == bed["before, seed 1"] == bed["after"]
    assert bed["before"] == pytest.approx(bed["before, seed 0"] / 2, abs=0.01)


def test_counts_are_told_only_of_the_data_whose_weights_were_used(small_index: InstanceIndex):
    alpha = [round(a, 3) for a in focal_alpha([3, 3, 0, 0])]
    ours = entry("focal", 0, evaluate(small_index, []), alpha=alpha)
    assert losses.counts_trained_on(ours, small_index).tolist() == [3, 3, 0, 0]
    other = entry("focal", 0, evaluate(small_index, []), alpha=[*alpha[:-1], 0.5])
    plain = entry("dcn", 0, evaluate(small_index, []))
    for elsewhere in (other, plain):
        assert losses.counts_trained_on(elsewhere, small_index).isna().all()


def test_losses_of_a_log_are_summed_by_what_they_are_about():
    log = pd.DataFrame(
        {"step": [1, 2], "cls_stage0": [1.0, 3.0], "cls_stage1": [1.0, 1.0], "rpn_cls": 9.0,
         "mask": [0.5, 0.5], "mask_point": [0.25, 0.75]}
    )  # fmt: skip
    run = SimpleNamespace(log=lambda: log)
    table = losses.logged_losses({"focal": run}, window=2)
    assert table.index.tolist() == [1, 2]
    assert table["focal: classes"].tolist() == [2, 3]
    assert table["focal: masks"].tolist() == [0.75, 1]


def test_the_class_weights_reach_the_loss():
    model = ModelConfig(backbone="resnet10t", pretrained=False)
    loss = losses.focal_ladder(preset("quick"), (1.0, 2.0))["the paper's: masks too"].loss
    assert (loss.classes, loss.masks, loss.points, loss.mask_weight) == (*["focal"] * 3, 1.1)
    assert build_model(model, loss, TestConfig(), 2).roi_heads.box.stages[0].loss.alpha == (1, 2)
