"""What the members of a measured ensemble see, alone and together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.config import Preset
from helpers.data.rle import iou
from helpers.inference.predict import to_results
from helpers.ladder.ensemble import Members
from helpers.ladder.reference import REFERENCE, Entry, Reference
from helpers.ladder.results import stored
from helpers.structures import Detections

NAMES = {
    "A": "A: PointRend",
    "B": "B: cascade",
    "C": "C: cascade, focal",
    "D": "D: SOLOv2",
}


@dataclass(frozen=True)
class Measured:
    """A measured ensemble: its file, its entry, its members as they are stored."""

    reference: Reference
    entry: Entry
    members: Members


def measured(preset: Preset, *, seed: int = 0, folder: Path = REFERENCE) -> Measured | None:
    """The first measured ensemble of a preset with that seed; None when there is none."""
    for reference, entry in stored(preset, folder):
        if (entry.rung, entry.seed) == ("ensemble", seed):
            return Measured(reference, entry, Members.stored(reference, entry))
    return None


def subset_table(entry: Entry) -> pd.DataFrame:
    """Every subset of the members, the best first: how many, mask AP, AP50, AP75 and boundary AP in
    per cent. Index: its letters."""
    table = _per_cent(entry.extra["subsets"])
    table.insert(0, "members", [len(letters) for letters in table.index])
    return table.sort_values("mask AP", ascending=False, kind="stable").rename_axis("subset")


def way_table(entry: Entry) -> pd.DataFrame:
    """What the ensemble has to beat: the best single model (by held-out mask AP, or by its own
    where none is known), other ways to put all members together, and the ensemble itself."""
    subsets, learnt = entry.extra["subsets"], entry.extra["learnt"]
    letters = "".join(key for key in subsets if len(key) == 1)
    judged = dict(zip(letters, learnt["precision"], strict=True))
    known = {x: subsets[x]["mask AP"] if judged[x] is None else judged[x] for x in letters}
    best = max(letters, key=known.get)
    rows = {f"best single model ({best})": subsets[best], **entry.extra["baselines"]}
    rows["ensemble"] = subsets[letters]
    if "two_pass" in entry.extra:
        rows["ensemble in two passes"] = entry.extra["two_pass"]["scores"]
    return _per_cent(rows)


def member_table(found: Measured) -> pd.DataFrame:
    """One row a member: what held-out pictures said of it, and what it finds on its own."""
    learnt, single = found.entry.extra["learnt"], found.entry.extra["subsets"]
    rows = []
    for place, letter in enumerate(found.members.soft):
        held_out = learnt["precision"][place]
        rows.append(
            {
                "member": NAMES[letter],
                "run": found.entry.extra["members"][place],
                "held-out mask AP": None if held_out is None else round(100 * held_out, 2),
                "weight": round(learnt["weights"][place], 2),
                "mask AP": round(100 * single[letter]["mask AP"], 2),
            }
        )
    return pd.DataFrame(rows).set_index("member")


def scores_of_all(members: Members) -> pd.DataFrame:
    """One row a detection of any member: member, score as the model gave it, calibrated score."""
    rows = []
    for letter, soft in members.soft.items():
        for image_id, found in soft.items():
            [again] = members.found(letter, image_id)
            pairs = zip(found.scores.tolist(), again.scores.tolist(), strict=True)
            rows += [(NAMES[letter], raw, calibrated) for raw, calibrated in pairs]
    return pd.DataFrame(rows, columns=["member", "score", "calibrated"])


def fitting_score(members: Members) -> float:
    """The calibrated score from which on the members, taken one by one, show as many detections as
    there are true instances, on average over the members; 0 where they have fewer."""
    instances = sum(not thing["iscrowd"] for thing in members.truth["annotations"])
    wanted = instances * len(members.soft)
    scores = scores_of_all(members)["calibrated"].sort_values(ascending=False).to_numpy()
    return float(scores[wanted - 1]) if 0 < wanted <= len(scores) else 0.0


def who_finds_what(members: Members, *, score: float, overlap: float = 0.5) -> pd.DataFrame:
    """One row a true instance: image_id, its place among those of the picture, area (px), and for
    each member whether it finds it: right class, mask IoU of `overlap`, a score of `score`."""
    rows = []
    for image in members.truth["images"]:
        things = truths_of(members.truth, image["id"])
        hits = {x: _hits(members, x, image["id"], things, score, overlap) for x in members.soft}
        for place, thing in enumerate(things):
            seen = {letter: bool(hits[letter][place]) for letter in hits}
            about = {"image_id": image["id"], "place": place, "area": thing["area"]}
            rows.append({**about, **seen})
    return pd.DataFrame(rows, columns=["image_id", "place", "area", *members.soft])


def finding_table(finds: pd.DataFrame) -> pd.DataFrame:
    """One row a member: instances found, and those that no other member finds."""
    letters = [column for column in finds if column in NAMES]
    count = finds[letters].sum(axis=1)
    return pd.DataFrame(
        {
            "member": [NAMES[x] for x in letters],
            "found": [int(finds[x].sum()) for x in letters],
            "found by it alone": [int((finds[x] & (count == 1)).sum()) for x in letters],
            "missed by it alone": [
                int((~finds[x] & (count == len(letters) - 1)).sum()) for x in letters
            ],
        }
    ).set_index("member")


def telling_pictures(finds: pd.DataFrame, count: int) -> list[int]:
    """Ids of the pictures on whose instances the members agree least, most disputed first."""
    letters = [column for column in finds if column in NAMES]
    seen = finds[letters].sum(axis=1)
    disputed = (seen > 0) & (seen < len(letters))
    ranked = disputed.groupby(finds["image_id"]).sum().sort_values(ascending=False, kind="stable")
    return [int(image_id) for image_id in ranked.index[:count]]


def telling_instance(finds: pd.DataFrame) -> tuple[int, int]:
    """(image id, place) of the largest instance that most members find."""
    letters = [column for column in finds if column in NAMES]
    order = finds.assign(seen=finds[letters].sum(axis=1)).sort_values(["seen", "area"])
    return int(order.iloc[-1]["image_id"]), int(order.iloc[-1]["place"])


def growth(members: Members, image_id: int, place: int) -> dict[str, Detections]:
    """One true instance as members join one after the other: letters -> the fused detection that
    overlaps it best (none of them, when no member so far sees anything there)."""
    thing = truths_of(members.truth, image_id)[place]
    steps, letters = {}, "".join(members.soft)
    for count in range(1, len(letters) + 1):
        joined = letters[:count]
        steps[joined] = _nearest(members.together(joined, image_id), thing, image_id, members)
    return steps


def truths_of(truth: Mapping[str, Any], image_id: int) -> list[Mapping[str, Any]]:
    """The true instances of one picture, in the order of the file."""
    return [a for a in truth["annotations"] if a["image_id"] == image_id and not a["iscrowd"]]


def _nearest(
    found: Detections, thing: Mapping[str, Any], image_id: int, members: Members
) -> Detections:
    best, highest = found[:0], 0.0
    for row in range(len(found)):
        one = found[row : row + 1]
        results = to_results(one, image_id, members.taxonomy)
        if not results or results[0]["category_id"] != thing["category_id"]:
            continue
        overlap = float(iou([results[0]["segmentation"]], [thing["segmentation"]])[0, 0])
        if overlap > highest:
            best, highest = one, overlap
    return best


def _hits(
    members: Members,
    letter: str,
    image_id: int,
    things: Sequence[Mapping[str, Any]],
    score: float,
    overlap: float,
) -> np.ndarray:
    """(things,) bool"""
    [found] = members.found(letter, image_id)
    results = to_results(found[found.scores >= score], image_id, members.taxonomy)
    if not results or not things:
        return np.zeros(len(things), dtype=bool)
    shared = iou([r["segmentation"] for r in results], [t["segmentation"] for t in things])
    kinds = np.array([[r["category_id"] == t["category_id"] for t in things] for r in results])
    return ((shared >= overlap) & kinds).any(axis=0)


def _per_cent(scores: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    return (100 * pd.DataFrame.from_dict(scores, orient="index").astype(float)).round(2)
