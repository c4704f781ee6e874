"""Annotations in other formats than COCO: recognised by name, with the command that converts them.

There is no reader of our own for them: well-kept libraries convert each to COCO.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_AT_MOST = 20  # files of a kind that are looked into
_HEAD = 200_000  # bytes of a file that are looked at

_DATUMARO = (
    "pip install datumaro && datum convert -if {kind} -i '{folder}' -f coco_instances "
    "-o '{folder}-coco' -- --save-media"
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

# (suffix of a file, words in it, what to say)
_BY_WORDS = (
    (
        ".json",
        ('"shapes"', '"imagePath"'),
        "These are labelme files, one a picture. Convert them to COCO: "
        "pip install labelme2coco && labelme2coco '{folder}'",
    ),
    (".json", ('"_via_img_metadata"',), _VIA),
    (".json", ('"regions"', '"shape_attributes"'), _VIA),
    (".json", ('"from_name"', '"to_name"'), _LABEL_STUDIO),
    (".json", ('"annotation_id"', '"lead_time"'), _LABEL_STUDIO),
    (
        ".xml",
        ("<annotations", "<image "),
        "This is CVAT's XML, not COCO: choose COCO 1.0 in its Export dialog, or "
        + _DATUMARO.replace("{kind}", "cvat"),
    ),
)


def advice(path: Path) -> str:
    """What a file or folder that is not COCO is, and how to make COCO of it; "" when unknown."""
    if path.suffix.lower() in PICTURES and path.is_file():
        return "This is a picture: give an annotation file, or the picture to `predict`."
    folder = path if path.is_dir() else path.parent
    try:
        for suffix, words, text in _BY_WORDS:
            if _mentions(path, suffix, words):
                return text.format(path=path, folder=folder)
        if path.suffix.lower() == ".json" and path.is_file():
            return ""
        return _voc(path, folder) or _yolo(folder) or _masks(folder)
    except OSError:
        return ""


def _voc(path: Path, folder: Path) -> str:
    roots = (folder, *folder.glob("VOCdevkit/*"), folder.parent)
    root = next((r for r in roots if (r / "SegmentationObject").is_dir()), None)
    if root is not None:
        convert = _DATUMARO.format(kind="voc", folder=root)
        return f"This is Pascal VOC with SegmentationObject. Convert it to COCO: {convert}"
    if _mentions(path, ".xml", ("<annotation", "<object>")):
        return "These are Pascal VOC boxes without masks: there is nothing to learn masks from."
    return ""


def _yolo(folder: Path) -> str:
    below = folder.name in ("train", "val", "valid", "test", "images", "labels")
    roots = (folder, folder.parent) if below else (folder,)
    settings = next((f for r in roots for f in r.glob("*.y*ml") if _has(f, ("names:",))), None)
    root = settings.parent if settings else folder
    labels = next((f.parent for f in root.rglob("*.txt") if _is_yolo(f)), None)
    if labels is None:
        return ""
    parts = ["images" if part == "labels" else part for part in labels.relative_to(root).parts]
    images, yaml = root.joinpath(*parts), settings or root / "data.yaml"
    return (
        "These are YOLO labels, one .txt a picture. Convert each split to COCO: "
        'pip install supervision && python -c "import supervision as sv; '
        f"sv.DetectionDataset.from_yolo('{images}', '{labels}', '{yaml}', force_masks=True)"
        f".as_coco(annotations_path='{images / '_annotations.coco.json'}')\""
    )


def _masks(folder: Path) -> str:
    named = [d for d in _folders(folder) if d.name.lower().startswith(("mask", "label", "idmap"))]
    files = chain.from_iterable(d.glob("*.png") for d in named)
    pairs = (f for f in folder.glob("*.png") if f.with_suffix(".jpg").is_file())
    if next(chain(files, folder.glob("*_mask.png"), pairs), None) is None:
        return ""
    return (
        "These are masks as PNG files. COCO wants one annotation for each value of an instance: "
        "segmentation = pycocotools.mask.encode(numpy.asfortranarray(mask == value, 'uint8')), "
        "with segmentation['counts'] = segmentation['counts'].decode()."
    )


def _mentions(path: Path, suffix: str, words: tuple[str, ...]) -> bool:
    """Does the file, or one of the first files of that kind in the folder, hold all these words?"""
    if not path.is_dir():
        return path.suffix.lower() == suffix and _has(path, words)
    places = (f for d in (path, *_folders(path)) for f in d.glob(f"*{suffix}"))
    visible = (file for file in places if not file.name.startswith("."))
    return any(_has(file, words) for file in islice(visible, _AT_MOST))


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_dir())


def _has(file: Path, words: tuple[str, ...]) -> bool:
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return all(word.encode() in head for word in words)


def _is_yolo(file: Path) -> bool:
    """Is the first line a class number and at least four shares of the picture?"""
    try:
        with file.open() as stream:
            words = stream.readline(_HEAD).split()
            values = [float(word) for word in words]
    except (OSError, ValueError):
        return False
    return len(values) >= 5 and words[0].isdecimal() and all(0 <= v <= 1.5 for v in values[1:])
