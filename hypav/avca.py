"""AVCA, the baseline network of Mercea et al. (CVPR 2022), to which the alignment module is added.

Symbols: phi is an encoder's output, phi_att is phi after cross-attention, theta is the joint embedding, and rho is theta
decoded back to the space of word vectors. Suffixes: _a audio, _v video, _w words, _neg the negative sample. ReLU and
dropout are the last layers of every phi, theta and rho, so they have no negative entries.

Dropout masks come from a generator that the caller passes, never from torch's global generator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from hypav.errors import DataError, SettingError
from hypav.utils import ReverseMode, normal, uniform


@contextmanager
def isolated_init(generator: Generator) -> Iterator[None]:
    """Context in which torch's initialisers draw from `generator`; afterwards torch's global state is restored."""
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class Linear(nn.Linear):
    """nn.Linear whose initial weights (uniform in ±1/sqrt(in_features)) have the same bits on every processor."""

    def reset_parameters(self) -> None:
        """Draw the weights, then the biases, from torch's global generator."""
        # in float64 torch's weights differ between processors only in the 16th digit, which affects no run
        if self.weight.dtype != torch.float32:
            super().reset_parameters()
            return
        bound = torch.tensor(self.in_features**-0.5, dtype=torch.float32, device="cpu").item()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(bound * (2 * uniform(*parameter.shape) - 1))


def initial_normal(*shape: int) -> Tensor:
    """Standard normal numbers from torch's global generator, with the same bits on every processor in float32."""
    wide = torch.get_default_dtype() != torch.float32
    return torch.randn(shape) if wide else normal(*shape).float()


class Masks:
    """Dropout masks of one training step, drawn from `generator` alone.

    Each element takes 16 random bits, so a rate is rounded to a multiple of 1/65536. Kept values are scaled by the
    rounded rate.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    def keep(self, like: Tensor, rate: float) -> tuple[Tensor, float]:
        """The mask, 1 for a kept and 0 for a dropped element in the shape and dtype of `like`, and the scale."""
        dropped = round(rate * 2**16)
        bits = torch.empty((like.numel() + 3) // 4, dtype=torch.int64, device=like.device)
        bits.random_(-(2**63), None, generator=self.generator)
        levels = bits.view(torch.int16)[: like.numel()].view(like.shape)
        # the comparison writes floats: a boolean mask would cost four times as much to apply
        kept = torch.ge(levels, dropped - 2**15, out=torch.empty_like(like, requires_grad=False))
        return kept, 2**16 / (2**16 - dropped)


def dropout(x: Tensor, rate: float, masks: Masks | None) -> Tensor:
    """x after inverted dropout; without masks x is returned unchanged."""
    if masks is None or rate == 0:
        return x
    kept, scale = masks.keep(x, rate)
    return x * kept.mul_(scale)


class _ReluDropout(ReverseMode):
    """relu(x) * kept * scale in place. Its gradient needs only the sign of the output, so nothing else is saved."""

    generate_vmap_rule = False

    @staticmethod
    def vmap(*arguments: Any) -> Any:
        """Refuse torch.func.vmap, which takes no function that works in place."""
        raise SettingError("Dropout does not work in torch.func.vmap; call the network without a generator.")

    @staticmethod
    def forward(x: Tensor, kept: Tensor, scale: float) -> Tensor:
        return x.relu_().mul_(kept.mul_(scale))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        ctx.mark_dirty(inputs[0])
        ctx.scale = inputs[2]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (out,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad * ctx.scale, out, 0), None, None


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
        """(B, dim_in) -> (B, dim_out). x may hold several `batches` of equal size; a batch norm takes them one by one."""
        if self.hidden is not None and self.hidden_norm is not None:
            x = self._finish(self.hidden(x), self.hidden_norm, masks, batches)
        return self._finish(self.out(x), self.out_norm, masks, batches)

    def _finish(self, x: Tensor, norm: nn.Module, masks: Masks | None, batches: int) -> Tensor:
        x = norm(x) if batches == 1 else torch.cat([norm(part) for part in x.chunk(batches)])
        if masks is None or self.rate == 0:
            return F.relu(x)
        return _ReluDropout.apply(x, *masks.keep(x, self.rate))


class CrossAttention(nn.Module):
    """One pre-norm transformer layer over the two tokens (audio, video): (B, 2, dim) -> (B, 2, dim).

    Over two tokens a softmax is a sigmoid: softmax(s_a, s_v)_a = sigmoid(s_a - s_v), where s_a - s_v = q (k_a - k_v). So
    one key is projected instead of two.
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


@dataclass(frozen=True)
class AVCAConfig:
    """Sizes and regularisation of the network; the defaults are the released UCF-GZSL (main) settings.

    hidden_enc, hidden_proj: width of the hidden layer of encoders and projectors; 0 omits the layer.
    dropout_enc, dropout_proj, dropout_dec: the released flags --embedding_dropout, --decoder_dropout and
        --additional_dropout.
    momentum: momentum of the last batch norm in encoders and projectors with a hidden layer; all others have torch's 0.1.
    """

    method = "AVCA"
    dim_audio: int
    dim_video: int
    dim_text: int = 300
    dim_phi: int = 300
    dim_theta: int = 64
    hidden_enc: int = 512
    hidden_proj: int = 512
    dropout_enc: float = 0.2
    dropout_proj: float = 0.3
    dropout_dec: float = 0.5
    momentum: float = 0.1
    heads: int = 3
    head_dim: int = 100
    dim_mlp: int = 64

    def __post_init__(self) -> None:
        check_network(self, least_hidden=0)
        if not 0 <= self.momentum <= 1:
            raise SettingError(f"momentum is {self.momentum}; it must lie in [0, 1].")


def check_network(config: object, least_hidden: int) -> None:
    """Raise SettingError for a size that is too small or no whole number, and for a dropout rate outside [0, 1)."""
    for name, value in vars(config).items():
        least = least_hidden if name.startswith("hidden") else 1
        if name.startswith("dropout") and not 0 <= value < 1:
            raise SettingError(f"{name} is {value}; a dropout rate must lie in [0, 1).")
        if name.startswith(("dim", "hidden", "head")) and not (isinstance(value, int) and value >= least):
            raise SettingError(f"{name} is {value!r}; it must be a whole number, at least {least}.")


class Embeddings(NamedTuple):
    """All intermediate outputs of one training forward pass: phi (B, dim_phi), theta (B, dim_theta), rho (B, D_w)."""

    phi_a: Tensor
    phi_v: Tensor
    phi_a_neg: Tensor
    phi_v_neg: Tensor
    phi_a_att: Tensor
    phi_v_att: Tensor
    phi_a_att_neg: Tensor
    phi_v_att_neg: Tensor
    theta_a: Tensor
    theta_v: Tensor
    theta_w: Tensor
    theta_a_neg: Tensor
    theta_v_neg: Tensor
    theta_w_neg: Tensor
    rho_a: Tensor
    rho_v: Tensor
    rho_w: Tensor
    rho_a_neg: Tensor
    rho_v_neg: Tensor
    phi_a_rec: Tensor
    phi_v_rec: Tensor


class AVCA(nn.Module):
    """The two-branch network. Its parts are built in the released order, so a seed gives the released initial weights."""

    def __init__(self, config: AVCAConfig) -> None:
        super().__init__()
        c = self.config = config
        encoder = {"rate": c.dropout_enc, "hidden": c.hidden_enc, "momentum": c.momentum}
        projector = {"rate": c.dropout_proj, "hidden": c.hidden_proj, "momentum": c.momentum}
        self.encode_a = EmbeddingNet(c.dim_audio, c.dim_phi, **encoder)  # type: ignore[arg-type]
        self.encode_v = EmbeddingNet(c.dim_video, c.dim_phi, **encoder)  # type: ignore[arg-type]
        self.attention = CrossAttention(
            c.dim_phi, heads=c.heads, head_dim=c.head_dim, dim_mlp=c.dim_mlp, rate=c.dropout_enc
        )
        self.project_w = EmbeddingNet(c.dim_text, c.dim_theta, rate=c.dropout_dec)
        self.decode = EmbeddingNet(c.dim_theta, c.dim_text, rate=c.dropout_dec)
        self.project_a = EmbeddingNet(c.dim_phi, c.dim_theta, **projector)  # type: ignore[arg-type]
        self.project_v = EmbeddingNet(c.dim_phi, c.dim_theta, **projector)  # type: ignore[arg-type]
        self.reconstruct_a = EmbeddingNet(c.dim_theta, c.dim_phi, rate=c.dropout_dec)
        self.reconstruct_v = EmbeddingNet(c.dim_theta, c.dim_phi, rate=c.dropout_dec)
        # row 0 audio, row 1 video; the released code never passes it to the optimiser
        self.positional = nn.Parameter(initial_normal(2, c.dim_phi))

    def attend(self, phi_a: Tensor, phi_v: Tensor, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """phi_a,att and phi_v,att, each (B, dim_phi). The layer's output already contains phi, so phi enters twice."""
        tokens = torch.stack((phi_a + self.positional[0], phi_v + self.positional[1]), dim=1)
        attended = self.attention(tokens, masks)
        return phi_a + attended[:, 0], phi_v + attended[:, 1]

    def embed(self, audio: Tensor, video: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """theta_a (N, dim_theta), theta_v (N, dim_theta) and theta_w (K, dim_theta), without dropout.

        Args:
            audio, video: (N, D_a) and (N, D_v).
            text: (K, D_w), the vectors of the K class words.
        """
        phi_a_att, phi_v_att = self.attend(self.encode_a(audio), self.encode_v(video))
        return self.project_a(phi_a_att), self.project_v(phi_v_att), self.project_w(text)

    def forward(
        self,
        audio: Tensor,
        video: Tensor,
        text: Tensor,
        audio_neg: Tensor,
        video_neg: Tensor,
        text_neg: Tensor,
        *,
        generator: Generator | None = None,
    ) -> Embeddings:
        """All embeddings of a triplet batch.

        Positive and negative rows share a layer's matrix product, but pass its batch norm one after the other. The result
        is that of two calls.

        Args:
            audio, video, text: (B, D_a), (B, D_v), (B, D_w) and the same for the negatives.
            generator: draws the dropout masks; None means no dropout.
        """
        m = None if generator is None else Masks(generator)
        both_a = self.encode_a(torch.cat((audio, audio_neg)), m, 2)
        both_v = self.encode_v(torch.cat((video, video_neg)), m, 2)
        theta_w, theta_w_neg = self.project_w(torch.cat((text, text_neg)), m, 2).chunk(2)
        both_a_att, both_v_att = self.attend(both_a, both_v, m)
        theta_v, theta_v_neg = self.project_v(both_v_att, m, 2).chunk(2)
        theta_a, theta_a_neg = self.project_a(both_a_att, m, 2).chunk(2)
        phi_v_rec, phi_a_rec = self.reconstruct_v(theta_v, m), self.reconstruct_a(theta_a, m)
        thetas = torch.cat((theta_w, theta_a, theta_a_neg, theta_v, theta_v_neg))
        rho_w, rho_a, rho_a_neg, rho_v, rho_v_neg = self.decode(thetas, m, 5).chunk(5)
        phi_a, phi_a_neg = both_a.chunk(2)
        phi_v, phi_v_neg = both_v.chunk(2)
        phi_a_att, phi_a_att_neg = both_a_att.chunk(2)
        phi_v_att, phi_v_att_neg = both_v_att.chunk(2)
        return Embeddings(
            phi_a, phi_v, phi_a_neg, phi_v_neg, phi_a_att, phi_v_att, phi_a_att_neg, phi_v_att_neg,
            theta_a, theta_v, theta_w, theta_a_neg, theta_v_neg, theta_w_neg,
            rho_a, rho_v, rho_w, rho_a_neg, rho_v_neg, phi_a_rec, phi_v_rec,
        )  # fmt: skip


# released module -> ours
_MODULES = {
    "A_enc": "encode_a",
    "V_enc": "encode_v",
    "A_proj": "project_a",
    "V_proj": "project_v",
    "W_proj": "project_w",
    "D": "decode",
    "A_rec": "reconstruct_a",
    "V_rec": "reconstruct_v",
}
_ATTENTION = {
    "layers.0.0.norm": "norm",
    "layers.0.0.fn.to_qkv": "to_qkv",
    "layers.0.0.fn.to_out.0": "to_out",
    "layers.0.1.norm": "mlp_norm",
    "layers.0.1.fn.net.0": "mlp_in",
    "layers.0.1.fn.net.3": "mlp_out",
}


def official_name(name: str, model: AVCA) -> str:
    """The released state_dict key of a parameter or buffer, e.g. encode_a.hidden.weight -> A_enc.fc.0.weight."""
    if name == "positional":
        return "pos_emb1D"
    module, layer, leaf = name.split(".")
    if module == "attention":
        return f"cross_attention.{next(k for k, v in _ATTENTION.items() if v == layer)}.{leaf}"
    deep = getattr(model, module).hidden is not None
    number = {"hidden": 0, "hidden_norm": 1, "out": 4 if deep else 0, "out_norm": 5 if deep else 1}[layer]
    return f"{next(k for k, v in _MODULES.items() if v == module)}.fc.{number}.{leaf}"


def load_official_state(model: AVCA, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy the "model" dictionary of a released checkpoint into `model`, and return the entries that AVCA does not have.

    Returns:
        The remaining entries: fusenet1.*, the curvature layer.

    Raises:
        DataError: a key is missing, the shape of a tensor differs from the model's, or the checkpoint has a layer that
            the model lacks. The model is then unchanged.
    """
    weights = model.state_dict()
    expected = {official_name(name, model): name for name in weights}
    for key, name in expected.items():
        if key not in state:
            raise DataError(f"The released checkpoint lacks {key!r}; is it an AVCA or Hyper_AVCA state_dict?")
        if state[key].shape != weights[name].shape:
            raise DataError(
                f"{key!r} is {tuple(state[key].shape)} in the checkpoint but {tuple(weights[name].shape)} in this model; "
                "build the model with the checkpoint's sizes."
            )
    rest = {key: tensor for key, tensor in state.items() if key not in expected}
    for key in rest:
        if key.split(".")[0] in {"cross_attention", *_MODULES}:
            raise DataError(
                f"The released checkpoint has {key!r}, but this model was built without that layer."
            )
    model.load_state_dict({name: state[key] for key, name in expected.items()})
    return rest
