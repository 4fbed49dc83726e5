"""The rows of the ledger on data, network, training and protocol: is our code as they say?"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import torch
from torch import Generator
from torch.nn import functional as F

from hypav.avca import build_avca
from hypav.data.official import text_rows
from hypav.data.simulated import simulated
from hypav.errors import DataError
from hypav.evaluation import RELEASED_BETAS
from hypav.experiments.deviations.probes import (
    batch_of,
    close,
    small_network,
)
from hypav.losses import avca_terms
from hypav.training import Learner, RunConfig, TrainConfig, train_step

__all__ = [
    "grid_of_betas",
    "lone_samples",
    "momentum_of_the_batch_norms",
    "positional_embedding",
    "reconstruction_of_the_words",
    "terms_of_the_baseline",
    "unused_passes",
    "word_vectors_of_the_classes",
]


def positional_embedding() -> bool:
    """ "clean" trains it, "official" leaves it as drawn."""
    network = small_network()

    def learned(parity: str) -> bool:
        config = RunConfig(network, TrainConfig(parity=parity), seed=0)  # type: ignore[arg-type]
        learner = Learner.fresh(config, torch.device("cpu"))
        before = learner.model.positional.detach().clone()
        train_step(learner, batch_of(network), replay=parity == "official")
        return not torch.equal(before, learner.model.positional.detach())

    return learned("clean") and not learned("official")


def unused_passes() -> bool:
    """ "official" replays the passes whose results nobody uses: they move the batch norms; "clean" leaves them out."""
    network = small_network()

    def updates(parity: str) -> int:
        config = RunConfig(network, TrainConfig(parity=parity), seed=0)  # type: ignore[arg-type]
        learner = Learner.fresh(config, torch.device("cpu"))
        train_step(learner, batch_of(network), replay=parity == "official")
        counted = learner.model.project_a.out_norm.num_batches_tracked
        return -1 if counted is None else int(counted)

    return (updates("clean"), updates("official")) == (2, 4)


def momentum_of_the_batch_norms() -> bool:
    """The momentum that the scripts set reaches only the last batch norm of parts with a hidden layer."""
    model = build_avca(small_network(momentum=0.99), Generator().manual_seed(0))
    shallow = build_avca(small_network(momentum=0.99, hidden_enc=0), Generator().manual_seed(0))
    inner = model.encode_a.hidden_norm
    own = [norm and norm.momentum for norm in (model.encode_a.out_norm, inner, model.decode.out_norm)]
    return own == [0.99, 0.1, 0.1] and shallow.encode_a.out_norm.momentum == 0.1


def reconstruction_of_the_words() -> bool:
    """rho ends in a ReLU and cannot be negative, as word vectors are: l_rec has a floor, ours as theirs."""
    network = small_network()
    model, batch = build_avca(network, Generator().manual_seed(0)).float(), batch_of(network)
    e = model(*batch, generator=Generator().manual_seed(0))
    floor = float(batch.text.clamp_max(0).pow(2).mean())
    term = float(F.mse_loss(e.rho_w.detach(), batch.text))
    return bool((e.rho_w >= 0).all()) and bool((batch.text < 0).any()) and term >= floor > 0


def word_vectors_of_the_classes() -> bool:
    """ "correct" gives each class its own vector; "official" repeats the released shift."""
    folder = SimpleNamespace(
        manual=("Apply Makeup", "Weight Lifting", "Cliff Diving")
    )  # in order of original names
    own, shifted = (text_rows(folder, a) for a in ("correct", "official"))  # type: ignore[arg-type]
    return own == folder.manual and shifted == ("Apply Makeup", "Cliff Diving", "Weight Lifting")


def lone_samples() -> bool:
    """A training class with one sample is refused; the released sampler looks for its second one for ever."""
    data = simulated("small")
    index = data.splits["stage_1_train"]
    lone = data.label[index] == data.label[index[0]]
    splits = {**data.splits, "stage_1_train": torch.cat((index[lone][:1], index[~lone]))}
    try:
        replace(data, splits=splits)
    except DataError as error:
        return "single training sample" in str(error)
    return False


def grid_of_betas() -> bool:
    """16 betas from 0 to 3 by default, chosen on validation; beta = 0 stays 0."""
    return (
        len(RELEASED_BETAS) == 16
        and RELEASED_BETAS[0] == 0
        and close(RELEASED_BETAS, torch.linspace(0, 3, 16).double(), 1e-6)
    )


def terms_of_the_baseline() -> bool:
    """All 17 terms of the released baseline, those of --additional_triplets_loss and --reg_loss among them."""
    network = small_network()
    e = build_avca(network, Generator().manual_seed(0)).float()(*batch_of(network))
    return len(avca_terms(e, batch_of(network).text)) == 17
