"""A figure with sliders. The figure comes first: where there is no kernel or no ipywidgets, it is what remains."""

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
except ImportError:  # the notebooks then show the figure alone
    ipywidgets = None


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

    Each has a label and two buttons that go one step; all works from the keyboard. Below the picture stands in words what
    it shows, announced by screen readers at every change. Redrawing goes through `observe` into one HTML image, never
    through interact or Output, whose outputs differ at each run.

    Args:
        draw: a function of `hypav.figures` taking every control by name, returning (figure, data).
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
        reset = ipywidgets.Button(description="Reset", tooltip="Everything back to where it was at first")
        reset.on_click(self.reset)
        self.image, self.readout = ipywidgets.HTML(), ipywidgets.HTML()
        self._show()
        self.box = ipywidgets.VBox([*rows, reset, self.image, self.readout])

    def _row(self, control: Control | Choice) -> Any:
        letters = max(len(each.label) for each in self._controls)  # so that the controls lie below each other
        common = {
            "description": control.label,
            "value": control.value,
            "style": {"description_width": f"{letters}ch"},
            "layout": {"width": f"calc({letters}ch + 22em)"},
        }
        widget = self._menu(control, common) if isinstance(control, Choice) else self._slider(control, common)
        widget.observe(self._redraw, names="value")
        self.sliders[control.name] = widget
        return ipywidgets.HBox([widget, *self._buttons(control)])

    @staticmethod
    def _slider(control: Control, common: dict[str, Any]) -> Any:
        return ipywidgets.FloatSlider(
            min=control.low,
            max=control.high,
            step=control.step,
            readout_format=".2f",
            tooltip=f"{control.label}, from {control.low:g} to {control.high:g}",  # without one it reads "null"
            **common,
        )

    @staticmethod
    def _menu(choice: Choice, common: dict[str, Any]) -> Any:
        tooltip = f"{choice.label}: {', '.join(choice.options)}"
        return ipywidgets.Dropdown(options=choice.options, tooltip=tooltip, **common)

    def _buttons(self, control: Control | Choice) -> list[Any]:
        """One step back and one on. A closed menu needs them: JupyterLab takes its arrow keys (ipywidgets #3912)."""
        if isinstance(control, Choice):
            marks, words = ("‹", "›"), ("previous", "next")
        else:
            marks = (f"−{control.step:g}", f"+{control.step:g}")
            words = (f"less by {control.step:g}", f"more by {control.step:g}")
        buttons = []
        for sign, mark, word in zip((-1, 1), marks, words, strict=True):
            button = ipywidgets.Button(
                description=mark, tooltip=f"{control.label}: {word}", layout={"width": "5em"}
            )
            button.on_click(self._step(control, sign))
            buttons.append(button)
        return buttons

    def _step(self, control: Control | Choice, sign: int) -> Callable[[Any], None]:
        def go(_: Any) -> None:
            widget = self.sliders[control.name]
            if isinstance(control, Choice):
                place = control.options.index(widget.value) + sign
                widget.value = control.options[min(max(place, 0), len(control.options) - 1)]
            else:
                widget.value = round(
                    min(max(widget.value + sign * control.step, control.low), control.high), 6
                )

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
