"""A table shows what runs gave and nothing else: by hand, from the real grid, and with numbers planted everywhere."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from dataclasses import astuple, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from table_helpers import COURSE, REAL, UCF, filled, record
from training_helpers import small

from hypav.alignment import PRESETS
from hypav.cli import cli
from hypav.data.yt8m import YT8M_NAME
from hypav.errors import DataError, RunError, SettingError
from hypav.experiments.database import MEMORY
from hypav.experiments.measures import NUMERICS_VERSION
from hypav.experiments.paper import paper_tables, reported
from hypav.experiments.recipes import RECIPES
from hypav.experiments.sets import SetId, sets_in
from hypav.experiments.store import Store
from hypav.experiments.suite import TABLES, Entry, entries
from hypav.experiments.table_text import FORMATS, NOT_RUN, render
from hypav.experiments.table_view import Row, TableView, table_view, verify
from hypav.stats import Interval, paired_difference, seeds_needed, t_interval

SEEDS = range(4)
OFFSETS = (0.010, 0.031, -0.004, 0.022)  # of Hyper-alignment over AVCA, a seed each


def HM(entry: Entry, seed: int) -> float:
    base = 0.30 + 0.01 * seed
    return base if entry.alignment is None else base + OFFSETS[seed] * (1 + 0.1 * len(entry.row))


def show(store: Store, table: str = "table1", **changes: object) -> TableView:
    settings = {"data": UCF, "preset": "paper", "weight": 1.0, "recipe": COURSE, **changes}
    return table_view(table, store, **settings)  # type: ignore[arg-type]


def row(view: TableView, label: str) -> Row:
    return next(own for own in view.rows if own.label == label)


@pytest.fixture(scope="module")
def store() -> Store:
    """Every table under `paper`, four seeds; nobody writes to it."""
    return filled(MEMORY, HM)


# --- what the paper reports ---


def test_every_number_of_the_papers_tables_stands_in_reported() -> None:
    def numbers(value: object) -> list[float]:
        if isinstance(value, dict):
            return [n for part in value.values() for n in numbers(part)]
        if isinstance(value, list):
            return [n for part in value for n in numbers(part)]
        return [value] if isinstance(value, float) else []

    keys = [(f"{d}-GZSL", f) for d in ("VGGSound", "UCF", "ActivityNet") for f in ("main", "cls")]
    for table in TABLES:
        told = [part for name, part in paper_tables().items() if name.startswith(table)]
        found = {reported(table, key).key: reported(table, key) for key in keys}
        assert all(own.key == key for key, own in found.items())
        assert sorted(numbers(told)) == sorted(
            v for own in found.values() for values in own.rows.values() for v in values.values()
        )


def test_a_set_that_a_table_does_not_report_gets_the_nearest() -> None:
    for table, key, nearest in [
        ("table1", ("UCF-GZSL", "cls"), ("UCF-GZSL", "main")),
        ("table3", ("UCF-GZSL", "main"), ("UCF-GZSL", "cls")),
        ("table5", ("UCF-GZSL", "cls"), ("VGGSound-GZSL", "cls")),
        ("table7", ("UCF-GZSL", "cls"), ("ActivityNet-GZSL", "cls")),
        ("table1", None, ("UCF-GZSL", "main")),
        ("table7", None, ("VGGSound-GZSL", "main")),
    ]:
        assert reported(table, key).key == nearest


# --- the numbers ---


def test_a_row_by_hand(store: Store) -> None:
    view = show(store)
    assert [own.label for own in view.rows] == [
        "CJME", "AVGZSLNet", "AVCA", "Hyper-alignment", "Hyper-single", "Hyper-multiple",
    ]  # fmt: skip
    own = row(view, "Hyper-alignment")
    entry = entries("table1", UCF.key, "paper", 1.0)[1]
    values = [100 * HM(entry, seed) for seed in SEEDS]
    base = [100 * (0.30 + 0.01 * seed) for seed in SEEDS]
    assert own.ours["HM"].interval == t_interval(values)
    assert own.ours["S"].interval == Interval(50.0, 50.0, 50.0, 4)
    assert own.difference is not None
    assert own.difference.interval == paired_difference(
        values, base, generator=torch.Generator().manual_seed(0)
    )
    assert own.difference.values == pytest.approx([100 * OFFSETS[s] * 2.5 for s in SEEDS])
    assert own.seeds_needed == seeds_needed(own.difference.values)
    assert own.n == 4
    assert own.paper == {"S": 57.28, "U": 17.83, "HM": 27.19, "ZSL": 19.02}
    assert own.ours["HM"].keys == tuple(record(entry, seed).key for seed in SEEDS)
    assert row(view, "AVCA").difference is None
    assert row(view, "CJME").ours == {}
    assert view.seeds == (0, 1, 2, 3)


def test_every_table_has_all_its_rows_and_passes_its_own_check(store: Store) -> None:
    for table in TABLES:
        view = show(store, table)
        assert [own.label for own in view.rows] == list(reported(table, UCF.key).rows)
        assert all(own.ours for own in view.rows if own.entry is not None)
        verify(view, store)
        assert view.compared == ("delta_rel" if table == "table7" else "HM")
        assert len(view.keys) == 4 * sum(own.entry is not None for own in view.rows)


def test_only_the_asked_preset_weight_recipe_set_and_seeds_count(store: Store) -> None:
    for other in ({"preset": "curved"}, {"weight": 0.5}, {"recipe": RECIPES["ucf-main"]}, {"data": REAL}):
        view = show(store, **other)
        assert row(view, "Hyper-alignment").ours == {}
        assert bool(row(view, "AVCA").ours) == (not {"recipe", "data"} & set(other))
    view = show(store, seeds=(1, 3, 9))
    assert row(view, "Hyper-single").n == 2
    assert view.seeds == (1, 3)


def test_differences_take_the_seeds_that_both_have() -> None:
    store = filled(MEMORY, HM, tables=["table1"], seeds=[0, 1])
    for seed in (2, 3):
        store.add(record(entries("table1", UCF.key, "paper", 1.0)[1], seed))
    own = row(show(store), "Hyper-alignment")
    assert own.ours["HM"].interval.n == 4
    assert own.difference is not None
    assert own.difference.interval.n == 2
    verify(show(store), store)


def test_one_seed_has_no_interval_and_an_equal_run_says_so() -> None:
    store = filled(MEMORY, lambda entry, seed: 0.3, tables=["table1"], seeds=[0])
    view = show(store)
    text = render(view, store, "markdown")
    line = next(line for line in text.splitlines() if line.startswith("| Hyper-single"))
    assert [cell.strip() for cell in line.split("|")[8:-1]] == ["30.0", "30.0", "0, equal", "-", "1"]


def test_the_sets_of_a_store_are_known_without_the_data() -> None:
    store = filled(MEMORY, HM, tables=["table7"])
    for entry in entries("table7", None, "paper", 1.0):
        store.add(record(entry, 0, REAL, delta_rel=0.303))
    assert set(sets_in(store)) == {UCF, REAL}
    view = show(store, "table7", data=REAL)
    assert not view.comparable
    assert row(view, "AVCA").ours["delta_rel"].interval.mean == pytest.approx(0.303)


def test_runs_without_delta_rel_are_not_in_table_7() -> None:
    store = filled(MEMORY, HM, tables=["table1"])
    assert row(show(store, "table7"), "AVCA").ours == {}


def test_only_the_papers_own_set_is_comparable(store: Store) -> None:
    real = replace(UCF, simulated=False)
    assert show(store, data=real).comparable
    assert not show(store, "table2", data=real).comparable
    assert not show(store).comparable
    assert "cannot be compared" in render(show(store), store, "markdown")
    assert "cannot be compared" not in render(show(store, data=real), store, "markdown")


def test_unknown_tables_and_formats_are_one_sentence(store: Store) -> None:
    with pytest.raises(SettingError, match="no table 'table8'"):
        show(store, "table8")
    with pytest.raises(SettingError, match="no format 'pdf'; choose markdown"):
        render(show(store), store, "pdf")


# --- no number without a run ---


def planted(view: TableView, label: str, **changes: object) -> TableView:
    return replace(view, rows=tuple(replace(o, **changes) if o.label == label else o for o in view.rows))  # type: ignore[arg-type]


def changed(own: Row, how: str) -> dict[str, object]:
    number = own.ours["HM"]
    assert own.difference is not None
    interval = replace(number.interval, mean=number.interval.mean + 0.1)
    return {
        "mean": {"ours": {**own.ours, "HM": replace(number, interval=interval)}},
        "values": {"ours": {**own.ours, "HM": replace(number, values=(99.0,) * 4)}},
        "metric": {"ours": {**own.ours, "U": own.ours["S"]}},
        "difference": {
            "difference": replace(own.difference, interval=replace(own.difference.interval, low=0.5))
        },
        "fewer runs": {"ours": {**own.ours, "HM": replace(number, keys=number.keys[:3])}},
        "no run": {"ours": {**own.ours, "HM": replace(number, keys=())}},
        "unknown run": {"ours": {**own.ours, "HM": replace(number, keys=("beefbeefbeef", *number.keys[1:]))}},
        "other seeds": {"difference": replace(own.difference, against=own.difference.against[::-1])},
    }[how]  # type: ignore[return-value]


def test_a_cell_changed_by_hand_is_refused(store: Store) -> None:
    view = show(store)
    own = row(view, "Hyper-single")
    for how in (
        "mean",
        "values",
        "metric",
        "difference",
        "fewer runs",
        "no run",
        "unknown run",
        "other seeds",
    ):
        with pytest.raises(RunError, match="Table 1, row Hyper-single: ") as error:
            verify(planted(view, "Hyper-single", **changed(own, how)), store)
        assert "\n" not in str(error.value), how
    for form in FORMATS:
        render(view, store, form)
        with pytest.raises(RunError, match="Table 1, row Hyper-single: "):
            render(planted(view, "Hyper-single", **changed(own, "mean")), store, form)


def test_numbers_of_another_row_are_refused(store: Store) -> None:
    view = show(store)
    with pytest.raises(RunError, match="is one of another row"):
        verify(planted(view, "Hyper-single", ours=row(view, "Hyper-multiple").ours), store)
    with pytest.raises(RunError, match="is one of another row"):
        verify(planted(view, "CJME", ours=row(view, "Hyper-multiple").ours), store)


def test_numbers_written_into_the_store_are_refused(tmp_path: Path) -> None:
    store = filled(tmp_path / "store.sqlite", HM, tables=["table1"])
    view = show(store)
    key = row(view, "Hyper-single").ours["HM"].keys[2]
    with sqlite3.connect(store.path) as raw:
        raw.execute("UPDATE runs SET HM = 0.99 WHERE key = ?", (key,))
    for later in (view, show(store)):  # a table from before, and one that finds a run less
        with pytest.raises(RunError, match=key) as error:
            render(later, store, "markdown")
        assert "\n" not in str(error.value)


def test_numbers_written_into_an_export_are_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    store.export_csv(path)
    text = path.read_text(encoding="utf-8")
    again = Store.from_csv(path)
    assert render(show(again), again, "csv") == render(show(store), store, "csv")
    value = repr(HM(entries("table1", UCF.key, "paper", 1.0)[1], 2))
    assert value in text
    path.write_text(text.replace(value, "0.9", 1), encoding="utf-8")
    with pytest.raises(RunError, match="digest does not fit"):
        Store.from_csv(path)


def test_a_damaged_record_stops_only_the_tables_that_would_show_it(tmp_path: Path) -> None:
    """One of another set, recipe or program is told of; no reproduce would ever bring it back."""
    data = SetId.of(small())
    path = tmp_path / "store.sqlite"
    filled(path, HM, data=data, tables=["table1"]).close()
    with Store(path) as store:
        other = record(entries("table1", None, "paper", 1.0)[0], 0, REAL)
        old = record(
            entries("table1", None, "paper", 1.0)[0], 9, data, key="old", code="0lder", created="2020"
        )
        for spoilt in (other, old):
            store._put("runs", astuple(replace(spoilt, HM=0.99)))
        assert set(store.damaged()) == {other.key, "old"}
        assert render(show(store, data=data), store, "markdown").count(NOT_RUN) == 2 * 4  # prior work
        with pytest.raises(RunError, match=rf"DELETE FROM runs WHERE key IN \('{other.key}'\)"):
            render(show(store, data=REAL), store, "markdown")
    run = CliRunner().invoke(cli, ["table", "1", "--data", "simulated:small", "--store", str(path)])
    assert run.exit_code == 0, run.output
    assert f"2 record(s) in {path} are damaged" in run.stderr
    assert other.key in run.stderr


# --- formats ---


def test_markdown_says_what_it_stands_on(store: Store) -> None:
    text = render(show(store, "table3"), store, "markdown")
    assert text.startswith("Table 3, curvature")
    assert "data: UCF-GZSL counts, SIMULATED\n" in text
    assert "preset: paper   weight: 1   recipe: course   seeds: 0, 1, 2, 3   runs: 56" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 2 + 14
    marked = replace(UCF, name="UCF")
    assert "data: UCF (SIMULATED)" in render(show(store, data=marked), store, "markdown")


def test_not_run_stands_where_nothing_ran(store: Store) -> None:
    for form in ("markdown", "latex", "html"):
        text = render(show(store, preset="curved"), store, form)
        assert text.count(NOT_RUN) == 4 * 5  # CJME, AVGZSLNet and the three modules
    rows = list(csv.DictReader(io.StringIO(render(show(store, preset="curved"), store, "csv"))))
    assert [own["state"] for own in rows] == [NOT_RUN] * 2 + ["run"] + [NOT_RUN] * 3


def test_csv_holds_the_numbers_themselves(store: Store) -> None:
    view = show(store, "table4")
    rows = list(csv.DictReader(io.StringIO(render(view, store, "csv"))))
    assert [own["row"] for own in rows] == ["AVCA", "E+E", "E+S", "E+H", "S+S", "S+H", "H+H"]
    for own, shown in zip(rows, view.rows, strict=True):
        assert float(own["HM_mean"]) == shown.ours["HM"].interval.mean
        assert own["runs"].split() == sorted(shown.ours["HM"].keys)
        assert (own["simulated"], own["comparable"], own["n"]) == ("1", "0", "4")
    assert rows[0]["difference"] == rows[0]["seeds_needed"] == ""
    assert int(rows[3]["seeds_needed"]) == view.rows[3].seeds_needed


def test_latex_compiles_by_its_brackets_and_escapes(store: Store) -> None:
    text = render(show(store, "table6"), store, "latex")
    assert r"phi\_att" in text
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert body[0].startswith(r"\begin{tabular}{l")
    assert body[-1] == r"\end{tabular}"
    columns = body[0].count("r") - len("tabular".replace("tabula", ""))
    assert all(line.count(" & ") == columns for line in body if line.endswith(r"\\"))
    assert not re.search(r"(?<!\\)[_%#&](?! )", "\n".join(body[2:]).replace(" & ", " "))


class Cells(HTMLParser):
    """What a browser would show: the text of each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.rows and self.rows[-1] and data.strip():
            self.rows[-1][-1] += data


def test_html_is_escaped_and_complete(store: Store) -> None:
    nasty = SetId("<script>alert(1)</script> & co", "digest-of-nasty", ("UCF-GZSL", "main"), True)
    other = filled(MEMORY, HM, data=nasty, tables=["table1"])
    found = Cells()
    found.feed(render(show(other, data=nasty), other, "html"))
    assert "script" not in found.tags
    assert "<script>alert(1)</script> & co (SIMULATED)" in found.text
    assert [cells[0] for cells in found.rows[1:]] == [own.label for own in show(store).rows]
    assert {len(cells) for cells in found.rows} == {1 + 4 + 4 + 3}


# --- what the runs stand on ---


def test_runs_of_another_program_are_named(store: Store) -> None:
    text = render(show(store), store, "markdown")
    assert "program: c0de" in text
    told = f"These runs are of another version of the program (c0de) than the one that prints them ({NUMERICS_VERSION})"
    for form in ("markdown", "latex", "html"):
        assert told in render(show(store), store, form).replace(r"\_", "_")
    own = Store(MEMORY)
    for entry in entries("table1", UCF.key, "paper", 1.0):
        own.add(record(entry, 0, code=NUMERICS_VERSION))
    text = render(show(own), own, "markdown")
    assert f"program: {NUMERICS_VERSION}" in text
    assert "another version" not in text


def test_the_curvatures_that_others_published_are_named(store: Store) -> None:
    told = "k of Hyper-alignment for UCF-GZSL (main), by who published it: paper -0.2, released -0.01, readme-2023 -0.15"
    for table in ("table1", "table3", "table7"):
        assert (told in render(show(store, table), store, "markdown")) == (table != "table7")


def test_noise_stands_beside_delta_rel() -> None:
    store = Store(MEMORY)
    for entry in entries("table7", UCF.key, "paper", 1.0):
        for seed in range(2):
            noises = {"delta_noise": 0.34 + 0.01 * seed, "delta_covariance": 0.30 + 0.01 * seed}
            store.add(record(entry, seed, delta_rel=0.26, **noises))
    view = show(store, "table7")
    own = row(view, "AVCA")
    assert own.ours["delta_noise"].interval.mean == pytest.approx(0.345)
    text = render(view, store, "markdown")
    line = [cell.strip() for cell in next(t for t in text.splitlines() if t.startswith("| AVCA")).split("|")]
    assert [cell.split(" ")[0] for cell in line[3:6]] == ["0.260", "0.345", "0.305"]
    assert "Beside each delta_rel stands that of Gaussian noise" in text
    (first, _) = csv.DictReader(io.StringIO(render(view, store, "csv")))
    assert float(first["delta_covariance_mean"]) == own.ours["delta_covariance"].interval.mean
    forged = replace(own.ours["delta_noise"], values=(0.9, 0.9))
    with pytest.raises(RunError, match="row AVCA"):
        render(planted(view, "AVCA", ours={**own.ours, "delta_noise": forged}), store, "markdown")


def test_where_no_noise_was_measured_that_of_the_same_size_is_told() -> None:
    store = filled(MEMORY, HM, tables=["table7"])
    text = render(show(store, "table7"), store, "markdown")
    assert re.search(r"1500 points of Gaussian noise in 64 dimensions have delta_rel 0\.3[34]\d", text)
    assert "of noise" not in text.split("\n\n")[1]


# --- the command ---


def test_the_command_shows_the_table_of_a_store_and_of_its_export(tmp_path: Path) -> None:
    data = SetId.of(small())
    store = filled(tmp_path / "store.sqlite", HM, data=data, tables=["table1"], weights=[1.0, 0.1])
    store.export_csv(tmp_path / "runs.csv")
    expected = render(show(store, data=data), store, "markdown")
    for name in ("store.sqlite", "runs.csv"):
        run = CliRunner().invoke(
            cli, ["table", "1", "--data", "simulated:small", "--store", str(tmp_path / name)]
        )
        assert run.exit_code == 0, run.output
        assert run.output == expected + "\n"
    to = tmp_path / "table.tex"
    options = ["--data", "simulated:small", "--store", str(tmp_path / "runs.csv"), "--weight", "0.1"]
    run = CliRunner().invoke(cli, ["table", "table1", *options, "--format", "latex", "--to", str(to)])
    assert run.output == f"Table 1 is in {to}.\n"
    assert "weight: 0.1" in to.read_text(encoding="utf-8")


def test_the_command_tells_of_other_data_under_the_same_name(tmp_path: Path) -> None:
    """The store of seed 0 asked for seed 1: what is printed says why nothing is there."""
    path = tmp_path / "store.sqlite"
    filled(path, HM, data=SetId.of(small()), tables=["table1"]).close()
    options = ["table", "1", "--store", str(path), "--data", "simulated:small", "--data-seed"]
    other = CliRunner().invoke(cli, [*options, "1"])
    assert other.exit_code == 0, other.output
    assert "The store also holds 16 runs on other data of the same name (SIMULATED (small))" in other.stderr
    assert (
        f"No run in {path} is one of this table's; the store holds runs on SIMULATED (small) (course)."
        in other.stderr
    )
    assert json.loads(CliRunner().invoke(cli, [*options, "1", "--json"]).stdout)["notes"]
    assert CliRunner().invoke(cli, [*options, "0"]).stderr == ""


def test_a_set_that_is_not_here_is_shown_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPAV_DATA", raising=False)
    mini = SetId(YT8M_NAME, "digest-of-mini", None, False)
    filled(MEMORY, HM, data=mini, recipe=RECIPES["yt8m-mini-course"], tables=["table1"]).export_csv(
        tmp_path / "runs.csv"
    )
    for name in ("yt8m-mini", YT8M_NAME):
        run = CliRunner().invoke(cli, ["table", "1", "--store", str(tmp_path / "runs.csv"), "--data", name])
        assert run.exit_code == 0, run.output
        assert f"data: {YT8M_NAME}\n" in run.stdout
        assert "seeds: 0, 1, 2, 3" in run.stdout
    run = CliRunner().invoke(cli, ["table", "1", "--store", str(tmp_path / "runs.csv"), "--data", "nowhere"])
    assert isinstance(run.exception, DataError)


def test_the_command_shows_the_weight_that_validation_chose(tmp_path: Path) -> None:
    data = SetId.of(small())
    store = filled(tmp_path / "store.sqlite", HM, data=data, tables=["table7"], weights=[1.0])
    for entry in entries("table7", data.key, "paper", 10.0)[1:]:
        for seed in range(3):
            store.add(record(entry, seed, data, val_HM=0.4))
    options = ["--data", "simulated:small", "--store", str(tmp_path / "store.sqlite"), "--weight"]
    assert "weight: 10 " in CliRunner().invoke(cli, ["table", "1", *options, "tuned"]).output


def test_the_command_gives_the_numbers_as_json(tmp_path: Path) -> None:
    data = SetId.of(small())
    store = filled(tmp_path / "store.sqlite", HM, data=data, tables=["table1"])
    options = ["--data", "simulated:small", "--store", str(tmp_path / "store.sqlite"), "--json"]
    told = json.loads(CliRunner().invoke(cli, ["table", "1", *options]).output)
    rows = {own["row"]: own for own in told["rows"]}
    own = row(show(store, data=data), "Hyper-single")
    assert own.difference is not None
    assert rows["Hyper-single"]["ours"]["HM"]["keys"] == list(own.ours["HM"].keys)
    assert rows["Hyper-single"]["difference"]["interval"]["mean"] == own.difference.interval.mean
    assert rows["CJME"]["ours"] == "not run"


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    Store(tmp_path / "store.sqlite").close()
    for arguments, told in (
        (["8"], "There is no table '8'; choose 1 to 7."),
        (["1", "--weight", "much"], "The weight 'much'"),
        (["1", "--weight", "nan"], "The weight 'nan' is neither a number from 0 up nor 'tuned'"),
        (["1", "--weight", "tuned"], "no runs with several weights"),
        (["1", "--store", "none.sqlite"], "no store"),
        (["abc", "--store", "none.sqlite"], "There is no table 'abc'; choose 1 to 7."),
    ):
        store = ["--store", str(tmp_path / "store.sqlite")] if "--store" not in arguments else []
        run = CliRunner().invoke(cli, ["table", "--data", "simulated:small", *store, *arguments])
        assert isinstance(run.exception, RunError | SettingError)
        assert told in str(run.exception)
        assert "\n" not in str(run.exception)


def test_the_presets_are_those_of_the_package() -> None:
    help_text = CliRunner().invoke(cli, ["table", "--help"]).output
    assert all(name in help_text for name in (*PRESETS, *FORMATS))
    assert json.dumps(list(FORMATS)) == '["markdown", "latex", "csv", "html"]'
