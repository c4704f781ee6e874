"""Pictures of mask correction: label maps on their photograph, close-ups pixel by pixel, the
comparison of methods, and a live preview of the thresholds.

H x W pixels; label maps are (H, W) integers with 0 for the background.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
from ipywidgets import Widget
from matplotlib.colors import to_rgb
from scipy import ndimage

from helpers.correction.correct import CorrectionConfig, correct_labels
from helpers.drawing import Panel, grid
from helpers.drawing_style import CYCLE, INK, STYLE, Picture, instance_colours
from helpers.series.viz.controls import Controlled, slider, tick

Window = tuple[slice, slice]
MARKERS = "osD^vPX"
KNOBS = (  # of the preview: field of CorrectionConfig, its name, (lowest, highest, step)
    ("speck_min", "speck, least (px)", (0, 64, 4)),
    ("speck_max", "speck, most (px)", (8, 256, 8)),
    ("hole", "hole (px)", (0, 64, 4)),
    ("gap", "gap in a leg (px)", (1, 12, 1)),
    ("alike_component", "likeness, speck", (0.0, 1.0, 0.05)),
    ("alike_line", "likeness, line", (0.0, 1.0, 0.05)),
)
WRONG = (235, 40, 60)  # colour of wrong pixels in close-ups


def on_photograph(labels: np.ndarray, picture: np.ndarray, *, strength: float = 0.6) -> np.ndarray:
    """(H, W, 3) uint8: the photograph in grey, every label washed in a colour of its own."""
    grey = picture.mean(2, keepdims=True).repeat(3, 2)
    wash = _palette(labels)[labels]
    tinted = np.where(labels[..., None] > 0, (1 - strength) * grey + strength * wash, grey)
    return tinted.round().astype(np.uint8)


def in_colours(labels: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: every label in a colour of its own, the background dark."""
    return _palette(labels)[labels].astype(np.uint8)


def wrong_pixels(labels: np.ndarray, truth: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: the photograph in pale grey with every wrong pixel in red."""
    grey = (128 + picture.mean(2, keepdims=True) / 2).repeat(3, 2).astype(np.uint8)
    grey[labels != truth] = WRONG
    return grey


def _palette(labels: np.ndarray) -> np.ndarray:
    """(K, 3) float64 colours of 0..255, the first one dark."""
    colours = [to_rgb(c) for c in instance_colours(int(labels.max(initial=0)))]
    return np.array([(0.13, 0.14, 0.16), *colours]) * 255


def busiest_window(marked: np.ndarray, side: int) -> Window:
    """The window of `side` x `side` pixels that holds most pixels of an (H, W) bool mask."""
    size = tuple(min(side, length) for length in marked.shape)
    share = ndimage.uniform_filter(marked.astype(np.float32), size, mode="constant")
    centre = np.unravel_index(int(share.argmax()), share.shape)
    starts = [
        int(np.clip(c - s // 2, 0, length - s))
        for c, s, length in zip(centre, size, marked.shape, strict=True)
    ]
    return tuple(slice(start, start + s) for start, s in zip(starts, size, strict=True))


def enlarged(image: np.ndarray, window: Window, *, factor: int, lines: bool = False) -> np.ndarray:
    """The window of an (H, W, 3) picture with every pixel a square of `factor` pixels."""
    large = image[window].repeat(factor, 0).repeat(factor, 1)
    if lines:
        large[::factor] = large[:, ::factor] = (70, 74, 80)
    return large


def closeups(versions: Mapping[str, np.ndarray], window: Window, *, factor: int = 4) -> list[Panel]:
    """One panel a label map: the same window of each, enlarged."""
    return [
        Panel(enlarged(in_colours(labels), window, factor=factor), name)
        for name, labels in versions.items()
    ]


def comparison(
    table: pd.DataFrame, *, metrics: Sequence[str], goals: Mapping[str, float], title: str
) -> Picture:
    """One panel a metric: a row per kind of noise, a mark per method with its 95 % interval.

    `table`: that of `analysis.correction.measure`; `goals` are dashed lines.
    """
    kinds, methods = list(table["noise"].unique()), list(table["method"].unique())
    with matplotlib.rc_context(STYLE):
        figure = Picture((3.3 * len(metrics), 0.9 + 0.62 * len(kinds)), alt=f"{title}: {metrics}")
        panels = np.ravel(figure.subplots(1, len(metrics), sharey=True))
        for axes, metric in zip(panels, metrics, strict=True):
            for number, method in enumerate(methods):
                rows = table[table["method"] == method].set_index("noise").loc[kinds]
                value, low, high = (rows[f"{metric}{end}"] for end in ("", " low", " high"))
                y = np.arange(len(kinds)) + 0.8 * ((number + 0.5) / len(methods) - 0.5)
                axes.errorbar(
                    value, y, xerr=[value - low, high - value], fmt=MARKERS[number % len(MARKERS)],
                    markersize=4.2, linewidth=0.9, color=CYCLE[number % len(CYCLE)], label=method,
                )  # fmt: skip
            if metric in goals:
                axes.axvline(goals[metric], color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.set(title=metric, yticks=range(len(kinds)), yticklabels=kinds)
            axes.grid(visible=False, axis="y")
        panels[0].invert_yaxis()
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def correction_preview(
    noisy: np.ndarray,
    *,
    picture: np.ndarray,
    window: Window,
    config: CorrectionConfig | None = None,
) -> Controlled:
    """A window of a label map before and after correction, with sliders for the thresholds.

    The whole map is corrected at each change; what was done to it stands over the last panel.
    """
    start = config or CorrectionConfig()
    factor = max(1, 480 // (window[0].stop - window[0].start))
    shown = [
        Panel(enlarged(picture, window, factor=factor), "picture"),
        *closeups({"before": noisy}, window, factor=factor),
    ]

    def draw(use_picture: bool, **thresholds: float) -> Picture:
        found = correct_labels(
            noisy, replace(start, **thresholds), picture=picture if use_picture else None
        )
        title = f"after: {sum(found.changed.values()):,} px changed"
        causes = ", ".join(f"{cause} {count:,}" for cause, count in found.changed.items())
        after = closeups({title: found.labels}, window, factor=factor)
        alt = f"Pixels changed in the whole map: {causes}"
        return grid([*shown, *after], columns=3, alt=alt)

    controls: dict[str, Widget] = {"use_picture": tick("look at the picture", True)}
    for name, label, (low, high, step) in KNOBS:
        controls[name] = slider(label, getattr(start, name), low=low, high=high, step=step)
    return Controlled(draw, controls)
