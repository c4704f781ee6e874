"""The data a ladder is measured on: scenes made and their masks corrected where that is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.config import Preset
from helpers.correction.files import correct_dataset
from helpers.files import UserError, make_folder, read_json, resolve, write_json
from helpers.ladder.scales import scale, scene_masks
from helpers.scenes.config import SceneConfig, scene_preset
from helpers.scenes.make import make_scenes
from helpers.scenes.render import compose_view, render_image

HELD_OUT_SEED = 1  # of the scenes on which ensembles learn: other rooms than the validation set's
HELD_OUT = 150  # of them at most: some 700 things


def scenes(preset: Preset) -> SceneConfig | None:
    """The noisy set of scenes a preset trains on; None for `paper`, whose data are real."""
    masks = scale(preset).masks
    if masks.true is None:
        return None
    usual = replace(scene_preset("quick"), name=Path(masks.folder).name)
    return replace(usual, size=480, train=1600, val=400, noise="antialias")


def held_out(preset: Preset) -> tuple[str, str] | None:
    """Annotations and pictures that neither training nor validation has, of which an ensemble may
    learn; None for `paper`, where there are none."""
    if scenes(preset) is None:
        return None
    folder = f"{scale(preset).masks.folder}-held-out"
    return f"{folder}/coco/val.json", f"{folder}/val/image"


def prepare(preset: Preset, *, jobs: int | None = None) -> None:
    """Make what is missing of scenes and corrected masks; at once when nothing is.

    jobs: worker processes, default one per core. Raises UserError naming the commands when real
    data are not there, or a folder holds something else.
    """
    masks, config = scale(preset).masks, scenes(preset)
    if config is None:
        missing = [path for path in (masks.noisy, masks.corrected) if not resolve(path).exists()]
        if missing:
            corrected = Path(masks.corrected).parent
            raise UserError(
                f"missing: {' and '.join(missing)}; put the data set under {masks.folder} (see "
                f"data/README.md) and type `python -m helpers split {masks.folder}`, then `python "
                f"-m helpers correct-masks {masks.noisy} {corrected}`"
            )
        return
    make_scenes(config, folder=resolve(masks.folder), jobs=jobs)
    made = scene_masks(masks.folder, masks.name)  # of all pictures
    correct_dataset(
        resolve(made.noisy),
        resolve(made.corrected).parent,
        images=resolve(masks.train_images),
        pictures=True,
        jobs=jobs,
    )
    if masks.one_in > 1:
        mix(masks.true, made.noisy, masks.noisy, one_in=masks.one_in)
        mix(masks.true, made.corrected, masks.corrected, one_in=masks.one_in)
        mix(masks.val, made.val_noisy, masks.val_noisy, one_in=masks.one_in)
    others = replace(config, name=f"{config.name}-held-out", seed=HELD_OUT_SEED, noise="none")
    others = replace(others, train=0, val=min(config.val, HELD_OUT))
    make_scenes(others, folder=resolve(f"{masks.folder}-held-out"), jobs=jobs)


def mix(exact: str, other: str, target: str, *, one_in: int) -> None:
    """COCO file with the annotations of `other` for the first picture of every `one_in`, those of
    `exact` for the rest; made where it is missing or older than these."""
    *sources, made = (resolve(file) for file in (exact, other, target))
    if made.exists() and made.stat().st_mtime >= max(file.stat().st_mtime for file in sources):
        return
    coco, noisy = map(read_json, sources)
    chosen = {image["id"] for image in coco["images"][::one_in]}
    rows = [a for a in coco["annotations"] if a["image_id"] not in chosen]
    rows += [a for a in noisy["annotations"] if a["image_id"] in chosen]
    make_folder(made.parent)
    write_json(made, coco | {"annotations": sorted(rows, key=lambda a: a["image_id"])})


def validation_picture(preset: Preset, file_name: str) -> np.ndarray:
    """(H, W, 3) uint8: a picture of the validation set; a scene that is not on disk is rendered.

    Raises UserError when a picture of real data is not there.
    """
    masks, config = scale(preset).masks, scenes(preset)
    path = resolve(masks.val_images) / file_name
    if path.exists():
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    if config is None:
        raise UserError(f"{path} is missing: put the data set under {masks.folder}")
    view = compose_view(config, "val", int(Path(file_name).stem))
    return render_image(view, config.size, config.quality)[0]
