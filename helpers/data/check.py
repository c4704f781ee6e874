"""`python -m helpers check DATA`: what a data set holds, what is wrong with it, what will be done
about that."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.coco import Mode, read_index
from helpers.data.errors import DataError, Finding, Findings
from helpers.data.index import InstanceIndex
from helpers.data.layouts import Pair, find_dataset
from helpers.data.splits import compare_classes, same_pictures
from helpers.data.taxonomy import FUTURE3D, Taxonomy


@dataclass(frozen=True)
class SplitReport:
    """One annotation file with its pictures. `error` says in full why it cannot be used."""

    split: str
    annotations: Path
    images: Path
    counts: dict[str, int] | None
    findings: tuple[Finding, ...]
    error: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        paths = {"annotations": str(self.annotations), "images": str(self.images)}
        severity = {True: "error", False: "warning"}
        findings = [
            {**asdict(f), "severity": severity[f.is_error], "what": f.what} for f in self.findings
        ]
        return {**asdict(self), **paths, "findings": findings, "usable": self.error is None}


def check_dataset(
    pairs: Mapping[str, Pair],
    *,
    mode: Mode | None = None,
    decode: bool = True,
    taxonomy: Taxonomy | None = None,
) -> list[SplitReport]:
    """A report for each split; what two splits share or disagree on is reported with the later one.

    mode: how to read the files; by default "predict" for a file without annotations.
    decode: decode every picture instead of reading its header only.
    taxonomy: classes that every file must agree with.
    """
    reports: list[SplitReport] = []
    indexes: dict[str, InstanceIndex] = {}
    options = {"mode": mode, "decode_images": decode, "taxonomy": taxonomy}
    for split, (file, images) in pairs.items():
        findings = Findings(file)
        index, error = None, None
        try:
            index = read_index(file, images, findings=findings, **options)
            for other, earlier in indexes.items():
                for left, right in same_pictures(earlier, index):
                    findings.add("split-leak", f"{split} {right} is {other} {left}")
                compare_classes(earlier, index, findings)
            indexes[split] = index
            findings.raise_errors()
        except DataError as problem:
            error = str(problem)
        counts = None if index is None else _count(index)
        reports.append(SplitReport(split, file, images, counts, findings.report(), error))
    return reports


def describe(reports: Sequence[SplitReport]) -> str:
    """The reports as text for people."""
    return "\n\n".join("\n".join(_lines(report)) for report in reports)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    add = parser.add_argument
    what = "folder of a data set (3D-FUTURE, generated scenes, COCO, ...), or one annotation file"
    add("data", type=Path, metavar="DATA", help=what)
    where = "image folder of an annotation file (default: by its layout)"
    add("--images", type=Path, help=where)
    add("--predict", action="store_true", help="the pictures are only predicted on")
    add("--future3d", action="store_true", help="demand the 34 categories of 3D-FUTURE")
    add("--headers", action="store_true", help="do not decode the pictures: fast, finds less")
    add("--json", action="store_true", help="print a report for machines")


def run(args: argparse.Namespace) -> int:
    """Print the report; 0 when every split can be used, else 1."""
    reports = check_dataset(
        find_dataset(args.data, args.images),
        mode="predict" if args.predict else None,
        decode=not args.headers,
        taxonomy=FUTURE3D if args.future3d else None,
    )
    usable = all(report.error is None for report in reports)
    if args.json:
        content = {"usable": usable, "splits": [report.to_dict() for report in reports]}
        print(json.dumps(content, indent=2))
    else:
        print(describe(reports))
    return 0 if usable else 1


def _count(index: InstanceIndex) -> dict[str, int]:
    """What an index holds; crowds are no instances."""
    instances = np.bincount(index.image_rows[~index.crowd], minlength=len(index))
    return {
        "pictures": len(index),
        "pictures_without_instances": int((instances == 0).sum()),
        "instances": int(instances.sum()),
        "most_instances": int(instances.max(initial=0)),
        "crowds": int(index.crowd.sum()),
        "categories_used": len(np.unique(index.category_ids[~index.crowd])),
        "categories": len(index.taxonomy.categories),
        "supercategories": len({c.supercategory for c in index.taxonomy.categories}),
    }


_SUMMARY = (
    "{pictures} pictures ({pictures_without_instances} without instances), {instances} instances "
    "(at most {most_instances} in one picture), {crowds} crowd regions, {categories_used} of "
    "{categories} categories used, in {supercategories} groups"
)


def _lines(report: SplitReport) -> Iterator[str]:
    yield f"{report.split}: {report.annotations}, pictures in {report.images}"
    if report.counts is not None:
        yield f"  {_SUMMARY.format(**report.counts)}"
    if report.error is not None and not any(finding.is_error for finding in report.findings):
        yield f"  ERROR {report.error}"
    for finding in report.findings:
        label = "ERROR" if finding.is_error else "warning"
        yield f"  {label} ({finding.total}): {finding.what}"
        yield from (f"    {place}" for place in finding.places)
        if finding.total > len(finding.places):
            yield f"    and {finding.total - len(finding.places)} more"
    yield "  can be used" if report.error is None else "  can NOT be used as it is"
