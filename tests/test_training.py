"""The two stages: what chooses, what variants of a seed share, what a step does, and which errors a user sees."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from training_helpers import assert_same_run, assert_same_tensors, small, tiny, train_tiny

from hypav import training
from hypav.alignment import Adaptive, AlignmentConfig, preset
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import FeatureSet, Phase
from hypav.errors import RunError, SettingError
from hypav.evaluation import RELEASED_BETAS, Metrics
from hypav.losses import TERM_GROUPS
from hypav.training import Learner, RunConfig, TrainConfig, embed_phase, score, train, train_step
from hypav.utils import threads

CPU = torch.device("cpu")
TERMS = [term for group in TERM_GROUPS.values() for term in group]
HEADS = preset("printed", curvatures=Adaptive(3))
VARIANTS = {
    "hyper-alignment": preset("printed"),
    "hyper-single": preset("printed", curvatures=Adaptive(1)),
    "hyper-multiple": HEADS,
    "mixed": preset("curved", curvatures=(-1.0, 0.0, 1.0)),
}
variants = pytest.mark.parametrize("alignment", VARIANTS.values(), ids=VARIANTS)


class Scripted:
    """In place of `score`: the HM of each call from a list, beta the number of the call. test is scored for real."""

    def __init__(self, *HMs: float) -> None:
        self.HMs, self.calls, self.score = HMs, 0, training.score

    def __call__(self, model: Any, phase: Phase) -> Any:
        if phase.name == "test":
            return self.score(model, phase)
        assert phase.name == "val"
        self.calls += 1
        return self

    def curve(self) -> Scripted:
        return self

    def best(self) -> Metrics:
        return Metrics(S=0.0, U=0.0, HM=self.HMs[self.calls - 1], ZSL=0.0, beta=float(self.calls))


# which epoch, which beta


@pytest.mark.parametrize(
    ("HMs", "best_epoch"),
    [((0.2, 0.5, 0.5, 0.4), 2), ((0.5, 0.4, 0.5, 0.3), 1), ((0.1, 0.2, 0.3, 0.4), 4), ((0.0, 0.0, 0.0, 0.0), 4)],
    ids=["the first of equals", "first", "last", "an HM of 0 is replaced, as released"],
)  # fmt: skip
def test_stage_2_runs_up_to_the_epoch_of_highest_val_HM(
    monkeypatch: pytest.MonkeyPatch, HMs: tuple[float, ...], best_epoch: int
) -> None:
    monkeypatch.setattr(training, "score", Scripted(*HMs, *[0.9] * 4))
    run = train_tiny(tiny(epochs=4, batches=1))
    assert run.best_epoch == best_epoch
    assert HMs[best_epoch - 1] == run.val.HM
    assert run.metrics.beta == run.val.beta == best_epoch
    stages = [(row["stage"], row["epoch"]) for row in run.epochs]
    assert stages == [(1, e) for e in range(1, 5)] + [(2, e) for e in range(1, best_epoch + 1)]


def test_the_test_uses_the_beta_of_val_and_the_network_of_stage_2() -> None:
    run = train_tiny(tiny())
    chosen = run.history.query("stage == 1").iloc[run.best_epoch - 1]
    assert asdict(run.val) == {name: chosen[name] for name in ("S", "U", "HM", "ZSL", "beta")}
    assert run.val.beta in RELEASED_BETAS
    with threads(1):
        test, val = (score(run, small().phase(name)) for name in ("test", "val"))
    assert asdict(run.metrics) == pytest.approx(asdict(test.metrics(run.val.beta)))
    assert run.history["HM"].iloc[-1] == pytest.approx(val.curve().best().HM)
    assert not run.model.training


def with_other_test_labels(data: FeatureSet) -> FeatureSet:
    label = data.label.clone()
    for name in ("stage_2_test_seen", "stage_2_test_unseen"):
        label[data.splits[name]] = label[data.splits[name]].flip(0)
    assert not torch.equal(label, data.label)
    return replace(data, label=label)


def test_test_labels_choose_nothing() -> None:
    honest, garbage = train_tiny(tiny()), train_tiny(tiny(), data=with_other_test_labels(small()))
    assert garbage.epochs == honest.epochs
    assert (garbage.best_epoch, garbage.val) == (honest.best_epoch, honest.val)
    assert_same_tensors(garbage.model.state_dict(), honest.model.state_dict())
    assert garbage.metrics != honest.metrics


def test_stage_2_is_a_fresh_network_on_train_val(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, dict[str, torch.Tensor]]] = []
    steps = training._Stages.steps

    def spy(stages: training._Stages, phase: Phase, sampler: TripletSampler) -> Any:
        seen.append((phase.name, {name: t.clone() for name, t in stages.learner.model.state_dict().items()}))
        return steps(stages, phase, sampler)

    monkeypatch.setattr(training._Stages, "steps", spy)
    run = train_tiny(tiny())
    assert [name for name, _ in seen] == ["train"] * 3 + ["train_val"] * run.best_epoch
    start = Learner.fresh(tiny(), CPU).model.state_dict()
    assert_same_tensors(seen[0][1], start)
    assert_same_tensors(seen[3][1], start)


def test_the_learning_rate_falls_after_more_than_three_epochs_without_gain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # .50004 is less than the relative gain of 1e-4 that counts
    monkeypatch.setattr(training, "score", Scripted(0.5, 0.5, 0.4, 0.50004, 0.3, 0.3, 0.6, *[0.1] * 7))
    run = train_tiny(tiny(epochs=7, batches=1))
    assert run.history["lr"][:7].tolist() == pytest.approx([1e-3] * 5 + [1e-4] * 2)


def test_the_schedule_is_the_released_one() -> None:
    learner = Learner.fresh(tiny(), CPU)
    (group,) = learner.optimizer.param_groups
    assert [group[name] for name in ("lr", "betas", "eps", "weight_decay")] == [
        1e-3,
        (0.9, 0.999),
        1e-8,
        1e-5,
    ]
    s = learner.scheduler
    assert (s.mode, s.factor, s.patience, s.threshold, s.threshold_mode) == ("max", 0.1, 3, 1e-4, "rel")
    assert TrainConfig() == TrainConfig(50, 500, 256, 1e-3, 1e-5, 3, "float32")


# a step and an epoch


def test_a_step_trains_every_parameter_and_reports_every_term() -> None:
    learner = Learner.fresh(tiny(alignment=preset("curved", curvatures=Adaptive(3)), dtype="float64"), CPU)
    parameters = [*learner.model.parameters(), *learner.alignment.parameters()]
    before = [p.detach().clone() for p in parameters]
    phase = small().phase("train").to(dtype=torch.float64)
    index, negative = TripletSampler(phase.label, batch_size=8, generator=learner.sampling).draw(1)
    losses = train_step(learner, make_batch(phase, index[0], negative[0]))
    assert list(losses) == [*TERMS, "align", "k", "avca", "total"]
    assert losses["k"].shape == (3,)
    torch.testing.assert_close(losses["avca"], sum(losses[term] for term in TERMS))
    torch.testing.assert_close(losses["total"], losses["avca"] + losses["align"])
    assert not any(torch.equal(p, old) for p, old in zip(parameters, before, strict=True))


def test_an_epoch_reports_the_mean_of_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    totals: list[float] = []
    step = training.train_step

    def spy(*args: Any, **options: Any) -> dict[str, torch.Tensor]:
        losses = step(*args, **options)
        totals.append(float(losses["total"]))
        return losses

    monkeypatch.setattr(training, "train_step", spy)
    history = train_tiny(tiny(epochs=1, batches=4)).history
    assert history["total"][0] == pytest.approx(sum(totals[:4]) / 4, rel=1e-6)
    assert len(totals) == 8  # two stages of one epoch


def test_the_history_is_a_table_with_a_row_per_epoch() -> None:
    run = train_tiny(tiny(alignment=HEADS))
    table = run.history
    assert list(table.columns) == [
        "stage", "epoch", *TERMS, "align", "k", "avca", "total", "lr", "S", "U", "HM", "ZSL", "beta",
    ]  # fmt: skip
    assert len(table) == len(run.epochs) == 3 + run.best_epoch
    assert all(len(k) == 3 and -0.4 < min(k) <= max(k) < 0 for k in table["k"])
    assert json.loads(json.dumps(run.epochs, allow_nan=False)) == run.epochs


# what variants of a seed share


def drawn_by(monkeypatch: pytest.MonkeyPatch, config: RunConfig) -> tuple[list[torch.Tensor], training.Run]:
    drawn: list[torch.Tensor] = []

    def spy(phase: Phase, index: torch.Tensor, negative: torch.Tensor) -> Any:
        drawn.extend((index, negative))
        return make_batch(phase, index, negative)

    monkeypatch.setattr(training, "make_batch", spy)
    monkeypatch.setattr(training, "score", Scripted(0.4, 0.5, 0.4, 0.4))  # stage 2 has two epochs, too
    return drawn, train_tiny(config)


@variants
def test_variants_of_a_seed_share_weights_batches_and_masks(
    monkeypatch: pytest.MonkeyPatch, alignment: AlignmentConfig
) -> None:
    config = tiny(epochs=2, dtype="float64")
    plain, baseline = drawn_by(monkeypatch, config)
    other, variant = drawn_by(monkeypatch, replace(config, alignment=alignment))
    assert len(plain) == len(other) == 16
    assert all(torch.equal(a, b) for a, b in zip(plain, other, strict=True))
    a, b = (Learner.fresh(replace(config, alignment=x), CPU) for x in (None, alignment))
    assert_same_tensors(a.model.state_dict(), b.model.state_dict())
    assert torch.equal(a.masks.get_state(), b.masks.get_state())
    # and yet the alignment loss is trained on
    assert not torch.equal(variant.model.encode_v.out.weight, baseline.model.encode_v.out.weight)


@variants
def test_the_first_step_of_a_variant_has_the_losses_of_the_baseline(alignment: AlignmentConfig) -> None:
    first = [train_tiny(tiny(epochs=1, batches=1, alignment=x)).epochs[0] for x in (None, alignment)]
    assert [first[0][term] for term in TERMS] == [first[1][term] for term in TERMS]


@variants
def test_with_weight_0_a_variant_is_the_baseline_to_the_last_bit(alignment: AlignmentConfig) -> None:
    baseline = train_tiny(tiny())
    variant = train_tiny(tiny(alignment=replace(alignment, weight=0.0)))
    assert variant.history["avca"].tolist() == baseline.history["avca"].tolist()
    assert variant.metrics == baseline.metrics
    assert_same_tensors(variant.model.state_dict(), baseline.model.state_dict())


def test_a_run_depends_on_its_seed_and_not_on_torchs_global_generator() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = train_tiny(tiny(alignment=HEADS))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert_same_run(train_tiny(tiny(alignment=HEADS)), first)
    assert train_tiny(tiny(seed=43, alignment=HEADS)).epochs[0]["total"] != first.epochs[0]["total"]


# a pull


PULLS = {
    "positive": preset("curved", curvatures=Adaptive(2), pull=0.3),
    "both": preset("released", pull=0.3),
    "phi_att": preset("printed", aligned="phi_att", pull=0.3),
    "theta": preset("printed", aligned="theta", pull=0.3),
}
pulls = pytest.mark.parametrize("alignment", PULLS.values(), ids=PULLS)


class Cut(torch.nn.Module):
    """An encoder whose output is a leaf."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *inputs: Any) -> torch.Tensor:
        self.phi = self.encoder(*inputs).detach().requires_grad_()
        return self.phi


@pulls
def test_in_the_first_step_the_gradient_on_phi_is_that_share_of_L_avcas(alignment: AlignmentConfig) -> None:
    config = tiny(alignment=alignment, dtype="float64", epochs=1)
    weight = train_tiny(config).epochs[0]["align_weight"]
    gradients = {}
    for name in ("avca", "align"):
        learner = Learner.fresh(config, CPU)
        learner.alignment.weight.fill_(weight)
        cut = [Cut(learner.model.encode_v), Cut(learner.model.encode_a)]
        learner.model.encode_v, learner.model.encode_a = cut
        phase = small().phase("train").to(dtype=torch.float64)
        drawn = TripletSampler(phase.label, batch_size=8, generator=learner.sampling).draw(2)
        training._losses(learner, make_batch(phase, *(x[0] for x in drawn)), False)[name].backward()
        gradients[name] = torch.cat([encoder.phi.grad[:8] for encoder in cut])
    share = gradients["align"].norm() / gradients["avca"].norm()
    assert share.item() == pytest.approx(0.3, rel=1e-9)


def test_a_pull_is_one_weight_per_stage_and_changes_nothing_else() -> None:
    run = train_tiny(tiny(alignment=PULLS["positive"]))
    one, two = (set(part["align_weight"]) for _, part in run.history.groupby("stage"))
    assert len(one) == len(two) == 1
    assert one != two, "stage 2 has other samples"
    fixed = train_tiny(tiny(alignment=replace(PULLS["positive"], pull=None, weight=one.pop())))
    rows = [{name: x for name, x in row.items() if name != "align_weight"} for row in run.epochs]
    assert rows[:3] == fixed.epochs[:3]


@pytest.mark.parametrize("scale", [1e-30, 1e-17], ids=["no gradient", "a weight beyond float32"])
def test_a_pull_that_no_weight_has_is_refused(scale: float) -> None:
    alignment = AlignmentConfig(
        similarity="inner", normalise="none", curvatures=(0.0,), scale=scale, pull=1e9
    )
    with pytest.raises(RunError, match=r"pull of 1e\+09 on train, as the gradient on phi") as error:
        train_tiny(tiny(alignment=alignment))
    assert message(error)


# embeddings


def test_embedding_follows_the_networks_dtype_and_keeps_its_mode() -> None:
    run = train_tiny(tiny(dtype="float64", alignment=HEADS))
    model, phase = run.model.train(), small().phase("test")
    whole, parts = run.embed(phase), embed_phase(model, phase, chunk=7)
    assert model.training
    assert [tuple(x.shape) for x in whole] == [(len(phase), 8), (len(phase), 8), (len(phase.classes), 8)]
    for a, b in zip(whole, parts, strict=True):
        assert a.dtype == torch.float64
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


# errors that a user sees


def message(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@pytest.mark.parametrize(("batches", "problem"), [(3, "loss became"), (1, "embeddings became NaN")])
def test_a_diverged_run_names_its_epoch(batches: int, problem: str, tmp_path: Any) -> None:
    with pytest.raises(RunError, match=f"The {problem} .* epoch 1 of stage 1; .*learning rate") as error:
        train_tiny(tiny(lr=1e20, batches=batches), folder=tmp_path)
    assert message(error)
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_other_dimensions_is_refused() -> None:
    config = tiny()
    other = replace(config, network=replace(config.network, dim_text=config.network.dim_text + 1))
    with pytest.raises(SettingError, match="dim_text") as error:
        train_tiny(other)
    assert message(error)


@pytest.mark.parametrize("name", ["nonsense", "cuda:99", "meta"])
def test_a_device_that_is_missing_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match=name) as error:
        train(small(), tiny(), device=name, progress=False)
    assert message(error)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0}, {"epochs": 1.5}, {"batches": 0}, {"batch_size": 1}, {"patience": -1}, {"lr": 0.0},
        {"lr": float("nan")}, {"weight_decay": -1.0}, {"weight_decay": float("inf")}, {"dtype": "float16"},
        {"seed": -1}, {"seed": 2**63}, {"seed": 0.5},
    ],
    ids=str,
)  # fmt: skip
def test_an_invalid_setting_is_named(change: dict[str, object]) -> None:
    with pytest.raises(SettingError, match=next(iter(change))) as error:
        tiny(**change)
    assert message(error)


@pytest.mark.parametrize(
    "alignment", [None, *VARIANTS.values(), PULLS["both"]], ids=["avca", *VARIANTS, "pull"]
)
def test_a_configuration_survives_json(alignment: AlignmentConfig | None) -> None:
    config = tiny(alignment=alignment, seed=2**63 - 1)
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_bar_shows_the_label(capsys: pytest.CaptureFixture[str]) -> None:
    train_tiny(tiny(epochs=1), progress=True, label="Hyper-multiple")
    assert "Hyper-multiple" in capsys.readouterr().err
    train_tiny(tiny(epochs=1), progress=False)
    assert capsys.readouterr().err == ""
