"""The two questions, answered from the runs: does alignment help over AVCA, and does its curvature matter?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from torch import Generator

from hypav.experiments.paper import reported
from hypav.experiments.recipes import Recipe
from hypav.experiments.sets import SetId
from hypav.experiments.store import Store
from hypav.experiments.suite import AVCA, entries
from hypav.experiments.table_view import Number, TableView, table_view
from hypav.experiments.tuning import chosen_weight
from hypav.intervals import detectable_difference, holm, paired_p, seeds_needed, t_interval
from hypav.spreads import Spreads, setting_effect, spreads

__all__ = [
    "Case",
    "CurvatureEffect",
    "Effect",
    "Tally",
    "cases",
    "corrected",
    "curvature_effect",
    "effects",
    "enough_for_the_paper",
    "tally",
]

FLAT = "0.0"  # the row of Table 3 with k = 0


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
    """The presets and weights with which all three modules of Table 1 ran; a weight that was only tried while tuning is
    none of them."""
    found = []
    for preset in presets:
        stored = store.rows(data_digest=data.digest, recipe=recipe.name, preset=preset)
        chosen = chosen_weight(store, data.digest, data.key, preset, recipe)
        for weight in sorted({r.weight for r in stored if r.weight is not None}):
            own = entries("table1", data.key, preset, weight)[1:]
            if all(store.find(data.digest, recipe, entry.alignment) for entry in own):
                tuned = chosen is not None and len(chosen.val_HM) > 1 and chosen.weight == weight
                found.append(Case(data, preset, weight, tuned, recipe))
    return tuple(found)


@dataclass(frozen=True)
class Effect:
    """A row of a table against AVCA: HM differences, paired by seed; p of the paired t test."""

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
    found = []
    for row in case.view(table, store).rows:
        p = None if row.difference is None else paired_p(row.difference.values)
        if row.difference is not None and p is not None:
            found.append(Effect(case, table, row.label, row.difference, p))
    return found


@dataclass(frozen=True)
class Tally:
    """Several comparisons together. above, below: intervals that exclude 0; stand: rows that survive Holm's correction.
    detectable: median over comparisons of the difference seen four times in five; n: fewest and most seeds."""

    count: int
    above: int
    below: int
    stand: tuple[Effect, ...]
    least: Effect
    most: Effect
    detectable: float
    n: tuple[int, int]


def tally(found: Sequence[Effect]) -> Tally | None:
    """The comparisons counted; None where there is none."""
    if not found:
        return None
    apart = [effect for effect in found if effect.excludes_zero]
    by_p = sorted(found, key=lambda effect: effect.p)
    by_mean = sorted(found, key=_mean)
    reach = [detectable_difference(effect.difference.values) for effect in found]
    counts = [effect.difference.interval.n for effect in found]
    return Tally(
        count=len(found),
        above=sum(_mean(effect) > 0 for effect in apart),
        below=sum(_mean(effect) < 0 for effect in apart),
        stand=tuple(by_p[: holm([effect.p for effect in by_p])]),
        least=by_mean[0],
        most=by_mean[-1],
        detectable=median(d for d in reach if d is not None),
        n=(min(counts), max(counts)),
    )


def _mean(effect: Effect) -> float:
    return effect.difference.interval.mean


def enough_for_the_paper(found: Sequence[Effect]) -> list[tuple[str, float, int | None]]:
    """For each module of Table 1: the paper's own difference to its AVCA in HM on its nearest set, and the seeds that it
    takes to see so large a difference where seeds scatter as here (median over our comparisons)."""
    told: list[tuple[str, float, int | None]] = []
    for row in dict.fromkeys(effect.row for effect in found):
        own = [effect for effect in found if effect.row == row]
        paper = reported(own[0].table, own[0].case.data.key).rows
        difference = paper[row]["HM"] - paper[AVCA]["HM"]
        needed = [seeds_needed([v - _mean(e) + difference for v in e.difference.values]) for e in own]
        known = [n for n in needed if n is not None]
        told.append((row, difference, round(median(known)) if known else None))
    return told


@dataclass(frozen=True)
class CurvatureEffect:
    """Table 3's fixed curvatures (K settings by n seeds): both spreads of HM, the effect of k, and agreement.

    F, p: `spreads.setting_effect`. alike: of `runs` pairs of a curvature other than 0 and a seed, how many have the HM
    of the flat run of that seed to the last bit. means: row -> mean HM.
    """

    case: Case
    spreads: Spreads
    F: float | None
    p: float
    alike: int
    runs: int
    means: dict[str, float]
    stands: bool = False


def curvature_effect(store: Store, case: Case) -> CurvatureEffect | None:
    """The effect of the curvature with the seeds that all rows of Table 3 have; None below two seeds."""
    full = case.view("table3", store)
    own = [row for row in full.rows if row.label != AVCA]
    if any(not row.ours for row in own):
        return None
    seeds = sorted(set.intersection(*(set(row.ours["HM"].by_seed) for row in own)))
    if len(seeds) < 2:
        return None
    values = {row.label: [row.ours["HM"].by_seed[seed] for seed in seeds] for row in own}
    layout = list(values.values())
    F, p = setting_effect(layout, generator=Generator().manual_seed(0))
    pairs = [
        (v, flat)
        for k, runs in values.items()
        if k != FLAT
        for v, flat in zip(runs, values[FLAT], strict=True)
    ]
    return CurvatureEffect(
        case=case,
        spreads=spreads(layout, generator=Generator().manual_seed(0)),
        F=F,
        p=p,
        alike=sum(v == flat for v, flat in pairs),
        runs=len(pairs),
        means={k: sum(runs) / len(runs) for k, runs in values.items()},
    )


def corrected(found: Sequence[CurvatureEffect]) -> list[CurvatureEffect]:
    """The same, each knowing whether its effect stands among all of them (Holm)."""
    ranked = sorted(found, key=lambda effect: effect.p)
    standing = {id(effect) for effect in ranked[: holm([effect.p for effect in ranked])]}
    return [replace(effect, stands=id(effect) in standing) for effect in found]
