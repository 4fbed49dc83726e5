"""The results page: its numbers are the runs', its sentences follow its numbers, and so is the committed one."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from PIL import Image
from table_helpers import COURSE, REAL, UCF, filled, record

from hypav.cli import cli
from hypav.errors import DataError, RunError
from hypav.experiments.answers import (
    Case,
    CurvatureEffect,
    Effect,
    Tally,
    cases,
    corrected,
    curvature_effect,
    effects,
    enough_for_the_paper,
    tally,
)
from hypav.experiments.database import MEMORY
from hypav.experiments.recipes import RECIPES
from hypav.experiments.results_page import results_page
from hypav.experiments.results_tables import at_a_glance
from hypav.experiments.results_text import (
    alignment_sentences,
    chance_text,
    curvature_sentences,
    in_short,
    points,
    power_sentences,
)
from hypav.experiments.store import Store
from hypav.experiments.subjects import subjects
from hypav.experiments.suite import CURVATURES, TABLES, Entry, entries
from hypav.intervals import paired_p, t_quantile
from hypav.plots.spreads import plot_spreads
from hypav.spreads import Spreads

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CASE = Case(UCF, "paper", 1.0, False, COURSE)
SEEDS = range(8)


def base(seed: int) -> float:
    return 0.3 + 0.03 * Random(seed).gauss(0, 1)


def noise(entry: Entry, seed: int, size: float = 0.01) -> float:
    return size * Random(f"{entry.alignment} {entry.preset} {seed}").gauss(0, 1)


def noisy(entry: Entry, seed: int) -> float:
    """Alignment does nothing but scatter."""
    return base(seed) + (0 if entry.alignment is None else noise(entry, seed))


def helping(entry: Entry, seed: int) -> float:
    return base(seed) + (0 if entry.alignment is None else 0.05 + noise(entry, seed))


def harming(entry: Entry, seed: int) -> float:
    return base(seed) - (0 if entry.alignment is None else 0.05 + noise(entry, seed))


def curved(entry: Entry, seed: int) -> float:
    """Every curvature has its own level."""
    shift = 0.1 * Random(str(entry.alignment)).gauss(0, 1) if entry.table == "table3" else 0.0
    return base(seed) + (0 if entry.alignment is None else shift + noise(entry, seed, 0.005))


def made(HM: Callable[[Entry, int], float], tables: tuple[str, ...] = ("table1", "table3")) -> Store:
    return filled(MEMORY, HM, tables=tables, seeds=SEEDS)


def found(store: Store) -> list[Effect]:
    return effects(store, CASE)


# --- does alignment help ---


def test_effects_are_the_paired_differences() -> None:
    store = made(noisy)
    own = {effect.row: effect for effect in found(store)}
    assert list(own) == ["Hyper-alignment", "Hyper-single", "Hyper-multiple"]
    entry = entries("table1", UCF.key, "paper", 1.0)[2]
    differences = [100 * (noisy(entry, seed) - base(seed)) for seed in SEEDS]
    assert own["Hyper-single"].difference.values == pytest.approx(differences)
    assert own["Hyper-single"].p == pytest.approx(paired_p(differences))
    half = t_quantile(0.975, 7) * statistics.stdev(differences) / 8**0.5
    assert own["Hyper-single"].excludes_zero == (abs(statistics.mean(differences)) > half)


def test_the_tally_counts_both_sides() -> None:
    for HM, sides in ((helping, (3, 0)), (harming, (0, 3))):
        own = tally(found(made(HM)))
        assert own is not None
        assert (own.above, own.below, own.count, len(own.stand), own.n) == (*sides, 3, 3, (8, 8))
        assert own.least.difference.interval.mean <= own.most.difference.interval.mean
    assert tally([]) is None


def told(own: Tally | None) -> str:
    return " ".join(alignment_sentences(own))


def test_the_answer_on_alignment_follows_the_numbers() -> None:
    assert "the 95 % interval lies above 0 in 3 and below in 0" in told(tally(found(made(helping))))
    assert "What stands after Holm's correction: 3 better than AVCA (+" in told(tally(found(made(helping))))
    assert "What stands after Holm's correction: 3 worse than AVCA (−" in told(tally(found(made(harming))))
    own = tally(found(made(noisy)))
    assert own is not None
    assert "So alignment is not told apart from AVCA" in told(replace(own, above=0, below=0, stand=()))
    assert "a hint at most" in told(replace(own, above=1, below=0, stand=()))
    both = told(replace(own, stand=(own.least, own.most), above=1, below=1))
    assert ("1 better" in both) == (own.most.difference.interval.mean > 0)
    assert "chance alone would put it outside in 0.2" in told(own)  # .05 of three
    assert told(None).startswith("Not run")


def test_no_outcome_is_claimed_when_nothing_ran() -> None:
    store = filled(MEMORY, noisy, tables=["table1"], seeds=[0])
    assert effects(store, CASE) == []  # one seed is no comparison
    assert curvature_effect(store, CASE) is None
    assert curvature_sentences(None, "paper, weight 1") == [
        "paper, weight 1: not run, for Table 3 is not complete for two seeds."
    ]
    assert power_sentences(None, [], "x") == ["Not run, so nothing could be seen."]
    assert in_short([], [], []) == ["Nothing was run that answers either question."]


# --- does curvature matter ---


def effect_of(HM: Callable[[Entry, int], float]) -> CurvatureEffect:
    own = curvature_effect(made(HM), CASE)
    assert own is not None
    return own


def test_both_spreads_are_those_of_the_runs() -> None:
    own = effect_of(noisy)
    rows = [e for e in entries("table3", UCF.key, "paper", 1.0) if e.alignment is not None]
    HM = [[100 * noisy(e, seed) for seed in SEEDS] for e in rows]
    over_settings = statistics.mean(statistics.variance(column) for column in zip(*HM, strict=True)) ** 0.5
    over_seeds = statistics.mean(statistics.variance(line) for line in HM) ** 0.5
    assert (own.spreads.settings, own.spreads.seeds) == pytest.approx((over_settings, over_seeds))
    assert own.spreads.shape == (13, 8)
    assert own.means == pytest.approx(
        {str(k): statistics.mean(line) for k, line in zip(CURVATURES, HM, strict=True)}
    )
    assert (own.alike, own.runs) == (0, 12 * 8)


def test_only_seeds_that_every_curvature_has_count() -> None:
    store = made(noisy)
    entry = entries("table3", UCF.key, "paper", 1.0)[3]
    store.add(record(entry, 99, HM=0.9))
    own = curvature_effect(store, CASE)
    assert own is not None
    assert own.spreads.shape == (13, 8)


def test_the_answer_on_curvature_follows_the_numbers() -> None:
    nothing = " ".join(curvature_sentences(replace(effect_of(noisy), p=0.3), "x"))
    assert "moves it less than a seed does" in nothing
    assert "No curvature stands out" in nothing
    assert "None of 96 runs" in nothing
    strong = replace(effect_of(curved), stands=True)
    assert strong.p < 0.001
    much = " ".join(curvature_sentences(strong, "x"))
    assert "moves it more than a seed does" in much
    assert "has an effect that shuffling does not give (F = " in much
    assert "p < 0.001" in much
    assert "In exact arithmetic there is none" in much  # `paper`
    free = " ".join(curvature_sentences(replace(strong, case=replace(CASE, preset="curved")), "x"))
    assert "In exact arithmetic" not in free
    assert "but not once the other presets" in " ".join(
        curvature_sentences(replace(strong, stands=False), "x")
    )
    about = replace(strong, spreads=Spreads(1.0, 1.0, 1.0, 0.7, 1.4, (13, 8)))
    assert "is not settled (ratio of variances 1.00, 95 % interval 0.70 to 1.40)" in " ".join(
        curvature_sentences(about, "x")
    )
    flat = effect_of(lambda entry, seed: base(seed))
    assert "the same HM to the last bit" in " ".join(curvature_sentences(flat, "x"))
    assert (flat.alike, flat.F, flat.p) == (96, None, 1.0)
    still = effect_of(lambda entry, seed: 0.3 + (0.01 if entry.row == "0.4" else 0))
    assert still.alike == 88
    assert "allow no comparison" in " ".join(curvature_sentences(still, "x"))


def test_holms_correction_runs_over_all_layouts_of_a_page() -> None:
    own = effect_of(noisy)
    several = [replace(own, p=p) for p in (0.04, 0.001, 0.03)]
    assert [effect.stands for effect in corrected(several)] == [False, True, False]
    short = in_short([], [], corrected(several))
    assert len(short) == 1
    assert "stands in 1 of 3 layouts" in short[0]
    assert "no effect of it stands in 3 layouts" in in_short([], [], several)[0]


# --- power ---


def test_the_seeds_that_the_papers_differences_would_take() -> None:
    own = found(made(noisy))
    needed = {row: (difference, n) for row, difference, n in enough_for_the_paper(own)}
    assert {row: round(difference, 2) for row, (difference, _) in needed.items()} == {
        "Hyper-alignment": 0.04, "Hyper-single": 0.82, "Hyper-multiple": 2.17,
    }  # fmt: skip
    counts = [n for _, n in needed.values()]
    assert all(n is not None for n in counts)
    assert counts == sorted(counts, key=lambda n: -(n or 0))
    text = " ".join(power_sentences(tally(own), enough_for_the_paper(own), "UCF-GZSL (main)"))
    assert re.search(r"With 8 seeds a difference of \d\.\d points", text)
    assert f"Hyper-multiple +2.17: {counts[2]} seeds." in text


@pytest.mark.parametrize(("value", "text"), [(0.44, "+0.4"), (-1.25, "−1.2"), (0.04, "0.0"), (-0.04, "0.0")])
def test_points_have_a_sign_where_they_differ_from_0(value: float, text: str) -> None:
    assert points(value) == text


def test_chance_is_never_0() -> None:
    assert (chance_text(0.0412), chance_text(1e-5), chance_text(1.0)) == (
        "p = 0.041",
        "p < 0.001",
        "p = 1.000",
    )


# --- the page ---


@pytest.fixture(scope="module")
def store() -> Store:
    """Everything on the simulated set under both presets, Table 1 on the real one, and some tuning."""
    store = filled(MEMORY, noisy, presets=["paper", "curved"], weights=[1.0], seeds=range(3))
    for entry in entries("table1", None, "paper", 1.0):
        for seed in range(3):
            store.add(record(entry, seed, REAL, RECIPES["yt8m-mini-course"], HM=helping(entry, seed)))
    for entry in entries("table7", UCF.key, "paper", 10.0)[1:]:
        for seed in range(3):
            store.add(record(entry, seed, HM=0.9, val_HM=0.2))
    return store


def test_cases_are_what_ran_and_not_what_was_only_tried(store: Store) -> None:
    found = cases(store, UCF, COURSE, ["paper", "curved"])
    assert [(case.preset, case.weight, case.tuned) for case in found] == [
        ("paper", 1.0, True),
        ("curved", 1.0, False),
    ]
    assert found[0].name == "paper, weight 1 (tuned)"


def test_the_page_holds_every_table_of_every_set(store: Store) -> None:
    page = results_page(store)
    for own in (UCF, REAL):
        assert page.count(f"\n### {own.marked}\n") == 1
        assert page.count(f"\n### On {own.marked}\n") == 1
    assert page.count("<details>") == page.count("</details>") == 2 * len(TABLES)
    assert page.count("**Table 3, ") == 2
    assert "not run" in page.split("\n### yt8m-mini\n")[1].split("**Table 3")[1].split("</details>")[0]
    assert "| paper  | 1: 35.0, 10: 20.0 " in page
    assert "course trains 4 epochs of 20 batches of 64 at most" in page
    assert "hypav reproduce all --data yt8m-mini --seeds 3 --scale course --presets paper --weights 1" in page
    assert page.index("## In short") < page.index("## The answer") < page.index("## The tables")


def test_the_pages_numbers_are_the_runs(store: Store) -> None:
    page = results_page(store)
    entry = entries("table1", None, "paper", 1.0)[3]
    differences = [100 * (helping(entry, seed) - base(seed)) for seed in range(3)]
    mean = statistics.mean(differences)
    half = t_quantile(0.975, 2) * statistics.stdev(differences) / 3**0.5
    answer = page.split("\n### On yt8m-mini\n")[1]
    line = next(line for line in answer.splitlines() if re.match(r"\| paper.*Hyper-multiple", line))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[2:4] == [points(mean), f"{points(mean - half)} to {points(mean + half)}"]
    hm = 100 * statistics.mean(helping(entry, seed) for seed in range(3))
    tables = page.split("\n### yt8m-mini\n")[1]
    assert f"{hm:.1f} ({points(mean)}" in tables


def test_a_row_with_fewer_seeds_says_so() -> None:
    store = filled(MEMORY, noisy, tables=["table1"], seeds=range(2))
    store.add(record(entries("table1", UCF.key, "paper", 1.0)[0], 7))
    _, rows = at_a_glance([CASE.view("table1", store)], ["x"])
    told = {row[0]: row[2] for row in rows}
    assert re.fullmatch(r"\d+\.\d \(.*; n 2\)", told["Hyper-single"])
    assert "n " not in told["AVCA"]
    complete = filled(MEMORY, noisy, tables=["table1"], seeds=range(2))
    _, rows = at_a_glance([CASE.view("table1", complete)], ["x"])
    assert not any("n 2" in row[2] for row in rows)


def test_an_export_gives_the_same_page(store: Store, tmp_path: Path) -> None:
    store.export_csv(tmp_path / "runs.csv")
    assert results_page(Store.from_csv(tmp_path / "runs.csv")) == results_page(store)


def test_a_record_that_no_run_gave_stops_the_page() -> None:
    store = made(noisy)
    store._put("runs", astuple(replace(store.rows()[5], HM=0.99)))
    with pytest.raises(RunError, match="digests do not fit") as error:
        results_page(store)
    assert "\n" not in str(error.value)


def test_an_empty_store_has_no_page() -> None:
    with pytest.raises(RunError, match="holds no run of a known recipe"):
        subjects(Store(MEMORY))


def test_the_command_writes_page_pictures_and_runs(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    filled(path, noisy, tables=["table1"], seeds=range(2)).close()
    options = ["results", "--store", str(path), "--to", str(tmp_path / "page" / "R.md")]
    run = CliRunner().invoke(cli, [*options, "--export", str(tmp_path / "page" / "results" / "runs.csv")])
    assert run.exit_code == 0, run.output
    page = (tmp_path / "page" / "R.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((results/[^)]+)\)", page)
    assert len(links) == 2  # the runs and one picture: Table 3 did not run
    for link in links:
        assert (tmp_path / "page" / link).stat().st_size < 100_000
    with Image.open(tmp_path / "page" / links[1]) as picture:
        assert "HM" in page.split(links[1])[0].splitlines()[-1]
        assert "95 percent interval" in picture.info["Description"]  # the alt text travels with the file
    again = Store.from_csv(tmp_path / "page" / "results" / "runs.csv")
    assert results_page(again, runs="results/runs.csv") == page


def test_the_picture_of_spreads_says_what_it_shows() -> None:
    figure, data = plot_spreads(
        {"paper, weight 1": (0.5, 2.25), "curved, weight 1": (3.0, 2.0)}, data="a set"
    )
    assert data == {"paper, weight 1": (0.5, 2.25), "curved, weight 1": (3.0, 2.0)}
    assert "paper, weight 1 0.50 against 2.25" in figure.alt_text
    drawn = [line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert sorted(drawn) == [0.5, 2.0, 2.25, 3.0]
    with pytest.raises(DataError):
        plot_spreads({}, data="a set")


# --- the committed page ---


@pytest.mark.skipif(not (NOTEBOOKS / "RESULTS.md").exists(), reason="the grid has not been run yet")
def test_the_committed_page_is_what_the_committed_runs_give() -> None:
    page = (NOTEBOOKS / "RESULTS.md").read_text(encoding="utf-8")
    runs = "results/course_runs.csv"
    assert results_page(Store.from_csv(NOTEBOOKS / runs), runs=runs) == page, (
        "RESULTS.md is not what its runs give: hypav results --store notebooks/results/course_runs.csv "
        "--to notebooks/RESULTS.md --export notebooks/results/course_runs.csv"
    )
    for link in re.findall(r"\]\((results/[^)]+)\)", page):
        assert (NOTEBOOKS / link).stat().st_size < 100_000 or link == runs
