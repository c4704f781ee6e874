"""An ensemble to look at: its members side by side, their scores, one mask growing as members join,
all their subsets, and a widget that fuses any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes

from helpers.data import rle
from helpers.drawing import Overlay, Panel, grid
from helpers.drawing_style import CYCLE, GREY, INK, STYLE, Picture
from helpers.inference.ensemble import sample
from helpers.inference.predictor import detected
from helpers.ladder.ensemble import Members
from helpers.series.analysis.ensembling import NAMES, truths_of
from helpers.series.viz.controls import Controlled, slider, tick
from helpers.structures import Detections


def truth_overlay(members: Members, image_id: int) -> Overlay:
    """The true instances of one picture."""
    things = truths_of(members.truth, image_id)
    names = {c["id"]: c["name"] for c in members.truth["categories"]}
    boxes = np.array([thing["bbox"] for thing in things], dtype=float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    size = next((i["height"], i["width"]) for i in members.truth["images"] if i["id"] == image_id)
    masks = [rle.decode(thing["segmentation"]) for thing in things]
    return Overlay(
        masks=np.array(masks, dtype=bool).reshape(-1, *size),
        boxes=boxes,
        category_ids=np.array([thing["category_id"] for thing in things], dtype=np.int64),
        names=tuple(names[thing["category_id"]] for thing in things),
    )


def member_panels(
    image: np.ndarray, members: Members, image_id: int, *, score: float
) -> list[Panel]:
    """The truth, each member's detections of at least `score` (calibrated), and the ensemble's."""
    everyone = "".join(members.soft)
    panels = [Panel(image, "truth", truth_overlay(members, image_id), labels=False)]
    for letters in (*everyone, everyone):
        found = members.together(letters, image_id)
        overlay = detected(found[found.scores >= score], members.taxonomy)
        title = NAMES.get(letters, "ensemble")
        panels.append(Panel(image, f"{title} ({len(overlay)})", overlay, labels=False))
    return panels


def score_histograms(scores: pd.DataFrame, *, title: str) -> Picture:
    """Scores of each member as its model gave them (above) and calibrated (below).

    scores: the table of `analysis.ensembling.scores_of_all`. Bars are shares of a member's
    detections, on a log scale.
    """
    names, edges = list(dict.fromkeys(scores["member"])), np.linspace(0, 1, 21)
    with matplotlib.rc_context(STYLE):
        figure = Picture((2.5 * len(names), 3.9), alt=f"{title}: histograms before and after")
        cells = figure.subplots(2, len(names), sharex=True, sharey="row", squeeze=False)
        for column, name in enumerate(names):
            own = scores[scores["member"] == name]
            for row, (kind, colour) in enumerate((("score", GREY), ("calibrated", CYCLE[0]))):
                share = np.full(len(own), 100 / len(own))
                cells[row, column].hist(own[kind], bins=edges, weights=share, color=colour)
                cells[row, column].set_yscale("log")
            cells[0, column].set_title(name)
            cells[1, column].set_xlabel("score")
        cells[0, 0].set_ylabel("as given (%)")
        cells[1, 0].set_ylabel("calibrated (%)")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def growth_figure(
    image: np.ndarray, steps: Mapping[str, Detections], truth: Overlay, *, title: str
) -> Picture:
    """One instance as members join. Above the mean of their masks as probabilities, below the same
    cut at one half (blue) on the picture, with the true outline (orange).

    truth: that instance alone.
    """
    window = _window(truth.masks[0], image.shape[:2])
    height, width = truth.masks[0][window].shape
    with matplotlib.rc_context(STYLE):
        size = (2.3 * len(steps), 2 * 2.3 * height / width + 0.6)
        figure = Picture(size, alt=title, photograph=True)
        cells = figure.subplots(2, len(steps), squeeze=False)
        for column, (letters, found) in enumerate(steps.items()):
            soft = _soft_plane(found, image.shape[:2])
            above, below = cells[:, column]
            heat = above.imshow(soft[window], cmap="magma", vmin=0, vmax=1)
            below.imshow(image[window])
            _outline(below, soft[window] >= 0.5, CYCLE[0])
            _outline(below, truth.masks[0][window], CYCLE[1])
            known = f", score {found.scores[0]:.2f}" if len(found) else ": nothing"
            above.set_title(" + ".join(letters) + known)
        for axes in cells.ravel():
            axes.set_axis_off()
        if steps:
            figure.colorbar(heat, ax=cells.ravel().tolist(), shrink=0.5, label="probability")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def subset_chart(table: pd.DataFrame, ways: pd.DataFrame, *, title: str) -> Picture:
    """Mask AP of every subset against its size, with the other ways as lines.

    table, ways: `analysis.ensembling.subset_table` and `way_table`.
    """
    with matplotlib.rc_context(STYLE):
        figure = Picture((8.0, 4.0), alt=f"{title}: mask AP of every subset of the members")
        axes = figure.add_subplot()
        axes.plot(table["members"], table["mask AP"], "o", color=CYCLE[0], ms=5, zorder=3)
        for _, group in table.groupby("members"):
            for place, (letters, row) in enumerate(group.sort_values("mask AP").iterrows()):
                right = place % 2 == 0  # side by side, since neighbours often score alike
                axes.annotate(
                    letters, (row["members"], row["mask AP"]), xytext=(7 if right else -7, 0),
                    textcoords="offset points", ha="left" if right else "right", va="center",
                    fontsize=8, color=INK,
                )  # fmt: skip
        best = table.groupby("members")["mask AP"].max()
        axes.plot(best.index, best, color=CYCLE[0], lw=1, alpha=0.5, label="best of its size")
        others = ways.drop(index="ensemble")
        for (name, row), colour in zip(others.iterrows(), CYCLE[1:], strict=False):
            axes.axhline(row["mask AP"], color=colour, lw=1.2, ls="--", label=name)
        sizes = sorted(set(table["members"]))
        axes.set(title=title, xlabel="members", ylabel="mask AP (%)", xticks=sizes)
        axes.set_xlim(sizes[0] - 0.3, sizes[-1] + 0.6)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def member_toggles(
    image: np.ndarray, members: Members, image_id: int, *, score: float
) -> Controlled:
    """One picture with what any of the members make of it together: a box to tick for each, and a
    slider for the least score. Where nobody watches, the picture of all members stands in its
    place."""

    def draw(*, least: float, **ticked: bool) -> Picture:
        letters = "".join(letter for letter in members.soft if ticked[letter])
        overlay = None
        if letters:
            found = members.together(letters, image_id)
            overlay = detected(found[found.scores >= least], members.taxonomy)
        title = f"{' + '.join(letters) or 'nobody'}, score {least:.3f} or more"
        return grid([Panel(image, title, overlay)], columns=1, alt=title, cell=5.0)

    controls = {letter: tick(NAMES[letter], True) for letter in members.soft}
    controls["least"] = slider("least score", score, low=0.0, high=1.0, step=0.005)
    return Controlled(draw, controls, beside=True, width=420)


def _soft_plane(found: Detections, size: tuple[int, int]) -> np.ndarray:
    """(H, W) float32: the best detection's mask as probabilities, 0 outside of its box."""
    if not len(found):
        return np.zeros(size, np.float32)
    y, x = (torch.arange(side, dtype=torch.float64) + 0.5 for side in size)
    return sample(found.masks[0], found.boxes[0].tolist(), x, y).numpy()


def _window(mask: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """Around a mask, with a quarter of its size to spare."""
    slices: Sequence[slice] = []
    for axis, limit in ((1, size[0]), (0, size[1])):
        places = np.flatnonzero(mask.any(axis=axis))
        spare = max(8, (places[-1] - places[0]) // 4)
        slices = [*slices, slice(max(0, places[0] - spare), min(limit, places[-1] + spare + 1))]
    return slices[0], slices[1]


def _outline(axes: Axes, mask: np.ndarray, colour: str) -> None:
    if mask.any() and not mask.all():
        axes.contour(mask.astype(float), levels=[0.5], colors=["white"], linewidths=2.2)
        axes.contour(mask.astype(float), levels=[0.5], colors=[colour], linewidths=1.2)
