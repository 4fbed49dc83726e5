"""How the course's figures look: colours that colour-blind readers tell apart, a second cue for each, and
alt text.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hypav.errors import SettingError
from hypav.files import replacing

__all__ = [
    "CUES",
    "INK",
    "OKABE_ITO",
    "Cue",
    "DescribedFigure",
    "cues",
    "png_bytes",
    "save_figure",
    "use_style",
]

# Okabe and Ito (2008), "Color Universal Design"; its yellow is left out, being too light for a line on white
OKABE_ITO = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "orange": "#E69F00",
    "black": "#000000",
}
INK = "#444444"  # reference lines, the paper's numbers, notes


@dataclass(frozen=True)
class Cue:
    """What tells one series from the others: a colour and, for print and for those who see no colour,
    shapes.
    """

    color: str
    marker: str
    linestyle: str | tuple[int, tuple[int, ...]]
    hatch: str


CUES: tuple[Cue, ...] = (
    Cue(OKABE_ITO["black"], "s", "-", ""),
    Cue(OKABE_ITO["blue"], "o", "--", "//"),
    Cue(OKABE_ITO["vermilion"], "^", "-.", "\\\\"),
    Cue(OKABE_ITO["green"], "D", ":", "xx"),
    Cue(OKABE_ITO["purple"], "v", (0, (6, 1, 1, 1, 1, 1)), ".."),
    Cue(OKABE_ITO["sky"], "P", (0, (8, 3)), "++"),
    Cue(OKABE_ITO["orange"], "X", (0, (2, 1)), "oo"),
)

# The variants keep their looks through the whole course, whichever of them a figure shows.
_VARIANTS = ("AVCA", "Hyper-alignment", "Hyper-single", "Hyper-multiple")

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so figures are the same everywhere
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "regular",
    "figure.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "savefig.dpi": 100,
    "figure.dpi": 100,
}

# rcParams are the process's, and JupyterLab moves widgets in another thread than the one that runs cells
_ONE_AT_A_TIME = threading.RLock()


def cues(names: Iterable[str], *, reuse: bool = False) -> dict[str, Cue]:
    """The looks of the series of one figure: of the paper's variants always the same, of others what is left.

    Args:
        reuse: begin again where the looks run out, for figures that also name each series at its place.

    Raises:
        SettingError: where there are more series than a reader can tell apart and reuse is not asked for.
    """
    names = list(dict.fromkeys(names))
    if len(names) > len(CUES) and not reuse:
        raise SettingError(f"{len(names)} series are too many to tell apart; show at most {len(CUES)}.")
    looks = {name: look for name, look in zip(_VARIANTS, CUES, strict=False) if name in names}
    others = [name for name in names if name not in looks]
    free = cycle([look for look in CUES if look not in looks.values()])
    return {**looks, **dict(zip(others, free, strict=False))}


@contextmanager
def use_style() -> Iterator[None]:
    """The course's settings inside the with block; matplotlib's own come back after it. One thread at a time."""
    with _ONE_AT_A_TIME, matplotlib.rc_context(_SETTINGS):
        yield


class DescribedFigure(Figure):
    """A figure that carries its alt text and shows itself in a notebook, without pyplot.

    The picture's alt text and the plain-text output are `alt_text`: screen readers read it, and a notebook
    test that skips pictures still compares it.
    """

    alt_text: str = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        png = base64.b64encode(_fewer_colors(png_bytes(self))).decode("ascii")
        return {"image/png": png, "text/plain": self.alt_text}, {"image/png": {"alt": self.alt_text}}


def save_figure(
    figure: Figure, path: Path | str, *, small: bool = False, texts: Mapping[str, str] | None = None
) -> None:
    """Writes a PNG, its alt text among the file's own texts (key Description); a failure leaves the old file.

    Args:
        small: with a palette of 128 colours, about a third of the bytes.
        texts: more texts of the file, by key.

    Raises:
        RunError: where the file cannot be written.
    """
    png = png_bytes(figure, texts)
    png = _fewer_colors(png) if small else png
    with replacing(path) as temporary:
        temporary.write_bytes(png)


def png_bytes(figure: Figure, texts: Mapping[str, str] | None = None) -> bytes:
    """The figure as a PNG in the course's style, its alt text among the file's own texts."""
    buffer = io.BytesIO()
    # no version of matplotlib in the file: the same figure is the same bytes
    metadata = {"Software": None, "Description": getattr(figure, "alt_text", "") or None, **(texts or {})}
    with use_style():
        figure.savefig(buffer, format="png", metadata=metadata)
    return buffer.getvalue()


def _fewer_colors(png: bytes) -> bytes:
    """The picture with a palette of 128 colours, which a drawing is not seen to miss: a third of the bytes, so that a
    notebook stays small.
    """
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        texts = PngInfo()
        for key, text in image.info.items():
            if isinstance(text, str):
                texts.add_itxt(str(key), text)
        fewer = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        fewer.save(buffer, "PNG", optimize=True, pnginfo=texts)
    return buffer.getvalue()
