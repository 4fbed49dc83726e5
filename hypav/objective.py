"""L_avca, term by term: the 17 losses of the baseline, each under its own name.

T(x; p; n) is torch's triplet margin loss: mean_i max(0, |x_i - p_i| - |x_i - n_i| + 1).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from hypav.avca import Embeddings

__all__ = ["TERM_GROUPS", "avca_terms", "total"]

MARGIN = 1.0  # fixed in the released model, whatever its --margin flag says

# the five parts of the AVCA objective and their terms
TERM_GROUPS: Mapping[str, tuple[str, ...]] = {
    "l_rec": ("rec_v", "rec_a", "rec_w"),
    "l_ct": ("cta", "ctv"),
    "l_w": ("ta", "at", "tv", "vt"),
    "l_t": ("add_a", "add_v", "add_wa", "add_wv"),
    "l_r": ("reg_phi_v", "reg_phi_a", "reg_theta_v", "reg_theta_a"),
}


def _triplet(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    return F.triplet_margin_loss(anchor, positive, negative, margin=MARGIN, p=2, eps=1e-6)


def avca_terms(e: Embeddings, text: Tensor) -> dict[str, Tensor]:
    """The 17 terms (scalars) for one batch; their plain sum is L_avca. text is the batch's word vectors (B, D_w)."""
    return {
        # l_rec: the decoder brings every modality back to the word vector
        "rec_v": F.mse_loss(e.rho_v, text),
        "rec_a": F.mse_loss(e.rho_a, text),
        "rec_w": F.mse_loss(e.rho_w, text),
        # l_ct: decoded words nearer to the decoded positive than to the decoded negative
        "cta": _triplet(e.rho_w, e.rho_a, e.rho_a_neg),
        "ctv": _triplet(e.rho_w, e.rho_v, e.rho_v_neg),
        # l_w: words and each modality, the anchor on either side
        "ta": _triplet(e.theta_w, e.theta_a, e.theta_a_neg),
        "at": _triplet(e.theta_a, e.theta_w, e.theta_w_neg),
        "tv": _triplet(e.theta_w, e.theta_v, e.theta_v_neg),
        "vt": _triplet(e.theta_v, e.theta_w, e.theta_w_neg),
        # l_t: the negative is of the anchor's own modality
        "add_a": _triplet(e.theta_a, e.theta_w, e.theta_a_neg),
        "add_v": _triplet(e.theta_v, e.theta_w, e.theta_v_neg),
        "add_wa": _triplet(e.theta_w, e.theta_a, e.theta_w_neg),
        "add_wv": _triplet(e.theta_w, e.theta_v, e.theta_w_neg),
        # l_r: theta must remember phi, and lie at its word; gradients flow to both sides
        "reg_phi_v": F.mse_loss(e.phi_v_rec, e.phi_v),
        "reg_phi_a": F.mse_loss(e.phi_a_rec, e.phi_a),
        "reg_theta_v": F.mse_loss(e.theta_v, e.theta_w),
        "reg_theta_a": F.mse_loss(e.theta_a, e.theta_w),
    }


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """L_avca: the sum of the terms, each with weight 1."""
    return sum(terms.values())  # type: ignore[return-value]
