"""The explorer by its widgets: what a slider, a button and the reset do to the drawn data, and what is left without
ipywidgets."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import threading

import ipywidgets
import pytest
from PIL import Image

from hypav.errors import SettingError
from hypav.figures import Choice, Control, Explorer, curvature_explorer, plot_space
from hypav.figures.style import use_style


def widgets_of(explorer: Explorer, kind: type) -> list[ipywidgets.Widget]:
    found, waiting = [], [explorer.box]
    while waiting:
        widget = waiting.pop()
        waiting += getattr(widget, "children", ())
        if isinstance(widget, kind):
            found.append(widget)
    return found


def button(explorer: Explorer, tooltip: str) -> ipywidgets.Button:
    return next(b for b in widgets_of(explorer, ipywidgets.Button) if b.tooltip.startswith(tooltip))


def test_moving_a_slider_redraws_data_picture_and_words() -> None:
    explorer = curvature_explorer()
    before = explorer.image.value
    assert explorer.data["k"] == -0.5
    explorer.sliders["k"].value = -1.0
    assert explorer.data["k"] == -1.0
    assert explorer.data["crowded"] == 0
    assert explorer.image.value != before
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


def test_reset_brings_back_the_first_picture_with_one_redraw() -> None:
    drawn = []

    def draw(**values: float) -> tuple:
        drawn.append(values)
        return plot_space(**values)

    explorer = Explorer(
        draw, [Control("k", "k", -0.5, -1, 0, 0.1), Control("edge", "edge", 1.2, 1, 1.5, 0.1)]
    )
    first = explorer.image.value
    explorer.sliders["k"].value = -0.8
    explorer.sliders["edge"].value = 1.5
    assert drawn[-1] == {"k": -0.8, "edge": 1.5}
    count = len(drawn)
    button(explorer, "Everything back").click()
    assert len(drawn) == count + 1
    assert explorer.image.value == first
    assert {name: slider.value for name, slider in explorer.sliders.items()} == {"k": -0.5, "edge": 1.2}


def test_every_control_has_a_label_and_a_visible_value() -> None:
    explorer = curvature_explorer()
    sliders = widgets_of(explorer, ipywidgets.FloatSlider)
    assert {slider.description for slider in sliders} == {"curvature k", "length of an edge"}
    assert all(slider.readout for slider in sliders)
    assert all(b.description and b.tooltip for b in widgets_of(explorer, ipywidgets.Button))
    assert 'role="status" aria-live="polite"' in explorer.readout.value
    assert not widgets_of(explorer, ipywidgets.Output)
    source = re.fullmatch(
        r'<img src="data:image/png;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="[^"]{60,}">',
        explorer.image.value,
    )
    assert source is not None
    size = Image.open(io.BytesIO(base64.b64decode(source.group(1)))).size
    assert size == (int(source.group(2)), int(source.group(3)))
    assert size[0] <= 800


def test_a_setting_that_cannot_be_drawn_is_told_and_the_picture_stays() -> None:
    def draw(*, k: float) -> tuple:
        if k > 0.5:
            raise SettingError("A triangle <so> large does not fit.")
        return plot_space(k)

    explorer = Explorer(draw, [Control("k", "k", 0.0, -1, 1, 0.1)])
    picture = explorer.image.value
    explorer.sliders["k"].value = 1.0
    assert "A triangle &lt;so&gt; large does not fit." in explorer.readout.value
    assert explorer.image.value == picture
    assert explorer.data["k"] == 0.0


def test_the_whole_range_of_the_curvature_explorer_can_be_drawn() -> None:
    explorer = curvature_explorer()
    for k in (-1.0, 0.0, 0.05, 0.3):
        for edge in (0.6, 1.5):
            explorer.sliders["k"].value, explorer.sliders["edge"].value = k, edge
            assert explorer.data["k"] == k
            assert "fit on the sphere" not in explorer.readout.value
    # at k = 0.3 and edge 1.5 the tree's radius, 6, is more than the way to the antipode
    assert "the tree reaches around the sphere" in explorer.readout.value


def test_shows_the_sliders_and_the_picture_for_those_who_have_no_kernel() -> None:
    bundle, metadata = curvature_explorer()._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert metadata["image/png"]["alt"].startswith("Curvature −0.5")
    assert bundle["text/plain"].startswith(metadata["image/png"]["alt"] + "\nplotted: ")


WITHOUT = """
import sys
sys.modules["ipywidgets"] = None
from hypav.figures import curvature_explorer
explorer = curvature_explorer()
bundle, _ = explorer._repr_mimebundle_()
explorer.reset()
print(sorted(bundle), explorer.sliders, explorer.data["k"])
"""


def test_without_ipywidgets_the_picture_remains() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert run.stdout == "['image/png', 'text/plain'] {} -0.5\n"


def test_threads_do_not_mix_their_styles() -> None:
    """JupyterLab moves a widget in another thread than the one that runs cells; matplotlib's settings are shared."""
    inside = threading.Event()

    def draw() -> None:
        with use_style():
            inside.set()

    with use_style():
        other = threading.Thread(target=draw)
        other.start()
        assert not inside.wait(0.2)
    other.join(10)
    assert inside.is_set()


def test_sliders_lie_below_each_other_and_say_their_range() -> None:
    sliders = curvature_explorer().sliders.values()
    assert len({(slider.style.description_width, slider.layout.width) for slider in sliders}) == 1
    assert "length of an edge, from 0.6 to 1.5" in {slider.tooltip for slider in sliders}


def test_a_menu_redraws_resets_and_says_its_options() -> None:
    drawn = []

    def draw(**values: float | str) -> tuple:
        drawn.append(values)
        return plot_space(values["k"])

    menu = Choice("kind", "kind of figure", "plain", ("plain", "fancy"))
    explorer = Explorer(draw, [Control("k", "k", -0.5, -1, 0, 0.1), menu])
    box = explorer.sliders["kind"]
    assert (box.description, box.tooltip) == ("kind of figure", "kind of figure: plain, fancy")
    assert box.layout.width == explorer.sliders["k"].layout.width
    box.value = "fancy"
    assert drawn[-1] == {"k": -0.5, "kind": "fancy"}
    explorer.reset()
    assert drawn[-1] == {"k": -0.5, "kind": "plain"}


def test_the_buttons_of_a_menu_go_one_option_and_stop_at_the_ends() -> None:
    """JupyterLab takes the arrow keys of a closed menu (ipywidgets #3912), so the buttons are the keyboard's way."""
    explorer = Explorer(lambda kind: plot_space(-0.5), [Choice("kind", "kind", "b", ("a", "b", "c"))])
    buttons = {b.tooltip: b for b in widgets_of(explorer, ipywidgets.Button)}
    seen = []
    for word in ("next", "next", "previous", "previous", "previous"):
        buttons[f"kind: {word}"].click()
        seen.append(explorer.sliders["kind"].value)
    assert seen == ["c", "c", "b", "a", "a"]
