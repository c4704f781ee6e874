"""Small models and made-up truth for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from helpers.config import LossConfig, ModelConfig, Solov2Config, TestConfig
from helpers.models.build import Detector, build_model
from helpers.structures import Targets
from tests.inference.tiny import TINY

NUM_CLASSES = 3
SMALL = Solov2Config(
    grids=(12, 10, 8, 6, 4),
    ranges=((1.0, 16.0), (8.0, 32.0), (16.0, 64.0), (32.0, 128.0), (64.0, 512.0)),
    head_channels=32,
    head_convs=2,
    mask_channels=16,
    kernel_channels=16,
    mask_size=56,
    candidates=12,
    keep_score=0.0,
)


@pytest.fixture
def make_targets() -> Callable[..., Targets]:
    """Truth of rectangles: make_targets((x1, y1, x2, y2, label), ..., size=(H, W), ignore=...)."""

    def make(
        *rectangles: tuple[int, int, int, int, int],
        size: tuple[int, int] = (64, 64),
        ignore: tuple[tuple[float, ...], ...] = (),
    ) -> Targets:
        masks = torch.zeros(len(rectangles), *size, dtype=torch.bool)
        for mask, (x1, y1, x2, y2, _) in zip(masks, rectangles, strict=True):
            mask[y1:y2, x1:x2] = True
        boxes = torch.tensor([r[:4] for r in rectangles], dtype=torch.float32).reshape(-1, 4)
        labels = torch.tensor([r[4] for r in rectangles], dtype=torch.int64)
        return Targets(boxes, labels, masks, torch.tensor(ignore).float().reshape(-1, 4))

    return make


@pytest.fixture
def tiny() -> ModelConfig:
    """The smallest sensible architecture: a step takes a tenth of a second."""
    return ModelConfig(**TINY, rpn_batch=32, pre_nms_train=50, post_nms_train=32, roi_batch=16)


@pytest.fixture
def make_model() -> Callable[..., Detector]:
    """make_model(config, loss=..., test=...) with fixed weights."""

    def make(
        config: ModelConfig, *, loss: LossConfig | None = None, test: TestConfig | None = None
    ) -> Detector:
        torch.manual_seed(0)
        test = test or TestConfig(score_threshold=0.0, max_detections=10)
        return build_model(config, loss or LossConfig(), test, NUM_CLASSES)

    return make


def pictures(*sizes: tuple[int, int]) -> list[torch.Tensor]:
    torch.manual_seed(3)
    return [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]


def bright(target: Targets) -> torch.Tensor:
    """A dark picture with the instances in the colours of their classes."""
    image = torch.full((3, *target.masks.shape[1:]), 40, dtype=torch.uint8)
    for label, mask in zip(target.labels, target.masks, strict=True):
        image[label, mask] = 220
    return image


def gradients_reach(model: torch.nn.Module) -> bool:
    """Every trained weight has a gradient, and a finite one."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)
