"""Steps and learning rates, against values worked out by hand."""

import pytest

from helpers.config import TrainConfig, preset
from helpers.training.schedule import learning_rate, total_steps


def test_steps_of_the_paper():
    assert total_steps(preset("paper").train, 12_144 // 16) == 33_396  # 44 epochs
    assert total_steps(TrainConfig(epochs=0.5), 5) == 3


def test_steps_win_over_the_size_of_the_data():
    assert total_steps(TrainConfig(steps=7, epochs=None), 100) == 7


@pytest.mark.parametrize(
    ("step", "lr"),
    [
        (0, 0.02 * 0.001),
        (500, 0.02 * 0.5005),
        (1000, 0.02),
        (24_287, 0.02),
        (24_288, 0.002),
        (30_359, 0.002),
        (30_360, 0.0002),
        (33_395, 0.0002),
    ],
)
def test_rates_of_the_paper(step, lr):
    assert learning_rate(preset("paper").train, step, 33_396) == pytest.approx(lr, rel=1e-9)


def test_the_rate_follows_the_batch_size():
    config = TrainConfig(batch_size=8, lr=0.02, warmup_steps=0)
    assert learning_rate(config, 0, 1000) == pytest.approx(0.01)


@pytest.mark.parametrize(("step", "share"), [(0, 1.0), (25, 0.853553), (50, 0.5), (99, 0.00024672)])
def test_the_cosine_falls_to_zero(step, share):
    config = TrainConfig(schedule="cosine", warmup_steps=0, lr=0.5)
    assert learning_rate(config, step, 100) == pytest.approx(0.5 * share, rel=1e-3)


def test_the_cosine_warms_up_too():
    config = TrainConfig(schedule="cosine", warmup_steps=10, warmup_factor=0.0, lr=0.5)
    assert learning_rate(config, 0, 1000) == 0.0
    assert learning_rate(config, 5, 1000) == pytest.approx(0.25, rel=1e-3)
