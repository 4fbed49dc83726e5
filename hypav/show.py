"""What a notebook cell shows: figures with alt text and a digest of their data, tables, and source code.

Strict nbval compares text and skips pictures. So a figure's plain text, which a reader sees only where the picture
cannot be shown, is its alt text followed by a digest of the plotted numbers: other numbers, other text.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from IPython.display import display

from hypav.errors import DataError
from hypav.style import DescribedFigure

__all__ = ["PLOTTED", "digest", "figure_bundle", "show_figure", "show_source", "show_table"]

PLOTTED = "plotted: "


def show_figure(figure: DescribedFigure, data: Any) -> None:
    """Shows a figure of `hypav.plots` with its alt text and the digest of the data it was drawn from.

    Args:
        figure, data: what a function of `hypav.plots` returns: `show_figure(*plot_...(...))`.
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
