"""Predictions of a run, or of several fused, as the options of `predict` say.

Run members are predicted first, each into its own folder, as if alone with --soft.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from helpers.config import TestConfig, TtaConfig
from helpers.data.coco import read_index
from helpers.data.index import InstanceIndex
from helpers.data.layouts import find_split, picture_list
from helpers.data.pictures import is_picture, read_picture
from helpers.data.taxonomy import Category, Taxonomy
from helpers.evaluation.result_files import match_pictures
from helpers.files import UserError, existing, outputs_dir, replace_file
from helpers.inference.ensemble import EnsembleConfig, fuse
from helpers.inference.predict import to_results
from helpers.inference.predictor import SHOWN_SCORE, checked_device
from helpers.inference.released import Released
from helpers.inference.stored import StoredPredictions, predict_missing
from helpers.inference.tta import require_two_stages
from helpers.models.precision import autocast_dtype
from helpers.run_store import Run, find_run

Model = Run | Released


def predicted(args: argparse.Namespace) -> StoredPredictions:
    """Predictions as the options of `predict` say; those of other shards may be missing.

    What is wrong with runs, pictures or options is found before anything is written.
    """
    names, data = _names_and_data(args.words)
    if data is None and (args.split or args.images):
        raise UserError("--split and --images are of a data set: name it after the runs")
    if args.weights and len(names) == 1:
        raise UserError("--weights are for several runs: name more than one")
    members = [_member(name, data, args, fused=len(names) > 1) for name in names]
    if data is not None and all(member.predict is None for member in members):
        raise UserError(f"folders of predictions know their pictures: leave out {data}")
    if len(members) > 1:
        return _fused(members, args)
    [member], (number, of) = members, args.shard
    _complete(member, member.ids[number - 1 :: of], args)
    return member.stored


def drawn(stored: StoredPredictions, picture: Path) -> Path:
    """The one picture with its 20 best instances of score 0.5 and more, as a JPEG beside them."""
    from helpers.drawing import Overlay, Panel, grid  # only for those who look

    [image], names = (
        stored.about["images"],
        {c["id"]: c["name"] for c in stored.about["categories"]},
    )
    size = (image["height"], image["width"])
    every = stored.results(image["id"])
    results = [r for r in every if r["score"] >= SHOWN_SCORE]  # masks of the others take memory
    found = Overlay.of_results(results, names, size).best()
    panel = Panel(np.asarray(read_picture(picture)), overlay=found)
    _, content = grid([panel], columns=1, alt=picture.name, cell=11.0).encoded()
    file = stored.folder / f"{picture.stem}-masks.jpg"
    replace_file(file, lambda out: out.write(content))
    return file


@dataclass(frozen=True)
class Member:
    """Predictions to be made or given: what they are of, their folder, and how those of some
    pictures are made, None where all are there."""

    folder: Path
    about: Mapping[str, Any]
    predict: Callable[[StoredPredictions, Sequence[int]], None] | None = None

    @property
    def stored(self) -> StoredPredictions:
        return StoredPredictions(self.folder)

    @property
    def name(self) -> str:
        """Run and data, as the folders are called."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def ids(self) -> list[int]:
        """Image ids in their order."""
        return [image["id"] for image in self.about["images"]]


def _names_and_data(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """The names of runs, and the pictures: the last word, where it is a path."""
    *others, last = words
    path = existing(last)
    is_data = path.exists() or "/" in last or path.suffix == ".json" or is_picture(path)
    if not others or not is_data or (path / "about.json").exists():
        return list(words), None
    return others, path


def _member(name: str, data: Path | None, args: argparse.Namespace, *, fused: bool) -> Member:
    """A run's predictions of the data, or those in a folder. All that can be wrong with them is
    found here, before anything is written."""
    given = StoredPredictions(Path(name).expanduser())
    if (given.folder / "about.json").exists():
        return _given(given)
    gpus = torch.cuda.device_count()
    own = f"cuda:{(args.shard[0] - 1) % gpus}" if gpus else "cpu"
    device = checked_device(args.device or own)
    trained = _trained(name)
    index, ids = _index(data, args, trained)
    test = trained.config.test
    test = replace(test, tta=_tta(args, test), precision=args.precision or test.precision)
    autocast_dtype(test.precision, device)  # refused before anything is made
    model, soft = trained.model(), args.soft or fused
    if test.tta is not None:
        require_two_stages(model)
    folder = _folder(trained, data, args.split or "val", test, soft)
    folder = folder if args.output is None or fused else args.output.expanduser()
    coco = replace(index, annotation_ids=index.annotation_ids[:0]).to_coco()
    about = {
        "run": trained.name,
        "weights": _weights_digest(model),
        "test": asdict(test),
        "label_space": index.taxonomy.label_space,
        "soft": soft,
        "pictures": _pictures_digest(index),
        "ids": ids,
        "images": coco["images"],
        "categories": coco["categories"],
    }
    how = {"config": replace(trained.config, test=test), "soft": soft, "device": device}
    return Member(folder, about, partial(predict_missing, model=model, index=index, **how))


def _trained(name: str) -> Model:
    """The released model, or the run of that name."""
    if name == Released.name:
        return Released()
    try:
        return find_run(name)
    except UserError as error:
        raise UserError(f"{error} (nor is there a file or folder {name!r})") from None


def _given(stored: StoredPredictions) -> Member:
    about, missing = stored.about, stored.missing()
    if not about.get("soft"):
        raise UserError(f"{stored.folder} has no soft masks: predict with --soft")
    if missing:
        raise UserError(
            f"{stored.folder} lacks {len(missing)} of {len(about['images'])} pictures: let "
            "`predict` come to its end"
        )
    return Member(stored.folder, about)


def _fused(members: Sequence[Member], args: argparse.Namespace) -> StoredPredictions:
    """The members' predictions made one; those that runs have not made yet come first."""
    base = next((m for m in members if m.about.get("ids", "file") == "file"), members[0])
    ids_of = [_matched(base, member) for member in members]
    if len({member.folder.resolve() for member in members}) < len(members):
        raise UserError("a model is named twice: it would only outvote the others")
    weights = args.weights or [1.0] * len(members)
    if len(weights) != len(members) or not all(0 < weight < math.inf for weight in weights):
        raise UserError(f"--weights: give {len(members)} numbers over 0, one for each run")
    about = {
        "run": "ensemble",
        "members": [[m.name, m.about.get("weights")] for m in members],
        "fusion": {"weights": weights} | asdict(EnsembleConfig()),
        "soft": args.soft,
        "ids": base.about.get("ids", "file"),
        **{key: base.about[key] for key in ("label_space", "images", "categories")},
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:8]
    folder = outputs_dir() / "predictions" / f"ensemble-{digest}" / base.folder.name
    folder = args.output.expanduser() if args.output else folder
    stored, (number, of) = StoredPredictions.open(folder, about), args.shard
    with stored.share(number, of):
        mine = set(base.ids[number - 1 :: of])
        missing = [image_id for image_id in stored.missing() if image_id in mine]
        for member, ids in zip(members, ids_of, strict=True):
            _complete(member, [ids[i] for i in missing], args)
        rows = base.about["categories"]
        taxonomy = Taxonomy(tuple(Category(**row) for row in rows))
        for image_id in tqdm(missing, desc="fuse", unit="picture"):
            pairs = zip(members, ids_of, strict=True)
            fused = fuse([m.stored.detections(ids[image_id]) for m, ids in pairs], weights)
            results = to_results(fused, image_id, taxonomy)
            stored.add(image_id, results, soft=fused if args.soft else None)
    return stored


def _complete(member: Member, image_ids: Sequence[int], args: argparse.Namespace) -> None:
    """Let a run predict those pictures; a folder has them already."""
    if member.predict is not None:
        stored, (number, of) = StoredPredictions.open(member.folder, member.about), args.shard
        with stored.share(number, of):
            member.predict(stored, image_ids)


def _matched(base: Member, member: Member) -> dict[int, int]:
    """Image ids of one -> those of the other, by file name. UserError, naming both, when they are
    of other classes or pictures, or names and ids contradict each other."""
    both = f"{base.name} and {member.name}"
    space, other = (
        {m.about["label_space"], *(f"{c['id']} {c['name']}" for c in m.about["categories"])}
        for m in (base, member)
    )
    if space != other:
        raise UserError(
            f"{both} know different classes, as {min(space ^ other)!r}: only models of the same "
            "classes can be fused"
        )
    ours, theirs = base.about, member.about
    invented = "invented" in (ours.get("ids"), theirs.get("ids"))
    try:
        match_pictures(theirs["images"], ours["images"], invented=invented)
        return match_pictures(ours["images"], theirs["images"], invented=invented)
    except UserError as error:
        raise UserError(
            f"{both} are of different pictures: {error}. Predict the same data with both"
        ) from None


def _index(
    data: Path | None, args: argparse.Namespace, trained: Model
) -> tuple[InstanceIndex, str]:
    """The pictures, and whose their ids are: of an annotation "file", or "invented"."""
    if data is None:
        if isinstance(trained, Released):
            raise UserError(f"{trained.name} has no data of its own: name a picture or a folder")
        return trained.index("val"), "file"
    if data.exists() and (listed := picture_list(data)["images"]):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pictures.json"
            file.write_text(json.dumps({"images": listed}))
            return _read(file, data if data.is_dir() else data.parent, trained), "invented"
    return _read(*find_split(data, args.split or "val", args.images), trained), "file"


def _read(annotations: Path, images: Path | None, trained: Model) -> InstanceIndex:
    space, taxonomy = trained.config.data.label_space, trained.taxonomy
    return read_index(annotations, images, mode="predict", label_space=space, taxonomy=taxonomy)


def _tta(args: argparse.Namespace, test: TestConfig) -> TtaConfig | None:
    if not (args.tta or args.tta_sizes or args.merge):
        return test.tta
    tta = test.tta or TtaConfig.around(test.short_side)
    return replace(tta, sizes=tuple(args.tta_sizes or tta.sizes), merge=args.merge or tta.merge)


def _folder(trained: Model, data: Path | None, split: str, test: TestConfig, soft: bool) -> Path:
    """By run and data, and by what of the test is not usual."""
    words = ["val" if data is None else data.resolve().stem]
    words += [split] if data is not None and data.is_dir() else []
    words += [f"tta-{test.tta.merge}"] if test.tta else []
    words += [test.precision] if test.precision != "float32" else []
    words += ["soft"] if soft else []
    return outputs_dir() / "predictions" / trained.name / "-".join(words)


def _pictures_digest(index: InstanceIndex) -> str:
    """Of the files' sizes and times: others of the same names are another prediction."""
    stats = [path.stat() for path in index.paths]
    text = " ".join(f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats)
    return hashlib.sha256(text.encode()).hexdigest()


def _weights_digest(model: nn.Module) -> str:
    """A run may have trained on since: other weights are another prediction."""
    sha = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().numpy())
    return sha.hexdigest()
