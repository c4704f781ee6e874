"""Generated truth and results, and another way to score them: pycocotools."""

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


def truth_as_results(truth: dict, *, crowds: bool) -> list[dict]:
    """The annotations as results of score 1, with or without crowds."""
    fields = ("image_id", "category_id", "segmentation", "bbox")
    rows = [row for row in truth["annotations"] if crowds or not row["iscrowd"]]
    return [{field: row[field] for field in fields} | {"score": 1.0} for row in rows]


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
    if kind != "bbox":
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
