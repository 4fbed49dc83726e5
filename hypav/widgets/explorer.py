"""A figure with sliders. The figure comes first: where there is no kernel or no ipywidgets, it is what remains."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from hypav.errors import SettingError
from hypav.show import figure_bundle
from hypav.style import DescribedFigure, png_bytes

try:
    import ipywidgets
except ImportError:  # the notebooks then show the figure alone
    ipywidgets = None

__all__ = ["Choice", "Control", "Explorer"]


@dataclass(frozen=True)
class Control:
    """A slider: the name of draw's argument, the label beside it, its value at first and after reset, its range."""

    name: str
    label: str
    value: float
    low: float
    high: float
    step: float


@dataclass(frozen=True)
class Choice:
    """A menu: the name of draw's argument, the label beside it, its value at first and after reset, its options."""

    name: str
    label: str
    value: str
    options: tuple[str, ...]


class Explorer:
    """Sliders and menus that redraw a figure. As the last line of a cell it shows itself.

    Each has a label; a slider shows its value and has two buttons that go one step; all works from the keyboard. Below
    the picture stands in words what it shows, announced by screen readers at every change. Redrawing goes through
    `observe` into one HTML image, never through interact or Output, whose outputs differ at each run.

    Args:
        draw: a function of `hypav.plots` taking every control by name, returning (figure, data).
        controls: the sliders (Control) and menus (Choice).

    Attributes:
        figure, data: what is drawn now.
        sliders: the ipywidgets sliders and menus by name; empty without ipywidgets.
    """

    def __init__(
        self, draw: Callable[..., tuple[DescribedFigure, Any]], controls: Sequence[Control | Choice]
    ) -> None:
        self._draw = draw
        self._controls = list(controls)
        self.figure, self.data = draw(**{control.name: control.value for control in controls})
        self.sliders: dict[str, Any] = {}
        self._paused = False
        if ipywidgets is not None:
            self._build()

    def reset(self, *_: Any) -> None:
        """Every slider and menu back to where it was at first, with one redraw."""
        if not self.sliders:
            return
        self._paused = True
        for control in self._controls:
            self.sliders[control.name].value = control.value
        self._paused = False
        self._redraw()

    def _build(self) -> None:
        rows = [self._row(control) for control in self._controls]
        reset = ipywidgets.Button(description="Reset", tooltip="All sliders back to where they were at first")
        reset.on_click(self.reset)
        self.image, self.readout = ipywidgets.HTML(), ipywidgets.HTML()
        self._show()
        self.box = ipywidgets.VBox([*rows, reset, self.image, self.readout])

    def _row(self, control: Control | Choice) -> Any:
        letters = max(len(each.label) for each in self._controls)  # so that the controls lie below each other
        if isinstance(control, Choice):
            return self._menu(control, letters)
        slider = ipywidgets.FloatSlider(
            description=control.label,
            value=control.value,
            min=control.low,
            max=control.high,
            step=control.step,
            readout_format=".2f",
            tooltip=f"{control.label}, from {control.low:g} to {control.high:g}",  # without one it reads "null"
            style={"description_width": f"{letters}ch"},
            layout={"width": f"calc({letters}ch + 22em)"},
        )
        slider.observe(self._redraw, names="value")
        self.sliders[control.name] = slider
        buttons = []
        for sign, mark, word in ((-1, "−", "less"), (1, "+", "more")):
            button = ipywidgets.Button(
                description=f"{mark}{control.step:g}",
                tooltip=f"{control.label}: {word} by {control.step:g}",
                layout={"width": "5em"},
            )
            button.on_click(self._step(control, sign))
            buttons.append(button)
        return ipywidgets.HBox([slider, *buttons])

    def _menu(self, choice: Choice, letters: int) -> Any:
        menu = ipywidgets.Dropdown(
            description=choice.label,
            options=choice.options,
            value=choice.value,
            tooltip=f"{choice.label}: {', '.join(choice.options)}",
            style={"description_width": f"{letters}ch"},
            layout={"width": f"calc({letters}ch + 22em)"},
        )
        menu.observe(self._redraw, names="value")
        self.sliders[choice.name] = menu
        return menu

    def _step(self, control: Control, sign: int) -> Callable[[Any], None]:
        def go(_: Any) -> None:
            slider = self.sliders[control.name]
            slider.value = round(min(max(slider.value + sign * control.step, control.low), control.high), 6)

        return go

    def _redraw(self, _: Any = None) -> None:
        if self._paused:
            return
        values = {
            name: round(slider.value, 6) if isinstance(slider.value, float) else slider.value
            for name, slider in self.sliders.items()
        }
        try:
            figure, data = self._draw(**values)
        except SettingError as error:  # the last picture stays
            self.readout.value = self._words(str(error))
            return
        self.figure, self.data = figure, data
        self._show()

    def _show(self) -> None:
        # not ipywidgets.Image: it has no alt text, and given a tooltip instead JupyterLab fails to draw it
        picture = base64.b64encode(png_bytes(self.figure)).decode("ascii")
        width, height = (round(inches * self.figure.dpi) for inches in self.figure.get_size_inches())
        self.image.value = (
            f'<img src="data:image/png;base64,{picture}" width="{width}" height="{height}" '
            f'alt="{escape(self.figure.alt_text)}">'
        )
        self.readout.value = self._words(self.figure.alt_text)

    @staticmethod
    def _words(text: str) -> str:
        return f'<p role="status" aria-live="polite" style="max-width: 45em; line-height: 1.4">{escape(text)}</p>'

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle, metadata = figure_bundle(self.figure, self.data)
        live = self.box._repr_mimebundle_() if ipywidgets is not None else {}
        return {**live, **bundle}, metadata
