"""One rung measured: trained if need be, looked at, scored, stored so that it can be checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from helpers.config import DataConfig, ExperimentConfig
from helpers.evaluation.average_precision import Preset, evaluate
from helpers.files import RunBusyError, UserError, outputs_dir, read_json
from helpers.inference.predict import detect_index, to_results
from helpers.inference.stored import Part, StoredPredictions
from helpers.ladder.data import HeldOut, held_out
from helpers.ladder.ensemble import LETTERS, Learnt, Members, all_scores, short_scores
from helpers.ladder.reference import REFERENCE, Entry, Reference, pack_results
from helpers.ladder.results import trained_on
from helpers.ladder.rungs import MEMBERS, Rung
from helpers.ladder.rungs import rung as find_rung
from helpers.ladder.scales import scale
from helpers.ladder.soft import pack_soft, unpack_soft
from helpers.ladder.two_pass import two_pass_results
from helpers.run_store import Run
from helpers.runs import get_or_train
from helpers.training.data import read_split
from helpers.training.processes import this_process

CHALLENGE_SIDE = 1200  # px: the pictures for which the challenge's size ranges are meant


def measure(rung: Rung, *, folder: Path = REFERENCE, progress: bool = True) -> Entry:
    """Train the rung's run or take the finished one, score it, and put it into the reference file
    of the machine it was trained on."""
    if rung.key == "ensemble":
        return measure_ensemble(rung, folder=folder, progress=progress)
    run = get_or_train(rung.trained, progress=progress)
    reference = reference_of(rung, [run], folder)
    results, name = run.predictions(), f"{run.name}.json.xz"
    if rung.config.test.tta is not None:
        results, name = looked_at(rung, run, progress=progress)[1], f"{run.name}-tta.json.xz"
    entry = scored(rung, [run], reference, results, name)
    reference.add(entry)
    return entry


def measure_ensemble(rung: Rung, *, folder: Path = REFERENCE, progress: bool = True) -> Entry:
    """Train the members or take the finished ones, fuse their stored soft predictions, and score
    that, every subset, and the baselines. Learns on held-out pictures where the preset has some."""
    rows = [find_rung(rung.preset, key, seed=rung.seed) for key in MEMBERS]
    runs = [get_or_train(row.trained, progress=progress) for row in rows]
    reference = reference_of(rung, runs, folder)
    names = [
        _store_soft(reference, row, run, progress) for row, run in zip(rows, runs, strict=True)
    ]
    learnt = _learnt(rows, runs, progress)
    called = [run.name for run in runs]
    extra = {"members": called, "soft": names, "learnt": asdict(learnt)}
    soft = [unpack_soft(reference.read(name)) for name in names]
    members = Members.of(soft, learnt, reference.truth(), rung.config.test.preset)
    extra |= all_scores(members)
    again = two_pass_results(members, runs, test=rung.config.test)
    again_name = f"{rung.preset}-two-pass-{rung.seed}.json.xz"
    reference.write(again_name, pack_results(again))
    scores = short_scores(members.truth, again, members.preset)
    extra["two_pass"] = {"predictions": again_name, "scores": scores}
    name = f"{rung.preset}-ensemble-{rung.seed}.json.xz"
    entry = scored(rung, runs, reference, members.results(LETTERS), name, extra)
    reference.add(entry)
    return entry


def _store_soft(reference: Reference, rung: Rung, run: Run, progress: bool) -> str:
    stored, _ = looked_at(rung, run, progress=progress)
    name = f"{rung.key}-{rung.seed}.json.xz"
    reference.write(name, pack_soft(sorted(stored.detections(), key=lambda pair: pair[0])))
    return name


def _learnt(rows: Sequence[Rung], runs: Sequence[Run], progress: bool) -> Learnt:
    place = held_out(rows[0].preset)
    if place is None:
        return Learnt.nothing(len(rows))
    pairs = list(zip(rows, runs, strict=True))
    found = [looked_at(row, run, held_out=place, progress=progress)[1] for row, run in pairs]
    data = _other_val(rows[0].config, place.annotations, place.images)
    truth = read_split(data, "val", taxonomy=runs[0].taxonomy).to_coco()
    return Learnt.of(truth, found, rows[0].config.test.preset)


def reference_of(rung: Rung, runs: Sequence[Run], folder: Path) -> Reference:
    """The reference file of the hardware the runs of a row were trained on, with the truth beside
    it. Raises UserError when that file is of other validation data."""
    reference, run = Reference.of(rung.preset, trained_on(runs), folder), runs[0]
    reference.keep_truth(truth_of(run), rung=rung.key, seed=rung.seed)
    if scale(rung.preset).masks.val_noisy is not None:
        reference.write("truth-noisy.json.xz", noisy_truth_of(rung, run))
    return reference


def scored(
    rung: Rung,
    runs: Sequence[Run],
    reference: Reference,
    results: Sequence[Mapping[str, Any]],
    name: str,
    extra: Mapping[str, Any] | None = None,
) -> Entry:
    """The entry of the results of a row's run, or of its members together, which are stored as
    `name` beside the reference."""
    reference.write(name, pack_results(results))
    truth, preset = reference.truth(), rung.config.test.preset
    noisy = None
    if rung.table == "masks":
        noisy = evaluate(reference.read("truth-noisy.json.xz"), results, preset=preset).to_dict()
    return Entry(
        rung=rung.key,
        seed=rung.seed,
        run="+".join(run.name for run in runs),
        data=rung.config.data.name,
        steps=sum(len(run.log()) for run in runs),
        minutes=round(sum(run.seconds for run in runs) / 60, 1),
        hardware=trained_on(runs),
        versions=runs[0].environment[-1]["versions"],
        config=rung.settings(),
        sha256=read_json(runs[0].dir / "data.json")["sha256"],
        predictions=name,
        evaluation=evaluate(truth, results, preset=preset).to_dict(),
        sizes=by_size(truth, results, preset),
        noisy=noisy,
        extra=extra or {},
    )


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
    with ExitStack() as stack:
        part = _part(stored, stack)
        missing = sorted(set(index.image_ids.tolist()) - stored.done())
        if missing:
            chosen = index.subset(missing)
            found = detect_index(
                run.model(), chosen, config=config, device=this_process().device, progress=progress
            )
            for image_id, detections in found:
                results = to_results(detections, image_id, index.taxonomy)
                part.append(image_id, results, soft=detections)
    return stored, read_json(stored.assemble())


def newest_weights(run: Run) -> str:
    """sha256 of the run's newest checkpoint."""
    newest = max((run.dir / "checkpoints").glob("step_*.pt"), default=None)
    if newest is None:
        raise UserError(f"run {run.name} has no checkpoint any more: move it away to train anew")
    with newest.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _part(stored: StoredPredictions, stack: ExitStack) -> Part:
    """The folder's only part, held alone."""
    try:
        return stack.enter_context(stored.part(1, 1))
    except UserError as error:
        raise RunBusyError(
            f"another process looks at the pictures for {stored.folder}: wait until it has "
            "finished; the same call then goes on"
        ) from error


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
