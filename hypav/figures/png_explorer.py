"""Figures with sliders and menus. Without a kernel or ipywidgets only the figure is shown."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from hypav.errors import SettingError
from hypav.figures.style import DescribedFigure, figure_bundle, png_bytes

try:
    import ipywidgets
except ImportError:  # then the notebooks show only the figure
    ipywidgets = None


@dataclass(frozen=True)
class Control:
    """A slider: the argument of draw that it sets, its label, its initial value, and its range."""

    name: str
    label: str
    value: float
    low: float
    high: float
    step: float

    def widget(self, **common: Any) -> Any:
        """The ipywidgets slider."""
        return ipywidgets.FloatSlider(
            min=self.low,
            max=self.high,
            step=self.step,
            readout_format=".2f",
            tooltip=f"{self.label}, from {self.low:g} to {self.high:g}",  # without one it reads "null"
            **common,
        )

    def moved(self, value: float, sign: int) -> float:
        """The value one step down or up (sign -1 or 1), but not beyond the end."""
        return round(min(max(value + sign * self.step, self.low), self.high), 6)

    @property
    def buttons(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The symbols of the two buttons, and what they do in words."""
        step = f"{self.step:g}"
        return (f"−{step}", f"less by {step}"), (f"+{step}", f"more by {step}")


@dataclass(frozen=True)
class Choice:
    """A menu: the argument of draw that it sets, its label, its initial value, and its options."""

    name: str
    label: str
    value: str
    options: tuple[str, ...]

    buttons = ("‹", "previous"), ("›", "next")

    def widget(self, **common: Any) -> Any:
        """The ipywidgets menu."""
        tooltip = f"{self.label}: {', '.join(self.options)}"
        return ipywidgets.Dropdown(options=self.options, tooltip=tooltip, **common)

    def moved(self, value: str, sign: int) -> str:
        """The option before or after an option (sign -1 or 1), but not beyond the end."""
        index = self.options.index(value) + sign
        return self.options[min(max(index, 0), len(self.options) - 1)]


class Explorer:
    """Sliders and menus that redraw a figure. As the last line of a cell it shows itself.

    Every control has a label and two buttons for single steps; everything works from the keyboard. The text below the
    picture describes it, and screen readers announce every change. `observe` redraws one HTML image; interact and Output
    are not used, because their outputs differ at each run.

    Args:
        draw: a function that takes every control by name and returns (figure, data).
        controls: the sliders (Control) and menus (Choice).

    Attributes:
        figure, data: the current figure and its numbers.
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
        if ipywidgets is None:
            return
        rows = [self._row(control) for control in self._controls]
        reset = ipywidgets.Button(description="Reset", tooltip="Everything back to where it was at first")
        reset.on_click(self.reset)
        self.image, self.readout = ipywidgets.HTML(), ipywidgets.HTML()
        self._show()
        self.box = ipywidgets.VBox([*rows, reset, self.image, self.readout])

    def reset(self, *_: Any) -> None:
        """Set every slider and menu to its initial value, with one redraw."""
        if not self.sliders:
            return
        self._paused = True
        for control in self._controls:
            self.sliders[control.name].value = control.value
        self._paused = False
        self._redraw()

    def _row(self, control: Any) -> Any:
        """The control and two buttons. Menus need them: JupyterLab takes over their arrow keys (ipywidgets #3912)."""
        letters = max(len(each.label) for each in self._controls)  # so that the controls are aligned
        widget = control.widget(
            description=control.label,
            value=control.value,
            style={"description_width": f"{letters}ch"},
            layout={"width": f"calc({letters}ch + 22em)"},
        )
        widget.observe(self._redraw, names="value")
        self.sliders[control.name] = widget
        buttons = []
        for sign, (mark, words) in zip((-1, 1), control.buttons, strict=True):
            tooltip = f"{control.label}: {words}"
            button = ipywidgets.Button(description=mark, tooltip=tooltip, layout={"width": "5em"})
            button.on_click(
                lambda _, sign=sign: setattr(widget, "value", control.moved(widget.value, sign)),
            )
            buttons.append(button)
        return ipywidgets.HBox([widget, *buttons])

    def _redraw(self, _: Any = None) -> None:
        if self._paused:
            return
        values = {
            name: round(slider.value, 6) if isinstance(slider.value, float) else slider.value
            for name, slider in self.sliders.items()
        }
        try:
            self.figure, self.data = self._draw(**values)
        except SettingError as error:  # keep the last picture
            self.readout.value = _announced(str(error))
            return
        self._show()

    def _show(self) -> None:
        # not ipywidgets.Image: it has no alt text, and with a tooltip instead JupyterLab does not draw it
        picture = base64.b64encode(png_bytes(self.figure)).decode("ascii")
        width, height = (round(inches * self.figure.dpi) for inches in self.figure.get_size_inches())
        self.image.value = (
            f'<img src="data:image/png;base64,{picture}" width="{width}" height="{height}" '
            f'alt="{escape(self.figure.alt_text)}">'
        )
        self.readout.value = _announced(self.figure.alt_text)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle, metadata = figure_bundle(self.figure, self.data)
        live = self.box._repr_mimebundle_() if ipywidgets is not None else {}
        return {**live, **bundle}, metadata


def _announced(text: str) -> str:
    return f'<p role="status" aria-live="polite" style="max-width: 45em; line-height: 1.4">{escape(text)}</p>'
