"""The parts of which AVCA is built, and where their random numbers come from: generators that the caller passes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from hypav.draws import normal, uniform

__all__ = ["CrossAttention", "EmbeddingNet", "Linear", "Masks", "dropout", "initial_normal", "isolated_init"]


class isolated_init:
    """Context in which torch's default initialisers draw from a seed of `generator` and torch's global state is kept."""

    def __init__(self, generator: Generator) -> None:
        self.seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))

    def __enter__(self) -> None:
        self.kept = torch.default_generator.get_state()
        torch.default_generator.manual_seed(self.seed)

    def __exit__(self, *error: object) -> None:
        torch.default_generator.set_state(self.kept)


class Linear(nn.Linear):
    """nn.Linear with torch's initial weights (uniform in ±1/sqrt(in_features)), the same bits on every processor."""

    def reset_parameters(self) -> None:
        """Weights, then biases, from torch's own generator."""
        # torch rounds weights of float64 in the 16th digit, too little to show in a run
        if self.weight.dtype != torch.float32:
            super().reset_parameters()
            return
        bound = torch.tensor(self.in_features**-0.5, dtype=torch.float32).item()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(bound * (2 * uniform(*parameter.shape) - 1))


def initial_normal(*shape: int) -> Tensor:
    """torch.randn from torch's own generator, the same bits on every processor in float32, as `Linear`'s weights."""
    wide = torch.get_default_dtype() != torch.float32
    return torch.randn(shape) if wide else normal(*shape).float()


class Masks:
    """Dropout masks of one training step, from `generator` alone.

    Each element takes 16 random bits, so a rate is rounded to 1/65536; what is kept is scaled by the rounded rate.
    released: draw them one by one as the released code does (torch's bernoulli_), eight times slower.
    mapped: whether the layers run under torch.func.vmap, which neither draws nor takes functions that work in place.
    """

    mapped = False

    def __init__(self, generator: Generator, *, released: bool = False) -> None:
        self.generator, self.released = generator, released

    def keep(self, like: Tensor, rate: float) -> tuple[Tensor, float]:
        """1 where an element is kept, 0 where it is dropped, in the shape and dtype of `like`; and its scale."""
        if self.released:
            return torch.empty_like(like).bernoulli_(1 - rate, generator=self.generator), 1 / (1 - rate)
        dropped = round(rate * 2**16)
        bits = torch.empty((like.numel() + 3) // 4, dtype=torch.int64, device=like.device)
        bits.random_(-(2**63), None, generator=self.generator)
        levels = bits.view(torch.int16)[: like.numel()].view(like.shape)
        # the comparison writes floats at once: a mask of booleans would cost four times as much to apply
        kept = torch.ge(levels, dropped - 2**15, out=torch.empty_like(like, requires_grad=False))
        return kept, 2**16 / (2**16 - dropped)


def dropout(x: Tensor, rate: float, masks: Masks | None) -> Tensor:
    """Inverted dropout (masks None: the caller is not training, x passes unchanged)."""
    if masks is None or rate == 0:
        return x
    kept, scale = masks.keep(x, rate)
    return x * kept.mul_(scale)


class _ReluDropout(torch.autograd.Function):
    """relu(x) * kept * scale in place: its gradient needs the output's sign only, so nothing else is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kept: Tensor, scale: float) -> Tensor:
        ctx.mark_dirty(x)
        ctx.scale = scale
        out = x.relu_().mul_(kept.mul_(scale))
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (out,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grads[0] * ctx.scale, out, 0), None, None


class EmbeddingNet(nn.Module):
    """[Linear, BatchNorm, ReLU, Dropout] once, or twice with a hidden layer: (B, dim_in) -> (B, dim_out)."""

    def __init__(
        self, dim_in: int, dim_out: int, *, rate: float, hidden: int = 0, momentum: float = 0.1
    ) -> None:
        super().__init__()
        self.rate = rate
        self.hidden = Linear(dim_in, hidden) if hidden else None
        self.hidden_norm = nn.BatchNorm1d(hidden) if hidden else None
        self.out = Linear(hidden or dim_in, dim_out)
        self.out_norm = nn.BatchNorm1d(dim_out, momentum=momentum if hidden else 0.1)

    def forward(self, x: Tensor, masks: Masks | None = None, batches: int = 1) -> Tensor:
        """batches: x holds the rows of so many equal batches, each of which a batch norm sees by itself, in turn."""
        if self.hidden is not None and self.hidden_norm is not None:
            x = self._finish(self.hidden(x), self.hidden_norm, masks, batches)
        return self._finish(self.out(x), self.out_norm, masks, batches)

    def _finish(self, x: Tensor, norm: nn.Module, masks: Masks | None, batches: int) -> Tensor:
        x = norm(x) if batches == 1 else torch.cat([norm(part) for part in x.chunk(batches)])
        if masks is None or self.rate == 0 or masks.mapped:
            return dropout(F.relu(x), self.rate, masks)
        return _ReluDropout.apply(x, *masks.keep(x, self.rate))


class CrossAttention(nn.Module):
    """One pre-norm transformer layer over the two tokens (audio, video): (B, 2, dim) -> (B, 2, dim).

    Over two tokens a softmax is a sigmoid, softmax(s_a, s_v)_a = sigmoid(s_a - s_v), and s_a - s_v = q (k_a - k_v): one
    key is projected where attention in general projects two.
    """

    def __init__(self, dim: int, *, heads: int, head_dim: int, dim_mlp: int, rate: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, rate
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = Linear(dim, 3 * heads * head_dim, bias=False)
        self.to_out = Linear(heads * head_dim, dim)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp_in = Linear(dim, dim_mlp)
        self.mlp_out = Linear(dim_mlp, dim)

    def forward(self, tokens: Tensor, masks: Masks | None = None) -> Tensor:
        normed = self.norm(tokens)
        to_q, to_k, to_v = self.to_qkv.weight.chunk(3)
        q, v = F.linear(normed, torch.cat((to_q, to_v))).view(len(tokens), 2, 2, self.heads, -1).unbind(2)
        k = F.linear(normed[:, 0] - normed[:, 1], to_k).view(len(tokens), 1, self.heads, -1)  # k_a - k_v
        from_audio = torch.sigmoid((q * k).sum(-1, keepdim=True) * q.shape[-1] ** -0.5)
        heads = torch.lerp(v[:, 1:], v[:, :1], from_audio).flatten(2)
        tokens = tokens + dropout(self.to_out(heads), self.rate, masks)
        inner = dropout(F.gelu(self.mlp_in(self.mlp_norm(tokens))), self.rate, masks)
        return tokens + dropout(self.mlp_out(inner), self.rate, masks)
