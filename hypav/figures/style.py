"""Shared by all figures: colours and second cues, the canvas, alt text, and the display of figures and tables."""

from __future__ import annotations

import base64
import io
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.patches import Circle
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatter
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hypav.errors import DataError, SettingError

# Okabe and Ito (2008), "Color Universal Design", without yellow, which is too light for a line on white
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, BLACK = "#56B4E9", "#E69F00", "#000000"
INK = "#444444"  # reference lines, the paper's numbers, notes
HATCH = "////"  # the second cue of filled areas
STORED_DPI = 200  # of the pictures in notebooks, which are shown at 100 pixels an inch: sharp on fine screens and paper


@dataclass(frozen=True)
class Cue:
    """How a series looks: its colour and, for print and colour-blind readers, its marker, dashes and hatching."""

    color: str
    marker: str
    linestyle: str | tuple[int, tuple[int, ...]]
    hatch: str

    @property
    def line(self) -> dict[str, Any]:
        """The keyword arguments of a line with this look."""
        return {"color": self.color, "linestyle": self.linestyle, "marker": self.marker}


CUES: tuple[Cue, ...] = (
    Cue(BLACK, "s", "-", ""),
    Cue(BLUE, "o", "--", "//"),
    Cue(VERMILION, "^", "-.", "\\\\"),
    Cue(GREEN, "D", ":", "xx"),
    Cue(PURPLE, "v", (0, (6, 1, 1, 1, 1, 1)), ".."),
    Cue(SKY, "P", (0, (8, 3)), "++"),
    Cue(ORANGE, "X", (0, (2, 1)), "oo"),
)

# The variants look the same in the whole course, whichever of them a figure shows.
_VARIANTS = ("AVCA", "Hyper-alignment", "Hyper-single", "Hyper-multiple")

_SETTINGS: Any = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so figures are the same everywhere
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
    "svg.hashsalt": "hypav",  # instead of random ids, so that the same figure is the same file
}

# rcParams belong to the process, and JupyterLab updates widgets in another thread than cells
_ONE_AT_A_TIME = threading.RLock()


def cues(names: Iterable[str], *, reuse: bool = False) -> dict[str, Cue]:
    """The look of each series of a figure, by name. The paper's variants always look the same.

    Args:
        reuse: start again when all looks are used, for figures that also label each series.

    Raises:
        SettingError: there are more series than a reader can tell apart, without reuse.
    """
    names = list(dict.fromkeys(names))
    if len(names) > len(CUES) and not reuse:
        raise SettingError(f"{len(names)} series are too many to tell apart; show at most {len(CUES)}.")
    chosen = {name: cue for name, cue in zip(_VARIANTS, CUES, strict=False) if name in names}
    free = cycle([cue for cue in CUES if cue not in chosen.values()])
    return {name: chosen[name] if name in chosen else next(free) for name in names}


@contextmanager
def use_style() -> Iterator[None]:
    """Context with matplotlib's defaults and the course's settings, whatever the user's matplotlibrc says.

    Afterwards the user's settings are restored. Only one thread at a time can be inside.
    """
    with _ONE_AT_A_TIME, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


class DescribedFigure(Figure):
    """A figure that carries its alt text and shows itself in a notebook, without pyplot.

    `alt_text` is the picture's alt text and the plain-text output. Screen readers read it, and notebook tests that skip
    pictures still compare it.
    """

    alt_text: str = ""
    fonts: Sequence[str] = ()  # besides DejaVu Sans, for names in other scripts

    def savefig(self, *args: Any, **options: Any) -> None:
        """As matplotlib's, in the course's style."""
        with use_style():
            matplotlib.rcParams["font.sans-serif"] = ["DejaVu Sans", *self.fonts]
            super().savefig(*args, **options)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        png = base64.b64encode(_fewer_colors(png_bytes(self, STORED_DPI))).decode("ascii")
        # the height follows from the width, also where a narrow screen makes the picture smaller
        shown = {"alt": self.alt_text, "width": round(self.get_figwidth() * 100)}
        return {"image/png": png, "text/plain": self.alt_text}, {"image/png": shown}


# the return value of each figure function: the figure, and the plotted numbers
Drawn = tuple[DescribedFigure, dict[Any, Any]]


@contextmanager
def canvas(
    width: float,
    height: float,
    panels: int | tuple[int, int] | None = None,
    *,
    margins: Sequence[float] = (),
    **options: Any,
) -> Iterator[tuple[DescribedFigure, Any]]:
    """Context that yields a new figure and its axes, to draw on in the course's style.

    Args:
        width, height: in inches of 100 pixels; the width is at most 8.
        panels: None for a single axes, n for an array of n in a row, (rows, columns) for an array of that shape.
        margins: left, bottom, right, top, wspace and hspace of `Figure.subplots_adjust`. Without them matplotlib computes
            the layout, which is slow.
        options: as in `Figure.subplots`.
    """
    rows, columns = panels if isinstance(panels, tuple) else (1, panels or 1)
    with use_style():
        figure = DescribedFigure(figsize=(width, height), layout=None if margins else "constrained")
        if margins:
            figure.subplots_adjust(*margins)
        grid = figure.subplots(rows, columns, squeeze=False, **options)
        yield figure, grid if isinstance(panels, tuple) else grid[0] if panels else grid[0, 0]
        _take_dollars_literally(figure)
        _draw_no_boxes(figure)


def _take_dollars_literally(figure: Figure) -> None:
    """Prevent names with two dollar signs from being drawn as formulas; only matplotlib's powers of ten are formulas."""
    powers: set[Any] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter):
                powers.update(axis.get_ticklabels(which="both"))
    for text in figure.findobj(Text):
        text.set_parse_math(text in powers)


def _draw_no_boxes(figure: DescribedFigure) -> None:
    """Find a font for the characters that DejaVu Sans lacks; those of no installed font are drawn as codes: \\u97f3.

    The alt text keeps the names. Right-to-left scripts are joined and ordered by matplotlib 3.11 or later.
    """
    texts = figure.findobj(Text)
    missing = (
        frozenset("".join(text.get_text() for text in texts)) - _characters(findfont("DejaVu Sans")) - {"\n"}
    )
    if not missing:
        return
    figure.fonts, nowhere = _fonts_with(missing)

    def coded(name: str) -> str:
        return "".join(c.encode("unicode_escape").decode() if c in nowhere else c for c in name)

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):  # drawing writes the labels of ticks anew
            if any(nowhere & set(label.get_text()) for label in axis.get_ticklabels()):
                write = axis.get_major_formatter()
                axis.set_major_formatter(
                    FuncFormatter(lambda value, at, write=write: coded(write(value, at)))
                )
    for text in texts:
        text.set_text(coded(text.get_text()))


@cache
def _characters(path: str) -> frozenset[str]:
    """The characters of a font file."""
    return frozenset(map(chr, get_font(path).get_charmap()))


@cache
def _fonts_with(wanted: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Installed fonts that together have the wanted characters, and the characters that none has."""
    chosen = []
    for entry in sorted(fontManager.ttflist, key=lambda entry: (entry.name, abs(int(entry.weight) - 400))):
        # the last resort has a box for everything, and matplotlib draws no coloured glyphs
        if not wanted or "Last Resort" in entry.name or "Color" in entry.name:
            continue
        with suppress(OSError, RuntimeError, ValueError):  # a font file that is gone or damaged
            if found := wanted & _characters(entry.fname):
                chosen.append(entry.name)
                wanted -= found
    return tuple(chosen), wanted


def png_bytes(figure: Figure, dpi: int = 100) -> bytes:
    """Return the figure as a PNG in the course's style, with its alt text inside."""
    buffer = io.BytesIO()
    # without matplotlib's version, so that the same figure is the same bytes
    metadata = {"Software": None, "Description": getattr(figure, "alt_text", "") or None}
    figure.savefig(buffer, format="png", dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def _fewer_colors(png: bytes) -> bytes:
    """The picture with a palette of 128 colours. Drawings look the same, and the notebook stays small."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        texts = PngInfo()
        for key, text in image.info.items():
            if isinstance(text, str):
                texts.add_itxt(str(key), text)
        fewer = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        fewer.save(buffer, "PNG", optimize=True, pnginfo=texts)
    return buffer.getvalue()


def legend_below(figure: Figure, axes: Axes, ncols: int | None = None) -> None:
    """Put the legend of these axes below all panels."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=ncols or len(labels))


def bare(axes: Axes) -> None:
    """Remove ticks, grid and spines, for drawings without a scale."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def frame(axes: Axes, k: float, reach: float, *, ticks: bool = True) -> None:
    """Set the axes to equal scale and draw the rim for k < 0, or the equator (dashed) for k > 0."""
    if k != 0:
        line, fill = ("-", "#F7F7F7") if k < 0 else ("--", "none")
        axes.add_patch(
            Circle((0, 0), abs(k) ** -0.5, facecolor=fill, edgecolor="black", linestyle=line, linewidth=1.0)
        )
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.grid(False)
    if ticks:
        # only three ticks on each side
        ends = [-math.floor(reach), 0, math.floor(reach)]
        axes.set(xlabel="x₁", ylabel="x₂", xticks=ends, yticks=ends)
    else:
        bare(axes)


def draw_lines(axes: Axes, curves: Any, colors: Any, width: float, dashes: Any = "-") -> None:
    """Draw N curves, given by their points (N, P, 2), all in one color or each in another."""
    axes.add_collection(
        LineCollection(list(curves.numpy()), colors=colors, linewidths=width, linestyles=dashes)
    )


def draw_seeds(axes: Axes, HM: Mapping[str, Sequence[float]], linear: float) -> None:
    """Draw HM of each method with a dot for each seed, a line per seed, and the linear reference as a dashed line."""
    axes.axhline(linear, color=INK, linestyle="--")
    axes.text(0, linear - 1, "linear reference", va="top", color=INK)
    for joined in zip(*HM.values(), strict=True):
        axes.plot(range(len(HM)), joined, color=INK, linewidth=0.8, zorder=1)
    for place, (name, cue) in enumerate(cues(HM).items()):
        axes.plot([place] * len(HM[name]), HM[name], cue.marker, color=cue.color)
    axes.set_ylim(0, 1.1 * max(linear, *(value for values in HM.values() for value in values)))


def histograms(axes: Axes, edges: Any, counts: Mapping[str, Any]) -> None:
    """Draw one or two histograms that may overlap: pale bars, the second's hatched, with an outline."""
    for (label, heights), (color, hatch) in zip(
        counts.items(), ((BLUE, ""), (VERMILION, HATCH)), strict=False
    ):
        fill: dict[str, Any] = {"facecolor": color, "edgecolor": "white", "hatch": hatch, "alpha": 0.6}
        axes.stairs(heights.tolist(), edges.tolist(), fill=True, label=label, **fill)
        axes.stairs(heights.tolist(), edges.tolist(), color=color)


def signed(k: float) -> str:
    """k as text with a minus sign instead of a hyphen: -0.5 as −0.5."""
    return minus(f"{k:g}")


def minus(text: str) -> str:
    """The text with minus signs instead of hyphens."""
    return text.replace("-", "−")


def superscript(power: int) -> str:
    """A whole number as an exponent: -12 as ⁻¹²."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def show(what: Any, more: Any = None, *, digits: int = 4, caption: str = "") -> None:
    """Show a figure with its numbers, a table, or a pandas DataFrame.

    Use `show(*plot_...())` or `show(figure, numbers)`, `show(header, rows, caption=...)`, `show(frame, caption=...)`.

    Args:
        digits, caption: for a table; a missing number in a DataFrame is shown as –.

    Raises:
        SettingError: the arguments are not one of these.
    """
    if isinstance(what, DescribedFigure):
        show_figure(what, more)
    elif hasattr(what, "itertuples"):
        frame = what if type(what.index).__name__ == "RangeIndex" else what.reset_index()
        rows = [["–" if value != value else value for value in row] for row in frame.itertuples(index=False)]
        show_table([str(name) for name in frame.columns], rows, digits=digits, caption=caption)
    elif isinstance(what, (list, tuple)) and isinstance(more, (list, tuple)):
        show_table(what, more, digits=digits, caption=caption)
    else:
        raise SettingError(
            "show takes a figure and its numbers (show(*plot_task())), a header and rows, or a DataFrame."
        )


PLOTTED = "plotted: "


def show_figure(figure: DescribedFigure, data: Any) -> None:
    """Show a figure of `hypav.figures` with its alt text and the digest of the plotted numbers.

    Args:
        figure, data: the results of a function of `hypav.figures`, as in `show_figure(*plot_...(...))`.
    """
    bundle, metadata = figure_bundle(figure, data)
    display(bundle, metadata=metadata, raw=True)
    # JupyterLab and GitHub drop a picture's alt text, so it is also shown as text
    words = f"<details><summary>The figure in words</summary><p>{escape(figure.alt_text)}</p></details>"
    display({"text/html": words, "text/plain": f"The figure in words: {figure.alt_text}"}, raw=True)


def figure_bundle(figure: DescribedFigure, data: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """The MIME bundle and metadata of `show_figure`.

    Raises:
        DataError: the figure has no alt text.
    """
    if not figure.alt_text.strip():
        raise DataError("The figure has no alt text; describe it in words in figure.alt_text.")
    bundle, metadata = figure._repr_mimebundle_()
    return bundle | {"text/plain": f"{figure.alt_text}\n{digest(data)}"}, metadata


def digest(data: Any, digits: int = 4) -> str:
    """Describe each series of `data` in one line of text: shape, minimum, maximum and a checksum, rounded.

    The checksum is the fractional part of Σ w_i x_i with weights w_i between 1 and 2. It is linear, so it does not show
    the rounding noise of another machine, but it shows a change of a single x_i by 10^-digits or more.

    Args:
        data: numbers, tensors, arrays, strings and None in any nesting of mappings and sequences.
        digits: decimals; at most two for float32 series, whose noise is larger.

    Raises:
        DataError: a series holds other values.
    """
    return "\n".join(PLOTTED + _series(path, values, digits) for path, values in _leaves(data, ""))


def show_table(
    header: Sequence[str], rows: Sequence[Sequence[Any]], *, digits: int = 4, caption: str = ""
) -> None:
    """Show a table as HTML and as text. Floats are rounded to `digits` decimals, numbers are aligned right.

    Raises:
        DataError: a row has more or fewer cells than the header.
    """
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise DataError(f"Row {number} of the table has {len(row)} cells, the header {len(header)}.")
    cells = [[_cell(value, digits) for value in row] for row in rows]
    display(
        {"text/html": _html(header, cells, caption), "text/plain": _text(header, cells, caption)}, raw=True
    )


def _leaves(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(data, "detach"):
        data = data.detach().cpu().numpy()
    if isinstance(data, Mapping):
        for name, part in data.items():
            yield from _leaves(part, f"{path}.{name}" if path else str(name))
    elif isinstance(data, (list, tuple)) and not all(isinstance(value, (int, float)) for value in data):
        for number, part in enumerate(data):
            yield from _leaves(part, f"{path}[{number}]")
    else:
        yield path or "data", data


def _series(path: str, values: Any, digits: int) -> str:
    if values is None or isinstance(values, (str, bool)):
        return f"{path} = {values}"
    try:
        array = np.asarray(values)
        if array.dtype == np.float32:
            digits = min(digits, 2)
        numbers = array.astype(np.float64).ravel()
    except (TypeError, ValueError):
        raise DataError(f"The plotted data hold {type(values).__name__} at {path}; give numbers.") from None
    finite = np.isfinite(numbers)
    missing = "" if finite.all() else f", {int((~finite).sum())} not finite"
    size = "x".join(map(str, array.shape)) or "1"
    if not finite.any():
        return f"{path}: {size} numbers{missing}"
    weights = (
        1 + np.arange(len(numbers)) * 0.6180339887498949 % 1
    )  # by the golden ratio no two weights are equal
    check = round(float((weights[finite] * numbers[finite]).sum() % 1), digits) % 1
    low, high = (round(float(end), digits) + 0.0 for end in (numbers[finite].min(), numbers[finite].max()))
    span = f"[{low:.{digits}f}, {high:.{digits}f}]"
    return f"{path}: {size} numbers in {span}{missing}, check {check:.{digits}f}"


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
        pairs = zip(row, widths, strict=True)
        return "  ".join(c.rjust(w) if _is_number(c) else c.ljust(w) for c, w in pairs).rstrip()

    return "\n".join([*([caption] if caption else []), line(header), *map(line, cells)])
