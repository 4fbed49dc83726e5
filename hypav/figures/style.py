"""How the course's figures look: colours that colour-blind readers tell apart, a second cue for each, and
alt text.
"""

from __future__ import annotations

import ast
import base64
import inspect
import io
import math
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hypav.errors import DataError, SettingError
from hypav.utils import replacing

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


PLOTTED = "plotted: "


def show_figure(figure: DescribedFigure, data: Any) -> None:
    """Shows a figure of `hypav.figures` with its alt text and the digest of the data it was drawn from.

    Args:
        figure, data: what a function of `hypav.figures` returns: `show_figure(*plot_...(...))`.
    """
    bundle, metadata = figure_bundle(figure, data)
    display(bundle, metadata=metadata, raw=True)
    # JupyterLab and GitHub do not hand on a picture's alt text: here it is for everyone
    words = f"<details><summary>The figure in words</summary><p>{escape(figure.alt_text)}</p></details>"
    display({"text/html": words, "text/plain": f"The figure in words: {figure.alt_text}"}, raw=True)


def figure_bundle(figure: DescribedFigure, data: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """The MIME bundle and metadata of `show_figure`.

    Raises:
        DataError: the figure has no alt text.
    """
    if not figure.alt_text.strip():
        raise DataError("The figure has no alt text: set figure.alt_text to what it shows, in words.")
    bundle, metadata = figure._repr_mimebundle_()
    return bundle | {"text/plain": f"{figure.alt_text}\n{digest(data)}"}, metadata


def digest(data: Any, digits: int = 4) -> str:
    """One line a series of `data`: its shape, least and greatest value, and a checksum, rounded.

    The checksum is the fractional part of Σ w_i x_i with weights w_i between 1 and 2. It is linear, so that rounding
    noise of another machine does not show, while a change of one x_i by 10^-digits or more does.

    Args:
        data: numbers, tensors, arrays, strings and None in any nesting of mappings and sequences.
        digits: decimals; of float32 series, whose noise is larger, two at most.

    Raises:
        DataError: a series holds something else.
    """
    return "\n".join(PLOTTED + _series(path, values, digits) for path, values in _leaves(data, ""))


def show_table(
    header: Sequence[str], rows: Sequence[Sequence[Any]], *, digits: int = 4, caption: str = ""
) -> None:
    """Shows a table as HTML and as text, floats rounded to `digits` decimals, numbers aligned right.

    Raises:
        DataError: a row has more or fewer cells than the header.
    """
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise DataError(f"Row {number} of the table has {len(row)} cells, the header {len(header)}.")
    cells = [[_cell(value, digits) for value in row] for row in rows]
    bundle = {"text/html": _html(header, cells, caption), "text/plain": _text(header, cells, caption)}
    display(bundle, raw=True)


def show_source(function: Callable[..., Any]) -> None:
    """Shows the code of a function of hypav, without its docstring: what the page explains is what runs."""
    source = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(source).body[0]
    lines = source.splitlines()
    if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
        documented = node.body[0]
        del lines[documented.lineno - 1 : documented.end_lineno]
    code = "\n".join(line for line in lines if line.strip())
    where = f"`{function.__module__}.{function.__qualname__}`"
    display(
        {"text/markdown": f"{where}\n```python\n{code}\n```", "text/plain": f"{where}\n{code}"},
        raw=True,
    )


def _leaves(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(data, "detach"):
        data = data.detach().cpu().numpy()
    if isinstance(data, Mapping):
        for name, part in data.items():
            yield from _leaves(part, f"{path}.{name}" if path else str(name))
    elif isinstance(data, (list, tuple)) and not _is_series(data):
        for number, part in enumerate(data):
            yield from _leaves(part, f"{path}[{number}]")
    else:
        yield path or "data", data


def _is_series(values: Sequence[Any]) -> bool:
    return all(isinstance(value, (int, float)) for value in values)


def _series(path: str, values: Any, digits: int) -> str:
    if values is None or isinstance(values, (str, bool)):
        return f"{path} = {values}"
    try:
        array = np.asarray(values)
        if array.dtype == np.float32:
            digits = min(digits, 2)
        numbers = array.astype(np.float64).ravel()
    except (TypeError, ValueError):
        raise DataError(f"The plotted data hold {type(values).__name__} at {path}: give numbers.") from None
    finite = np.isfinite(numbers)
    missing = "" if finite.all() else f", {int((~finite).sum())} not finite"
    size = "x".join(map(str, array.shape)) or "1"
    if not finite.any():
        return f"{path}: {size} numbers{missing}"
    weights = 1 + np.arange(len(numbers)) * 0.6180339887498949 % 1  # the golden ratio: no two weights alike
    check = round(float((weights[finite] * numbers[finite]).sum() % 1), digits) % 1
    low, high = (
        round(float(value), digits) + 0.0 for value in (numbers[finite].min(), numbers[finite].max())
    )
    return (
        f"{path}: {size} numbers in [{low:.{digits}f}, {high:.{digits}f}]{missing}, check {check:.{digits}f}"
    )


def _cell(value: Any, digits: int) -> str:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "not run"
    return f"{round(value, digits) + 0.0:.{digits}f}" if isinstance(value, float) else str(value)


def _is_number(cell: str) -> bool:
    return cell.lstrip("-−+").replace(".", "", 1).replace(" ", "").isdigit()


def _html(header: Sequence[str], cells: Sequence[Sequence[str]], caption: str) -> str:
    def data(cell: str) -> str:
        align = "right" if _is_number(cell) else "left"
        return f'<td style="text-align: {align}">{escape(cell)}</td>'

    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "\n".join(f"<tr>{''.join(map(data, row))}</tr>" for row in cells)
    title = f'<caption style="white-space: nowrap">{escape(caption)}</caption>\n' if caption else ""
    return f"<table>\n{title}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _text(header: Sequence[str], cells: Sequence[Sequence[str]], caption: str) -> str:
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        aligned = [
            cell.rjust(w) if _is_number(cell) else cell.ljust(w) for cell, w in zip(row, widths, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    return "\n".join([*([caption] if caption else []), line(header), *map(line, cells)])


def frame(axes: Axes, k: float, reach: float, *, ticks: bool = True) -> None:
    """Axes of equal scale, with the rim (k < 0) or the equator (k > 0, dashed)."""
    if k != 0:
        line, fill = ("-", "#F7F7F7") if k < 0 else ("--", "none")
        axes.add_patch(
            Circle((0, 0), abs(k) ** -0.5, facecolor=fill, edgecolor="black", linestyle=line, linewidth=1.0)
        )
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.grid(False)
    if ticks:
        # three ticks a side: ticks are most of what a redraw costs
        ends = [-math.floor(reach), 0, math.floor(reach)]
        axes.set(xlabel="x₁", ylabel="x₂", xticks=ends, yticks=ends)
    else:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)


def signed(k: float) -> str:
    """k in words: -0.5 as −0.5."""
    return f"{k:g}".replace("-", "−")


def superscript(power: int) -> str:
    """A whole number as an exponent: -12 as ⁻¹²."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
