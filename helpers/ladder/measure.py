"""One rung measured: trained if need be, looked at, scored, stored; and its numbers checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.data.index import InstanceIndex
from helpers.evaluation.average_precision import KINDS, Preset, evaluate
from helpers.evaluation.bootstrap import mean_precision
from helpers.files import UserError, outputs_dir, read_json, sha256
from helpers.inference.stored import StoredPredictions, predict_missing
from helpers.ladder.data import held_out
from helpers.ladder.ensemble import LETTERS, Members, all_scores, learnt_of, trust_of
from helpers.ladder.reference import (
    REFERENCE,
    WHOLE,
    Entry,
    Reference,
    pack_soft,
    references,
    unpack_soft,
)
from helpers.ladder.results import trained_on
from helpers.ladder.rungs import MEMBERS, Rung, command
from helpers.ladder.rungs import rung as find_rung
from helpers.ladder.scales import scale
from helpers.run_store import Run
from helpers.runs import get_or_train
from helpers.training.data import read_split
from helpers.training.processes import this_process

CHALLENGE_SIDE = 1200  # px: the pictures for which the challenge's size ranges are meant
TOLERANCE = 1e-9  # of metrics from 0 to 1
FUSED = 1e-6  # of fused scores and boxes, which are float32
NOISY = "truth-noisy.json.xz"


def measure(rung: Rung, *, folder: Path = REFERENCE, progress: bool = True) -> Entry:
    """Train the rung's run or take the finished one, score it, and put it into the reference file
    of the machine it was trained on. An ensemble is made of what is stored of its members."""
    if rung.key == "ensemble":
        return _measure_ensemble(rung, folder)
    run = get_or_train(rung.trained, progress=progress)
    reference = _reference_of(rung, run, folder)
    results, name, extra = run.predictions(), f"{run.name}.json.xz", {}
    augmented = rung.config.test.tta is not None
    if augmented or rung.key in MEMBERS:
        stored = looked_at(rung, run, run.index("val"), "val", progress=progress)
        results = read_json(stored.assemble())
        name = f"{run.name}-tta.json.xz" if augmented else name
        if rung.key in MEMBERS:
            extra = _as_member(rung, run, reference, stored, progress)
    entry = Entry(
        rung=rung.key,
        seed=rung.seed,
        run=run.name,
        data=rung.config.data.name,
        steps=len(run.log()),
        minutes=round(run.seconds / 60, 1),
        hardware=trained_on([run]),
        versions=run.environment[-1]["versions"],
        config=rung.settings(),
        sha256=read_json(run.dir / "data.json")["sha256"],
        predictions=name,
        **scores(reference, results, rung.config.test.preset, noisy=rung.table == "masks"),
        extra=extra,
    )
    reference.keep(name, results, rung.config.test.preset, rung.seed)
    reference.add(entry)
    return entry


def scores(
    reference: Reference, results: Sequence[Mapping[str, Any]], preset: str, *, noisy: bool
) -> dict[str, Any]:
    """The numbers of an entry that follow from its results and the stored truth: `evaluation`,
    `sizes` and, where it is asked for, `noisy`."""
    truth, against_noise = reference.truth(), None
    if noisy:
        against_noise = evaluate(reference.read(NOISY), results, preset=preset).to_dict()
    return {
        "evaluation": evaluate(truth, results, preset=preset).to_dict(),
        "sizes": by_size(truth, results, preset),
        "noisy": against_noise,
    }


def by_size(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], preset: str
) -> dict[str, float | None]:
    """Mask AP (0..1) of small, medium and large things when the preset's ranges, meant for
    pictures of 1200 px, are scaled to the size of these; None where there is no such thing."""
    rules = Preset.named(preset)
    share = (max(image["width"] for image in truth["images"]) / CHALLENGE_SIDE) ** 2
    small, large = rules.small_below * share, rules.large_above * share
    scaled = replace(rules, small_below=small, large_above=large)
    found = evaluate(truth, results, preset=scaled, kinds=("segm",)).to_dict()["metrics"]["segm"]
    return {name: found[name] for name in ("APs", "APm", "APl")}


def looked_at(
    rung: Rung, run: Run, index: InstanceIndex, where: str, *, progress: bool = True
) -> StoredPredictions:
    """Soft detections in the rung's way of looking, test-time augmentation and all.

    A kill costs a picture. Raises RunBusyError when another process is looking at them.
    """
    coco = index.to_coco()
    about = {
        "run": run.name,
        "weights": newest_weights(run),
        "test": rung.config.to_dict()["test"],
        "label_space": index.taxonomy.label_space,
        "soft": True,
        "data": index.digest,
        "images": coco["images"],
        "categories": coco["categories"],
    }
    folder = outputs_dir() / "predictions" / run.name / f"ladder-{where}"
    stored = StoredPredictions.open(folder, about)
    if stored.missing():
        how = {"config": rung.config, "device": this_process().device, "progress": progress}
        with stored.share(1, 1):
            predict_missing(
                stored, stored.missing(), model=run.model(), index=index, soft=True, **how
            )
    return stored


def newest_weights(run: Run) -> str:
    """sha256 of the run's newest checkpoint."""
    newest = max((run.dir / "checkpoints").glob("step_*.pt"), default=None)
    if newest is None:
        raise UserError(f"run {run.name} has no checkpoint any more: move it away to train anew")
    return sha256(newest)


def _reference_of(rung: Rung, run: Run, folder: Path) -> Reference:
    """The reference file of the hardware the run was trained on, with the truth beside it. Raises
    UserError when that file is of other validation data."""
    reference = Reference.of(rung.preset, trained_on([run]), folder)
    reference.keep_truth(run.index("val").to_coco(), rung=rung.key, seed=rung.seed)
    masks = scale(rung.preset).masks
    if masks.val_noisy is not None:
        noisy = _other_index(rung, run, masks.val_noisy, masks.val_images)
        reference.write(NOISY, noisy.to_coco())
    return reference


def _as_member(
    rung: Rung, run: Run, reference: Reference, stored: StoredPredictions, progress: bool
) -> dict[str, Any]:
    """What an ensemble needs of a member: the file of its soft predictions, and what held-out
    pictures, where the preset has some, say of its scores."""
    name, others, trust = f"{rung.key}-{rung.seed}.json.xz", held_out(rung.preset), None
    reference.write(name, pack_soft((i, stored.detections(i)) for i in sorted(stored.done())))
    if others is not None:
        index = _other_index(rung, run, *others)
        found = looked_at(rung, run, index, "held-out", progress=progress)
        results = read_json(found.assemble())
        trust = trust_of(index.to_coco(), results, rung.config.test.preset)
    return {"soft": name, "trust": trust}


def _other_index(rung: Rung, run: Run, annotations: str, images: str) -> InstanceIndex:
    data = replace(rung.config.data, val_annotations=annotations, val_images=images)
    return read_split(data, "val", taxonomy=run.taxonomy)


def _measure_ensemble(rung: Rung, folder: Path) -> Entry:
    """Fuse the stored soft predictions of the members, and score that, every subset, and the
    baselines. Raises UserError naming the members that are not measured yet."""
    rows = [find_rung(rung.preset, key, seed=rung.seed) for key in MEMBERS]
    for reference in references(rung.preset, folder):
        found = [reference.find(row.key, row.seed) for row in rows]
        if all(e is not None and row.is_of(e) for row, e in zip(rows, found, strict=True)):
            return _fused(rung, reference, found)
    missing = "`, `".join(command(row) for row in rows)
    raise UserError(f"an ensemble needs its four members measured on one machine: `{missing}`")


def _fused(rung: Rung, reference: Reference, found: Sequence[Entry]) -> Entry:
    preset, learnt = rung.config.test.preset, learnt_of([one.extra["trust"] for one in found])
    files = [one.extra["soft"] for one in found]
    soft = [unpack_soft(reference.read(name)) for name in files]
    members = Members.of(soft, learnt, reference.truth(), preset)
    name, results = f"{rung.preset}-ensemble-{rung.seed}.json.xz", members.results(LETTERS)
    reference.keep(name, results, preset, rung.seed)
    entry = replace(
        found[0],
        rung=rung.key,
        run="+".join(one.run for one in found),
        steps=sum(one.steps for one in found),
        minutes=round(sum(one.minutes for one in found), 1),
        config=dict(zip(MEMBERS, (one.config for one in found), strict=True)),
        predictions=name,
        **scores(reference, results, preset, noisy=False),
        extra={"members": [one.run for one in found], "soft": files, "learnt": learnt}
        | all_scores(members),
    )
    reference.add(entry)
    return entry


def check(reference: Reference, *, subsets: bool = True) -> Iterator[tuple[Entry, list[str]]]:
    """Each entry with what does not agree, recomputed from the files beside the reference: AP from
    the matches, and for `WHOLE` seeds all numbers from the predictions.

    subsets: also fuse every subset of an ensemble's members anew (ten minutes).
    """
    for entry in reference.entries():
        wrong = []
        for kind in KINDS:
            again = mean_precision(reference.matches(entry.predictions, kind))
            stored = entry.scores.metrics[kind]["AP"]
            wrong += differing(again, stored, f"AP of the matches of {kind}")
        if entry.seed in WHOLE:
            wrong += _wrong_predictions(reference, entry, subsets=subsets)
        yield entry, wrong


def _wrong_predictions(reference: Reference, entry: Entry, *, subsets: bool) -> list[str]:
    results, preset = reference.results(entry), entry.scores.preset
    found = scores(reference, results, preset, noisy=entry.noisy is not None)
    wrong = [w for key in found for w in differing(found[key], getattr(entry, key), key)]
    if subsets and entry.rung == "ensemble":
        members = Members.stored(reference, entry)
        if differing(members.results(LETTERS), results, "", tolerance=FUSED):
            wrong.append("the fused predictions are not those stored")
        for key, again in all_scores(members).items():
            wrong += differing(again, entry.extra[key], key)
    return wrong


def differing(found: Any, stored: Any, where: str, *, tolerance: float = TOLERANCE) -> list[str]:
    """The places where two plain values differ: numbers by more than tolerance, all else at all."""
    both, pairs = (found, stored), None
    if all(isinstance(value, Mapping) for value in both) and found.keys() == stored.keys():
        pairs = [(f"{where}.{key}", found[key], stored[key]) for key in found]
    if all(isinstance(value, list | tuple) for value in both) and len(found) == len(stored):
        pairs = [(f"{where}[{n}]", *two) for n, two in enumerate(zip(*both, strict=True))]
    if pairs is not None:
        return [w for at, a, b in pairs for w in differing(a, b, at, tolerance=tolerance)]
    numbers = all(isinstance(value, float) for value in both)
    if math.isclose(found, stored, rel_tol=0, abs_tol=tolerance) if numbers else found == stored:
        return []
    return [f"{where} is {found!r}, stored is {stored!r}"]
