"""The explorer of notebook 09: the alignment loss of one batch over k, for every choice of the loss's parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from hypav.alignment import AlignmentConfig, head_losses
from hypav.figures.explorer import Explorer, fixed
from hypav.figures.style import BLUE, INK, Drawn, canvas

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "similarity": ("cosine", "inner", "distance", "kernel"),
    "normalise": ("frobenius", "row", "none"),
    "base": ("origin", "midpoint"),
    "to_ball": ("project", "expmap0"),
}
_KS = [round(-1 + 0.1 * step, 1) for step in range(13)]
_SCALES = [-2 + 0.25 * step for step in range(9)]  # powers of ten
_FLAT = 1e-9  # a loss with a smaller relative change does not depend on k; such a change is rounding


def alignment_state(phi_v: Tensor, phi_a: Tensor, avca: float, *, data: str) -> dict[str, Any]:
    """The state of the explorer: the losses of every choice, with three significant digits, and the first choice.

    Args:
        phi_v, phi_a: (N, D) embeddings of the same N samples.
        avca: L_avca of the batch.

    Returns:
        {"losses", "flat": {choice: text with one part for each scale}, "ks", "scales", "avca",
        "data", and what the controls set}.
    """
    ks = torch.tensor([_KS], dtype=phi_v.dtype)
    losses, flat = {}, {}
    for choice in product(*_CHOICES.values()):
        rows = []
        for power in _SCALES:
            config = AlignmentConfig(**dict(zip(_CHOICES, choice, strict=True)), scale=10**power)  # type: ignore[arg-type]
            with torch.no_grad():
                rows.append(head_losses(phi_v, phi_a, ks, config))
        name = " ".join(choice)
        # as text: a notebook writes each number of a list on a line of its own
        losses[name] = "; ".join(" ".join(f"{value:.3g}" for value in row.tolist()) for row in rows)
        flat[name] = "".join(str(int(row.max() - row.min() <= _FLAT * row.max())) for row in rows)
    first = {part: options[0] for part, options in _CHOICES.items()}
    return {
        **first,
        "log_scale": 0.0,
        "log_weight": 0.0,
        "data": data,
        "avca": float(f"{avca:.4g}"),
        "ks": _KS,
        "scales": _SCALES,
        "losses": losses,
        "flat": flat,
    }


def alignment_numbers(state: Mapping[str, Any]) -> dict[str, Any]:
    """What the explorer shows for a state.

    Returns:
        {"loss" (13,): weighted, over k, "flat": whether it does not depend on k, "ratio": of its values at k = -1 and
        -0.2, "share": at k = -0.2, in percent of L_avca}.
    """
    name = " ".join(state[part] for part in _CHOICES)
    row = _SCALES.index(state["log_scale"])
    values = state["losses"][name].split("; ")[row].split()
    loss = [10 ** state["log_weight"] * float(value) for value in values]
    at = _KS.index(-0.2)
    return {
        "loss": loss,
        "flat": state["flat"][name][row] == "1",
        "ratio": loss[0] / loss[at],
        "share": 100 * loss[at] / state["avca"],
    }


def alignment_words(state: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    """What the explorer shows, in words."""
    moves = (
        "does not depend on k"
        if numbers["flat"]
        else f"is {fixed(numbers['ratio'])} times as large at k = −1 as at −0.2"
    )
    share = f"{fixed(numbers['share'])} percent" if numbers["share"] >= 0.01 else "less than 0.01 percent"
    return (
        f"{state['data']}: {state['similarity']}, {state['normalise']}, base {state['base']}, {state['to_ball']}, scale "
        f"10^{fixed(state['log_scale'])}, weight 10^{fixed(state['log_weight'], 1)}. The loss {moves}. With its weight "
        f"it is {share} of L_avca."
    )


def plot_parts(state: Mapping[str, Any]) -> Drawn:
    """Draw the loss of the chosen parts over k, and its size beside L_avca; see `alignment_state`.

    Returns:
        figure and `alignment_numbers`.
    """
    numbers = alignment_numbers(state)
    color, dash = (INK, "--") if numbers["flat"] else (BLUE, "-")
    with canvas(7.4, 3.4, 2) as (figure, (chart, bar)):
        most = max(numbers["loss"]) or 1.0
        chart.plot(_KS, [value / most for value in numbers["loss"]], dash, color=color)
        chart.set(xlabel="curvature k", ylabel="loss / largest loss", ylim=(0, 1.15))
        chart.set_title("flat: k has no effect" if numbers["flat"] else "k has an effect")
        power = math.log10(max(numbers["share"] / 100, 1e-30))
        bar.barh(0, power + 8, left=-8, color=BLUE, height=0.3)
        bar.axvline(0, color=INK, linestyle="--", label="L_avca")
        bar.set(xlim=(-8, 4), ylim=(-1, 1), yticks=[], xlabel="term / L_avca at k = −0.2, power of 10")
        bar.set_title("how large is it?")
        bar.legend(loc="upper left")
        figure.suptitle(f"Does the loss change with k, and is it large enough to matter?\n{state['data']}")
    figure.alt_text = alignment_words(state, numbers)
    return figure, numbers


def alignment_explorer(phi_v: Tensor, phi_a: Tensor, avca: float, *, data: str) -> Explorer:
    """Show `plot_parts` with menus for the parts of the loss, and sliders for scale and weight.

    Args: as in `alignment_state`. The losses are computed once, for all choices.
    """
    state = alignment_state(phi_v, phi_a, avca, data=data)
    figure, numbers = plot_parts(state)
    return Explorer("alignment", figure, numbers, state)
