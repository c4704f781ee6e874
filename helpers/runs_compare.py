"""Two finished runs side by side: what differs in config and scores, and on which pictures."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from helpers.config_fields import differences, flat
from helpers.evaluation.average_precision import Evaluation, evaluate
from helpers.evaluation.bootstrap import Difference, paired_difference
from helpers.evaluation.tables import comparison_table
from helpers.files import UserError, read_json
from helpers.run_store import Run

_UNPRINTABLE = ("annotations", "classes")  # a digest, a whole taxonomy


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found; `masks` and `outlines` are mask AP and boundary AP of b less a.

    changes: one row a config field that differs, columns field and the two runs' names. scores: one
    row a run, as `comparison_table` makes it. samples: how often the images were drawn.
    """

    a: Run
    b: Run
    changes: pd.DataFrame
    scores: pd.DataFrame
    masks: Difference
    outlines: Difference
    samples: int

    def most_different(self, count: int = 5) -> pd.DataFrame:
        """The images that b gains most on and those it loses most on, at most `count` of each.

        Columns: file_name, instances, and mask AP of each image alone for a, b and their difference
        in per cent; images on which both score alike are left out.
        """
        table = self.masks.per_image.drop(columns="image_id")
        gained, lost = table[table["difference"] > 0], table[table["difference"] < 0]
        shown = pd.concat([gained.head(count), lost.tail(count)], ignore_index=True)
        columns = ["a", "b", "difference"]
        shown[columns] = (100 * shown[columns]).round(1)
        return shown


def compare(a: Run, b: Run, *, samples: int = 1000, seed: int = 0) -> Comparison:
    """Compare two finished runs on their validation split, scored under a's evaluation preset.

    Raises UserError when one is not finished or when they were validated on different data, classes
    or pictures, and DataError when the data are not there any more.
    """
    found = [run.predictions() for run in (a, b)]
    _check_alike(a, b)
    index, preset = a.index("val"), a.evaluation.preset
    scores = comparison_table({run.name: _scores(run, preset) for run in (a, b)})
    masks, outlines = (
        paired_difference(index, *found, preset=preset, kind=kind, samples=samples, seed=seed)
        for kind in ("segm", "boundary")
    )
    return Comparison(a, b, config_changes(a, b), scores, masks, outlines, samples)


def config_changes(a: Run, b: Run) -> pd.DataFrame:
    """One row a config field in which the runs differ, the name aside: field, value of a, of b.

    Fields of a section that only one of them has are "-" for the other.
    """
    ours, theirs = (flat(differences(x.config, y.config)) for x, y in ((a, b), (b, a)))
    fields = [name for name in {**ours, **theirs} if name != "name"]
    rows = [(name, _text(ours, name), _text(theirs, name)) for name in fields]
    return pd.DataFrame(rows, columns=["field", "a", "b"])


def _text(values: dict[str, object], name: str) -> str:
    return str(values[name]) if name in values else "-"


def _scores(run: Run, preset: str) -> Evaluation:
    """As stored, or anew where the run was scored under another preset."""
    stored = run.evaluation
    if stored.preset == preset:
        return stored
    return evaluate(run.index("val"), run.predictions(), preset=preset)


def _check_alike(a: Run, b: Run) -> None:
    one, other = _validated_on(a), _validated_on(b)
    for what, value in one.items():
        if value != other[what]:
            told = "" if what in _UNPRINTABLE else f" ({value} and {other[what]})"
            raise UserError(
                f"{a.name} and {b.name} can not be compared: they were validated with different "
                f"{what}{told}; evaluate both on one set with `python -m helpers evaluate --run`"
            )


def _validated_on(run: Run) -> dict[str, object]:
    data, held = run.config.data, read_json(run.dir / "data.json")
    return {
        "label spaces": data.label_space,
        "annotations": held["sha256"][data.val_annotations],
        "classes": held["taxonomy"],
        "limits of pictures": data.val_limit,
    }
