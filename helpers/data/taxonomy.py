"""Category ids, names and super-categories; labels for a model, and the way back to the ids.

A model counts its classes 0..num_classes-1; a file numbers categories as it likes, COCO with gaps.
A `Taxonomy` translates in one of two label spaces: "fine" (the categories themselves) or "super"
(their groups). `FUTURE3D` is the list of 3D-FUTURE: 34 categories in 7 groups, names as published.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

from helpers.data.errors import Findings
from helpers.files import whole_number

LabelSpace = Literal["fine", "super"]


@dataclass(frozen=True)
class Category:
    """One kind of thing, as the annotation file numbers and names it."""

    id: int
    name: str
    supercategory: str


@dataclass(frozen=True)
class Taxonomy:
    """Categories in the order of their ids, seen in one label space.

    The classes of the space are `classes`: in "fine" the categories with their own ids, in "super"
    the groups in order of first appearance with ids 1..S. Label n of a model is `classes[n]`.
    """

    categories: tuple[Category, ...]
    label_space: LabelSpace = "fine"

    def __post_init__(self) -> None:
        if self.label_space not in get_args(LabelSpace):
            raise ValueError(f"label space {self.label_space!r}: choose 'fine' or 'super'")
        ordered = tuple(sorted(self.categories, key=lambda category: category.id))
        object.__setattr__(self, "categories", ordered)

    @cached_property
    def classes(self) -> tuple[Category, ...]:
        """The classes of a model, in the order of its labels."""
        if self.label_space == "fine":
            return self.categories
        groups = dict.fromkeys(category.supercategory for category in self.categories)
        return tuple(Category(n, name, name) for n, name in enumerate(groups, start=1))

    @cached_property
    def _labels(self) -> dict[int, int]:
        """The label of each category id."""
        if self.label_space == "fine":
            return {category.id: n for n, category in enumerate(self.categories)}
        labels = {group.name: n for n, group in enumerate(self.classes)}
        return {category.id: labels[category.supercategory] for category in self.categories}

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each label."""
        return tuple(category.name for category in self.classes)

    def label_of(self, category_id: int) -> int:
        """Label of a category id of the file; KeyError for an id that is not declared."""
        return self._labels[category_id]

    def in_space(self, label_space: LabelSpace) -> Taxonomy:
        """The same categories in another label space."""
        return replace(self, label_space=label_space)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint or a manifest; `from_dict` reads them back."""
        rows = [[c.id, c.name, c.supercategory] for c in self.categories]
        return {"label_space": self.label_space, "categories": rows}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Taxonomy:
        rows = tuple(Category(*row) for row in values["categories"])
        return Taxonomy(rows, values["label_space"])


def canonical_name(name: str) -> str:
    """The name 3D-FUTURE first published for a category, whichever release `name` is from.

    Capitals and spaces do not matter; a name that is no 3D-FUTURE category comes back as it is.
    """
    return _CANONICAL.get(_folded(name), name)


def read_categories(document: Mapping[str, Any], findings: Findings) -> tuple[Category, ...]:
    """The `categories` of an annotation file, in COCO's or 3D-FUTURE's dialect.

    3D-FUTURE has no `name`: the fine name is under "fine-grained category name" and the group under
    "category". Some exporters declare a category 0 that is only the group of all the others: it is
    left out. Defects go to `findings`; entries that cannot be used are left out.
    """
    found: dict[int, Category] = {}
    ids_of: dict[str, int] = {}
    for position, entry in enumerate(document["categories"], start=1):
        category = _read_category(entry, findings.at(f"category number {position}"))
        if category is None:
            continue
        if category.id in found:
            names = f"{found[category.id].name!r} and {category.name!r}"
            findings.add("id-twice", f"category {category.id}: {names}")
            continue
        found[category.id] = category
        other = ids_of.setdefault(category.name, category.id)
        if other != category.id:
            findings.add("categories", f"{other} and {category.id} are both {category.name!r}")
    groups = {category.supercategory for number, category in found.items() if number != 0}
    entries = (entry for entry in document.get("annotations", []) if isinstance(entry, dict))
    if 0 in found and groups == {found[0].name} and all(e.get("category_id") != 0 for e in entries):
        findings.add("categories", f"0 {found[0].name!r} is a placeholder of the export: left out")
        del found[0]
    return tuple(found.values())


def require_same(declared: Sequence[Category], demanded: Taxonomy, findings: Findings) -> None:
    """Note every declared category that the demanded classes lack or give another name.

    Names of all 3D-FUTURE releases count as equal; the order of the file does not matter.
    """
    names = {category.id: category.name for category in demanded.categories}
    for category in declared:
        name = names.get(category.id)
        if name is None or _folded(canonical_name(category.name)) != _folded(canonical_name(name)):
            demand = "not among them" if name is None else f"there {name!r}"
            findings.add("category-name", f"category {category.id} {category.name!r} is {demand}")


_NAME_KEYS = ("fine-grained category name", "name", "category_name", "category")
_GROUP_KEYS = ("supercategory", "super-category", "category", "category_name")


def _read_category(entry: Any, note: Callable[[str, str], None]) -> Category | None:
    entry = entry if isinstance(entry, dict) else {}
    number = whole_number(entry.get("id"))
    texts = {key: value for key, value in entry.items() if isinstance(value, str) and value.strip()}
    name_key = next((key for key in _NAME_KEYS if key in texts), None)
    if number is None:
        note("field", f"id: {entry.get('id')!r:.40} is not a whole number")
    if name_key is None:
        note("field", f"name: none of {', '.join(_NAME_KEYS)} holds a text")
    if number is None or name_key is None:
        return None
    name = texts.pop(name_key)
    groups = (texts[key] for key in _GROUP_KEYS if key in texts)
    return Category(number, name, next(groups, _GROUP_OF.get(canonical_name(name), name)))


def _folded(name: str) -> str:
    return re.sub(r"\s*/\s*", "/", " ".join(name.casefold().split()))


_PUBLISHED = """
Cabinet/Shelf/Desk: Children Cabinet; Nightstand; Bookcase / jewelry Armoire; Wardrobe; Tea Table; \
Corner/Side Table; Sideboard / Side Cabinet / Console; Wine Cooler; TV Stand; \
Drawer Chest / Corner cabinet; Shelf; Round End Table
Bed: Double Bed; Bunk Bed; Bed Frame; Single bed; Kids Bed
Chair: Dining Chair; Lounge Chair / Book-chair / Computer Chair; Dressing Chair; \
Classic Chinese Chair; Barstool
Table: Dressing Table; Dining Table; Desk
Sofa: Three-Seat / Multi-person sofa; armchair; Two-seat Sofa; L-shaped Sofa; Lazy Sofa; \
Chaise Longue Sofa
Pier/Stool: Footstool / Sofastool / Bed End Stool / Stool
Lighting: Pendant Lamp; Ceiling Lamp
"""


def _published() -> Taxonomy:
    groups = (line.split(": ") for line in _PUBLISHED.strip().splitlines())
    pairs = [(name, group) for group, names in groups for name in names.split("; ")]
    return Taxonomy(tuple(Category(n, *pair) for n, pair in enumerate(pairs, start=1)))


FUTURE3D = _published()

ALIASES = {  # of later releases
    "Coffee Table": "Tea Table",
    "Sideboard / Side Cabinet / Console Table": "Sideboard / Side Cabinet / Console",
    "Wine Cabinet": "Wine Cooler",
    "King-size Bed": "Double Bed",
    "Lounge Chair / Cafe Chair / Office Chair": "Lounge Chair / Book-chair / Computer Chair",
    "Three-Seat / Multi-seat Sofa": "Three-Seat / Multi-person sofa",
    "Loveseat Sofa": "Two-seat Sofa",
}

_CANONICAL = {_folded(name): name for name in FUTURE3D.names}
_CANONICAL |= {_folded(alias): name for alias, name in ALIASES.items()}
_GROUP_OF = {category.name: category.supercategory for category in FUTURE3D.categories}
