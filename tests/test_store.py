"""Records of runs: found by their configuration, read as one table, and checked when they are read."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest
import torch
from grid_helpers import tiny_grid, tiny_jobs, tiny_recipe
from training_helpers import assert_same_run, small, tiny, train_tiny

from hypav import cli
from hypav.alignment import Adaptive, AlignmentConfig, preset
from hypav.avca import AVCAConfig
from hypav.errors import RunError
from hypav.experiments import runs
from hypav.experiments.effects import cases, runs_of
from hypav.experiments.figures import draw
from hypav.experiments.grid import train
from hypav.experiments.runs import (
    COLUMNS,
    NUMERICS_VERSION,
    Job,
    alignment_columns,
    curvatures_text,
    eszsl_record,
    load_run,
    load_runs,
    read_record,
    record_files,
    run_key,
    run_path,
)
from hypav.experiments.tables import paper_table
from hypav.hyperbolicity import gaussian_null
from hypav.training import RunConfig, TrainConfig, score
from hypav.utils import content_digest, load_checked, save_checked

LOUD = ({"pull": 0.1}, {"weight": 1.0})


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> bool:
    return "\n" not in str(error.value) and str(error.value).endswith(".")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four methods' runs of two seeds."""
    folder = tmp_path_factory.mktemp("made")
    assert tiny_grid(folder, tiny_jobs((0, 1))).failed == []
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "runs"))


# --- keys and names ---


def test_of_two_records_of_eszsl_the_newest_counts(tmp_path: Path) -> None:
    new = runs.eszsl_record(small(), tmp_path)
    old = {**new, "key": "0" * 12, "HM": 0.0, "created": "2020-01-01T00:00:00+00:00"}
    for records in ([new, old], [old, new]):
        assert runs.frame(records)["HM"].tolist() == [new["HM"]]


def changed(value: Any, kind: Any) -> Any:
    """Another value of the same setting."""
    if isinstance(value, bool):
        return not value
    choices = [choice for choice in get_args(kind) if isinstance(choice, str)]
    if choices:
        return next(choice for choice in choices if choice != value)
    return (
        (*value, 0.5)
        if isinstance(value, tuple)
        else value + 1
        if isinstance(value, int)
        else value / 2 + 1e-3
    )


def change(whole: Any, name: str) -> dict[str, Any]:
    """Another value of a field of a configuration."""
    if name == "pull":
        return {"weight": None, "pull": 0.1}
    return {name: changed(getattr(whole, name), get_type_hints(type(whole))[name])}


def key(config: RunConfig, digest: str = "d", device: str = "cpu") -> str:
    return run_key(config.to_dict(), digest, device)


def test_any_change_of_a_setting_changes_the_key() -> None:
    config = tiny(alignment=preset("printed"))
    keys = {key(config), key(replace(config, seed=7)), key(config, "other data"), key(config, device="cuda")}
    keys |= {key(replace(config, alignment=a)) for a in (None, preset("printed", curvatures=Adaptive(2)))}
    count = len(keys)
    for part, kind in (("network", AVCAConfig), ("train", TrainConfig), ("alignment", AlignmentConfig)):
        whole = getattr(config, part)
        for field in fields(kind):
            keys.add(key(replace(config, **{part: replace(whole, **change(whole, field.name))})))
            count += 1
    assert len(keys) == count


def test_the_key_knows_values_and_the_version_of_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(alignment=preset("printed", curvatures=Adaptive(2)))
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert key(again) == key(config)
    assert key(config, device="cuda:1") == key(config, device="cuda")
    before = key(config)
    monkeypatch.setattr(runs, "NUMERICS_VERSION", "another")
    assert key(config) != before


def test_sets_with_names_in_other_scripts_have_folders_of_their_own(tmp_path: Path) -> None:
    names = ("视频", "音声", "..", "../..", "/etc", "", "Ünïcode")
    sets = [replace(small(), name=name, audio=small().audio + i) for i, name in enumerate(names)]
    places = [run_path(tmp_path, data, tiny()).parent for data in sets]
    assert len(set(places)) == len(names)
    assert all(place.resolve().parent == tmp_path.resolve() and place.name.isascii() for place in places)


def test_other_data_of_the_same_name_are_other_runs(tmp_path: Path) -> None:
    other = replace(small(), audio=small().audio + 1)
    assert run_path(tmp_path, other, tiny()) != run_path(tmp_path, small(), tiny())
    assert run_path(tmp_path, replace(small(), simulated=False), tiny()) == run_path(
        tmp_path, small(), tiny()
    )


# --- what a record holds ---


def test_the_table_of_runs_is_complete(made: Path) -> None:
    table = load_runs(made)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 8
    row = table[table["method"] == "Hyper-single"].iloc[0]
    assert (row["preset"], row["weight"], row["similarity"], row["aligned"]) == (
        "printed",
        1.0,
        "cosine",
        "phi",
    )
    assert (row["curvatures"], row["recipe"], row["scale_name"]) == ("adaptive:1:-0.4", "tiny", "full")
    assert (row["data"], row["data_digest"], bool(row["simulated"])) == (small().name, small().digest, True)
    assert (row["code"], row["torch"], row["device"], row["threads"]) == (
        NUMERICS_VERSION, torch.__version__, "cpu", 1,
    )  # fmt: skip
    assert row["cpu"].endswith(torch.backends.cpu.get_cpu_capability())
    avca = table[table["method"] == "AVCA"].iloc[0]
    assert (avca["preset"], avca["similarity"], avca["curvatures"]) == ("", "", "")
    assert np.isnan(avca["weight"])
    assert np.isnan(avca["delta_rel"])


def test_a_records_metrics_are_those_of_its_run(made: Path) -> None:
    test = small().phase("test")
    names = [small().class_names[i] for i in test.classes.tolist()]
    seen = {small().class_names[i] for i in test.seen.tolist()}
    for path in record_files(made):
        record = read_record(path)
        assert list(record["per_class"]) == names
        for metric, part in (("S", seen), ("U", set(names) - seen)):
            recalls = [value for name, value in record["per_class"].items() if name in part]
            assert sum(recalls) / len(recalls) == pytest.approx(record[metric])
        assert record["epochs"][record["best_epoch"] - 1]["HM"] == record["val_HM"]
        assert key(RunConfig.from_dict(record["config"]), small().digest) == record["key"]


def test_curvatures_as_text() -> None:
    written = [curvatures_text(c) for c in ((-0.2,), (0.0, -0.2), (-0.0, 1.0), Adaptive(3, -0.4))]
    assert written == ["-0.2", "0+-0.2", "0+1", "adaptive:3:-0.4"]


def test_any_change_of_an_alignment_changes_its_columns() -> None:
    whole = preset("printed")
    for field in fields(whole):
        other = replace(whole, **change(whole, field.name))
        assert alignment_columns(other) != alignment_columns(whole), field.name


def test_delta_rel_is_measured_if_it_is_asked_for(tmp_path: Path) -> None:
    jobs = tiny_jobs((3,), "table7")
    tiny_grid(tmp_path, jobs)
    record = read_record(run_path(tmp_path, small(), jobs[0].config))
    assert len({record[name] for name in runs.DELTAS}) == 3
    assert all(0 < record[name] < 1 for name in runs.DELTAS)
    n, dim = len(small().phase("test")), jobs[0].config.network.dim_theta
    noise = gaussian_null(n, dim, generator=torch.Generator().manual_seed(3), tries=runs.NOISE_TRIES)
    assert record["delta_noise"] == pytest.approx(noise.delta_rel, abs=1e-9)


def test_runs_with_a_pull_and_with_a_weight_stand_in_no_table_together(tmp_path: Path) -> None:
    jobs = [Job(tiny(alignment=preset("printed", **loud)), "printed", tiny_recipe()) for loud in LOUD]
    assert tiny_grid(tmp_path, jobs).failed == []
    pulled, weighted = (read_record(run_path(tmp_path, small(), job.config)) for job in jobs)
    assert "pull" not in weighted, "its record is as it was before there were pulls"
    assert (pulled["weight"], pulled["pull"]) == (None, 0.1)
    assert pulled["epochs"][0]["align_weight"] > 0
    load_runs(tmp_path).to_csv(tmp_path / "runs.csv", index=False)
    for table in (load_runs(tmp_path), load_runs(tmp_path / "runs.csv")):
        for record, job in zip((pulled, weighted), jobs, strict=True):
            assert runs_of(table, job.config.alignment)["HM"].tolist() == [record["HM"]]
        assert sorted(cases(table)["case"]) == ["printed, pull 0.1", "printed, weight 1"]
        shown = paper_table("table1", table, preset="printed", pull=0.1)
        assert shown.attrs["loss"] == "printed, pull 0.1"
        assert shown.loc["Hyper-alignment", "HM"] == pytest.approx(100 * pulled["HM"])


# --- networks ---


def test_a_kept_run_comes_back_whole(tmp_path: Path) -> None:
    settings = {
        "preset": "curved",
        "recipe": tiny_jobs()[0].recipe,
        "seed": 2,
        "device": "cpu",
        "progress": False,
    }
    first = train(small(), "hyper-multiple:2", folder=tmp_path, **settings)
    again, record = load_run(run_path(tmp_path, small(), first.config))
    assert_same_run(first, again)
    assert record["HM"] == first.metrics.HM
    HM = score(again, small().phase("test")).metrics(record["beta"]).HM
    assert pytest.approx(record["HM"], abs=1e-12) == HM
    assert_same_run(again, train_tiny(first.config))


def test_a_finished_run_is_read_and_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"recipe": tiny_jobs()[0].recipe, "folder": tmp_path, "device": "cpu", "progress": False}
    first = train(small(), "hyper-alignment", k=-0.5, **settings)
    (path,) = record_files(tmp_path)
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".json", ".pt"], "the checkpoint is gone"
    monkeypatch.setattr(runs, "train_in_turns", None)  # training would fail
    assert_same_run(first, train(small(), "hyper-alignment:-0.5", **settings))
    with pytest.raises(TypeError):
        train(small(), "hyper-alignment:-0.4", **settings)


def test_a_damaged_network_is_refused_by_load_and_trained_again_by_train(tmp_path: Path) -> None:
    settings = {"recipe": tiny_jobs()[0].recipe, "folder": tmp_path, "device": "cpu", "progress": False}
    first = train(small(), **settings)
    path = record_files(tmp_path)[0].with_suffix(".pt")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match="damaged") as error:
        load_run(path)
    assert one_sentence(error)
    assert_same_run(first, train(small(), **settings))
    assert load_run(path)[0].metrics == first.metrics


def test_runs_are_read_while_a_checkpoint_folder_disappears(
    made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (going := folder / "avca-seed7-000000000000").mkdir()
    scandir = os.scandir

    def removed_first(path: str | Path) -> Any:
        if Path(path) == going:
            going.rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", removed_first)
    assert record_files(folder)
    assert not going.exists()


def test_nothing_in_a_folder_of_runs_is_unpickled_freely(made: Path, folder: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return Path.touch, (folder / "PWNED",)

    for path in record_files(folder):
        with open(path.with_suffix(".pt"), "wb") as file:
            pickle.dump(Payload(), file, protocol=2)
        with pytest.raises(RunError, match="damaged"):
            load_run(path)
        path.write_bytes(pickle.dumps(Payload()))
        with pytest.raises(RunError, match="damaged"):
            read_record(path)
    assert not (folder / "PWNED").exists()


# --- damage ---


def edited(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text(path.read_text()[:-40]),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"HM"', b'"H\xff"')),
        lambda path: edited(path, HM=0.99),
        lambda path: edited(path, per_class={}),
        lambda path: edited(path, digest=None),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text('{"name": "someone else\'s"}'),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.rename(path.with_name("avca-seed9-0123456789ab.json")),
    ],
    ids=["cut", "bytes", "metric", "details", "digest", "list", "foreign", "deep", "renamed"],
)
def test_a_record_that_is_not_as_it_was_written_is_named(spoil: Callable[[Path], Any], folder: Path) -> None:
    path = record_files(folder)[2]
    spoil(path)
    with pytest.raises(RunError, match=r"seed\d-[0-9a-f]+\.json is damaged, was edited") as error:
        load_runs(folder)
    assert one_sentence(error)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs of Figure 3 and their networks."""
    folder = tmp_path_factory.mktemp("kept")
    assert tiny_grid(folder, tiny_jobs((0,), "figure3")).failed == []
    return folder


READERS = {
    "load_run": lambda path: load_run(path),
    "evaluate": lambda path: command("evaluate", path),
    "delta": lambda path: command("delta", "--data", "simulated:small", "--run", path),
    "figure": lambda path: draw(
        "figure3", path.parents[1], small(), recipe=tiny_recipe(), device="cpu", out=path.parent
    ),
}
TABLES = {
    "load_runs": lambda path: load_runs(path.parents[1]),
    "table": lambda path: command("table", "1", "--folder", path.parents[1]),
}


def command(*arguments: Any) -> None:
    cli.cli.main(list(map(str, arguments)), standalone_mode=False)


@pytest.mark.parametrize("read", (READERS | TABLES).values(), ids=READERS | TABLES)
def test_every_reader_of_a_record_refuses_an_edited_one(
    read: Callable[[Path], Any], kept: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(kept, tmp_path / "runs"))
    path = next(path for path in record_files(folder) if path.name.startswith("avca"))
    edited(path, HM=0.99)
    with pytest.raises(RunError, match=r"avca.*\.json is damaged, was edited") as error:
        read(path)
    assert one_sentence(error)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_every_reader_of_a_network_refuses_a_flipped_bit(
    read: Callable[[Path], Any], kept: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(kept, tmp_path / "runs"))
    path = next(path for path in record_files(folder) if path.name.startswith("avca"))
    network = path.with_suffix(".pt")
    weights = load_run(path)[0].model.decode.out.weight.detach().numpy().tobytes()
    content = bytearray(network.read_bytes())
    content[content.index(weights) + 5] ^= 8
    network.write_bytes(content)
    with pytest.raises(RunError, match=r"avca.*\.pt is damaged") as error:
        read(path)
    assert one_sentence(error)


def test_an_edited_record_of_eszsl_is_computed_again_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = eszsl_record(small(), tmp_path)
    assert eszsl_record(small(), tmp_path) == record
    assert caplog.messages == []
    path = run_path(tmp_path, small(), None)
    edited(path, HM=0.99)
    assert eszsl_record(small(), tmp_path)["HM"] == record["HM"]
    (line,) = caplog.messages
    assert line.startswith(f"{path} is damaged, was edited")
    assert read_record(path)["HM"] == record["HM"]


@pytest.mark.parametrize(
    "change",
    [
        {"beta": None}, {"HM": "high"}, {"HM": float("nan")}, {"seed": 10**400}, {"seed": 10**30}, {"method": 3},
        {"epochs": [{"HM": 1}]}, {"epochs": [3]}, {"epochs": {}}, {"per_class": []}, {"config": 5}, {"loaded_as": "/etc"},
        {"simulated": "yes"}, {"cpu": ["a"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_record_of_another_shape_is_refused_even_with_its_digest(
    change: dict[str, Any], made: Path, tmp_path: Path
) -> None:
    path = record_files(made)[0]
    record = read_record(path) | change
    path = tmp_path / path.name
    path.write_text(json.dumps({**record, "digest": content_digest(record)}))
    with pytest.raises(RunError, match="is not a run of hypav") as error:
        read_record(path)
    assert one_sentence(error)


@pytest.mark.parametrize("change", [{"best_epoch": 99}, {"config": {}}, {"config": {"network": 5}}], ids=str)
def test_a_run_of_another_version_has_no_network_here(
    change: dict[str, Any], kept: Path, tmp_path: Path
) -> None:
    path = record_files(kept)[0]
    shutil.copyfile(path.with_suffix(".pt"), tmp_path / f"{path.stem}.pt")
    runs.write_record(tmp_path / path.name, read_record(path) | change)
    with pytest.raises(RunError, match="another version of hypav") as error:
        load_run(tmp_path / path.name)
    assert one_sentence(error)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("network", {"hidden_enc": 10**9}),
        ("network", {"dim_phi": 10**30}),
        ("alignment", {"curvatures": {"N_c": 10**9, "c_0": -0.4}}),
    ],
)
def test_sizes_that_a_network_claims_are_not_allocated(
    part: str, change: dict[str, Any], kept: Path, tmp_path: Path
) -> None:
    """A billion units in the record and in the file, with right digests."""
    path = record_files(kept)[-1]
    record, network = read_record(path), load_checked(path.with_suffix(".pt"))
    for config in (record["config"], network["config"]):
        config[part] |= change
    runs.write_record(tmp_path / path.name, record)
    save_checked(tmp_path / f"{path.stem}.pt", network)
    with pytest.raises(RunError, match="is not a network of hypav") as error:
        load_run(tmp_path / path.name)
    assert one_sentence(error)


# --- what a run removes ---


def test_a_run_removes_only_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder for checkpoints is a link, or holds other files; a grid that finds the finished run is as careful."""
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0.0)
    one, two, *_ = tiny_jobs()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    foreign = {".notes.tmp", "my-checkpoint.txt"}
    for job, place in ((one, elsewhere), (two, None)):
        checkpoints = run_path(tmp_path / "runs", small(), job.config).with_suffix("")
        checkpoints.parent.mkdir(parents=True, exist_ok=True)
        if place is None:
            checkpoints.mkdir()
        else:
            checkpoints.symlink_to(place, target_is_directory=True)
        for name in foreign:
            (checkpoints / name).write_text("mine")
        for _ in range(2):
            assert tiny_grid(tmp_path / "runs", [job]).failed == []
            assert {path.name for path in checkpoints.iterdir()} == foreign
        assert checkpoints.is_symlink() == (place is not None)
    (elsewhere / "checkpoint.pt").write_text("of another program")
    tiny_grid(tmp_path / "runs", [one])
    assert (elsewhere / "checkpoint.pt").read_text() == "of another program"


def test_a_foreign_checkpoint_is_refused_and_kept(tmp_path: Path) -> None:
    (job, *_) = tiny_jobs()
    checkpoints = run_path(tmp_path, small(), job.config).with_suffix("")
    checkpoints.mkdir(parents=True)
    (checkpoints / "checkpoint.pt").write_text("of another program")
    (line,) = tiny_grid(tmp_path, [job]).failed
    assert "is damaged or not a file of hypav" in line
    assert (checkpoints / "checkpoint.pt").read_text() == "of another program"


def test_files_that_are_not_named_as_runs_are_left_alone(folder: Path) -> None:
    (folder / "notes.json").write_text("not JSON")
    (record_files(folder)[0].parent / "notes-seed.json").write_text("{}")
    assert len(load_runs(folder)) == 8


# --- tables of runs in files ---


def test_a_table_of_runs_comes_back_from_csv(made: Path, tmp_path: Path) -> None:
    table = load_runs(made)
    table.to_csv(tmp_path / "runs.csv", index=False)
    pd.testing.assert_frame_equal(load_runs(tmp_path / "runs.csv"), table)


@pytest.mark.parametrize(
    ("text", "match"), [("", "not a table of runs"), ("a,b\n1,2\n", "lacks columns"), (None, "no runs in")]
)
def test_a_file_that_is_not_a_table_of_runs(text: str | None, match: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(RunError, match=match) as error:
        load_runs(tmp_path / "runs.csv")
    assert one_sentence(error)


@pytest.mark.parametrize(
    "change",
    [
        {"HM": "1.5"},
        {"S": "-0.1"},
        {"weight": "inf"},
        {"seed": ""},
        {"seed": "1e99"},
        {"seed": "0.5"},
        {"HM": "high"},
    ],
    ids=str,
)
def test_a_table_with_impossible_numbers_is_refused(
    change: dict[str, str], made: Path, tmp_path: Path
) -> None:
    table = load_runs(made).astype(str)
    for name, value in change.items():
        table.loc[2, name] = value
    table.to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(RunError, match=r"runs\.csv is not a table of runs") as error:
        load_runs(tmp_path / "runs.csv")
    assert one_sentence(error)


def test_a_table_of_runs_from_another_program_is_read(made: Path, tmp_path: Path) -> None:
    """A spreadsheet writes a byte-order mark and Windows line ends."""
    table = load_runs(made)
    text = table.to_csv(index=False, lineterminator="\r\n")
    (tmp_path / "runs.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    pd.testing.assert_frame_equal(load_runs(tmp_path / "runs.csv"), table)


def test_a_table_of_runs_is_a_file_and_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", None)
    with pytest.raises(RunError, match="no runs in"):
        load_runs("http://127.0.0.1/runs.csv")
    os.mkfifo(tmp_path / "runs.csv")
    with pytest.raises(RunError, match=r"Cannot read .*not a regular file"):
        load_runs(tmp_path / "runs.csv")


def test_the_recorded_runs_of_the_course_are_read() -> None:
    table = load_runs(Path(__file__).parents[1] / "notebooks" / "results" / "course_runs.csv")
    assert len(table) > 2000
    assert table["pull"].isna().all()
    assert {"printed", "curved"} <= set(table["preset"])
    assert table.loc[table["method"] != "ESZSL", "val_HM"].between(0, 1).all()


def test_eszsl_stands_next_to_every_recipe(folder: Path) -> None:
    record = eszsl_record(small(), folder)
    other = tiny_jobs((0,), epochs=1)[0]
    tiny_grid(folder, [other])
    table = load_runs(folder)
    linear = table[table["method"] == "ESZSL"]
    assert set(linear["recipe"]) == {"tiny", other.recipe.name}
    assert set(linear["HM"]) == {record["HM"]}
    with pytest.raises(RunError, match="no network"):
        load_run(run_path(folder, small(), None))
