"""Generated truth and results, and two other ways to score them: pycocotools, and plain loops."""

from __future__ import annotations

import contextlib
import copy
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage

from helpers.data import rle
from helpers.evaluation.average_precision import PRESETS

CATEGORIES = (0, 3, 5, 90)  # with gaps; the last one never occurs in the truth
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def blob(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A smooth random shape of any extent, often of several parts or with holes."""
    height, width = size
    radii = np.exp(random.uniform(np.log(3), np.log(0.7 * min(size)), 2))
    y, x = (np.arange(n) - random.uniform(0, n) for n in (height, width))
    ellipse = (y[:, None] / radii[0]) ** 2 + (x / radii[1]) ** 2
    waves = ndimage.gaussian_filter(random.standard_normal(size), 3) * 8
    return ellipse + 0.3 * waves < 1


def make_truth(*, images: int, size: tuple[int, int], seed: int, crowds: bool = True) -> dict:
    """Plain COCO; every fifth picture is empty, about every ninth instance a crowd."""
    random = np.random.default_rng(seed)
    annotations = []
    for image_id in range(100, 100 + images):
        for _ in range(0 if image_id % 5 == 0 else random.integers(1, 8)):
            encoded = rle.encode(blob(random, size))
            area, box = rle.measure(encoded)
            if area:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": int(random.choice(CATEGORIES[:-1])),
                        "segmentation": encoded,
                        "area": area,
                        "bbox": [float(v) for v in box],
                        "iscrowd": int(crowds and random.random() < 0.11),
                    }
                )
    return {
        "images": [
            {"id": i, "height": size[0], "width": size[1], "file_name": f"{i}.jpg"}
            for i in range(100, 100 + images)
        ],
        "annotations": annotations,
        "categories": [{"id": n, "name": f"kind {n}", "supercategory": "kind"} for n in CATEGORIES],
    }


def perturb(truth: dict, *, seed: int, copies: int = 3) -> list[dict]:
    """Results: annotations shifted, eroded, dropped, relabelled, some twice, with random scores."""
    random = np.random.default_rng(seed)
    results = []
    for annotation in truth["annotations"] * copies:
        mask, change = rle.decode(annotation["segmentation"]), random.random()
        if change < 0.3:
            mask = np.roll(mask, random.integers(-5, 6, 2), axis=(0, 1))
        elif change < 0.6:
            mask = ndimage.binary_erosion(mask, iterations=int(random.integers(1, 4)))
        relabel = random.random() < 0.15
        if change < 0.8 and mask.any():
            encoded = rle.encode(mask)
            results.append(
                {
                    "image_id": annotation["image_id"],
                    "category_id": int(random.choice(CATEGORIES))
                    if relabel
                    else annotation["category_id"],
                    "segmentation": encoded,
                    "bbox": [v + random.random() for v in map(float, rle.bbox(encoded))],
                    "score": float(random.random()),
                }
            )
    return results


def pycocotools_scores(
    truth: dict, results: list[dict], kind: str, preset: str
) -> tuple[list[float], list[float]]:
    """AP, AP50, AP75, APs, APm, APl, three ARs, ARs, ARm, ARl; and the AP of each class by id."""
    truth, results, rules = copy.deepcopy(truth), copy.deepcopy(results), PRESETS[preset]
    for number, annotation in enumerate(truth["annotations"], start=1):
        annotation["id"] = number  # 0 would be "no match"
        annotation["iscrowd"] = annotation["iscrowd"] if preset == "coco" else 0
    if kind == "segm":
        for result in results:
            del result["bbox"]  # else the area of the box decides on small, medium, large
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(results), kind)
        small, large = rules.small_below, rules.large_above
        evaluator.params.maxDets = list(rules.max_detections)
        evaluator.params.areaRng = [[0, 1e10], [0, small], [small, large], [large, 1e10]]
        evaluator.evaluate()
        evaluator.accumulate()
    precision, recall = (evaluator.eval[name] for name in ("precision", "recall"))
    precision = precision[..., 2]
    parts = [precision[..., 0], precision[0, ..., 0], precision[5, ..., 0]]
    parts += [precision[..., area] for area in (1, 2, 3)]
    parts += [recall[:, :, 0, limit] for limit in (0, 1, 2)]
    parts += [recall[:, :, area, 2] for area in (1, 2, 3)]
    by_class = [_mean(precision[:, :, k, 0]) for k in range(precision.shape[2])]
    return [_mean(part) for part in parts], by_class


def _mean(values: np.ndarray) -> float:
    return float(values[values > -1].mean()) if (values > -1).any() else float("nan")


def naive_boundary_ap(truth: dict, results: list[dict]) -> dict[int, float]:
    """Boundary AP of each class by plain loops on full masks: all areas, 100 detections."""
    return {
        category: float(np.mean(aps))
        for category in CATEGORIES
        if (aps := _class_ap(truth, results, category))
    }


def _class_ap(truth: dict, results: list[dict], category: int) -> list[float]:
    positives = [
        a for a in truth["annotations"] if a["category_id"] == category and not a["iscrowd"]
    ]
    if not positives:
        return []
    matched = {threshold: [] for threshold in THRESHOLDS}  # (score, hit or None for "ignored")
    for image in truth["images"]:
        mine = [a for a in truth["annotations"] if _is(a, image, category)]
        found = [r for r in results if _is(r, image, category)]
        found = sorted(found, key=lambda r: -r["score"])[:100]
        overlaps = [[_overlap(r, a) for a in mine] for r in found]
        for threshold, rows in matched.items():
            hits = _match(overlaps, [a["iscrowd"] for a in mine], threshold)
            rows += zip((r["score"] for r in found), hits, strict=True)
    return [_interpolated(rows, len(positives)) for rows in matched.values()]


def _is(row: dict, image: dict, category: int) -> bool:
    return row["image_id"] == image["id"] and row["category_id"] == category


def _overlap(result: dict, annotation: dict) -> float:
    found, true = rle.decode(result["segmentation"]), rle.decode(annotation["segmentation"])
    shared = np.count_nonzero(found & true)
    if annotation["iscrowd"]:
        return shared / np.count_nonzero(found)
    bands = _band(found), _band(true)
    of_bands = np.count_nonzero(bands[0] & bands[1]) / np.count_nonzero(bands[0] | bands[1])
    return min(shared / np.count_nonzero(found | true), of_bands)


def _band(mask: np.ndarray) -> np.ndarray:
    """Pixels nearer to the outside of the mask, or of the picture, than 2 % of its diagonal."""
    steps = max(1, round(0.02 * np.hypot(*mask.shape)))
    return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=steps)


def _match(overlaps: list[list[float]], crowd: list[int], threshold: float) -> list[bool | None]:
    free = [not c for c in crowd]
    hits: list[bool | None] = []
    for row in overlaps:
        best = max((g for g in range(len(row)) if free[g]), key=lambda g: row[g], default=None)
        if best is not None and row[best] >= threshold:
            free[best] = False
            hits.append(True)
        else:
            ignored = any(row[g] >= threshold for g in range(len(row)) if crowd[g])
            hits.append(None if ignored else False)
    return hits


def _interpolated(rows: list[tuple[float, bool | None]], positives: int) -> float:
    hits = [hit for _, hit in sorted(rows, key=lambda row: -row[0]) if hit is not None]
    true = np.cumsum(hits) if hits else np.zeros(0)
    recall, precision = true / positives, true / np.arange(1, len(hits) + 1)
    best = [precision[recall >= point].max(initial=0) for point in RECALLS]
    return float(np.mean(best))
