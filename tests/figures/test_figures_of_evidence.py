"""The forest plot and the curve of HM against the pull, by what they draw."""

from __future__ import annotations

import pytest
from table_helpers import FOREST, PULLED

from hypav.errors import DataError
from hypav.figures.evidence import plot_forest, plot_pull


def test_the_forest_draws_every_row_of_both_sets_with_its_interval() -> None:
    figure, data = plot_forest(FOREST[~((FOREST["data"] == "real") & (FOREST["row"] == "AVCA-skip"))])
    assert [axes.get_title() for axes in figure.axes] == ["SIMULATED", "real"] == list(data)
    assert data["SIMULATED"]["printed, pull 1"] == (-4.0, 1.5, 26.0)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["linear (ESZSL)", "AVCA-skip", "printed, pull 1", "curved, pull 0.1, k<0"]
    bars = [sorted(line.get_xdata()) for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert [-5.5, -2.5] in bars
    assert len(bars) == 3 + 1, "three intervals and the line of AVCA"
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert "not run" in texts
    assert "26.0" in texts, "HM stands beside the difference"
    assert "printed, pull 1 −4.0 ± 1.5 (HM 26.0)" in figure.alt_text
    with pytest.raises(DataError, match="no difference to draw"):
        plot_forest(FOREST[FOREST["row"] == "AVCA"])


def test_the_loudness_has_a_line_per_loss_and_the_linear_reference_as_text() -> None:
    figure, data = plot_pull(PULLED)
    assert data["real"]["released"] == {0.01: (-0.01, 0.5), 1.0: (-1.0, 0.5)}
    assert data["real"]["linear (ESZSL)"] == 25.0
    assert figure.axes[0].get_xscale() == "log"
    assert "linear (ESZSL): +25.0, off the scale" in [text.get_text() for text in figure.axes[0].texts]
    assert "linear (ESZSL) +25.0; printed" in figure.alt_text
    assert "−1.0 ± 0.5 at 1" in figure.alt_text
    with pytest.raises(DataError, match="hypav reproduce loudness"):
        plot_pull(PULLED[PULLED["preset"] == "ESZSL"])
