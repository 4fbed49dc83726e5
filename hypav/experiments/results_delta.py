"""Table 7 on the results page: does alignment lower delta_rel, and what has noise?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from torch import Generator

from hypav.avca import AVCAConfig
from hypav.experiments.answers import Effect, tally
from hypav.experiments.paper import reported
from hypav.experiments.records import Record
from hypav.experiments.results_text import interval_words, points
from hypav.experiments.suite import AVCA
from hypav.experiments.table_view import TableView
from hypav.hyperbolicity import gaussian_null

__all__ = ["Null", "delta_direction", "delta_sentences", "null_of"]

SAMPLE = 1500  # points of which delta_rel is measured, where the test set has as many


@dataclass(frozen=True)
class Null:
    """delta_rel of Gaussian noise. recorded: measured beside the runs, with as many points as they had; else of SAMPLE.
    covariance: of noise with theta_v's own covariance, where that was recorded."""

    value: float
    dim: int
    recorded: bool
    covariance: float | None


def null_of(runs: Sequence[Record]) -> Null | None:
    """The null of the runs of which delta_rel was measured; None where there is none."""
    measured = [record for record in runs if record.delta_rel is not None]
    if not measured:
        return None
    dim = AVCAConfig.dim_theta  # no recipe changes it
    noise, covariance = (_mean(measured, name) for name in ("delta_noise", "delta_covariance"))
    return Null(_noise(dim) if noise is None else noise, dim, noise is not None, covariance)


def _mean(runs: Sequence[Record], name: str) -> float | None:
    values = [value for record in runs if (value := getattr(record, name)) is not None]
    return sum(values) / len(values) if values else None


@lru_cache
def _noise(dim: int) -> float:
    return gaussian_null(SAMPLE, dim, generator=Generator().manual_seed(0)).delta_rel


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
    found: Sequence[Effect], views: Mapping[str, TableView], null: Null | None, key: tuple[str, str] | None
) -> list[str]:
    """Whether alignment lowers delta_rel of theta_v, case by case, with the null.

    Args:
        found: Table 7's row against AVCA, one a case.
        views: Table 7 by the case's name.
        key: of the paper's set.
    """
    own = tally(found)
    if own is None or null is None:
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
    before, after = (paper.rows[row]["delta_rel"] for row in (AVCA, found[0].row))
    level = views[found[0].case.name].rows[0].ours["delta_rel"].interval.mean
    count = f"{own.count} comparison{'s' if own.count > 1 else ''}"
    claim = points(after - before, 2)
    seen = f"{own.detectable:.3f} (median over the comparisons) would have been seen four times in five"
    told = f"{found[0].row} minus AVCA, mean and 95 % interval: {'; '.join(cases)}"
    return [
        f"{verdict} (Holm's correction over {count}, the least p after it: {own.best_adjusted:.3f}){standing}.",
        f"{told}; the paper has {claim} on {' '.join((paper.key[0], f'({paper.key[1]})'))}. A difference of {seen}.",
        _beside_noise(level, null),
    ]


def _row(effect: Effect) -> str:
    return f"{points(effect.difference.interval.mean, 3)} ({effect.case.name})"


def _beside_noise(level: float, null: Null) -> str:
    size = "as many points" if null.recorded else f"{SAMPLE} points, the size of a sub-sample,"
    told = f"Beside the null: AVCA has {level:.3f}, Gaussian noise of {size} in {null.dim} dimensions {null.value:.3f}"
    if null.covariance is not None:
        told += f", and noise with the covariance of theta_v {null.covariance:.3f}"
    else:
        told += " (noise with the covariance of theta_v, the stricter null, was not recorded)"
    least = min(value for value in (null.value, null.covariance) if value is not None)
    verdict = (
        "so by that measure these embeddings are no more tree-like than noise"
        if level >= least
        else "so they are more tree-like than noise"
    )
    return f"{told}; {verdict}."
