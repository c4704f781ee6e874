"""The paper's tables with what was measured beside them: from where, and how sure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pandas as pd

from helpers.config import Preset
from helpers.data.taxonomy import FUTURE3D
from helpers.evaluation.bootstrap import Interval, interval, mean_difference
from helpers.ladder.reference import REFERENCE, Entry, Reference
from helpers.ladder.results import results, stored
from helpers.ladder.rungs import Rung, Table, command, rungs
from helpers.series.analysis import paper
from helpers.series.analysis.steps import measured_pairs

PAPER, OURS = "paper, 3D-FUTURE val", "ours"
# What the paper says twice and not alike, or leaves open; sums are done in `doubts`.
_OPEN = (
    (
        "Tables 1 and 2: ResNeXt-101",
        "the two tables do not print the same number for this backbone; Table 2, used here, has "
        "70.32. They may be two models: nothing says which rows have the cascade",
    ),
    (
        "Table 3: the columns",
        "the header names track A twice; the second column can only be track B, the test set",
    ),
    (
        "Tables 1 to 3: ground truth",
        "mask correction is applied to the data; whether the validation masks that are scored "
        "against were corrected too is not said",
    ),
)


@dataclass(frozen=True)
class Gain(Interval):
    """What a step is worth in mask AP, from -1 to 1: mean over pairs of measurements, and how many
    pairs."""

    pairs: int

    def __str__(self) -> str:
        ends = f"{100 * self.low:+.1f} to {100 * self.high:+.1f}"
        return f"{100 * self.mean:+.1f} ({ends}), {self.pairs} pair{'s' * (self.pairs > 1)}"


def measured_on(preset: Preset) -> str:
    """What a preset's rows are scored on, in words: data, classes, preset."""
    data = rungs(preset)[0].config.data
    taxonomy = replace(FUTURE3D, label_space=data.label_space)
    kind = {"fine": "classes", "super": "super-categories"}[data.label_space]
    return f"{data.name}, {taxonomy.num_classes} {kind}, preset {preset}"


def beside_paper(
    preset: Preset, table: Table, *, folder: Path = REFERENCE, samples: int = 1000
) -> pd.DataFrame:
    """One row for each row of the paper's table, mask AP in per cent.

    Columns: the paper's number; ours, mean over seeds; "95 % (pictures)", the interval of the first
    seed when the validation pictures are drawn anew; "seeds", each seed's value; data, hardware,
    run; and where nothing was measured "to fill it", the command.
    """
    measured = results(preset, folder)
    rows = [_row(row, measured, folder, samples) for row in rungs(preset) if row.table == table]
    return pd.DataFrame(rows).set_index("row")


def table_3(preset: Preset, *, folder: Path = REFERENCE, samples: int = 1000) -> pd.DataFrame:
    """`beside_paper` of Table 3 with the paper's other columns: loss, short sides in training, and
    the test set's number."""
    table = beside_paper(preset, "table3", folder=folder, samples=samples)
    rows = [row.trained for row in rungs("paper") if row.table == "table3"]
    losses = ["SOLOv2's" if c.model.architecture == "solov2" else c.loss.classes for c in rows]
    sizes = ["{} to {}".format(*config.train.short_side) for config in rows]
    table.insert(0, "loss", [*losses[:-1], ""])
    table.insert(1, "paper's short sides", [*sizes[:-1], ""])
    table.insert(3, "paper, test", paper.ensemble()["test_mask_ap"].to_numpy())
    return table


def steps(preset: Preset, *, folder: Path = REFERENCE, samples: int = 1000) -> pd.DataFrame:
    """Table 2 step by step: the paper's mask AP and gain, ours (mean over all that is measured) and
    its gain with its 95 % interval (low, high) when the validation pictures are drawn anew.

    The gain and its interval are of the `pairs`, the measurements that have both rows (see `gain`);
    so it need not be the difference of the means. NaN and 0 pairs where nothing has both rows.
    """
    rows = [row for row in rungs(preset) if row.table == "table2"]
    mean = results(preset, folder).groupby("rung")["mask AP"].mean()
    table = pd.DataFrame(
        {
            "step": [row.label for row in rows],
            "paper": [row.paper for row in rows],
            "ours": [mean.get(row.key, float("nan")) for row in rows],
        },
        index=pd.Index([row.key for row in rows], name="rung"),
    )
    table["paper gain"] = table["paper"].diff()
    gains = [
        None,
        *(gain(preset, a.key, b.key, folder=folder, samples=samples) for a, b in pairwise(rows)),
    ]
    for column, end in (("our gain", "mean"), ("low", "low"), ("high", "high")):
        table[column] = [float("nan") if g is None else 100 * getattr(g, end) for g in gains]
    table["pairs"] = [0 if g is None else g.pairs for g in gains]
    return table.astype({"paper": float, "ours": float}).round(2)


def gain(
    preset: Preset, before: str, after: str, *, folder: Path = REFERENCE, samples: int = 1000
) -> Gain | None:
    """Mask AP of `after` less that of `before`, mean over all (machine, seed) that have both; None
    when there is none. The interval is that of this mean."""
    found = list(measured_pairs(preset, {after: (before, after)}, folder=folder))
    if not found:
        return None
    pairs = [(pair.truth, pair.before, pair.after) for pair in found]
    sure = mean_difference(pairs, preset=found[0].preset, samples=samples)
    return Gain(sure.mean, sure.low, sure.high, len(found))


def by_size(preset: Preset, *, folder: Path = REFERENCE) -> pd.DataFrame:
    """Mask AP by size in per cent, mean over seeds, of all measured rows: in the challenge's ranges
    as they are (px of the stored picture), and scaled to pictures of the size at hand."""
    measured = results(preset, folder)
    columns = [c for c in measured if c[:3] in ("APs", "APm", "APl")]
    labels = {row.key: row.label for row in rungs(preset)}
    found = measured.groupby("rung", sort=False)[["mask AP", *columns]].mean().round(2)
    found.insert(0, "row", [labels[key] for key in found.index])
    return found


def doubts() -> pd.DataFrame:
    """Where the paper contradicts itself or leaves things open, with the sums done: where, what.

    Its own numbers are those of `helpers.ladder`; the text's gain of the focal loss is 0.66.
    """
    printed = {row.key: row.paper for row in rungs("paper")}
    focal = printed["focal"] - printed["dcn"]
    again = printed["member_c"] - printed["member_b"]
    rows = [
        *_OPEN[:1],
        (
            "focal loss",
            f"the text says a gain of 0.66, the rows of Table 2 differ by {focal:.2f}, and models "
            f"B and C of Table 3, which differ in the loss alone, by {again:.2f}",
        ),
        (
            "Table 3: test-time augmentation",
            f"model C has the {printed['member_c']:.2f} of Table 2's last row, so it is with "
            "test-time augmentation; of A, B and D nothing is said",
        ),
        *_OPEN[1:],
    ]
    return pd.DataFrame(rows, columns=["where", "what"])


def _row(row: Rung, measured: pd.DataFrame, folder: Path, samples: int) -> dict[str, object]:
    own = measured[measured["rung"] == row.key]
    about = {"row": row.label, PAPER: row.paper}
    if own.empty:
        blank = dict.fromkeys((OURS, "95 % (pictures)", "seeds", "data", "hardware", "run"))
        return {**about, **blank, "to fill it": command(row)}
    first = own.iloc[0]
    sure = _interval(row, first, folder, samples)
    return {
        **about,
        OURS: round(own["mask AP"].mean(), 2),
        "95 % (pictures)": None if sure is None else _ends(sure),
        "seeds": ", ".join(f"{value:.2f}" for value in own["mask AP"]),
        "data": first["data"],
        "hardware": ", ".join(dict.fromkeys(own["hardware"])),
        "run": first["run"],
        "to fill it": None,
    }


def _interval(row: Rung, first: pd.Series, folder: Path, samples: int) -> Interval | None:
    """None for a local run that is in no reference file."""
    for reference, entry in _entries(row, folder):
        if all(getattr(entry, key) == first[key] for key in ("run", "seed", "hardware")):
            found = reference.results(entry)
            scored = entry.scores.preset
            return interval(reference.truth(), found, preset=scored, samples=samples)
    return None


def _entries(row: Rung, folder: Path) -> list[tuple[Reference, Entry]]:
    return [both for both in stored(row.preset, folder) if both[1].rung == row.key]


def _ends(sure: Interval) -> str:
    return f"{100 * sure.low:.1f} to {100 * sure.high:.1f}"
