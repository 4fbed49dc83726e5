"""Table 7 on the results page: does alignment lower delta_rel, and what has noise?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypav.experiments.answers import Effect, tally
from hypav.experiments.paper import reported
from hypav.experiments.results_text import interval_words, points
from hypav.experiments.suite import AVCA
from hypav.experiments.table_view import Row, TableView
from hypav.stats import t_interval

__all__ = ["delta_direction", "delta_sentences"]

_NOISE = {
    "delta_noise": "Gaussian noise of as many points and dimensions",
    "delta_covariance": "noise with the covariance of theta_v",
}


def delta_direction(found: Sequence[Effect]) -> str:
    """ "not run", "not told apart", "lower", "higher", or "lower in some, higher in some": what stands after Holm's
    correction."""
    own = tally(found)
    if own is None:
        return "not run"
    signs = {effect.difference.interval.mean > 0 for effect in own.stand}
    return {0: "not told apart", 1: "higher" if True in signs else "lower"}.get(
        len(signs), "lower in some, higher in some"
    )


def delta_sentences(
    found: Sequence[Effect], views: Mapping[str, TableView], key: tuple[str, str] | None
) -> list[str]:
    """Whether alignment lowers delta_rel of theta_v, case by case, and what noise has.

    Args:
        found: Table 7's row against AVCA, one a case.
        views: Table 7 by the case's name.
        key: of the paper's set.
    """
    own = tally(found)
    if own is None:
        return ["Not run: Table 7 has no two seeds in common with AVCA."]
    cases = [
        f"{interval_words(e.difference.values, 3)} ({e.case.name}, n {len(e.difference.values)})"
        for e in found
    ]
    verdict = {
        "not told apart": "No difference stands",
        "lower": "Yes, where a difference stands it is lower",
        "higher": "No, where a difference stands it is higher",
    }.get(delta_direction(found), "Some differences that stand are lower, some higher")
    standing = f": {', '.join(_row(e) for e in own.stand)}" if own.stand else ""
    paper = reported("table7", key)
    count = f"{own.count} comparison{'s' if own.count > 1 else ''}"
    claim = points(paper.difference(found[0].row, AVCA, "delta_rel"), 2)
    seen = f"{own.detectable:.3f} (median over the comparisons) would have stood four times in five"
    told = f"{found[0].row} minus AVCA, mean and 95 % interval: {'; '.join(cases)}"
    return [
        f"{verdict} (Holm's correction over {count}, the least p after it: {own.best_adjusted:.3f}){standing}.",
        f"{told}; the paper has {claim} on {' '.join((paper.key[0], f'({paper.key[1]})'))}. A difference of {seen}.",
        _beside_noise(views[found[0].case.name].rows[0]),
    ]


def _row(effect: Effect) -> str:
    return f"{points(effect.difference.interval.mean, 3)} ({effect.case.name})"


def _beside_noise(own: Row) -> str:
    level = own.ours["delta_rel"]
    start = f"Beside noise: AVCA has {level.interval.mean:.3f}"
    nulls = {words: own.ours[name] for name, words in _NOISE.items() if name in own.ours}
    if not nulls:
        return f"{start}; noise was not measured."
    differences = {
        words: [value - null.by_seed[seed] for seed, value in level.by_seed.items() if seed in null.by_seed]
        for words, null in nulls.items()
    }
    told = " and ".join(
        f"{interval_words(values, 3)} against {words} ({nulls[words].interval.mean:.3f})"
        for words, values in differences.items()
    )
    lower = sum((i := t_interval(values)).excludes_zero and i.mean < 0 for values in differences.values())
    verdict = (
        "so by this measure it is not shown to be tree-like"
        if lower < len(_NOISE)
        else "so it lies below both, as a tree's does, but so does that of clusters and of a few far points"
    )
    return f"{start}, seed by seed {told}; {verdict}."
