"""The released training step, call by call, as the reference of the benchmarks, with every pass that it makes.

It has passes whose results are not used, an extra embedding pass per step, masks by bernoulli_, twelve triplet losses
one after the other, Adam without fusion, and an alignment loss head by head and pair by pair. It shares only the sizes
of the layers with hypav.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hypav.data.features import Phase


def _net(dim_in: int, dim_out: int, rate: float, hidden: int = 0) -> nn.Sequential:
    sizes = [dim_in, *([hidden] if hidden else []), dim_out]
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(rate)]
    return nn.Sequential(*layers)


class _Attention(nn.Module):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.norm, self.mlp_norm = nn.LayerNorm(300), nn.LayerNorm(300)
        self.qkv = nn.Linear(300, 900, bias=False)
        self.out = nn.Sequential(nn.Linear(300, 300), nn.Dropout(rate))
        self.mlp = nn.Sequential(
            nn.Linear(300, 64), nn.GELU(), nn.Dropout(rate), nn.Linear(64, 300), nn.Dropout(rate)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = (
            t.view(*tokens.shape[:2], 3, 100).transpose(1, 2)
            for t in self.qkv(self.norm(tokens)).chunk(3, dim=-1)
        )
        weights = (torch.einsum("bhid,bhjd->bhij", q, k) * 100**-0.5).softmax(dim=-1)
        heads = torch.einsum("bhij,bhjd->bhid", weights, v).transpose(1, 2).reshape(tokens.shape)
        tokens = self.out(heads) + tokens
        return self.mlp(self.mlp_norm(tokens)) + tokens


class ReleasedStep:
    """Hyper-AVZSL's step at UCF-GZSL (main) sizes. adaptive: N_c; fixed: k = -0.2; neither: the AVCA baseline."""

    def __init__(self, *, adaptive: int = 0, fixed: bool = False, device: torch.device | str = "cpu") -> None:
        self.a_enc, self.v_enc = _net(512, 300, 0.2, 512), _net(512, 300, 0.2, 512)
        self.a_proj, self.v_proj = _net(300, 64, 0.3, 512), _net(300, 64, 0.3, 512)
        self.w_proj, self.decoder = _net(300, 64, 0.5), _net(64, 300, 0.5)
        self.a_rec, self.v_rec = _net(64, 300, 0.5), _net(64, 300, 0.5)
        self.attention, self.position = _Attention(0.2), torch.randn(2, 300)
        self.curvature = nn.Linear(600, adaptive) if adaptive else None
        self.fixed = fixed
        modules = [value.to(device) for value in vars(self).values() if isinstance(value, nn.Module)]
        self.position = self.position.to(device)
        self.optimizer = torch.optim.Adam([p for m in modules for p in m.parameters()], weight_decay=1e-5)
        self.modules = modules

    def _attend(self, a: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        o = self.attention(torch.stack((a + self.position[0], v + self.position[1]), dim=1))
        return a + o[:, 0], v + o[:, 1]

    def embed(self, audio: Tensor, video: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, v = self.a_enc(audio), self.v_enc(video)
        words = self.w_proj(text)
        a, v = self._attend(a, v)
        return self.a_proj(a), self.v_proj(v), words

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        audio, video, text, audio_neg, video_neg, text_neg = batch
        a, v, a_n, v_n = self.a_enc(audio), self.v_enc(video), self.a_enc(audio_neg), self.v_enc(video_neg)
        w, w_n = self.w_proj(text), self.w_proj(text_neg)
        rho_w, _ = self.decoder(w), self.decoder(w_n)
        (aa, va), (aa_n, va_n) = self._attend(a, v), self._attend(a_n, v_n)
        tv, tv_n, ta, ta_n = self.v_proj(va), self.v_proj(va_n), self.a_proj(aa), self.a_proj(aa_n)
        v_rec, a_rec = self.v_rec(tv), self.a_rec(ta)
        self.a_proj(a_rec), self.v_proj(v_rec)
        ra, ra_n, rv, rv_n = self.decoder(ta), self.decoder(ta_n), self.decoder(tv), self.decoder(tv_n)
        triplet = nn.TripletMarginLoss(margin=1.0)
        loss = triplet(rho_w, ra, ra_n) + triplet(rho_w, rv, rv_n)
        for x, p, n in (
            (w, ta, ta_n), (ta, w, w_n), (w, tv, tv_n), (tv, w, w_n),
            (ta, w, ta_n), (tv, w, tv_n), (w, ta, w_n), (w, tv, w_n),
        ):  # fmt: skip
            loss = loss + triplet(x, p, n)
        for x, y in ((rv, text), (ra, text), (rho_w, text), (v_rec, v), (a_rec, a), (tv, w), (ta, w)):
            loss = loss + F.mse_loss(x, y)
        if self.fixed or self.curvature is not None:
            loss = loss + 1e-3 * (self._align(v, a) + self._align(v_n, a_n))
        return loss

    def _align(self, v: Tensor, a: Tensor) -> Tensor:
        if self.curvature is None:
            return one_head(v, a, v.new_full((1, 1), 0.2))
        c = 0.4 * torch.sigmoid(self.curvature(torch.cat((v, a), dim=1)))
        heads = [one_head(v, a, c[:, head : head + 1]) for head in range(c.shape[1])]
        return torch.stack(heads).mean()

    def train(self, mode: bool = True) -> None:
        for module in self.modules:
            module.train(mode)

    def step(self, batch: tuple[Tensor, ...]) -> float:
        self.train()
        self.optimizer.zero_grad()
        loss = self.loss(batch)
        loss.backward()
        self.optimizer.step()
        self.embed(*batch[:3])
        return loss.item()


def one_head(v: Tensor, a: Tensor, c: Tensor) -> Tensor:
    """The released alignment loss of one pair and one head, c > 0 (N or 1, 1)."""

    def similarities(x: Tensor) -> Tensor:
        root = c**0.5
        norm = x.norm(dim=-1, keepdim=True).clamp_min(1e-5)
        limit = (1 - 1e-3) / root
        x = torch.where(norm > limit, x / norm * limit, x)
        norm = x.norm(dim=-1, keepdim=True).clamp_min(1e-5)
        x = x / norm / root * torch.atanh((root * norm).clamp(-1 + 1e-5, 1 - 1e-5))
        x = x / x.norm(dim=-1, keepdim=True)
        return x @ x.T

    return F.mse_loss(similarities(v), similarities(a))


def samples(phase: Phase, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
    """Batches from a loader that fetches sample by sample in Python and collates, as in the released code."""
    labels = phase.label.tolist()
    classes = phase.classes.tolist()
    members = {c: [i for i, label in enumerate(labels) if label == c] for c in classes}
    weights = torch.tensor([1 / len(members[label]) for label in labels])
    while True:
        rows = []
        for i in torch.multinomial(weights, size, replacement=True, generator=generator).tolist():
            others = list(set(classes) - {labels[i]})
            other = others[int(torch.randint(len(others), (), generator=generator))]
            mates = members[other]
            j = mates[int(torch.randint(len(mates), (), generator=generator))]
            text = phase.text
            rows.append(
                (phase.audio[i], phase.video[i], text[list(set(classes)).index(labels[i])],
                 phase.audio[j], phase.video[j], text[list(set(classes)).index(other)])
            )  # fmt: skip
        yield tuple(torch.stack(column) for column in zip(*rows, strict=True))
