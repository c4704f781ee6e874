"""A data set as a validated index: numpy columns, masks as compressed RLE, nothing decoded.

I images, A annotations. Images are sorted by id and annotations by image, then id, whatever the
order of the file. All masks together are one byte array, so forked workers share it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from helpers.data.errors import Finding
from helpers.data.rle import Rle
from helpers.data.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd

OF_IMAGES = ("image_ids", "widths", "heights")
OF_ANNOTATIONS = ("annotation_ids", "category_ids", "crowd", "areas", "boxes")
OF_MASKS = ("mask_bytes", "mask_ends")
# In this order, which the digests of stored runs depend on.
HASHED = (*OF_IMAGES, "annotation_ids", "image_rows", *OF_ANNOTATIONS[1:], *OF_MASKS)


@dataclass(frozen=True)
class Instances:
    """The annotations of one picture: parallel arrays of length N, crowds included.

    boxes: (N, 4) float64 tight boxes [x, y, width, height] in pixels; areas: (N,) int64 pixels;
    labels: (N,) int64 in the index's label space; rles: compressed masks of the picture's size.
    """

    annotation_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    areas: NDArray[np.int64]
    boxes: NDArray[np.float64]
    rles: list[Rle]

    def __len__(self) -> int:
        return len(self.annotation_ids)


@dataclass(frozen=True, eq=False)
class InstanceIndex:
    """Pictures and annotations of one data set split. `len()` is the number of pictures.

    Columns of pictures (I,): image_ids, widths, heights, file_names (as in the file), paths.
    Columns of annotations (A,): annotation_ids, image_rows, category_ids, crowd, areas, boxes
    (A, 4) [x, y, w, h]; area and box are those of the mask. All ids are the file's own. `warnings`
    tells what was left out or corrected, `declared` the category ids in the order of the file.
    """

    taxonomy: Taxonomy
    image_ids: NDArray[np.int64]
    widths: NDArray[np.int64]
    heights: NDArray[np.int64]
    file_names: tuple[str, ...]
    paths: tuple[Path, ...]
    annotation_ids: NDArray[np.int64]
    image_rows: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    areas: NDArray[np.int64]
    boxes: NDArray[np.float64]
    mask_bytes: NDArray[np.uint8]
    mask_ends: NDArray[np.int64]
    warnings: tuple[Finding, ...] = ()
    declared: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def num_annotations(self) -> int:
        return len(self.annotation_ids)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(A,) label of each annotation in the taxonomy's label space."""
        lookup = [self.taxonomy.label_of(number) for number in self.category_ids.tolist()]
        return np.array(lookup, dtype=np.int64)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.searchsorted(self.image_rows, np.arange(len(self) + 1))

    def image_size(self, row: int) -> tuple[int, int]:
        """(height, width) of picture number `row` in pixels."""
        return int(self.heights[row]), int(self.widths[row])

    def rle(self, annotation: int) -> Rle:
        """Compressed mask of annotation number `annotation` (a row of the columns, not an id)."""
        start = self.mask_ends[annotation - 1] if annotation else 0
        counts = self.mask_bytes[start : self.mask_ends[annotation]].tobytes().decode("ascii")
        return Rle(size=list(self.image_size(int(self.image_rows[annotation]))), counts=counts)

    def instances(self, row: int) -> Instances:
        """All annotations of picture number `row`."""
        part = slice(int(self._starts[row]), int(self._starts[row + 1]))
        columns = {name: getattr(self, name)[part] for name in (*OF_ANNOTATIONS, "labels")}
        return Instances(**columns, rles=[self.rle(n) for n in range(part.start, part.stop)])

    def frame(self) -> pd.DataFrame:
        """One row per annotation; `category` and `supercategory` are names of the fine space."""
        import pandas as pd  # slow to import, and only notebooks want a frame

        category = {c.id: c for c in self.taxonomy.categories}
        kinds = [category[number] for number in self.category_ids.tolist()]
        columns = {
            "image_id": self.image_ids[self.image_rows],
            "annotation_id": self.annotation_ids,
            "category_id": self.category_ids,
            "category": np.array([kind.name for kind in kinds], dtype=object),
            "supercategory": np.array([kind.supercategory for kind in kinds], dtype=object),
            "label": self.labels,
            "iscrowd": self.crowd,
            "area": self.areas,
        }
        columns |= {f"bbox_{name}": self.boxes[:, n] for n, name in enumerate("xywh")}
        columns |= {"width": self.widths[self.image_rows], "height": self.heights[self.image_rows]}
        return pd.DataFrame(columns)

    def to_coco(self) -> dict[str, Any]:
        """Plain COCO ground truth, masks as compressed RLE, categories of the label space."""
        classes = self.taxonomy.classes
        columns = (getattr(self, name).tolist() for name in OF_IMAGES)
        images = [
            {"id": number, "width": width, "height": height, "file_name": name}
            for number, width, height, name in zip(*columns, self.file_names, strict=True)
        ]
        annotations = [
            {
                "id": int(self.annotation_ids[n]),
                "image_id": int(self.image_ids[self.image_rows[n]]),
                "category_id": classes[self.labels[n]].id,
                "segmentation": dict(self.rle(n)),
                "area": int(self.areas[n]),
                "bbox": self.boxes[n].tolist(),
                "iscrowd": int(self.crowd[n]),
            }
            for n in range(self.num_annotations)
        ]
        categories = [asdict(category) for category in classes]
        return {"images": images, "annotations": annotations, "categories": categories}

    def subset(self, image_ids: Iterable[int]) -> InstanceIndex:
        """Only these pictures, with their annotations. ValueError for an id that is not here."""
        wanted = np.unique(np.fromiter(image_ids, dtype=np.int64))
        missing = np.setdiff1d(wanted, self.image_ids)
        if len(missing):
            raise ValueError(f"no images with the ids {missing[:10].tolist()} in this index")
        rows = np.searchsorted(self.image_ids, wanted)
        kept = np.flatnonzero(np.isin(self.image_rows, rows))
        columns = {name: getattr(self, name)[rows] for name in OF_IMAGES}
        columns |= {name: getattr(self, name)[kept] for name in OF_ANNOTATIONS}
        blob, ends = pack_masks([self.rle(int(n))["counts"] for n in kept])
        return replace(
            self,
            **columns,
            file_names=tuple(self.file_names[row] for row in rows),
            paths=tuple(self.paths[row] for row in rows),
            image_rows=np.searchsorted(rows, self.image_rows[kept]),
            mask_bytes=blob,
            mask_ends=ends,
        )

    def in_space(self, label_space: str) -> InstanceIndex:
        """The same index with the labels of another label space ("fine" or "super")."""
        return replace(self, taxonomy=self.taxonomy.in_space(label_space))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything but the place of the files: equal data, equal digest, anywhere."""
        text = json.dumps([self.taxonomy.to_dict(), self.file_names])
        sha = hashlib.sha256(text.encode())
        for name in HASHED:
            sha.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return sha.hexdigest()


def pack_masks(counts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Compressed counts as one byte array, and where each ends in it."""
    ends = np.cumsum([len(text) for text in counts], dtype=np.int64)
    return np.frombuffer("".join(counts).encode("ascii"), dtype=np.uint8), ends
