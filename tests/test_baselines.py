"""CJME and AVGZSLNet as the AVCA benchmark runs them: sizes, losses, distances, and runs like AVCA's."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from grid_helpers import reproduce_tiny, tiny_recipe
from torch import Generator, Tensor
from training_helpers import assert_same_run, interrupted_after, small, tiny, train_tiny

import hypav as hv
from hypav.alignment import preset
from hypav.baselines import CJME, NETWORKS, AVGZSLNet, AVGZSLNetConfig, Baseline, CJMEConfig, build_network
from hypav.data.batches import TripletBatch, TripletSampler, make_batch
from hypav.errors import SettingError
from hypav.evaluation import Scores
from hypav.experiments.comparison import comparison_text
from hypav.experiments.configs import RECIPES, config_for, name_of
from hypav.experiments.effects import by_set
from hypav.experiments.runs import load_run, record_files
from hypav.experiments.tables import as_text, paper_table
from hypav.training import Learner, RunConfig, load_model, save_model, score, train_step

CPU = torch.device("cpu")
SIZES = {"dim_theta": 8, "hidden": 12, "hidden_text": 10}
KINDS = (CJMEConfig, AVGZSLNetConfig)
both = pytest.mark.parametrize("kind", KINDS)


def config(kind: type, dtype: str = "float64", **changes: Any) -> RunConfig:
    """A run of a fraction of a second."""
    data = small()
    network = kind(data.dim_audio, data.dim_video, data.dim_text, **SIZES, **changes)
    return replace(tiny(dtype=dtype, weight_decay=0.0), network=network)


def learner_and_batch(kind: type, **changes: Any) -> tuple[Learner, TripletBatch]:
    learner = Learner.fresh(config(kind, **changes), CPU)
    phase = small().phase("train").to(CPU, torch.float64)
    learner.words = phase.text
    sampler = TripletSampler(phase.label, batch_size=9, generator=learner.sampling)
    index, negative = sampler.draw(1)
    return learner, make_batch(phase, index[0], negative[0])


def forward(kind: type, **changes: Any) -> tuple[Any, Any, TripletBatch]:
    learner, batch = learner_and_batch(kind, **changes)
    return learner.model, learner.model(*batch, words=learner.words, generator=learner.masks), batch


def length(x: Tensor) -> float:
    return sum(value**2 for value in x.tolist()) ** 0.5


def hinge(x: Tensor, near: Tensor, far: Tensor) -> list[float]:
    """T_i(x; p; n) by the definition, one sample after another."""
    rows = zip(x, near, far, strict=True)
    return [max(0.0, length(a - p + 1e-6) - length(a - n + 1e-6) + 1) for a, p, n in rows]


def mean(values: Any) -> float:
    values = list(values)
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("kind", "dims", "count"),
    [
        (CJMEConfig, (512, 512), 1_299_157),
        (CJMEConfig, (128, 4096), 4_585_557),
        (AVGZSLNetConfig, (512, 512), 1_319_872),
        (AVGZSLNetConfig, (128, 4096), 4_596_672),
    ],
)
def test_the_networks_have_the_benchmarks_size(kind: type, dims: tuple[int, int], count: int) -> None:
    model = build_network(kind(*dims), Generator().manual_seed(0))
    assert sum(p.numel() for p in model.parameters()) == count


def test_a_seed_gives_the_weights_and_torchs_own_stream_stays() -> None:
    kept = torch.get_rng_state()
    a, b = (build_network(config(CJMEConfig).network, Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), kept)


# --- CJME's loss ---


@pytest.mark.parametrize("weights", ["batch", "sample"])
def test_every_term_of_cjme_is_its_definition(weights: str) -> None:
    model, e, batch = forward(CJMEConfig, weights=weights)
    terms = {name: term.detach() for name, term in model.terms(e, batch.text).items()}
    L_a, L_v = hinge(e.theta_w, e.theta_a, e.theta_a_neg), hinge(e.theta_w, e.theta_v, e.theta_v_neg)
    alpha = e.alpha.tolist()
    pairs = list(zip(alpha, L_a, L_v, strict=True))
    if weights == "sample":
        ct = mean((1 - a) * x + a * y for a, x, y in pairs)
    else:  # (B, 1) times (B,) is (B, B)
        ct = mean((1 - a) * x + a * y for a in alpha for _, x, y in pairs)
        assert ct == pytest.approx((1 - mean(alpha)) * mean(L_a) + mean(alpha) * mean(L_v), rel=1e-12)
    assert float(terms["ct"]) == pytest.approx(ct, rel=1e-12)
    assert float(terms["av"]) == pytest.approx(mean((e.theta_a - e.theta_v).square().flatten().tolist()))
    target = model.target(e).tolist()
    assert float(terms["att"]) == pytest.approx(
        mean((a - s) ** 2 for a, s in zip(alpha, target, strict=True))
    )
    assert list(terms) == ["ct", "av", "att"]


def test_the_two_weightings_of_cjme_differ_and_the_slip_gives_every_alpha_one_gradient() -> None:
    gradients = {}
    for weights in ("batch", "sample"):
        model, e, batch = forward(CJMEConfig, weights=weights)
        (gradients[weights],) = torch.autograd.grad(model.terms(e, batch.text)["ct"], e.alpha)
    assert gradients["batch"].unique().numel() == 1
    assert gradients["sample"].unique().numel() > 1


def test_the_surer_modality_is_the_target_and_no_gradient_passes_through_its_entropies() -> None:
    model, e, batch = forward(CJMEConfig)
    for name in ("theta_a", "theta_v"):
        setattr(e, name, (20 * torch.rand(9, 8, dtype=torch.float64, generator=Generator().manual_seed(4))))
        getattr(e, name)[2:] *= 0.3
    e.theta_v = e.theta_v.flip(0)
    e.theta_v[4] = e.theta_a[4]
    expected = []
    for theta_a, theta_v in zip(e.theta_a, e.theta_v, strict=True):
        H = []
        for theta in (theta_a, theta_v):
            p = torch.stack([theta @ c for c in e.theta_c]).softmax(0).tolist()
            H.append(-sum(q * torch.tensor(q).log().item() for q in p if q > 0))
        expected.append(0.0 if H[1] - H[0] > 0.1 else 1.0 if H[0] - H[1] > 0.1 else 0.5)
    assert model.target(e).tolist() == expected
    assert set(expected) == {0.0, 0.5, 1.0}
    leaves = [x.detach().requires_grad_() for x in (e.theta_a, e.theta_v, e.theta_c)]
    e.theta_a, e.theta_v, e.theta_c = leaves
    gradients = torch.autograd.grad(model.terms(e, batch.text)["att"], leaves, allow_unused=True)
    assert gradients == (None, None, None)


# --- AVGZSLNet's loss ---


def test_every_term_of_avgzslnet_is_its_definition() -> None:
    model, e, batch = forward(AVGZSLNetConfig)
    w, terms = batch.text, model.terms(e, batch.text)
    expected = {
        "rec_v": mean(length(x) for x in e.rho_v - w),
        "rec_a": mean(length(x) for x in e.rho_a - w),
        "rec_w": mean(length(x) for x in e.rho_w - w),
        "cta": mean(hinge(e.rho_w, e.rho_a, e.rho_a_neg)),
        "ctv": mean(hinge(e.rho_w, e.rho_v, e.rho_v_neg)),
        "ta": mean(hinge(e.theta_w, e.theta_a, e.theta_a_neg)),
        "at": mean(hinge(e.theta_a, e.theta_w, e.theta_w_neg)),
        "tv": mean(hinge(e.theta_w, e.theta_v, e.theta_v_neg)),
        "vt": mean(hinge(e.theta_v, e.theta_w, e.theta_w_neg)),
    }
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-12)
    for rho in (e.rho_a, e.rho_v, e.rho_w, e.rho_a_neg, e.rho_v_neg):
        torch.testing.assert_close(rho.norm(dim=1), torch.ones(9, dtype=torch.float64))


# --- the forward pass ---


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        (CJMEConfig, "a v w a v w attention w"),
        (AVGZSLNetConfig, "a v w a v w decode decode decode decode decode"),
    ],
)
def test_the_parts_pass_their_batch_norms_in_the_benchmarks_order(kind: type, order: str) -> None:
    learner, batch = learner_and_batch(kind)
    model, passed = learner.model, []
    names = {"encode_a": "a", "encode_v": "v", "encode_w": "w", "attention": "attention", "decode": "decode"}
    for module, name in names.items():
        if part := getattr(model, module, None):
            part.register_forward_hook(lambda *_, name=name: passed.append(name))
    losses = train_step(learner, batch)
    assert " ".join(passed) == order
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert sum(int(m.num_batches_tracked) for m in norms) == len(passed)
    assert {(m.eps, m.momentum) for m in norms} == {(1e-5, 0.1)}
    assert float(losses["total"]) == pytest.approx(sum(float(x) for n, x in losses.items() if n != "total"))


def test_avgzslnet_decodes_audio_video_and_word_then_the_negatives() -> None:
    learner, batch = learner_and_batch(AVGZSLNetConfig)
    inputs: list[Tensor] = []
    learner.model.decode.register_forward_hook(lambda _, args, __: inputs.append(args[0]))
    e = learner.model(*batch, generator=learner.masks)
    wanted = (e.theta_a, e.theta_v, e.theta_w, e.theta_a_neg, e.theta_v_neg)
    assert all(torch.equal(x, y) for x, y in zip(inputs, wanted, strict=True))


def test_only_cjme_ends_in_a_relu() -> None:
    smallest = {kind: forward(kind)[1].theta_a.min() for kind in KINDS}
    assert smallest[CJMEConfig] == 0 > smallest[AVGZSLNetConfig]


# --- classification ---


def test_cjme_goes_by_one_modality_and_avgzslnet_by_the_sum_of_both() -> None:
    phase = small().phase("test").to(CPU, torch.float64)
    for kind in KINDS:
        model = Learner.fresh(config(kind), CPU).model
        assert isinstance(model, Baseline)
        found = score(model, phase)
        assert model.training, "scoring leaves the mode"
        assert isinstance(found, Scores)
        model.eval()
        theta_a, theta_v, theta_w = model.embed(phase.audio, phase.video, phase.text)[:3]
        d_a, d_v = torch.cdist(theta_a, theta_w), torch.cdist(theta_v, theta_w)
        if isinstance(model, CJME):
            h = (model.alpha(phase.audio, phase.video)[:, None] >= 0.5).double()
            assert 0 < float(h.mean()) < 1
            expected = (1 - h) * d_a + h * d_v
        else:
            assert isinstance(model, AVGZSLNet)
            expected = d_a + d_v
        torch.testing.assert_close(found.distances, expected.detach())


# --- runs ---


@both
@pytest.mark.parametrize("saves", [1, 4])  # in stage 1 and in stage 2
def test_an_interrupted_run_resumes_to_the_same_bits(kind: type, saves: int, tmp_path: Path) -> None:
    whole = train_tiny(config(kind))
    with interrupted_after(saves):
        train_tiny(config(kind), folder=tmp_path)
    assert_same_run(train_tiny(config(kind), folder=tmp_path), whole)
    assert whole.config.train.weight_decay == 0
    save_model(tmp_path / "network.pt", whole)
    model, alignment = load_model(tmp_path / "network.pt", config(kind))
    assert alignment is None
    assert score(model, small().phase("test")).metrics(whole.metrics.beta) == whole.metrics


@both
def test_autocast_keeps_the_loss(kind: type) -> None:
    losses = {}
    for autocast in (False, True):
        learner, batch = learner_and_batch(kind, dtype="float32")
        batch, learner.words = TripletBatch(*(x.float() for x in batch)), learner.words.float()
        losses[autocast] = train_step(learner, batch, autocast=autocast)
    assert losses[True]["total"].dtype == torch.float32
    assert float(losses[True]["total"]) == pytest.approx(float(losses[False]["total"]), rel=0.05)


@both
def test_a_configuration_survives_json_and_names_its_method(kind: type) -> None:
    one = config(kind)
    values = one.to_dict()
    assert values["network"] == {**asdict(one.network), "method": kind.method}
    assert RunConfig.from_dict(values) == one
    assert name_of(one) == kind.method
    assert "method" not in tiny().to_dict()["network"], "the keys of AVCA's runs stay"


def test_the_schedule_is_the_recipes_without_weight_decay() -> None:
    for name, batch_size, dropout in (
        ("ucf-main", 256, 0.2),
        ("vggsound-main", 256, 0.0),
        ("yt8m-mini", 64, 0.2),
    ):
        recipe = RECIPES[name]
        cjme, avgzslnet = (config_for(small(), recipe, method, None, 0) for method in ("CJME", "AVGZSLNet"))
        assert cjme.train == avgzslnet.train == replace(recipe.train, weight_decay=0.0, batch_size=batch_size)
        assert (cjme.network.dropout, avgzslnet.network.dropout_enc) == (dropout, 0.8)
        assert cjme.network.hidden == avgzslnet.network.hidden == 1024
    course = config_for(small(), RECIPES["course"].changed({"weight_decay": 1e-4}, ["CJME"]), "CJME", None, 0)
    assert (course.network.hidden, course.train.weight_decay) == (256, 1e-4)
    course = config_for(small(), RECIPES["yt8m-mini-course"], "AVGZSLNet", None, 0)
    assert (course.network.hidden, course.network.dropout_enc, course.train.weight_decay) == (256, 0.2, 0)


def test_compare_and_the_papers_table_have_their_rows(tmp_path: Path) -> None:
    methods = ["eszsl", "cjme", "avgzslnet", "avca"]
    data = replace(small(), modelled_on=("UCF-GZSL", "main"))
    settings = {"recipe": tiny_recipe(), "device": "cpu", "jobs": 1, "progress": False, "folder": tmp_path}
    table = hv.compare(data, methods, seeds=1, **settings)
    assert list(table.index) == ["ESZSL", "CJME", "AVGZSLNet", "AVCA"]
    assert table["paper HM"].tolist()[1:] == [12.48, 18.05, 27.15]
    assert table["HM - AVCA"].notna().tolist() == [True, True, True, False]
    assert "| CJME " in comparison_text(table)
    assert table.attrs["failed"] == []
    kept = {path: path.stat().st_mtime_ns for path in record_files(tmp_path)}
    assert len(kept) == 4
    runs = hv.reproduce(data, ["baselines"], seeds=1, **settings)
    assert {path: path.stat().st_mtime_ns for path in record_files(tmp_path)} == kept
    assert sorted(runs["method"]) == ["AVGZSLNet", "CJME", "ESZSL"]
    shown = paper_table("table1", runs, preset="printed", weight=1.0)
    assert list(shown.index)[:3] == ["CJME", "AVGZSLNet", "AVCA"]
    assert shown.loc["CJME", "HM"] == pytest.approx(table.loc["CJME", "HM"])
    text = as_text(shown)["HM"]
    assert text["AVCA"] == "not run" != text["AVGZSLNet"]


def test_a_run_is_recorded_and_read_again(tmp_path: Path) -> None:
    settings = {"recipe": tiny_recipe(), "device": "cpu", "progress": False, "folder": tmp_path}
    run = hv.train(small(), "cjme", weights="sample", hidden=9, **settings)
    assert run.config.network == CJMEConfig(
        small().dim_audio, small().dim_video, small().dim_text, hidden=9, dim_theta=64, weights="sample"
    )
    (path,) = record_files(tmp_path)
    again, record = load_run(path)
    assert (again.config, again.metrics, record["method"]) == (run.config, run.metrics, "CJME")
    assert path.name.startswith("cjme-seed0-")
    hv.train(small(), "cjme", hidden=9, **settings)  # another setting is another set of runs
    assert len(by_set(hv.runs.load_runs(tmp_path))) == 2


def test_all_of_reproduce_includes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(hv.grid.Grid, "run", lambda self, jobs, label: asked.extend(job.name for job in jobs))
    reproduce_tiny(tmp_path, ["all"], seeds=1)
    assert {"CJME seed 0", "AVGZSLNet seed 0", "AVCA seed 0"} <= set(asked)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CJMEConfig(8, 8, weights="mean"), 'choose "batch" or "sample"'),
        (lambda: CJMEConfig(8, 8, epsilon=-0.1), "epsilon is -0.1"),
        (lambda: CJMEConfig(8, 8, dropout=1.0), "dropout is 1.0"),
        (lambda: AVGZSLNetConfig(8, 8, dropout_dec=-1.0), "dropout_dec is -1.0"),
        (lambda: AVGZSLNetConfig(8, 8, hidden=0), "hidden is 0"),
        (lambda: RunConfig(CJMEConfig(8, 8), alignment=preset("printed")), "CJME takes no alignment loss"),
        (lambda: hv.train(small(), "cjme:3"), "no method 'cjme:3'"),
        (lambda: hv.train(small(), "cjme", k=-1.0), "cjme has no k"),
        (lambda: hv.train(small(), "avgzslnet", weight=1.0), "avgzslnet has no alignment loss"),
        (lambda: hv.train(small(), "avca", weights="sample"), "no setting 'weights' in a recipe of AVCA"),
        (
            lambda: hv.compare(small(), ["avca", "cjme"], weights="sample"),
            "no setting 'weights' in a recipe of AVCA",
        ),
        (lambda: hv.train(small(), "cjme", heads=2), "no setting 'heads' in a recipe of CJME"),
        (lambda: hv.compare(small(), ["cjme", "CJME"]), "are the same here"),
    ],
)
def test_a_bad_setting_is_one_sentence(call: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words) as error:
        call()
    assert "\n" not in str(error.value)


def test_cjme_without_the_words_of_its_classes_says_so() -> None:
    learner, batch = learner_and_batch(CJMEConfig)
    learner.words = None
    with pytest.raises(SettingError, match="word vectors of all training classes"):
        train_step(learner, batch)
    assert set(NETWORKS) == {"AVCA", "AVCA-skip", "CJME", "AVGZSLNet"}
