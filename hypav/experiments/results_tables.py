"""One table of the paper on the results page: all cases at a glance, and each in full, folded."""

from __future__ import annotations

from collections.abc import Sequence

from hypav.experiments.paper import main_table
from hypav.experiments.results_text import points
from hypav.experiments.store import Store
from hypav.experiments.subjects import Subject
from hypav.experiments.table_text import NOT_RUN, TITLES, bare_table
from hypav.experiments.table_view import Row, TableView, verify
from hypav.experiments.tables import markdown_table
from hypav.stats import t_interval

__all__ = ["at_a_glance", "table_section"]


def table_section(store: Store, table: str, subject: Subject) -> str:
    """The section of one table for the cases of one set; every number is verified. Of Tables 1 and 2, which would show
    the same runs, one is a line.

    Raises:
        RunError: a number that no run gave.
    """
    title = f"**Table {table[-1]}, {TITLES[table]}**"
    main = main_table(subject.data.key)
    twin = "table1" if main == "table2" else "table2"
    if table == twin:
        return (
            f"{title}: not shown again. It has the rows of Table {main[-1]} on the other kind of features; this set has "
            f"one kind, so ours would be the runs of Table {main[-1]} once more (`hypav table {twin[-1]}` prints the "
            "paper's numbers beside them)."
        )
    cases = subject.cases
    views = [subject.views[case.name, table] for case in cases]
    for view in views:
        verify(view, store)
    header, rows = at_a_glance(views, [case.name for case in cases])
    escaped = [[cell.replace("*", "\\*") for cell in row] for row in rows]
    folded = [f"<b>{case.name}</b>\n\n{bare_table(view)}" for case, view in zip(cases, views, strict=True)]
    details = "<details><summary>Every metric with intervals</summary>\n\n" + "\n\n".join(folded)
    return "\n\n".join([title, markdown_table(header, escaped), details, "</details>"])


def at_a_glance(views: Sequence[TableView], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of one table under several presets and weights: the paper's number, and ours with its difference
    to AVCA, starred where Student's 95 % interval excludes 0; n in every cell of a column whose rows have not all the
    same number of seeds. Unchecked."""
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
    # means over other seeds are not comparable with each other, which a difference between two cells would suggest
    n = f"; n {row.n}" if len({own.n for own in view.rows if own.ours}) > 1 else ""
    if row.difference is None:
        return f"{mean} (–{n})"
    star = "*" if t_interval(row.difference.values).excludes_zero else ""
    return f"{mean} ({points(row.difference.interval.mean, digits)}{star}{n})"
