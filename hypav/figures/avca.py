"""Figures of notebook 05: the network, its attention weights, and a training run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from hypav.avca import AVCA, EmbeddingNet
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import FeatureSet, Phase
from hypav.errors import DataError
from hypav.evaluation import Metrics
from hypav.experiments.configs import recipe_for, run_config
from hypav.figures.short_runs import percent, train_steps  # noqa: F401
from hypav.figures.style import BLUE, GREEN, INK, VERMILION, Drawn, bare, canvas, cues
from hypav.figures.triplet_explorer import triplet_explorer  # noqa: F401
from hypav.losses import TERM_GROUPS
from hypav.training import Learner, RunConfig, TrainConfig, score

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


@dataclass(frozen=True)
class WatchedRun:
    """Stage 1 of a run, epoch by epoch.

    Attributes:
        untrained: the network before the first step.
        model: the network after the last epoch.
        history: a row per epoch, with the losses and S, U, HM and ZSL on val.
        config: the configuration of the run.
    """

    untrained: AVCA
    model: AVCA
    history: list[dict[str, Any]]
    config: RunConfig

    @property
    def chosen(self) -> dict[str, Any]:
        """The row with the highest HM on val: it chooses the epoch and beta."""
        return max(self.history, key=lambda row: row["HM"])

    def attention(self, phase: Phase) -> dict[str, Tensor]:
        """Attention weights before and after training, and of the trained network without its positional embedding."""
        without = deepcopy(self.model)
        without.positional.data.zero_()
        models = {"untrained": self.untrained, "trained": self.model, "trained, p = 0": without}
        return {name: attention_weights(model, phase.audio, phase.video) for name, model in models.items()}

    def test(self, data: FeatureSet) -> Metrics:
        """Stage 2: a new network on train_val for the chosen number of epochs, tested once with the chosen beta."""
        learner = Learner.fresh(self.config, torch.device("cpu"))
        for _ in train_epochs(
            learner, data["train_val"].to(dtype=torch.float64), self.config.train, self.chosen["epoch"]
        ):
            pass
        return score(learner.model, data["test"]).metrics(self.chosen["beta"])


def watched_config(data: FeatureSet, *, epochs: int) -> RunConfig:
    """The configuration of `train_and_watch`."""
    changes: dict[str, Any] = {"hidden_enc": 512, "hidden_proj": 512, "head_dim": 100, "lr": 2e-3}
    changes |= {"epochs": epochs, "batches": 25, "batch_size": 32, "dtype": "float64"}
    recipe = recipe_for(data, scale="course")
    return run_config(data, "avca", recipe=recipe, seed=0, **changes)


def train_and_watch(data: FeatureSet, *, epochs: int) -> WatchedRun:
    """Stage 1 of AVCA at its released size, with epochs of 25 steps of 32 triplets, in float64. The seed is 0."""
    config = watched_config(data, epochs=epochs)
    learner = Learner.fresh(config, torch.device("cpu"))
    model = learner.model
    assert isinstance(model, AVCA)
    untrained = with_fresh_statistics(model, data)
    history = []
    rows = train_epochs(learner, data["train"].to(dtype=torch.float64), config.train, epochs)
    for epoch, row in enumerate(rows, 1):
        best = score(model, data["val"]).curve().best()
        history.append({"epoch": epoch, **row, **vars(best)})
    return WatchedRun(untrained, model.eval(), history, config)


def train_epochs(
    learner: Learner, phase: Phase, settings: TrainConfig, epochs: int
) -> Iterator[dict[str, float]]:
    """Train for some epochs, and yield the mean losses of each."""
    for _ in range(epochs):
        steps = list(train_steps(learner, phase, settings.batches, batch_size=settings.batch_size))
        yield {name: float(sum(step[name] for step in steps)) / len(steps) for name in steps[0]}


def with_fresh_statistics(model: AVCA, data: FeatureSet, *, batches: int = 4) -> AVCA:
    """A copy of the network in evaluation mode, whose batch norms store the average over some training batches."""
    model, train = deepcopy(model).train(), data["train"].to(dtype=torch.float64)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.reset_running_stats()
            layer.momentum = None  # all batches count alike
    draw, masks = (torch.Generator().manual_seed(seed) for seed in (5, 6))
    sampler = TripletSampler(train.label, batch_size=128, generator=draw)
    with torch.no_grad():
        for index, negative in zip(*sampler.draw(batches), strict=True):
            model(*make_batch(train, index, negative), generator=masks)
    return model.eval()


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


def plot_reading() -> Drawn:
    """Draw how each of two tokens reads both with some weights; the wider an arrow, the larger the weight.

    Returns:
        figure and {"weights": the four weights, a row for each token that reads}.
    """
    weights = {"ₐ": {"ₐ": 0.8, "ᵥ": 0.2}, "ᵥ": {"ₐ": 0.4, "ᵥ": 0.6}}
    looks = {"ₐ": (1.0, VERMILION), "ᵥ": (0.0, BLUE)}
    with canvas(7.6, 2.6, margins=(0.01, 0.02, 0.99, 0.86)) as (figure, axes):
        for i, (y, color) in looks.items():
            words: dict[str, Any] = {"va": "center", "color": color, "fontsize": 12}
            axes.text(0.0, y, f"φ{i} offers the key κ{i}\nand the value u{i}", ha="right", **words)
            received = f"w{i}ₐ uₐ + w{i}ᵥ uᵥ"
            axes.text(2.1, y, f"φ{i} asks with the query q{i},\nreceives {received}", **words)
            for j, weight in weights[i].items():
                start, look = looks[j]
                _arrow(axes, (0.1, start), (2.0, y), look, linewidth=7 * weight)
                place = (1.0, y + 0.06) if i == j else (1.66, 0.74 if y else 0.26)
                side = "top" if y and i != j else "bottom"
                axes.text(
                    *place,
                    f"w{i}{j} = {weight}",
                    color=look,
                    fontsize=12,
                    ha="center" if i == j else "left",
                    va=side,
                )
        axes.set(xlim=(-1.7, 4.3), ylim=(-0.4, 1.4))
        bare(axes)
        figure.suptitle("How much of each token does a token receive?")
    figure.alt_text = (
        "Left, two tokens, phi_a and phi_v, each with a key and a value. Right, the same tokens with a query each. Four "
        "arrows lead from left to right. phi_a receives 0.8 of the value of phi_a and 0.2 of that of phi_v. phi_v "
        "receives 0.4 and 0.6. The weights of each receiver sum to 1."
    )
    return figure, {"weights": [list(row.values()) for row in weights.values()]}


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
        "rho_a": model.decode(theta_a), "rho_w": model.decode(theta_w),
    }  # fmt: skip
    model.train(was_training)
    return flow


def _draw_flow(axes: Axes, shapes: Mapping[str, list[int]]) -> None:
    for kind, name, label in (("a", "audio", "audio"), ("v", "video", "video"), ("w", "text", "words")):
        y, color = _ROWS[kind], _COLORS[kind]
        axes.text(-0.1, y, f"{label}\n{_shape(shapes[name])}", va="center", color=color, fontsize=8.5)
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
            axes.text(17.6, y, words, va="center", color=color, fontsize=8.5)
            # theta also goes down to the shared decoder
            x, end = {"a": (14.1, 1.75), "v": (13.8, 1.05)}[kind]
            axes.plot([x, x], [y, end], color=color, linewidth=1)
            _arrow(axes, (x, end), (14.4, end), color)
    _arrow(axes, (17.0, 1.4), (17.5, 1.4), INK)
    words = f"ρa, ρv\n{_shape(shapes['rho_a'])}\nρw\n{_shape(shapes['rho_w'])}"
    axes.text(17.6, 1.4, words, va="center", color=INK, fontsize=8.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str, **more: Any) -> None:
    style = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style | more)


def _label(axes: Axes, x: float, y: float, symbol: str, shape: list[int], color: str) -> None:
    axes.text(x, y + 0.12, symbol, ha="center", va="bottom", color=color, fontsize=8.5)
    axes.text(x, y - 0.16, _shape(shape), ha="center", va="top", color=color, fontsize=7.5)


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


def plot_loss_groups(history: Sequence[Mapping[str, Any]], *, data: str) -> Drawn:
    """Draw the five groups of terms by epoch, each the sum of its terms, and S, U and HM on val.

    Args:
        history: a row for each epoch with "epoch", the 17 terms, and S, U, HM as fractions.

    Returns:
        figure and {"epoch", group: sums, "S", "U", "HM": percent}.

    Raises:
        DataError: the history has no epoch.
    """
    if not history:
        raise DataError("The history has no epoch yet; train first.")
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
        figure.suptitle(f"Which part of the loss falls, and do S and U rise?\n{data}")
    parts = [f"{group} from {shown[group][0]:.2f} to {shown[group][-1]:.2f}" for group in TERM_GROUPS]
    figure.alt_text = (
        f"Over {len(history)} epochs: {', '.join(parts)}. On val HM goes from {shown['HM'][0]:.1f} to "
        f"{shown['HM'][-1]:.1f} percent."
    )
    return figure, shown
