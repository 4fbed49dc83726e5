"""AVCA-skip: AVCA around a straight line, a network that comes close to the linear reference.

AVCA loses to one linear map in closed form (`hypav.eszsl`) on every set at hand. `hypav.experiments.competent` finds the
causes one at a time. The two largest that a change of the network can remove: the joint space is narrower than the space
of words, and a new word reaches it only through layers that were trained on the words of seen classes. So here the joint
space is the space of words itself, and a linear map leads into it, past all other layers:

    y       = L [a/|a| ; v/|v|]
    theta_m = y + g theta_m',      m in {audio, video}
    theta_w = w + g theta_w'

theta' are AVCA's own embeddings. L and the gate g, one number, are learned and start at zero: training begins with the
line alone. This is a residual connection from the input to the output (He et al., CVPR 2016) with a learned gate (ReZero,
Bachlechner et al., UAI 2021).
Losses, sampling, schedule and protocol are AVCA's, and the alignment module acts on phi as before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from hypav.avca import AVCA, AVCAConfig, Embeddings
from hypav.errors import SettingError


@dataclass(frozen=True)
class SkipConfig(AVCAConfig):
    """Settings of AVCA-skip: AVCA's, with a joint space as wide as the words and the first value of the gate.

    gate: the first value of g. From 0 training begins with the line alone. AVCA's theta is more than ten times as long as
        a word vector, so a gate of .1 already weighs as much as the line; on yt8m-mini that costs four points of HM on
        val.

    Raises:
        SettingError: dim_theta is given and is not dim_text; the gate is not a finite number.
    """

    method = "AVCA-skip"
    dim_theta: int = 0
    gate: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim_theta", self.dim_theta or self.dim_text)
        super().__post_init__()
        if self.dim_theta != self.dim_text:
            raise SettingError(
                f"dim_theta is {self.dim_theta} and dim_text {self.dim_text}; the line of {self.method} leads to the "
                "space of words, so they must be equal: leave dim_theta out."
            )
        if not (isinstance(self.gate, int | float) and math.isfinite(self.gate)):
            raise SettingError(f"gate is {self.gate!r}; it must be a finite number, e.g. 0.")


class Skip(nn.Module):
    """The linear path and the gate. Both start as numbers that are no draw: the line at zero, the gate at `gate`.

    From zero the line becomes a sum of training samples, and says nothing in directions that no sample has.
    """

    def __init__(self, dim_audio: int, dim_video: int, dim_text: int, gate: float = 0.0) -> None:
        super().__init__()
        self.line = nn.Parameter(torch.zeros(dim_text, dim_audio + dim_video))
        self.gate = nn.Parameter(torch.tensor(float(gate)))

    def forward(
        self, audio: Tensor, video: Tensor, text: Tensor, theta_a: Tensor, theta_v: Tensor, theta_w: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The three thetas in the space of words.

        Args:
            audio, video, text: (N, D_a), (N, D_v) and (K, D_w), the network's inputs.
            theta_a, theta_v, theta_w: (N, D_w), (N, D_w) and (K, D_w), what AVCA makes of them.
        """
        y = self.straight(audio, video)
        return y + self.gate * theta_a, y + self.gate * theta_v, text + self.gate * theta_w

    def straight(self, audio: Tensor, video: Tensor) -> Tensor:
        """y (N, D_w), the linear path, from the features (N, D_a) and (N, D_v), whose rows it scales to length 1."""
        rows = torch.cat((F.normalize(audio, dim=1), F.normalize(video, dim=1)), dim=1)
        return F.linear(rows, self.line)


class SkipAVCA(AVCA):
    """AVCA with a linear path from the features to the space of words. Its other weights are drawn as AVCA's."""

    config: SkipConfig

    def __init__(self, config: SkipConfig) -> None:
        super().__init__(config)
        self.skip: nn.Module = Skip(config.dim_audio, config.dim_video, config.dim_text, config.gate)

    def embed(self, audio: Tensor, video: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """theta_a (N, D_w), theta_v (N, D_w) and theta_w (K, D_w), without dropout."""
        theta_a, theta_v, theta_w = self.skip(audio, video, text, *super().embed(audio, video, text))
        return theta_a, theta_v, theta_w

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
        """All embeddings of a triplet batch, as `AVCA.forward`. phi and rho are AVCA's: they do not see the line."""
        e = super().forward(audio, video, text, audio_neg, video_neg, text_neg, generator=generator)
        thetas = self.skip(audio, video, text, e.theta_a, e.theta_v, e.theta_w)
        negatives = self.skip(audio_neg, video_neg, text_neg, e.theta_a_neg, e.theta_v_neg, e.theta_w_neg)
        names = ("theta_a", "theta_v", "theta_w")
        found = dict(zip(names, thetas, strict=True))
        return e._replace(**found, **{f"{name}_neg": x for name, x in zip(names, negatives, strict=True)})
