"""Pictures of training sizes, of augmentation, and of what a step is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, PercentFormatter

from helpers.data import rle
from helpers.data.taxonomy import Taxonomy
from helpers.drawing import Overlay, Panel
from helpers.drawing_style import CYCLE, GREY, INK, STYLE, Picture, shade
from helpers.evaluation.results import Results
from helpers.series.analysis.anchors import resize_scale, roi_levels
from helpers.series.analysis.scales import LEVEL_EDGES, ROI_LEVELS
from helpers.series.analysis.steps import Step
from helpers.structures import Sample


def size_shift(sizes: Mapping[str, np.ndarray], *, title: str) -> Picture:
    """How large boxes are in training: one outline for each named set of sqrt(w h) in px, with the
    edges between the RoI levels."""
    edges = np.geomspace(16, 2048, 43)
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.4, 3.4), alt=f"{title}: {', '.join(sizes)}")
        axes = figure.add_subplot()
        for place, (name, values) in enumerate(sizes.items()):
            flat = np.clip(np.ravel(values), edges[0], edges[-1])
            share = np.histogram(flat, edges)[0] / max(flat.size, 1)
            fill = place == 0
            colour = shade(CYCLE[0], 0.55) if fill else CYCLE[3]
            axes.stairs(share, edges, fill=fill, color=colour, linewidth=1.8, label=name)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        _mark_levels(axes)
        axes.set(title=title, xlabel="side of the box in training, √(w h) (px)")
        axes.set(ylabel="share of boxes", xlim=(edges[0], edges[-1]))
        axes.legend(loc="upper left")
    return figure


def _mark_levels(axes: Axes) -> None:
    for edge in LEVEL_EDGES:
        axes.axvline(edge, color=GREY, linewidth=1, linestyle=(0, (4, 2)))
    middles = [edge / 2**0.5 for edge in LEVEL_EDGES] + [LEVEL_EDGES[-1] * 2**0.5]
    for middle, name in zip(middles, ROI_LEVELS, strict=True):
        axes.text(
            middle, 0.97, name, color=INK, fontsize=8.5, ha="center", va="top",
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def level_areas(shares: pd.DataFrame, *, drawn: tuple[int, int], usual: int, title: str) -> Picture:
    """Shares of the RoI levels over training sizes, stacked; `drawn` marks the range that is drawn
    from, `usual` the size of training at one scale. shares: of `analysis.scales.level_shares`."""
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.4, 3.4), alt=f"{title}: stacked shares of {', '.join(shares)}")
        axes = figure.add_subplot()
        colours = [shade(CYCLE[0], 0.75 - 0.37 * n) for n in range(shares.shape[1])]
        axes.stackplot(shares.index, shares.to_numpy().T, labels=list(shares), colors=colours)
        axes.axvspan(*drawn, facecolor="none", edgecolor=CYCLE[3], linewidth=1.6, hatch="//")
        axes.axvline(usual, color=INK, linewidth=1.6)
        axes.text(sum(drawn) / 2, 1.015, "drawn from", color=CYCLE[3], ha="center", fontsize=8.5)
        axes.text(usual - 4, 1.015, "one scale", color=INK, ha="right", fontsize=8.5)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set(xlabel=shares.index.name, ylabel="share of boxes", ylim=(0, 1))
        axes.set(xlim=(shares.index[0], shares.index[-1]))
        axes.set_title(title, pad=16)
        axes.grid(visible=False)
        axes.legend(title="pooled from", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def level_boxes(
    image: np.ndarray, boxes: np.ndarray, short_sides: Sequence[int], *, max_side: int
) -> Picture:
    """One picture (H, W, 3) at several training sizes: each of its boxes (N, 4) xyxy in the colour
    of its RoI level, with a thick line where that is another level than at the first size."""
    height, width = image.shape[:2]
    levels = [
        roi_levels(boxes * resize_scale(width, height, short_side=side, max_side=max_side))
        for side in short_sides
    ]
    with matplotlib.rc_context(STYLE):
        cell = 8.4 / len(short_sides)
        figure = Picture(
            (8.4, cell * height / width + 0.6), alt="Boxes by pyramid level", photograph=True
        )
        figure.legend(
            handles=[
                Patch(color=CYCLE[n], label=f"pooled from {name}")
                for n, name in enumerate(ROI_LEVELS)
            ],
            loc="outside lower center", ncols=4,
        )  # fmt: skip
        cells = np.ravel(figure.subplots(1, len(short_sides)))
        for axes, side, level in zip(cells, short_sides, levels, strict=True):
            moved = int((level != levels[0]).sum())
            axes.imshow(image, extent=(0, width, height, 0))
            axes.set_axis_off()
            axes.set_title(f"short side {side} px" + (f": {moved} moved" if moved else ""))
            for box, one, first in zip(boxes, level, levels[0], strict=True):
                _draw_box(axes, box, CYCLE[one - 2], thick=one != first)
    return figure


def _draw_box(axes: Axes, box: np.ndarray, colour: str, *, thick: bool) -> None:
    width = 3.4 if thick else 1.5
    for edge, line in (("white", width + 1.4), (colour, width)):
        axes.add_patch(
            Rectangle(box[:2], *(box[2:] - box[:2]), fill=False, edgecolor=edge, linewidth=line)
        )


def sample_panels(
    samples: Mapping[str, Sample], taxonomy: Taxonomy, *, fill: float = 0.22
) -> list[Panel]:
    """Named samples as the model gets them, with the masks that go with them."""
    panels = []
    for name, sample in samples.items():
        classes = [taxonomy.classes[label] for label in sample.targets.labels.tolist()]
        overlay = Overlay(
            masks=sample.targets.masks.numpy(),
            boxes=sample.targets.boxes.numpy(),
            category_ids=np.array([c.id for c in classes], dtype=np.int64),
            names=tuple(c.name for c in classes),
        )
        image = sample.image.permute(1, 2, 0).numpy()
        panels.append(Panel(image, name, overlay, fill=fill, labels=False))
    return panels


def step_intervals(steps: Sequence[Step], *, title: str) -> Picture:
    """What each measured step is worth, in points of AP, with its 95 % interval over pictures.

    Raises ValueError when there is none.
    """
    if not steps:
        raise ValueError("no step was measured: there is nothing to draw")
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.4, 1.3 + 0.62 * len(steps)), alt=f"{title}: differences of AP")
        axes = figure.add_subplot()
        axes.axvline(0, color=INK, linewidth=1)
        for offset, kind, colour in ((-0.13, "masks", CYCLE[0]), (0.13, "outlines", CYCLE[3])):
            found = [getattr(step, kind) for step in steps]
            means = np.array([100 * one.mean for one in found])
            low, high = (
                np.array([100 * getattr(d, end) for d in found]) for end in ("low", "high")
            )
            axes.errorbar(
                means, np.arange(len(steps)) + offset, xerr=np.abs([means - low, high - means]),
                fmt="o", color=colour, capsize=3,
                label={"masks": "mask AP", "outlines": "boundary AP"}[kind],
            )  # fmt: skip
        axes.set_yticks(range(len(steps)), [f"{step.name}, seed {step.seed}" for step in steps])
        axes.set_ylim(len(steps) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set(title=title, xlabel="after less before (points of AP)")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def image_differences(steps: Sequence[Step], *, title: str) -> Picture:
    """Mask AP of each picture alone, after less before, sorted; one line a step.

    Dashed, where two seeds were measured: the same of two trainings that differ in the seed alone.
    Pictures without instances are left out. Raises ValueError when there is no step.
    """
    if not steps:
        raise ValueError("no step was measured: there is nothing to draw")
    with matplotlib.rc_context(STYLE):
        figure = Picture((7.4, 3.2), alt=f"{title}: sorted differences of each picture")
        axes = figure.add_subplot()
        axes.axhline(0, color=INK, linewidth=1)
        for step in steps:
            values = 100 * step.masks.per_image["difference"].dropna()
            label = f"{step.name}, seed {step.seed}"
            axes.step(np.arange(1, len(values) + 1), values, where="mid", label=label)
        noise = seed_differences(steps)
        if noise is not None:
            values = 100 * noise["difference"].dropna()
            places = np.arange(1, len(values) + 1)
            label = "no step, another seed"
            axes.step(places, values, "--", where="mid", color=INK, linewidth=1.6, label=label)
        axes.set(title=title, xlabel="pictures, from the largest gain to the largest loss")
        axes.set(ylabel="points of mask AP")
        axes.legend(loc="upper right")
    return figure


def seed_differences(steps: Sequence[Step]) -> pd.DataFrame | None:
    """What another seed alone does to each picture: the row before the first step, seed against
    seed. Columns file_name and difference (mask AP, 0 to 1), largest first; None for one seed."""
    first, *others = steps
    for other in others:
        alike = (first.name, first.data, first.hardware) == (other.name, other.data, other.hardware)
        if alike and first.seed != other.seed:
            one, two = (step.masks.per_image.set_index("file_name")["a"] for step in (first, other))
            return (two - one).sort_values(ascending=False).rename("difference").reset_index()
    return None


def step_panels(
    image: np.ndarray, step: Step, file_name: str, *, score: float = 0.5
) -> list[Panel]:
    """One picture (H, W, 3) three times: with its truth, with what was found before the step, and
    after it, both of at least `score` and with the mask AP of the picture alone."""
    row = step.masks.per_image.set_index("file_name").loc[file_name]
    titles = {
        "truth": step.truth["annotations"],
        f"before: {100 * row['a']:.0f}": step.before,
        f"after: {100 * row['b']:.0f}": step.after,
    }
    names = {category["id"]: category["name"] for category in step.truth["categories"]}
    return [
        Panel(image, title, _overlay(found, row["image_id"], names, image.shape[:2], score))
        for title, found in titles.items()
    ]


def _overlay(
    rows: Results, image_id: int, names: Mapping[int, str], size: tuple[int, int], score: float
) -> Overlay:
    """Those of the annotations or results that are of one image; what has no score is shown."""
    mine = [row for row in rows if row["image_id"] == image_id and row.get("score", 1.0) >= score]
    boxes = np.array([row["bbox"] for row in mine], dtype=float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    masks = [rle.decode(row["segmentation"]) for row in mine]
    ids = [int(row["category_id"]) for row in mine]
    return Overlay(
        masks=np.array(masks, dtype=bool).reshape(-1, *size),
        boxes=boxes,
        category_ids=np.array(ids, dtype=np.int64),
        names=tuple(names[number] for number in ids),
    )
