"""Validate a data set: what it holds, what is wrong with it, what will be done about that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.coco import Mode, read_index
from helpers.data.errors import DataError, Finding, Findings
from helpers.data.index import InstanceIndex
from helpers.data.layouts import Pair
from helpers.data.splits import compare_classes, same_pictures
from helpers.data.taxonomy import Taxonomy


@dataclass(frozen=True)
class SplitReport:
    """One annotation file with its pictures. `error` says in full why it cannot be used."""

    split: str
    annotations: Path
    images: Path
    counts: dict[str, int] | None
    findings: tuple[Finding, ...]
    error: str | None

    @property
    def usable(self) -> bool:
        return self.error is None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        paths = {"annotations": str(self.annotations), "images": str(self.images)}
        findings = [
            {**asdict(f), "severity": f.severity, "what": f.what, "remedy": f.remedy}
            for f in self.findings
        ]
        return {**asdict(self), **paths, "findings": findings, "usable": self.usable}


def check_dataset(
    pairs: Mapping[str, Pair],
    *,
    mode: Mode | None = None,
    decode: bool = True,
    taxonomy: Taxonomy | None = None,
) -> list[SplitReport]:
    """A report for each split; what two splits share or disagree on is told with the later one.

    mode: how to read the files; by default "predict" for a file without annotations.
    decode: decode every picture instead of reading its header only.
    taxonomy: classes that every file must agree with.
    """
    reports: list[SplitReport] = []
    indexes: dict[str, InstanceIndex] = {}
    for split, (file, images) in pairs.items():
        findings = Findings(file)
        index, error = None, None
        try:
            index = read_index(
                file,
                images,
                mode=mode,
                decode_images=decode,
                taxonomy=taxonomy,
                cache=False,
                findings=findings,
            )
            for other, earlier in indexes.items():
                for left, right in same_pictures(earlier, index):
                    findings.add("split-leak", f"{split} {right} is {other} {left}")
                compare_classes(earlier, index, findings)
            indexes[split] = index
            findings.raise_errors()
        except DataError as problem:
            error = str(problem)
        counts = None if index is None else count(index)
        reports.append(SplitReport(split, file, images, counts, findings.report(), error))
    return reports


def count(index: InstanceIndex) -> dict[str, int]:
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


def describe(reports: Sequence[SplitReport]) -> str:
    """The reports as text for people."""
    return "\n\n".join("\n".join(_lines(report)) for report in reports)


def _lines(report: SplitReport) -> list[str]:
    lines = [f"{report.split}: {report.annotations}, pictures in {report.images}"]
    if report.counts is not None:
        lines.append(f"  {_SUMMARY.format(**report.counts)}")
    if report.error is not None and not any(f.severity == "error" for f in report.findings):
        lines.append(f"  ERROR {report.error}")
    for finding in report.findings:
        label = "ERROR" if finding.severity == "error" else "warning"
        lines.append(f"  {label} {finding.what} ({finding.total}). {finding.remedy}")
        lines.extend(f"    {place}" for place in finding.places)
        if finding.total > len(finding.places):
            lines.append(f"    and {finding.total - len(finding.places)} more")
    lines.append("  can be used" if report.usable else "  can NOT be used as it is")
    return lines


_SUMMARY = (
    "{pictures} pictures ({pictures_without_instances} without instances), {instances} instances "
    "(at most {most_instances} in one picture), {crowds} crowd regions, {categories_used} of "
    "{categories} categories used, in {supercategories} groups"
)
