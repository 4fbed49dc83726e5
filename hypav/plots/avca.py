"""Figures of the baseline network: its parts with the shapes that flow through them, and its attention weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from hypav.avca import AVCA, EmbeddingNet
from hypav.errors import DataError
from hypav.style import INK, OKABE_ITO, DescribedFigure, use_style

__all__ = ["attention_weights", "plot_attention", "plot_network"]

_ROWS = {"a": 7.4, "v": 4.6, "w": 1.4}
_COLORS = {"a": OKABE_ITO["vermilion"], "v": OKABE_ITO["blue"], "w": OKABE_ITO["green"], "": INK}
_TOKENS = ("audio", "video")
# module -> (left, bottom, width, height, modality)
_BOXES = {
    "encode_a": (2.0, 6.6, 2.6, 1.6, "a"),
    "encode_v": (2.0, 3.8, 2.6, 1.6, "v"),
    "attention": (6.2, 3.8, 2.2, 4.4, ""),
    "project_a": (10.0, 6.6, 2.5, 1.6, "a"),
    "project_v": (10.0, 3.8, 2.5, 1.6, "v"),
    "project_w": (10.0, 0.6, 2.5, 1.6, "w"),
    "reconstruct_a": (14.4, 6.6, 2.6, 1.6, "a"),
    "reconstruct_v": (14.4, 3.8, 2.6, 1.6, "v"),
    "decode": (14.4, 0.6, 2.6, 1.6, ""),
}


@torch.no_grad()
def plot_network(
    model: AVCA, audio: Tensor, video: Tensor, text: Tensor
) -> tuple[DescribedFigure, dict[str, Any]]:
    """The network's parts as boxes, and on each arrow the shape of what flows there, taken from a real batch.

    Args:
        audio, video, text: (B, D_a), (B, D_v), (B, D_w); sent through the parts in evaluation mode.

    Returns:
        figure and {"shapes": {"phi_a": [B, 300], ...}, "parameters": {part: count, ..., "positional", "all"}}.
    """
    shapes = {name: list(tensor.shape) for name, tensor in _flow(model, audio, video, text).items()}
    counts = {name: sum(p.numel() for p in getattr(model, name).parameters()) for name in _BOXES}
    counts |= {"positional": model.positional.numel()}
    counts["all"] = sum(p.numel() for p in model.parameters())
    with use_style():
        figure = DescribedFigure(figsize=(8, 4.4))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.005, right=0.995, top=0.92, bottom=0.01)
        axes.set(xlim=(-0.2, 19.6), ylim=(0, 9), xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set_visible(False)
        for name, place in _BOXES.items():
            _box(axes, f"{name}\n{_sizes(getattr(model, name))}\n{_short(counts[name])}", place)
        _draw_flow(axes, shapes)
        axes.text(
            7.3,
            8.55,
            f"+ positional {tuple(model.positional.shape)}",
            ha="center",
            va="center",
            fontsize=7.5,
            color=INK,
        )
        figure.suptitle(f"What happens to a batch on its way to {_width(shapes)} numbers?")
    told = ", ".join(f"{name} {_short(counts[name])}" for name in _BOXES)
    figure.alt_text = (
        "Three rows of boxes from left to right. Audio and video each pass an encoder, meet in one attention layer over "
        "two tokens, and pass a projector each; words pass a projector only. All three end as theta of width "
        f"{_width(shapes)}, which one shared decoder turns into rho; theta of audio and video are also turned back into "
        f"phi. Parameters: {told}; {counts['all'] / 1e6:.2f} million in all."
    )
    return figure, {"shapes": shapes, "parameters": counts}


@torch.no_grad()
def attention_weights(model: AVCA, audio: Tensor, video: Tensor) -> Tensor:
    """The softmax weights (B, heads, 2, 2) in evaluation mode: row = the token that asks, column = the token that is
    read; 0 audio, 1 video."""
    was_training = model.training
    model.eval()
    layer = model.attention
    tokens = torch.stack((model.encode_a(audio), model.encode_v(video)), dim=1) + model.positional
    projected = layer.to_qkv(layer.norm(tokens)).view(len(tokens), 2, 3, layer.heads, -1)
    q, k, _ = projected.permute(2, 0, 3, 1, 4)
    model.train(was_training)
    return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(dim=-1)


def plot_attention(
    weights: Mapping[str, Tensor], *, data: str
) -> tuple[DescribedFigure, dict[str, dict[str, Tensor]]]:
    """Attention weights as 2 x 2 tables, a row of panels for each state of the network, a column for each head.

    Args:
        weights: name of the state -> (B, heads, 2, 2) of `attention_weights`; as many heads in each.

    Returns:
        figure and {state: {"mean": (heads, 2, 2), "spread": (heads, 2, 2) the standard deviation over samples}}.

    Raises:
        DataError: there is no state, or two have different numbers of heads.
    """
    heads = {w.shape[1] for w in weights.values()}
    if len(heads) != 1:
        raise DataError("Give the weights of at least one network, all with as many heads.")
    shown = {name: {"mean": w.mean(dim=0), "spread": w.std(dim=0)} for name, w in weights.items()}
    with use_style():
        size = (8, 0.9 + 2.4 * len(shown))
        figure = DescribedFigure(figsize=size, layout="constrained")
        grid = figure.subplots(len(shown), heads.pop(), squeeze=False)
        for place, (name, numbers) in enumerate(shown.items()):
            panels = grid[place]
            for head, axes in enumerate(panels):
                image = axes.imshow(numbers["mean"][head].numpy(), cmap="cividis", vmin=0, vmax=1)
                for row in (0, 1):
                    for column in (0, 1):
                        mean = float(numbers["mean"][head, row, column])
                        told = f"{mean:.2f}\n± {float(numbers['spread'][head, row, column]):.2f}"
                        color = "black" if mean > 0.5 else "white"
                        axes.text(column, row, told, ha="center", va="center", color=color, fontsize=9)
                axes.set_title(f"{name}, head {head + 1}")
                axes.set_xticks((0, 1), _TOKENS if place == len(shown) - 1 else ("", ""))
                axes.set_yticks((0, 1), _TOKENS if head == 0 else ("", ""))
                axes.tick_params(length=0)
                axes.grid(False)
            panels[0].set_ylabel("token that asks")
        for axes in grid[-1]:
            axes.set_xlabel("token that is read")
        figure.colorbar(image, ax=list(grid.flat), label="weight, mean over samples", shrink=0.8)
        figure.suptitle(f"Which token does each head read?\n{data}")
    told_all = []
    for name, numbers in shown.items():
        rows = [
            f"head {head + 1}: audio reads audio {float(m[0, 0]):.2f}, video reads video {float(m[1, 1]):.2f}"
            for head, m in enumerate(numbers["mean"])
        ]
        told_all.append(f"{name}: {', '.join(rows)}, largest spread {float(numbers['spread'].max()):.2f}")
    figure.alt_text = f"Tables of two by two attention weights. {'; '.join(told_all)}."
    return figure, shown


def _flow(model: AVCA, audio: Tensor, video: Tensor, text: Tensor) -> dict[str, Tensor]:
    """What stands on the arrows, by the names of `hypav.avca`."""
    was_training = model.training
    model.eval()
    phi_a, phi_v = model.encode_a(audio), model.encode_v(video)
    phi_a_att, phi_v_att = model.attend(phi_a, phi_v, None)
    theta_a, theta_v, theta_w = model.project_a(phi_a_att), model.project_v(phi_v_att), model.project_w(text)
    flow = {
        "audio": audio, "video": video, "text": text, "phi_a": phi_a, "phi_v": phi_v,
        "phi_a_att": phi_a_att, "phi_v_att": phi_v_att,
        "theta_a": theta_a, "theta_v": theta_v, "theta_w": theta_w,
        "phi_a_rec": model.reconstruct_a(theta_a), "phi_v_rec": model.reconstruct_v(theta_v),
        "rho_w": model.decode(theta_w),
    }  # fmt: skip
    model.train(was_training)
    return flow


def _draw_flow(axes: Axes, shapes: Mapping[str, list[int]]) -> None:
    for kind, name, label in (("a", "audio", "audio"), ("v", "video", "video"), ("w", "text", "words")):
        y, color = _ROWS[kind], _COLORS[kind]
        axes.text(-0.1, y, f"{label}\n{_shape(shapes[name])}", va="center", color=color, fontsize=7.5)
        _arrow(axes, (1.35, y), (2.0 if kind != "w" else 10.0, y), color)
        _arrow(axes, (12.5, y), (14.4, y), color)
        _label(axes, 13.1, y, f"θ{kind}", shapes[f"theta_{kind}"], color)
        if kind != "w":
            _arrow(axes, (4.6, y), (6.2, y), color)
            _arrow(axes, (8.4, y), (10.0, y), color)
            _arrow(axes, (17.0, y), (17.5, y), color)
            _label(axes, 5.35, y, f"φ{kind}", shapes[f"phi_{kind}"], color)
            _label(axes, 9.15, y, f"φ{kind},att", shapes[f"phi_{kind}_att"], color)
            told = f"φ{kind},rec\n{_shape(shapes[f'phi_{kind}_rec'])}"
            axes.text(17.6, y, told, va="center", color=color, fontsize=7.5)
            # theta goes down to the shared decoder as well
            turn = {"a": 14.1, "v": 13.8}[kind]
            axes.plot([turn, turn], [y, 1.75 if kind == "a" else 1.05], color=color, linewidth=1)
            _arrow(axes, (turn, 1.75 if kind == "a" else 1.05), (14.4, 1.75 if kind == "a" else 1.05), color)
    _arrow(axes, (17.0, 1.4), (17.5, 1.4), INK)
    axes.text(17.6, 1.4, f"ρa, ρv, ρw\n{_shape(shapes['rho_w'])}", va="center", color=INK, fontsize=7.5)


def _box(axes: Axes, text: str, place: tuple[float, float, float, float, str]) -> None:
    left, bottom, width, height, kind = place
    color = _COLORS[kind]
    style = "round,pad=0,rounding_size=0.15"
    axes.add_patch(
        FancyBboxPatch((left, bottom), width, height, boxstyle=style, facecolor="#F7F7F7", edgecolor=color)
    )
    axes.text(left + width / 2, bottom + height / 2, text, ha="center", va="center", fontsize=7.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    axes.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0}
    )


def _label(axes: Axes, x: float, y: float, symbol: str, shape: list[int], color: str) -> None:
    axes.text(x, y + 0.12, symbol, ha="center", va="bottom", color=color, fontsize=7.5)
    axes.text(x, y - 0.16, _shape(shape), ha="center", va="top", color=color, fontsize=6.5)


def _sizes(part: torch.nn.Module) -> str:
    if isinstance(part, EmbeddingNet):
        hidden = [] if part.hidden is None else [part.hidden.out_features]
        first = part.out.in_features if part.hidden is None else part.hidden.in_features
        return " → ".join(map(str, [first, *hidden, part.out.out_features]))
    return f"2 tokens,\n{part.heads} heads"


def _shape(shape: list[int]) -> str:
    return f"({', '.join(map(str, shape))})"


def _width(shapes: Mapping[str, list[int]]) -> str:
    return str(shapes["theta_v"][1])


def _short(count: int) -> str:
    return f"{count / 1000:.0f} k"
