"""Store a finished run as the released model and measure what its card says.

    python -m helpers.tools.release released
    python -m helpers.tools.release released --photographs ANNOTATIONS.json IMAGES/ ...

Writes data/models/released.safetensors, released.json and the numbers of the card, README.md.
Scores on scenes are of the run's validation rooms, which training never saw; photographs are any
COCO files, whose couch, chair, bed and dining table stand for the groups Sofa, Chair, Bed, Table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.config import preset
from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.evaluation.average_precision import Evaluation, evaluate, percent
from helpers.evaluation.bootstrap import interval
from helpers.files import write_json
from helpers.inference.predict import predict_index
from helpers.inference.released import RELEASED, Released, store
from helpers.run_store import Run, find_run

NUMBERS = "## Numbers\n"
GROUPS = {"couch": "Sofa", "chair": "Chair", "bed": "Bed", "dining table": "Table"}


def main(words: Sequence[str] | None = None) -> None:
    """Store, measure, write the numbers, print them."""
    parser = argparse.ArgumentParser(prog="python -m helpers.tools.release", description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--photographs", nargs=2, type=Path, action="append", default=[])
    args = parser.parse_args(words)
    run = find_run(args.run)
    # the data under the names that `scenes make --preset released` gives them
    config = replace(run.config, data=preset("released").data)
    RELEASED.parent.mkdir(parents=True, exist_ok=True)
    store(RELEASED, model=run.model(), config=config, taxonomy=run.taxonomy)
    card = _training(run) | _on_scenes(run)
    if args.photographs:
        card["photographs"] = _on_photographs(args.photographs)
    card["bytes"] = RELEASED.stat().st_size
    write_json(RELEASED.with_suffix(".json"), card)
    page = RELEASED.with_name("README.md")
    text, _, _ = page.read_text().partition(NUMBERS)
    page.write_text(text + NUMBERS + numbers(card))
    print(numbers(card))


def numbers(card: dict[str, Any]) -> str:
    """The card's tables, in Markdown."""
    lines = [
        f"\nIts last training: {card['steps']:,} steps of 4 pictures in "
        f"{card['minutes']:.0f} minutes on {card['hardware']}, "
        f"other work beside it; {card['bytes'] / 1e6:.1f} MB.",
        f"\nOn {card['validation pictures']} generated pictures of rooms that training never saw, "
        "preset `coco`, per cent; 95 % over pictures:\n",
        "| classes | mask AP | 95 % | AP50 | boundary AP | small, medium, large | box AP |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in ("34 classes", "7 groups"):
        part = card[name]
        mask = {key: percent(value) for key, value in part["metrics"]["segm"].items()}
        others = [percent(part["metrics"][kind]["AP"]) for kind in ("boundary", "bbox")]
        low, high = map(percent, part["mask AP, 95 % over pictures"])
        sizes = ", ".join(mask[key] for key in ("APs", "APm", "APl"))
        cells = (name, mask["AP"], f"{low} to {high}", mask["AP50"], others[0], sizes, others[1])
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *_class_lines(card["34 classes"]["classes"]), ""]
    if "photographs" in card:
        shown = card["photographs"]
        lines += [
            f"On {shown['pictures']} photographs of COCO with such furniture, its couch, chair, "
            "bed and dining table against the model's groups Sofa, Chair, Bed, Table: mask AP50 "
            f"**{percent(shown['metrics']['segm']['AP50'])}**, "
            f"box AP50 {percent(shown['metrics']['bbox']['AP50'])}.\n",
            *_class_lines(shown["classes"]),
        ]
    return "\n".join(lines) + "\n"


def _class_lines(classes: dict[str, dict[str, float]]) -> list[str]:
    rows = [
        f"| {name} | {row['instances']} | {percent(row['AP'])} | {percent(row['AP50'])} |"
        for name, row in sorted(classes.items(), key=lambda item: -item[1]["AP"])
    ]
    return ["| class | instances | mask AP | AP50 |", "| --- | --- | --- | --- |", *rows]


def _training(run: Run) -> dict[str, Any]:
    first = run.environment[0]
    return {
        "data": "generated scenes (scenes make --preset released)",
        "training pictures": len(run.index("train")),
        "steps": len(run.log()),
        "minutes": round(run.seconds / 60, 1),
        "hardware": first["hardware"],
        "versions": first["versions"],
    }


def _on_scenes(run: Run) -> dict[str, Any]:
    """Scores of the stored file itself, whose weights are rounded to 16 bits."""
    fine = run.index("val")
    groups, kinds = fine.in_space("super"), {c.id: c for c in fine.taxonomy.categories}
    started = time.perf_counter()
    results = predict_index(Released().model(), fine, config=run.config)
    seconds = (time.perf_counter() - started) / len(fine)
    number = {c.name: c.id for c in groups.taxonomy.classes}
    grouped = [r | {"category_id": number[kinds[r["category_id"]].supercategory]} for r in results]
    return {
        "validation pictures": len(fine),
        "seconds a picture": round(seconds, 3),
        "34 classes": _scores(fine, results),
        "7 groups": _scores(groups, grouped),
    }


def _scores(index: InstanceIndex, results: list[dict[str, Any]]) -> dict[str, Any]:
    ends = interval(index, results, preset="coco")
    found = evaluate(index, results, preset="coco")
    return {"mask AP, 95 % over pictures": [ends.low, ends.high], **_by_class(found)}


def _on_photographs(sources: Sequence[Sequence[Path]]) -> dict[str, Any]:
    """Mask scores of the four groups over all files together; crowds are ignored, as COCO does."""
    released = Released()
    number = {name: n for n, name in enumerate(GROUPS.values(), 1)}
    theirs = {c.id: number.get(c.supercategory) for c in released.taxonomy.categories}
    truth: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    truth["categories"] = [{"id": n, "name": name} for name, n in number.items()]
    results = []
    for file, images in sources:
        index = read_index(file, images)
        coco = index.to_coco()
        mine = {c["id"]: number.get(GROUPS.get(c["name"])) for c in coco["categories"]}
        own = [a for a in coco["annotations"] if mine[a["category_id"]]]
        shown = {a["image_id"] for a in own}
        truth["images"] += [image for image in coco["images"] if image["id"] in shown]
        truth["annotations"] += [a | {"category_id": mine[a["category_id"]]} for a in own]
        pictures = replace(index.subset(shown), taxonomy=released.taxonomy)
        found = predict_index(released.model(), pictures, config=released.config)
        own = ((r, theirs[r["category_id"]]) for r in found)
        results += [r | {"category_id": group} for r, group in own if group]
    evaluation = evaluate(truth, results, preset="coco")
    return {"pictures": len(truth["images"]), **_by_class(evaluation)}


def _by_class(found: Evaluation) -> dict[str, Any]:
    return {
        "metrics": {kind: dict(values) for kind, values in found.metrics.items()},
        "classes": {c.name: {"instances": c.instances, **c.metrics["segm"]} for c in found.classes},
    }


if __name__ == "__main__":
    main()
