"""From pictures to results: resize, predict, back to the original size, into COCO's form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from helpers.config import ExperimentConfig, TestConfig
from helpers.data.augment import resized_size, to_tensor
from helpers.data.index import InstanceIndex
from helpers.data.loader import WorkerLoader
from helpers.data.pictures import read_picture
from helpers.data.rle import area
from helpers.data.taxonomy import Taxonomy
from helpers.inference.paste import to_rle
from helpers.inference.tta import predict_augmented
from helpers.models.precision import autocast
from helpers.structures import Detections


@dataclass(frozen=True)
class Views:
    """One picture of `size` (height, width), resized for each view: (3, h, w) uint8 RGB."""

    image_id: int
    size: tuple[int, int]
    images: tuple[Tensor, ...]


class Pictures(Dataset[Views]):
    """The pictures of an index, resized as `test` says, without ground truth."""

    def __init__(self, index: InstanceIndex, test: TestConfig) -> None:
        self.index, self.test = index, test

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, row: int) -> Views:  # a DataLoader would make lists of bare tuples
        size = self.index.image_size(row)
        image = read_picture(self.index.paths[row], size)
        return Views(int(self.index.image_ids[row]), size, resized_images(image, self.test))


def predict_index(
    model: nn.Module,
    index: InstanceIndex,
    *,
    config: ExperimentConfig,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """COCO results for every picture of the index, in its order, best first in each picture.

    Pictures are resized and computed as `config.test` says; masks and boxes come back in
    the original size, with the ids of the index. Detections without a single pixel are dropped.
    The model is moved to `device` (default: a GPU when there is one), works one picture at a time
    in evaluation mode, and is left in the mode it was in. Raises DataError when a picture cannot
    be read.
    """
    found = detect_index(model, index, config=config, device=device, progress=progress)
    return [
        result
        for image_id, detections in found
        for result in to_results(detections, image_id, index.taxonomy)
    ]


def detect_index(
    model: nn.Module,
    index: InstanceIndex,
    *,
    config: ExperimentConfig,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> Iterator[tuple[int, Detections]]:
    """As `predict_index`, one picture after the other: its id, its detections on the CPU."""
    model.to(device or default_device())
    loader = WorkerLoader(
        Pictures(index, config.test),
        batch_size=None,
        num_workers=config.train.workers,
    )
    with _evaluating(model):
        for picture in tqdm(loader, desc="predict", unit="picture", disable=not progress):
            yield picture.image_id, _predict(model, picture.images, picture.size, config.test)


def default_device() -> torch.device:
    """A GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def predict_image(model: nn.Module, image: Image.Image, config: ExperimentConfig) -> Detections:
    """Detections of one picture in its own pixels, on the CPU; resized as in `predict_index`."""
    size = (image.height, image.width)
    images = resized_images(image.convert("RGB"), config.test)
    with _evaluating(model):
        return _predict(model, images, size, config.test)


def resized_images(image: Image.Image, test: TestConfig) -> tuple[Tensor, ...]:
    """An RGB picture at its test size, or at each size of its test-time augmentation."""
    size = (image.height, image.width)
    sides = (test.short_side,) if test.tta is None else test.tta.sizes
    limit = test.max_side if test.tta is None else test.tta.max_side
    return tuple(to_tensor(image, resized_size(size, side, limit)) for side in sides)


def to_results(detections: Detections, image_id: int, taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """COCO results of one picture: RLE masks, boxes [x, y, width, height] in pixels, scores.

    Detections must be in the original size. Those without a single pixel are dropped.
    """
    low, high = detections.boxes.double().split(2, dim=1)
    boxes = torch.cat((low, high - low), dim=1).tolist()
    sure, labels = detections.scores.tolist(), detections.labels.tolist()
    found = zip(to_rle(detections), boxes, sure, labels, strict=True)
    return [
        {
            "image_id": image_id,
            "category_id": taxonomy.classes[label].id,
            "segmentation": rle,
            "bbox": [round(value, 3) for value in box],
            "score": score,
        }
        for rle, box, score, label in found
        if area(rle)
    ]


def _predict(
    model: nn.Module, images: Sequence[Tensor], size: tuple[int, int], test: TestConfig
) -> Detections:
    device = next(model.parameters()).device
    images = [image.to(device) for image in images]
    with autocast(test.precision, device):
        if test.tta is not None:
            return predict_augmented(model, images, size, test).to("cpu")
        [detections] = model.predict(images)
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
