"""CJME and AVGZSLNet, the two networks before AVCA, as the AVCA benchmark runs them.

CJME: Parida et al., WACV 2020 (arXiv 1910.08732). AVGZSLNet: Mazumder et al., WACV 2021 (arXiv 2005.13402). Their rows in
the paper's Tables 1 and 2 are the benchmark's own runs, so its code is followed here: src/model.py and src/loss.py of
ExplainableML/AVCA-GZSL. Its authors wrote CJME anew; no other code of it is public. Data, sampling, schedule and protocol
are AVCA's; there is no weight decay.

CJME learns which modality to trust. AVGZSLNet decodes every embedding to its word. AVCA keeps that decoder, has
AVGZSLNet's nine terms among its 17, and adds attention between the modalities. Symbols are those of `hypav.avca`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from hypav.avca import AVCA, AVCAConfig, Linear, Masks, check_network, dropout, isolated_init
from hypav.competent import SkipAVCA, SkipConfig
from hypav.errors import SettingError
from hypav.evaluation import class_distances
from hypav.losses import TERM_GROUPS, THETAS, WORDS, hinges, triplets


@dataclass(frozen=True)
class BaselineConfig:
    """Sizes that CJME and AVGZSLNet share. hidden, hidden_text: width of the hidden layer for features and for words."""

    dim_audio: int
    dim_video: int
    dim_text: int = 300
    dim_theta: int = 64
    hidden: int = 1024
    hidden_text: int = 300

    def __post_init__(self) -> None:
        check_network(self, least_hidden=1)


@dataclass(frozen=True)
class CJMEConfig(BaselineConfig):
    """Settings of CJME; the defaults are the benchmark's for UCF-GZSL and ActivityNet-GZSL.

    epsilon: two modalities whose entropies differ by at most this are trusted equally.
    weights: of the triplet terms. "sample": each sample's own alpha, as the formula means. "batch": the mean alpha, which
        is what the benchmark computes, because its alphas (B, 1) times its terms (B,) broadcast to (B, B).
    """

    method = "CJME"
    dropout: float = 0.2
    epsilon: float = 0.1
    weights: Literal["batch", "sample"] = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights not in ("batch", "sample"):
            raise SettingError(f'weights is {self.weights!r}; choose "batch" or "sample".')
        if not 0 <= self.epsilon < float("inf"):
            raise SettingError(f"epsilon is {self.epsilon}; it must be a number, at least 0.")


@dataclass(frozen=True)
class AVGZSLNetConfig(BaselineConfig):
    """Settings of AVGZSLNet, by default the benchmark's. dropout_enc: of the encoders, dropout_dec: of the decoder."""

    method = "AVGZSLNet"
    dropout_enc: float = 0.8
    dropout_dec: float = 0.5


class HiddenNet(nn.Module):
    """Linear, BatchNorm, ReLU, Dropout, Linear: (B, dim_in) -> (B, dim_out)."""

    def __init__(self, dim_in: int, hidden: int, dim_out: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.hidden, self.norm = Linear(dim_in, hidden), nn.BatchNorm1d(hidden)
        self.out = Linear(hidden, dim_out)

    def forward(self, x: Tensor, masks: Masks | None = None) -> Tensor:
        """(B, dim_in) -> (B, dim_out); without masks there is no dropout."""
        return self.out(dropout(F.relu(self.norm(self.hidden(x))), self.rate, masks))


class Baseline(nn.Module):
    """One encoder each for audio, video and words. Training calls `embed`, `forward`, `terms` and `distances`."""

    def __init__(self, config: CJMEConfig | AVGZSLNetConfig, rate: float) -> None:
        super().__init__()
        self.config = c = config
        self.encode_a = HiddenNet(c.dim_audio, c.hidden, c.dim_theta, rate)
        self.encode_v = HiddenNet(c.dim_video, c.hidden, c.dim_theta, rate)
        self.encode_w = HiddenNet(c.dim_text, c.hidden_text, c.dim_theta, rate)

    def embed(self, audio: Tensor, video: Tensor, text: Tensor) -> tuple[Tensor, ...]:
        """theta_a (N, dim_theta), theta_v (N, dim_theta) and theta_w (K, dim_theta); of CJME also alpha (N,)."""
        return self.encode_a(audio), self.encode_v(video), self.encode_w(text)

    def thetas(self, batch: tuple[Tensor, ...], masks: Masks | None) -> dict[str, Tensor]:
        """The six embeddings of a triplet batch by name; the positives pass the batch norms first."""
        encoders = {"theta_a": self.encode_a, "theta_v": self.encode_v, "theta_w": self.encode_w}
        names = [*encoders, *(f"{name}_neg" for name in encoders)]
        rows = zip(names, 2 * [*encoders.values()], batch, strict=True)
        return {name: encode(x, masks) for name, encode, x in rows}


class CJME(Baseline):
    """Attention alpha on the features says which modality to trust: near 0 audio, near 1 video."""

    config: CJMEConfig

    def __init__(self, config: CJMEConfig) -> None:
        super().__init__(config, config.dropout)
        width = config.dim_audio + config.dim_video
        self.attention = nn.Sequential(nn.BatchNorm1d(width), Linear(width, 1), nn.Sigmoid())

    def embed(self, audio: Tensor, video: Tensor, text: Tensor) -> tuple[Tensor, ...]:
        """theta_a, theta_v, theta_w and alpha (N,)."""
        return *map(F.relu, super().embed(audio, video, text)), self.alpha(audio, video)

    def alpha(self, audio: Tensor, video: Tensor) -> Tensor:
        """(N,) from the features (N, D_a) and (N, D_v)."""
        return self.attention(torch.cat((audio, video), dim=1))[:, 0]

    def forward(
        self, *batch: Tensor, words: Tensor | None, generator: Generator | None = None
    ) -> SimpleNamespace:
        """The thetas of a TripletBatch, alpha (B,) of its positives, and theta_c (K, dim_theta) of all training classes.

        Args:
            words: (K, D_w), the word vectors of all training classes; they pass the text encoder last, as a batch.
            generator: draws the dropout masks; None means no dropout.

        Raises:
            SettingError: words is None.
        """
        if words is None:
            raise SettingError("CJME needs the word vectors of all training classes: set learner.words.")
        masks = None if generator is None else Masks(generator)
        thetas = {name: F.relu(theta) for name, theta in self.thetas(batch, masks).items()}
        alpha = self.alpha(batch[0], batch[1])
        return SimpleNamespace(**thetas, alpha=alpha, theta_c=F.relu(self.encode_w(words, masks)))

    def terms(self, e: SimpleNamespace, text: Tensor) -> dict[str, Tensor]:
        """The three scalar losses: "ct" triplets around the word, "av" audio to video, "att" alpha to its target."""
        to_audio, to_video = hinges(e, {name: THETAS[name] for name in ("ta", "tv")})
        alpha = e.alpha.mean() if self.config.weights == "batch" else e.alpha
        ct = ((1 - alpha) * to_audio + alpha * to_video).mean()
        return {"ct": ct, "av": F.mse_loss(e.theta_a, e.theta_v), "att": F.mse_loss(e.alpha, self.target(e))}

    @torch.no_grad()
    def target(self, e: SimpleNamespace) -> Tensor:
        """The target of alpha (B,): the modality whose softmax over the classes has less entropy, 1 for video, else 0;
        1/2 if the two differ by at most epsilon."""
        logits = torch.stack((e.theta_a, e.theta_v)) @ e.theta_c.T
        H_a, H_v = torch.special.entr(logits.softmax(dim=2)).sum(dim=2)
        return (1 + (H_a - H_v > self.config.epsilon).to(H_a) - (H_v - H_a > self.config.epsilon).to(H_a)) / 2

    def distances(self, theta_a: Tensor, theta_v: Tensor, theta_w: Tensor, alpha: Tensor) -> Tensor:
        """(N, K) from each sample to each class, by one modality alone: video where alpha >= 1/2, else audio."""
        return class_distances(torch.where(alpha[:, None] >= 0.5, theta_v, theta_a), theta_w)


class AVGZSLNet(Baseline):
    """All three embeddings can be decoded to the word."""

    config: AVGZSLNetConfig

    def __init__(self, config: AVGZSLNetConfig) -> None:
        super().__init__(config, config.dropout_enc)
        self.decode = HiddenNet(config.dim_theta, config.dim_theta, config.dim_text, config.dropout_dec)

    def forward(
        self, *batch: Tensor, words: object = None, generator: Generator | None = None
    ) -> SimpleNamespace:
        """The thetas of a TripletBatch and the rhos (B, D_w) of length 1, decoded from all but the negative word's.

        Args:
            words: not used.
            generator: draws the dropout masks; None means no dropout.
        """
        masks = None if generator is None else Masks(generator)
        thetas = self.thetas(batch, masks)
        decoded = [name for name in thetas if name != "theta_w_neg"]
        rhos = {
            name.replace("theta", "rho"): F.normalize(self.decode(thetas[name], masks)) for name in decoded
        }
        return SimpleNamespace(**thetas, **rhos)

    def terms(self, e: SimpleNamespace, text: Tensor) -> dict[str, Tensor]:
        """The nine scalar losses under AVCA's names; rec_* are distances here and not squares."""
        rec = {
            f"rec_{m}": torch.linalg.vector_norm(getattr(e, f"rho_{m}") - text, dim=1).mean() for m in "vaw"
        }
        return {
            **rec,
            **triplets(e, WORDS),
            **triplets(e, {name: THETAS[name] for name in TERM_GROUPS["l_w"]}),
        }

    def distances(self, theta_a: Tensor, theta_v: Tensor, theta_w: Tensor) -> Tensor:
        """(N, K) from each sample to each class: the sum over both modalities."""
        return class_distances(theta_a, theta_w) + class_distances(theta_v, theta_w)


Network = AVCA | CJME | AVGZSLNet  # SkipAVCA is an AVCA too
NetworkConfig = AVCAConfig | CJMEConfig | AVGZSLNetConfig
# the settings of a network by its name in the tables
NETWORKS: dict[str, type[NetworkConfig]] = {
    kind.method: kind for kind in (AVCAConfig, CJMEConfig, AVGZSLNetConfig, SkipConfig)
}


def build_network(
    config: AVCAConfig | CJMEConfig | AVGZSLNetConfig, generator: Generator
) -> AVCA | CJME | AVGZSLNet:
    """A fresh network on the CPU whose weights depend only on `generator`."""
    kinds = {AVCAConfig: AVCA, CJMEConfig: CJME, AVGZSLNetConfig: AVGZSLNet, SkipConfig: SkipAVCA}
    with isolated_init(generator):
        return kinds[type(config)](config)
