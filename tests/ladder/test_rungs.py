"""The rows of the paper's tables: what each changes, and which of them are one training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.__main__ import main
from helpers.__main__ import parser as command_line
from helpers.config import TestConfig
from helpers.data import rle
from helpers.evaluation.average_precision import Evaluation
from helpers.files import RunBusyError, UserError
from helpers.ladder import command as ladder_command
from helpers.ladder import data
from helpers.ladder import measure as ladder_measure
from helpers.ladder import results as measured
from helpers.ladder import rungs as ladder
from helpers.ladder.reference import STACKED, Entry, Reference, pack_results, unpack_results

PRESETS = ("bench", "paper")


def keyed(preset: str) -> dict[str, ladder.Rung]:
    return {row.key: row for row in ladder.rungs(preset)}


@pytest.mark.parametrize("preset", PRESETS)
def test_rows_of_one_training_share_a_run_and_no_others_do(preset):
    rows = keyed(preset)
    same = [{"mst", "tta", "member_c"}, {"member_a", "ensemble"}, {"pointrend_r50", "masks_noisy"}]
    runs: dict[str, set[str]] = {}
    for key, row in rows.items():
        runs.setdefault(row.run_name, set()).add(key)
    assert sorted(map(sorted, (keys for keys in runs.values() if len(keys) > 1))) == sorted(
        map(sorted, same)
    )
    assert all(row.trained.test.tta is None for row in rows.values())


@pytest.mark.parametrize("preset", PRESETS)
def test_each_step_of_table_2_changes_one_thing(preset):
    rows = keyed(preset)
    for before, after, section in (
        ("s101", "dcn", "model"),
        ("dcn", "focal", "loss"),
        ("focal", "correction", "data"),
        ("correction", "mst", "train"),
        ("mst", "tta", "test"),
        ("correction", "aggressive", "train"),
    ):
        one, other = rows[before].config, rows[after].config
        changed = [
            name
            for name in ("data", "model", "loss", "train", "test")
            if getattr(one, name) != getattr(other, name)
        ]
        assert changed == [section], (before, after)


def test_the_papers_rows_have_the_papers_numbers():
    rows = keyed("paper")
    table = [row.paper for row in rows.values() if row.table == "table2"]
    assert table == [70.32, 71.82, 72.76, 73.40, 74.38, 75.53, 77.12]
    assert [rows[f"member_{x}"].paper for x in "abcd"] == [74.30, 76.64, 77.12, 75.50]
    last = rows["mst"].trained
    assert (last.model.backbone, last.model.deform_stages) == ("resnest101e", (3, 4, 5))
    assert (last.model.post_nms_train, last.loss.mask_weight) == (2000, 1.1)
    assert (last.train.short_side, last.train.max_side) == ((1200, 1500), 1500)
    solo = rows["member_d"].trained
    assert (solo.model.backbone, solo.train.short_side) == ("resnext101_64x4d", (1200, 1600))
    assert solo.train.max_side == 1600
    assert solo.model.solov2.deformable
    assert rows["x101"].trained.train.short_side == (1200, 1200)
    assert "masks_true" not in rows  # nobody has them for real photographs


def test_the_command_of_a_row_is_one_the_command_line_knows():
    row = ladder.rung("bench", "dcn")
    args = command_line(["ladder"]).parse_args(ladder.command(row).split()[3:])
    assert (args.preset, args.only) == ("bench", ["dcn"])
    again = command_line(["ladder"]).parse_args(
        ladder.command(ladder.rung("bench", "dcn", seed=2)).split()[3:]
    )
    assert again.seeds == 3  # 0 to 2
    with pytest.raises(ValueError, match="choose among mask_rcnn_r50"):
        ladder.rung("bench", "dcnv3")


RESULT = {
    "image_id": 3,
    "category_id": 2,
    "segmentation": {"size": [4, 6], "counts": "0h0"},
    "bbox": [0.5, 0.0, 5.5, 4.0],
    "score": 0.25,
}


def entry(rung: str = "dcn", seed: int = 0, ap: float = 0.5) -> Entry:
    kinds = ("segm", "boundary", "bbox")
    metrics = {kind: dict.fromkeys(("AP", "AP50", "AP75", "APs"), ap) for kind in kinds}
    return Entry(
        rung=rung,
        seed=seed,
        run="bench-dcn-12345678",
        data="scenes",
        steps=7,
        minutes=1.5,
        hardware="2 CPU cores (x86_64)",
        versions={},
        config=ladder.rung("bench", rung, seed=seed).settings(),
        sha256={},
        predictions="bench-dcn-12345678.json.xz",
        evaluation=Evaluation(TestConfig.preset, metrics, (), 1, 1, 1).to_dict(),
        sizes={"APs": 0.125, "APm": None, "APl": 0.5},
    )


def test_packed_results_come_back_as_they_were():
    """Pictures of two sizes, masks that are empty, full and ragged; more than fit one stack."""
    random = np.random.default_rng(0)
    sizes = {1: (7, 9), 2: (5, 40)}
    truth = {"images": [{"id": i, "height": h, "width": w} for i, (h, w) in sizes.items()]}
    rows = [{**RESULT, "image_id": 1 + n % 2} for n in range(2 * STACKED + 1)]
    for row, share in zip(rows, random.choice([0, 0.1, 0.5, 1], len(rows)), strict=True):
        row["segmentation"] = rle.encode(random.random(sizes[row["image_id"]]) < share)
    assert unpack_results(pack_results(rows), truth) == rows
    assert unpack_results(pack_results([]), truth) == []


def test_an_entry_replaces_only_its_own_rung_and_seed(tmp_path):
    reference = Reference.of("bench", "2 CPU cores (x86_64)", tmp_path)
    assert reference.path.name == "bench-2-cpu-cores-x86-64.json"
    assert reference.entries() == []
    for one in (entry(), entry(seed=1), entry("focal"), entry(ap=0.75)):
        reference.add(one)
    found = {(e.rung, e.seed): e.scores.metrics["segm"]["AP"] for e in reference.entries()}
    assert found == {("dcn", 0): 0.75, ("dcn", 1): 0.5, ("focal", 0): 0.5}
    other = Reference.of("bench", "NVIDIA H200", tmp_path)
    other.add(entry())
    assert len(reference.entries()) == 3


def test_results_are_a_table_in_per_cent_in_the_papers_order(tmp_path):
    for one in (entry("focal", seed=1), entry("dcn"), entry("focal", ap=0.25)):
        Reference.of("bench", one.hardware, tmp_path).add(one)
    table = measured.results("bench", tmp_path)
    assert table[["rung", "seed"]].values.tolist() == [["dcn", 0], ["focal", 0], ["focal", 1]]
    assert table["mask AP"].tolist() == [50, 25, 50]
    assert table["APs scaled"].tolist() == [12.5] * 3
    assert table["APl"].isna().all()
    nothing = measured.results("bench", tmp_path / "none")
    assert nothing.empty
    assert {"rung", "mask AP", "APl"} <= set(nothing.columns)


def test_entries_of_a_former_config_are_left_out(tmp_path):
    reference = Reference.of("bench", "cpu", tmp_path)
    now, former = entry("dcn"), entry("focal")
    loss = {**former.config["loss"], "alpha": [1.0]}  # class weights may be unknown here
    reference.add(replace(now, rung="focal", config={**former.config, "loss": loss}))
    train = {**now.config["train"], "steps": now.config["train"]["steps"] - 1}
    reference.add(replace(now, config={**now.config, "train": train}))
    assert [e.rung for _, e in measured.stored("bench", tmp_path)] == ["focal"]
    assert measured.results("bench", tmp_path)["rung"].tolist() == ["focal"]
    assert len(reference.entries()) == 2


def test_a_truth_is_kept_under_the_rows_scored_against_it(tmp_path):
    reference = Reference.of("bench", "cpu", tmp_path)
    reference.keep_truth({"images": (1,)}, rung="dcn", seed=0)
    reference.add(entry("dcn"))
    reference.keep_truth({"images": [2]}, rung="dcn", seed=0)  # its only row is measured anew
    reference.keep_truth({"images": (2,)}, rung="focal", seed=0)
    with pytest.raises(UserError, match="are of other validation data: bring"):
        reference.keep_truth({"images": [3]}, rung="focal", seed=0)
    assert reference.truth() == {"images": [2]}


def test_two_machines_are_not_two_seeds(tmp_path, monkeypatch):
    results = measured.results
    monkeypatch.setattr(measured, "results", lambda preset: results(preset, tmp_path))
    for hardware in ("cpu", "gpu"):
        Reference.of("bench", hardware, tmp_path).add(replace(entry(), hardware=hardware))
    [line] = [x for x in ladder_command.listing("bench").splitlines() if x.startswith("dcn ")]
    assert line.split()[1:4] == ["72.76", "50.0", "1"]


def test_rungs_that_another_process_is_at_come_last(monkeypatch, capsys):
    [ensemble] = [row for row in ladder.rungs("bench") if row.key == "ensemble"]
    rows, tried = [*ladder.rungs("bench")[:2], ensemble], []

    def measure(row):
        tried.append(row.key)
        if tried == ["mask_rcnn_r50"]:
            raise RunBusyError("run bench-mask_rcnn_r50 is being worked on by process 1")
        if row.key == "ensemble" and len(tried) == 3:
            raise UserError("an ensemble needs its four members")
        return entry(row.key)

    monkeypatch.setattr(ladder_measure, "measure", measure)
    ladder_command.measure_all(rows)
    keys = [row.key for row in rows]
    assert tried == [*keys, keys[0], "ensemble"]
    assert "later: run bench-mask_rcnn_r50 is being worked on" in capsys.readouterr().out


def test_rows_that_are_stored_are_not_measured_again(monkeypatch, capsys):
    done = []
    monkeypatch.setattr(measured, "stored", lambda preset: [(None, entry("dcn"))])
    monkeypatch.setattr(data, "prepare", lambda preset: None)
    monkeypatch.setattr("helpers.ladder.cost.expected_hours", lambda rows: 1.5 * len(rows))
    monkeypatch.setattr(ladder_command, "measure_all", done.extend)
    assert main(["ladder", "--only", "dcn", "focal"]) == 0
    assert [row.key for row in done] == ["focal"]
    assert "1 rows to measure, about 1.5 hours" in capsys.readouterr().out
    assert main(["ladder", "--only", "dcn", "fokal"]) == 2
