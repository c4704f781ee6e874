"""How well methods of mask correction do where the true labels are known: generated scenes.

Noise of a known kind is put on exact label maps, every method mends them, and what comes out is
compared with the truth. Definitions are those of the specification's measurements: precision, the
share of changed pixels that were wrong and became right; recall, the share of wrong pixels that
became right; damage, the share of right foreground pixels made wrong; thin parts, at most 4 px
wide, the share of their right pixels that stay right; boundary IoU in a band of 5 px (lengths of a
1200 x 1200 picture). Intervals are bootstraps over scenes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage
from tqdm.auto import tqdm

from helpers.correction.colours import decode_colours
from helpers.correction.correct import CorrectionConfig, correct_labels
from helpers.correction.measure import CorrectionScore, measure_correction, thin_parts
from helpers.data import rle
from helpers.evaluation.average_precision import Evaluation, evaluate
from helpers.scenes.config import SceneConfig
from helpers.scenes.noise import antialias_colours, nearest_labels, object_colours
from helpers.scenes.random import stream
from helpers.series.analysis.correction_noise import NOISES, add_noise

METRICS = ("precision", "recall", "damage", "thin kept", "mask IoU", "boundary IoU")
GOALS = {"precision": 0.93, "recall": 0.85, "damage": 1e-4, "thin kept": 0.97, "boundary IoU": 0.93}
RESAMPLES = 1000
CROSS = ndimage.generate_binary_structure(2, 1)
SQUARE = np.ones((3, 3), bool)
PLAIN_SIEVE = CorrectionConfig(
    speck_min=64, speck_max=64, hole=64, elongation=np.inf, smooth_border=False, max_passes=1
)


@dataclass(frozen=True)
class Scene:
    """labels: (H, W) int32, true, 0 = no furniture; category_ids: of labels 1..n; picture:
    (H, W, 3) uint8 as a JPEG of quality 90 gives it back."""

    labels: np.ndarray
    category_ids: tuple[int, ...]
    picture: np.ndarray


def scene(seed: int, size: int) -> Scene:
    """The first validation view of the generated scenes of that seed, `size` pixels square."""
    from helpers.scenes.render import compose_view, render_image  # slow to import: compiled code

    view = compose_view(SceneConfig(seed=seed, size=size), "val", 0)
    image, labels = render_image(view, size, "draft")
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, "JPEG", quality=90, subsampling=0)
    return Scene(labels, view.category_ids, np.asarray(Image.open(stored)))


def legs(s: Scene) -> np.ndarray:
    """(H, W) bool: parts up to 16 px wide (at 1200 x 1200) in the lower third of each instance."""
    found = np.zeros(s.labels.shape, bool)
    width = max(1, round(16 * s.labels.shape[1] / 1200))
    for label in _instances(s.labels):
        mask = s.labels == label
        rows = np.flatnonzero(mask.any(1))
        low = rows[-1] - (rows[-1] - rows[0]) // 3
        found[low:] |= thin_parts(mask, width)[low:]
    return found


@dataclass(frozen=True)
class Decoding:
    """One scene's id-map as an anti-aliased colour picture, and the labels read from it.

    colours: (H, W, 3) uint8; naive: (H, W) every pixel as the nearest object's colour; solved:
    blends solved as mixtures of two neighbours; labels: (H, W) the truth.
    """

    colours: np.ndarray
    naive: np.ndarray
    solved: np.ndarray
    labels: np.ndarray


def decoding(seed: int, size: int) -> Decoding:
    """The label map of `scene(seed, size)`, drawn with 4 x 4 samples a pixel and read again."""
    from helpers.scenes.render import compose_view, render_ids

    view = compose_view(SceneConfig(seed=seed, size=size), "val", 0)
    palette = object_colours(len(view.category_ids), stream(seed, "colours"))
    fine = render_ids(view, size, supersample=4)
    colours = antialias_colours(fine, palette, 4)
    solved, _ = decode_colours(colours, palette)
    return Decoding(colours, nearest_labels(colours, palette), solved, render_ids(view, size))


# The methods: from a noisy label map and its picture to a corrected map.

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _nothing(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    return labels


def _open_and_close(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Each instance by itself, opened and then closed with a cross of radius 1."""
    result = np.zeros_like(labels)
    for label in _instances(labels):
        opened = ndimage.binary_opening(labels == label, CROSS)
        result[ndimage.binary_closing(opened, CROSS)] = label
    return result


def _largest_component(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Each instance by itself: the largest of its 8-connected components, the rest to nobody."""
    result = np.zeros_like(labels)
    for label in _instances(labels):
        parts, _ = ndimage.label(labels == label, SQUARE)
        result[parts == np.bincount(parts.ravel())[1:].argmax() + 1] = label
    return result


def _majority(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The most frequent label of each 3 x 3; a tie leaves the pixel, or goes to the lower label."""
    most = np.full(labels.shape, -1, np.int32)
    result = labels.copy()
    for label in np.unique(labels):
        own = labels == label
        votes = 2 * ndimage.uniform_filter(own.astype(np.int32) * 9, 3, mode="nearest") + own
        result[votes > most] = label
        most = np.maximum(most, votes)
    return result


def _plain_sieve(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Components below 64 px to the label around them, whatever their shape or label."""
    return correct_labels(labels, PLAIN_SIEVE).labels


def _ours(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    return correct_labels(labels).labels


def _ours_with_picture(labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
    return correct_labels(labels, picture=picture).labels


METHODS: dict[str, Method] = {
    "nothing": _nothing,
    "opening + closing": _open_and_close,
    "largest component": _largest_component,
    "majority 3 x 3": _majority,
    "plain sieve 64": _plain_sieve,
    "ours": _ours,
    "ours with picture": _ours_with_picture,
}


def _instances(labels: np.ndarray) -> np.ndarray:
    return np.setdiff1d(labels, [0])


# Measuring.


def measure(
    scenes: Sequence[Scene],
    *,
    kinds: Iterable[str] = tuple(NOISES),
    methods: Mapping[str, Method] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """One row per kind of noise and method (by default all): the METRICS with their intervals.

    Columns noise, method, wrong_pixels (before, per scene), and each metric with `<metric> low` and
    `<metric> high`, the 95 % bootstrap interval over scenes; NaN where there was nothing to count.
    """
    methods = METHODS if methods is None else methods
    rows = []
    for kind in tqdm(list(kinds), desc="noise", disable=not progress):
        noisy = [add_noise(s.labels, kind, stream(seed, kind, n)) for n, s in enumerate(scenes)]
        for name, method in methods.items():
            scores = [
                measure_correction(labels, method(labels, s.picture), s.labels)
                for labels, s in zip(noisy, scenes, strict=True)
            ]
            wrong = sum(score.noisy for score in scores) / len(scores)
            rows.append({"noise": kind, "method": name, "wrong_pixels": wrong} | summary(scores))
    return pd.DataFrame(rows)


def summary(scores: Sequence[CorrectionScore]) -> dict[str, float]:
    """Every metric over all scenes together, with its 95 % interval."""
    counts = np.array([_counts(score) for score in scores], dtype=float)
    draws = np.random.default_rng(0).integers(len(scores), size=(RESAMPLES, len(scores)))
    value = _metrics(counts.sum(0))
    resampled = _metrics(counts[draws].sum(1))
    result = {}
    for name, whole, samples in zip(METRICS, value.T, resampled.T, strict=True):
        known = samples[~np.isnan(samples)]
        low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (np.nan, np.nan)
        result |= {name: whole, f"{name} low": low, f"{name} high": high}
    return result


def _counts(score: CorrectionScore) -> tuple[float, ...]:
    return (
        score.changed, score.noisy, score.restored, score.clean, score.damaged, score.thin,
        score.thin_kept, len(score.mask_ious), sum(score.mask_ious), sum(score.boundary_ious),
    )  # fmt: skip


def _metrics(counts: np.ndarray) -> np.ndarray:
    """(..., 6) METRICS from (..., 10) sums of counts; NaN where nothing was counted."""
    changed, noisy, restored, clean, damaged, thin, kept, masks, ious, bands = np.moveaxis(
        counts, -1, 0
    )
    parts = (restored, restored, damaged, kept, ious, bands)
    wholes = np.stack([changed, noisy, clean, thin, masks, masks], -1)
    return np.divide(
        np.stack(parts, -1), wholes, out=np.full(wholes.shape, np.nan), where=wholes > 0
    )


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text: "0.951 (0.940-0.958)", damage and thin parts in per cent."""
    shown = pd.DataFrame({"noise": table["noise"], "method": table["method"]})
    for name in METRICS:
        factor, digits, unit = FORMATS.get(name, (1, 3, ""))
        shown[name + unit] = [
            "-"
            if np.isnan(v)
            else f"{v * factor:.{digits}f} ({low * factor:.{digits}f}-{high * factor:.{digits}f})"
            for v, low, high in table[[name, f"{name} low", f"{name} high"]].to_numpy()
        ]
    return shown.set_index(["noise", "method"])


FORMATS = {"damage": (100, 4, " %"), "thin kept": (100, 1, " %")}  # factor, digits, unit


# What a correction is worth to an evaluation.


def payoff(
    scenes: Sequence[Scene], versions: Mapping[str, Sequence[np.ndarray]]
) -> dict[str, Evaluation]:
    """Each version of the annotation (a label map per scene) scored against the true one.

    As if a model had found exactly that: score 1 for every mask, preset coco. What is missing to
    100 is what label errors alone can cost.
    """
    truth = {
        "images": [
            {"id": n, "height": s.labels.shape[0], "width": s.labels.shape[1]}
            for n, s in enumerate(scenes, start=1)
        ],
        "categories": [{"id": k, "name": str(k)} for k in range(1, 35)],
        "annotations": [a for n, s in enumerate(scenes) for a in _annotations(s, s.labels, n + 1)],
    }
    return {
        name: evaluate(
            truth,
            [
                a | {"score": 1.0}
                for n, (s, labels) in enumerate(zip(scenes, maps, strict=True))
                for a in _annotations(s, labels, n + 1)
            ],
            kinds=("segm", "boundary"),
        )
        for name, maps in versions.items()
    }


def _annotations(s: Scene, labels: np.ndarray, image_id: int) -> list[dict[str, Any]]:
    found = []
    for label in _instances(labels):
        mask = rle.encode(labels == label)
        area, box = rle.measure(mask)
        found.append(
            {
                "id": 1000 * image_id + int(label),
                "image_id": image_id,
                "category_id": int(s.category_ids[label - 1]),
                "segmentation": mask,
                "area": area,
                "bbox": list(box),
                "iscrowd": 0,
            }
        )
    return found
