"""Stored runs of a set that has changed since: they are found by its name, and what is said of them is true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from table_helpers import filled
from training_helpers import small

from hypav.cli import cli
from hypav.data.simulated import simulated
from hypav.experiments.evidence import course_runs, subject_on
from hypav.experiments.records import sealed
from hypav.experiments.results_processors import processors_section
from hypav.experiments.sets import SetId, sets_in, stored_set
from hypav.experiments.store import MEMORY, Store
from hypav.experiments.suite import Entry

COURSE_RUNS = Path(__file__).parents[1] / "notebooks" / "results" / "course_runs.csv"


def HM(entry: Entry, seed: int) -> float:
    return 0.3 + 0.01 * seed


def test_a_set_is_known_by_its_digest_then_by_its_name() -> None:
    now = SetId.of(small())
    before = replace(now, digest="41e70050")
    store = filled(MEMORY, HM, data=before, tables=["table1"])
    found, sentence = stored_set(store, now)
    assert found == before
    assert "as it was when they were made (digest 41e70050)" in sentence
    assert f"not as it is now (digest {now.digest[:8]})" in sentence
    found, sentence = stored_set(store, before)
    assert found == before
    assert "of this very set" in sentence
    found, sentence = stored_set(store, replace(now, name="another"))
    assert found is None
    assert "holds no run on this another" in sentence


def test_the_shipped_runs_are_shown_whatever_the_set_is_now() -> None:
    """Also where the set that they were made on is drawn no more."""
    run = CliRunner().invoke(cli, ["table", "1", "--store", str(COURSE_RUNS)])
    assert run.exit_code == 0, run.output
    ours = [line for line in run.stdout.splitlines() if line.startswith(("| AVCA ", "| Hyper-"))]
    assert len(ours) == 4
    assert not any("not run" in line for line in ours)
    digest = simulated().digest
    known = {data.digest for data in sets_in(course_runs())}
    assert ("as it was when they were made" in run.stderr) == (digest not in known)
    assert "--data-seed" not in run.stderr
    other = CliRunner().invoke(cli, ["table", "1", "--store", str(COURSE_RUNS), "--data-seed", "1"])
    assert "not run" in other.stdout, "another draw was asked for, which nobody ran"


class OnASet(NamedTuple):
    """What `subject_on` looks at of a Subject, which takes seconds to make."""

    data: SetId


def test_a_page_says_which_set_its_tables_are_of() -> None:
    store = course_runs()
    found = [OnASet(data) for data in sets_in(store)]
    subject, sentence = subject_on(simulated(), store, found)
    assert subject.data.name == "SIMULATED (UCF-GZSL counts)"
    assert "The stored runs are of" in sentence
    subject, sentence = subject_on(replace(simulated(), name="mine"), store, found)
    assert subject is found[0]
    assert sentence.endswith(
        f"holds no run on this mine (digest {simulated().digest[:8]}). The tables are of {found[0].data.name}."
    )


def test_the_same_runs_on_two_processors_are_held_against_each_other() -> None:
    one = filled(MEMORY, HM, tables=["table1"])
    other = Store(MEMORY)
    for number, record in enumerate(one.rows()):
        other.add(sealed(replace(record, HM=record.HM + 0.01 * number, cpu="another")))
    runs = len(one.rows())
    section = processors_section({"processor-a.csv": one, "processor-b.csv": other}, "results")
    assert "4 configurations, each with seed 0, 1, 2, 3, were run as on 2 processors" in section
    assert f"and by {runs - 1:.1f} at most" in section
    assert f"by {(runs - 1) / 2:.1f} points in the mean" in section
    mean = 100 * sum(record.HM for record in one.rows()) / runs
    assert f"{mean:.2f}" in section
    assert f"{mean + (runs - 1) / 2:.2f}" in section
    assert processors_section({"processor-a.csv": one}, "results") == ""


@pytest.mark.parametrize("missing", [{}, {"processor-a.csv": None}])
def test_there_is_no_section_without_two_processors(missing: dict[str, Store | None]) -> None:
    stores = {name: filled(MEMORY, HM, tables=["table1"]) for name in missing}
    assert processors_section(stores, "results") == ""
