"""Annotations in other formats than COCO: recognised by name, with the command that converts them.

There is no reader of our own for them: well-kept libraries convert each to COCO.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from helpers.data.pictures import is_picture

_AT_MOST = 20  # files of a kind that are looked into
_HEAD = 200_000  # bytes of a file that are looked at

_DATUMARO = (
    "pip install datumaro && datum convert -if {kind} -i '{{folder}}' -f coco_instances "
    "-o '{{folder}}-coco' -- --save-media"
)
_LABELME = (
    "These are labelme files, one a picture. Convert them to COCO: "
    "pip install labelme2coco && labelme2coco '{folder}'"
)
_VIA = (
    "This is a project of the VGG Image Annotator (VIA): open it there and choose "
    "Annotation > Export Annotations (COCO format)."
)
_LABEL_STUDIO = (
    "This is an export of Label Studio, not COCO: choose COCO in its Export dialog, or "
    "pip install label-studio-converter && label-studio-converter export -i '{path}' "
    "-c LABELING_CONFIG.xml -o '{folder}/coco' -f COCO"
)
_CVAT = (
    "This is CVAT's XML, not COCO: choose COCO 1.0 in its Export dialog, or "
    + _DATUMARO.format(kind="cvat")
)
_VOC = "This is Pascal VOC with SegmentationObject. Convert it to COCO: " + _DATUMARO.format(
    kind="voc"
)
_VOC_BOXES = "These are Pascal VOC boxes without masks: there is nothing to learn masks from."
_YOLO = (
    "These are YOLO labels, one .txt a picture. Convert each split to COCO: "
    'pip install supervision && python -c "import supervision as sv; '
    "sv.DetectionDataset.from_yolo('IMAGES', 'LABELS', 'data.yaml', force_masks=True)"
    ".as_coco(annotations_path='IMAGES/_annotations.coco.json')\" with the folders of the split"
)
_MASKS = (
    "These are masks as PNG files. COCO wants one annotation for each value of an instance: "
    "segmentation = pycocotools.mask.encode(numpy.asfortranarray(mask == value, 'uint8')), "
    "with segmentation['counts'] = segmentation['counts'].decode()."
)
_HEIC = (
    "These are HEIC pictures, as iPhones take them, which are not read: make JPEGs of them "
    "(with ImageMagick: cd '{folder}' && mogrify -format jpg *.[hH][eE][iI]*)"
)
_PICTURE = "This is a picture: give an annotation file, or the picture to `predict`."

# (files, words in one of them, what to say), in the order of trust
_FORMATS = (
    ("*.json", ('"shapes"', '"imagePath"'), _LABELME),
    ("*.json", ('"_via_img_metadata"',), _VIA),
    ("*.json", ('"regions"', '"shape_attributes"'), _VIA),
    ("*.json", ('"from_name"', '"to_name"'), _LABEL_STUDIO),
    ("*.json", ('"annotation_id"', '"lead_time"'), _LABEL_STUDIO),
    ("*.xml", ("<annotations", "<image "), _CVAT),
    ("SegmentationObject/*", (), _VOC),
    ("*.xml", ("<annotation", "<object>"), _VOC_BOXES),
    ("*.y*ml", ("names:",), _YOLO),
    ("labels/*.txt", (), _YOLO),
    *((pattern, (), _MASKS) for pattern in ("mask*/*.png", "idmap*/*.png", "*_mask.png")),
    ("*.[hH][eE][iI][cCfF]", (), _HEIC),
)


def advice(path: Path) -> str:
    """What a file or folder that is not COCO is, and how to make COCO of it; "" when unknown."""
    if is_picture(path):
        return _PICTURE
    for pattern, words, text in _FORMATS:
        try:
            for folder, file in islice(_files(path, pattern), _AT_MOST):
                if _has(file, words):
                    return text.format(path=path, folder=folder)
        except OSError:
            return ""
    return ""


def _files(path: Path, pattern: str) -> Iterator[tuple[Path, Path]]:
    """Files of a pattern around a path, and the folder of each; a .json stands for itself alone."""
    if path.is_file() and (path.suffix.lower() == ".json" or path.match(pattern)):
        yield from [(path.parent, path)] if path.match(pattern) else []
        return
    folder = path if path.is_dir() else path.parent
    for place in filter(Path.is_dir, (folder, *sorted(folder.iterdir()), folder.parent)):
        files = (file for file in place.glob(pattern) if not file.name.startswith("."))
        yield from ((place, file) for file in files)


def _has(file: Path, words: tuple[str, ...]) -> bool:
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    return all(word.encode() in head for word in words)
