"""One table of the paper on the results page: all cases at a glance, and each in full, folded."""

from __future__ import annotations

from collections.abc import Sequence

from hypav.experiments.answers import Case
from hypav.experiments.results_text import points
from hypav.experiments.store import Store
from hypav.experiments.table_text import NOT_RUN, TITLES, bare_table
from hypav.experiments.table_view import Row, TableView, verify
from hypav.experiments.tables import markdown_table
from hypav.intervals import t_interval

__all__ = ["at_a_glance", "table_section"]


def table_section(store: Store, table: str, cases: Sequence[Case]) -> str:
    """The section of one table for the cases of one set; every number is verified.

    Raises:
        RunError: a number that no run gave.
    """
    views = [case.view(table, store) for case in cases]
    for view in views:
        verify(view, store)
    header, rows = at_a_glance(views, [case.name for case in cases])
    escaped = [[cell.replace("*", "\\*") for cell in row] for row in rows]
    folded = [f"<b>{case.name}</b>\n\n{bare_table(view)}" for case, view in zip(cases, views, strict=True)]
    details = "<details><summary>Every metric with intervals</summary>\n\n" + "\n\n".join(folded)
    title = f"**Table {table[-1]}, {TITLES[table]}**"
    return "\n\n".join([title, markdown_table(header, escaped), details, "</details>"])


def at_a_glance(views: Sequence[TableView], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of one table under several presets and weights: the paper's number, and ours with its difference
    to AVCA, starred where Student's 95 % interval excludes 0; n where it has fewer seeds than AVCA. Unchecked."""
    first = views[0]
    metric = first.compared
    rows = [
        [row.label, f"{row.paper[metric]:.2f}", *(_glance(view, view.rows[place]) for view in views)]
        for place, row in enumerate(first.rows)
    ]
    return ["row", f"paper {metric}, {first.paper_set}", *names], rows


def _glance(view: TableView, row: Row) -> str:
    if not row.ours:
        return NOT_RUN
    digits = 3 if view.compared == "delta_rel" else 1
    mean = f"{row.ours[view.compared].interval.mean:.{digits}f}"
    if row.difference is None:
        return f"{mean} (–)"
    star = "*" if t_interval(row.difference.values).excludes_zero else ""
    # a mean over fewer seeds is not comparable with AVCA's, the paired difference is
    fewer = f"; n {row.n}" if row.n < max(own.n for own in view.rows) else ""
    return f"{mean} ({points(row.difference.interval.mean, digits)}{star}{fewer})"
