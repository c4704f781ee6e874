"""One rung measured: trained if need be, looked at, scored, stored so that it can be checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from helpers.config import DataConfig, ExperimentConfig
from helpers.evaluation.average_precision import Preset, evaluate
from helpers.files import UserError, outputs_dir, read_json
from helpers.inference.stored import StoredPredictions, predict_missing
from helpers.ladder.data import HeldOut, held_out
from helpers.ladder.ensemble import LETTERS, Learnt, Members, Trust, all_scores
from helpers.ladder.reference import REFERENCE, Entry, Reference, pack_results, references
from helpers.ladder.results import trained_on
from helpers.ladder.rungs import MEMBERS, Rung, command
from helpers.ladder.rungs import rung as find_rung
from helpers.ladder.scales import scale
from helpers.ladder.soft import pack_soft, unpack_soft
from helpers.run_store import Run
from helpers.runs import get_or_train
from helpers.training.data import read_split
from helpers.training.processes import this_process

CHALLENGE_SIDE = 1200  # px: the pictures for which the challenge's size ranges are meant


def measure(rung: Rung, *, folder: Path = REFERENCE, progress: bool = True) -> Entry:
    """Train the rung's run or take the finished one, score it, and put it into the reference file
    of the machine it was trained on. An ensemble is made of what is stored of its members."""
    if rung.key == "ensemble":
        return measure_ensemble(rung, folder=folder)
    run = get_or_train(rung.trained, progress=progress)
    reference = reference_of(rung, run, folder)
    results, name, extra = run.predictions(), f"{run.name}.json.xz", {}
    if rung.config.test.tta is not None or rung.key in MEMBERS:
        stored, results = looked_at(rung, run, progress=progress)
        name = f"{run.name}-tta.json.xz" if rung.config.test.tta is not None else name
        if rung.key in MEMBERS:
            extra = _as_member(rung, run, reference, stored, progress)
    entry = scored(rung, run, reference, results, name, extra)
    reference.add(entry)
    return entry


def _as_member(
    rung: Rung, run: Run, reference: Reference, stored: StoredPredictions, progress: bool
) -> dict[str, Any]:
    """What an ensemble needs of a member: the file of its soft predictions, and what held-out
    pictures, where the preset has some, say of its scores."""
    name, place, found = f"{rung.key}-{rung.seed}.json.xz", held_out(rung.preset), None
    reference.write(name, pack_soft((i, stored.detections(i)) for i in sorted(stored.done())))
    if place is not None:
        results = looked_at(rung, run, held_out=place, progress=progress)[1]
        data = _other_val(rung.config, place.annotations, place.images)
        truth = read_split(data, "val", taxonomy=run.taxonomy).to_coco()
        found = asdict(Trust.of(truth, results, rung.config.test.preset))
    return {"soft": name, "trust": found}


def measure_ensemble(rung: Rung, *, folder: Path = REFERENCE) -> Entry:
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
    trust = [one.extra["trust"] for one in found]
    learnt = Learnt.nothing(len(found)) if None in trust else Learnt.of(map(Trust.read, trust))
    names = [one.extra["soft"] for one in found]
    soft = [unpack_soft(reference.read(name)) for name in names]
    members = Members.of(soft, learnt, reference.truth(), rung.config.test.preset)
    name, results = f"{rung.preset}-ensemble-{rung.seed}.json.xz", members.results(LETTERS)
    reference.write(name, pack_results(results))
    entry = replace(
        found[0],
        rung=rung.key,
        run="+".join(one.run for one in found),
        steps=sum(one.steps for one in found),
        minutes=round(sum(one.minutes for one in found), 1),
        config=rung.settings(),
        predictions=name,
        **_scores(reference, results, rung.config.test.preset),
        extra={"members": [one.run for one in found], "soft": names, "learnt": asdict(learnt)}
        | all_scores(members),
    )
    reference.add(entry)
    return entry


def reference_of(rung: Rung, run: Run, folder: Path) -> Reference:
    """The reference file of the hardware the run was trained on, with the truth beside it. Raises
    UserError when that file is of other validation data."""
    reference = Reference.of(rung.preset, trained_on([run]), folder)
    reference.keep_truth(truth_of(run), rung=rung.key, seed=rung.seed)
    if scale(rung.preset).masks.val_noisy is not None:
        reference.write("truth-noisy.json.xz", noisy_truth_of(rung, run))
    return reference


def scored(
    rung: Rung,
    run: Run,
    reference: Reference,
    results: Sequence[Mapping[str, Any]],
    name: str,
    extra: Mapping[str, Any],
) -> Entry:
    """The entry of the results of a row's run, which are stored as `name` beside the reference."""
    reference.write(name, pack_results(results))
    preset, noisy = rung.config.test.preset, None
    if rung.table == "masks":
        noisy = evaluate(reference.read("truth-noisy.json.xz"), results, preset=preset).to_dict()
    return Entry(
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
        **_scores(reference, results, preset),
        noisy=noisy,
        extra=extra,
    )


def _scores(
    reference: Reference, results: Sequence[Mapping[str, Any]], preset: str
) -> dict[str, Any]:
    truth = reference.truth()
    evaluation = evaluate(truth, results, preset=preset).to_dict()
    return {"evaluation": evaluation, "sizes": by_size(truth, results, preset)}


def looked_at(
    rung: Rung, run: Run, *, held_out: HeldOut | None = None, progress: bool = True
) -> tuple[StoredPredictions, list[dict[str, Any]]]:
    """Soft detections and results of the rung's way of looking, test-time augmentation and all.

    On the validation pictures, or on others that are held out. A kill costs a picture. Raises
    RunBusyError when another process is looking at them.
    """
    config, index = rung.config, run.index("val")
    if held_out is not None:
        data = _other_val(config, held_out.annotations, held_out.images)
        index = read_split(data, "val", taxonomy=run.taxonomy)
    where, coco = "val" if held_out is None else "held-out", index.to_coco()
    about = {
        "run": run.name,
        "weights": newest_weights(run),
        "test": config.to_dict()["test"],
        "label_space": index.taxonomy.label_space,
        "soft": True,
        "data": index.digest,
        "images": coco["images"],
        "categories": coco["categories"],
    }
    folder = outputs_dir() / "predictions" / run.name / f"ladder-{where}"
    stored = StoredPredictions.open(folder, about)
    if stored.missing():
        with stored.share(1, 1):
            predict_missing(
                stored,
                stored.missing(),
                model=run.model(),
                index=index,
                config=config,
                soft=True,
                device=this_process().device,
                progress=progress,
            )
    return stored, read_json(stored.assemble())


def newest_weights(run: Run) -> str:
    """sha256 of the run's newest checkpoint."""
    newest = max((run.dir / "checkpoints").glob("step_*.pt"), default=None)
    if newest is None:
        raise UserError(f"run {run.name} has no checkpoint any more: move it away to train anew")
    with newest.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def by_size(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], preset: str
) -> dict[str, float | None]:
    """Mask AP (0..1) of small, medium and large things when the preset's ranges, meant for
    pictures of 1200 px, are scaled to the size of these; None where there is no such thing."""
    rules = Preset.named(preset)
    share = (max(image["width"] for image in truth["images"]) / CHALLENGE_SIDE) ** 2
    small, large = rules.small_below * share, rules.large_above * share
    scaled = replace(rules, small_below=small, large_above=large)
    scores = evaluate(truth, results, preset=scaled, kinds=("segm",)).to_dict()["metrics"]["segm"]
    return {name: scores[name] for name in ("APs", "APm", "APl")}


def truth_of(run: Run) -> dict[str, Any]:
    """Plain COCO ground truth of the run's validation pictures."""
    return run.index("val").to_coco()


def noisy_truth_of(rung: Rung, run: Run) -> dict[str, Any]:
    """The same pictures with the noisy masks."""
    masks = scale(rung.preset).masks
    data = _other_val(rung.config, masks.val_noisy, masks.val_images)
    return read_split(data, "val", taxonomy=run.taxonomy).to_coco()


def _other_val(config: ExperimentConfig, annotations: str, images: str) -> DataConfig:
    return replace(config.data, val_annotations=annotations, val_images=images)
