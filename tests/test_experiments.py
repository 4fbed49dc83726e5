"""Recipes and variants are the published ones; a run is found again; a table holds nothing but what runs gave."""

from __future__ import annotations

import json
import math
import os
import random
import re
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from itertools import product
from pathlib import Path
from typing import Any, get_args, get_type_hints

import joblib
import pytest
import torch
from training_helpers import small, tiny

from hypav.alignment import PRESETS, Adaptive, AlignmentConfig, preset
from hypav.avca import AVCAConfig
from hypav.data.features import FeatureSet
from hypav.data.yt8m import YT8M_NAME
from hypav.errors import RunError, SettingError
from hypav.experiments import (
    RECIPES,
    VARIANTS,
    Comparison,
    Recipe,
    compare,
    comparison,
    comparison_table,
    load_model,
    load_record,
    network_for,
    paper_row,
    paper_settings,
    parse_variant,
    recipe_for,
    run,
    runs,
)
from hypav.experiments.outputs import save_comparison
from hypav.experiments.runs import run_folder, run_key
from hypav.stats import Interval
from hypav.training import RunConfig, TrainConfig, evaluate
from hypav.utils import side_by_side

UCF = ("UCF-GZSL", "main")
SETTINGS = paper_settings(UCF)
METRICS = ("S", "U", "HM", "ZSL")


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> bool:
    return "\n" not in str(error.value) and str(error.value).endswith(".")


def tiny_recipe(**changes: Any) -> Recipe:
    config = tiny(epochs=1, batches=1)
    network = {
        name: getattr(config.network, name) for name in ("dim_phi", "hidden_enc", "hidden_proj", "heads")
    }
    return Recipe(network, config.train, "made for tests", "tiny").changed(changes)


# --- recipes ---

RELEASED = {  # batch size, r_enc, r_proj, r_dec, momentum of the last batch norm
    "ucf-main": (256, 0.2, 0.3, 0.5, 0.1),
    "ucf-cls": (256, 0.2, 0.3, 0.5, 0.99),
    "activitynet-main": (256, 0.2, 0.2, 0.1, 0.99),
    "activitynet-cls": (256, 0.2, 0.2, 0.1, 0.99),
    "vggsound-main": (64, 0.0, 0.0, 0.1, 0.1),
    "vggsound-cls": (256, 0.0, 0.0, 0.0, 0.99),
}


def test_the_recipes_are_the_released_settings() -> None:
    for name, given in RELEASED.items():
        recipe = RECIPES[name]
        network = network_for(small(), recipe)
        own = (network.dropout_enc, network.dropout_proj, network.dropout_dec, network.momentum)
        assert (recipe.train.batch_size, *own) == given, name
        sizes = (network.hidden_enc, network.hidden_proj, network.dim_phi, network.dim_theta)
        assert sizes == (512, 512, 300, 64), name
        assert (network.heads, network.head_dim, network.dim_mlp) == (3, 100, 64), name
        schedule = replace(recipe.train, batch_size=256)
        assert asdict(schedule) == {
            "epochs": 50, "batches": 500, "batch_size": 256, "lr": 1e-3, "weight_decay": 1e-5, "patience": 3,
            "autocast": False, "parity": "clean", "dtype": "float32",
        }, name  # fmt: skip


def test_every_recipe_has_its_name_and_source_and_builds_a_network() -> None:
    assert set(RECIPES) == {*RELEASED, "course", "yt8m-mini", "yt8m-mini-course"}
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert recipe.source
        network = network_for(small(), recipe)
        assert (network.dim_audio, network.dim_video, network.dim_text) == (
            small().dim_audio, small().dim_video, small().dim_text,
        )  # fmt: skip


def test_a_set_has_its_own_recipe() -> None:
    assert recipe_for(small()).name == "course"
    real = replace(small(), simulated=False, name="mine")
    assert recipe_for(real).name == "ucf-main"
    assert recipe_for(replace(real, name=YT8M_NAME)).name == "yt8m-mini"
    for name in RELEASED:
        dataset, features = name.split("-")
        written = {"ucf": "UCF", "activitynet": "ActivityNet", "vggsound": "VGGSound"}[dataset]
        assert recipe_for(replace(real, paper_key=(f"{written}-GZSL", features))).name == name
    assert recipe_for(real, "vggsound-cls").name == "vggsound-cls"
    with pytest.raises(SettingError, match="no recipe 'vgg'; choose ucf-main, ") as error:
        recipe_for(small(), "vgg")
    assert one_sentence(error)


def test_a_changed_recipe() -> None:
    recipe = RECIPES["ucf-main"].changed({"epochs": 3, "dropout_enc": 0.0, "dim_phi": 20})
    assert (recipe.train.epochs, recipe.network["dropout_enc"], recipe.network["dim_phi"]) == (3, 0.0, 20)
    assert recipe.train.batch_size == 256
    assert RECIPES["ucf-main"].train.epochs == 50
    with pytest.raises(SettingError, match="no setting 'epoch' in a recipe") as error:
        recipe.changed({"epoch": 3})
    assert one_sentence(error)


# --- what the paper reports ---


def test_the_papers_curvatures() -> None:
    for dataset, features, k, N_c in (
        ("VGGSound", "main", -0.5, 2), ("UCF", "main", -0.2, 3), ("ActivityNet", "main", -0.2, 2),
        ("VGGSound", "cls", -0.1, 3), ("UCF", "cls", -0.2, 2), ("ActivityNet", "cls", -0.2, 3),
    ):  # fmt: skip
        assert paper_settings((f"{dataset}-GZSL", features)) == (k, N_c, -0.4)
    assert paper_settings(None) == (-0.2, 3, -0.4)  # a set that the paper does not know gets those of UCF


def test_the_papers_rows() -> None:
    for key, method, row in (
        (UCF, "AVCA", (51.53, 18.43, 27.15, 20.01)),
        (UCF, "Hyper-alignment", (57.28, 17.83, 27.19, 19.02)),
        (UCF, "Hyper-single", (52.67, 19.04, 27.97, 22.09)),
        (UCF, "Hyper-multiple", (63.08, 19.10, 29.32, 22.24)),
        (("UCF-GZSL", "cls"), "AVCA", (63.15, 30.72, 41.34, 37.72)),
        (("UCF-GZSL", "cls"), "Hyper-multiple", (74.26, 35.79, 48.30, 52.11)),
        (("VGGSound-GZSL", "main"), "Hyper-multiple", (15.02, 6.75, 9.32, 7.97)),
        (("ActivityNet-GZSL", "main"), "hyper-single", (23.60, 10.13, 14.18, 10.80)),
        (UCF, "Alignment k=0.2", None),
        (None, "AVCA", None),
    ):
        assert paper_row(key, method) == row


def test_the_papers_HM_is_that_of_its_S_and_U() -> None:
    """A slip of the pen in our copy would show, save where the paper itself is off by more than its rounding."""
    for dataset, features, variant in product(("UCF", "ActivityNet", "VGGSound"), ("main", "cls"), VARIANTS):
        row = paper_row((f"{dataset}-GZSL", features), variant)
        assert row is not None
        HM = 2 * row.S * row.U / (row.S + row.U)
        assert abs(row.HM - HM) < 0.03, (dataset, features, variant)


# --- variants ---


def test_variants() -> None:
    for spec, method, curvatures in (
        ("hyper-alignment", "Hyper-alignment", (-0.2,)),
        ("hyper-alignment:-0.5", "Hyper-alignment", (-0.5,)),
        ("hyper-single", "Hyper-single", Adaptive(1, -0.4)),
        ("hyper-single:-1", "Hyper-single", Adaptive(1, -1.0)),
        ("hyper-multiple", "Hyper-multiple", Adaptive(3, -0.4)),
        ("hyper-multiple:5", "Hyper-multiple", Adaptive(5, -0.4)),
        ("hyper-multiple:2:-0.1", "Hyper-multiple", Adaptive(2, -0.1)),
        (" Hyper-Multiple:2 ", "Hyper-multiple", Adaptive(2, -0.4)),
        ("alignment:0", "Alignment k=0", (0.0,)),
        ("alignment:0.2+-0.2", "Alignment k=0.2+-0.2", (0.2, -0.2)),
        ("alignment:1e-2+0+-.3", "Alignment k=1e-2+0+-.3", (0.01, 0.0, -0.3)),
    ):
        for name, own in PRESETS.items():
            variant = parse_variant(spec, name, SETTINGS)
            assert (variant.spec, variant.method) == (spec, method)
            assert variant.alignment == replace(own, curvatures=curvatures)


def test_the_baseline_has_no_alignment() -> None:
    assert [parse_variant(spec, "paper", SETTINGS).alignment for spec in ("avca", "AVCA")] == [None, None]
    assert parse_variant("avca", "paper", SETTINGS).method == "AVCA"


def test_what_a_variant_leaves_out_is_the_papers_own_for_the_set() -> None:
    settings = paper_settings(("VGGSound-GZSL", "main"))
    chosen = [parse_variant(spec, "paper", settings).alignment.curvatures for spec in VARIANTS[1:]]
    assert chosen == [(-0.5,), Adaptive(1, -0.4), Adaptive(2, -0.4)]


def test_variants_that_are_none() -> None:
    for spec, match in (
        ("hyper-alignment:0.2", "curvature 0.2 .* is not hyperbolic: k is negative here.*alignment:0.2"),
        ("hyper-alignment:0", "not hyperbolic"),
        ("hyper-single:0.4", "not hyperbolic"),
        ("hyper-multiple:3:0.4", "not hyperbolic"),
        ("hyper-multiple:0", "N_c is 0 .*needs 1 curvature or more"),
        ("hyper-multiple:-2", "N_c is -2"),
        ("hyper-multiple:2.5", "N_c '2.5' .* is no whole number"),
        ("hyper-multiple:", "N_c '' .* is no whole number"),
        ("hyper-multiple:²", "N_c '²' .* is no whole number"),
        ("hyper-alignment:x", "'x' .* is no number"),
        ("hyper-alignment:nan", "not finite"),
        ("hyper-single:-inf", "not finite"),
        ("alignment:1+", "'' .* is no number"),
        ("alignment:inf", "not finite"),
        ("alignment", "is no variant: write avca"),
        ("avca:1", "is no variant"),
        ("hyper-alignment:-1:2", "is no variant"),
        ("hyper-multiple:2:-1:3", "is no variant"),
        ("", "is no variant"),
    ):
        with pytest.raises(SettingError, match=match) as error:
            parse_variant(spec, "paper", SETTINGS)
        assert one_sentence(error), spec
    for spec in ("avca", "hyper-single"):
        with pytest.raises(SettingError, match="no preset 'papers'"):
            parse_variant(spec, "papers", SETTINGS)


# --- one run in one folder ---


def run_tiny(root: Path, config: RunConfig | None = None, **options: Any) -> dict[str, Any]:
    config = config or tiny(epochs=1, batches=1)
    return run(
        small(), config, **{"method": "AVCA", "root": root, "device": "cpu", "progress": False, **options}
    )


def changed(value: Any, kind: Any) -> Any:
    """Another value of the same setting."""
    if isinstance(value, bool):
        return not value
    choices = [choice for choice in get_args(kind) if isinstance(choice, str)]
    if choices:
        return next(choice for choice in choices if choice != value)
    return {int: lambda: value + 1, float: lambda: value / 2 + 1e-3, tuple: lambda: (*value, 0.5)}[
        type(value)
    ]()


def test_any_change_of_configuration_or_data_changes_the_key() -> None:
    config = tiny(alignment=preset("paper"))
    keys = {run_key(small(), config), run_key(small(), replace(config, seed=7))}
    for part, kind in (("network", AVCAConfig), ("train", TrainConfig), ("alignment", AlignmentConfig)):
        own = getattr(config, part)
        for field in fields(kind):
            value = changed(getattr(own, field.name), get_type_hints(kind)[field.name])
            keys.add(run_key(small(), replace(config, **{part: replace(own, **{field.name: value})})))
    settings = sum(len(fields(kind)) for kind in (AVCAConfig, TrainConfig, AlignmentConfig))
    for alignment in (
        None,
        *(preset("paper", curvatures=Adaptive(n, c)) for n, c in ((1, -0.4), (2, -0.4), (1, -1))),
    ):
        keys.add(run_key(small(), replace(config, alignment=alignment)))
    audio = small().audio.clone()
    audio[0, 0] += 1e-3
    keys.add(run_key(replace(small(), audio=audio), config))
    assert len(keys) == 2 + settings + 4 + 1
    assert all(re.fullmatch("[0-9a-f]{12}", key) for key in keys)


def test_the_key_knows_values_not_objects_and_not_the_name_of_the_set() -> None:
    config = tiny(alignment=preset("paper", curvatures=Adaptive(2)))
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert run_key(replace(small(), name="other"), again) == run_key(small(), config)


def test_no_name_of_a_set_leads_out_of_the_root(tmp_path: Path) -> None:
    for name in ("..", ".", "../..", "/etc", "", "视频"):
        folder = run_folder(tmp_path, replace(small(), name=name), tiny(), "AVCA")
        assert folder.resolve().parent.parent == tmp_path.resolve(), name


def test_a_run_is_recorded_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = run_tiny(tmp_path, labels={"preset": "paper"})
    (folder,) = (tmp_path / "simulated-small").iterdir()
    assert folder == run_folder(tmp_path, small(), tiny(epochs=1, batches=1), "AVCA")
    assert sorted(os.listdir(folder)) == ["model.safetensors", "result.json"]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    monkeypatch.setattr(runs, "train", None)  # to train again would fail
    assert run_tiny(tmp_path) == record
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before
    with pytest.raises(TypeError):
        run_tiny(tmp_path, tiny(epochs=1, batches=1, seed=1))


def test_a_record_says_what_was_run_where(tmp_path: Path) -> None:
    config = tiny(epochs=2, alignment=preset("paper", curvatures=Adaptive(2)))
    threads = torch.get_num_threads()
    record = run_tiny(tmp_path, config, method="Hyper-multiple", labels={"preset": "paper", "variant": "x"})
    assert torch.get_num_threads() == threads
    assert RunConfig.from_dict(record["config"]) == config
    assert record["data"] == {
        "name": small().name, "digest": small().digest, "simulated": True, "source": small().source,
    }  # fmt: skip
    assert (record["method"], record["preset"], record["variant"]) == ("Hyper-multiple", "paper", "x")
    assert set(record["metrics"]) == set(record["val"]) == {*METRICS, "beta"}
    assert len(record["history"]) == 2 + record["best_epoch"]
    assert record["seconds"] > 0
    assert record["machine"]["torch"] == torch.__version__
    assert (record["machine"]["device"], record["machine"]["threads"]) == ("cpu", 1)


def test_a_broken_off_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(epochs=2, batches=1)
    whole = run_tiny(tmp_path / "whole", config)
    real = runs.train

    def broken(*args: Any, **options: Any) -> None:
        def stop(row: dict[str, Any]) -> None:
            raise KeyboardInterrupt

        real(*args, **options, after_epoch=stop)

    with monkeypatch.context() as patched:
        patched.setattr(runs, "train", broken)
        with pytest.raises(KeyboardInterrupt):
            run_tiny(tmp_path / "broken", config)
    with pytest.raises(RunError, match="holds no finished run"):
        load_record(run_folder(tmp_path / "broken", small(), config, "AVCA"))
    record = run_tiny(tmp_path / "broken", config)
    assert {**record, "seconds": 0} == {**whole, "seconds": 0}


@pytest.mark.parametrize(
    "config",
    [tiny(epochs=1), tiny(epochs=1, alignment=preset("paper", curvatures=Adaptive(2)), dtype="float64")],
    ids=["avca", "hyper-multiple float64"],
)
def test_a_loaded_network_gives_the_recorded_metrics(config: RunConfig, tmp_path: Path) -> None:
    record = run_tiny(tmp_path, config)
    state = torch.get_rng_state()
    model, alignment, again = load_model(run_folder(tmp_path, small(), config, "AVCA"))
    assert torch.equal(torch.get_rng_state(), state)
    assert again == record
    assert not model.training
    phase = small().phase("test").to(dtype=getattr(torch, config.train.dtype))
    assert asdict(evaluate(model, phase, record["val"]["beta"])) == record["metrics"]
    assert (alignment is None) == (config.alignment is None)
    if alignment is not None:
        k = alignment.curvature(torch.zeros(1, 20).double(), torch.zeros(1, 20).double())
        assert k.shape == (1, 2)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    run_tiny(tmp_path)
    return run_folder(tmp_path, small(), tiny(epochs=1, batches=1), "AVCA")


def test_a_damaged_record_is_refused_and_not_overwritten(finished: Path) -> None:
    path = finished / "result.json"
    whole = json.loads(path.read_text())
    for garbage in (b"", b"\xff", b"[]", b'{"config": {}}', b'{"config": null}'):
        path.write_bytes(garbage)
        for call in (
            lambda: load_record(finished),
            lambda: load_model(finished),
            lambda: run_tiny(finished.parents[1]),
        ):
            with pytest.raises(
                RunError, match=r"result\.json is damaged .*remove its folder and train again"
            ) as error:
                call()
            assert one_sentence(error)
        assert path.read_bytes() == garbage
    for part in ("method", "data", "metrics", "val", "best_epoch", "history"):
        path.write_text(json.dumps({name: value for name, value in whole.items() if name != part}))
        with pytest.raises(RunError, match="is damaged"):
            load_record(finished)


def test_a_damaged_network_is_refused(finished: Path) -> None:
    path = finished / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(RunError, match=r"Cannot read .*model\.safetensors") as error:
        load_model(finished)
    assert one_sentence(error)
    record = json.loads((finished / "result.json").read_text())
    record["config"]["network"]["dim_phi"] += 1
    (finished / "result.json").write_text(json.dumps(record))
    path.write_bytes(whole)
    with pytest.raises(RunError, match="does not fit its record") as error:
        load_model(finished)
    assert one_sentence(error)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no finished run") as error:
        load_model(tmp_path)
    assert one_sentence(error)


# --- comparisons ---

SPECS = ("hyper-multiple", "avca", "hyper-alignment", "alignment:0.2+-0.2")


def made_up(spec: str, seed: int) -> dict[str, float]:
    source = random.Random(f"{spec} {seed}")
    return {metric: source.random() for metric in METRICS}


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs cost nothing and have made-up results."""

    def run_nothing(data: FeatureSet, config: RunConfig, **options: Any) -> dict[str, Any]:
        metrics = made_up(options["labels"]["variant"], config.seed)
        return {"method": options["method"], "metrics": metrics, "seconds": 1.5}

    monkeypatch.setattr(comparison, "run", run_nothing)


def compare_small(
    root: Path, specs: Sequence[str] = SPECS, seeds: Sequence[int] = (3, 1, 2), **options: Any
) -> Comparison:
    settings = {
        "preset_name": "paper",
        "recipe": tiny_recipe(),
        "jobs": 1,
        "device": "cpu",
        "progress": False,
    }
    return compare(options.pop("data", small()), specs, seeds=seeds, root=root, **{**settings, **options})


@pytest.mark.usefixtures("no_training")
def test_rows_and_values_keep_the_order_of_variants_and_seeds(tmp_path: Path) -> None:
    result = compare_small(tmp_path)
    assert tuple(row.spec for row in result.rows) == SPECS
    assert [row.method for row in result.rows][:3] == ["Hyper-multiple", "AVCA", "Hyper-alignment"]
    assert result.seeds == (3, 1, 2)
    for row in result.rows:
        for metric in METRICS:
            assert row.values[metric] == [100 * made_up(row.spec, seed)[metric] for seed in (3, 1, 2)]
    assert result.seconds == 12 * 1.5


T_975 = {2: 12.7062047361747, 3: 4.30265272974946}  # Student's t for 1 and 2 degrees of freedom, from tables


def by_hand(values: list[float]) -> Interval:
    n = len(values)
    mean = sum(values) / n
    half = T_975[n] * math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)
    return Interval(mean, mean - half, mean + half, n)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("seeds", [(3, 1), (3, 1, 2)])
def test_intervals_and_differences_paired_by_seed(tmp_path: Path, seeds: tuple[int, ...]) -> None:
    result = compare_small(tmp_path, seeds=seeds)
    for row in result.rows:
        for metric in METRICS:
            values = [100 * made_up(row.spec, seed)[metric] for seed in seeds]
            assert asdict(row.intervals[metric]) == pytest.approx(asdict(by_hand(values)), rel=1e-8)
        paired = [100 * (made_up(row.spec, seed)["HM"] - made_up("avca", seed)["HM"]) for seed in seeds]
        if row.spec == "avca":
            assert row.difference is None
        else:
            assert asdict(row.difference) == pytest.approx(asdict(by_hand(paired)), rel=1e-8)


@pytest.mark.usefixtures("no_training")
def test_without_the_baseline_there_is_no_difference(tmp_path: Path) -> None:
    assert [row.difference for row in compare_small(tmp_path, ("hyper-single", "alignment:0")).rows] == [
        None
    ] * 2


def test_comparisons_that_make_no_sense_are_refused_before_any_run(tmp_path: Path) -> None:
    for specs, seeds, match in (
        ((), (1,), "at least one variant and one seed"),
        (("avca",), (), "at least one variant and one seed"),
        (("avca", "avca"), (1,), "variant stands twice in avca, avca"),
        (("avca",), (1, 2, 1), "seed stands twice in 1, 2, 1"),
        (("hyper-single", "hyper-single:-0.4"), (1,), "hyper-single:-0.4 are one and the same"),
        (("avca", "hyper"), (1,), "'hyper' is no variant"),
        (("avca",), (-1,), "seed is -1"),
    ):
        with pytest.raises(SettingError, match=match) as error:
            compare_small(tmp_path, specs, seeds)
        assert one_sentence(error)
        assert list(tmp_path.iterdir()) == []


def test_how_many_runs_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [side_by_side(None, device) for device in ("auto", "cpu")] == [8, 8]
    assert [side_by_side(None, device, 6) for device in ("auto", "cpu")] == [6, 6]
    assert [side_by_side(jobs, "cpu", 6) for jobs in (1, 4, 9)] == [1, 4, 6]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert side_by_side(None, "cpu") == 8
    assert side_by_side(None, "auto", 6) == 1  # they would share one GPU
    assert side_by_side(3, "auto") == 3
    with pytest.raises(SettingError, match="jobs is 0; it must be at least 1"):
        side_by_side(0, "cpu", 6)


def test_two_jobs_give_what_one_gives(tmp_path: Path) -> None:
    """The same metrics and records; a worker may sum in another order than this process, so losses to rounding."""
    specs, seeds = ("avca", "hyper-multiple:2"), (1, 2)
    # in float32 rounding may decide a sample's class
    recipe = tiny_recipe(epochs=2, batches=2, dtype="float64")
    one, two = (
        compare_small(tmp_path / str(jobs), specs, seeds, jobs=jobs, recipe=recipe) for jobs in (1, 2)
    )
    assert replace(one, seconds=0) == replace(two, seconds=0)
    folders = [sorted((tmp_path / str(jobs) / "simulated-small").iterdir()) for jobs in (1, 2)]
    assert [f.name for f in folders[0]] == [f.name for f in folders[1]]
    assert len(folders[0]) == 4
    for a, b in zip(*folders, strict=True):
        here, there = ({**load_record(folder), "seconds": 0} for folder in (a, b))
        losses = [[row["total"] for row in record.pop("history")] for record in (here, there)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)  # float64, four steps
        assert here == there
        shapes = [{n: t.shape for n, t in load_model(folder)[0].state_dict().items()} for folder in (a, b)]
        assert shapes[0] == shapes[1]


def test_a_comparison_repeats_no_run_and_shows_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compare_small(tmp_path, ("avca",), (1, 2))
    monkeypatch.setattr(runs, "train", None)
    again = compare_small(tmp_path, ("avca",), (2, 1))
    assert again.rows[0].values["HM"] == first.rows[0].values["HM"][::-1]
    records = [load_record(folder) for folder in (tmp_path / "simulated-small").iterdir()]
    recorded = {record["config"]["seed"]: 100 * record["metrics"]["HM"] for record in records}
    assert first.rows[0].values["HM"] == [recorded[1], recorded[2]]


def test_a_run_that_fails_ends_the_comparison(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="in epoch 1 of stage 1"):
        compare_small(tmp_path, ("avca",), (1,), recipe=tiny_recipe(lr=1e20))


# --- the table ---


def cells(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def ucf(simulated: bool) -> FeatureSet:
    return replace(small(), name="UCF-GZSL (main)", paper_key=UCF, simulated=simulated, source="a source")


@pytest.mark.usefixtures("no_training")
def test_a_table_of_a_set_that_the_paper_does_not_report(tmp_path: Path) -> None:
    table = comparison_table(compare_small(tmp_path))
    assert cells(table)[0] == ["method", *METRICS, "HM - AVCA"]
    assert "paper S" not in table
    assert "The paper does not report this set, so none of its numbers stand here." in table
    assert table.splitlines()[0].startswith("data: SIMULATED (small)")
    assert small().source in table
    assert "preset: paper   recipe: tiny (made for tests)   seeds: 3, 1, 2" in table
    assert "mean ± 95 % interval over 3 seeds" in table


@pytest.mark.usefixtures("no_training")
def test_a_table_puts_the_papers_rows_beside_ours(tmp_path: Path) -> None:
    specs = (*SPECS, "hyper-multiple:7")
    table = comparison_table(compare_small(tmp_path, specs, data=ucf(simulated=False)))
    header, _, *rows = cells(table)
    assert header[6:] == ["paper S", "paper U", "paper HM", "paper ZSL"]
    beside = [row[6:] for row in rows]
    assert beside[:3] == [
        ["63.08", "19.10", "29.32", "22.24"],
        ["51.53", "18.43", "27.15", "20.01"],
        ["57.28", "17.83", "27.19", "19.02"],
    ]
    # neither this geometry nor seven curvatures stand in the paper's table
    assert beside[3:] == [["not in paper"] * 4] * 2
    assert rows[4][0] == "Hyper-multiple (hyper-multiple:7)"
    assert "Table 1, UCF-GZSL (main)" in table
    assert "SIMULATED" not in table
    cls = replace(ucf(simulated=False), paper_key=("UCF-GZSL", "cls"))
    assert "Table 2, UCF-GZSL (cls)" in comparison_table(compare_small(tmp_path, data=cls))


@pytest.mark.usefixtures("no_training")
def test_a_table_of_simulated_features_says_so_and_that_the_paper_is_no_comparison(tmp_path: Path) -> None:
    table = comparison_table(compare_small(tmp_path, data=ucf(simulated=True)))
    assert "SIMULATED" in table.splitlines()[0]
    assert "the two cannot be compared" in table


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("seeds", [(5,), (3, 1, 2)])
def test_every_number_of_a_table_is_of_a_run(tmp_path: Path, seeds: tuple[int, ...]) -> None:
    result = compare_small(tmp_path, seeds=seeds)
    _, _, *rows = cells(comparison_table(result))

    def text(values: list[float]) -> str:
        if len(values) == 1:
            return f"{values[0]:.1f}"
        interval = by_hand(values)
        return f"{interval.mean:.1f} ± {interval.high - interval.mean:.1f}"

    for spec, row in zip(SPECS, rows, strict=True):
        ours = {metric: [100 * made_up(spec, seed)[metric] for seed in seeds] for metric in METRICS}
        paired = [100 * (made_up(spec, seed)["HM"] - made_up("avca", seed)["HM"]) for seed in seeds]
        difference = "" if spec == "avca" else text(paired)
        assert row[1:] == [*(text(ours[metric]) for metric in METRICS), difference]
    note = "one seed: no interval" if len(seeds) == 1 else f"interval over {len(seeds)} seeds"
    assert note in comparison_table(result)


@pytest.mark.usefixtures("no_training")
def test_a_saved_comparison_holds_every_number(tmp_path: Path) -> None:
    result = compare_small(tmp_path)
    paths = save_comparison(result, tmp_path / "out")
    assert [path.name for path in paths] == [
        f"comparison-simulated-small-paper.{kind}" for kind in ("json", "md", "png")
    ]
    assert sorted(os.listdir(tmp_path / "out")) == sorted(path.name for path in paths)
    assert json.loads(paths[0].read_text()) == json.loads(json.dumps(result.to_dict()))
    assert paths[1].read_text() == comparison_table(result) + "\n"
    assert paths[2].read_bytes().startswith(b"\x89PNG")
