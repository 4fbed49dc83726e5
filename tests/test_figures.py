"""Figures 3 and 4: which classes, from which networks, and what is written."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from grid_helpers import tiny_grid, tiny_jobs, tiny_recipe
from training_helpers import small

from hypav.avca import AVCA
from hypav.cli import cli
from hypav.data.features import FeatureSet
from hypav.embeddings import separation
from hypav.errors import DataError, RunError, SettingError
from hypav.experiments import figures
from hypav.experiments.runs import load_model
from hypav.experiments.store import Store
from hypav.training import embed_phase

PAPERS_SIX = (
    "Archery",
    "CricketShot",
    "FieldHockeyPenalty",
    "HandstandPushups",
    "HandstandWalking",
    "PlayingCello",
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the kept networks of both figures."""
    root = tmp_path_factory.mktemp("runs")
    assert tiny_grid(tiny_jobs(table="figure3"), root).failed == []
    return root


def networks(root: Path) -> dict[str, AVCA]:
    with Store(root / "store.sqlite") as store:
        kept = figures.kept_runs(
            3, store, small(), root=root, preset="paper", weight=1.0, recipe=tiny_recipe(), seed=0
        )
    return figures.networks_of([root / str(run.folder) for run in kept.values()])


def with_names(data: FeatureSet, classes: list[int]) -> FeatureSet:
    """The set with some of its classes called as the paper's six of UCF."""
    names = list(data.class_names)
    for c, name in zip(classes, PAPERS_SIX, strict=True):
        names[c] = name
    return replace(data, class_names=tuple(names), super_groups=())


def test_figure_3_takes_two_seen_classes_of_each_of_three_super_groups() -> None:
    data = small()
    phase = data.phase("test")
    (row,) = figures.figure_classes(3, data, phase)
    assert set(row.classes) <= set(phase.seen.tolist())
    groups = [data.super_groups[c] for c in row.classes]
    assert sorted(groups.count(g) for g in set(groups)) == [2, 2, 2]
    count = phase.label.bincount(minlength=20)
    for first, second in zip(row.classes[::2], row.classes[1::2], strict=True):
        others = [c for c in phase.seen.tolist() if data.super_groups[c] == data.super_groups[first]]
        assert count[first] >= count[second] >= sorted(count[others].tolist())[-2]


def test_figure_3_of_ucf_shows_the_papers_six_with_its_superclasses() -> None:
    data = small()
    seen = data.phase("test").seen.tolist()[:6]
    named = figures.with_super_groups(with_names(data, seen))
    (row,) = figures.figure_classes(3, named, named.phase("test"))
    assert set(row.classes) == set(seen)
    told = {named.class_names[c]: row.colours[c] for c in row.classes}
    assert told == {
        "Archery": "Sports", "CricketShot": "Sports", "FieldHockeyPenalty": "Sports",
        "HandstandPushups": "Acrobatics", "HandstandWalking": "Acrobatics", "PlayingCello": "Playing instruments",
    }  # fmt: skip


def test_figure_4_sets_different_super_groups_above_one() -> None:
    data = small()
    phase = data.phase("test")
    above, below = figures.figure_classes(4, data, phase)
    for row in (above, below):
        assert 2 <= len(row.classes) <= 3
        assert set(row.classes) <= set(phase.unseen.tolist())
    groups = [data.super_groups[c] for c in above.classes]
    assert len(set(groups)) == len(groups)
    assert len({data.super_groups[c] for c in below.classes}) == 1


def test_what_cannot_be_drawn_is_one_sentence() -> None:
    data = small()
    phase = data.phase("test")
    with pytest.raises(DataError, match="names no super-groups"):
        figures.with_super_groups(replace(data, super_groups=()))
    alone = replace(data, super_groups=data.class_names)
    with pytest.raises(DataError, match="Figure 3 needs two super-groups"):
        figures.figure_classes(3, alone, phase)
    with pytest.raises(DataError, match="Figure 4 needs two unseen test classes"):
        figures.figure_classes(4, alone, phase)
    with pytest.raises(SettingError, match="Figures 3 and 4, not 5"):
        figures.figure_classes(5, data, phase)


def test_networks_are_those_that_the_store_kept(kept: Path, tmp_path: Path) -> None:
    found = networks(kept)
    assert list(found) == ["AVCA", "Hyper-multiple"]
    with Store(kept / "store.sqlite") as store:
        folder = next(record.folder for record in store.rows() if record.method == "AVCA")
        for changes in ({"seed": 1}, {"weight": 2.0}, {"preset": "curved"}):
            given = {"preset": "paper", "weight": 1.0, "seed": 0} | changes
            with pytest.raises(RunError, match="run hypav reproduce figure3 with these settings first"):
                figures.kept_runs(3, store, small(), root=kept, recipe=tiny_recipe(), **given)
    own, _, _ = load_model(kept / folder)
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), found["AVCA"].parameters(), strict=True))
    # a run that was not kept for figures
    tiny_grid(tiny_jobs(table="table1"), tmp_path)
    with pytest.raises(RunError, match="keeps no network of AVCA"):
        networks(tmp_path)


def test_a_lost_network_is_told_with_the_way_out(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(
        (kept / "store.sqlite").read_bytes()
    )  # without the folders beside it
    with pytest.raises(
        RunError, match="which is gone or not whole: run hypav reproduce figure3 with these"
    ) as error:
        networks(tmp_path)
    assert "\n" not in str(error.value)


def test_a_drawing_has_a_row_a_point_and_measures_in_the_space(kept: Path, tmp_path: Path) -> None:
    data, models = small(), networks(kept)
    drawn = figures.drawing(3, data, models, most=4, perplexity=5)
    phase = data.phase("test")
    (row,) = figures.figure_classes(3, data, phase)
    videos = [r for r in drawn.rows if r[2] == "video" and r[1] == "AVCA"]
    stars = [r for r in drawn.rows if r[2] == "class name" and r[1] == "AVCA"]
    assert [r[3] for r in stars] == [data.class_names[c] for c in row.classes]
    expected = [
        data.class_names[c] for c in row.classes for _ in range(min(4, int((phase.label == c).sum())))
    ]
    assert [r[3] for r in videos] == expected
    _, theta_v, _ = embed_phase(models["AVCA"], phase.to(dtype=torch.float32))
    rows = torch.cat([(phase.label == c).nonzero().squeeze(1) for c in row.classes])
    assert len(rows) == len(videos), "all samples are drawn, so that all count in what was measured"
    apart, ids = separation(theta_v[rows], phase.label[rows]), sorted(row.classes)
    far = [
        float(apart[i, j])
        for i, a in enumerate(ids)
        for j, b in enumerate(ids)
        if data.super_groups[a] != data.super_groups[b]
    ]
    assert f"AVCA: {len(rows)} videos" in drawn.figure.alt_text
    assert f"different super-classes {sum(far) / len(far):.2f}" in drawn.figure.alt_text
    files = figures.save_drawing(drawn, tmp_path / "new" / "figure3")
    svg = files[0].read_text(encoding="utf-8")
    assert "SIMULATED" in drawn.figure.alt_text
    assert drawn.figure.alt_text[:60] in svg
    with open(files[1], newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(drawn.rows)
    assert float(table[0]["x"]) == pytest.approx(drawn.rows[0][5], abs=1e-4)
    # the same networks, the same files
    again = figures.save_drawing(figures.drawing(3, data, models, most=4, perplexity=5), tmp_path / "again")
    assert [a.read_bytes() for a in again] == [f.read_bytes() for f in files]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["figure", *arguments, "--data", "simulated:small"])


def test_command(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys.modules["hypav.cli.figure"], "recipe_for", lambda data, name, scale: tiny_recipe()
    )
    result = call("4", "--store", str(kept / "store.sqlite"), "--to", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["networks"] == ["AVCA", "Hyper-multiple"]
    assert [Path(file).suffix for file in told["files"]] == [".svg", ".csv"]
    assert all(Path(file).exists() for file in told["files"])
    folders = [str(path.parent) for path in sorted(kept.rglob("result.json"))]
    assert len(folders) == 2
    result = call("3", *folders, "--to", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "figure3-simulated-small-runs.svg" in result.stdout
    assert call("5").exit_code == 2
    assert "no runs with several weights" in str(
        call("3", "--store", str(kept / "store.sqlite"), "--weight", "tuned").exception
    )
    for weight in ("nan", "-1", "much"):
        assert "is neither a number from 0 up nor 'tuned'" in str(call("3", "--weight", weight).exception)
    export = call("3", "--store", str(tmp_path / "runs.csv")).exception
    assert isinstance(export, RunError)
    assert "is an export of runs, which holds no networks" in str(export)
    assert "or the folders of runs" in str(export)
    assert isinstance(call("3", folders[0], folders[0]).exception, SettingError)
    missing = call("3", "--store", str(tmp_path / "none.sqlite")).exception
    assert isinstance(missing, RunError)
    assert "no store" in str(missing)
