"""The six explorers by their widgets: sliders, menus, buttons and reset, and what remains without ipywidgets."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import ipywidgets
import pytest
import torch

from hypav.errors import SettingError
from hypav.evaluation import Curve, harmonic_mean
from hypav.figures.does_curvature_matter import alignment_explorer
from hypav.figures.explorer import Choice, Control, Explorer
from hypav.figures.poincare_ball import curvature_explorer, plot_space
from hypav.figures.seeing_embeddings import embedding_explorer
from hypav.figures.three_geometries import geometries_explorer
from hypav.figures.trees import four_point_explorer
from hypav.figures.zero_shot import beta_explorer

G = torch.Generator().manual_seed(0)
PHI = torch.rand(2, 12, 8, generator=G, dtype=torch.float64)
U = torch.linspace(0, 0.4, 81, dtype=torch.float64)
CURVE = Curve(torch.arange(81).double() / 20, 0.6 - U, U, harmonic_mean(0.6 - U, U), ZSL=0.4)
MAPS = {
    f"{v}, {m}": torch.randn(7, 2, generator=G) for v in ("AVCA", "curved") for m in ("theta_v", "theta_a")
}
EXPLORERS: dict[str, Callable[[], Explorer]] = {
    "curvature": curvature_explorer,
    "geometries": geometries_explorer,
    "four points": four_point_explorer,
    "beta": lambda: beta_explorer(CURVE, data="SIMULATED"),
    "alignment": lambda: alignment_explorer(*PHI, 10.0, data="SIMULATED"),
    "embedding": lambda: embedding_explorer(MAPS, ["music"] * 3 + ["sport"] * 4, data="SIMULATED"),
}


def widgets_of(explorer: Explorer, kind: type) -> list[ipywidgets.Widget]:
    result, waiting = [], [explorer.box]
    while waiting:
        widget = waiting.pop()
        waiting += getattr(widget, "children", ())
        if isinstance(widget, kind):
            result.append(widget)
    return result


def button(explorer: Explorer, tooltip: str) -> ipywidgets.Button:
    return next(b for b in widgets_of(explorer, ipywidgets.Button) if b.tooltip.startswith(tooltip))


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_explorer_redraws_at_both_ends_of_every_control_and_resets(name: str) -> None:
    explorer = EXPLORERS[name]()
    first, alt_text = explorer.image.value, explorer.figure.alt_text
    for control in explorer.sliders.values():
        is_menu = isinstance(control, ipywidgets.Dropdown)
        for value in control.options if is_menu else (control.min, control.max):
            control.value = value
            assert '<p role="status" aria-live="polite"' in explorer.readout.value
            assert len(explorer.figure.alt_text) > 60
    assert explorer.image.value != first
    button(explorer, "Everything back").click()
    assert (explorer.image.value, explorer.figure.alt_text) == (first, alt_text)
    bundle, metadata = explorer._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert bundle["text/plain"].startswith(metadata["image/png"]["alt"] + "\nplotted: ")


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_control_of_an_explorer_is_labelled(name: str) -> None:
    explorer = EXPLORERS[name]()
    controls = list(explorer.sliders.values())
    assert len({(c.style.description_width, c.layout.width) for c in controls}) == 1, "aligned"
    for control in controls:
        assert control.description
        assert control.tooltip.startswith(control.description)
    assert all(b.description and b.tooltip for b in widgets_of(explorer, ipywidgets.Button))
    assert len(widgets_of(explorer, ipywidgets.Button)) == 2 * len(controls) + 1
    assert not widgets_of(explorer, ipywidgets.Output), "its outputs differ at each run"
    pattern = r'<img src="data:image/png;base64,[^"]+" width="\d+" height="\d+" alt="[^"]{60,}">'
    assert re.fullmatch(pattern, explorer.image.value)


def test_moving_a_slider_redraws_data_picture_and_words() -> None:
    explorer = curvature_explorer()
    explorer.sliders["k"].value = -1.0
    assert (explorer.data["k"], explorer.data["crowded"]) == (-1.0, 0)
    assert 'alt="Curvature −1: ' in explorer.image.value
    assert "Curvature −1" in explorer.readout.value
    explorer.sliders["k"].value = 0.0
    assert explorer.data["angle_sum"] == pytest.approx(180.0)
    assert explorer.data["crowded"] > 0


def test_step_buttons_go_one_step_and_stop_at_the_ends() -> None:
    explorer = curvature_explorer()
    more, less = button(explorer, "curvature k: more"), button(explorer, "curvature k: less")
    assert (more.description, less.description) == ("+0.05", "−0.05")
    more.click()
    assert explorer.data["k"] == -0.45
    less.click()
    less.click()
    assert explorer.data["k"] == -0.55
    explorer.sliders["k"].value = 0.3
    more.click()
    assert explorer.sliders["k"].value == 0.3


def test_the_buttons_of_a_menu_go_one_option_and_stop_at_the_ends() -> None:
    """JupyterLab takes the arrow keys of a closed menu (ipywidgets #3912), so the buttons are the keyboard's way."""
    explorer = Explorer(lambda kind: plot_space(-0.5), [Choice("kind", "kind", "b", ("a", "b", "c"))])
    values = []
    for word in ("next", "next", "previous", "previous", "previous"):
        button(explorer, f"kind: {word}").click()
        values.append(explorer.sliders["kind"].value)
    assert values == ["c", "c", "b", "a", "a"]


def test_reset_redraws_once() -> None:
    drawn = []

    def draw(**values: float | str) -> tuple:
        drawn.append(values)
        return plot_space(values["k"])

    menu = Choice("kind", "kind of figure", "plain", ("plain", "fancy"))
    explorer = Explorer(draw, [Control("k", "k", -0.5, -1, 0, 0.1), menu])
    explorer.sliders["k"].value = -0.8
    explorer.sliders["kind"].value = "fancy"
    count = len(drawn)
    explorer.reset()
    assert drawn[count:] == [{"k": -0.5, "kind": "plain"}]


def test_a_setting_that_cannot_be_drawn_is_reported_and_the_picture_stays() -> None:
    def draw(*, k: float) -> tuple:
        if k > 0.5:
            raise SettingError("A triangle <so> large does not fit.")
        return plot_space(k)

    explorer = Explorer(draw, [Control("k", "k", 0.0, -1, 1, 0.1)])
    picture = explorer.image.value
    explorer.sliders["k"].value = 1.0
    assert "A triangle &lt;so&gt; large" in explorer.readout.value
    assert explorer.image.value == picture
    assert explorer.data["k"] == 0.0


def test_explorers_show_what_their_controls_say() -> None:
    explorer = EXPLORERS["beta"]()
    assert next(iter(explorer.data)) == "β = 1.00"
    explorer.sliders["beta"].value = 1.15
    assert next(iter(explorer.data)) == "β = 1.15"
    explorer = EXPLORERS["embedding"]()
    explorer.sliders["variant"].value, explorer.sliders["group"].value = "curved", "music"
    assert explorer.data["shown"] == 3
    line = next(line for line in explorer.figure.axes[0].lines if line.get_label() == "music")
    torch.testing.assert_close(torch.as_tensor(line.get_xydata()).float(), MAPS["curved, theta_v"][:3])
    explorer = four_point_explorer()
    before = explorer.data["delta"]
    explorer.sliders["radius"].value = 0.2
    assert explorer.data["points"][3].norm() == pytest.approx(0.2)
    assert explorer.data["delta"] < before


WITHOUT = """
import sys
sys.modules["ipywidgets"] = None
from hypav.figures.poincare_ball import curvature_explorer
explorer = curvature_explorer()
bundle, _ = explorer._repr_mimebundle_()
explorer.reset()
print(sorted(bundle), explorer.sliders, explorer.data["k"])
"""


def test_without_ipywidgets_the_picture_remains() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert run.stdout == "['image/png', 'text/plain'] {} -0.5\n"
