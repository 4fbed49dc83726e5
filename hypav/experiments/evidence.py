"""The course's stored runs, and what differences paired by seed allow to say about one comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.experiments.answers import Case
from hypav.experiments.curvature_effects import FLAT
from hypav.experiments.sets import SetId, stored_set
from hypav.experiments.store import Store
from hypav.experiments.subjects import Subject
from hypav.experiments.suite import AVCA
from hypav.stats import t_interval

__all__ = ["course_runs", "over_curvatures", "subject_on", "verdict"]

COURSE_RUNS = Path(__file__).parents[2] / "notebooks" / "results" / "course_runs.csv"


def course_runs(path: Path = COURSE_RUNS) -> Store:
    """The runs that the course's pages speak of, as they are kept beside the notebooks.

    Raises:
        RunError: they are not there, as where hypav was installed without its notebooks.
    """
    if not path.exists():
        raise RunError(f"There is no {path}: it comes with hypav's repository, beside the notebooks.")
    return Store.from_csv(path)


def subject_on(data: FeatureSet, store: Store, found: Sequence[Subject]) -> tuple[Subject, str]:
    """Which of a store's `subjects` is on these features, or else on the set of their name, or the first; and a
    sentence that says which of the three it is."""
    stored, sentence = stored_set(store, SetId.of(data))
    for subject in found:
        if stored is not None and subject.data.digest == stored.digest:
            return subject, sentence
    return found[0], f"{sentence} The tables are of {found[0].data.name}."


def over_curvatures(store: Store, case: Case) -> dict[float, list[float]]:
    """For each fixed curvature of Table 3 but 0: HM minus that of k = 0 in points, one difference a shared seed.

    Empty where no such pair of runs is in the store.
    """
    runs = {row.label: row.ours["HM"].by_seed for row in case.view("table3", store).rows if row.ours}
    flat = runs.pop(FLAT, {})
    found = {
        float(label): [own[seed] - flat[seed] for seed in sorted(own.keys() & flat.keys())]
        for label, own in runs.items()
        if label != AVCA
    }
    return {k: differences for k, differences in sorted(found.items()) if differences}


def verdict(name: str, differences: Sequence[float]) -> str:
    """One sentence on differences paired by seed, in points: higher, lower, the same, or not told apart."""
    found = t_interval(list(differences))
    if found.low is None or found.high is None:
        return f"{name}: {_signed(found.mean)} with one seed, which decides nothing."
    told = f"{name}: {_signed(found.mean)} [{_signed(found.low)}, {_signed(found.high)}], {found.n} seeds"
    if all(difference == 0 for difference in differences):
        return f"{told}: the same to the last digit, seed by seed."
    if found.excludes_zero:
        return f"{told}: {'higher' if found.mean > 0 else 'lower'}."
    return f"{told}: not told apart."


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", "−")
