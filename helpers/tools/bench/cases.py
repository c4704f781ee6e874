"""What is timed: the paths that were made to be fast, on inputs of the sizes they are made for."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pycocotools.mask as coco_mask
import torch
from PIL import Image
from torch import nn
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import deform_conv2d, roi_align

from helpers.config import TrainConfig, TtaConfig, change, preset
from helpers.data import rle
from helpers.data.coco import read_index
from helpers.data.loader import InstanceDataset
from helpers.inference.paste import to_rle
from helpers.inference.predict import predict_image
from helpers.models.build import build_model
from helpers.models.deform import DeformConv
from helpers.models.roi_align import level_of, pool_rois
from helpers.structures import Detections
from helpers.tools.bench.pointrend import pointrend_cases
from helpers.tools.bench.timing import Case
from helpers.tools.bench.training import busy_cases, step_cases
from helpers.tools.compare import golden_pair
from helpers.tools.detectron2_live import has_detectron2, reference_detections

SIDE = 1200  # px, of all pictures of 3D-FUTURE
KINDS = 34


def cases() -> Iterator[Case]:
    """All cases, each made when it is asked for, with inputs that are the same every time."""
    parts = (_paste, _roi_align, _deform, _pointrend, _prediction, _sample, _tta)
    for make in (*parts, step_cases, busy_cases):
        torch.manual_seed(0)
        yield from make()


def _random() -> np.random.Generator:
    return np.random.default_rng(0)


def _boxes(count: int) -> torch.Tensor:
    """(count, 4) xyxy inside the picture, sides of 32 to 600 px, evenly spread in log size."""
    random = _random()
    sides = np.exp(random.uniform(np.log(32), np.log(600), (count, 2)))
    low = random.uniform(0, SIDE - sides)
    return torch.from_numpy(np.hstack((low, low + sides)).astype(np.float32))


def _blobs(count: int, side: int) -> torch.Tensor:
    """(count, side, side) probabilities of smooth shapes."""
    coarse = torch.randn(count, 1, 7, 7)
    smooth = nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
    return (3 * smooth[:, 0]).sigmoid()


def _pixels() -> np.ndarray:
    """A smooth picture, (SIDE, SIDE, 3) uint8."""
    return _blobs(3, SIDE).mul(255).byte().permute(1, 2, 0).numpy()


def _paste() -> Iterator[Case]:
    boxes, masks = _boxes(100), _blobs(100, 224)
    size = (SIDE, SIDE)
    found = Detections(boxes, torch.ones(100), torch.zeros(100, dtype=torch.int64), size, masks)
    name = "paste: 100 masks of 224 px to run lengths at 1200 px"

    def encoded(planes: torch.Tensor) -> list[dict]:
        pixels = planes.numpy().astype(np.uint8)
        return [coco_mask.encode(np.asfortranarray(plane)) for plane in pixels]

    yield Case(
        name,
        lambda: to_rle(found),
        lambda: encoded(paste_masks_in_image(masks[:, None], boxes, size)[:, 0] >= 0.5),
        "torchvision + pycocotools",
    )
    if has_detectron2():
        paste = importlib.import_module("detectron2.layers.mask_ops").paste_masks_in_image
        other = "detectron2 + pycocotools"
        yield Case(name, lambda: to_rle(found), lambda: encoded(paste(masks, boxes, size)), other)


def _pyramid() -> list[torch.Tensor]:
    """P2..P6 of a picture of 1200 px, 256 channels."""
    sides = (304, 152, 76, 38, 19)
    maps = [torch.randn(1, 256, side, side) for side in sides]
    return [level.contiguous(memory_format=torch.channels_last) for level in maps]


def _roi_align() -> Iterator[Case]:
    levels, boxes = _pyramid()[:4], _boxes(1000)
    places = level_of(boxes)
    rois = torch.cat((torch.zeros(len(boxes), 1), boxes), dim=1)

    def ours(levels: list[torch.Tensor]) -> torch.Tensor:
        return pool_rois(levels, [boxes], 7)

    def reference(levels: list[torch.Tensor]) -> torch.Tensor:
        order = torch.cat([(places == level).nonzero().squeeze(1) for level in range(2, 6)])
        pooled = [
            roi_align(feature, rois[places == level], 7, 1 / 2**level, aligned=True)
            for level, feature in enumerate(levels, start=2)
        ]
        return torch.cat(pooled)[order.argsort()]

    def backward(align: Callable[[list[torch.Tensor]], torch.Tensor]) -> torch.Tensor:
        leaves = [level.detach().requires_grad_() for level in levels]
        return torch.autograd.grad(align(leaves).square().sum(), leaves)[0]

    name, other = "RoIAlign of 1,000 boxes, 7 x 7", "torchvision"
    yield Case(name, lambda: ours(levels), lambda: reference(levels), other)
    yield Case(
        f"{name}, forward and back", lambda: backward(ours), lambda: backward(reference), other
    )


def _deform() -> Iterator[Case]:
    x = torch.randn(1, 128, 76, 76, requires_grad=True)
    layer = DeformConv(nn.Conv2d(128, 128, 3, padding=1))
    nn.init.normal_(layer.offset.weight, 0, 0.01)

    def reference() -> torch.Tensor:
        offset, mask = layer.offset(x).split((18, 9), dim=1)
        return deform_conv2d(x, offset, layer.weight, layer.bias, padding=1, mask=mask.sigmoid())

    def backward(answer: torch.Tensor) -> torch.Tensor | None:
        x.grad = None
        answer.square().sum().backward()
        return x.grad

    yield Case(
        "deformable 3 x 3, 128 channels at 76 px, forward and back",
        lambda: backward(layer(x)),
        lambda: backward(reference()),
        "torchvision",
    )


def _pointrend() -> Iterator[Case]:
    yield from pointrend_cases(_pyramid(), _boxes(100), (SIDE, SIDE))


def _ellipse(x: float, y: float, width: float, height: float) -> rle.Rle:
    """An ellipse with half axes `width` and `height`, cut at the picture."""
    columns, rows = np.arange(SIDE) + 0.5, np.arange(SIDE)[:, None] + 0.5
    return rle.encode(((columns - x) / width) ** 2 + ((rows - y) / height) ** 2 < 1)


def _sample() -> Iterator[Case]:
    random, half = _random(), (np.log(30), np.log(350))
    shapes = [(*random.uniform(100, 1100, 2), *np.exp(random.uniform(*half, 2))) for _ in range(5)]
    truth = {
        "images": [{"id": 1, "height": SIDE, "width": SIDE, "file_name": "1.jpg"}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "segmentation": _ellipse(*shape)}
            for n, shape in enumerate(shapes, start=1)
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(_pixels()).save(Path(folder) / "1.jpg", quality=92)
        (Path(folder) / "truth.json").write_text(json.dumps(truth))
        index = read_index(Path(folder) / "truth.json", Path(folder))
        dataset = InstanceDataset(index, TrainConfig(short_side=(1350, 1350), colour=0.0))
        yield Case("a training sample, 1200 px to 1350 px, 5 masks", lambda: dataset[0])


def _prediction() -> Iterator[Case]:
    config = change(preset("paper"), model__backbone="resnet50", model__pretrained=False)
    config = change(config, model__mask_head="pointrend", test__score_threshold=0.0)
    model = build_model(config.model, config.loss, config.test, KINDS).eval()
    pixels = _pixels()
    picture, half = Image.fromarray(pixels), change(config, test__precision="bf16")
    yield Case(
        "a picture of 1200 px, PointRend R50, 100 detections, bfloat16",
        lambda: predict_image(model, picture, half),
        lambda: predict_image(model, picture, config),
        "the same in float32",
    )
    if has_detectron2():
        pair, image = golden_pair("pointrend_r50"), torch.from_numpy(pixels).permute(2, 0, 1)
        yield Case(
            "a picture of 1200 px, PointRend R50, made-up weights, no pasting",
            lambda: pair.ours.predict([image]),
            lambda: reference_detections(pair.theirs, image),
            "detectron2",
        )


def _tta() -> Iterator[Case]:
    config = preset("quick")
    model = build_model(config.model, config.loss, config.test, 7).eval()
    picture = Image.fromarray(_random().integers(0, 256, (320, 320, 3), np.uint8))
    side = config.test.short_side
    tta = TtaConfig(sizes=tuple(range(side, side + 4)))
    augmented = change(config, test__tta=tta)
    yield Case(
        "test-time augmentation, 8 views (preset quick)",
        lambda: predict_image(model, picture, augmented),
        lambda: [predict_image(model, picture, config) for _ in range(8)],
        "8 plain predictions",
    )
