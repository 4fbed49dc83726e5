"""Figures 3 and 4: which classes, from which networks, and what is written."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from grid_helpers import reproduce_tiny, tiny_recipe
from training_helpers import small

from hypav.avca import AVCA
from hypav.data.features import FeatureSet
from hypav.embeddings import separation
from hypav.errors import DataError, RunError, SettingError
from hypav.experiments import figures
from hypav.experiments.runs import load_run
from hypav.training import embed_phase

PAPERS_SIX = {
    "Archery": "Sports", "CricketShot": "Sports", "FieldHockeyPenalty": "Sports", "HandstandPushups": "Acrobatics",
    "HandstandWalking": "Acrobatics", "PlayingCello": "Playing instruments",
}  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with the networks of Figure 3."""
    folder = tmp_path_factory.mktemp("runs")
    assert reproduce_tiny(folder, ["figure3"], seeds=1).attrs["failed"] == []
    return folder


def kept_other(folder: Path) -> Path:
    """A folder of runs with another learning rate."""
    reproduce_tiny(folder / "other", ["figure3"], seeds=1, recipe=tiny_recipe(lr=2e-2))
    return folder / "other"


def networks(folder: Path) -> dict[str, AVCA]:
    runs = [load_run(path) for path in sorted(folder.rglob("*.pt"))]
    return {record["method"]: run.model for run, record in runs}


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


def test_figure_3_of_ucf_shows_the_papers_six_with_its_super_classes() -> None:
    data = small()
    seen = data.phase("test").seen.tolist()[:6]
    names = list(data.class_names)
    for c, name in zip(seen, PAPERS_SIX, strict=True):
        names[c] = name
    named = figures.with_super_groups(replace(data, class_names=tuple(names), super_groups=()))
    (row,) = figures.figure_classes(3, named, named.phase("test"))
    assert {named.class_names[c]: row.colours[c] for c in row.classes} == PAPERS_SIX


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


def test_what_cannot_be_drawn_is_one_sentence(kept: Path, tmp_path: Path) -> None:
    data = small()
    phase = data.phase("test")
    with pytest.raises(DataError, match="super-groups"):
        figures.with_super_groups(replace(data, super_groups=()))
    alone: FeatureSet = replace(data, super_groups=data.class_names)
    for number in (3, 4):
        with pytest.raises(DataError, match=f"Figure {number} needs"):
            figures.figure_classes(number, alone, phase)
    with pytest.raises(SettingError, match="Figures 3 and 4"):
        figures.figure_classes(5, data, phase)
    with pytest.raises(SettingError, match="'figure5'"):
        figures.draw("figure5", kept, data, out=tmp_path)


def test_only_networks_of_these_settings_are_drawn(kept: Path, tmp_path: Path) -> None:
    settings = {"preset": "printed", "weight": 1.0, "seed": 0, "recipe": tiny_recipe(), "device": "cpu"}
    for change in ({"seed": 1}, {"weight": 2.0}, {"preset": "curved"}):
        with pytest.raises(RunError, match="hypav reproduce figure3"):
            figures.draw("figure3", kept, small(), out=tmp_path, **{**settings, **change})
    assert not list(tmp_path.iterdir())


def test_a_drawing_has_a_row_per_point_and_measures_in_the_space(kept: Path) -> None:
    data, models = small(), networks(kept)
    assert set(models) == {"AVCA", "Hyper-multiple"}
    figure, rows = figures.drawing(3, data, models, "tiny")
    phase = data.phase("test")
    (row,) = figures.figure_classes(3, data, phase)
    of_avca = rows[rows["method"] == "AVCA"]
    stars = of_avca[of_avca["kind"] == "class name"]
    assert stars["class"].tolist() == [data.class_names[c] for c in row.classes]
    videos = of_avca[of_avca["kind"] == "video"]
    shown = [data.class_names[c] for c in row.classes for _ in range(int((phase.label == c).sum()))]
    assert videos["class"].tolist() == shown
    _, theta_v, _ = embed_phase(models["AVCA"], phase)
    index = torch.cat([(phase.label == c).nonzero().squeeze(1) for c in row.classes])
    assert len(index) == len(videos), "all samples are drawn, so all of them were measured"
    apart, ids = separation(theta_v[index], phase.label[index]), sorted(row.classes)
    groups = [data.super_groups[c] for c in ids]
    far = [float(apart[i, j]) for i in range(6) for j in range(6) if groups[i] != groups[j]]
    assert f"different super-classes {sum(far) / len(far):.2f}" in figure.alt_text
    assert "SIMULATED" in figure.alt_text


def test_the_same_networks_give_the_same_files(kept: Path, tmp_path: Path) -> None:
    settings = {"recipe": tiny_recipe(), "device": "cpu"}
    first = figures.draw("figure3", kept, small(), out=tmp_path / "one", **settings)
    second = figures.draw("figure3", kept, small(), out=tmp_path / "two", **settings)
    other = figures.draw(
        "figure3",
        kept_other(tmp_path),
        small(),
        out=tmp_path / "two",
        recipe=tiny_recipe(lr=2e-2),
        device="cpu",
    )
    assert not set(other) & set(second), "another learning rate replaces no file"
    stem = r"figure3-simulated-small-printed-1-[0-9a-f]{12}"
    assert [
        bool(re.fullmatch(stem + end, path.name)) for path, end in zip(first, (".svg", ".csv"), strict=True)
    ] == [True, True]
    assert [a.read_bytes() for a in first] == [b.read_bytes() for b in second]
    with open(first[1], newline="", encoding="utf-8") as file:
        assert {"AVCA", "Hyper-multiple"} == {line["method"] for line in csv.DictReader(file)}
