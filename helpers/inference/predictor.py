"""A trained model for people: give it a picture of any kind, get instances that draw themselves.

predictor = Predictor(find_run("quick"))
predictor("room.jpg")
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from helpers.config import ExperimentConfig, TestConfig
from helpers.data.pictures import read_picture, to_rgb
from helpers.data.taxonomy import Taxonomy
from helpers.files import UserError
from helpers.inference.paste import paste_masks
from helpers.inference.predict import default_device, predict_image
from helpers.structures import Detections

if TYPE_CHECKING:
    from helpers.drawing import Overlay
    from helpers.drawing_style import Picture

SHOWN_SCORE, SHOWN = 0.5, 20  # what a notebook draws


class Trained(Protocol):
    """What is needed of a run: its config, its classes, its model."""

    config: ExperimentConfig
    taxonomy: Taxonomy

    def model(self, test: TestConfig | None = None) -> nn.Module: ...


@dataclass(frozen=True, kw_only=True, repr=False)
class Prediction(Detections):
    """Detections of one picture, best first, together with the picture: shows itself in a notebook.

    image: (H, W, 3) uint8 RGB. Slicing gives the same with fewer instances; what is drawn are the
    20 best of at least score 0.5.
    """

    image: NDArray[np.uint8]
    taxonomy: Taxonomy

    @property
    def detections(self) -> Detections:
        """The same without the picture."""
        return Detections(**{f.name: getattr(self, f.name) for f in fields(Detections)})

    @property
    def names(self) -> tuple[str, ...]:
        """Class name of each instance."""
        return tuple(self.taxonomy.names[label] for label in self.labels.tolist())

    def draw(self, *, score: float = SHOWN_SCORE, limit: int = SHOWN) -> Picture:
        """The picture with the `limit` best instances of at least `score`."""
        from helpers.drawing import Panel, grid  # drawing is only for those who look

        chosen = self.detections[self.scores >= score][:limit]
        panel = Panel(self.image, overlay=detected(chosen, self.taxonomy))
        return grid([panel], columns=1, alt=str(self), cell=6.0)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self.draw().bundle()

    def __repr__(self) -> str:
        found = zip(self.names, self.scores.tolist(), strict=True)
        listed = [f"{name} {score:.2f}" for name, score in found]
        more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
        return f"{len(self)} instances: {', '.join(listed[:SHOWN]) or 'nothing found'}{more}"


class Predictor:
    """Predicts single pictures with a run of the run store, or the released model.

    test: other sizes, precision or test-time augmentation than the run's own.
    device: by default a GPU when there is one.
    """

    def __init__(
        self,
        trained: Trained,
        *,
        test: TestConfig | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        if not hasattr(trained, "taxonomy"):
            raise UserError(
                f"a Predictor is made from a run, not from {trained!r}: Predictor(find_run(NAME))"
            )
        device = checked_device(device or default_device())
        self.config = replace(trained.config, test=test or trained.config.test)
        self.taxonomy = trained.taxonomy
        self.model = trained.model(self.config.test).to(device).eval()

    @classmethod
    def released(cls, **settings: Any) -> Predictor:
        """One of the model that comes with the project (data/models/README.md is its card)."""
        from helpers.inference.released import Released

        return cls(Released(), **settings)

    def __call__(self, picture: str | Path | Image.Image | NDArray[Any]) -> Prediction:
        """Instances of one picture, in its own pixels, on the CPU.

        picture: a file, a PIL image of any mode (both are turned as their EXIF tag says), or an
        array (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA of uint8, uint16 or bool. Alpha is
        dropped, 16 bits become 8. Raises DataError or UserError when it cannot be read.
        """
        image = read_any(picture)
        found = predict_image(self.model, image, self.config)
        return Prediction(**vars(found), image=np.asarray(image), taxonomy=self.taxonomy)


def detected(detections: Detections, taxonomy: Taxonomy) -> Overlay:
    """Detections of one picture as they are drawn."""
    from helpers.drawing import Overlay

    classes = [taxonomy.classes[label] for label in detections.labels.tolist()]
    return Overlay(
        masks=paste_masks(detections).cpu().numpy(),
        boxes=detections.boxes.cpu().numpy(),
        category_ids=np.array([c.id for c in classes], dtype=np.int64),
        names=tuple(c.name for c in classes),
        scores=detections.scores.cpu().numpy(),
    )


def read_any(picture: str | Path | Image.Image | NDArray[Any]) -> Image.Image:
    """A file, PIL image or array as an upright 8-bit RGB picture; errors as `Predictor` says."""
    if isinstance(picture, (str, Path)):
        return read_picture(Path(picture).expanduser())
    image = _from_array(picture) if isinstance(picture, np.ndarray) else picture
    if not isinstance(image, Image.Image):
        raise UserError(
            f"a picture is a path, a PIL image or a numpy array, not {type(picture).__name__}"
        )
    if not image.width or not image.height:
        raise UserError(f"the picture has {image.width} x {image.height} pixels")
    try:
        return to_rgb(image)
    except (ValueError, OSError) as error:
        raise UserError(f"the picture cannot be read: {error}") from error


def checked_device(device: torch.device | str) -> torch.device:
    """A device that this machine has. Raises UserError for any other."""
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        count = torch.cuda.device_count()
        there = ["cpu", *(f"cuda:{number}" for number in range(count))]
        raise UserError(
            f"device {str(device)!r} is not there: choose {' or '.join(there)}"
        ) from error
    return found


def _from_array(array: NDArray[Any]) -> Image.Image:
    """An array in one of the accepted forms as an 8-bit picture."""
    plane = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if not array.size or (plane.ndim != 2 and (plane.ndim != 3 or plane.shape[2] not in (3, 4))):
        raise UserError(
            f"the array has shape {array.shape}: give (H, W), (H, W, 3) RGB or (H, W, 4) RGBA"
        )
    if plane.dtype == np.uint16:
        plane = (plane.astype(np.uint32) + 128) // 257
    elif plane.dtype == bool:
        plane = plane * 255
    elif plane.dtype != np.uint8:
        raise UserError(
            f"the array holds {array.dtype} values, whose white is unknown: give uint8 (0..255), "
            "e.g. (array * 255).round().astype('uint8') for values from 0 to 1"
        )
    return Image.fromarray(np.ascontiguousarray(plane, dtype=np.uint8))
