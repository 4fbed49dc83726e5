"""Why does a line beat AVCA? One change at a time, judged on validation samples alone.

Every trial is stage 1 of a run: AVCA is trained on `train` by the recipe of the set, the epoch with the highest HM on
`val` counts, and the test samples are never seen. A trial differs from the one called "AVCA" in a single point. So its
gain is that of this point alone, and all trials of a seed share batches.

`notebooks/results/competent.csv` has the trials of two sets:

    from hypav.experiments import competent
    competent.trials(hv.load("yt8m-mini"), seeds=3)      # a few minutes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hypav.avca import AVCA, EmbeddingNet, Masks
from hypav.competent import SkipAVCA, SkipConfig
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import FeatureSet, Phase
from hypav.errors import SettingError
from hypav.eszsl import choose_ridge, eszsl_scores
from hypav.evaluation import Scores, class_distances
from hypav.experiments.configs import Recipe, config_for, recipe_for
from hypav.losses import TERM_GROUPS, avca_terms, total
from hypav.training import Learner
from hypav.utils import threads

CPU = torch.device("cpu")
COLUMNS = ("data", "trial", "seed", "HM", "exact_HM", "ZSL", "ausuc", "epoch")


@dataclass(frozen=True)
class Trial:
    """One change to AVCA.

    question: what is suspected.
    settings: of the recipe. "steps" multiplies the number of batches per epoch, and "dim_theta" may be "words".
    prepare: changes the fresh network in place.
    features: maps a table of features (N, D) and that of `train` to the network's input.
    without: terms or groups of terms that are left out of L_avca.
    margin: of the triplets. decide: which theta decides, "v" or "av" for the sum of both distances.
    renew: measure the statistics of all batch norms again before each evaluation.
    method: AVCA, or AVCA-skip.
    """

    question: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[AVCA], None] | None = None
    features: Callable[[Tensor, Tensor], Tensor] | None = None
    without: tuple[str, ...] = ()
    margin: float = 1.0
    decide: str = "v"
    renew: bool = False
    method: str = "AVCA"


class _Open(nn.Module):
    """An EmbeddingNet of one or two layers without the ReLU and the dropout at its end."""

    def __init__(self, net: EmbeddingNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, masks: Masks | None = None, batches: int = 1) -> Tensor:
        net = self.net
        if net.hidden is not None and net.hidden_norm is not None:
            x = net._finish(net.hidden(x), net.hidden_norm, masks, batches)
        return torch.cat([net.out_norm(part) for part in net.out(x).chunk(batches)])


class _AsTheyAre(nn.Module):
    """In the place of the layers for words: the word vectors themselves."""

    def forward(self, x: Tensor, masks: Masks | None = None, batches: int = 1) -> Tensor:
        return x


def _open(*names: str) -> Callable[[AVCA], None]:
    def prepare(model: AVCA) -> None:
        for name in names:
            setattr(model, name, _Open(getattr(model, name)))

    return prepare


def _plain_words(model: AVCA) -> None:
    _open("project_a", "project_v")(model)
    model.project_w = _AsTheyAre()  # type: ignore[assignment]


def _line_alone(model: AVCA) -> None:
    assert isinstance(model, SkipAVCA)
    model.skip.gate.requires_grad = False


def _scaled(x: Tensor, train: Tensor) -> Tensor:
    return F.normalize(x, dim=1)


def _standardised(x: Tensor, train: Tensor) -> Tensor:
    return (x - train.mean(dim=0)) / train.std(dim=0).clamp_min(1e-6)


_NO_DROPOUT = {"dropout_enc": 0.0, "dropout_proj": 0.0, "dropout_dec": 0.0}
TRIALS: Mapping[str, Trial] = {
    "AVCA": Trial("nothing is changed"),
    "4 times the steps": Trial("too short a training", {"steps": 4}),
    "features of length 1": Trial("the scale of the input", features=_scaled),
    "features standardised": Trial("the scale of the input", features=_standardised),
    "both thetas decide": Trial("theta_v alone decides", decide="av"),
    "batch norm measured again": Trial("running statistics at evaluation", renew=True),
    "no dropout": Trial("dropout everywhere", _NO_DROPOUT),
    "no dropout_proj": Trial("dropout after the last ReLU of theta_a and theta_v", {"dropout_proj": 0.0}),
    "no dropout_dec": Trial("dropout after the last ReLU of theta_w and the decoders", {"dropout_dec": 0.0}),
    "thetas without ReLU": Trial("no negative entries in theta", prepare=_open("project_a", "project_v", "project_w")),
    "words without ReLU": Trial("no negative entries in theta_w", prepare=_open("project_w")),
    "words as they are": Trial("the layers for words", {"dim_theta": "words"}, prepare=_plain_words),
    "theta as wide as the words": Trial("a joint space of 64 dimensions", {"dim_theta": "words"}),
    "no word decoder": Trial("the losses of the decoder", without=("l_rec", "l_ct")),
    "no l_r": Trial("theta must reconstruct phi", without=("l_r",)),
    "no decoder at all": Trial("the losses of all decoders", without=("l_rec", "l_ct", "l_r")),
    "no l_t": Trial("negatives of the same modality", without=("l_t",)),
    "margin 4": Trial("too small a margin", margin=4.0),
    "margin 0.2": Trial("too large a margin", margin=0.2),
    "no weight decay": Trial("weight decay", {"weight_decay": 0.0}),
    "weight decay 0.1": Trial("too little weight decay", {"weight_decay": 0.1}),
    "the line alone": Trial("AVCA itself", prepare=_line_alone, method=SkipConfig.method),
    "AVCA-skip, gate 0.1": Trial("the first value of the gate", {"gate": 0.1}, method=SkipConfig.method),
    "AVCA-skip": Trial("no path from the features to the words", method=SkipConfig.method),
}  # fmt: skip


def own(skip: type[nn.Module]) -> Trial:
    """The trial of your own `hypav.competent.Skip`, a class with the same arguments."""

    def prepare(model: AVCA) -> None:
        c = model.config
        model.skip = skip(c.dim_audio, c.dim_video, c.dim_text)  # type: ignore[assignment]

    return Trial("a path of one's own", prepare=prepare, method=SkipConfig.method)


def trials(
    data: FeatureSet,
    names: Sequence[str] | Mapping[str, Trial] | None = None,
    *,
    seeds: int = 3,
    recipe: str | Recipe | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Train trials with several seeds on one thread; a row per trial and seed, in per cent, on validation samples.

    Args:
        names: of TRIALS; by default all, and "ESZSL", the linear reference. It has the seed 0. Or your own, by name.
        recipe: as in `hv.train`; by default the short one of the set.
        settings: replace settings of the recipe, e.g. dtype="float64".

    Returns:
        The COLUMNS: HM at the best beta of the released grid, by which the epoch is chosen, exact_HM at the best of all
        betas, ZSL, the area under the seen-unseen curve, and the epoch.

    Raises:
        SettingError: there is no such trial.
    """
    known = {**TRIALS, **names} if isinstance(names, Mapping) else TRIALS
    names = ("ESZSL", *TRIALS) if names is None else tuple(names)
    if unknown := [name for name in names if name not in ("ESZSL", *known)]:
        raise SettingError(f"There is no trial {unknown[0]!r}; choose ESZSL, {', '.join(TRIALS)}.")
    rows = []
    for name in names:
        for seed in range(1 if name == "ESZSL" else seeds):
            trial = None if name == "ESZSL" else known[name]
            found, epoch = scores_of(data, trial, seed, recipe=recipe, **settings)
            grid, exact = found.curve().best(), found.exact_optimum()
            values = (grid.HM, exact.HM, exact.ZSL, found.ausuc())
            rows.append((data.name, name, seed, *(round(100 * value, 3) for value in values), epoch))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def scores_of(
    data: FeatureSet,
    trial: Trial | None,
    seed: int = 0,
    *,
    recipe: str | Recipe | None = None,
    **settings: Any,
) -> tuple[Scores, int]:
    """The scores of val in the best epoch of a trial, and the epoch; of None those of ESZSL, and 0."""
    plan = recipe_for(data, recipe, "course").changed(settings)
    with threads(1):
        return _linear(data) if trial is None else _trained(data, trial, plan, seed)


def _linear(data: FeatureSet) -> tuple[Scores, int]:
    return eszsl_scores(data.phase("train"), data.phase("val"), "both", choose_ridge(data)), 0


def _trained(data: FeatureSet, trial: Trial, plan: Recipe, seed: int) -> tuple[Scores, int]:
    """The scores of val in the best epoch, and the epoch."""
    settings = dict(trial.settings)
    batches = plan.train.batches * settings.pop("steps", 1)
    if settings.get("dim_theta") == "words":
        settings["dim_theta"] = data.dim_text
    config = config_for(
        data, plan.changed({"batches": batches, **settings}, [trial.method]), trial.method, None, seed
    )
    dtype = getattr(torch, config.train.dtype)
    phase, val = (data.phase(name).to(CPU, dtype) for name in ("train", "val"))
    if trial.features is not None:
        phase, val = _inputs(phase, phase, trial.features), _inputs(val, phase, trial.features)
    learner = Learner.fresh(config, CPU)
    model = learner.model
    assert isinstance(model, AVCA)
    if trial.prepare is not None:
        trial.prepare(model)
        learned = learner.optimizer.param_groups[0]["params"]
        before = set(map(id, learned))
        learned += [p for p in model.to(dtype).parameters() if id(p) not in before]
    dropped = {term for name in trial.without for term in TERM_GROUPS[name]}
    sampler = TripletSampler(phase.label, batch_size=config.train.batch_size, generator=learner.sampling)
    best, chosen, at = -1.0, None, 0
    for epoch in range(1, config.train.epochs + 1):
        indices, negatives = sampler.draw(batches)
        model.train()
        for index, negative in zip(indices, negatives, strict=True):
            batch = make_batch(phase, index, negative)
            terms = avca_terms(model(*batch, generator=learner.masks), batch.text, trial.margin)
            loss = total({name: term for name, term in terms.items() if name not in dropped})
            learner.optimizer.zero_grad()
            loss.backward()
            learner.optimizer.step()
        if trial.renew:
            _renew(model, phase, indices)
        scores = Scores.of(val, _distances(model.eval(), val, trial.decide))
        found = scores.curve().best().HM
        learner.scheduler.step(found)
        if found > best:
            best, chosen, at = found, scores, epoch
    assert chosen is not None
    return chosen, at


def _inputs(phase: Phase, train: Phase, features: Callable[[Tensor, Tensor], Tensor]) -> Phase:
    return replace(phase, audio=features(phase.audio, train.audio), video=features(phase.video, train.video))


@torch.no_grad()
def _distances(model: AVCA, phase: Phase, decide: str) -> Tensor:
    theta_a, theta_v, theta_w = model.embed(phase.audio, phase.video, phase.text)
    by_video = class_distances(theta_v, theta_w)
    return by_video if decide == "v" else by_video + class_distances(theta_a, theta_w)


@torch.no_grad()
def _renew(model: AVCA, phase: Phase, indices: Tensor) -> None:
    """Measure the mean and the variance of every batch norm again, on the epoch's batches without dropout."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over the batches
    for index in indices:
        model.embed(phase.audio[index], phase.video[index], phase.text)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
