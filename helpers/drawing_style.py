"""The look of every picture of the series: paper-white background, safe colours, fixed classes.

Figures are made without pyplot, so nothing is kept alive behind the reader's back and nothing is
shown twice; a `Picture` puts itself into a notebook as the last line of a cell. Text in it is drawn
as it stands: class names come from users, in any alphabet and with any signs.
"""

from __future__ import annotations

import base64
import colorsys
import io
from collections import Counter
from collections.abc import Iterable

import matplotlib
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text
from PIL import Image

PAPER = "#ffffff"
INK = "#22262b"
GREY = "#8a9199"
RULE = "#dfe3e8"
# After Okabe and Ito: seven hues that stay apart in the common kinds of colour blindness.
CYCLE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#b8a800")
# Lightness of each further round of the cycle: positive towards white, negative towards black.
ROUNDS = (0.0, 0.42, -0.38, 0.66, -0.60)

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.prop_cycle": matplotlib.cycler(color=list(CYCLE)),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.facecolor": PAPER,
    "font.size": 9,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": INK,
    "ytick.labelsize": 8.5,
}
# Where the first alternative alone does not say what the thing is.
SHORT_NAMES = {"Three-Seat / Multi-person sofa": "Three-Seat Sofa"}
# Those of these that are installed draw the letters that the usual font lacks.
WIDE = ("Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei")
FALLBACK = [name for name in WIDE if name in fontManager.get_font_names()]
POWER = "$\\mathdefault{"  # how matplotlib begins the labels of a logarithmic axis


class Picture(Figure):
    """A Figure that shows itself in a notebook: plots as PNG, photographs as JPEG.

    `alt` says in words what is to be seen, for readers who do not see it. Both are stored small
    (plots in 128 colours), because a notebook with its pictures has to stay light.
    """

    def __init__(
        self, size: tuple[float, float], *, alt: str = "", photograph: bool = False
    ) -> None:
        dpi = 84 if photograph else 100
        super().__init__(figsize=size, dpi=dpi, layout="constrained", facecolor=PAPER)
        self.alt = alt
        self.photograph = photograph

    def draw(self, renderer: RendererBase) -> None:
        """Draw all of it; `$` starts no formula, and foreign letters come from `FALLBACK`."""
        for axes in self.axes:
            if axes.axison:  # makes the labels of ticks, which else come while it is drawn
                axes.get_xticklabels(which="both")
                axes.get_yticklabels(which="both")
        for text in self.findobj(Text):
            text.set_parse_math(text.get_text().startswith(POWER))
            text.set_fontfamily(list(dict.fromkeys([*text.get_fontfamily(), *FALLBACK])))
        super().draw(renderer)

    def encoded(self) -> tuple[str, bytes]:
        """Mime type and bytes of the picture as a notebook stores it."""
        drawn, stored = io.BytesIO(), io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.savefig(drawn, format="png", facecolor=PAPER)
        image = Image.open(drawn).convert("RGB")
        if self.photograph:
            image.save(stored, "JPEG", quality=80, optimize=True)
            return "image/jpeg", stored.getvalue()
        image.quantize(128, dither=Image.Dither.NONE).save(stored, "PNG", optimize=True)
        return "image/png", stored.getvalue()

    def bundle(self) -> dict[str, str]:
        """The picture as a mime bundle: the encoded image and its words."""
        mime, data = self.encoded()
        return {mime: base64.b64encode(data).decode(), "text/plain": self.alt or "figure"}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.bundle(), raw=True)


def class_colour(category_id: int) -> str:
    """The colour of a category, "#rrggbb": the same in every picture of the series.

    Ids 1..7 are the plain cycle, the next rounds its lighter and darker kin; 35 are distinct.
    """
    place, hue = divmod(category_id - 1, len(CYCLE))
    return shade(CYCLE[hue], ROUNDS[place % len(ROUNDS)])


def shade(colour: str, amount: float) -> str:
    """`colour` moved towards white (amount in 0..1) or black (amount in -1..0)."""
    target = 1.0 if amount > 0 else 0.0
    return to_hex([c + (target - c) * abs(amount) for c in to_rgb(colour)])


def text_on(colour: str) -> str:
    """Ink or white, whichever is read better on a label of that colour."""
    red, green, blue = to_rgb(colour)
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "#ffffff"


def instance_colours(count: int) -> list[str]:
    """Colours for instances irrespective of class (an id-map), neighbours far apart in hue."""
    golden = 0.618033988749895
    return [
        to_hex(colorsys.hsv_to_rgb((i * golden) % 1.0, 0.62 if i % 2 else 0.78, 0.86))
        for i in range(count)
    ]


def short_name(name: str, *, length: int = 26) -> str:
    """The first of a name's alternatives ("Sideboard / Side Cabinet / Console" -> "Sideboard")."""
    name = _one_line(name)
    first = SHORT_NAMES.get(name, name.split(" / ")[0])
    return first if len(first) <= length else first[: length - 1] + "…"


def short_names(names: Iterable[str], *, length: int = 26) -> dict[str, str]:
    """The label of each name: its `short_name`, yet never the same for two.

    Names that would share one keep all their alternatives; a number tells apart what is still
    alike.
    """
    labels = {name: short_name(name, length=length) for name in names}
    shared = Counter(labels.values())
    taken: set[str] = set()
    for name, label in labels.items():
        whole = _one_line(name)
        if shared[label] > 1 and len(whole) <= length:
            label = whole
        unique, number = label, 1
        while unique in taken:
            number += 1
            unique = f"{label[: length - 1 - len(str(number))]} {number}"
        taken.add(unique)
        labels[name] = unique
    return labels


def _one_line(name: str) -> str:
    """Without line breaks; matplotlib leaves what begins with an underscore out of legends."""
    line = " ".join(name.split())
    return f" {line}" if line.startswith("_") else line
