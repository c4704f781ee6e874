"""The preset `own` on data sets of all kinds: what it chooses, and what it warns of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.config import DataConfig, ExperimentConfig
from helpers.data.index import InstanceIndex
from helpers.data.taxonomy import Category, Taxonomy
from helpers.files import UserError
from helpers.training.own import Machine, fit_config, step_seconds

LAPTOP, GPU = Machine(2), Machine(16, 24.0)
DATA = DataConfig("my photographs", label_space="fine")


def index_of(
    pictures: int,
    *,
    size: tuple[int, int] = (480, 640),
    box: tuple[int, int] = (120, 90),
    each: int = 3,
    names: tuple[str, ...] = ("thing",),
    empty: int = 0,
) -> InstanceIndex:
    """Pictures of one size (height, width) with `each` boxes (w, h) of changing classes, without
    masks; `empty` of the pictures have none."""
    boxes = (pictures - empty) * each
    zeros = np.zeros(boxes, dtype=np.int64)
    return InstanceIndex(
        taxonomy=Taxonomy(tuple(Category(n, name, name) for n, name in enumerate(names))),
        image_ids=np.arange(pictures),
        widths=np.full(pictures, size[1]),
        heights=np.full(pictures, size[0]),
        file_names=("a.jpg",) * pictures,
        paths=(Path("a.jpg"),) * pictures,
        annotation_ids=np.arange(boxes),
        image_rows=np.repeat(np.arange(pictures - empty), each),
        category_ids=np.arange(boxes) % len(names),
        crowd=zeros.astype(bool),
        areas=zeros,
        boxes=np.tile([0.0, 0, *box], (boxes, 1)),
        mask_bytes=np.zeros(0, np.uint8),
        mask_ends=zeros,
    )


KINDS = {
    "18 pictures": index_of(18),
    "3 pictures": index_of(3),
    "10,000 of 80 classes": index_of(10_000, names=tuple(f"class {n}" for n in range(80))),
    "huge": index_of(50, size=(4000, 6000), box=(900, 700)),
    "huge, of tiny things": index_of(50, size=(4000, 6000), box=(40, 40), each=300),
    "tiny": index_of(50, size=(32, 40), box=(10, 10)),
    "panoramas": index_of(50, size=(300, 3000)),
}


@pytest.mark.parametrize("machine", [LAPTOP, GPU], ids=["laptop", "gpu"])
@pytest.mark.parametrize("index", KINDS.values(), ids=KINDS)
def test_every_data_set_gets_a_sensible_config(index: InstanceIndex, machine: Machine):
    config = fit_config(index, DATA, machine=machine).config
    train, model = config.train, config.model
    assert 32 <= train.short_side[0] <= train.short_side[1] == config.test.short_side <= 1024
    assert train.short_side[1] <= 4 * min(index.image_size(0))
    assert 1 <= train.batch_size <= len(index)
    assert 50 <= train.steps <= max(600, 100 * len(index) / train.batch_size)
    assert 0.001 <= train.lr * train.batch_size / 16 * 2 <= 0.004  # the rate of a step
    assert model.anchor_sizes[0] >= 8 and config.test.max_detections >= 20
    assert config.name == "my-photographs" and config.data == DATA


def told(name: str) -> str:
    return " ".join(fit_config(KINDS[name], DATA, machine=LAPTOP).warnings)


def test_what_cannot_go_well_is_said():
    assert told("18 pictures") == told("huge") == ""
    assert "each three times" in told("10,000 of 80 classes")
    assert "tiles" in (crowded := told("huge, of tiny things")) and "300 instances" in crowded
    few = fit_config(index_of(4, names=("a", "b", "c")), DATA, machine=LAPTOP)
    assert "3 classes have fewer than 10" in str(few)


def test_the_same_call_gives_the_same_config_and_more_time_more_steps():
    def config(minutes: float, machine: Machine = LAPTOP) -> ExperimentConfig:
        many = KINDS["10,000 of 80 classes"]
        return fit_config(many, DATA, minutes=minutes, machine=machine).config

    assert config(15) == config(15)
    assert config(30).train.steps == pytest.approx(2 * config(15).train.steps, abs=1)
    assert config(15, Machine(4)).train.steps == config(30).train.steps
    assert step_seconds(1e6, GPU) < step_seconds(1e6, LAPTOP)


def test_anchors_have_the_shape_and_the_size_of_the_boxes():
    config = fit_config(index_of(20, box=(40, 160)), DATA, machine=LAPTOP).config
    low, median, high = config.model.anchor_ratios
    assert median == 4 and low < 3 < 5 < high
    scale = sum(config.train.short_side) / 2 / 480
    assert config.model.anchor_sizes[2] == pytest.approx(80 * scale, rel=0.02)


@pytest.mark.parametrize(
    ("names", "flip"),
    [
        (("left shoe", "right shoe"), 0.0),
        (("ear_left", "nose"), 0.0),
        (("bright_lamp", "upright", "cleft"), 0.5),
        (("LeftHand",), 0.0),
    ],
)
def test_pictures_are_mirrored_unless_that_changes_classes(names: tuple[str, ...], flip: float):
    assert fit_config(index_of(20, names=names), DATA, machine=LAPTOP).config.train.flip == flip


def test_rare_classes_are_repeated_and_empty_pictures_used_unless_they_are_most():
    config = fit_config(index_of(20, names=("a", "b"), empty=5), DATA, machine=LAPTOP).config
    assert config.train.repeat_factor > 0 and config.train.keep_empty
    config = fit_config(index_of(20, empty=15), DATA, machine=LAPTOP).config
    assert config.train.repeat_factor == 0 and not config.train.keep_empty


def test_nothing_to_learn_and_no_time_are_refused():
    with pytest.raises(UserError, match="no instance"):
        fit_config(index_of(4, empty=4), DATA)
    with pytest.raises(UserError, match="minutes is 0"):
        fit_config(KINDS["18 pictures"], DATA, minutes=0)
