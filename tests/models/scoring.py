"""How well a model has learnt the pictures of a test by heart."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from helpers.data.rle import bbox, encode
from helpers.data.taxonomy import Category, Taxonomy
from helpers.evaluation.average_precision import evaluate
from helpers.inference.predict import to_results
from helpers.models.build import Detector
from helpers.models.solov2 import SOLOv2
from helpers.structures import Targets

KINDS = Taxonomy(tuple(Category(n, f"kind {n}", "thing") for n in (1, 2, 3)))


def mask_ap(
    model: Detector | SOLOv2, images: Sequence[Tensor], targets: Sequence[Targets]
) -> float:
    """COCO's mask AP on the pictures themselves."""
    truth = {
        "images": [{"id": i, "height": t.masks.shape[1], "width": t.masks.shape[2]}
                   for i, t in enumerate(targets)],
        "categories": [{"id": c.id, "name": c.name} for c in KINDS.classes],
        "annotations": [
            {"image_id": i, "category_id": label + 1, "segmentation": encode(mask), "iscrowd": 0,
             "area": int(mask.sum()), "bbox": list(bbox(encode(mask)))}
            for i, t in enumerate(targets)
            for label, mask in zip(t.labels.tolist(), t.masks.numpy(), strict=True)
        ],
    }  # fmt: skip
    found = model.eval().predict(images)
    results = [r for i, d in enumerate(found) for r in to_results(d, i, KINDS)]
    return evaluate(truth, results, kinds=("segm",)).metrics["segm"]["AP"]
