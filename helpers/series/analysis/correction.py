"""How well methods of mask correction do where the true labels are known: generated scenes.

Noise of a known kind is put on exact label maps, every method corrects them, and what comes out is
compared with the truth. Precision is the share of changed pixels that were wrong and became right;
recall, the share of wrong pixels that became right; damage, the share of right foreground pixels
made wrong; thin parts, at most 4 px wide, the share of their right pixels that stay right; boundary
IoU (Cheng et al., 2021) in a band of 5 px (lengths of a 1200 x 1200 picture). Intervals are
bootstraps over scenes.
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

from helpers.config import Preset
from helpers.correction.colours import decode_colours
from helpers.correction.correct import REFERENCE_AREA, CorrectionConfig, correct_labels
from helpers.data import rle
from helpers.evaluation.average_precision import Evaluation, evaluate
from helpers.ladder.data import commands as data_commands
from helpers.ladder.reference import Entry
from helpers.ladder.results import stored
from helpers.ladder.rungs import Rung, command, rungs
from helpers.scenes.config import SceneConfig
from helpers.scenes.noise import antialias_colours, nearest_labels, object_colours
from helpers.scenes.random import stream
from helpers.series.analysis.correction_noise import NOISES, add_noise

METRICS = {  # name -> of the counts of `count_pixels`, which by which; how it is shown
    "precision": ("restored", "changed", "{:.3f}"),
    "recall": ("restored", "noisy", "{:.3f}"),
    "damage": ("damaged", "clean", "{:.4%}"),
    "thin kept": ("thin kept", "thin", "{:.1%}"),
    "mask IoU": ("mask IoUs", "instances", "{:.3f}"),
    "boundary IoU": ("boundary IoUs", "instances", "{:.3f}"),
}
GOALS = {"precision": 0.93, "recall": 0.85, "damage": 1e-4, "thin kept": 0.97, "boundary IoU": 0.93}
OF_CLEAN_MAPS = ("damage", "thin kept")  # goals that are asked of maps without noise, too
BAND, THIN = 5, 4  # px of a 1200 x 1200 picture: width of the compared boundary, of thin parts
RESAMPLES = 1000
CROSS = ndimage.generate_binary_structure(2, 1)
SQUARE = np.ones((3, 3), bool)
PLAIN_SIEVE = CorrectionConfig(  # components below 64 px, whatever their shape or label
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


METHODS: dict[str, Method] = {
    "nothing": lambda labels, picture: labels,
    "opening + closing": _open_and_close,
    "largest component": _largest_component,
    "majority 3 x 3": _majority,
    "plain sieve 64": lambda labels, picture: correct_labels(labels, PLAIN_SIEVE).labels,
    "ours": lambda labels, picture: correct_labels(labels).labels,
    "ours with picture": lambda labels, picture: correct_labels(labels, picture=picture).labels,
}


def _instances(labels: np.ndarray) -> np.ndarray:
    return np.setdiff1d(labels, [0])


# Measuring.


def measure(
    scenes: Sequence[Scene],
    *,
    kinds: Iterable[str] = tuple(NOISES),
    methods: Mapping[str, Method] = METHODS,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """One row per kind of noise and method: the METRICS with their intervals.

    Columns noise, method, wrong_pixels (before, per scene), and each metric with `<metric> low` and
    `<metric> high`, the 95 % bootstrap interval over scenes; NaN where there was nothing to count.
    """
    rows = []
    for kind in tqdm(list(kinds), desc="noise", disable=not progress):
        noisy = [add_noise(s.labels, kind, stream(seed, kind, n)) for n, s in enumerate(scenes)]
        for name, method in methods.items():
            counts = pd.DataFrame(
                count_pixels(labels, method(labels, s.picture), s.labels)
                for labels, s in zip(noisy, scenes, strict=True)
            )
            wrong = counts["noisy"].mean()
            rows.append({"noise": kind, "method": name, "wrong_pixels": wrong} | summary(counts))
    return pd.DataFrame(rows)


def count_pixels(noisy: np.ndarray, corrected: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Counts on one label map before and after its correction, (H, W) integers, 0 = background.

    changed: by the correction; noisy: wrong before; restored: wrong before, right now; clean:
    foreground right before; damaged: of these, wrong now; thin, thin kept: clean ones of thin
    parts, and right now; sums of the IoUs of all true instances with their corrected masks.
    """
    scale = (truth.size / REFERENCE_AREA) ** 0.5
    right, now = noisy == truth, corrected == truth
    clean, thin = right & (truth > 0), np.zeros(truth.shape, bool)
    instances = _instances(truth)
    ious, bands = [], []
    for label in instances:
        mask, found = truth == label, corrected == label
        window = _window(mask | found)
        mask, found = mask[window], found[window]
        thin[window] |= thin_parts(mask, max(1, round(THIN * scale)))
        ious.append(_iou(mask, found))
        steps = max(1, round(BAND * scale))
        bands.append(_iou(_band(mask, steps), _band(found, steps)))
    thin &= clean
    counts = {
        "changed": noisy != corrected,
        "noisy": ~right,
        "restored": ~right & now,
        "clean": clean,
        "damaged": clean & ~now,
        "thin": thin,
        "thin kept": thin & now,
    }
    sums = {"instances": len(instances), "mask IoUs": sum(ious), "boundary IoUs": sum(bands)}
    return {name: int(where.sum()) for name, where in counts.items()} | sums


def thin_parts(mask: np.ndarray, width: int) -> np.ndarray:
    """The pixels of a mask that no square wider than `width` inside the mask covers."""
    padded = np.pad(mask, width + 1)
    wide = ndimage.binary_opening(padded, np.ones((width + 1, width + 1), bool))
    return (padded & ~wide)[width + 1 : -width - 1, width + 1 : -width - 1]


def _window(mask: np.ndarray) -> tuple[slice, slice]:
    spans = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)


def _band(mask: np.ndarray, steps: int) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask, SQUARE, iterations=steps)


def _iou(mask: np.ndarray, other: np.ndarray) -> float:
    union = int((mask | other).sum())
    return int((mask & other).sum()) / union if union else 0.0


def summary(counts: pd.DataFrame) -> dict[str, float]:
    """Every metric over all scenes together, with its 95 % interval; a row of counts a scene."""
    draws = np.random.default_rng(0).integers(len(counts), size=(RESAMPLES, len(counts)))
    result = {}
    for name, (part, whole, _) in METRICS.items():
        parts, wholes = counts[part].to_numpy(float), counts[whole].to_numpy(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            samples = parts[draws].sum(1) / wholes[draws].sum(1)
            result[name] = parts.sum() / wholes.sum()
        known = samples[np.isfinite(samples)]
        low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (np.nan, np.nan)
        result |= {f"{name} low": low, f"{name} high": high}
    return result


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text: "0.951 (0.940-0.958)", damage and thin parts in per cent."""
    shown = pd.DataFrame({"noise": table["noise"], "method": table["method"]})
    for name, (_, _, text) in METRICS.items():
        rows = table[[name, f"{name} low", f"{name} high"]].to_numpy()
        cells = [f"{text} ({text}-{text})".format(*row).replace("%", "") for row in rows]
        shown[f"{name} %" if "%" in text else name] = [
            "-" if "nan" in cell else cell for cell in cells
        ]
    return shown.set_index(["noise", "method"])


def beside_goals(table: pd.DataFrame, *, method: str = "ours with picture") -> pd.DataFrame:
    """One row a metric: the goal, the value with mixed noise and without any, and whether met.

    table: that of `measure` with the noises "all" and "none". Damage and thin parts are asked both
    of noisy maps and of clean ones, the rest of noisy ones alone ("-").
    """
    rows = table[table["method"] == method].set_index("noise")
    found = {}
    for metric, goal in GOALS.items():
        bound, text = ("most" if metric == "damage" else "least"), METRICS[metric][2]
        found[metric] = {"goal": f"at {bound} {text.format(goal)}"}
        for name, noise in (("mixed noise", "all"), ("no noise", "none")):
            value = float(rows.loc[noise, metric])
            asked = noise == "all" or metric in OF_CLEAN_MAPS
            met = value <= goal if metric == "damage" else value >= goal
            found[metric][name] = text.format(value) if asked else "-"
            found[metric][f"met with {name}"] = ("yes" if met else "no") if asked else "-"
    return pd.DataFrame.from_dict(found, "index").rename_axis("metric")


# What a correction is worth to an evaluation, and to training.


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
        "annotations": _annotations(scenes, [s.labels for s in scenes]),
    }
    return {
        name: evaluate(truth, _annotations(scenes, maps), kinds=("segm", "boundary"))
        for name, maps in versions.items()
    }


def _annotations(scenes: Sequence[Scene], maps: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    found = []
    for number, (s, labels) in enumerate(zip(scenes, maps, strict=True), start=1):
        for label in _instances(labels):
            mask = rle.encode(labels == label)
            area, box = rle.measure(mask)
            category = int(s.category_ids[label - 1])
            found.append(
                {"id": len(found) + 1, "image_id": number, "category_id": category, "score": 1.0}
                | {"segmentation": mask, "area": area, "bbox": list(box), "iscrowd": 0}
            )
    return found


def compared(preset: Preset = "quick") -> tuple[Rung, ...]:
    """The ladder's rows on noisy, corrected and, for scenes, exact training masks."""
    return tuple(row for row in rungs(preset) if row.table == "masks")


def commands(preset: Preset = "quick") -> list[str]:
    """What to type to make the scenes, correct their masks, and measure all of them."""
    first, *others = compared(preset)
    keys = " ".join(row.key for row in others)
    return [*data_commands(preset), f"{command(first)} {keys} --seeds 2"]


def training_effect(preset: Preset = "quick") -> pd.DataFrame:
    """Mask and boundary AP in per cent against both ground truths, mean over what is measured.

    One row for each kind of training masks that is measured, columns (ground truth, metric) and
    ("runs", "seeds"), how many; no rows when nothing is. From data/reference.
    """
    found = [entry for _, entry in stored(preset)]
    rows = {row.label: [e for e in found if e.rung == row.key] for row in compared(preset)}
    table = pd.DataFrame.from_dict(
        {label: _scores(entries) for label, entries in rows.items() if entries}, "index"
    )
    if not table.empty:
        table.columns = pd.MultiIndex.from_tuples(table.columns, names=["ground truth", "metric"])
    return table


def _scores(entries: Sequence[Entry]) -> dict[tuple[str, str], float]:
    truths = {
        "true": [entry.scores for entry in entries],
        "noisy": [Evaluation.from_dict(entry.noisy) for entry in entries],
    }
    scores = {}
    for truth, evaluations in truths.items():
        for kind, metric in (("segm", "AP"), ("segm", "AP75"), ("boundary", "AP")):
            name = f"{'mask' if kind == 'segm' else kind} {metric}"
            values = [evaluation.metrics[kind][metric] for evaluation in evaluations]
            scores[truth, name] = round(100 * sum(values) / len(values), 2)
    return scores | {("runs", "seeds"): len(entries)}
