"""What models refuse to be trained on."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from helpers.files import UserError
from helpers.models.boxes import nonempty
from helpers.structures import Targets


def check_targets(images: Sequence[Tensor], targets: Sequence[Targets], num_classes: int) -> None:
    """Raises UserError when the targets do not fit the images or the classes."""
    if len(images) != len(targets):
        raise UserError(f"{len(images)} images but {len(targets)} targets: give one for each")
    for number, (image, target) in enumerate(zip(images, targets, strict=True)):
        if target.masks.shape[1:] != image.shape[1:]:
            raise UserError(
                f"the masks of image {number} are {tuple(target.masks.shape[1:])}, the image is "
                f"{tuple(image.shape[1:])}: resize both alike"
            )
        counts = (len(target.boxes), len(target.labels), len(target.masks))
        if len(set(counts)) > 1:
            raise UserError(
                f"image {number} has {counts[0]} boxes, {counts[1]} labels and {counts[2]} masks: "
                "give one of each for every instance"
            )
        if not target.boxes.isfinite().all():
            raise UserError(
                f"image {number} has a box that is not finite: leave such instances out"
            )
        if not nonempty(target.boxes).all():
            raise UserError(f"image {number} has a box without area: leave such instances out")
        if ((target.labels < 0) | (target.labels >= num_classes)).any():
            raise UserError(
                f"image {number} has labels outside 0..{num_classes - 1}: build the model with "
                "the number of classes of the data's label space"
            )
