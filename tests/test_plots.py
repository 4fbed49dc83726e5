"""Figures by what they plot and say, not by their pixels."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from PIL import Image

from hypav.errors import DataError, RunError, SettingError
from hypav.evaluation import Curve, Metrics, harmonic_mean
from hypav.figures import METRICS, plot_comparison, plot_history, plot_seen_unseen_curve
from hypav.figures.style import CUES, INK, DescribedFigure, cues, save_figure, use_style
from hypav.stats import Interval

VARIANTS = ("AVCA", "Hyper-alignment", "Hyper-single", "Hyper-multiple")


def results(mean: float, n: int = 3) -> dict[str, Interval]:
    half = None if n == 1 else 1.5
    return {
        name: Interval(mean + i, None if half is None else mean + i - half, half and mean + i + half, n)
        for i, name in enumerate(METRICS)
    }


def curve(S: list[float], U: list[float]) -> Curve:
    s, u = torch.tensor(S, dtype=torch.float64), torch.tensor(U, dtype=torch.float64)
    return Curve(torch.arange(len(S)).double(), s, u, harmonic_mean(s, u), ZSL=U[-1])


def history(stages: dict[int, int], align: bool = True) -> list[dict[str, object]]:
    rows = []
    for stage, epochs in stages.items():
        for epoch in range(1, epochs + 1):
            row = {"stage": stage, "epoch": epoch, "total": 9.0 / epoch, "S": 0.5, "U": 0.1 * epoch}
            row["HM"] = 0.3 - 0.01 * (epoch - 3) ** 2
            rows.append(row | ({"align": 1e-4 / epoch} if align else {}))
    return rows


def points(axes: Axes) -> set[tuple[float, float]]:
    return {(float(x), float(y)) for line in axes.lines for x, y in zip(*line.get_data(), strict=True)}


def legend_texts(figure: DescribedFigure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_comparison_plots_every_interval_and_the_paper_hollow() -> None:
    ours = {"AVCA": results(20.0), "Hyper-single": results(30.0), "Hyper-multiple": None}
    paper = {"AVCA": dict.fromkeys(METRICS, 25.0), "Hyper-multiple": {"HM": 48.3}, "CJME": {"HM": 1.0}}
    figure, shown = plot_comparison(ours, paper, data="SIMULATED (small)")
    assert shown["ours"]["Hyper-single"]["HM"] == (32.0, 30.5, 33.5, 3)
    assert shown["paper"] == {"AVCA": dict.fromkeys(METRICS, 25.0), "Hyper-multiple": {"HM": 48.3}}
    panel = figure.axes[METRICS.index("HM")]
    assert panel.get_title() == "HM"
    first, second = {(20.5, 0.0), (22.0, 0.0), (23.5, 0.0)}, {(30.5, 1.0), (32.0, 1.0), (33.5, 1.0)}
    assert points(panel) == first | second | {(25.0, 0.25), (48.3, 2.25)}
    hollow = [line for line in panel.lines if line.get_markerfacecolor() == "none"]
    assert [float(line.get_xdata()[0]) for line in hollow] == [25.0, 48.3]
    assert [text.get_text() for text in panel.texts] == ["not run"]
    assert panel.get_xlabel() == "%"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(ours)
    assert legend_texts(figure) == ["ours, mean of 3 seeds, bar: 95 % interval", "paper (other data)"]
    assert figure.get_suptitle() == "Do the variants differ by more than their seeds do?\nSIMULATED (small)"
    for part in ("SIMULATED (small)", "Hyper-single 32.0 [30.5, 33.5]", "paper (other data): AVCA 25.00"):
        assert part in figure.alt_text


def test_comparison_says_when_data_are_the_papers_and_when_there_is_one_seed() -> None:
    figure, shown = plot_comparison(
        {"AVCA": results(20.0, n=1)}, {"AVCA": {"HM": 27.15}}, data="UCF-GZSL", same_data=True
    )
    assert legend_texts(figure) == ["ours, one seed (no interval)", "paper"]
    assert shown["ours"]["AVCA"]["HM"] == (22.0, None, None, 1)
    assert "AVCA 22.0 (one seed). HM, paper: AVCA 27.15." in figure.alt_text
    figure, _ = plot_comparison({"a": results(1.0), "b": results(2.0, n=5)}, data="x")
    assert legend_texts(figure) == ["ours, mean of 3 to 5 seeds, bar: 95 % interval"]


def test_comparison_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="no variant was run"):
        plot_comparison({"AVCA": None}, data="x")
    with pytest.raises(DataError, match="The results of AVCA lack ZSL"):
        plot_comparison({"AVCA": {name: results(1.0)[name] for name in METRICS[:3]}}, data="x")


def test_seen_unseen_curve_plots_the_curve_its_best_and_the_chosen_point() -> None:
    steps = curve([0.6, 0.5, 0.0], [0.0, 0.3, 0.4])
    figure, shown = plot_seen_unseen_curve(
        {"AVCA": steps, "other": curve([0.4, 0.2], [0.1, 0.2])}, {"AVCA": Metrics(0.6, 0.1, 0.17, 0.4, 0.2)}
    )
    assert shown["AVCA"]["U"] == [0.0, 30.0, 40.0]
    assert shown["AVCA"]["S"] == [60.0, 50.0, 0.0]
    assert shown["AVCA"]["best"] == pytest.approx(37.5)
    assert shown["AVCA"]["chosen"] == pytest.approx(17.0)
    assert shown["other"]["chosen"] is None
    (axes,) = figure.axes
    assert {(0.0, 60.0), (30.0, 50.0), (40.0, 0.0), (10.0, 60.0)} <= points(axes)
    assert axes.get_title().endswith("?")
    assert "unseen" in axes.get_xlabel()
    assert "(%)" in axes.get_ylabel()
    assert "AVCA: greatest HM 37.5, at the chosen beta 17.0; other: greatest HM 20.0" in figure.alt_text
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["AVCA", "other", "greatest HM of the curve", "at the beta that validation chose"]


def test_lines_of_equal_hm_have_the_hm_they_are_labelled_with() -> None:
    figure, _ = plot_seen_unseen_curve({"AVCA": curve([0.7, 0.5, 0.0], [0.0, 0.3, 0.6])})
    (axes,) = figure.axes
    guides = [line for line in axes.lines if line.get_linewidth() == 0.5]
    values = [int(text.get_text().removeprefix("HM ")) for text in axes.texts]
    assert values == [10, 20, 30, 40, 50, 60]
    for value, line in zip(values, guides, strict=True):
        U, S = line.get_data()
        np.testing.assert_allclose(2 * S * U / (S + U), value, rtol=1e-12)
        assert max(S) <= axes.get_ylim()[1] * (1 + 1e-12)


def test_curves_that_end_at_zero_can_be_drawn() -> None:
    figure, shown = plot_seen_unseen_curve({"AVCA": curve([0.0, 0.0], [0.0, 0.0])})
    assert shown["AVCA"]["best"] == 0.0
    save_png(figure)
    with pytest.raises(DataError, match="no seen-unseen curve"):
        plot_seen_unseen_curve({})
    with pytest.raises(SettingError, match="8 series are too many"):
        plot_seen_unseen_curve({str(i): curve([0.1], [0.1]) for i in range(8)})


def test_history_plots_both_stages_and_the_chosen_epoch() -> None:
    figure, shown = plot_history(history({1: 5, 2: 3}), best_epoch=3)
    assert shown[1]["epoch"] == [1, 2, 3, 4, 5]
    assert shown[2]["total"] == [9.0, 4.5, 3.0]
    assert shown[1]["HM"] == pytest.approx([26.0, 29.0, 30.0, 29.0, 26.0])
    assert shown[1]["align"] == [1e-4 / epoch for epoch in range(1, 6)]
    loss, align, metrics = figure.axes
    assert [line.get_linestyle() for line in loss.lines] == ["-", "--"]
    assert align.lines[0].get_ydata().tolist() == shown[1]["align"]
    assert metrics.lines[0].get_ydata().tolist() == shown[1]["HM"]
    assert metrics.lines[-1].get_xdata() == [3, 3]
    assert legend_texts(figure) == ["stage 1", "stage 2", "HM", "S", "U", "chosen: epoch 3"]
    assert all(axes.get_xlabel() == "epoch" and axes.get_ylabel() for axes in figure.axes)
    assert "the loss goes from 9 to 1.8; HM is highest in epoch 3, 30.0 percent" in figure.alt_text


def test_history_without_alignment_has_no_panel_for_it() -> None:
    figure, shown = plot_history(history({1: 2}, align=False))
    assert len(figure.axes) == 2
    assert "align" not in shown[1]
    with pytest.raises(DataError, match="train first"):
        plot_history([])


def save_png(figure: DescribedFigure) -> bytes:
    bundle, _ = figure._repr_mimebundle_()
    return bundle["image/png"].encode()


def test_a_notebook_shows_picture_and_alt_text() -> None:
    figure, _ = plot_history(history({1: 2}))
    bundle, metadata = figure._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBORw0KGgo")
    assert bundle["text/plain"] == figure.alt_text == metadata["image/png"]["alt"]
    assert "object at" not in figure.alt_text


def test_saving_is_atomic_and_keeps_the_alt_text(tmp_path: Path) -> None:
    figure, _ = plot_history(history({1: 2}))
    path = tmp_path / "history.png"
    path.write_text("old")
    save_figure(figure, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size[0] <= 800
        assert image.text == {"Description": figure.alt_text}
    assert [file.name for file in tmp_path.iterdir()] == ["history.png"]
    first = path.read_bytes()
    save_figure(figure, path)
    assert path.read_bytes() == first
    with pytest.raises(RunError, match="Cannot write"):
        save_figure(figure, tmp_path / "nowhere" / "history.png")


def test_figures_leave_matplotlib_as_it_was() -> None:
    before = dict(matplotlib.rcParams)
    with use_style():
        assert matplotlib.rcParams["axes.grid"] is True
    with pytest.raises(DataError):
        plot_comparison({}, data="x")
    plot_comparison({"AVCA": results(1.0)}, data="x")
    assert dict(matplotlib.rcParams) == before
    loaded = "import sys, hypav.figures; print('matplotlib.pyplot' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_variants_keep_their_looks_and_others_take_what_is_left() -> None:
    assert cues(["Hyper-single"])["Hyper-single"] == cues(VARIANTS)["Hyper-single"] == CUES[2]
    mixed = cues(["curved", "AVCA", "flat"])
    assert mixed["AVCA"] == CUES[0]
    assert len(set(mixed.values())) == 3
    many = cues(map(str, range(9)), reuse=True)
    assert many["7"] == many["0"]


def linear(color: str) -> np.ndarray:
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ rgb.clip(0, 1) / (to_xyz @ np.ones(3))
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB
SIGHT = {
    "typical": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_differ_to_every_kind_of_sight_and_each_has_a_second_cue(sight: str) -> None:
    seen = [lab(SIGHT[sight] @ linear(look.color)) for look in CUES]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 10
    for attribute in ("color", "marker", "linestyle", "hatch"):
        assert len({getattr(look, attribute) for look in CUES}) == len(CUES)


def test_words_and_reference_lines_are_dark_enough_to_read() -> None:
    # WCAG 2.1: contrast (1 + .05) / (Y + .05) with white of at least 4.5
    assert 1.05 / (float(linear(INK) @ [0.2126, 0.7152, 0.0722]) + 0.05) >= 4.5
