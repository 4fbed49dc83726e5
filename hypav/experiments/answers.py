"""Does alignment help over AVCA? Answered from the runs, in HM and, for Table 7, in delta_rel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from hypav.experiments.paper import main_table, reported
from hypav.experiments.recipes import Recipe
from hypav.experiments.sets import SetId
from hypav.experiments.store import Choice, Store
from hypav.experiments.suite import AVCA, TABLES, entries
from hypav.experiments.table_view import Number, TableView, table_view
from hypav.experiments.tuning import TUNING_SEEDS, WEIGHTS, chosen_weight
from hypav.stats import detectable_difference, holm_adjusted, paired_p, seeds_needed, t_interval

__all__ = [
    "LEVEL",
    "Case",
    "Effect",
    "Tally",
    "cases",
    "effects",
    "effects_in",
    "enough_for_the_paper",
    "tally",
    "tuned_choice",
]

LEVEL = 0.05  # a p value at most this, after Holm's correction, stands


@dataclass(frozen=True)
class Case:
    """One alignment loss on one set: preset, weight, and whether validation chose that weight."""

    data: SetId
    preset: str
    weight: float
    tuned: bool
    recipe: Recipe

    @property
    def name(self) -> str:
        """For a reader, e.g. "paper, weight 10 (tuned)"."""
        return f"{self.preset}, weight {self.weight:g}" + (" (tuned)" if self.tuned else "")

    def view(self, table: str, store: Store, seeds: Sequence[int] | None = None) -> TableView:
        """A table of this case."""
        return table_view(
            table, store, self.data, preset=self.preset, weight=self.weight, recipe=self.recipe, seeds=seeds
        )


def cases(store: Store, data: SetId, recipe: Recipe, presets: Sequence[str]) -> tuple[Case, ...]:
    """The presets and weights with which a row of Tables 1 to 7 ran; a weight that was only tried while tuning is none of
    them, and without such a weight none is called tuned unless all were tried."""
    found = []
    for preset in presets:
        stored = store.rows(data_digest=data.digest, recipe=recipe.name, preset=preset)
        weights = sorted({r.weight for r in stored if r.weight is not None})
        own = [weight for weight in weights if _has_rows(store, data, preset, weight, recipe)]
        chosen = tuned_choice(store, data, recipe, preset, own)
        best = None if chosen is None else chosen.weight
        found += [Case(data, preset, weight, weight == best, recipe) for weight in own]
    return tuple(found)


def tuned_choice(
    store: Store, data: SetId, recipe: Recipe, preset: str, asked: Sequence[float]
) -> Choice | None:
    """What validation chose, if it was asked to: all weights were tried, or others than tables were `asked` for."""
    chosen = chosen_weight(store, data.digest, data.key, preset, recipe)
    tried = set() if chosen is None else set(chosen.val_HM)
    return chosen if tried == set(WEIGHTS) or not tried <= set(asked) else None


def _has_rows(store: Store, data: SetId, preset: str, weight: float, recipe: Recipe) -> bool:
    """Whether some row of the tables ran; if it is Hyper-alignment alone, with more seeds than tuning takes."""
    tuning = entries("table7", data.key, preset, weight)[1].alignment
    every = {e.alignment for table in TABLES for e in entries(table, data.key, preset, weight)}
    losses = every - {None, tuning}
    more = set(store.find(data.digest, recipe, tuning)) - set(TUNING_SEEDS)
    return bool(more) or any(store.find(data.digest, recipe, loss) for loss in losses)


@dataclass(frozen=True)
class Effect:
    """A row of a table against AVCA: differences in HM (Table 7: delta_rel), paired by seed; p of the paired t test."""

    case: Case
    table: str
    row: str
    difference: Number
    p: float

    @property
    def excludes_zero(self) -> bool:
        """Whether Student's 95 % interval does."""
        return t_interval(self.difference.values).excludes_zero


def effects(store: Store, case: Case, table: str = "table1") -> list[Effect]:
    """Every row of a table of ours that has at least two seeds in common with AVCA."""
    return effects_in(case.view(table, store), case)


def effects_in(view: TableView, case: Case) -> list[Effect]:
    """As `effects`, of a table that is there already."""
    found = []
    for row in view.rows:
        p = None if row.difference is None else paired_p(row.difference.values)
        if row.difference is not None and p is not None:
            found.append(Effect(case, view.table, row.label, row.difference, p))
    return found


@dataclass(frozen=True)
class Tally:
    """Several comparisons together, as one family.

    above, below: intervals that exclude 0. stand: rows that survive Holm's correction over the family, the least p
    first; adjusted: their p values after it. best_adjusted: the least such p of all. low, high: the ends of all intervals
    together. detectable: median over comparisons of the difference that would stand four times in five if nothing else
    differed, so at Holm's first step; alone: as the only comparison that is made. n: fewest and most seeds.
    """

    count: int
    above: int
    below: int
    stand: tuple[Effect, ...]
    adjusted: tuple[float, ...]
    best_adjusted: float
    least: Effect
    most: Effect
    low: float
    high: float
    detectable: float
    alone: float
    n: tuple[int, int]


def tally(found: Sequence[Effect]) -> Tally | None:
    """The comparisons counted; None where there is none."""
    if not found:
        return None
    apart = [effect for effect in found if effect.excludes_zero]
    by_p = sorted(found, key=lambda effect: effect.p)
    adjusted = holm_adjusted([effect.p for effect in by_p])
    count = sum(p <= LEVEL for p in adjusted)
    by_mean = sorted(found, key=_mean)
    intervals = [t_interval(effect.difference.values) for effect in found]
    counts = [effect.difference.interval.n for effect in found]
    return Tally(
        count=len(found),
        above=sum(_mean(effect) > 0 for effect in apart),
        below=sum(_mean(effect) < 0 for effect in apart),
        stand=tuple(by_p[:count]),
        adjusted=tuple(adjusted[:count]),
        best_adjusted=adjusted[0],
        least=by_mean[0],
        most=by_mean[-1],
        low=min(i.low for i in intervals if i.low is not None),
        high=max(i.high for i in intervals if i.high is not None),
        detectable=_reach(found, LEVEL / len(found)),
        alone=_reach(found, LEVEL),
        n=(min(counts), max(counts)),
    )


def _mean(effect: Effect) -> float:
    return effect.difference.interval.mean


def _reach(found: Sequence[Effect], p: float) -> float:
    reach = [detectable_difference(effect.difference.values, level=1 - p) for effect in found]
    return median(d for d in reach if d is not None)


def enough_for_the_paper(found: Sequence[Effect]) -> list[tuple[str, float, int | None]]:
    """For each module of Table 1: the paper's own difference to its AVCA in HM on its nearest set, and the seeds that it
    takes to see so large a difference, as the only comparison, where seeds scatter as here (median over ours)."""
    told: list[tuple[str, float, int | None]] = []
    for row in dict.fromkeys(effect.row for effect in found):
        own = [effect for effect in found if effect.row == row]
        key = own[0].case.data.key
        difference = reported(main_table(key), key).difference(row, AVCA, "HM")
        needed = [seeds_needed([v - _mean(e) + difference for v in e.difference.values]) for e in own]
        known = [n for n in needed if n is not None]
        told.append((row, difference, round(median(known)) if known else None))
    return told
