"""One comparison in one sentence, and Table 3 as differences to flat space."""

from __future__ import annotations

from pathlib import Path

import pytest
from table_helpers import COURSE, UCF, filled

from hypav.errors import RunError
from hypav.experiments.answers import cases
from hypav.experiments.evidence import course_runs, over_curvatures, verdict
from hypav.experiments.suite import Entry


@pytest.mark.parametrize(
    ("differences", "told"),
    [
        ([2.0, 2.2, 1.9], "a: +2.0 [+1.7, +2.4], 3 seeds: higher."),
        ([-2.0, -2.2, -1.9], "a: −2.0 [−2.4, −1.7], 3 seeds: lower."),
        ([1.0, -1.5, 0.8], "a: +0.1 [−3.4, +3.6], 3 seeds: not told apart."),
        ([0.0, 0.0, 0.0], "a: +0.0 [+0.0, +0.0], 3 seeds: the same to the last digit, seed by seed."),
        ([0.7], "a: +0.7 with one seed, which decides nothing."),
    ],
)
def test_the_sentence_follows_the_interval(differences: list[float], told: str) -> None:
    assert verdict("a", differences) == told


def test_curvatures_are_compared_with_flat_space_seed_by_seed(tmp_path: Path) -> None:
    def HM(entry: Entry, seed: int) -> float:
        curvatures = () if entry.alignment is None else entry.alignment.curvatures
        return 0.3 + seed / 50 + (curvatures[0] / 100 if isinstance(curvatures, tuple) and curvatures else 0)

    store = filled(tmp_path / "s.sqlite", HM, tables=("table1", "table3"), seeds=range(3))
    (case,) = cases(store, UCF, COURSE, ("paper",))
    found = over_curvatures(store, case)
    assert list(found) == [-1.0, -0.8, -0.6, -0.4, -0.2, -0.1, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert all(differences == pytest.approx([k] * 3) for k, differences in found.items())


def test_without_the_notebooks_the_runs_are_missed_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="comes with hypav's repository"):
        course_runs(tmp_path / "course_runs.csv")
