"""Figures of the baseline's 17 loss terms: who is pulled together, who is pushed apart, and what one step does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from torch import Tensor

from hypav.avca import Embeddings
from hypav.errors import SettingError
from hypav.objective import TERM_GROUPS, avca_terms
from hypav.style import INK, OKABE_ITO, DescribedFigure, use_style

__all__ = ["TERM_PAIRS", "plot_term_steps", "plot_terms", "term_steps"]

_PULL, _PUSH = OKABE_ITO["blue"], OKABE_ITO["vermilion"]

# term -> the pair that it pulls together, and the pair that it pushes apart, by the fields of `Embeddings`; "text" is w
TERM_PAIRS: Mapping[str, tuple[tuple[str, str], tuple[str, str] | None]] = {
    "rec_v": (("text", "rho_v"), None),
    "rec_a": (("text", "rho_a"), None),
    "rec_w": (("text", "rho_w"), None),
    "cta": (("rho_w", "rho_a"), ("rho_w", "rho_a_neg")),
    "ctv": (("rho_w", "rho_v"), ("rho_w", "rho_v_neg")),
    "ta": (("theta_w", "theta_a"), ("theta_w", "theta_a_neg")),
    "at": (("theta_a", "theta_w"), ("theta_a", "theta_w_neg")),
    "tv": (("theta_w", "theta_v"), ("theta_w", "theta_v_neg")),
    "vt": (("theta_v", "theta_w"), ("theta_v", "theta_w_neg")),
    "add_a": (("theta_a", "theta_w"), ("theta_a", "theta_a_neg")),
    "add_v": (("theta_v", "theta_w"), ("theta_v", "theta_v_neg")),
    "add_wa": (("theta_w", "theta_a"), ("theta_w", "theta_w_neg")),
    "add_wv": (("theta_w", "theta_v"), ("theta_w", "theta_w_neg")),
    "reg_phi_v": (("phi_v_rec", "phi_v"), None),
    "reg_phi_a": (("phi_a_rec", "phi_a"), None),
    "reg_theta_v": (("theta_v", "theta_w"), None),
    "reg_theta_a": (("theta_a", "theta_w"), None),
}
# from which share of the way between the two to which each arrow goes; the first is that of the first of the pair
_PULLS = ((0.15, 0.47), (0.85, 0.53))
_PUSHES = ((0.5, 0.22), (0.5, 0.78))
_TOLD = {
    "l_rec": "l_rec: decode\nto the word",
    "l_ct": "l_ct: decoded, the\nright one nearer",
    "l_w": "l_w: words and\neach modality",
    "l_t": "l_t: the wrong one\nis of my own kind",
    "l_r": "l_r: remember φ,\nlie at your word",
}


def plot_terms() -> tuple[DescribedFigure, dict[str, dict[str, str]]]:
    """The 17 terms, a row for each group: blue arrows pull a pair together, dashed vermilion ones push it apart.
    Who has no arrow (w, an input) does not move.

    Returns:
        figure and {term: {"pulled": "x y", "pushed": "x y" or "nobody"}}.
    """
    columns = max(len(terms) for terms in TERM_GROUPS.values())
    with use_style():
        figure = DescribedFigure(figsize=(8, 7.4))
        grid = figure.subplots(len(TERM_GROUPS), columns)
        figure.subplots_adjust(left=0.19, right=0.99, top=0.89, bottom=0.02, hspace=0.3, wspace=0.08)
        for panels, (group, terms) in zip(grid, TERM_GROUPS.items(), strict=True):
            panels[0].text(
                -0.1, 0.5, _TOLD[group], transform=panels[0].transAxes, ha="right", va="center", fontsize=9
            )
            for axes, term in zip(panels, terms, strict=False):
                _draw_term(axes, term)
            for axes in panels[len(terms) :]:
                axes.set_visible(False)
        handles = [
            Line2D([], [], color=_PULL, label="→ ←  pulled together"),
            Line2D([], [], color=_PUSH, linestyle="--", label="←  →  pushed apart"),
        ]
        figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.965), ncols=2)
        figure.suptitle("Who is pulled, who is pushed?", y=0.995)
    triplets = [term for term, (_, pushed) in TERM_PAIRS.items() if pushed]
    groups = "; ".join(f"{group}: {', '.join(terms)}" for group, terms in TERM_GROUPS.items())
    figure.alt_text = (
        f"{len(TERM_PAIRS)} small drawings in five rows, {groups}. In {len(triplets)} of them a negative is pushed "
        f"away, in the other {len(TERM_PAIRS) - len(triplets)} a pair is pulled together and nobody is pushed."
    )
    shown = {
        term: {"pulled": " ".join(pulled), "pushed": " ".join(pushed) if pushed else "nobody"}
        for term, (pulled, pushed) in TERM_PAIRS.items()
    }
    return figure, shown


def term_steps(e: Embeddings, text: Tensor, *, step: float = 0.05) -> dict[str, tuple[float, float | None]]:
    """How much nearer the pulled pair and how much farther the pushed pair are after a step on one term alone.

    The embeddings themselves are moved, as if each were free, along minus the term's gradient; each row's gradient is
    brought to length 1 at most, so that terms can be compared. w itself, an input, stays.

    Args:
        e: embeddings of one batch, each (B, D).
        text: w (B, D_w).
        step: the length of the longest move.

    Returns:
        {term: (mean change of the pulled pair's distance, that of the pushed pair or None)}.

    Raises:
        SettingError: step is not a positive number.
    """
    if not 0 < step < float("inf"):
        raise SettingError(f"step is {step}; it must be a positive number.")
    free = {name: tensor.detach().clone().requires_grad_() for name, tensor in e._asdict().items()}
    terms = avca_terms(Embeddings(**free), text)
    changes: dict[str, tuple[float, float | None]] = {}
    for term, (pulled, pushed) in TERM_PAIRS.items():
        grads = torch.autograd.grad(terms[term], list(free.values()), allow_unused=True, retain_graph=True)
        moved = {"text": text}
        longest = max(float(g.norm(dim=1).max()) for g in grads if g is not None) or 1.0
        for (name, tensor), grad in zip(free.items(), grads, strict=True):
            moved[name] = tensor.detach() if grad is None else tensor.detach() - step * grad / longest
        before = {"text": text, **{name: tensor.detach() for name, tensor in free.items()}}
        changes[term] = (_change(before, moved, pulled), _change(before, moved, pushed) if pushed else None)
    return changes


def plot_term_steps(
    changes: Mapping[str, tuple[float, float | None]], *, data: str
) -> tuple[DescribedFigure, dict[str, dict[str, float]]]:
    """What a step on each term alone does to the distances of its two pairs: bars of `term_steps`.

    Returns:
        figure and {"pulled": {term: change}, "pushed": {term: change}}.
    """
    pulled = {term: change for term, (change, _) in changes.items()}
    pushed = {term: change for term, (_, change) in changes.items() if change is not None}
    rows = {term: len(changes) - 1 - row for row, term in enumerate(changes)}
    with use_style():
        figure = DescribedFigure(figsize=(7.2, 4.8), layout="constrained")
        axes = figure.subplots()
        axes.barh(
            [rows[t] + 0.2 for t in pulled], list(pulled.values()), 0.36, color=_PULL, label="pulled pair"
        )
        axes.barh(
            [rows[t] - 0.2 for t in pushed],
            list(pushed.values()),
            0.36,
            color=_PUSH,
            hatch="////",
            edgecolor="white",
            label="pushed pair",
        )
        axes.axvline(0, color=INK)
        axes.set_yticks(list(rows.values()), list(rows))
        axes.grid(False, axis="y")
        axes.set_xlabel("change of the mean distance (negative: nearer)")
        axes.legend(loc="lower right")
        axes.set_title(f"What does one step on one term alone do?\n{data}")
    figure.alt_text = (
        f"Bars for {len(changes)} terms. The pulled pair's mean distance changes by {max(pulled.values()):.3f} to "
        f"{min(pulled.values()):.3f}, so "
        + ("each comes nearer" if max(pulled.values()) < 0 else "not each comes nearer")
        + f"; the pushed pair's, of {len(pushed)} terms, by +{min(pushed.values()):.3f} to +{max(pushed.values()):.3f}."
    )
    return figure, {"pulled": pulled, "pushed": pushed}


def _change(before: Mapping[str, Tensor], after: Mapping[str, Tensor], pair: tuple[str, str]) -> float:
    def distance(of: Mapping[str, Any]) -> Tensor:
        return (of[pair[0]] - of[pair[1]]).norm(dim=1).mean()

    return float(distance(after) - distance(before))


def _draw_term(axes: Axes, term: str) -> None:
    pulled, pushed = TERM_PAIRS[term]
    anchor = pushed[0] if pushed else pulled[0]
    height = 0.22 if pushed else 0.5
    places = {anchor: (0.18, height), pulled[1] if pulled[0] == anchor else pulled[0]: (0.82, height)}
    if pushed:
        places[pushed[1]] = (0.78, 0.8)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.grid(False)
    axes.set_title(term, fontsize=9, pad=3)
    axes.spines[:].set(visible=True, color="#CCCCCC")
    _arrows(
        axes, places[pulled[0]], places[pulled[1]], _PULLS[1:] if pulled[0] == "text" else _PULLS, _PULL, "-"
    )
    if pushed:
        _arrows(axes, places[pushed[0]], places[pushed[1]], _PUSHES, _PUSH, (0, (3, 1.5)))
    for name, (x, y) in places.items():
        box = {"facecolor": "white", "edgecolor": INK, "boxstyle": "round,pad=0.25"}
        axes.text(x, y, _symbol(name), ha="center", va="center", fontsize=9, bbox=box)


def _arrows(
    axes: Axes,
    a: tuple[float, float],
    b: tuple[float, float],
    parts: Sequence[tuple[float, float]],
    color: str,
    dash: Any,
) -> None:
    """Arrows along the line from a to b, each from one share of the way to another."""
    for shares in parts:
        start, end = ((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])) for t in shares)
        look = {
            "arrowstyle": "-|>",
            "color": color,
            "linestyle": dash,
            "shrinkA": 0,
            "shrinkB": 0,
            "linewidth": 1.4,
        }
        axes.annotate("", end, start, arrowprops=look)


def _symbol(name: str) -> str:
    """theta_v_neg as θv⁻."""
    if name == "text":
        return "w"
    greek, *rest = name.split("_")
    letter = {"phi": "φ", "theta": "θ", "rho": "ρ"}[greek]
    ending = {"neg": "⁻", "rec": ",rec", "att": ",att"}
    return letter + rest[0] + "".join(ending[part] for part in rest[1:])
