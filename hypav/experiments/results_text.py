"""The sentences of the results page: which one stands is decided by the numbers, and each outcome has one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypav.experiments.answers import LEVEL, Effect, Tally
from hypav.experiments.curvature_effects import CurvatureEffect
from hypav.stats import FEWEST, SpreadRatio, t_interval

__all__ = [
    "ABLATIONS",
    "MODULES",
    "after_correction",
    "alignment_sentences",
    "chance_text",
    "curvature_sentences",
    "interval_words",
    "named",
    "points",
    "power_sentences",
    "rounding_sentence",
    "times",
    "ways",
]

MODULES = "the three modules of Table 1"
ABLATIONS = "the configurations of Tables 3 to 6 that are not in Table 1"


def chance_text(p: float) -> str:
    """A p value: "p = 0.041", "p = 0.0051", or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.{4 if p < 0.01 else 3}f}"


def after_correction(p: float) -> str:
    """A p value after Holm's correction: "0.02", "1.00", or "below 0.001"."""
    return "below 0.001" if p < 0.001 else f"{p:.{3 if p < 0.1 else 2}f}"


def points(value: float, digits: int = 1) -> str:
    """A difference in points with its sign: "+0.4", "−1.2", "0.0"."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return f"{0:.{digits}f}" if text.strip("+−0.") == "" else text


def interval_words(values: Sequence[float], digits: int = 1) -> str:
    """A mean with Student's 95 % interval: "−0.8 [−1.5, −0.1]"; the mean alone for one value."""
    found = t_interval(list(values))
    if found.low is None or found.high is None:
        return points(found.mean, digits)
    return f"{points(found.mean, digits)} [{points(found.low, digits)}, {points(found.high, digits)}]"


def alignment_sentences(found: Tally | None, what: str = MODULES) -> list[str]:
    """Whether rows differ from AVCA, and how many intervals say so by chance alone."""
    if found is None:
        return [f"Not run: there is no run of {what} beside one of AVCA with the same two seeds."]
    chance = LEVEL * found.count
    apart = found.above + found.below
    counted = (
        f"Of {found.count} comparisons ({what}, at every preset and weight that ran) the 95 % interval lies above 0 in "
        f"{found.above} and below in {found.below}; if nothing differed, chance alone would put it outside in "
        f"{chance:.1f}."
    )
    least = f"the least p after Holm's correction over these {found.count}: {after_correction(found.best_adjusted)}"
    better = [effect for effect in found.stand if effect.difference.interval.mean > 0]
    worse = [effect for effect in found.stand if effect.difference.interval.mean < 0]
    if not found.stand and apart <= chance:
        verdict = f"So alignment is not told apart from AVCA ({least}): if it helps or harms, then within the intervals."
    elif not found.stand:
        verdict = (
            f"None of them stands once so many are allowed for ({least}): a hint at most, not a finding."
        )
    else:
        told = [
            f"{len(part)} {word} than AVCA ({named(part)})"
            for part, word in ((better, "better"), (worse, "worse"))
            if part
        ]
        largest = after_correction(found.adjusted[-1])
        verdict = (
            f"What stands after Holm's correction: {'; '.join(told)}; p after the correction over these {found.count}: "
            f"{largest}{' at most' if len(found.stand) > 1 else ''}."
        )
    ends = (
        f"The mean differences go from {_told(found.least)} to {_told(found.most)}, their intervals from "
        f"{points(found.low)} to {points(found.high)}."
    )
    return [counted, verdict, ends]


def named(found: Sequence[Effect], most: int = 4) -> str:
    """Rows with their differences, for a reader; of many the first."""
    told = [_told(effect) for effect in found[:most]]
    return ", ".join(told) + (f" and {len(found) - most} more" if len(found) > most else "")


def _told(effect: Effect) -> str:
    interval = effect.difference.interval
    digits = 3 if effect.difference.metric == "delta_rel" else 1
    place = f"Table {effect.table[-1]} {effect.row}".replace("-", "−")
    row = effect.row if effect.table in ("table1", "table7") else place
    return f"{points(interval.mean, digits)} ({row}, {effect.case.name})"


def curvature_sentences(found: CurvatureEffect | None, name: str = "") -> list[str]:
    """Whether HM depends on the curvature more than on chance, for the case called `name`."""
    if found is None:
        return [f"{name}: not run, for Table 3 is not complete for two seeds.".removeprefix(": ")]
    name = name or found.case.name
    own = found.spreads
    scatter = (
        f"over {own.shape[0]} curvatures at one seed HM scatters by {own.settings:.2f} points (standard deviation), over "
        f"{own.shape[1]} seeds at one curvature by {own.seeds:.2f}"
    )
    if own.settings == 0:
        return [f"{name}: every curvature gives the same HM to the last bit at every seed; {scatter}."]
    if own.ratio is None:
        return [f"{name}: {scatter}; seeds that do not scatter allow no comparison."]
    if own.low is None or own.high is None:
        told = f"ratio of variances {own.ratio:.2f}; an interval takes {FEWEST} seeds"
        return [f"{name}: {scatter} ({told}).", _effect(found), _agreement(found)]
    settled = "less than" if own.high < 1 else "more than" if own.low > 1 else None
    verdict = (
        "whether a curvature or a seed moves it more is not settled"
        if settled is None
        else f"a curvature moves it {settled} a seed does"
    )
    ratio = (
        f"{name}: {scatter}: {verdict} (ratio of variances {own.ratio:.2f}, 95 % interval {own.low:.2f} to "
        f"{own.high:.2f})."
    )
    return [ratio, _effect(found), _agreement(found)]


def _effect(found: CurvatureEffect) -> str:
    best, worst = max(found.means.values()), min(found.means.values())
    told = chance_text(found.p) + f" by {found.shuffles:,} shuffles".replace(",", " ")
    test = f"F = {found.F:.2f}, {told}"
    family = _family(found)
    reach = f"A range of {found.reach:.1f} points between the means would have stood four times in five."
    if f"{best:.1f}" == f"{worst:.1f}" and not found.stands:
        return f"No curvature stands out: all means are equal to a tenth of a point ({best:.1f}; {test}). {reach}"
    if found.stands:
        return (
            f"The curvature has an effect that shuffling does not give ({test}; {family}): {ways(found)}."
            + _frailty(found)
            + (_ROUNDING if found.case.preset == "paper" else "")
        )
    if found.p > LEVEL:
        return (
            f"No curvature stands out: {_ends(found)}, and means differ this much even when nothing differs ({test}). "
            f"{reach}"
        )
    return (
        f"The curvatures' means differ somewhat more than shuffled ones ({test}; {_ends(found)}), but it does not stand "
        f"({family}): a hint at most. {reach}"
    )


def _frailty(found: CurvatureEffect) -> str:
    if found.without is None:
        return ""
    seed, p = found.without
    rests = "It stands without any one seed" if p <= LEVEL else f"It does not stand without seed {seed}"
    return f" {rests}: its p is then {after_correction(p)} at most, after the same correction."


_ROUNDING = " In exact arithmetic there is none, so rounding must have led these runs apart in one direction."


def _family(found: CurvatureEffect) -> str:
    layouts = f"the {found.family} layouts" if found.family > 1 else "one layout"
    return f"{after_correction(found.adjusted)} after Holm's correction over {layouts} under `{found.case.preset}`"


def _ends(found: CurvatureEffect) -> str:
    means = found.means
    best, worst = (pick(means, key=lambda k: means[k]) for pick in (max, min))
    told = f"the highest mean HM, {means[best]:.1f}, is that of k = {best}, the lowest, {means[worst]:.1f}, that of k = "
    return (told + worst).replace("-", "−")


def ways(found: CurvatureEffect) -> str:
    """Which curvatures do better: the two ends, and the hyperbolic ones against the spherical ones with an interval."""
    side = t_interval(list(found.sides))
    verdict = (
        f"do {'better' if side.mean > 0 else 'worse'} than spherical ones"
        if side.excludes_zero
        else "are not told apart from spherical ones"
    )
    return f"{_ends(found)}; hyperbolic ones {verdict}: {interval_words(found.sides)} points"


def _agreement(found: CurvatureEffect) -> str:
    if found.alike == found.runs:
        return f"All {found.runs} runs have the HM of the flat run of their seed to the last bit."
    none = "None" if found.alike == 0 else str(found.alike)
    has = "has" if found.alike <= 1 else "have"
    return f"{none} of {found.runs} runs with k other than 0 {has} the HM of the flat run of their seed to the last bit."


def rounding_sentence(found: SpreadRatio | None, weight: float, *, swallowed: bool = False) -> str:
    """The spread over curvatures under `curved` beside the one under `paper`, where curvatures differ by rounding.

    swallowed: whether under `paper` most runs are the flat one to the last bit, so that there is no drift to compare.
    """
    if swallowed:
        return (
            f"Beside rounding alone: not known, for under `paper` at weight {weight:g} the float32 of most runs swallows "
            "what the curvature changes."
        )
    if found is None:
        return (
            "Beside rounding alone: not known, for two shared seeds of Table 3 under `paper` did not run at weight "
            f"{weight:g}."
        )
    start = (
        f"Beside rounding alone: with the same {found.n} seeds the curvatures scatter HM by {found.first:.2f} points "
        f"here, under `paper` at weight {weight:g} by {found.second:.2f}"
    )
    if found.ratio is None:
        return f"{start}, so that there is no ratio."
    if found.low is None or found.high is None:
        return f"{start}: {times(found.ratio)} times as far; an interval takes {FEWEST} seeds."
    if found.low > 1:
        verdict = "so the curvature moves a run further here than rounding does there"
    elif found.high < 1:
        verdict = "so the curvature moves a run less far here than rounding does there"
    else:
        verdict = "so what the curvature does to a run here is not told apart from rounding there"
    return (
        f"{start}: {times(found.ratio)} times as far (95 % interval {times(found.low)} to {times(found.high)}, bootstrap "
        f"over seeds), {verdict}."
    )


def times(ratio: float) -> str:
    """A ratio in two or three digits: "2.6", "107", "∞"."""
    return "∞" if math.isinf(ratio) else f"{ratio:.{1 if ratio < 10 else 0}f}"


def power_sentences(
    found: Tally | None, paper: Sequence[tuple[str, float, int | None]], paper_set: str
) -> list[str]:
    """What so many seeds could have seen, and how many the paper's own differences would take."""
    if found is None:
        return ["Not run, so nothing could be seen."]
    low, high = found.n
    n = f"{low}" if low == high else f"{low} to {high}"
    told = [
        f"With {n} seeds a difference of {found.detectable:.1f} points (median over the comparisons) would stand four "
        f"times in five after the correction over {found.count}, one of {found.alone:.1f} as the only comparison; a "
        "smaller one may be there and not show."
    ]
    rows = [f"{row} {points(difference, 2)}: {_seeds(needed)}" for row, difference, needed in paper]
    told.append(
        f"The paper's differences to AVCA on {paper_set}, and the seeds that one alone would take here: "
        f"{'; '.join(rows)}."
    )
    return told


def _seeds(needed: int | None) -> str:
    return "no number of seeds" if needed is None else f"{needed} seeds"
