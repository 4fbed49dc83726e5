"""Does the curvature matter? Table 3 as layouts of fixed curvatures by seeds, those of a preset judged as one family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Generator

from hypav.experiments.answers import LEVEL, Case
from hypav.experiments.store import Store
from hypav.experiments.suite import AVCA
from hypav.experiments.table_view import TableView
from hypav.stats import (
    SpreadRatio,
    Spreads,
    detectable_range,
    holm_adjusted,
    setting_effect,
    spread_ratio,
    spreads,
)

__all__ = [
    "FLAT",
    "CurvatureEffect",
    "beyond_rounding",
    "corrected",
    "curvature_effect",
    "curvature_effect_in",
]

FLAT = "0.0"  # the row of Table 3 with k = 0
# between these p values a correction could decide, and the verdict must not hang on the seed of the shuffles
SHUFFLES, MANY_SHUFFLES, NEAR = 10_000, 200_000, (0.0005, 0.1)


@dataclass(frozen=True)
class CurvatureEffect:
    """Table 3's fixed curvatures (K settings by n seeds): both spreads of HM, the effect of k, and agreement.

    layout: row -> HM in per cent, one a seed of `seeds`. F, p, shuffles: `spreads.setting_effect` and its draws.
    adjusted: p after Holm's correction over the `family` layouts of this preset; stands: whether it is at most LEVEL.
    sides: mean HM over k < 0 minus that over k > 0, one a seed. reach: `spreads.detectable_range`, of what would stand if
    no other layout of the family had an effect. without: where p is at most LEVEL, the seed without which it is
    greatest, and that p, adjusted as p is. alike: of `runs` pairs of a curvature other than 0 and a seed, how many have
    the HM of the flat run of that seed to the last bit.
    """

    case: Case
    layout: dict[str, tuple[float, ...]]
    seeds: tuple[int, ...]
    spreads: Spreads
    F: float | None
    p: float
    shuffles: int
    sides: tuple[float, ...]
    reach: float
    alike: int
    runs: int
    without: tuple[int, float] | None
    adjusted: float
    family: int = 1
    stands: bool = False

    @property
    def means(self) -> dict[str, float]:
        """row -> mean HM."""
        return {k: sum(runs) / len(runs) for k, runs in self.layout.items()}

    @property
    def swallowed(self) -> bool:
        """Whether most runs are the flat one of their seed to the last bit."""
        return 2 * self.alike > self.runs


def curvature_effect(
    store: Store, case: Case, *, generator: Generator | None = None
) -> CurvatureEffect | None:
    """The effect of the curvature with the seeds that all rows of Table 3 have; None below two seeds.

    Args:
        generator: of shuffles and bootstrap samples, on the CPU; None is one stream for every case.
    """
    return curvature_effect_in(case.view("table3", store), case, generator=generator)


def curvature_effect_in(
    view: TableView, case: Case, *, generator: Generator | None = None
) -> CurvatureEffect | None:
    """As `curvature_effect`, of a Table 3 that is there already."""
    own = [row for row in view.rows if row.label != AVCA]
    if any(not row.ours for row in own):
        return None
    seeds = tuple(sorted(set.intersection(*(set(row.ours["HM"].by_seed) for row in own))))
    if len(seeds) < 2:
        return None
    layout = {row.label: tuple(row.ours["HM"].by_seed[seed] for seed in seeds) for row in own}
    values = list(layout.values())
    stream = Generator().manual_seed(0) if generator is None else generator
    F, p, shuffles = _shuffled(values, stream)
    pairs = [
        (v, flat)
        for k, runs in layout.items()
        if k != FLAT
        for v, flat in zip(runs, layout[FLAT], strict=True)
    ]
    return CurvatureEffect(
        case=case,
        layout=layout,
        seeds=seeds,
        spreads=spreads(values, generator=stream),
        F=F,
        p=p,
        shuffles=shuffles,
        sides=_sides(layout),
        reach=detectable_range(values, generator=stream),
        alike=sum(v == flat for v, flat in pairs),
        runs=len(pairs),
        without=_frailest(values, seeds) if p <= LEVEL else None,
        adjusted=p,
    )


def _frailest(values: Sequence[Sequence[float]], seeds: Sequence[int]) -> tuple[int, float] | None:
    """The seed without which the effect has the greatest p, and that p; None where two seeds are all there are."""
    if len(seeds) < 3:
        return None
    stream = Generator().manual_seed(0)
    rest = [[[*v[:place], *v[place + 1 :]] for v in values] for place in range(len(seeds))]
    p = [setting_effect(layout, generator=stream, draws=SHUFFLES)[1] for layout in rest]
    place = p.index(max(p))
    return seeds[place], _shuffled(rest[place], stream)[1]


def _shuffled(values: Sequence[Sequence[float]], stream: Generator) -> tuple[float | None, float, int]:
    """`spreads.setting_effect`, and of how many shuffles."""
    F, p = setting_effect(values, generator=stream, draws=SHUFFLES)
    if not NEAR[0] < p < NEAR[1]:
        return F, p, SHUFFLES
    return *setting_effect(values, generator=stream, draws=MANY_SHUFFLES), MANY_SHUFFLES


def _sides(layout: dict[str, tuple[float, ...]]) -> tuple[float, ...]:
    hyperbolic, spherical = ([runs for k, runs in layout.items() if sign * float(k) > 0] for sign in (-1, 1))
    return tuple(
        sum(h) / len(h) - sum(s) / len(s)
        for h, s in zip(zip(*hyperbolic, strict=True), zip(*spherical, strict=True), strict=True)
    )


def corrected(found: Sequence[CurvatureEffect]) -> list[CurvatureEffect]:
    """The same, each judged among those of its preset (Holm): that `paper` has layouts in which nothing can be found must
    not hide what `curved` has."""
    done: dict[int, CurvatureEffect] = {}
    for preset in dict.fromkeys(effect.case.preset for effect in found):
        family = [(place, e) for place, e in enumerate(found) if e.case.preset == preset]
        ps = [e.p for _, e in family]
        for own, ((place, e), p) in enumerate(zip(family, holm_adjusted(ps), strict=True)):
            without = e.without
            if without is not None:
                others = [without[1] if other == own else p for other, p in enumerate(ps)]
                without = (without[0], holm_adjusted(others)[own])
            layout, stream = list(e.layout.values()), Generator().manual_seed(0)
            reach = detectable_range(layout, generator=stream, level=1 - LEVEL / len(family))
            done[place] = replace(
                e, adjusted=p, family=len(family), stands=p <= LEVEL, reach=reach, without=without
            )
    return [done[place] for place in range(len(found))]


def beyond_rounding(own: CurvatureEffect, rounding: CurvatureEffect) -> SpreadRatio | None:
    """How many times as far the curvatures of `own` scatter as those of a layout that differ by rounding alone, with the
    seeds that both have; None below two seeds."""
    shared = sorted(set(own.seeds) & set(rounding.seeds))
    if len(shared) < 2:
        return None
    first, second = (
        [[runs[effect.seeds.index(seed)] for seed in shared] for runs in effect.layout.values()]
        for effect in (own, rounding)
    )
    return spread_ratio(first, second, generator=Generator().manual_seed(0))
