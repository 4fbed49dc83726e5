"""Comparisons as text: a Markdown table that says what it stands on."""

from __future__ import annotations

from collections.abc import Sequence

from hypav.experiments.comparison import METRICS, Comparison, MethodRow
from hypav.stats import Interval

__all__ = ["comparison_table", "interval_text", "markdown_table"]


def interval_text(interval: Interval) -> str:
    """ "27.1 ± 1.3", or the mean alone where one run gives no interval."""
    if interval.high is None:
        return f"{interval.mean:.1f}"
    return f"{interval.mean:.1f} ± {interval.high - interval.mean:.1f}"


def comparison_table(comparison: Comparison) -> str:
    """The table with its provenance: data, preset, recipe and seeds above; the paper's rows beside, if it has any."""
    c = comparison
    with_paper = any(row.paper is not None for row in c.rows)
    header = ["method", *METRICS, "HM - AVCA"]
    header += [f"paper {metric}" for metric in METRICS] if with_paper else []
    table = markdown_table(header, [_cells(row, with_paper) for row in c.rows])
    return "\n".join([*_provenance(c), "", table, "", *_notes(c, with_paper)])


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also stand in line in a terminal."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (header, rule, *rows)
    )


def _cells(row: MethodRow, with_paper: bool) -> list[str]:
    name = row.method if row.spec in (row.method.lower(), "avca") else f"{row.method} ({row.spec})"
    cells = [name, *(interval_text(row.intervals[metric]) for metric in METRICS)]
    cells.append("" if row.difference is None else interval_text(row.difference))
    if with_paper:
        cells += ["not in paper"] * 4 if row.paper is None else [f"{value:.2f}" for value in row.paper]
    return cells


def _provenance(c: Comparison) -> list[str]:
    seeds = ", ".join(map(str, c.seeds))
    marked = c.simulated and "SIMULATED" not in c.data
    lines = [f"data: {c.data}" + (" (SIMULATED)" if marked else "")]
    lines += [f"      {c.source}"] if c.source else []
    return [
        *lines,
        f"preset: {c.preset}   recipe: {c.recipe} ({c.recipe_source})   seeds: {seeds}",
    ]


def _notes(c: Comparison, with_paper: bool) -> list[str]:
    count = len(c.seeds)
    spread = (
        f"mean ± 95 % interval over {count} seeds (Student's t)" if count > 1 else "one seed: no interval"
    )
    notes = [f"Per cent; {spread}. HM - AVCA is paired by seed."]
    if with_paper and c.simulated:
        notes.append(
            f"The paper's columns are for the real {c.paper_set}; ours are for simulated features of its size: "
            "the two cannot be compared."
        )
    elif with_paper:
        notes.append(
            f"The paper's columns are Table {1 if '(main)' in str(c.paper_set) else 2}, {c.paper_set}."
        )
    else:
        notes.append("The paper does not report this set, so none of its numbers stand here.")
    return notes
