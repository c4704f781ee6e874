"""From pictures to results: resize, predict, back to the original size, into COCO's form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers.config import ExperimentConfig
from helpers.data.augment import resized_size, to_tensor
from helpers.data.index import InstanceIndex
from helpers.data.loader import InstanceDataset, make_loader
from helpers.data.taxonomy import Taxonomy
from helpers.inference.paste import to_rle
from helpers.masks.rle import area
from helpers.structures import Detections


def predict_index(
    model: nn.Module,
    index: InstanceIndex,
    *,
    config: ExperimentConfig,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """COCO results for every picture of the index, in its order, best first in each picture.

    Pictures are resized as `config.test` says; masks and boxes come back in the original size, with
    the ids of the index. Detections without a single pixel are dropped. The model works one
    picture at a time on `device` (default: where it is), in evaluation mode, and is left in the
    mode it was in. Raises DataError when a picture can not be read.
    """
    if device is not None:
        model.to(device)
    sides = {"short_side": config.test.short_side, "max_side": config.test.max_side}
    dataset = InstanceDataset(index, train=False, **sides)
    loader = make_loader(dataset, batch_size=1, workers=config.train.workers)
    results: list[dict[str, Any]] = []
    with _evaluating(model):
        for [sample] in tqdm(loader, desc="predict", unit="picture", disable=not progress):
            detections = _predict(model, sample.image, sample.original_size)
            results += to_results(detections, sample.image_id, index.taxonomy)
    return results


def predict_image(model: nn.Module, image: Image.Image, config: ExperimentConfig) -> Detections:
    """Detections of one picture in its own pixels, on the CPU; resized as in `predict_index`."""
    size = (image.height, image.width)
    new_size = resized_size(size, config.test.short_side, config.test.max_side)
    with _evaluating(model):
        return _predict(model, to_tensor(image.convert("RGB"), new_size), size)


def to_results(detections: Detections, image_id: int, taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """COCO results of one picture: RLE masks, boxes [x, y, width, height] in pixels, scores.

    Detections must be in the original size. Those without a single pixel are dropped. Raises
    ValueError when they have no masks.
    """
    low, high = detections.boxes.double().split(2, dim=1)
    boxes = torch.cat((low, high - low), dim=1).tolist()
    found = zip(
        to_rle(detections),
        boxes,
        detections.scores.tolist(),
        detections.labels.tolist(),
        strict=True,
    )
    return [
        {
            "image_id": image_id,
            "category_id": taxonomy.category_id_of(label),
            "segmentation": rle,
            "bbox": [round(value, 3) for value in box],
            "score": score,
        }
        for rle, box, score, label in found
        if area(rle)
    ]


def _predict(model: nn.Module, image: Tensor, size: tuple[int, int]) -> Detections:
    device = next(model.parameters()).device
    [detections] = model.predict([image.to(device)])
    return detections.to("cpu").resized(size)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; batch statistics must not move between two training steps."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
