"""The named experiments, the planned tests, and the page RESULTS.md with what it quotes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from grid_helpers import reproduce_tiny
from table_helpers import REAL, UCF, run
from training_helpers import small

from hypav.alignment import REPAIRS, preset
from hypav.errors import DataError, RunError, SettingError
from hypav.experiments import evidence, reproduce
from hypav.experiments.configs import CURVATURES, Row, table_rows
from hypav.experiments.contrasts import (
    ALIGNMENT,
    CURVATURE,
    HEADS,
    between_processors,
    by_seed,
    curvature,
    forest,
    headline_gains,
    loudness,
    on_top,
    planned,
)
from hypav.experiments.effects import cases, curvature_effects, differences, effects
from hypav.experiments.evidence import EXPERIMENTS, PULL, PULLS, experiments, one_processor, with_cells
from hypav.experiments.grid import compare, train
from hypav.experiments.report import as_published, first_code, gathered, on_grid, write_runs
from hypav.experiments.runs import frame, load_runs
from hypav.processors import PROCESSORS
from hypav.stats import detectable_difference, holm_adjusted, paired_p, t_interval

SEEDS = range(5)
NOISE = np.random.default_rng(0).normal(0, 0.01, 1000).tolist()


def base(seed: int) -> float:
    return 0.30 + 0.02 * seed


def records(
    gain: float = 0.0, k_gain: float = 0.0, heads: float = 0.0, seeds: Any = SEEDS, **columns: Any
) -> list[dict[str, Any]]:
    """Runs of the planned tests; gain of the printed loss, k_gain of k<0, heads of several heads: as fractions."""
    noise = iter(NOISE)
    rows = EXPERIMENTS["processors"].rows(UCF)

    def HM(row: Row, seed: int) -> float:
        if row.alignment is None:
            return base(seed)
        own = base(seed) + next(noise)
        if row.preset == "printed":
            return own + gain
        k = row.alignment.curvatures
        return own + (heads * (k.N_c > 1) if hasattr(k, "N_c") else k_gain * (k[0] < 0))

    made = [run(row, seed, HM=HM(row, seed), **columns) for seed in seeds for row in rows]
    avca = table_rows("table1", UCF, "printed", 1.0)[0]
    return [*made, run(avca, 0, method="ESZSL", HM=0.6, **{**columns, "recipe": "", "key": "e" * 12})]


def runs(*args: Any, **options: Any) -> pd.DataFrame:
    return with_cells(frame(records(*args, **options)))


# --- the named experiments ---


def test_every_experiment_has_a_question_a_count_and_a_time() -> None:
    table = experiments(UCF)
    assert table.index.tolist() == list(EXPERIMENTS)
    counts = {
        "loudness": 1 + 1 + 2 * len(PULLS),
        "curvature": 1 + 3 + 4 * 13 + 13 - 1,  # k = -0.2 is also the row of Hyper-alignment
        "processors": 1 + 1 + 13 + 2,
        "full-length": 2 + 2 + 3,
        "as-published": 1 + 2,  # the three methods have one objective
        "first-code": 1 + 13,
        "competent": 1 + 1 + 1 + 3,
    }
    assert {name: table.loc[name, "rows"] for name in counts} == counts
    assert (table["runs"] == table["rows"] * table["seeds"]).all()
    assert table.loc["loudness", "minutes"] == round(160 * 5 / 60)
    assert table["question"].str.endswith("?").all()
    for experiment in EXPERIMENTS.values():
        assert experiment.processor in {None, *PROCESSORS}


def test_the_losses_at_equal_pull_contain_their_curvature() -> None:
    rows = [row for row in EXPERIMENTS["curvature"].rows(None) if row.alignment is not None]
    for name in ("curved", *REPAIRS):
        own = [row for row in rows if row.preset == name and row.alignment.pull == PULL]
        fixed = {row.alignment.curvatures for row in own if isinstance(row.alignment.curvatures, tuple)}
        assert fixed == {(k,) for k in CURVATURES}
        assert all(
            row.alignment.similarity in ("distance", "kernel") or row.alignment.base == "midpoint"
            for row in own
        )
    assert sum(row.weight == 1.0 for row in rows) == 13
    with pytest.raises(Exception, match="curved-kernel"):
        preset("kernel")


def test_an_experiment_is_announced_trained_once_and_returned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = reproduce_tiny(tmp_path, ["loudness"], seeds=1, progress=True)
    assert "16 runs, 16 to do" in capsys.readouterr().err
    assert sorted(set(table["pull"].dropna())) == list(PULLS)
    assert (len(table), table.attrs) == (17, {"failed": [], "tuned": {}})
    again = reproduce_tiny(tmp_path, ["loudness", "table7"], seeds=1, pulls=[0.1], progress=True)
    assert "16 already in" in capsys.readouterr().err
    assert len(again) == 17, "table 7 at this pull is part of it"


def test_an_experiment_has_its_own_scale_and_number_of_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(reproduce.Grid, "run", lambda self, jobs, label: asked.extend(jobs))
    reproduce_tiny(tmp_path, ["full-length"], recipe=None)
    assert {job.recipe.scale for job in asked} == {"full"}
    assert len({job.config.seed for job in asked}) == 20
    asked.clear()
    reproduce_tiny(tmp_path, ["as-published"], recipe=None)
    assert {job.recipe.scale for job in asked} == {"full"}
    assert {(job.name.partition(" seed")[0], job.config.alignment and job.config.alignment.weight) for job in asked} == {
        ("AVCA", None), ("Hyper-alignment", 1.0), ("Hyper-alignment", 1e-3)
    }  # fmt: skip
    asked.clear()
    reproduce_tiny(tmp_path, ["table7"])
    assert len({job.config.seed for job in asked}) == 3


def test_runs_of_another_processor_have_their_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulated: list[Any] = []

    def call(processor: Any, function: Any, *args: Any) -> Any:
        emulated.append(processor)
        return function(*args)

    monkeypatch.setattr(reproduce, "call_on", call)
    few = evidence.Experiment("?", lambda key: table_rows("table7", key, "printed", 1.0), processor="AVX2")
    monkeypatch.setitem(EXPERIMENTS, "processors", few)  # type: ignore[arg-type]
    table = reproduce_tiny(tmp_path / "runs", ["processors"], seeds=1)
    assert emulated == [PROCESSORS["AVX2"]]
    assert len(table) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["runs-avx2"]


def test_an_experiment_may_bring_its_own_function_and_is_then_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def planted(**options: Any) -> pd.DataFrame:
        asked.append(options)
        return pd.DataFrame({"k": [-1.0, 0.0], "top1": [50.0, 40.0]})

    monkeypatch.setattr(evidence.planted, "planted", planted)
    table = reproduce_tiny(tmp_path / "runs", ["planted"], seeds=2)
    assert asked == [{"seeds": 2, "progress": False}]
    assert table.attrs == {"failed": [], "tuned": {}}
    assert pd.read_csv(tmp_path / "runs" / "planted.csv").equals(table)
    with pytest.raises(SettingError, match=r"planted have other columns .* name it alone"):
        reproduce_tiny(tmp_path / "runs", ["planted", "table7"])
    each = (evidence.planted.TREES, evidence.planted.DIMENSIONS, evidence.planted.CURVATURES)
    assert experiments().loc["planted", "rows"] == 2 * np.prod([len(part) for part in each]), "two tasks"


def test_how_loud_a_loss_is_at_weight_1() -> None:
    table = evidence.pulls_at_weight_1(small(), seeds=1)
    assert table["preset"].tolist() == ["printed"] + ["curved"] * 13
    assert table["k"].tolist() == [-0.2, *CURVATURES]
    one = table.set_index(["preset", "k"])["pull"]
    run = train(small(), "alignment", k=0.4, preset="curved", pull=0.5, recipe="course", epochs=1, batches=20)
    assert run.history["align_weight"].iloc[0] == pytest.approx(0.5 / one["curved", 0.4], rel=1e-4)
    assert one["printed", -0.2] < 1e-3 * one["curved", 0.0]


# --- cells and seeds ---


def test_a_cell_is_the_method_and_how_loud_it_is() -> None:
    made = [
        (table_rows("table7", UCF, "printed", 1.0)[0], "AVCA", np.nan),
        (table_rows("table7", UCF, "printed", 1.0)[1], "printed, weight 1", -0.2),
        (table_rows("table3", UCF, "curved-kernel", None, 1e-6)[7], "curved-kernel, pull 1e-06", 0.0),
        (table_rows("table1", UCF, "curved", None, 0.1)[3], "curved, pull 0.1", np.nan),
    ]
    table = with_cells(frame([run(row, 0) for row, *_ in made]))
    assert table["cell"].tolist() == [cell for _, cell, _ in made]
    assert table["k"].tolist() == pytest.approx([k for *_, k in made], nan_ok=True)


def test_equal_objectives_are_averaged_and_other_embeddings_are_left_out() -> None:
    rows = table_rows("table3", UCF, "printed", None, PULL)[1:4]
    other = table_rows("table6", UCF, "printed", None, PULL)[-1]  # theta
    table = with_cells(
        frame([run(r, 0, HM=h) for r, h in zip((*rows, other), (0.1, 0.2, 0.6, 0.9), strict=True)])
    )
    assert by_seed(table, f"printed, pull {PULL}").tolist() == pytest.approx([30])


def test_a_seed_without_every_curvature_is_left_out_and_so_is_a_curvature_of_few_seeds() -> None:
    full = table_rows("table3", UCF, "curved", None, PULL)[1:]
    made = [run(row, seed, HM=0.3) for seed in range(4) for row in full if row.label != "0.8"]
    made += [run(row, 0, HM=0.9) for row in full if row.label == "0.8"]
    made += [run(full[0], 4, HM=0.9)]
    found = by_seed(with_cells(frame(made)), f"curved, pull {PULL}", k="k>0")
    assert found.to_dict() == pytest.approx(dict.fromkeys(range(4), 30.0))


# --- the planned tests ---


def test_the_three_planned_tests_by_hand() -> None:
    table = runs(gain=0.05, k_gain=0.03, heads=-0.04)
    result = planned(table).set_index("test")
    assert result.index.tolist() == [ALIGNMENT, CURVATURE, HEADS]
    one = 100 * table.pivot_table(index="seed", columns="cell", values="HM")
    values = (one[f"printed, pull {PULL}"] - one["AVCA"]).tolist()
    row = result.loc[ALIGNMENT]
    assert (row["difference"], row["difference ±"]) == pytest.approx(
        (t_interval(values).mean, t_interval(values).half)
    )
    assert (row["p"], row["n"]) == (pytest.approx(paired_p(values)), 5)
    assert row["80 % power for"] == pytest.approx(detectable_difference(values, level=1 - 0.05 / 3))
    grid = 100 * table[table["k"].notna() & (table["preset"] == "curved")].pivot(
        index="seed", columns="k", values="HM"
    )
    below = grid.loc[:, grid.columns < 0].mean(axis=1) - grid.loc[:, grid.columns >= 0].mean(axis=1)
    assert result.loc[CURVATURE, "difference"] == pytest.approx(below.mean())
    heads = table[table["curvatures"].str.startswith("adaptive")].pivot(
        index="seed", columns="curvatures", values="HM"
    )
    apart = 100 * (heads["adaptive:3:-0.4"] - heads["adaptive:1:-0.4"])
    assert result.loc[HEADS, "difference"] == pytest.approx(apart.mean())
    assert result["p Holm"].tolist() == pytest.approx(holm_adjusted(result["p"].tolist()))
    signs = np.sign(result["difference"]).tolist()
    assert signs == [1, 1, -1]


def test_holm_counts_the_tests_of_all_sets() -> None:
    both = with_cells(frame([*records(gain=0.05), *records(gain=0.05, **REAL)]))
    one, two = planned(runs(gain=0.05)), planned(both)
    assert len(two) == 6
    assert two["p Holm"].min() == pytest.approx(2 * one["p Holm"].min())
    assert (two["80 % power for"].iloc[:3] > one["80 % power for"]).all()


def test_a_set_too_small_for_a_planned_test_is_one_sentence() -> None:
    with pytest.raises(
        DataError, match=r"'alignment minus AVCA' needs at least 3 seeds, but .* has 2"
    ) as error:
        planned(runs(seeds=range(2)))
    assert "\n" not in str(error.value)
    without = runs()
    without = without[without["preset"] != "printed"]
    row = planned(without).iloc[0]
    assert (row["n"], np.isnan(row["p Holm"])) == (0, True)


# --- exploratory tables ---


def test_loudness_has_the_linear_reference_and_a_row_per_pull() -> None:
    rows = [row for s in PULLS for row in table_rows("table7", UCF, "printed", None, s)]
    avca = table_rows("table1", UCF, "printed", 1.0)[0]
    made = [
        run(
            row,
            seed,
            HM=base(seed)
            - (0 if row.alignment is None else 0.01 * row.alignment.pull + 0.001 * (-1) ** seed),
        )
        for row in rows
        for seed in range(4)
    ] + [run(avca, 0, method="ESZSL", HM=0.6)]
    table = loudness(with_cells(frame(made)))
    assert table["preset"].tolist() == ["ESZSL"] + ["printed"] * 7
    assert table["pull"].tolist()[1:] == list(PULLS)
    assert table["difference"].tolist()[1:] == pytest.approx([-s for s in PULLS])
    assert table["difference"].iloc[0] == pytest.approx(60 - 33)


def test_the_contrast_of_the_paper_is_there_for_every_loss_significant_or_not() -> None:
    rows = [row for p in ("curved", *REPAIRS) for row in table_rows("table3", UCF, p, None, PULL)[1:]]
    rows += table_rows("table3", UCF, "curved", 1.0)[1:]
    gain = {-1: 0.02, 0: 0, 1: 0.007}
    made = [
        run(row, s, HM=base(s) + (0.8 + 0.1 * s) * gain[np.sign(row.alignment.curvatures[0])])
        for row in rows
        for s in SEEDS
    ]
    table = curvature(with_cells(frame(made)))
    assert table["cell"].tolist() == [f"{p}, pull 0.1" for p in ("curved", *REPAIRS)] + ["curved, weight 1"]
    assert table["difference"].tolist() == pytest.approx([2 - 0.6] * 5), "the rest is k=0 and six others"
    assert table["minus k=0"].tolist() == pytest.approx([2] * 5)
    assert (table["k<0"] - table["k=0"]).tolist() == pytest.approx([2] * 5)


def test_the_loss_of_the_first_code_is_compared_on_its_own_processor() -> None:
    avca, *rows = table_rows("table3", UCF, "released-2023", None)
    loud = 0.05 * np.array([0.8, 0.9, 1, 1.1, 1.2])
    there = [run(r, s, HM=base(s) - loud[s] * (r.alignment.curvatures[0] == 0)) for r in rows for s in SEEDS]
    there += [run(avca, s, HM=base(s)) for s in SEEDS]
    table = with_cells(frame([*records(), *({**r, "cpu": "another"} for r in there)]))
    _, cpu, contrast, text = first_code(table)
    assert (cpu, contrast.count("released-2023")) == ("On another:", 1)
    differences = {row.split("|")[1].strip(): row.split("|")[6].strip() for row in text.splitlines()[4:]}
    assert differences["0.0"] == "−5.0 ± 1.0"
    assert differences["-0.2"] == "0.0 ± 0.0"
    assert first_code(with_cells(frame(records()))) == []


def test_a_run_of_another_processor_stands_in_only_if_there_is_none() -> None:
    avca, row = table_rows("table1", UCF, "printed", 1.0)[:2]
    released = table_rows("table1", UCF, "released", None)[1]
    here = [run(r, s, HM=base(s)) for r in (avca, row) for s in SEEDS]
    there = [run(r, s, HM=0.9) for r, seeds in ((avca, SEEDS[:1]), (released, SEEDS)) for s in seeds]
    made = [{**r, "recipe": "ucf-main"} for r in here] + [
        {**r, "recipe": "ucf-main", "cpu": "another"} for r in there
    ]
    _, printed, loud, each = (text.splitlines() for text in as_published(with_cells(frame(made))))
    for table in (printed, loud):
        assert (
            next(line for line in table if line.startswith("| AVCA ")).split("|")[8].strip() == "34.0 ± 3.9"
        )
    assert next(line for line in loud if "Hyper-alignment" in line).split("|")[10].strip() == "+56.0 ± 3.9"
    assert sum("| another" in line for line in each) == 1 + len(SEEDS)


def test_the_forest_has_the_linear_reference_first() -> None:
    table = forest(runs(gain=0.05)).set_index("row")
    assert table.index.tolist() == ["linear (ESZSL)", "AVCA", f"printed, pull {PULL}"] + [
        f"curved, pull {PULL}, {sign}" for sign in ("k<0", "k=0", "k>0")
    ]
    assert (table.loc["linear (ESZSL)", "HM"], table.loc["AVCA", "HM"]) == pytest.approx((60, 34))
    assert np.isnan(table.loc["AVCA", "difference"])
    assert table.loc["linear (ESZSL)", "difference ±"] > 0


def test_an_alignment_on_top_of_another_network_is_compared_with_that_network() -> None:
    rows = EXPERIMENTS["competent"].rows(UCF)
    gains = {"AVCA": 0.0, "AVCA-skip": 0.2, "printed": 0.19, -0.2: 0.21, 0.0: 0.2, 0.2: 0.18}

    def HM(row: Row, seed: int) -> float:
        if row.alignment is None:
            return base(seed) + gains[row.method] + 0.002 * (-1) ** seed * (row.method != "AVCA")
        k = row.alignment.curvatures[0]
        return base(seed) + gains["printed" if row.preset == "printed" else k] + 0.001 * (-1) ** seed

    table = with_cells(frame([run(row, seed, HM=HM(row, seed)) for row in rows for seed in range(4)]))
    found = on_top(table).set_index("row")["difference"]
    assert found.to_dict() == pytest.approx({
        f"AVCA-skip + printed, pull {PULL}": -1.0,
        f"AVCA-skip + curved, pull {PULL}, k<0": 1.0,
        f"AVCA-skip + curved, pull {PULL}, k=0": 0.0,
        f"AVCA-skip + curved, pull {PULL}, k>0": -2.0,
    })  # fmt: skip
    assert by_seed(table, "AVCA")[0] == pytest.approx(30), "AVCA's own cells are others"
    shown = forest(table).set_index("row")
    assert shown.index.tolist()[0] == "AVCA-skip"
    assert shown.loc["AVCA-skip", "difference"] == pytest.approx(20)
    assert loudness(table).empty, "the loudness is that of AVCA's own runs"


def test_the_headline_gains_are_those_of_the_abstract() -> None:
    table = headline_gains().set_index("set")
    assert table["gain"].round(1).to_dict() == {
        "VGGSound-GZSL": 3.0,
        "UCF-GZSL": 7.0,
        "ActivityNet-GZSL": 5.3,
    }


def test_one_run_on_two_processors() -> None:
    here = records()
    there = [{**r, "cpu": "another", "HM": r["HM"] + 0.01 * (-1) ** i} for i, r in enumerate(here) if i < 40]
    both = with_cells(frame([*here, *there]))
    row = between_processors(both[both["method"] != "ESZSL"]).iloc[0]
    assert (row["from"], row["to"], row["runs"]) == ("a processor", "another", 40)
    assert (row["mean shift"], row["largest"]) == pytest.approx((0, 1))
    assert row["sd of one run"] == pytest.approx(np.sqrt(40 / 39))
    assert set(one_processor(both)["cpu"]) == {"a processor"}
    assert len(one_processor(both, "another")) == 40
    with pytest.raises(RunError, match="no run on 'a third'; there are runs on a processor, another"):
        one_processor(both, "a third")


# --- runs with a pull in `effects` ---


def test_effects_take_runs_with_a_pull_as_cases() -> None:
    rows = [row for p in (0.1, 1.0) for row in table_rows("table1", UCF, "printed", None, p)]
    made = {
        (row.alignment, s): run(row, s, HM=base(s) + 0.01 * (row.alignment is not None) + 0.001 * (s % 3))
        for row in rows
        for s in SEEDS
    }
    table = frame(list(made.values()))
    assert cases(table)["case"].tolist() == ["printed, pull 0.1", "printed, pull 1"]
    found = effects(differences(table))
    assert len(found) == 6
    assert found["pull"].tolist() == [0.1] * 3 + [1.0] * 3
    assert found["weight"].isna().all()
    assert found["p Holm"].notna().sum() == 2, "three modules are one objective under the printed loss"


def test_the_curvature_effect_of_a_pull_has_the_contrast_of_the_paper() -> None:
    rows = [row for p in ("curved", "curved-kernel") for row in table_rows("table3", UCF, p, None, PULL)[1:]]
    noise = iter(NOISE)
    made = [
        run(r, s, HM=base(s) + next(noise) + 0.05 * (r.alignment.curvatures[0] < 0))
        for r in rows
        for s in SEEDS
    ]
    table = curvature_effects(frame(made))
    assert table["case"].tolist() == ["curved, pull 0.1", "curved-kernel, pull 0.1"]
    assert (table["k<0 minus the rest"] > table["k<0 minus the rest ±"]).all()
    grid = 100 * frame(made).assign(k=lambda d: d["curvatures"].astype(float)).query(
        "preset == 'curved'"
    ).pivot(index="k", columns="seed", values="HM")
    rest = grid[grid.index < 0].mean() - grid[grid.index >= 0].mean()
    assert table["k<0 minus the rest"].iloc[0] == pytest.approx(rest.mean())
    assert table["k<0 minus the rest ±"].iloc[0] == pytest.approx(t_interval(rest.tolist()).half)


# --- the file of runs and the page ---


def test_runs_are_gathered_once_and_written_with_cells(tmp_path: Path) -> None:
    reproduce_tiny(tmp_path / "a", ["table7"], seeds=2, pulls=[0.1])
    table = gathered([tmp_path / "a", tmp_path / "a"])
    assert len(table) == 5
    write_runs(table, tmp_path / "runs.csv")
    read, plain = load_runs(tmp_path / "runs.csv"), pd.read_csv(tmp_path / "runs.csv")
    assert read["HM"].tolist() == pytest.approx(table["HM"].tolist(), abs=1e-6)
    assert set(plain["cell"]) == {"ESZSL", "AVCA", "printed, pull 0.1"}
    assert not plain["replicate"].any()


def test_a_set_without_all_curvatures_is_in_no_planned_test(tmp_path: Path) -> None:
    whole = [
        record for record in records() if record["recipe"]
    ]  # ESZSL is read with the recipe of its folder
    few = [{**record, "data_digest": "another"} for record in whole[:9]]
    table = with_cells(frame([*whole, *few]))
    assert set(table[on_grid(table)]["data_digest"]) == {whole[0]["data_digest"]}
    assert set(table[~on_grid(table)]["data_digest"]) == {"another"}
    write_runs(table, tmp_path / "runs.csv")
    again, kept = gathered([tmp_path / "runs.csv"]), table.drop_duplicates(["key", "cpu", "recipe"])
    assert sorted(again["HM"]) == pytest.approx(sorted(kept["HM"]), abs=1e-6), (
        "a CSV file is read as a folder is"
    )


def test_a_loudness_that_no_method_takes_is_one_sentence(tmp_path: Path) -> None:
    for setting in ("weight", "pull"):
        with pytest.raises(
            SettingError, match=f"None of eszsl, avca has an alignment loss, .* no {setting}"
        ) as error:
            compare(small(), ["eszsl", "avca"], folder=tmp_path, **{setting: 0.1})
        assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
    with pytest.raises(SettingError, match="pull is 0"):
        compare(small(), ["avca", "hyper-alignment"], folder=tmp_path, pull=0)
