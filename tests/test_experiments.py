"""Methods by name, the API of `import hypav as hv`, and comparisons whose every number is of a run."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from grid_helpers import tiny_recipe
from training_helpers import small

import hypav as hv
from hypav.alignment import PRESETS, Adaptive
from hypav.data.features import FeatureSet
from hypav.errors import SettingError
from hypav.experiments.comparison import comparison_text
from hypav.experiments.configs import METHODS, parse_method, run_config
from hypav.experiments.grid import Grid, compare
from hypav.experiments.paper import paper_row, paper_settings
from hypav.experiments.runs import Job, eszsl_record

UCF = ("UCF-GZSL", "main")
SETTINGS = paper_settings(UCF)
METRICS = ("S", "U", "HM", "ZSL")


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> bool:
    return "\n" not in str(error.value) and str(error.value).endswith(".")


# --- import hypav as hv ---


# --- what the paper reports ---


def test_the_papers_curvatures() -> None:
    for dataset, features, k, N_c in (
        ("VGGSound", "main", -0.5, 2), ("UCF", "main", -0.2, 3), ("ActivityNet", "main", -0.2, 2),
        ("VGGSound", "cls", -0.1, 3), ("UCF", "cls", -0.2, 2), ("ActivityNet", "cls", -0.2, 3),
    ):  # fmt: skip
        assert paper_settings((f"{dataset}-GZSL", features)) == (k, N_c, -0.4)
    assert paper_settings(None) == (-0.2, 3, -0.4), (
        "a set that the paper does not have gets those of UCF-GZSL"
    )


def test_the_papers_rows() -> None:
    for key, method, row in (
        (UCF, "AVCA", (51.53, 18.43, 27.15, 20.01)),
        (UCF, "Hyper-multiple", (63.08, 19.10, 29.32, 22.24)),
        (("UCF-GZSL", "cls"), "Hyper-multiple", (74.26, 35.79, 48.30, 52.11)),
        (("ActivityNet-GZSL", "main"), "Hyper-single", (23.60, 10.13, 14.18, 10.80)),
        (UCF, "Sphere-alignment", ()),
        (None, "AVCA", ()),
    ):
        assert paper_row(key, method) == dict(zip(METRICS, row, strict=bool(row)))


def test_the_papers_HM_is_that_of_its_S_and_U() -> None:
    """A misprint in our copy would show."""
    for dataset, features, method in product(
        ("UCF", "ActivityNet", "VGGSound"),
        ("main", "cls"),
        ("AVCA", "Hyper-alignment", "Hyper-single", "Hyper-multiple"),
    ):
        row = paper_row((f"{dataset}-GZSL", features), method)
        assert abs(row["HM"] - 2 * row["S"] * row["U"] / (row["S"] + row["U"])) < 0.03, (
            dataset,
            features,
            method,
        )


# --- methods by name ---


def test_methods() -> None:
    for spec, name, curvatures in (
        ("hyper-alignment", "Hyper-alignment", (-0.2,)),
        ("hyper-alignment:-0.5", "Hyper-alignment", (-0.5,)),
        ("hyper-single", "Hyper-single", Adaptive(1, -0.4)),
        ("hyper-single:-1", "Hyper-single", Adaptive(1, -1.0)),
        ("hyper-multiple", "Hyper-multiple", Adaptive(3, -0.4)),
        ("hyper-multiple:1", "Hyper-single", Adaptive(1, -0.4)),
        ("hyper-multiple:2:-0.1", "Hyper-multiple", Adaptive(2, -0.1)),
        (" Hyper-Multiple:2 ", "Hyper-multiple", Adaptive(2, -0.4)),
        ("alignment:0", "Euclidean-alignment", (0.0,)),
        ("alignment:.3", "Sphere-alignment", (0.3,)),
        ("alignment:1e-2+0+-.3", "Geometry-multiple", (0.01, 0.0, -0.3)),
    ):
        for chosen, whole in PRESETS.items():
            method = parse_method(spec, chosen, SETTINGS)
            assert method == (spec, name, replace(whole, curvatures=curvatures))
    assert parse_method("AVCA", "printed", SETTINGS)[1:] == ("AVCA", None)
    assert parse_method("eszsl", "printed", SETTINGS)[1:] == ("ESZSL", None)
    assert parse_method("hyper-single", "printed", SETTINGS, weight=2.0).alignment.weight == 2.0
    assert parse_method("hyper-single", "released", SETTINGS, pull=0.1).alignment.pull == 0.1


def test_curvatures_by_keyword_are_those_in_the_name() -> None:
    for spec, keywords in (
        ("hyper-alignment:-0.5", {"k": -0.5}),
        ("hyper-multiple:2:-0.1", {"N_c": 2, "c_0": -0.1}),
        ("alignment:0.2+-0.2", {"k": (0.2, -0.2)}),
        ("alignment:0.2", {"k": 0.2}),
    ):
        assert run_config(small(), spec) == run_config(small(), spec.partition(":")[0], **keywords)


def test_what_a_method_leaves_out_is_the_papers_for_the_set() -> None:
    data = replace(small(), modelled_on=("VGGSound-GZSL", "main"))
    chosen = [run_config(data, spec).alignment.curvatures for spec in METHODS[2:]]
    assert chosen == [(-0.5,), Adaptive(1, -0.4), Adaptive(2, -0.4)]


def test_methods_that_make_no_sense() -> None:
    for spec, match in (
        ("hyper-alignment:0.2", "not hyperbolic: k is negative here.*alignment:0.2"),
        ("hyper-alignment:0", "not hyperbolic"),
        ("hyper-multiple:3:0.4", "not hyperbolic"),
        ("hyper-multiple:0", "N_c is 0 .*at least 1 curvature"),
        ("hyper-multiple:2.5", "not a whole number"),
        ("hyper-multiple:²", "not a whole number"),
        ("hyper-alignment:x", "not a number"),
        ("hyper-single:-inf", "not finite"),
        ("alignment:1+", "not a number"),
        ("alignment", "needs a curvature k"),
        ("avca:1", "no method"),
        ("hyper-multiple:2:-1:3", "no method"),
        ("", "no method"),
    ):
        with pytest.raises(SettingError, match=match) as error:
            parse_method(spec, "printed", SETTINGS)
        assert one_sentence(error), spec
    for keywords, match in (
        ({"spec": "avca", "k": -0.2}, "avca has no k"),
        ({"spec": "avca", "weight": 1.0}, "takes no weight"),
        ({"spec": "avca", "pull": 1.0}, "takes no pull"),
        ({"spec": "hyper-alignment", "weight": 1.0, "pull": 1.0}, "give one of them"),
        ({"spec": "hyper-alignment:-1", "k": -0.2}, "given twice"),
        ({"spec": "hyper-multiple", "N_c": 1.5}, "not a whole number"),
        ({"spec": "eszsl"}, "no training run"),
        ({"spec": "avca", "preset": "paper"}, "no preset 'paper'"),
        ({"spec": "avca", "seed": -1}, "seed is -1"),
    ):
        with pytest.raises(SettingError, match=match) as error:
            run_config(small(), **keywords)
        assert one_sentence(error), keywords


def test_train_takes_settings_of_the_recipe() -> None:
    options = {"recipe": tiny_recipe(), "device": "cpu", "progress": False}
    run = hv.train(small(), "hyper-alignment", k=-0.5, epochs=1, batches=3, dtype="float64", **options)
    assert (run.config.train.epochs, run.config.train.batches, run.config.train.dtype) == (1, 3, "float64")
    assert run.config.alignment.curvatures == (-0.5,)
    assert list(run.history["stage"]) == [1, 2]
    for wrong, match in (({"epoch": 1}, "no setting 'epoch'"), ({"threads": 0}, "threads is 0")):
        with pytest.raises(SettingError, match=match):
            hv.train(small(), **wrong, **options)


# --- comparisons ---

SPECS = ("hyper-multiple", "avca", "eszsl", "hyper-alignment", "alignment:0.2+-0.2")


def made_up(alignment: Any, seed: int) -> dict[str, float]:
    source = random.Random(f"{alignment} {seed}")
    return {metric: source.random() for metric in METRICS}


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs cost nothing and have made-up results."""

    def record(self: Grid, job: Job) -> dict[str, float]:
        return made_up(job.config.alignment, job.config.seed)

    monkeypatch.setattr(Grid, "run", lambda self, jobs, label: None)
    monkeypatch.setattr(Grid, "record", record)


def compare_small(folder: Path, specs: Any = SPECS, seeds: Any = (3, 1, 2), **options: Any) -> pd.DataFrame:
    settings = {"recipe": tiny_recipe(), "jobs": 1, "device": "cpu", "progress": False, **options}
    return compare(settings.pop("data", small()), specs, seeds=seeds, folder=folder, **settings)


T_975 = 4.30265272974946  # Student's t with 2 degrees of freedom, from a table


def by_hand(values: list[float]) -> list[float]:
    mean = sum(values) / 3
    return [mean, T_975 * math.sqrt(sum((v - mean) ** 2 for v in values) / 2 / 3)]


@pytest.mark.usefixtures("no_training")
def test_means_intervals_and_paired_differences(tmp_path: Path) -> None:
    table = compare_small(tmp_path)
    names = ["Hyper-multiple", "AVCA", "ESZSL", "Hyper-alignment", "Geometry-multiple (alignment:0.2+-0.2)"]
    assert list(table.index) == names
    linear = eszsl_record(small(), tmp_path)
    for spec, name in zip(SPECS, names, strict=True):
        row, alignment = table.loc[name], parse_method(spec, "printed", paper_settings(None)).alignment
        values = [linear if spec == "eszsl" else made_up(alignment, seed) for seed in (3, 1, 2)]
        base = [made_up(None, seed) for seed in (3, 1, 2)]
        for metric in METRICS:
            mean, half = by_hand([100 * value[metric] for value in values])
            assert row[metric] == pytest.approx(mean, rel=1e-9)
            assert row[f"{metric} ±"] == pytest.approx(
                float("nan") if spec == "eszsl" else half, rel=1e-9, nan_ok=True
            )
        apart = by_hand([100 * (value["HM"] - avca["HM"]) for value, avca in zip(values, base, strict=True)])
        difference = row[["HM - AVCA", "HM - AVCA ±"]].tolist()
        assert difference == pytest.approx(
            [float("nan")] * 2 if spec == "avca" else apart, rel=1e-9, nan_ok=True
        )
        assert row["n"] == (1 if spec == "eszsl" else 3)


@pytest.mark.usefixtures("no_training")
def test_no_interval_from_fewer_than_three_seeds(tmp_path: Path) -> None:
    table = compare_small(tmp_path, seeds=2)
    assert table[[column for column in table if column.endswith("±")]].isna().all().all()
    assert "fewer than three seeds" in comparison_text(table)
    assert compare_small(tmp_path, ["hyper-single"], seeds=[7])["HM - AVCA"].isna().all(), "AVCA was not run"


def test_comparisons_that_make_no_sense_are_refused_before_any_run(tmp_path: Path) -> None:
    for specs, seeds, match in (
        ((), (1,), "at least one method"),
        (("avca",), (), "seeds is"),
        (("avca",), 0, "seeds is 0"),
        (("avca", "avca"), (1,), "are the same"),
        (("avca",), (1, 2, 1), "different seeds"),
        (("hyper-single", "hyper-multiple:1"), (1,), "are the same"),
        (("avca", "hyper"), (1,), "no method 'hyper'"),
        (("avca",), (-1,), "seed is -1"),
    ):
        with pytest.raises(SettingError, match=match) as error:
            compare_small(tmp_path, specs, seeds)
        assert one_sentence(error)
        assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_leaves_the_others(tmp_path: Path) -> None:
    table = compare_small(tmp_path, ("eszsl", "avca"), (1,), recipe=tiny_recipe(lr=1e20))
    assert list(table["n"]) == [1, 0]
    (line,) = table.attrs["failed"]
    assert line in comparison_text(table)


# --- the table as text ---


def ucf(simulated: bool) -> FeatureSet:
    return replace(small(), name="UCF-GZSL (main)", paper_key=UCF, simulated=simulated, source="A source.")


@pytest.mark.usefixtures("no_training")
def test_the_text_says_what_its_numbers_are_of(tmp_path: Path) -> None:
    table = compare_small(tmp_path)
    text = comparison_text(table)
    assert text.startswith(f"Data: SIMULATED (small), digest {small().digest[:8]}")
    assert "Preset printed; recipe tiny; seeds 3, 1, 2." in text
    assert "paper HM" not in text
    assert "does not report this set" in text
    assert "does not depend on the curvature" in text
    assert "bfloat16" not in text
    row = next(line for line in text.splitlines() if line.startswith("| AVCA"))
    assert [cell.strip() for cell in row.split("|")[1:6]] == [
        "AVCA", *(f"{table.loc['AVCA', m]:.1f} ± {table.loc['AVCA', f'{m} ±']:.1f}" for m in METRICS),
    ]  # fmt: skip


@pytest.mark.usefixtures("no_training")
def test_the_text_says_what_autocast_rounds_away(tmp_path: Path) -> None:
    assert "rounded to bfloat16" in comparison_text(compare_small(tmp_path, autocast=True))
    assert "bfloat16" not in comparison_text(compare_small(tmp_path, ("eszsl", "avca"), autocast=True))


@pytest.mark.usefixtures("no_training")
def test_the_papers_rows_are_next_to_ours_with_the_papers_curvatures_alone(tmp_path: Path) -> None:
    table = compare_small(tmp_path, (*SPECS, "hyper-multiple:7"), data=ucf(simulated=False))
    paper = table[[f"paper {metric}" for metric in METRICS]]
    assert paper.loc["AVCA"].tolist() == [51.53, 18.43, 27.15, 20.01]
    assert paper.loc["Hyper-multiple"].tolist() == [63.08, 19.10, 29.32, 22.24]
    pulled = compare_small(tmp_path, ("hyper-multiple",), data=ucf(simulated=False), pull=0.1)
    assert pulled.loc["Hyper-multiple", "paper HM"] == 29.32
    assert "Preset printed, pull 0.1; recipe" in comparison_text(pulled)
    others = ["ESZSL", "Geometry-multiple (alignment:0.2+-0.2)", "Hyper-multiple (hyper-multiple:7)"]
    assert paper.loc[others].isna().all().all()
    text = comparison_text(table)
    assert "Table 1, UCF-GZSL (main)" in text
    assert "SIMULATED" not in text
    simulated = comparison_text(compare_small(tmp_path, data=ucf(simulated=True)))
    assert "(SIMULATED)" in simulated.splitlines()[0]
    assert "cannot be compared" in simulated
