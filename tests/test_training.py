"""The two stages: what chooses, what is shared between variants, what a step does, and what a user is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from training_helpers import assert_same_result, assert_same_tensors, small, tiny, train_tiny

from hypav import training
from hypav.alignment import Adaptive, preset
from hypav.data.batches import TripletSampler, make_batch
from hypav.errors import RunError, SettingError
from hypav.evaluation import RELEASED_BETAS, Metrics
from hypav.losses import TERM_GROUPS
from hypav.training import Learner, RunConfig, TrainConfig, embed_phase, evaluate, train, train_step, validate
from hypav.utils import pick_device, threads

CPU = torch.device("cpu")
TERMS = [term for group in TERM_GROUPS.values() for term in group]
HEADS = preset("paper", curvatures=Adaptive(3))


class Scripted:
    """In place of `validate`: the HM of each call from a list, beta the number of the call."""

    def __init__(self, *HMs: float) -> None:
        self.HMs, self.calls = HMs, 0

    def __call__(self, model: object, phase: object) -> Scripted:
        assert phase.name == "val"
        self.calls += 1
        return self

    def best(self) -> Metrics:
        return Metrics(S=0.0, U=0.0, HM=self.HMs[self.calls - 1], ZSL=0.0, beta=float(self.calls))


def shuffled_test_labels() -> object:
    """The small set with the test labels of each split in a wrong order."""
    data = small()
    label = data.label.clone()
    for name in ("stage_2_test_seen", "stage_2_test_unseen"):
        label[data.splits[name]] = label[data.splits[name]].flip(0)
    assert not torch.equal(label, data.label)
    return replace(data, label=label)


# --- which epoch, which beta ---


@pytest.mark.parametrize(
    ("HMs", "best_epoch"),
    [((0.2, 0.5, 0.5, 0.4), 2), ((0.5, 0.4, 0.5, 0.3), 1), ((0.1, 0.2, 0.3, 0.4), 4), ((0.0, 0.0, 0.0, 0.0), 4)],
    ids=["a tie stays with the first", "first", "last", "an HM of 0 counts as none yet, as released"],
)  # fmt: skip
def test_the_best_epoch_is_the_first_of_highest_val_HM_and_stage_2_runs_just_so_long(
    monkeypatch: pytest.MonkeyPatch, HMs: tuple[float, ...], best_epoch: int
) -> None:
    monkeypatch.setattr(training, "validate", Scripted(*HMs, *[0.9] * 4))
    result = train_tiny(tiny(epochs=4, batches=1))
    assert result.best_epoch == best_epoch
    assert HMs[best_epoch - 1] == result.val.HM
    assert result.metrics.beta == result.val.beta == best_epoch
    stages = [(row["stage"], row["epoch"]) for row in result.history]
    assert stages == [(1, e) for e in range(1, 5)] + [(2, e) for e in range(1, best_epoch + 1)]


def test_the_test_uses_the_beta_of_val_and_the_network_of_stage_2() -> None:
    result = train_tiny(tiny())
    chosen = [row for row in result.history if row["stage"] == 1][result.best_epoch - 1]
    assert asdict(result.val) == {name: chosen[name] for name in ("S", "U", "HM", "ZSL", "beta")}
    assert result.val.beta in RELEASED_BETAS
    with threads(1):  # as in the run: more threads sum in another order
        assert result.metrics == evaluate(result.model, small().phase("test"), result.val.beta)
    assert not result.model.training


def test_val_HM_is_the_best_over_the_released_betas() -> None:
    result = train_tiny(tiny())
    with threads(1):  # as in the run: more threads sum in another order
        curve = validate(result.model, small().phase("val"))
        by_hand = [evaluate(result.model, small().phase("val"), beta).HM for beta in RELEASED_BETAS]
    assert tuple(curve.betas.tolist()) == RELEASED_BETAS
    assert max(by_hand) == curve.best().HM
    assert result.history[-1]["HM"] == max(by_hand)  # the last row is of this network


def test_garbage_test_labels_choose_nothing() -> None:
    honest = train_tiny(tiny())
    garbage = train_tiny(tiny(), data=shuffled_test_labels())
    assert garbage.history == honest.history
    assert (garbage.best_epoch, garbage.val) == (honest.best_epoch, honest.val)
    assert_same_tensors(garbage.model.state_dict(), honest.model.state_dict())
    assert garbage.metrics != honest.metrics


def test_stage_2_is_a_fresh_network_on_train_val(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, dict[str, torch.Tensor]]] = []
    real = training._Run._epoch

    def spy(run: training._Run, phase: object, sampler: TripletSampler) -> object:
        weights = {name: t.clone() for name, t in run.learner.model.state_dict().items()}
        seen.append((phase.name, weights))
        return real(run, phase, sampler)

    monkeypatch.setattr(training._Run, "_epoch", spy)
    config = tiny()
    result = train_tiny(config)
    assert [name for name, _ in seen] == ["train"] * 3 + ["train_val"] * result.best_epoch
    start = Learner.fresh(config, CPU).model.state_dict()
    assert_same_tensors(seen[0][1], start)
    assert_same_tensors(seen[3][1], start)


def test_the_learning_rate_falls_when_more_than_three_epochs_bring_no_gain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # .50004 is less than the relative gain of 1e-4 that counts
    monkeypatch.setattr(training, "validate", Scripted(0.5, 0.5, 0.4, 0.50004, 0.3, 0.3, 0.6, *[0.1] * 7))
    result = train_tiny(tiny(epochs=7, batches=1))
    rates = [row["lr"] for row in result.history]
    assert rates[:7] == pytest.approx([1e-3] * 5 + [1e-4] * 2, rel=1e-12)


# --- the optimiser and one step ---


def test_the_optimiser_and_its_schedule_are_the_released_ones() -> None:
    learner = Learner.fresh(tiny(), CPU)
    (group,) = learner.optimizer.param_groups
    assert isinstance(learner.optimizer, torch.optim.Adam)
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (
        1e-3,
        (0.9, 0.999),
        1e-8,
        1e-5,
    )
    assert not group["amsgrad"]
    s = learner.scheduler
    assert (s.mode, s.factor, s.patience, s.threshold, s.threshold_mode) == ("max", 0.1, 3, 1e-4, "rel")
    assert TrainConfig() == TrainConfig(50, 500, 256, 1e-3, 1e-5, 3, "clean", "float32")


@pytest.mark.parametrize("parity", ["clean", "official"])
def test_only_clean_training_moves_the_positional_embedding(parity: str) -> None:
    config = tiny(parity=parity, alignment=HEADS)
    start = Learner.fresh(config, CPU)
    result = train_tiny(config)
    unmoved = [n for n, p in result.model.named_parameters() if torch.equal(p, start.model.get_parameter(n))]
    assert unmoved == (["positional"] if parity == "official" else [])
    assert not torch.equal(result.alignment.curvature.layer.weight, start.alignment.curvature.layer.weight)


@pytest.mark.parametrize(
    ("parity", "passes"),
    [
        # the released code: how often each batch norm is updated in one released step
        ("official", {"encode_a": 3, "encode_v": 3, "project_w": 3, "decode": 6, "project_a": 4, "project_v": 4,
                      "reconstruct_a": 1, "reconstruct_v": 1}),
        ("clean", {"encode_a": 2, "encode_v": 2, "project_w": 2, "decode": 5, "project_a": 2, "project_v": 2,
                   "reconstruct_a": 1, "reconstruct_v": 1}),
    ],
)  # fmt: skip
def test_passes_through_each_part_in_one_step(parity: str, passes: dict[str, int]) -> None:
    result = train_tiny(tiny(parity=parity, epochs=1, batches=1))
    counts = {name: getattr(result.model, name).out_norm.num_batches_tracked.item() for name in passes}
    assert counts == passes


def test_a_step_reports_each_term_and_their_sum() -> None:
    learner = Learner.fresh(tiny(alignment=HEADS, dtype="float64"), CPU)
    phase = small().phase("train").to(dtype=torch.float64)
    index, negative = TripletSampler(phase.label, batch_size=8, generator=learner.sampling).draw(1)
    losses = train_step(learner, make_batch(phase, index[0], negative[0]))
    assert list(losses) == [*TERMS, "align", "k", "avca", "total"]
    assert len(TERMS) == 17
    assert not any(value.requires_grad for value in losses.values())
    torch.testing.assert_close(losses["avca"], sum(losses[term] for term in TERMS))
    torch.testing.assert_close(losses["total"], losses["avca"] + losses["align"])


# --- the history ---


@pytest.mark.parametrize(
    ("alignment", "heads"), [(None, 0), (preset("paper"), 1), (HEADS, 3)], ids=["avca", "fixed", "adaptive"]
)
def test_a_row_of_the_history_holds_terms_curvatures_rate_and_val_metrics(
    alignment: object, heads: int
) -> None:
    rows: list[dict[str, object]] = []
    result = train_tiny(tiny(alignment=alignment), after_epoch=rows.append)
    assert rows == result.history
    extra = ["align", "k"] if heads else []
    assert all(
        sorted(row)
        == sorted(["stage", "epoch", *TERMS, *extra, "avca", "total", "lr", "S", "U", "HM", "ZSL", "beta"])
        for row in rows
    )
    for row in rows:
        assert row["avca"] == pytest.approx(sum(row[term] for term in TERMS), rel=1e-5)
        if heads:
            assert row["total"] == pytest.approx(row["avca"] + row["align"], rel=1e-6)
            assert len(row["k"]) == heads
            assert all(-0.4 < k < 0 for k in row["k"])
        else:
            assert row["total"] == row["avca"]
    assert json.loads(json.dumps(result.history, allow_nan=False)) == result.history


def test_a_row_is_the_mean_over_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    totals: list[float] = []
    real = training.train_step

    def spy(*args: object, **options: object) -> dict[str, torch.Tensor]:
        losses = real(*args, **options)
        totals.append(float(losses["total"]))
        return losses

    monkeypatch.setattr(training, "train_step", spy)
    history = train_tiny(tiny(epochs=1, batches=4)).history
    assert history[0]["total"] == pytest.approx(sum(totals[:4]) / 4, rel=1e-6)
    assert len(totals) == 8  # two stages of one epoch


# --- what variants of one seed share ---


def record_draws(monkeypatch: pytest.MonkeyPatch, config: RunConfig) -> tuple[list[torch.Tensor], object]:
    drawn: list[torch.Tensor] = []

    def spy(phase: object, index: torch.Tensor, negative: torch.Tensor) -> object:
        drawn.extend((index, negative))
        return make_batch(phase, index, negative)

    monkeypatch.setattr(training, "make_batch", spy)
    return drawn, train_tiny(config)


VARIANTS = [
    preset("paper"),
    preset("paper", curvatures=Adaptive(1)),
    HEADS,
    preset("curved", curvatures=(-1.0, 0.0, 1.0)),
]


@pytest.mark.parametrize(
    "alignment", VARIANTS, ids=["hyper-alignment", "hyper-single", "hyper-multiple", "mixed"]
)
@pytest.mark.parametrize("parity", ["clean", "official"])
def test_variants_of_one_seed_share_weights_batches_and_masks(
    monkeypatch: pytest.MonkeyPatch, alignment: object, parity: str
) -> None:
    # as many epochs of stage 2 in both
    monkeypatch.setattr(training, "validate", lambda model, phase: Scripted(0.5)(model, phase))
    config = tiny(epochs=2, parity=parity, dtype="float64")
    own, baseline = record_draws(monkeypatch, config)
    other, variant = record_draws(monkeypatch, replace(config, alignment=alignment))
    assert len(own) == len(other) == 2 * 2 * 3
    assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))
    one, two = (Learner.fresh(replace(config, alignment=a), CPU) for a in (None, alignment))
    assert_same_tensors(one.model.state_dict(), two.model.state_dict())
    assert torch.equal(one.masks.get_state(), two.masks.get_state())
    # and yet the alignment loss is trained on
    assert not torch.equal(variant.model.encode_v.out.weight, baseline.model.encode_v.out.weight)


@pytest.mark.parametrize("alignment", VARIANTS[:3], ids=["hyper-alignment", "hyper-single", "hyper-multiple"])
def test_the_first_loss_of_a_variant_is_the_baselines(alignment: object) -> None:
    first = [train_tiny(tiny(epochs=1, batches=1, alignment=a)).history[0] for a in (None, alignment)]
    assert {term: first[0][term] for term in [*TERMS, "avca"]} == {
        term: first[1][term] for term in [*TERMS, "avca"]
    }


@pytest.mark.parametrize("alignment", VARIANTS, ids=range(4))
def test_with_weight_0_a_variant_is_the_baseline_to_the_last_bit(alignment: object) -> None:
    baseline = train_tiny(tiny())
    variant = train_tiny(tiny(alignment=replace(alignment, weight=0.0)))
    assert [row["avca"] for row in variant.history] == [row["avca"] for row in baseline.history]
    assert variant.metrics == baseline.metrics
    assert_same_tensors(variant.model.state_dict(), baseline.model.state_dict())


def test_one_seed_one_result_another_seed_another() -> None:
    torch.manual_seed(1)
    first = train_tiny(tiny(alignment=HEADS))
    torch.manual_seed(2)
    assert_same_result(train_tiny(tiny(alignment=HEADS)), first)
    assert train_tiny(tiny(seed=43, alignment=HEADS)).history[0]["total"] != first.history[0]["total"]


def test_training_leaves_torchs_global_generator_alone() -> None:
    before = torch.get_rng_state()
    train_tiny(tiny(alignment=HEADS, parity="official"))
    assert torch.equal(torch.get_rng_state(), before)


def test_float64_is_float64_throughout() -> None:
    result = train_tiny(tiny(dtype="float64", alignment=HEADS))
    floats = [p for p in result.model.state_dict().values() if p.is_floating_point()]
    assert {p.dtype for p in floats} == {torch.float64}
    assert float(torch.tensor(result.history[0]["total"]).double()) != result.history[0]["total"]


def test_embedding_in_chunks_changes_nothing_and_keeps_the_mode() -> None:
    model = train_tiny(tiny(dtype="float64")).model.train()
    phase = small().phase("test").to(dtype=torch.float64)
    whole, parts = embed_phase(model, phase), embed_phase(model, phase, chunk=7)
    assert model.training
    assert [tuple(x.shape) for x in whole] == [(len(phase), 8), (len(phase), 8), (len(phase.classes), 8)]
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


# --- what a user is told ---


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> bool:
    return "\n" not in str(error.value) and str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("batches", "what"), [(3, "loss became (nan|inf)"), (1, "embeddings became NaN or infinite")]
)
def test_a_diverged_run_names_its_epoch(batches: int, what: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"The {what} in epoch 1 of stage 1; .*learning rate") as error:
        train_tiny(tiny(lr=1e20, batches=batches), folder=tmp_path)
    assert one_sentence(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("stage", "epoch"), [(1, 3), (2, 1)])
def test_a_nan_loss_keeps_the_checkpoint_of_the_epoch_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stage: int, epoch: int
) -> None:
    whole = train_tiny(tiny())
    before = 2 if stage == 1 else 3
    steps = 0
    real = training.train_step

    def spoilt(*args: object, **options: object) -> dict[str, torch.Tensor]:
        nonlocal steps
        steps += 1
        losses = real(*args, **options)
        return {**losses, "total": losses["total"] * float("nan")} if steps == 2 * before + 1 else losses

    with monkeypatch.context() as patched:
        patched.setattr(training, "train_step", spoilt)
        with pytest.raises(RunError, match=f"nan in epoch {epoch} of stage {stage}"):
            train_tiny(tiny(), folder=tmp_path)
    state = json.loads((tmp_path / "checkpoint.json").read_text())
    assert len(state["history"]) == before
    assert_same_result(train_tiny(tiny(), folder=tmp_path), whole)


@pytest.mark.parametrize("name", ["dim_audio", "dim_video", "dim_text"])
def test_a_network_of_other_dimensions_is_refused(name: str) -> None:
    config = tiny()
    size = getattr(config.network, name)
    other = replace(config, network=replace(config.network, **{name: size + 1}))
    with pytest.raises(SettingError, match=f"takes {name} {size + 1} but .* has {size}\\.") as error:
        train_tiny(other)
    assert one_sentence(error)


@pytest.mark.parametrize("name", ["nonsense", "", "cuda:99", "meta", "hpu", "xla"])
def test_a_device_that_is_not_here_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match=r"There is no device .* here; use auto or cpu") as error:
        train(small(), tiny(), device=name, progress=False)
    assert one_sentence(error)


def test_auto_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for here, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda here=here: here)
        assert pick_device("auto") == pick_device() == torch.device(expected)
    assert pick_device(torch.device("cpu")) == CPU


def test_threads_are_put_back_even_after_an_error() -> None:
    before = torch.get_num_threads()

    def fail() -> None:
        with threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"epochs": 0}, "epochs is 0; .*at least 1"),
        ({"epochs": 1.5}, r"epochs is 1\.5; it must be a whole number"),
        ({"batches": 0}, "batches is 0"),
        ({"batch_size": 1}, "batch_size is 1; .*at least 2"),
        ({"patience": -1}, "patience is -1"),
        ({"lr": 0.0}, r"lr is 0\.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": float("inf")}, "lr is inf"),
        ({"weight_decay": -1.0}, r"weight_decay -1\.0"),
        ({"weight_decay": float("nan")}, "weight_decay nan"),
        ({"weight_decay": float("inf")}, "weight_decay inf"),
        ({"parity": "both"}, "parity is 'both'; choose"),
        ({"dtype": "float16"}, "dtype is 'float16'; choose"),
        ({"seed": -1}, "seed is -1; it must be a whole number"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"seed": 0.5}, r"seed is 0\.5"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, object], match: str) -> None:
    with pytest.raises(SettingError, match=match) as error:
        tiny(**change)
    assert one_sentence(error)


@pytest.mark.parametrize("alignment", [None, *VARIANTS], ids=range(5))
def test_a_configuration_survives_json(alignment: object) -> None:
    config = tiny(alignment=alignment, seed=2**63 - 1)
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_bar_shows_the_label(capsys: pytest.CaptureFixture[str]) -> None:
    shown: Callable[[], str] = lambda: capsys.readouterr().err  # noqa: E731
    train_tiny(tiny(epochs=1), progress=True, label="Hyper-multiple")
    assert "Hyper-multiple" in shown()
    train_tiny(tiny(epochs=1), progress=False)
    assert shown() == ""


def test_a_curve_to_choose_from_is_drawn_on_val_alone() -> None:
    learner = Learner.fresh(tiny(), torch.device("cpu"))
    with pytest.raises(SettingError, match="chosen on val, not on test"):
        validate(learner.model, small().phase("test"))
