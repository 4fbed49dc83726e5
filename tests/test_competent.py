"""AVCA-skip: its linear path and gate, its losses and gradients, its names, and how close it comes to the line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from training_helpers import assert_same_run, interrupted_after, small, tiny, train_tiny

import hypav as hv
from hypav.alignment import preset
from hypav.avca import AVCAConfig
from hypav.baselines import build_network
from hypav.competent import Skip, SkipAVCA, SkipConfig
from hypav.data.batches import TripletBatch, TripletSampler, make_batch
from hypav.errors import SettingError
from hypav.eszsl import Ridge, compatibility, fit_eszsl, linear_features
from hypav.experiments import competent
from hypav.experiments.configs import RECIPES, config_for, name_of, network_for, parse_method, table_rows
from hypav.experiments.evidence import EXPERIMENTS, PULL
from hypav.experiments.paper import paper_settings
from hypav.experiments.runs import run_key
from hypav.losses import avca_terms, total
from hypav.training import Learner, RunConfig, load_model, save_model, score, train_step

CPU = torch.device("cpu")
PAPER = paper_settings(None)


def skip_config(**changes: Any) -> RunConfig:
    """A run of a fraction of a second."""
    config = tiny(dtype="float64")
    sizes = {key: value for key, value in vars(config.network).items() if key != "dim_theta"}
    return replace(config, network=SkipConfig(**{**sizes, **changes}))


def learner_and_batch(**changes: Any) -> tuple[Learner, SkipAVCA, TripletBatch]:
    learner = Learner.fresh(skip_config(**changes), CPU)
    phase = small().phase("train").to(CPU, torch.float64)
    index, negative = TripletSampler(phase.label, batch_size=9, generator=learner.sampling).draw(1)
    assert isinstance(learner.model, SkipAVCA)
    return learner, learner.model, make_batch(phase, index[0], negative[0])


def some_line(model: SkipAVCA, seed: int = 0) -> None:
    """Fill the line, which starts at zero."""
    g = Generator().manual_seed(seed)
    model.skip.line.data = torch.randn(model.skip.line.shape, generator=g, dtype=torch.float64)


# --- the network ---


def test_every_theta_is_a_straight_part_plus_the_gate_times_avcas() -> None:
    _, model, batch = learner_and_batch(gate=0.25)  # exact in float32, in which it is drawn
    some_line(model)
    plain = build_network(
        AVCAConfig(**{**_avca_sizes(model), "dim_theta": small().dim_text}), Generator()
    ).double()
    plain.load_state_dict(
        {k: v for k, v in model.state_dict().items() if k not in ("skip.line", "skip.gate")}
    )
    e, own = (net(*batch, generator=Generator().manual_seed(5)) for net in (model, plain))

    def line(audio: Tensor, video: Tensor) -> Tensor:
        rows = [torch.cat((a / a.norm(), v / v.norm())) for a, v in zip(audio, video, strict=True)]
        return torch.stack([model.skip.line @ row for row in rows])

    y, y_neg = line(batch.audio, batch.video), line(batch.audio_neg, batch.video_neg)
    starts = {"a": y, "v": y, "w": batch.text, "a_neg": y_neg, "v_neg": y_neg, "w_neg": batch.text_neg}
    for name, start in starts.items():
        expected = start + 0.25 * getattr(own, f"theta_{name}")
        torch.testing.assert_close(getattr(e, f"theta_{name}"), expected, rtol=1e-12, atol=1e-12)
    for name in own._fields:
        if not name.startswith("theta"):
            assert torch.equal(getattr(e, name), getattr(own, name)), name


def _avca_sizes(model: SkipAVCA) -> dict[str, Any]:
    return {key: value for key, value in vars(model.config).items() if key not in ("gate", "dim_theta")}


def test_scores_are_distances_in_the_space_of_words() -> None:
    _, model, _ = learner_and_batch(gate=0.2)
    some_line(model)
    model.eval()
    phase = small().phase("test").to(CPU, torch.float64)
    with torch.no_grad():
        theta_a, theta_v, theta_w = model.embed(phase.audio, phase.video, phase.text)
    assert theta_a.shape == theta_v.shape == (len(phase), small().dim_text)
    assert theta_w.shape == phase.text.shape
    torch.testing.assert_close(score(model, phase).distances, torch.cdist(theta_v, theta_w))


def test_without_the_gate_the_length_of_a_feature_and_the_rest_of_the_network_have_no_effect() -> None:
    _, model, batch = learner_and_batch(gate=0.0)
    some_line(model)
    model.eval()
    with torch.no_grad():
        theta_a, theta_v, theta_w = model.embed(batch.audio, batch.video, batch.text)
        longer = model.embed(3 * batch.audio, batch.video / 7, batch.text)[1]
    assert torch.equal(theta_a, theta_v)
    assert torch.equal(theta_w, batch.text)
    torch.testing.assert_close(longer, theta_v)


def test_a_feature_of_length_zero_is_no_nan() -> None:
    _, model, batch = learner_and_batch()
    some_line(model)
    assert bool(model.skip.straight(0 * batch.audio, batch.video).isfinite().all())


def test_the_line_starts_at_zero_and_a_seed_gives_avcas_other_weights() -> None:
    network = skip_config(gate=0.25).network
    model = build_network(network, Generator().manual_seed(3))
    plain = build_network(
        AVCAConfig(**{**_avca_sizes(model), "dim_theta": small().dim_text}), Generator().manual_seed(3)
    )  # type: ignore[arg-type]
    assert isinstance(model, SkipAVCA)
    assert model.skip.line.shape == (small().dim_text, small().dim_audio + small().dim_video)
    assert (model.skip.line.abs().sum().item(), model.skip.gate.item()) == (0, 0.25)
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())
    assert set(state) - set(plain.state_dict()) == {"skip.line", "skip.gate"}


# --- gradients ---


def test_the_gradients_of_line_and_gate_are_those_of_finite_differences() -> None:
    _, model, batch = learner_and_batch()
    some_line(model)
    model.skip.line.data /= 10

    def loss() -> Tensor:
        return total(avca_terms(model(*batch, generator=Generator().manual_seed(1)), batch.text))

    g_line, g_gate = torch.autograd.grad(loss(), (model.skip.line, model.skip.gate))
    assert float(g_gate.abs()) > 0
    direction = torch.randn(model.skip.line.shape, generator=Generator().manual_seed(2), dtype=torch.float64)
    for parameter, step, slope in (
        (model.skip.line, direction, (g_line * direction).sum()),
        (model.skip.gate, torch.ones((), dtype=torch.float64), g_gate),
    ):
        values = []
        for sign in (1, -1):
            parameter.data += sign * 1e-6 * step
            values.append(loss().item())
            parameter.data -= sign * 1e-6 * step
        # a hinge that switches inside the step would show as an error of 1e-2
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(slope.item(), rel=1e-5)


def test_one_step_moves_every_part_and_reports_the_17_terms() -> None:
    learner, model, batch = learner_and_batch()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = train_step(learner, batch)
    assert len(report) == 17 + 2
    assert float(report["total"]) == pytest.approx(float(report["avca"]))
    for name in ("skip.line", "skip.gate", "encode_v.out.weight", "project_w.out.weight"):
        assert not torch.equal(before[name], model.state_dict()[name]), name


# --- runs ---


@pytest.mark.parametrize("loss", [None, {"weight": 1.0}, {"pull": 0.1}])
def test_a_run_resumes_and_its_network_is_saved_and_loaded(tmp_path: Path, loss: dict | None) -> None:
    config = skip_config()
    if loss is not None:
        config = replace(config, alignment=preset("curved", curvatures=(-0.2,), **loss))
    whole = train_tiny(config)
    with interrupted_after(2):
        train_tiny(config, folder=tmp_path)
    assert_same_run(train_tiny(config, folder=tmp_path), whole)
    save_model(tmp_path / "network.pt", whole)
    model, alignment = load_model(tmp_path / "network.pt", config)
    assert isinstance(model, SkipAVCA)
    assert (alignment is None) == (loss is None)
    test = small().phase("test")
    assert torch.equal(score(model, test).distances, score(whole, test).distances)
    if loss == {"pull": 0.1}:
        assert whole.history["align_weight"].gt(0).all()


def test_a_configuration_survives_json_and_is_another_run_than_avca() -> None:
    config = skip_config()
    values = config.to_dict()
    assert RunConfig.from_dict(values) == config
    assert (values["network"]["method"], values["network"]["dim_theta"]) == ("AVCA-skip", small().dim_text)
    assert "method" not in tiny().to_dict()["network"]
    assert run_key(values, "x") != run_key(tiny(dtype="float64").to_dict(), "x")


def test_the_recipe_of_avca_is_that_of_avca_skip() -> None:
    recipe = RECIPES["yt8m-mini-course"]
    skip, avca = (config_for(small(), recipe, name, None, 0) for name in ("AVCA-skip", "AVCA"))
    assert skip.train == avca.train
    assert isinstance(skip.network, SkipConfig)
    differing = {key for key, value in vars(avca.network).items() if getattr(skip.network, key) != value}
    assert differing == {"dim_theta"}


# --- names ---


def test_an_alignment_goes_on_top_by_name() -> None:
    method = parse_method("AVCA-skip+hyper-alignment:-0.3", "curved", PAPER, pull=0.1)
    assert method.name == "AVCA-skip + Hyper-alignment"
    assert method.alignment == preset("curved", curvatures=(-0.3,), pull=0.1)
    assert isinstance(network_for(small(), RECIPES["course"], method.name), SkipConfig)
    config = config_for(small(), RECIPES["course"], method.name, method.alignment, 0)
    assert name_of(config) == method.name
    mixture = parse_method("avca-skip+alignment:0+-0.2", "printed", PAPER)
    assert (mixture.name, mixture.alignment.curvatures) == ("AVCA-skip + Geometry-multiple", (0.0, -0.2))  # type: ignore[union-attr]
    assert parse_method("avca-skip", "printed", PAPER) == ("avca-skip", "AVCA-skip", None)


def test_the_experiment_has_six_rows_and_merges_the_curvatures_of_a_loss_that_has_none() -> None:
    rows = EXPERIMENTS["competent"].rows(None)
    found = [(row.method, row.preset, row.alignment and row.alignment.curvatures) for row in rows]
    onto = "AVCA-skip + "
    assert found[:2] == [("AVCA", "printed", None), ("AVCA-skip", "printed", None)]
    assert set(found[2:]) == {
        (f"{onto}Hyper-alignment", "printed", (PAPER.k,)), (f"{onto}Hyper-alignment", "curved", (-0.2,)),
        (f"{onto}Euclidean-alignment", "curved", (0.0,)), (f"{onto}Sphere-alignment", "curved", (0.2,)),
    }  # fmt: skip
    assert len(rows) == 6
    assert all(row.alignment is None or row.alignment.pull == PULL for row in rows)
    assert [row.method for row in table_rows("baselines", None, "printed", None)] == ["CJME", "AVGZSLNet"]


def test_a_comparison_has_both_networks_and_the_line(tmp_path: Path) -> None:
    methods = ["eszsl", "avca", "avca-skip", "hyper-alignment", "avca-skip+hyper-alignment"]
    table = hv.compare(
        small(), methods, seeds=1, folder=tmp_path, epochs=1, batches=2, jobs=1, progress=False
    )
    assert list(table.index) == [
        "ESZSL", "AVCA", "AVCA-skip", "Hyper-alignment", "AVCA-skip + Hyper-alignment",
    ]  # fmt: skip
    assert not table.attrs["failed"]


# --- bad input ---


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"dim_theta": 64}, "dim_theta is 64 and dim_text 16"),
        ({"gate": float("nan")}, "gate is nan"),
        ({"gate": "small"}, "gate is 'small'"),
        ({"dropout_enc": 1.0}, "dropout_enc is 1.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        hv.train(small(), "avca-skip", **settings)


def test_bad_names_are_refused() -> None:
    for spec in (
        "avca-skip+",
        "avca-skip+eszsl",
        "avca-skip+avca",
        "avca-skip+avca-skip",
        "avca-skip:1",
        "cjme+avca",
    ):
        with pytest.raises(SettingError):
            parse_method(spec, "printed", PAPER)
    with pytest.raises(SettingError, match="no setting 'gate' in a recipe of AVCA"):
        hv.train(small(), "avca", gate=0.1)
    with pytest.raises(SettingError, match="are the same here"):
        hv.compare(small(), ["avca-skip+hyper-alignment:-0.2", "avca-skip+alignment:-0.2"])


# --- how close it comes to the line ---


def test_with_the_closed_forms_weights_the_line_ranks_as_the_closed_form() -> None:
    train, val = (small().phase(name) for name in ("train", "val"))
    row = torch.searchsorted(train.classes, train.label)
    ridge = Ridge(3.0, 0.1)
    X, W = linear_features(train, "both"), train.text.double()
    V = fit_eszsl(X, row, W, gamma=ridge.gamma, lam=ridge.lam)
    _, model, _ = learner_and_batch(gate=0.0)
    model.skip.line.data = V.T.clone()
    y = model.skip.straight(val.audio.double(), val.video.double())
    text = F.normalize(val.text.double(), dim=1)
    nearest = torch.cdist(y, text).argmin(dim=1)
    assert torch.equal(nearest, compatibility(linear_features(val, "both"), V, text).argmax(dim=1))


def test_trained_it_comes_near_the_line_which_is_far_above_avca() -> None:
    """Seed 0 in float64: HM 42.1 where the line has 43.6 and AVCA 23.8 on val; other processors move it by a point."""
    data = hv.load("simulated")
    line, _ = competent.scores_of(data, None)
    skip, avca = (
        competent.scores_of(data, competent.TRIALS[name], dtype="float64")[0]
        for name in ("AVCA-skip", "AVCA")
    )
    HM = [scores.exact_optimum().HM for scores in (line, skip, avca)]
    assert HM[1] > HM[0] - 0.06
    assert HM[1] > HM[2] + 0.08


# --- one change at a time ---


def test_every_trial_runs_and_has_its_own_numbers() -> None:
    tiny_recipe = {"epochs": 1, "batches": 2, "batch_size": 16, "dtype": "float64"}
    table = competent.trials(small(), seeds=1, **tiny_recipe)
    assert tuple(table.columns) == competent.COLUMNS
    assert list(table["trial"]) == ["ESZSL", *competent.TRIALS]
    found = table.set_index("trial")[["HM", "exact_HM", "ausuc"]]
    assert bool((found["HM"] <= found["exact_HM"] + 1e-9).all())
    assert len(found.drop_duplicates()) > len(found) // 2


def test_a_students_own_skip_is_trained_as_the_packages() -> None:
    class Own(Skip):
        pass

    settings = {"epochs": 1, "batches": 3, "batch_size": 16, "dtype": "float64"}
    own, _ = competent.scores_of(small(), competent.own(Own), **settings)
    ours, _ = competent.scores_of(small(), competent.TRIALS["AVCA-skip"], **settings)
    torch.testing.assert_close(own.distances, ours.distances)
    with pytest.raises(SettingError, match="no trial 'more coffee'"):
        competent.trials(small(), ["more coffee"])
