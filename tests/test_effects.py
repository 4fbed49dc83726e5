"""Paired differences to AVCA, one family of comparisons per question, and the effect of the curvature."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from table_helpers import REAL, SIMULATED, UCF, run, runs_with

from hypav.alignment import Adaptive, preset
from hypav.errors import SettingError
from hypav.experiments import effects as effects_module
from hypav.experiments.configs import Row, table_rows
from hypav.experiments.effects import (
    SAME,
    by_set,
    cases,
    course_runs,
    curvature_effects,
    curvature_grid,
    differences,
    effects,
    family,
    objective,
    paper_gains,
    paper_key,
    runs_of,
    tuned_weight,
    tuning,
)
from hypav.experiments.paper import reported
from hypav.experiments.runs import frame
from hypav.stats import detectable_difference, holm_adjusted, paired_p, t_interval

OFFSETS = (0.010, 0.031, -0.004, 0.022)  # of a run with an alignment loss over AVCA, per seed


def base(row: Row, seed: int) -> float:
    return 0.30 + 0.01 * seed


def shifted(row: Row, seed: int) -> float:
    return base(row, seed) + (OFFSETS[seed] if row.alignment is not None else 0)


def by_curvature(slope: float, noise: float = 0.0) -> pd.DataFrame:
    """HM rises with k by `slope` per unit; runs also scatter by `noise`, and by seed."""
    g = np.random.default_rng(0)

    def HM(row: Row, seed: int) -> float:
        k = (
            row.alignment.curvatures[0]
            if row.alignment and isinstance(row.alignment.curvatures, tuple)
            else 0
        )
        return 0.3 + 0.02 * seed + slope * k + noise * float(g.standard_normal())

    return runs_with(HM, tables=("table3",), presets=("curved",), seeds=range(6))


@pytest.fixture(scope="module")
def recorded() -> dict[str, pd.DataFrame]:
    return by_set(course_runs())


# --- sets, cases ---


def test_runs_on_other_data_recipes_or_versions_are_another_set() -> None:
    rows = table_rows("table1", UCF, "printed", 1.0)
    changes = (
        SIMULATED,
        REAL,
        {"recipe": "ucf-main"},
        {"code": "other"},
        {"data": "plain", "data_digest": "d3"},
    )
    runs = frame([run(row, 0, **change) for change in changes for row in rows])
    sets = by_set(runs)
    assert [len(part) for part in sets.values()] == [4] * 5
    assert list(sets)[-1] == "plain (SIMULATED)"
    assert any("recipe ucf-main" in name for name in sets)
    assert paper_key(sets["yt8m-mini"]) is None
    with pytest.raises(SettingError, match="several sets"):
        paper_key(runs)


def test_of_a_run_that_was_repeated_the_newest_counts() -> None:
    avca = table_rows("table1", UCF, "printed", 1.0)[0]
    runs = frame([run(avca, 0, HM=0.4, created="2026-12-01"), run(avca, 0, HM=0.3), run(avca, 1, HM=0.2)])
    assert runs_of(runs, None)["HM"].tolist() == [0.4, 0.2]


def test_a_weight_that_only_tuning_tried_is_no_case() -> None:
    tried = [table_rows("table7", UCF, "printed", weight)[1] for weight in effects_module.WEIGHTS]
    val = dict(zip(effects_module.WEIGHTS, (0.30, 0.30, 0.36, 0.35, 0.30, 0.30), strict=True))
    records = [run(row, seed, val_HM=val[row.weight]) for row in tried for seed in range(3)]
    runs = pd.concat(
        [frame(records), runs_with(base, tables=("table1",), weights=(0.1, 1.0), seeds=range(3, 6))]
    )
    table = cases(runs)
    assert table["case"].tolist() == ["printed, weight 0.1 (tuned)", "printed, weight 1"]
    choice = tuning(runs, UCF, "printed")
    assert choice.loc[choice["chosen"], "weight"].tolist() == [0.1]
    assert choice["val_HM"].tolist() == pytest.approx([30, 30, 36, 35, 30, 30])


def test_an_alignment_on_top_of_another_network_chooses_no_weight() -> None:
    tried = [table_rows("table7", UCF, "printed", weight)[1] for weight in effects_module.WEIGHTS]
    skip = [replace(row, method="AVCA-skip + Hyper-alignment") for row in tried]
    of_skip = [run(row, seed, val_HM=0.9 - (row.weight != 1)) for row in skip for seed in range(3)]
    runs = frame(
        [*of_skip, *(run(row, seed, val_HM=0.4 - row.weight / 1e3) for row in tried for seed in range(3))]
    )
    assert tuned_weight(runs, UCF, "printed") == 1e-3
    assert tuned_weight(frame(of_skip), UCF, "printed") is None


def test_one_weight_that_was_not_chosen_among_others_is_not_called_tuned() -> None:
    assert not cases(runs_with(base, tables=("table1",)))["tuned"].any()


# --- differences to AVCA ---


def test_differences_are_paired_by_seed_and_summed_up_by_student() -> None:
    table = differences(runs_with(shifted, tables=("table1",)))
    assert len(table) == 3 * 4
    points = [100 * offset for offset in OFFSETS]
    first = effects(table).iloc[0]
    assert first["row"] == "Hyper-alignment"
    assert first["values"] == pytest.approx(points)
    interval = t_interval(points)
    assert (first["difference"], first["difference ±"]) == pytest.approx((interval.mean, interval.half))
    assert first["p"] == pytest.approx(paired_p(points))


def test_only_seeds_that_avca_has_too_are_compared() -> None:
    runs = runs_with(shifted, tables=("table1",))
    without = runs[~((runs["method"] == "AVCA") & (runs["seed"] == 3))]
    assert set(differences(without)["seed"]) == {0, 1, 2}


def test_two_seeds_have_a_p_value_and_no_interval() -> None:
    row = effects(differences(runs_with(shifted, tables=("table1",), seeds=range(2)))).iloc[0]
    assert np.isnan(row["difference ±"])
    assert 0 < row["p"] < 1


def test_two_configurations_are_equal_if_their_loss_is() -> None:
    printed, curved = preset("printed"), preset("curved")
    assert objective(replace(printed, curvatures=(-1.0,))) == objective(
        replace(printed, curvatures=Adaptive(3, -0.4))
    )
    assert objective(replace(printed, aligned="theta")) != objective(printed)
    assert objective(replace(curved, curvatures=(0.2, 0.2))) == objective(replace(curved, curvatures=(0.2,)))
    assert objective(replace(curved, curvatures=(0.2, -0.2))) != objective(replace(curved, curvatures=(0.2,)))
    # of these curvature is left
    for change in ({"similarity": "inner"}, {"base": "midpoint"}, {"clip_radius": "printed"}):
        other = replace(printed, **change)
        assert objective(replace(other, curvatures=(-1.0,))) != objective(replace(other, curvatures=(0.0,)))


def test_equal_objectives_are_one_comparison() -> None:
    runs = runs_with(shifted, presets=("printed", "curved"), tables=("table1", "table3", "table4"))
    table = effects(differences(runs))
    printed = table[table["preset"] == "printed"]
    assert printed[SAME].tolist() == ["", "Hyper-alignment", "Hyper-alignment"]
    assert family(table)["comparisons"].item() == 1 + 3
    tables = differences(runs, ("table1", "table3", "table4"))
    merged = tables[tables["preset"] == "curved"].drop_duplicates("row").set_index("row")[SAME]
    assert merged["Table 4 E+E"] == "Table 3 0.0"
    assert merged["Table 4 H+H"] == merged["Table 3 -0.2"] == "Table 1 Hyper-alignment"
    assert merged["Table 4 S+H"] == ""


def test_a_family_counts_both_sides_and_corrects() -> None:
    def HM(row: Row, seed: int) -> float:
        apart = {"AVCA": 0.0, "Hyper-alignment": 0.05, "Hyper-single": -0.04, "Hyper-multiple": 0.0}[
            row.label
        ]
        return base(row, seed) + apart + 0.001 * ((7 * seed + len(row.label)) % 5)

    table = effects(differences(runs_with(HM, tables=("table1",), presets=("curved",), seeds=range(8))))
    summary = family(table, "Table 1").iloc[0]
    assert (summary["comparisons"], summary["above 0"], summary["below 0"], summary["significant"]) == (
        3,
        1,
        1,
        2,
    )
    assert table["p Holm"].tolist() == pytest.approx(holm_adjusted(table["p"].tolist()))
    reach = [detectable_difference(values, level=1 - 0.05 / 3) for values in table["values"]]
    assert summary["80 % power for"] == pytest.approx(np.median(reach))
    assert summary["80 % power, alone"] < summary["80 % power for"]


def test_no_run_gives_an_empty_family() -> None:
    table = effects(differences(runs_with(base, tables=("table1",)).iloc[:0]))
    assert table.empty
    assert family(table)["comparisons"].item() == 0


def test_the_gains_of_the_paper_stand_beside_what_our_seeds_detect() -> None:
    gains = paper_gains(effects(differences(runs_with(shifted, tables=("table1",)))), UCF).set_index("row")
    assert gains["paper gain"].tolist() == pytest.approx([0.04, 0.82, 2.17])
    assert gains["80 % power for"].tolist() == pytest.approx(
        [detectable_difference([100 * x for x in OFFSETS])] * 3
    )


# --- curvature ---


def test_the_papers_table_3_is_not_chance_on_activitynet() -> None:
    table = effects_module.paper_curvature().set_index(["set", "metric"])
    hm = reported("table3", ("ActivityNet-GZSL", "cls")).rows
    below = [hm[k]["HM"] for k in hm if k != "AVCA" and float(k) < 0]
    others = [hm[k]["HM"] for k in hm if k != "AVCA" and float(k) >= 0]
    assert min(below) > max(others)
    # by hand: how many of the ways to name six of the 13 rows give at least this sum
    everything = below + others
    reach = [sum(six) >= sum(below) - 1e-9 for six in combinations(everything, 6)]
    assert (sum(reach), len(reach)) == (1, 1716)
    assert (table["p"] * 1716).round(6).tolist() == [170, 116, 1, 3]
    assert (table["p two-sided"] * 1716).round(6).tolist() == [340, 232, 2, 6]
    assert table["p two-sided"].round(2).tolist() == [0.20, 0.14, 0.00, 0.00]
    assert table["k<0 minus the rest"].round(2).tolist() == [1.80, 2.32, 2.40, 1.85]
    assert table["p smooth"].tolist() == pytest.approx([0.144, 0.061, 0.0003, 0.0015], abs=0.005)


def test_two_rows_of_one_objective_tell_how_large_chance_is_in_the_paper() -> None:
    flat = preset("printed", curvatures=(0.0,))
    assert effects_module.objective(preset("printed", curvatures=(0.0, 0.0))) == effects_module.objective(
        flat
    )
    table = effects_module.paper_curvature().set_index(["set", "metric"])
    assert table["E+E minus E"].round(2).tolist() == [0.44, 1.04, -0.64, -0.65]
    hm = table.xs("HM", level="metric")
    assert (hm["sd over k"] / hm["sd by chance"]).round(1).tolist() == [7.7, 3.1]
    assert hm["p scatter"].round(2).tolist() == [0.10, 0.25]


def test_the_grid_has_the_seeds_that_every_curvature_has() -> None:
    runs = by_curvature(0.01)
    assert curvature_grid(runs, "curved", 1.0).shape == (13, 6)
    missing = runs[~((runs["curvatures"] == "0.4") & (runs["seed"] == 2))]
    grid = curvature_grid(missing, "curved", 1.0)
    assert 2 not in grid
    assert (grid.loc[1.0] - grid.loc[0.0]).tolist() == pytest.approx([1.0] * 5)


def test_an_effect_of_the_curvature_is_seen_with_its_direction() -> None:
    row = curvature_effects(by_curvature(0.05, noise=0.005)).iloc[0]
    assert row["p Holm"] < 0.001
    assert row["p Holm without a seed"] < 0.01
    assert row["best k"] > 0 > row["worst k"]
    assert row["k<0 minus k>0"] < -row["k<0 minus k>0 ±"]


def test_scatter_without_an_effect_is_not_significant() -> None:
    row = curvature_effects(by_curvature(0.0, noise=0.01)).iloc[0]
    assert row["p"] > 0.05
    assert np.isnan(row["p Holm without a seed"])
    assert 0.5 < row["sd over k"] < 1.5


def test_runs_that_do_not_depend_on_k_are_equal_to_flat() -> None:
    row = curvature_effects(by_curvature(0.0)).iloc[0]
    assert (row["sd over k"], row["p"], row["equal to flat"]) == (0, 1, 1)


# --- the recorded runs ---


def test_the_recorded_runs_are_whole(recorded: dict[str, pd.DataFrame]) -> None:
    assert [(name, len(part)) for name, part in recorded.items()] == [
        ("SIMULATED (UCF-GZSL counts)", 1468), ("YT8M-GZSL (mini)", 1232),
    ]  # fmt: skip
    for part in recorded.values():
        table = differences(part, ("table1", "table3", "table4", "table5", "table6"))
        assert (table.groupby(["case", "row"])["seed"].nunique() == 10).all()
        both = part["S"] + part["U"]
        assert np.allclose(part["HM"], 2 * part["S"] * part["U"] / both, atol=1e-12)


def test_one_difference_on_the_simulated_set_is_significant(recorded: dict[str, pd.DataFrame]) -> None:
    table = effects(differences(recorded["SIMULATED (UCF-GZSL counts)"]))
    (row,) = table[table["p Holm"] <= 0.05].itertuples()
    assert (row.case, row.row) == ("curved, weight 1", "Hyper-alignment")
    assert row.difference == pytest.approx(-3.092, abs=1e-3)
    every = effects(differences(recorded["SIMULATED (UCF-GZSL counts)"]).assign(**{SAME: ""}))
    assert every["p Holm"].min() == pytest.approx(0.0527, abs=1e-4)
