"""A table of the paper beside our runs as Markdown, LaTeX, CSV or HTML, checked against the store before a word."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape

from torch import Generator

from hypav.avca import AVCAConfig
from hypav.errors import SettingError
from hypav.experiments.measures import NUMERICS_VERSION
from hypav.experiments.published import SOURCES, curvature_settings
from hypav.experiments.store import Store
from hypav.experiments.suite import AVCA
from hypav.experiments.table_view import NULLS, Number, Row, TableView, require_intact, verify
from hypav.experiments.tables import markdown_table
from hypav.hyperbolicity import gaussian_null

__all__ = [
    "FORMATS",
    "NOT_RUN",
    "TITLES",
    "bare_table",
    "difference_text",
    "provenance",
    "render",
    "table_cells",
    "view_text",
]

NOT_RUN = "not run"
MOST_SEEDS = 1000  # beyond, the number says no more than that nobody will run them
_DELTA = "delta_rel"

TITLES = {
    "table1": "main features: the three modules",
    "table2": "cls features: the three modules",
    "table3": "curvature of Hyper-alignment",
    "table4": "mixed geometries: E flat, S spherical, H hyperbolic",
    "table5": "number of adaptive curvatures N_c",
    "table6": "which embeddings Hyper-single aligns",
    "table7": "delta_rel of theta_v on test",
}


def render(view: TableView, store: Store, form: str) -> str:
    """The table in one of FORMATS, after every number of ours was computed again from the store.

    Raises:
        SettingError: there is no such format.
        RunError: a number that no run gave, or a record that is not what a run gave.
    """
    if form not in FORMATS:
        raise SettingError(f"There is no format {form!r}; choose {', '.join(FORMATS)}.")
    require_intact(store, view)
    verify(view, store)
    return FORMATS[form](view)


def view_text(view: TableView) -> str:
    """The table as Markdown with its provenance, unchecked: `render` checks."""
    return "\n".join([*provenance(view), "", bare_table(view), "", *_notes(view)])


def bare_table(view: TableView) -> str:
    """The table as Markdown and nothing else, unchecked."""
    return markdown_table(*table_cells(view))


def provenance(view: TableView) -> list[str]:
    """What the numbers stand on: door, preset, weight, recipe, seeds, how many runs and of which version of hypav."""
    seeds = ", ".join(map(str, view.seeds)) or "none"
    return [
        f"Table {view.table[-1]}, {TITLES[view.table]}",
        f"data: {view.data.marked}",
        f"preset: {view.preset}   weight: {view.weight:g}   recipe: {view.recipe.name}   seeds: {seeds}"
        f"   runs: {len(view.keys)}   program: {view.code if view.keys else 'none'}",
    ]


def table_cells(view: TableView) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text, unchecked."""
    header = ["row", *(f"paper {metric}" for metric in view.metrics), *view.metrics]
    header += [_NULL_HEADS[name] for name in _nulls(view)]
    header += [f"{view.compared} - {AVCA} [95 %]", "seeds to tell", "n"]
    return header, [_cells(view, row) for row in view.rows]


_NULL_HEADS = {"delta_noise": "of noise", "delta_covariance": "of noise of its covariance"}


def _nulls(view: TableView) -> list[str]:
    """Those of NULLS that some row has."""
    return [name for name in NULLS if any(name in row.ours for row in view.rows)]


def _cells(view: TableView, row: Row) -> list[str]:
    digits = 3 if view.metrics == (_DELTA,) else 1
    paper = [f"{row.paper[metric]:.2f}" for metric in view.metrics]
    if not row.ours:
        return [row.label, *paper, *[NOT_RUN] * (len(view.metrics) + len(_nulls(view))), "", "", ""]
    shown = [row.ours.get(metric) for metric in (*view.metrics, *_nulls(view))]
    ours = [NOT_RUN if number is None else _mean(number, digits) for number in shown]
    return [row.label, *paper, *ours, difference_text(row.difference, digits), _seeds(row), str(row.n)]


def _mean(number: Number, digits: int) -> str:
    interval = number.interval
    if interval.high is None:
        return f"{interval.mean:.{digits}f}"
    return f"{interval.mean:.{digits}f} ± {interval.high - interval.mean:.{digits}f}"


def difference_text(number: Number | None, digits: int = 1) -> str:
    """ "+0.4 [-0.8, 1.6]"; "0, equal" where every seed gave the same to the last bit; the mean alone for one seed."""
    if number is None:
        return ""
    if not any(number.values):
        return "0, equal"
    interval = number.interval
    mean = f"{interval.mean:+.{digits}f}"
    if interval.low is None or interval.high is None:
        return mean
    return f"{mean} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _seeds(row: Row) -> str:
    if row.difference is None:
        return ""
    needed = row.seeds_needed
    return "-" if needed is None else f"> {MOST_SEEDS}" if needed > MOST_SEEDS else str(needed)


def _notes(view: TableView) -> list[str]:
    unit = "2 delta / diameter" if view.metrics == (_DELTA,) else "per cent"
    notes = [
        f"{unit[0].upper()}{unit[1:]}; ours is mean ± 95 % interval over n seeds (Student's t). The difference to "
        "AVCA is paired by seed, with a bootstrap interval, too narrow below ten seeds. Seeds to tell: with so many, a "
        "difference as large and as scattered is told from 0 four times in five. AVCA depends on neither preset nor "
        "weight.",
        f"The paper's columns are {view.paper_set}."
        if view.comparable
        else f"The paper's columns are {view.paper_set}, other data than ours: the two cannot be compared.",
    ]
    if view.table in ("table1", "table2"):
        notes.append(
            "Tables 1 and 2 have the same rows on two kinds of features, main and cls; a set has one kind, so both show "
            "the same runs of ours. CJME and AVGZSLNet are prior work that the paper quotes."
        )
    if view.table in ("table1", "table2", "table3"):
        notes.append(_published_note(view))
    if view.metrics == (_DELTA,):
        notes.append(_null_note(view))
    if view.keys and view.code != NUMERICS_VERSION:
        notes.append(
            f"These runs are of another version of the program ({view.code}) than the one that prints them "
            f"({NUMERICS_VERSION}); hypav reproduce does them anew with this one."
        )
    if any(not row.ours for row in view.rows):
        notes.append("Not run: no run of this row, preset, weight and recipe is in the store.")
    return notes


def _published_note(view: TableView) -> str:
    key = view.data.key or ("UCF-GZSL", "main")  # whose settings our runs take, as in `suite.entries`
    given = [f"{source} {curvature_settings(key, source).hyper_alignment:g}" for source in SOURCES]
    told = f"k of Hyper-alignment for {key[0]} ({key[1]}), by who published it: {', '.join(given)}"
    return f"{told}; ours takes the paper's, but in Table 3."


def _null_note(view: TableView) -> str:
    if _nulls(view):
        return (
            "Beside each delta_rel stands that of Gaussian noise, of as many points and dimensions, and of noise with "
            "the covariance of theta_v: what is not below them is no sign of a tree."
        )
    dim, points = AVCAConfig.dim_theta, 1500
    return (
        f"No noise was measured beside these runs: {points} points of Gaussian noise in {dim} dimensions have "
        f"delta_rel {_noise(points, dim):.3f}, and what is not below that is no sign of a tree."
    )


@cache
def _noise(points: int, dim: int) -> float:
    return gaussian_null(points, dim, generator=Generator().manual_seed(0)).delta_rel


def _latex(view: TableView) -> str:
    header, rows = table_cells(view)
    lines = [f"% {line}" for line in (*provenance(view), *_notes(view))]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\hline", _latex_line(header), r"\hline"]
    lines += [_latex_line(cells) for cells in rows]
    return "\n".join([*lines, r"\hline", r"\end{tabular}"])


_LATEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", ">": "$>$"} | {c: f"\\{c}" for c in "&%$#_{}"}


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join("".join(_LATEX.get(c, c) for c in cell) for cell in cells) + r" \\"


def _html(view: TableView) -> str:
    header, rows = table_cells(view)
    caption = "<br>".join(escape(line) for line in provenance(view))
    lines = [
        "<table>",
        f"<caption>{caption}</caption>",
        "<thead>",
        _html_line(header, "col"),
        "</thead>",
        "<tbody>",
    ]
    lines += [_html_line(cells) for cells in rows]
    lines += ["</tbody>", "</table>", *(f"<p>{escape(note)}</p>" for note in _notes(view))]
    return "\n".join(lines)


def _html_line(cells: Sequence[str], scope: str = "") -> str:
    if scope:
        return "<tr>" + "".join(f'<th scope="{scope}">{escape(cell)}</th>' for cell in cells) + "</tr>"
    first, *others = cells
    row = f'<th scope="row">{escape(first)}</th>'
    return "<tr>" + row + "".join(f"<td>{escape(cell)}</td>" for cell in others) + "</tr>"


def _csv(view: TableView) -> str:
    """One line a row, numbers as they are, with everything that they depend on."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ours = [f"{metric}_{part}" for metric in view.metrics for part in ("mean", "low", "high")]
    nulls = _nulls(view)
    ours += [f"{name}_{part}" for name in nulls for part in ("mean", "low", "high")]
    writer.writerow(
        [
            "table",
            "data",
            "simulated",
            "paper_set",
            "comparable",
            "preset",
            "weight",
            "recipe",
            "program",
            "row",
            "state",
        ]
        + [f"paper_{metric}" for metric in view.metrics]
        + [*ours, "n", "difference", "difference_low", "difference_high", "seeds_needed", "runs"]
    )
    fixed = [view.table, view.data.name, int(view.data.simulated), view.paper_set, int(view.comparable)]
    fixed += [view.preset, view.weight, view.recipe.name, view.code]
    for row in view.rows:
        parts = [part for metric in (*view.metrics, *nulls) for part in _parts(row.ours.get(metric))]
        keys = sorted({key for number in row.ours.values() for key in number.keys})
        own = [
            *fixed,
            row.label,
            "run" if row.ours else NOT_RUN,
            *(row.paper[metric] for metric in view.metrics),
            *parts,
            row.n,
        ]
        writer.writerow([*own, *_parts(row.difference), row.seeds_needed, " ".join(keys)])
    return out.getvalue().rstrip("\n")


def _parts(number: Number | None) -> list[float | None]:
    return [None] * 3 if number is None else [number.interval.mean, number.interval.low, number.interval.high]


FORMATS: Mapping[str, Callable[[TableView], str]] = {
    "markdown": view_text,
    "latex": _latex,
    "csv": _csv,
    "html": _html,
}
