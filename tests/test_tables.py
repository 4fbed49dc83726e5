"""The paper's tables next to our runs, in every format; and the page that quotes them."""

from __future__ import annotations

import csv
import io
import re
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from table_helpers import REAL, UCF, run, runs_with

from hypav.errors import RunError, SettingError
from hypav.experiments import effects
from hypav.experiments.configs import TABLES, Row, table_rows
from hypav.experiments.contrasts import forest, planned
from hypav.experiments.effects import course_runs, results_path
from hypav.experiments.evidence import further_runs, one_processor, recorded_runs
from hypav.experiments.paper import paper_tables, reported
from hypav.experiments.report import evidence_text
from hypav.experiments.runs import frame
from hypav.experiments.tables import (
    FORMATS,
    as_text,
    caption,
    course_tables,
    csv_text,
    number,
    overview,
    paper_table,
    processors,
    to_text,
)
from hypav.stats import detectable_difference, t_interval

OFFSETS = (0.010, 0.031, -0.004, 0.022)  # of Hyper-alignment over AVCA, per seed
NASTY = 'a|b $c$ & <script>"x"</script>\n*d* 50 %_{\\e}'


def HM(row: Row, seed: int) -> float:
    return 0.30 + 0.01 * seed + (OFFSETS[seed] if row.alignment is not None else 0)


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    """Every table under `printed`, four seeds."""
    return runs_with(HM)


def table(
    runs: pd.DataFrame, name: str = "table1", preset: str = "printed", weight: float = 1.0
) -> pd.DataFrame:
    return paper_table(name, runs, preset=preset, weight=weight)


# --- what the paper reports ---


def test_every_number_of_the_papers_tables_is_in_reported() -> None:
    def numbers(value: object) -> list[float]:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [value] if isinstance(value, float) else [n for part in parts for n in numbers(part)]

    keys = [(f"{d}-GZSL", f) for d in ("VGGSound", "UCF", "ActivityNet") for f in ("main", "cls")]
    for name in TABLES:
        sets = {reported(name, key).key: reported(name, key) for key in keys}
        found = [v for one in sets.values() for values in one.rows.values() for v in values.values()]
        assert sorted(found) == sorted(
            n for k, v in paper_tables().items() if k.startswith(name) for n in numbers(v)
        )


# --- numbers ---


def test_a_row_by_hand(runs: pd.DataFrame) -> None:
    row = table(runs).loc["Hyper-alignment"]
    values = [100 * (0.30 + 0.01 * seed + OFFSETS[seed]) for seed in range(4)]
    points = [100 * offset for offset in OFFSETS]
    assert (row["HM"], row["HM ±"]) == pytest.approx((t_interval(values).mean, t_interval(values).half))
    assert (row["S"], row["S ±"]) == pytest.approx((50, 0))
    assert row["HM - AVCA"] == pytest.approx(t_interval(points).mean)
    assert row["HM - AVCA ±"] == pytest.approx(t_interval(points).half)
    assert row["80 % power for"] == pytest.approx(detectable_difference(points))
    assert row[["paper S", "paper U", "paper HM", "paper ZSL"]].tolist() == [57.28, 17.83, 27.19, 19.02]
    assert row["n"] == 4


def test_every_table_has_the_papers_rows(runs: pd.DataFrame) -> None:
    for name in TABLES:
        assert table(runs, name).index.tolist() == list(reported(name, UCF).rows)
    assert "delta_rel" in table(runs, "table7")


def test_prior_work_and_other_losses_are_not_run(runs: pd.DataFrame) -> None:
    text = as_text(table(runs, preset="curved"))
    assert (text.loc[["CJME", "Hyper-single"], ["S", "U", "HM", "ZSL"]] == "not run").all(axis=None)
    assert text.loc["AVCA", "HM"].startswith("31.5 ±")
    assert not as_text(table(runs))["HM - AVCA"].str.contains("not run").any()
    assert as_text(table(runs.iloc[:0])).loc["AVCA", "HM"] == "not run"


def test_eszsl_is_compared_with_every_run_of_avca(runs: pd.DataFrame) -> None:
    avca = table_rows("table1", UCF, "printed", 1.0)[0]
    with_linear = pd.concat([runs, frame([run(avca, 0, method="ESZSL", HM=0.66)])])
    row = table(with_linear).loc["ESZSL"]
    assert (row["n"], row["HM"]) == (1, pytest.approx(66))
    assert row["HM - AVCA"] == pytest.approx(66 - 31.5)
    assert row["HM - AVCA ±"] > 0
    assert overview("table1", with_linear).loc["ESZSL"].tolist() == ["", "66.0 (+34.5*)"]


def test_delta_rel_is_next_to_that_of_noise() -> None:
    rows = table_rows("table7", UCF, "printed", 1.0)
    noise = {"delta_rel": 0.26, "delta_noise": 0.34, "delta_covariance": 0.30}
    text = as_text(table(frame([run(row, seed, **noise) for row in rows for seed in range(3)]), "table7"))
    assert text.loc["AVCA", ["delta_rel", "delta_noise", "delta_covariance"]].tolist() == [
        "0.260 ± 0.000", "0.340 ± 0.000", "0.300 ± 0.000",
    ]  # fmt: skip


def test_the_overview_has_a_column_per_case_and_stars(runs: pd.DataFrame) -> None:
    both = pd.concat([runs, runs_with(lambda row, seed: HM(row, seed), presets=("curved",), seeds=range(3))])
    text = overview("table1", both)
    assert list(text) == ["paper HM", "printed, weight 1", "curved, weight 1"]
    assert text.loc["AVCA", "printed, weight 1"] == "31.5 (–)"
    assert "n 3" in text.loc["Hyper-single", "curved, weight 1"]
    shifted = runs_with(
        lambda row, seed: 0.3 + 0.001 * seed + 0.02 * (row.label == "Hyper-single") * (1 + 0.1 * seed)
    )
    assert overview("table1", shifted).loc["Hyper-single", "printed, weight 1"].endswith("*)")


def test_runs_of_two_sets_are_refused(runs: pd.DataFrame) -> None:
    with pytest.raises(SettingError, match="several sets"):
        table(pd.concat([runs, runs_with(HM, tables=("table1",), **REAL)]))


def test_a_number_for_a_reader() -> None:
    assert [number(v, 1, True) for v in (0.04, -0.04, -1.25, 2.0)] == ["0.0", "0.0", "−1.2", "+2.0"]
    assert (number(34.52, half=2.61), number(None), number(0.5, half=float("nan"))) == (
        "34.5 ± 2.6",
        "",
        "0.5",
    )


# --- formats ---


def test_every_format_says_what_the_numbers_are_of(runs: pd.DataFrame) -> None:
    about = caption(table(runs))
    assert about.startswith("Table 1")
    for part in ("SIMULATED", "printed, weight 1", "recipe course", "c0de", "UCF-GZSL (main)"):
        assert part in about
        for form in FORMATS:
            assert part in to_text(table(runs), form).replace(r"\_", "_")
    with pytest.raises(SettingError, match="'pdf'"):
        to_text(table(runs), "pdf")


def test_csv_holds_the_numbers_in_full(runs: pd.DataFrame) -> None:
    rows = list(csv.DictReader(io.StringIO(to_text(table(runs), "csv"))))
    assert [float(r["HM"]) for r in rows[2:]] == table(runs)["HM"].iloc[2:].tolist()
    assert (rows[0]["row"], rows[0]["HM"]) == ("CJME", "")


def test_names_break_no_format() -> None:
    nasty = table(runs_with(HM, tables=("table1",), data=NASTY))
    width = 1 + 4 + 4 + 3
    lines = [line for line in to_text(nasty).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 6
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {width + 1}
    named = pd.DataFrame({NASTY: [NASTY], "b": ["x"]})
    body = [line for line in to_text(named).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in body} == {3}
    page = BeautifulSoup(to_text(nasty, "html"), "html.parser")
    assert page.find("script") is None
    assert "<script>" in page.caption.text
    assert {len(tr.find_all(["td", "th"])) for tr in page.find_all("tr")} == {width}
    latex = to_text(nasty, "latex").splitlines()
    assert latex[0].startswith("% ")
    assert latex[1].startswith(r"\begin{tabular}")
    assert latex[-1] == r"\end{tabular}"
    assert not re.search(r"(?<!\\)[_%#]", "\n".join(latex[1:]))
    assert len(list(csv.reader(io.StringIO(to_text(nasty, "csv"))))) == 1 + 6


def test_no_cell_of_a_csv_is_a_formula() -> None:
    cells = ["=1+1", "+x", "-x", "@x", "-0.5", "E+S", "a\nb"]
    read = pd.read_csv(io.StringIO(csv_text(pd.DataFrame({"a": cells, "n": [-0.25] * len(cells)}))))
    assert read["a"].tolist() == ["'=1+1", "'+x", "'-x", "'@x", "-0.5", "E+S", "a\nb"]
    assert read["n"].tolist() == [-0.25] * len(cells)


def test_text_of_some_rows_has_no_column_for_their_numbers(runs: pd.DataFrame) -> None:
    some = effects.effects(effects.differences(runs)).iloc[[2, 0]]
    assert as_text(some).index.tolist() == [0, 1]
    assert as_text(some)["row"].tolist() == ["Hyper-multiple", "Hyper-alignment"]


# --- the recorded runs and the page that quotes them ---


def test_the_recorded_runs_are_missed_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects.hypav, "__file__", str(tmp_path / "hypav" / "__init__.py"))
    with pytest.raises(RunError, match="recorded runs"):
        results_path()


def test_processors_are_compared_run_by_run() -> None:
    means, ranges = processors(results_path())
    assert means["runs"].tolist() == [31] * 3
    assert ranges.iloc[0].round(1).tolist() == [3.2, 3.6, 6.5]


def same_but_for_the_last_digit(stored: str, fresh: str) -> None:
    """Assert that two generated pages are equal but for last digits, which another processor may round differently."""
    number_in = re.compile(r"\d+(?:\.\d+)?")
    pairs = list(zip(stored.splitlines(), fresh.splitlines(), strict=True))
    for old, new in pairs:
        assert number_in.sub("#", old) == number_in.sub("#", new)
        for a, b in zip(number_in.findall(old), number_in.findall(new), strict=True):
            assert abs(float(a) - float(b)) <= 1.01 * 10 ** -len(a.partition(".")[2]), (old, new)


@pytest.mark.long
def test_the_page_of_tables_is_what_the_recorded_runs_give() -> None:
    stored = (results_path() / "tables.md").read_text(encoding="utf-8")
    same_but_for_the_last_digit(stored, course_tables(course_runs()))


@pytest.mark.long
def test_the_appendix_is_what_the_runs_of_the_page_give() -> None:
    stored = (results_path() / "evidence.md").read_text(encoding="utf-8")
    same_but_for_the_last_digit(stored, evidence_text(recorded_runs(), further_runs()))


# numbers on the pages that are in no table
ELSEWHERE = {
    "RESULTS.md": {
        "1716": "the ways to choose 6 of 13 rows",
        "197": "the classes of the larger real set",
        "1800": "steps a stage of the recipe yt8m-mini: 12 epochs of 150 batches",
        "25000": "steps a stage of the released scripts: 50 epochs of 500 batches",
        "50": "epochs of the released scripts",
    },
    "results/appendix.md": {
        "50000": "steps of the released scripts: 2 stages of 50 epochs of 500 batches",
        "0.00004": "half of 2^-14, the rounding of the simulated features, is below it",
    },
}


def numbers_that_no_table_has(text: str) -> set[str]:
    """Numbers are digits with an optional decimal part. Code and the targets and texts of links are left out."""
    text = re.sub(r"```.*?```|`[^`]*`|!?\[[^\]]*\]\([^)]*\)", " ", text.replace("−", "-"), flags=re.DOTALL)
    paper = files("hypav.experiments").joinpath("paper_tables.json").read_text(encoding="utf-8")
    tables = "".join(
        (results_path() / name).read_text(encoding="utf-8") for name in ("tables.md", "evidence.md")
    )
    known = set(re.findall(r"\d+(?:\.\d+)?", tables.replace("−", "-") + paper))
    quoted = re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)", text)
    assert len(quoted) > 50
    return {n for n in quoted if n not in known}


@pytest.mark.parametrize("page", ELSEWHERE)
def test_every_number_of_the_results_is_in_a_table(page: str) -> None:
    text = (results_path().parent / page).read_text(encoding="utf-8")
    assert numbers_that_no_table_has(text) == set(ELSEWHERE[page])


def test_the_table_in_the_readme_is_that_of_the_recorded_runs() -> None:
    readme = (results_path().parents[1] / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## Results\n")[2].partition("\n## ")[0]
    assert numbers_that_no_table_has(section) == set()
    table = forest(one_processor(recorded_runs())).set_index(["data", "row"])
    names = {
        "ESZSL": "linear (ESZSL)", "AVCA with": "AVCA-skip", "AVCA |": "AVCA", "Hyper-alignment": "printed, weight 1",
        "the same": "printed, pull 0.1", "a loss": "curved, pull 0.1, k<0",
    }  # fmt: skip
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(lines) == len(names)
    for line, (start, row) in zip(lines, names.items(), strict=True):
        assert line.startswith(f"| {start}")
        values = [cell.strip() for cell in line.split("|")[2:6]]
        for i, data in enumerate(("SIMULATED (UCF-GZSL counts)", "YT8M-GZSL (mini)")):
            found = table.loc[(data, row)]
            assert values[2 * i] == number(found["HM"], half=found["HM ±"])
            if row != "AVCA":
                assert values[2 * i + 1] == number(
                    found["difference"], signed=True, half=found["difference ±"]
                )


def test_the_results_are_one_page_with_the_linear_reference_in_their_first_sentence() -> None:
    page = (results_path().parent / "RESULTS.md").read_text(encoding="utf-8")
    first = page.partition("\n\n")[2].partition(". ")[0]
    assert "ESZSL" in first
    assert len(page.split()) < 1200
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert target.startswith("http") or (results_path().parent / target).exists(), target


def test_numbers_of_the_page_are_lines_of_pandas() -> None:
    """Without hypav, as the appendix shows it."""
    runs = pd.read_csv(results_path() / "runs.csv")
    recorded = one_processor(recorded_runs())
    table, found = forest(recorded).set_index(["data", "row"]), planned(recorded).set_index(["data", "test"])
    trained = runs[~runs.replicate & runs.recipe.isin(["course", "yt8m-mini-course"])]
    assert trained.data.nunique() == 2
    for data, here in trained.groupby("data"):
        wide = 100 * here.pivot_table(index="seed", columns="cell", values="HM")
        assert table.loc[(data, "AVCA"), "HM"] == pytest.approx(wide["AVCA"].mean(), abs=1e-3)
        printed = wide["printed, pull 0.1"] - wide["AVCA"]
        assert table.loc[(data, "printed, pull 0.1"), "difference"] == pytest.approx(printed.mean(), abs=1e-3)
        grid = here[(here.cell == "curved, pull 0.1") & here.k.notna()]
        grid = 100 * grid.pivot_table(index="seed", columns="k", values="HM").dropna()
        below, rest = grid.loc[:, grid.columns < 0], grid.loc[:, grid.columns >= 0]
        apart = (below.mean(axis=1) - rest.mean(axis=1)).mean()
        assert found.loc[(data, "k<0 minus the rest"), "difference"] == pytest.approx(apart, abs=1e-3)
