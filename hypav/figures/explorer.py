"""Figures that a reader moves: one JavaScript module each, for JupyterLab and for a page without kernel and network.

A module is `modules/NAME.js`, with `modules/common.js` in front of it. It reads a state, which is JSON, and computes
everything else itself. `figure` shows the same state where no script runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hypav.errors import SettingError
from hypav.figures.style import DescribedFigure, figure_bundle, minus

try:
    import anywidget
    import traitlets
except ImportError:  # then the notebooks show only the figure
    anywidget = None  # type: ignore[assignment]

EXPLORER = "application/vnd.hypav.explorer+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
MOST_BYTES = 120_000  # of a state: it is stored in the notebook and in its page

_MODULES = Path(__file__).parent / "modules"


class Explorer:
    """A figure with controls and points to drag. As the last line of a cell it shows itself.

    The output has the figure as a picture, its words, and the module's name with the state, from which
    `hypav.figures.page_scripts` makes the explorer of a page. JupyterLab shows the widget, if anywidget is installed.

    Args:
        module: the name of the JavaScript module.
        figure, data: the figure at this state and its numbers, as a function of `hypav.figures` returns them.
        state: what the module reads: numbers, words, and lists and mappings of them. Floats that depend on the
            processor must be rounded.
        unstable: the keys of the state whose values another processor changes all the same, as the points of a t-SNE.
            They are stored in the output's metadata, which nbval does not compare.

    Raises:
        SettingError: there is no such module, or the state is not JSON or is too large.
    """

    def __init__(
        self,
        module: str,
        figure: DescribedFigure,
        data: Any,
        state: Mapping[str, Any],
        *,
        unstable: Sequence[str] = (),
    ) -> None:
        module_source(module)
        try:
            size = len(json.dumps(state, allow_nan=False).encode())
        except (TypeError, ValueError) as error:
            raise SettingError(f"The state of an explorer must be JSON: {error}.") from None
        if size > MOST_BYTES:
            raise SettingError(f"The state has {size:,} bytes, but at most {MOST_BYTES:,} are stored.")
        self.module, self.figure, self.data, self.state = module, figure, data, dict(state)
        self._unstable = tuple(unstable)

    def widget(self) -> Any:
        """The anywidget of JupyterLab; None if anywidget is not installed."""
        return _widget_class(self.module)(state=self.state) if anywidget is not None else None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle, metadata = figure_bundle(self.figure, self.data)
        stable = {key: value for key, value in self.state.items() if key not in self._unstable}
        stored = {**bundle, EXPLORER: {"module": self.module, "state": stable}}
        if self._unstable:
            metadata = {**metadata, EXPLORER: {key: self.state[key] for key in self._unstable}}
        widget = self.widget()
        if widget is None:
            return stored, metadata
        live = widget._repr_mimebundle_()
        live = live[0] if isinstance(live, tuple) else live
        return {WIDGET_VIEW: live[WIDGET_VIEW], **stored}, metadata


def stored_explorer(output: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The module and the whole state that an output of a notebook stores; None if it stores no known explorer."""
    stored = output.get("data", {}).get(EXPLORER)
    if not isinstance(stored, Mapping) or stored.get("module") not in module_names():
        return None
    state, rest = stored.get("state"), output.get("metadata", {}).get(EXPLORER, {})
    if not isinstance(state, Mapping) or not isinstance(rest, Mapping):
        return None
    return str(stored["module"]), {**state, **rest}


def module_names() -> tuple[str, ...]:
    """The names of all modules."""
    return tuple(sorted(path.stem for path in _MODULES.glob("*.js") if path.stem != "common"))


@cache
def common_source() -> str:
    """The JavaScript that all modules share."""
    return (_MODULES / "common.js").read_text(encoding="utf-8")


@cache
def module_source(name: str) -> str:
    """The JavaScript of one module, without what all share.

    Raises:
        SettingError: there is no such module.
    """
    if name not in module_names():
        raise SettingError(f"There is no explorer {name!r}; choose {', '.join(module_names())}.")
    return (_MODULES / f"{name}.js").read_text(encoding="utf-8")


@cache
def _widget_class(name: str) -> Any:
    members = {
        "_esm": f"{common_source()}\n{module_source(name)}",
        "state": traitlets.Dict().tag(sync=True),
    }
    return type(f"Explorer_{name}", (anywidget.AnyWidget,), members)


def fixed(x: float, digits: int = 2) -> str:
    """x with a fixed number of decimals, as `fixed` of common.js writes it: a true minus sign, and none before zero."""
    text = f"{x:.{digits}f}"
    return minus(text) if any(digit in "123456789" for digit in text) else text.lstrip("-")


def rounded(values: Any, digits: int = 6) -> Any:
    """Numbers for a state, rounded: a tensor, an array or nested lists as nested lists.

    Raises:
        SettingError: a number is NaN or infinite.
    """
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, (list, tuple)):
        return [rounded(value, digits) for value in values]
    if not math.isfinite(values):
        raise SettingError("The state of an explorer holds a number that is not finite.")
    return round(float(values), digits) + 0.0
