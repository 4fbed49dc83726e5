"""L_avca, term by term: the 17 losses of the AVCA baseline.

T(x; p; n) is torch's triplet margin loss: mean_i max(0, |x_i - p_i| - |x_i - n_i| + 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hypav.avca import Embeddings
from hypav.utils import as_tensor

MARGIN = 1.0  # fixed in the released model, which ignores its --margin flag

# the five parts of the AVCA objective and their terms
TERM_GROUPS: Mapping[str, tuple[str, ...]] = {
    "l_rec": ("rec_v", "rec_a", "rec_w"),
    "l_ct": ("cta", "ctv"),
    "l_w": ("ta", "at", "tv", "vt"),
    "l_t": ("add_a", "add_v", "add_wa", "add_wv"),
    "l_r": ("reg_phi_v", "reg_phi_a", "reg_theta_v", "reg_theta_a"),
}

# each triplet term T(x; p; n) as (x, p, n)
WORDS = {"cta": ("rho_w", "rho_a", "rho_a_neg"), "ctv": ("rho_w", "rho_v", "rho_v_neg")}
THETAS = {
    "ta": ("theta_w", "theta_a", "theta_a_neg"),
    "at": ("theta_a", "theta_w", "theta_w_neg"),
    "tv": ("theta_w", "theta_v", "theta_v_neg"),
    "vt": ("theta_v", "theta_w", "theta_w_neg"),
    "add_a": ("theta_a", "theta_w", "theta_a_neg"),
    "add_v": ("theta_v", "theta_w", "theta_v_neg"),
    "add_wa": ("theta_w", "theta_a", "theta_w_neg"),
    "add_wv": ("theta_w", "theta_v", "theta_w_neg"),
}


def hinges(e: Any, wanted: Mapping[str, tuple[str, str, str]], margin: float = MARGIN) -> Tensor:
    """The triplet term of each sample, (len(wanted), B), before the mean over the batch.

    All distances are computed together, each only once.

    Args:
        e: has the embeddings as attributes.
        wanted: by name, the attributes (x, p, n) of a term T(x; p; n); they are of one width.
    """
    pairs = list(dict.fromkeys((x, y) for x, p, n in wanted.values() for y in (p, n)))
    left, right = (torch.stack([getattr(e, pair[side]) for pair in pairs]) for side in (0, 1))
    # torch's triplet loss adds 1e-6 to every difference, so that the gradient of a zero distance is finite
    distance = dict(zip(pairs, torch.linalg.vector_norm(left - right + 1e-6, dim=2).unbind(), strict=True))
    near = torch.stack([distance[x, p] for x, p, _ in wanted.values()])
    far = torch.stack([distance[x, n] for x, _, n in wanted.values()])
    return (near - far + margin).clamp_min(0)


def triplets(e: Any, wanted: Mapping[str, tuple[str, str, str]], margin: float = MARGIN) -> dict[str, Tensor]:
    """The scalar triplet terms by name: the means of `hinges`."""
    return dict(zip(wanted, hinges(e, wanted, margin).mean(dim=1).unbind(), strict=True))


def avca_terms(e: Embeddings, text: Tensor, margin: float = MARGIN) -> dict[str, Tensor]:
    """The 17 scalar terms of L_avca for a batch, by name; text (B, D_w) holds the word vectors of its classes.

    margin: of the triplets; the released model's by default.
    """
    text = as_tensor("text", text).to(e.rho_v)
    return {
        # l_rec: the decoder reconstructs the word vector from every modality
        "rec_v": F.mse_loss(e.rho_v, text),
        "rec_a": F.mse_loss(e.rho_a, text),
        "rec_w": F.mse_loss(e.rho_w, text),
        # l_ct: decoded words must be nearer to the decoded positive than to the decoded negative
        **triplets(e, WORDS, margin),
        # l_w: words or a modality as the anchor; l_t: the negative has the modality of the anchor
        **triplets(e, THETAS, margin),
        # l_r: theta must reconstruct phi and lie near its word; gradients flow to both sides
        "reg_phi_v": F.mse_loss(e.phi_v_rec, e.phi_v),
        "reg_phi_a": F.mse_loss(e.phi_a_rec, e.phi_a),
        "reg_theta_v": F.mse_loss(e.theta_v, e.theta_w),
        "reg_theta_a": F.mse_loss(e.theta_a, e.theta_w),
    }


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """L_avca: the sum of the terms, each with weight 1."""
    return torch.stack(list(terms.values())).sum()
