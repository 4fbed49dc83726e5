"""Figures and helpers of notebook 10 by their numbers: pairs, power, and the orders of the paper's Table 3."""

from __future__ import annotations

import pytest
import scipy.stats
import torch

from hypav.checks.tables import permutation_test
from hypav.errors import DataError
from hypav.experiments.effects import by_set, course_runs, family, paper_curvature
from hypav.figures import tables
from hypav.stats import detectable_difference, t_interval

SMALL = {-1.0: 3.0, -0.5: 2.0, 0.0: 1.0, 1.0: 0.0}


def test_orders_are_counted_and_equal_ones_count_too() -> None:
    assert tables.plot_orders({"a": SMALL})[1]["a"] == (2.0, 1, 6)
    # of 4, 3 | 3, 0 a swap of the two equal values gives the same difference
    assert tables.plot_orders({"a": {-1.0: 4.0, -0.5: 3.0, 0.0: 3.0, 1.0: 0.0}})[1]["a"] == (2.0, 2, 6)


def test_the_papers_table_3_has_the_p_values_of_scipy_and_of_the_exercise() -> None:
    expected = paper_curvature().set_index(["set", "metric"])["p"]
    for name, (negative, rest) in tables.paper_groups().items():
        assert (len(negative), len(rest)) == (6, 7)
        p = expected[tuple(name.split(", "))]
        assert float(permutation_test.reference(negative, rest)) == pytest.approx(p)
    orders = tables.plot_orders(tables.paper_table3())[1]
    assert orders["ActivityNet-GZSL"][1:] == (1, 1716)
    assert orders["UCF-GZSL"][1] / 1716 == pytest.approx(expected["UCF-GZSL", "HM"])


def test_pairs_show_the_paired_interval() -> None:
    a, b = [24.0, 21.0, 26.5, 23.0], [24.5, 20.0, 27.0, 25.0]
    shown = tables.plot_pairs(a, b, ("AVCA", "Hyper-single"), linear=45.9, data="x")[1]
    interval = t_interval([y - x for x, y in zip(a, b, strict=True)])
    assert shown["difference"] == (interval.mean, interval.half)
    assert shown["linear (ESZSL)"] == 45.9
    for wrong in (b[:3], []):
        with pytest.raises(DataError, match="same 3 or more seeds"):
            tables.plot_pairs(a if wrong else [], wrong, ("a", "b"), linear=1.0, data="x")


def test_power_is_that_of_stats_for_the_same_scatter() -> None:
    d = [0.5, -1.0, 0.5, 2.0, -0.3]
    sd = float(torch.tensor(d, dtype=torch.float64).std())
    found = tables.plot_power({"x": sd, "twice": 2 * sd}, {"a gain": 3.0}, data="x")[1]["seeds"]
    assert found["x"][5] == pytest.approx(detectable_difference(d))
    assert found["twice"][5] == pytest.approx(2 * found["x"][5])
    assert found["x"][20] < found["x"][10] < found["x"][3]
    for wrong in ({}, {"x": 0.0}):
        with pytest.raises(DataError, match="standard deviation"):
            tables.plot_power(wrong, {}, data="x")


@pytest.mark.parametrize("plot", [tables.plot_rows, tables.plot_orders])
def test_both_signs_of_k_are_needed(plot: object) -> None:
    for wrong in ({}, {"a": {-1.0: 2.0}}, {"a": {0.0: 2.0}}):
        with pytest.raises(DataError, match="k<0 and of k≥0"):
            plot(wrong)  # type: ignore[operator]


def test_recorded_runs_by_method_and_by_table() -> None:
    real = by_set(course_runs())["YT8M-GZSL (mini)"]
    HM = tables.HM_by_method(real)
    assert {name: len(values) for name, values in HM.items()} == {
        "AVCA": 10, "Hyper-alignment": 10, "Hyper-single": 10, "Hyper-multiple": 10, "ESZSL": 1,
    }  # fmt: skip
    chosen = real[(real["method"] == "AVCA")]["HM"]
    torch.testing.assert_close(float(HM["AVCA"].mean()), 100 * float(chosen.mean()))
    rows = tables.families(real, ("table4", "table5"))
    assert rows["table"].tolist() == ["4, mixed geometries", "5, number of adaptive curvatures N_c"]
    effects = tables.effects(tables.differences(real, "table5"))
    assert int(rows["rows"].iloc[1]) == family(effects)["comparisons"].iloc[0]


def test_scipy_agrees_on_groups_of_other_sizes() -> None:
    g = torch.Generator().manual_seed(1)
    a, b = (torch.randn(n, generator=g, dtype=torch.float64) for n in (3, 5))
    test = scipy.stats.permutation_test(
        (a.numpy(), b.numpy()), lambda x, y: x.mean() - y.mean(), n_resamples=10**6, alternative="greater"
    )
    assert float(permutation_test.reference(a, b)) == pytest.approx(test.pvalue)
