"""A table of the paper beside our runs, as data: every number of ours carries the runs it stands on.

`verify` computes each number again from the store; one that no run gave, or a changed one, is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from torch import Generator

from hypav.data.features import FeatureSet
from hypav.errors import RunError, SettingError
from hypav.experiments.paper import reported
from hypav.experiments.recipes import Recipe
from hypav.experiments.records import Record, alignment_columns, recipe_digest
from hypav.experiments.sets import SetId
from hypav.experiments.store import Store
from hypav.experiments.suite import AVCA, TABLES, Entry, entries
from hypav.stats import Interval, paired_difference, seeds_needed, t_interval

__all__ = [
    "NULLS",
    "Number",
    "Row",
    "TableView",
    "number",
    "require_intact",
    "table_view",
    "verify",
]


NULLS = ("delta_noise", "delta_covariance")  # what stands beside delta_rel where the runs measured it


@dataclass(frozen=True)
class Number:
    """A mean over runs, or a mean of differences, with its 95 % interval and the runs behind it.

    metric: "S", "U", "HM", "ZSL" (per cent), "delta_rel" or one of NULLS. keys: of the runs, one a seed. against: of the
    runs that are subtracted, seed by seed; empty where nothing is. values: one a seed.
    """

    metric: str
    seeds: tuple[int, ...]
    keys: tuple[str, ...]
    against: tuple[str, ...]
    values: tuple[float, ...]
    interval: Interval

    @property
    def by_seed(self) -> dict[int, float]:
        """seed -> value."""
        return dict(zip(self.seeds, self.values, strict=True))


@dataclass(frozen=True)
class Row:
    """One row: the paper's numbers by metric, ours by metric (empty: not run), and the difference to AVCA paired by
    seed. entry: None for prior work, which is not among our methods."""

    label: str
    entry: Entry | None
    paper: Mapping[str, float]
    ours: Mapping[str, Number]
    difference: Number | None

    @property
    def n(self) -> int:
        """Our seeds."""
        return max((number.interval.n for number in self.ours.values()), default=0)

    @property
    def seeds_needed(self) -> int | None:
        """Seeds with which a difference like this one would be told from 0 (`intervals.seeds_needed`)."""
        return None if self.difference is None else seeds_needed(self.difference.values)


@dataclass(frozen=True)
class TableView:
    """A table with all that its numbers depend on. comparable: whether the paper's column is for this very set. code,
    device: the version of the program and the type of device whose runs are shown."""

    table: str
    data: SetId
    preset: str
    weight: float
    recipe: Recipe
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    paper_set: str
    comparable: bool
    seeds: tuple[int, ...]
    code: str
    device: str

    @property
    def compared(self) -> str:
        """The metric whose difference to AVCA is shown."""
        return "delta_rel" if self.metrics == ("delta_rel",) else "HM"

    @property
    def keys(self) -> tuple[str, ...]:
        """All runs that a number of this table stands on."""
        numbers = [n for row in self.rows for n in (*row.ours.values(), row.difference) if n is not None]
        return tuple(dict.fromkeys(key for n in numbers for key in (*n.keys, *n.against)))


def table_view(
    table: str,
    store: Store,
    data: FeatureSet | SetId,
    *,
    preset: str,
    weight: float,
    recipe: Recipe,
    seeds: Sequence[int] | None = None,
) -> TableView:
    """The table ("table1" to "table7") of the paper beside the runs of a store.

    Args:
        data: whose runs are shown.
        preset, weight: of the alignment loss; AVCA's runs are the same for all.
        recipe: whose runs are shown.
        seeds: None is every seed that is there.

    Raises:
        SettingError: no such table or preset, or a negative weight.
    """
    if table not in TABLES:
        raise SettingError(f"There is no table {table!r}; choose {', '.join(TABLES)}.")
    own = SetId.of(data) if isinstance(data, FeatureSet) else data
    paper = reported(table, own.key)
    found = {entry.row: entry for entry in entries(table, own.key, preset, weight)}
    code = store.version(own.digest, recipe)
    device = store.device(own.digest, recipe, code)
    runs = {
        row: _chosen(
            store.find(own.digest, recipe, entry.alignment, code=code, device=device), seeds, paper.metrics
        )
        for row, entry in found.items()
    }
    labels = [row for row in paper.rows if row not in found] + list(found)
    compared = "delta_rel" if paper.metrics == ("delta_rel",) else "HM"
    rows = [
        _row(
            label,
            found.get(label),
            paper.rows[label],
            runs.get(label, {}),
            runs[AVCA],
            paper.metrics,
            compared,
        )
        for label in labels
    ]
    return TableView(
        table=table,
        data=own,
        preset=preset,
        weight=float(weight),
        recipe=recipe,
        metrics=paper.metrics,
        rows=tuple(rows),
        paper_set="{} ({})".format(*paper.key),
        comparable=own.key == paper.key and not own.simulated,
        seeds=tuple(sorted({seed for own_runs in runs.values() for seed in own_runs})),
        code=code,
        device=device,
    )


def _chosen(
    found: Mapping[int, Record], seeds: Sequence[int] | None, metrics: tuple[str, ...]
) -> dict[int, Record]:
    """The runs of these seeds, in order, that have all metrics."""
    wanted = sorted(found) if seeds is None else [seed for seed in seeds if seed in found]
    return {s: found[s] for s in wanted if all(getattr(found[s], m) is not None for m in metrics)}


def _row(
    label: str,
    entry: Entry | None,
    paper: Mapping[str, float],
    runs: Mapping[int, Record],
    baseline: Mapping[int, Record],
    metrics: tuple[str, ...],
    compared: str,
) -> Row:
    own = list(runs.values())
    nulls = [
        name for name in NULLS if metrics == ("delta_rel",) and all(vars(r)[name] is not None for r in own)
    ]
    ours = {metric: number(metric, own) for metric in (*metrics, *nulls)} if runs else {}
    shared = [seed for seed in runs if seed in baseline] if label != AVCA else []
    pairs = [runs[s] for s in shared], [baseline[s] for s in shared]
    return Row(label, entry, paper, ours, number(compared, *pairs) if shared else None)


def number(metric: str, runs: Sequence[Record], against: Sequence[Record] = ()) -> Number:
    """The mean of a metric over runs with Student's interval; or, `against` others, of their paired differences with a
    bootstrap interval from a fixed stream."""
    own = tuple(_value(record, metric) for record in runs)
    seeds = tuple(r.seed for r in runs)
    keys, others = tuple(r.key for r in runs), tuple(r.key for r in against)
    if not against:
        return Number(metric, seeds, keys, (), own, t_interval(own))
    base = tuple(_value(record, metric) for record in against)
    values = tuple(a - b for a, b in zip(own, base, strict=True))
    return Number(metric, seeds, keys, others, values, _bootstrap(own, base))


@cache
def _bootstrap(own: tuple[float, ...], base: tuple[float, ...]) -> Interval:
    return paired_difference(own, base, generator=Generator().manual_seed(0))


def _value(record: Record, metric: str) -> float:
    value = getattr(record, metric)
    return value if metric in ("delta_rel", *NULLS) else 100 * value


def require_intact(store: Store, view: TableView | None = None) -> None:
    """Looks at all records of a store, or at those that a table would have to show: of its set, recipe and program.

    Raises:
        RunError: one is not what a run gave.
    """
    damaged = store.damaged()
    if view is not None:
        digest = recipe_digest(view.recipe)
        damaged = store.damaged(data_digest=view.data.digest, recipe_digest=digest, code=view.code)
    if damaged:
        keys = ", ".join(f"'{key}'" for key in damaged)
        raise RunError(
            f"{store.path} holds {len(damaged)} record(s) that no run gave or that are damaged (keys "
            f"{', '.join(damaged)}): their digests do not fit. Run hypav reproduce once more, which trains those that "
            f'it needs anew; delete others with: sqlite3 {store.path} "DELETE FROM runs WHERE key IN ({keys})".'
        )


def verify(view: TableView, store: Store) -> None:
    """Computes every number of ours again from the runs that it names.

    Raises:
        RunError: a run is not in the store or another one's, or gives another number.
    """
    records = {key: store.get(key) for key in view.keys}
    for row in view.rows:
        numbers = [*row.ours.items(), *([] if row.difference is None else [(view.compared, row.difference)])]
        for metric, shown in numbers:
            own = _records(view, row.label, records, shown.keys, row.entry)
            base = _records(view, row.label, records, shown.against, None)
            if [r.seed for r in base] not in ([], [r.seed for r in own]):
                raise RunError(f"{_place(view, row.label)}: the runs that are compared have different seeds.")
            if not own or metric != shown.metric or number(metric, own, base) != shown:
                raise RunError(
                    f"{_place(view, row.label)}: the {metric} {shown.interval.mean:.4g} is not what its runs gave; "
                    "a number of ours is never written by hand."
                )


def _records(
    view: TableView,
    label: str,
    records: Mapping[str, Record | None],
    keys: Sequence[str],
    entry: Entry | None,
) -> list[Record]:
    columns = {
        "data_digest": view.data.digest,
        "recipe_digest": recipe_digest(view.recipe),
        "code": view.code,
        **alignment_columns(None if entry is None else entry.alignment),
    }
    found = []
    for key in keys:
        record = records[key]
        if record is None:
            raise RunError(
                f"{_place(view, label)}: there is no run {key} in the store for a number that names it."
            )
        if any(getattr(record, name) != value for name, value in columns.items()):
            raise RunError(
                f"{_place(view, label)}: the run {key} is one of another row, set, recipe or program."
            )
        found.append(record)
    return found


def _place(view: TableView, label: str) -> str:
    return f"Table {view.table[-1]}, row {label}"
