"""Figures of notebook 05: the network, its attention weights, its 17 losses, its batch norm and its mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from hypav.avca import AVCA, EmbeddingNet, Embeddings
from hypav.errors import DataError, SettingError
from hypav.evaluation import Scores
from hypav.figures.runs import epochs_of
from hypav.figures.style import BLUE, GREEN, HATCH, INK, VERMILION, Drawn, bare, canvas, cues, legend_below
from hypav.figures.triplet_explorer import triplet_explorer  # noqa: F401
from hypav.losses import TERM_GROUPS, avca_terms

_PULL, _PUSH = BLUE, VERMILION
_ROWS = {"a": 7.4, "v": 4.6, "w": 1.4}
_COLORS = {"a": VERMILION, "v": BLUE, "w": GREEN, "": INK}
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
def plot_network(model: AVCA, audio: Tensor, video: Tensor, text: Tensor) -> Drawn:
    """Draw the network's parts as boxes, and on each arrow the shape of its tensor for a batch.

    Args:
        audio, video, text: (B, D_a), (B, D_v), (B, D_w); the network processes them in evaluation mode.

    Returns:
        figure and {"shapes": {"phi_a": [B, 300], ...}, "parameters": {part: count, ..., "positional", "all"}}.
    """
    shapes = {name: list(tensor.shape) for name, tensor in _flow(model, audio, video, text).items()}
    counts = {name: sum(p.numel() for p in getattr(model, name).parameters()) for name in _BOXES}
    counts |= {"positional": model.positional.numel()}
    counts["all"] = sum(p.numel() for p in model.parameters())
    dim_theta = shapes["theta_v"][1]
    with canvas(8, 4.4, margins=(0.005, 0.01, 0.995, 0.92)) as (figure, axes):
        axes.set(xlim=(-0.2, 19.6), ylim=(0, 9))
        bare(axes)
        centred: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7.5}
        for name, (left, bottom, width, height, kind) in _BOXES.items():
            box: dict[str, Any] = {"facecolor": "#F7F7F7", "edgecolor": _COLORS[kind]}
            shape = "round,pad=0,rounding_size=0.15"
            axes.add_patch(FancyBboxPatch((left, bottom), width, height, boxstyle=shape, **box))
            words = f"{name}\n{_sizes(getattr(model, name))}\n{_thousands(counts[name])}"
            axes.text(left + width / 2, bottom + height / 2, words, **centred)
        _draw_flow(axes, shapes)
        axes.text(7.3, 8.55, f"+ positional {tuple(model.positional.shape)}", color=INK, **centred)
        figure.suptitle(f"What happens to a batch on its way to {dim_theta} numbers?")
    listed = ", ".join(f"{name} {_thousands(counts[name])}" for name in _BOXES)
    figure.alt_text = (
        "Three rows of boxes from left to right. Audio and video each pass an encoder, meet in one attention layer over "
        "two tokens, and pass a projector each; words pass a projector only. All three end as theta of width "
        f"{dim_theta}, which one shared decoder turns into rho; theta of audio and video are also turned back into "
        f"phi. Parameters: {listed}; {counts['all'] / 1e6:.2f} million in all."
    )
    return figure, {"shapes": shapes, "parameters": counts}


@torch.no_grad()
def attention_weights(model: AVCA, audio: Tensor, video: Tensor) -> Tensor:
    """Softmax weights (B, heads, 2, 2) in evaluation mode: the row is the query's token, the column the key's token.

    Token 0 is audio, token 1 video.
    """
    was_training = model.training
    model.eval()
    layer = model.attention
    tokens = torch.stack((model.encode_a(audio), model.encode_v(video)), dim=1) + model.positional
    projected = layer.to_qkv(layer.norm(tokens)).view(len(tokens), 2, 3, layer.heads, -1)
    q, k, _ = projected.permute(2, 0, 3, 1, 4)
    model.train(was_training)
    return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(dim=-1)


def plot_attention(weights: Mapping[str, Tensor], *, data: str) -> Drawn:
    """Draw attention weights as 2 x 2 tables, with a row of panels for each state of the network and a column per head.

    Args:
        weights: name of the state -> (B, heads, 2, 2) from `attention_weights`, all with the same number of heads.

    Returns:
        figure and {state: {"mean": (heads, 2, 2), "spread": (heads, 2, 2) the standard deviation over samples}}.

    Raises:
        DataError: no state is given, or the numbers of heads differ.
    """
    heads = {w.shape[1] for w in weights.values()}
    if len(heads) != 1:
        raise DataError("Give the weights of at least one network, and of networks with equally many heads.")
    shown = {name: {"mean": w.mean(dim=0), "spread": w.std(dim=0)} for name, w in weights.items()}
    last = list(shown)[-1]
    with canvas(8, 0.9 + 2.4 * len(shown), (len(shown), heads.pop())) as (figure, grid):
        for panels, (name, numbers) in zip(grid, shown.items(), strict=True):
            for head, axes in enumerate(panels):
                image = axes.imshow(numbers["mean"][head].numpy(), cmap="cividis", vmin=0, vmax=1)
                for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
                    mean = float(numbers["mean"][head, row, column])
                    words = f"{mean:.2f}\n± {float(numbers['spread'][head, row, column]):.2f}"
                    color = "black" if mean > 0.5 else "white"
                    axes.text(column, row, words, ha="center", va="center", color=color, fontsize=9)
                axes.set_title(f"{name}, head {head + 1}")
                axes.set_xticks((0, 1), _TOKENS if name == last else ("", ""))
                axes.set_yticks((0, 1), _TOKENS if head == 0 else ("", ""))
                axes.tick_params(length=0)
                axes.grid(False)
            panels[0].set_ylabel("token that asks")
        for axes in grid[-1]:
            axes.set_xlabel("token that is read")
        figure.colorbar(image, ax=list(grid.flat), label="weight, mean over samples", shrink=0.8)
        figure.suptitle(f"Which token does each head read?\n{data}")
    parts = []
    for name, numbers in shown.items():
        rows = [
            f"head {head + 1}: audio reads audio {float(m[0, 0]):.2f}, video reads video {float(m[1, 1]):.2f}"
            for head, m in enumerate(numbers["mean"])
        ]
        parts.append(f"{name}: {', '.join(rows)}, largest spread {float(numbers['spread'].max()):.2f}")
    figure.alt_text = f"Tables of two by two attention weights. {'; '.join(parts)}."
    return figure, shown


def _flow(model: AVCA, audio: Tensor, video: Tensor, text: Tensor) -> dict[str, Tensor]:
    """The tensors on the arrows, by the names of `hypav.avca`."""
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
            words = f"φ{kind},rec\n{_shape(shapes[f'phi_{kind}_rec'])}"
            axes.text(17.6, y, words, va="center", color=color, fontsize=7.5)
            # theta also goes down to the shared decoder
            x, end = {"a": (14.1, 1.75), "v": (13.8, 1.05)}[kind]
            axes.plot([x, x], [y, end], color=color, linewidth=1)
            _arrow(axes, (x, end), (14.4, end), color)
    _arrow(axes, (17.0, 1.4), (17.5, 1.4), INK)
    axes.text(17.6, 1.4, f"ρa, ρv, ρw\n{_shape(shapes['rho_w'])}", va="center", color=INK, fontsize=7.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str, **more: Any) -> None:
    style = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style | more)


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


def _thousands(count: int) -> str:
    return f"{count / 1000:.0f} k"


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
# start and end of each arrow, as fractions of the way from the first of the pair to the second
_PULLS = ((0.15, 0.47), (0.85, 0.53))
_PUSHES = ((0.5, 0.22), (0.5, 0.78))
_GROUP_WORDS = {
    "l_rec": "l_rec: decode\nto the word",
    "l_ct": "l_ct: decoded, the\nright one nearer",
    "l_w": "l_w: words and\neach modality",
    "l_t": "l_t: the wrong one\nis of my own kind",
    "l_r": "l_r: remember φ,\nlie at your word",
}


def plot_terms() -> Drawn:
    """Draw the 17 terms, one row per group. Blue arrows pull a pair together, dashed vermilion arrows push it apart.

    An embedding without an arrow does not move; this is w, which is an input.

    Returns:
        figure and {term: {"pulled": "x y", "pushed": "x y" or "nobody"}}.
    """
    grid_shape = len(TERM_GROUPS), max(len(terms) for terms in TERM_GROUPS.values())
    with canvas(8, 7.4, grid_shape, margins=(0.19, 0.02, 0.99, 0.89, 0.08, 0.3)) as (figure, grid):
        for panels, (group, terms) in zip(grid, TERM_GROUPS.items(), strict=True):
            style: dict[str, Any] = {"transform": panels[0].transAxes, "ha": "right", "va": "center"}
            panels[0].text(-0.1, 0.5, _GROUP_WORDS[group], fontsize=9, **style)
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
    """The changes in distance of the pulled and the pushed pair after a step on one term alone.

    The embeddings are moved along the negative gradient of the term, as if each were free. The longest row of the
    gradient is scaled to length 1, so that terms can be compared. w is an input and does not move.

    Args:
        e: embeddings of one batch, each (B, D).
        text: w (B, D_w).
        step: the length of the longest move.

    Returns:
        {term: (mean change in distance of the pulled pair, and of the pushed pair or None)}.

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


def plot_term_steps(changes: Mapping[str, tuple[float, float | None]], *, data: str) -> Drawn:
    """Draw how a step on each term alone changes the distances of its two pairs, as bars, from `term_steps`.

    Returns:
        figure and {"pulled": {term: change}, "pushed": {term: change}}.
    """
    pulled = {term: change for term, (change, _) in changes.items()}
    pushed = {term: change for term, (_, change) in changes.items() if change is not None}
    rows = {term: len(changes) - 1 - row for row, term in enumerate(changes)}
    with canvas(7.2, 4.8) as (figure, axes):
        for pairs, shift, color, hatch, label in (
            (pulled, 0.2, _PULL, "", "pulled pair"),
            (pushed, -0.2, _PUSH, HATCH, "pushed pair"),
        ):
            style: dict[str, Any] = {"hatch": hatch, "edgecolor": "white"} if hatch else {}
            heights = [rows[term] + shift for term in pairs]
            axes.barh(heights, list(pairs.values()), 0.36, color=color, label=label, **style)
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
    arrows: list[Any] = [
        (pulled, shares, _PULL, "-") for shares in (_PULLS[1:] if pulled[0] == "text" else _PULLS)
    ]
    arrows += [(pushed, shares, _PUSH, (0, (3, 1.5))) for shares in _PUSHES if pushed]
    for (first, second), shares, color, dash in arrows:
        (x, y), (to_x, to_y) = places[first], places[second]
        start, end = ((x + t * (to_x - x), y + t * (to_y - y)) for t in shares)
        _arrow(axes, start, end, color, linestyle=dash, linewidth=1.4)
    for name, (x, y) in places.items():
        box = {"facecolor": "white", "edgecolor": INK, "boxstyle": "round,pad=0.25"}
        axes.text(x, y, _symbol(name), ha="center", va="center", fontsize=9, bbox=box)


def _symbol(name: str) -> str:
    """The symbol of an embedding, e.g. θv⁻ for theta_v_neg."""
    if name == "text":
        return "w"
    greek, *rest = name.split("_")
    letter = {"phi": "φ", "theta": "θ", "rho": "ρ"}[greek]
    ending = {"neg": "⁻", "rec": ",rec", "att": ",att"}
    return letter + rest[0] + "".join(ending[part] for part in rest[1:])


def plot_loss_groups(history: Any, *, data: str) -> Drawn:
    """Draw the five groups of terms by epoch, each the sum of its terms, and S, U and HM on val.

    Args:
        history: a row for each epoch with "epoch", the 17 terms, and S, U, HM as fractions; a
            DataFrame or a sequence of mappings.

    Returns:
        figure and {"epoch", group: sums, "S", "U", "HM": percent}.

    Raises:
        DataError: the history has no epoch.
    """
    history = epochs_of(history)
    shown: dict[str, list[float]] = {"epoch": [row["epoch"] for row in history]}
    shown |= {group: [sum(row[t] for t in terms) for row in history] for group, terms in TERM_GROUPS.items()}
    shown |= {name: [100 * row[name] for row in history] for name in ("S", "U", "HM")}
    with canvas(8, 3.4, 2) as (figure, (left, right)):
        for axes, names in ((left, tuple(TERM_GROUPS)), (right, ("HM", "S", "U"))):
            for name, cue in cues(names).items():
                axes.plot(shown["epoch"], shown[name], **cue.line, label=name)
            axes.set_xlabel("epoch")
            axes.set_ylim(0, 1.35 * max(max(shown[name]) for name in names))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            axes.legend(loc="upper center", ncols=3)
        left.set(title="loss, mean of the epoch", ylabel="sum of the group's terms")
        right.set(title="validation, β chosen anew each epoch", ylabel="%")
        figure.suptitle(f"Which part of the loss falls, and what does it buy?\n{data}")
    parts = [f"{group} from {shown[group][0]:.2f} to {shown[group][-1]:.2f}" for group in TERM_GROUPS]
    figure.alt_text = (
        f"Over {len(history)} epochs: {', '.join(parts)}. On val HM goes from {shown['HM'][0]:.1f} to "
        f"{shown['HM'][-1]:.1f} percent."
    )
    return figure, shown


def plot_momentum(
    batches: Tensor, running: Mapping[str, Tensor], quality: Mapping[str, Sequence[float]], *, data: str
) -> Drawn:
    """Draw one unit's mean in each batch and as stored by the batch norm, and the HM with the stored mean.

    Args:
        batches: (n,) the unit's mean in each batch.
        running: name of a momentum -> (n,) the running mean after each batch.
        quality: name of a momentum -> HM in percent after each batch.

    Returns:
        figure and {"batches", "running": {...}, "quality": {...}}.
    """
    steps = list(range(1, len(batches) + 1))
    with canvas(8, 3.4, 2) as (figure, (left, right)):
        left.plot(steps, batches.tolist(), "x", color=INK, label="mean of the batch")
        for name, cue in cues(running).items():
            left.plot(
                steps, running[name].tolist(), **cue.line, markersize=4, label=f"stored, momentum {name}"
            )
            right.plot(steps, list(quality[name]), **cue.line)
        left.set(title="one unit", ylabel="mean before normalising")
        right.set(title="all of val, same weights throughout", ylabel="HM (%)")
        for axes in (left, right):
            axes.set_xlabel("batch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        legend_below(figure, left, 3)
        figure.suptitle(f"What does evaluation see of the batches?\n{data}")
    parts = [
        f"with momentum {name} the stored mean lies {float((r - batches).abs().mean()):.2f} from the batch's on average "
        f"and HM runs from {min(quality[name]):.1f} to {max(quality[name]):.1f} percent"
        for name, r in running.items()
    ]
    figure.alt_text = (
        f"{len(batches)} batches pass a network whose weights do not change: {'; '.join(parts)}."
    )
    lists = {momentum: list(values) for momentum, values in quality.items()}
    return figure, {"batches": batches, "running": dict(running), "quality": lists}


def plot_interventions(results: Mapping[str, tuple[float, float]], *, data: str) -> Drawn:
    """Draw HM after each change to a trained network, with stored and with fresh batch-norm statistics.

    Args:
        results: what was changed -> (HM with stored statistics, HM with fresh ones), in percent.

    Returns:
        figure and {what was changed: [stored, fresh]}.

    Raises:
        DataError: nothing was changed.
    """
    if not results:
        raise DataError("There is no intervention to draw.")
    with canvas(7.2, 1.5 + 0.45 * len(results)) as (figure, axes):
        for row, (stored, fresh) in enumerate(results.values()):
            axes.plot([stored, fresh], [row, row], color="#BBBBBB", linewidth=2, zorder=1)
            axes.plot(stored, row, "X", color=VERMILION, label="stored statistics" if row == 0 else None)
            axes.plot(fresh, row, "o", color=BLUE, label="statistics taken anew" if row == 0 else None)
        axes.set_yticks(range(len(results)), list(results))
        axes.set(ylim=(len(results) - 0.5, -0.5), xlim=(0, None), xlabel="HM on val (%)")
        axes.grid(False, axis="y")
        axes.legend(loc="lower left")
        axes.set_title(f"Does a trained network need its positional embedding?\n{data}")
    parts = [f"{name}: {stored:.1f} and {fresh:.1f}" for name, (stored, fresh) in results.items()]
    figure.alt_text = (
        "HM on val in percent with the stored batch-norm statistics and with statistics taken anew. "
        f"{'; '.join(parts)}."
    )
    return figure, {name: list(pair) for name, pair in results.items()}


def plot_group_confusion(scores: Scores, *, beta: float, groups: Sequence[str], data: str) -> Drawn:
    """Draw the confusion of super-groups, for samples of seen and of unseen classes.

    Args:
        groups: the super-group of every class id of the whole set.

    Returns:
        figure and {"names", "seen", "unseen": (G, G) percent of a row's samples, NaN where a group has none,
        "right class": percent of the samples of seen and of unseen classes, "kin": percent of the wrong predictions in
        the right super-group, "blind": the same if every other class were equally likely}.

    Raises:
        DataError: a class has no super-group.
    """
    classes = scores.classes
    if len(groups) <= int(classes[-1]):
        raise DataError("The set names no super-group for some class; choose a set that has super-groups.")
    names = sorted({groups[c] for c in classes.tolist()})
    row_of = torch.tensor([names.index(groups[c]) for c in classes.tolist()])
    counts = scores.confusion(beta).double()
    shown: dict[str, Any] = {"names": names, "right class": [], "kin": [], "blind": []}
    onto = torch.nn.functional.one_hot(row_of, len(names)).double()
    for kind, part in (("seen", scores.seen), ("unseen", scores.unseen)):
        rows = torch.isin(classes, part)
        table = onto[rows].T @ counts[rows] @ onto
        shown[kind] = 100 * table / table.sum(dim=1, keepdim=True)
        right, whole = counts.diagonal()[rows].sum(), counts[rows].sum()
        wrong = counts[rows].sum(dim=1) - counts.diagonal()[rows]
        # the share of the other classes that have the same super-group
        others = (onto.sum(dim=0)[row_of] - 1)[rows] / (len(classes) - 1)
        shown["right class"].append(float(100 * right / whole))
        shown["kin"].append(float(100 * (table.diagonal().sum() - right) / wrong.sum()))
        shown["blind"].append(float(100 * (wrong * others).sum() / wrong.sum()))
    with canvas(8, 4.6, 2, sharey=True) as (figure, panels):
        for number, (axes, kind) in enumerate(zip(panels, ("seen", "unseen"), strict=True)):
            image = axes.imshow(shown[kind].numpy(), cmap="cividis", vmin=0, vmax=100)
            for row, column in (~shown[kind].isnan()).nonzero().tolist():
                value = float(shown[kind][row, column])
                if value >= 0.5:
                    color = "black" if value > 50 else "white"
                    axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7, color=color)
            axes.set_title(
                f"samples of {kind} classes: {shown['right class'][number]:.0f} % right\n"
                f"of the wrong {shown['kin'][number]:.0f} % kin (blind: {shown['blind'][number]:.0f} %)"
            )
            axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
            axes.set_yticks(range(len(names)), names, fontsize=7)
            axes.set_xlabel("super-group of the answer")
            axes.tick_params(length=0)
            axes.grid(False)
        panels[0].set_ylabel("super-group of the sample")
        figure.colorbar(image, ax=list(panels), label="% of the row's samples", shrink=0.7)
        figure.suptitle(f"Where do wrong answers go?\n{data}")
    parts = [
        f"of the samples of {kind} classes {right:.0f} percent get the right class; of the wrong answers {kin:.0f} "
        f"percent are of the right super-group, where blind ones would be {blind:.0f} percent"
        for kind, right, kin, blind in zip(
            ("seen", "unseen"), shown["right class"], shown["kin"], shown["blind"], strict=True
        )
    ]
    figure.alt_text = f"Confusion of {len(names)} super-groups at β = {beta:g}: {'; '.join(parts)}."
    return figure, shown
