"""The ledger says what hypav does; here is one test per row that it does so."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from hypav import geometry
from hypav.alignment import PRESETS, Adaptive, Alignment, AlignmentConfig, alignment_loss, preset
from hypav.avca import AVCAConfig, Embeddings
from hypav.baselines import AVGZSLNetConfig, CJMEConfig, build_network
from hypav.data.batches import TripletBatch
from hypav.data.official import text_rows
from hypav.data.simulated import COUNTS, simulated
from hypav.errors import DataError, SettingError
from hypav.evaluation import RELEASED_BETAS, Scores
from hypav.experiments.configs import (
    MIXTURES,
    RECIPES,
    config_for,
    parse_method,
    table_rows,
)
from hypav.experiments.effects import objective
from hypav.experiments.ledger import ledger
from hypav.experiments.paper import paper_settings, reported
from hypav.hyperbolicity import delta_rel
from hypav.losses import avca_terms
from hypav.training import Learner, RunConfig, TrainConfig, train, train_step

SETS = tuple(
    (f"{name}-GZSL", kind) for kind in ("main", "cls") for name in ("VGGSound", "UCF", "ActivityNet")
)
UCF, UCF_CLS = SETS[1], SETS[4]
N, DIM, XI = 12, 20, 1e-3
CURVATURES = (-5.0, -1.0, -0.5, -0.2, -0.1, -0.01, 0.0, 0.2, 1.0)
checked: set[str] = set()


def row(item: str) -> Any:
    """Marks the test of one row of the ledger."""
    checked.add(item)
    return lambda test: test


def close(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    a, b = (torch.as_tensor(value, dtype=torch.float64) for value in (a, b))
    torch.testing.assert_close(a, b, rtol=tolerance, atol=1e-300)


def phi_pair(seed: int = 0) -> tuple[Tensor, Tensor]:
    """phi_v and phi_a (N, DIM) as an encoder gives them: not negative, about 12 long, so that nearly all are clipped."""
    phi_v, phi_a = (
        4 * torch.randn(2, N, DIM, generator=Generator().manual_seed(seed), dtype=torch.float64).relu()
    )
    return phi_v, phi_a


def loss_of(config: str | AlignmentConfig, k: float = -0.2, seed: int = 0) -> Tensor:
    return alignment_loss(*phi_pair(seed), k, config)


def embeddings(seed: int = 0, **changes: Tensor) -> Embeddings:
    (phi_v, phi_a), (phi_v_neg, phi_a_neg) = phi_pair(seed), phi_pair(seed + 1)
    named = dict.fromkeys(Embeddings._fields, phi_v)
    return Embeddings(**{**named, "phi_a": phi_a, "phi_v_neg": phi_v_neg, "phi_a_neg": phi_a_neg, **changes})


def heads(config: AlignmentConfig, e: Embeddings | None = None) -> Tensor:
    return Alignment(config, DIM, Generator())(embeddings() if e is None else e).heads


def small_network(**changes: Any) -> AVCAConfig:
    sizes = {"dim_audio": 6, "dim_video": 7, "dim_text": 5, "dim_phi": 8, "dim_theta": 4, "hidden_enc": 9}
    return AVCAConfig(**{**sizes, "hidden_proj": 9, "heads": 2, "head_dim": 3, "dim_mlp": 4, **changes})


def batch_of(network: AVCAConfig) -> TripletBatch:
    dims = (network.dim_audio, network.dim_video, network.dim_text) * 2
    g = Generator().manual_seed(3)
    return TripletBatch(*(torch.randn(10, dim, generator=g, dtype=torch.float32) for dim in dims))


def stepped() -> tuple[Any, Tensor]:
    """A network after one training step, and its positional embedding before it."""
    network = small_network()
    learner = Learner.fresh(RunConfig(network, TrainConfig(), seed=0), torch.device("cpu"))
    before = learner.model.positional.detach().clone()
    train_step(learner, batch_of(network))
    return learner.model, before


# --- loss ---


@row("weight of the alignment loss")
def test_the_weight_is_1_as_printed_and_a_thousandth_as_released() -> None:
    assert PRESETS["printed"].weight == 1
    assert PRESETS["released"].weight == 1e-3
    one, small = (
        Alignment(preset("printed", weight=w), DIM, Generator())(embeddings()).total for w in (1.0, 1e-3)
    )
    close(small, 1e-3 * one)


@row("similarity matrices")
def test_printed_divides_by_the_frobenius_norm_and_released_does_not() -> None:
    phi_v, phi_a = (F.normalize(phi, dim=1) @ F.normalize(phi, dim=1).T for phi in phi_pair())
    close(loss_of("printed"), (phi_v / phi_v.norm() - phi_a / phi_a.norm()).pow(2).sum() / N**2, 1e-9)
    close(loss_of("released"), (phi_v - phi_a).pow(2).sum() / N**2, 1e-9)


@row("size of the term")
def test_the_printed_term_is_at_most_2_over_n_squared() -> None:
    assert all(float(loss_of("printed", seed=seed)) <= 2 / N**2 for seed in range(5))


@row("pairs that are aligned")
def test_released_adds_the_negative_pairs_to_the_positive_ones() -> None:
    close(heads(PRESETS["printed"]), loss_of("printed").reshape(1))
    close(heads(PRESETS["released"]), (loss_of("released") + loss_of("released", seed=1)).reshape(1))


@row("curvature in the loss")
@pytest.mark.parametrize("name", ["printed", "released", "curved"])
def test_only_curved_depends_on_the_curvature(name: str) -> None:
    losses = torch.stack([loss_of(name, k) for k in CURVATURES])
    spread = float((losses.max() - losses.min()) / losses.max())
    assert spread > 0.01 if name == "curved" else spread < 1e-9


@row("adaptive curvature")
@pytest.mark.parametrize("name", ["printed", "released", "curved"])
def test_the_curvature_layer_learns_only_under_curved(name: str) -> None:
    module = Alignment(preset(name, curvatures=Adaptive(2, -0.4)), DIM, Generator().manual_seed(0)).double()
    result = module(embeddings())
    assert result.curvatures.shape == (N, 2)
    result.total.backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    slope = max(float(g.abs().max()) for g in gradients) / PRESETS[name].weight
    assert slope > 1e-6 if name == "curved" else slope < 1e-14


@row("first publication of the code (2023)")
def test_the_code_of_2023_multiplied_norms_which_left_only_rounding_if_all_rows_are_clipped() -> None:
    assert PRESETS["released-2023"].similarity == "norms"
    assert 0 <= float(loss_of("released-2023", -1.0)) < 1e-20
    assert float(loss_of("released-2023", 0.0)) > 1 > float(loss_of("released-2023", 1.0)) > 0


@row("rows of zeros")
def test_a_row_of_zeros_has_a_finite_loss_and_gradient() -> None:
    phi_v, phi_a = phi_pair()
    phi_v[0] = 0
    phi_v.requires_grad_()
    loss = alignment_loss(phi_v, phi_a, -0.2, "printed")
    loss.backward()
    assert loss.isfinite()
    assert phi_v.grad is not None
    assert phi_v.grad.isfinite().all()


# --- geometry ---


@row("radius of the ball")
def test_the_radius_of_eq_1_lies_outside_the_ball() -> None:
    x = torch.full((1, 4), 100.0, dtype=torch.float64)
    ball, printed = (geometry.project(x, k=-0.2, xi=XI, radius=r).norm() for r in ("ball", "printed"))
    close(ball, (1 - XI) / math.sqrt(0.2))
    close(printed, (1 - XI) / 0.2)
    assert float(printed) > 1 / math.sqrt(0.2)


@row("threshold of the clip")
def test_rows_near_the_rim_are_shortened_too() -> None:
    R = 1 / math.sqrt(0.2)
    inside, between = (1 - XI) * R * 0.999, (1 - XI / 2) * R
    x = torch.tensor([[inside, 0.0], [between, 0.0]], dtype=torch.float64)
    close(geometry.project(x, k=-0.2, xi=XI)[:, 0], [inside, (1 - XI) * R])


@row("sign")
def test_a_positive_k_is_refused_where_a_method_is_hyperbolic() -> None:
    with pytest.raises(SettingError, match="-k"):
        parse_method("hyper-alignment:0.2", "printed", paper_settings(None))
    assert paper_settings(None).c_0 == -0.4


@row("log map at the origin")
def test_eq_3_at_the_origin() -> None:
    x, k = torch.tensor([[0.3, -0.4]], dtype=torch.float64), -0.7
    expected = math.atanh(math.sqrt(-k) * 0.5) / math.sqrt(-k) * x / 0.5
    close(geometry.logmap0(x, k=k), expected)
    close(geometry.logmap(torch.zeros_like(x), x, k=k), expected, 1e-10)


@row("Möbius addition")
def test_eq_2_drops_out_at_the_origin_and_not_at_the_midpoint() -> None:
    x = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    close(geometry.mobius_add(torch.zeros_like(x), x, k=-0.7), x)
    midpoint = preset("printed", base="midpoint")
    assert abs(float(loss_of(midpoint, -1.0) / loss_of(midpoint, -0.01)) - 1) > 1e-3


@row("flat, spherical and mixed alignment")
@pytest.mark.parametrize("name", PRESETS)
def test_every_mixture_of_table_4_has_a_finite_loss(name: str) -> None:
    mixed = [r.alignment for r in table_rows("table4", UCF, name, 1.0) if r.alignment is not None]
    assert len(mixed) == len(MIXTURES)
    assert all(heads(config).isfinite().all() for config in mixed)


# --- settings ---


@row("curvatures of the runs")
@row("curvatures in the earlier README")
def test_the_runs_take_the_curvatures_of_the_captions() -> None:
    for key in SETS:
        k, N_c, c_0 = paper_settings(key)
        modules = [
            r.alignment.curvatures for r in table_rows("table1", key, "printed", 1.0)[1:] if r.alignment
        ]
        assert modules == [(k,), Adaptive(1, c_0), Adaptive(N_c, c_0)]


@row("hyperparameters of AVCA")
def test_one_schedule_serves_all_methods_of_a_set() -> None:
    for key in SETS:
        recipe = RECIPES[f"{key[0].removesuffix('-GZSL').lower()}-{key[1]}"]
        rows = table_rows("table1", key, "printed", 1.0)
        configs = [config_for(simulated("small"), recipe, r.method, r.alignment, 0) for r in rows]
        assert len(configs) == 4
        assert all((c.train, c.network) == (recipe.train, configs[0].network) for c in configs)


@row("dimension of the word vectors")
def test_word_vectors_have_300_numbers() -> None:
    assert AVCAConfig(dim_audio=512, dim_video=512).dim_text == COUNTS["ucf-gzsl"].dim_text == 300


@row("dimensions of the features")
def test_main_and_cls_features_have_the_released_dimensions() -> None:
    dims = {name: (COUNTS[name].dim_audio, COUNTS[name].dim_video) for name in ("ucf-gzsl", "ucf-gzsl-cls")}
    assert dims == {"ucf-gzsl": (512, 512), "ucf-gzsl-cls": (128, 4096)}


@row("which embeddings are aligned")
def test_phi_att_and_theta_can_be_aligned_in_place_of_phi() -> None:
    (att_v, att_a), (theta_v, theta_a) = phi_pair(4), phi_pair(5)
    e = embeddings(phi_v_att=att_v, phi_a_att=att_a, theta_v=theta_v, theta_a=theta_a)
    for aligned, seed in (("phi", 0), ("phi_att", 4), ("theta", 5)):
        close(heads(preset("printed", aligned=aligned), e), loss_of("printed", seed=seed).reshape(1))


@row("t-SNE with super-classes")
def test_the_figures_compare_avca_with_hyper_multiple() -> None:
    for figure in ("figure3", "figure4"):
        assert [r.label for r in table_rows(figure, UCF_CLS, "printed", 1.0)] == ["AVCA", "Hyper-multiple"]


@row("delta_rel")
def test_the_released_delta_rel_is_half_of_ours() -> None:
    points = torch.randn(30, 5, generator=Generator().manual_seed(0), dtype=torch.float64)
    ours, released = delta_rel(points), delta_rel(points, convention="released")
    close(ours.delta_rel, 2 * ours.delta / ours.diameter)
    close(ours.delta_rel, 2 * released.delta_rel)


# --- data and training ---


@row("word vectors of the classes")
def test_the_official_alignment_repeats_the_released_shift() -> None:
    names = ("Apply Makeup", "Weight Lifting", "Cliff Diving")  # in the order of the original names
    assert text_rows(names, "correct") == names
    assert text_rows(names, "official") == ("Apply Makeup", "Cliff Diving", "Weight Lifting")


@row("positional embedding")
def test_the_positional_embedding_is_trained() -> None:
    model, before = stepped()
    assert not torch.equal(before, model.positional.detach())


@row("passes without use")
def test_a_step_moves_each_batch_norm_once_per_batch() -> None:
    model, _ = stepped()
    assert int(model.project_a.out_norm.num_batches_tracked) == 2  # the positive and the negative batch


@row("momentum of the batch norms")
def test_the_momentum_reaches_only_the_last_norm_of_parts_with_a_hidden_layer() -> None:
    model = build_network(small_network(momentum=0.99), Generator().manual_seed(0))
    assert model.encode_a.hidden_norm is not None
    norms = (model.encode_a.out_norm, model.encode_a.hidden_norm, model.decode.out_norm)
    assert [norm.momentum for norm in norms] == [0.99, 0.1, 0.1]
    shallow = build_network(small_network(momentum=0.99, hidden_enc=0), Generator().manual_seed(0))
    assert shallow.encode_a.out_norm.momentum == 0.1


@row("reconstruction of the word vectors")
def test_the_reconstruction_cannot_be_negative_as_word_vectors_are() -> None:
    network = small_network()
    batch = batch_of(network)
    e = build_network(network, Generator().manual_seed(0)).float()(
        *batch, generator=Generator().manual_seed(0)
    )
    floor = float(batch.text.clamp_max(0).pow(2).mean())
    assert (e.rho_w >= 0).all()
    assert float(F.mse_loss(e.rho_w.detach(), batch.text)) >= floor > 0


@row("loss of the baseline")
def test_the_baseline_has_all_17_terms() -> None:
    network = small_network()
    e = build_network(network, Generator().manual_seed(0)).float()(*batch_of(network))
    assert len(avca_terms(e, batch_of(network).text)) == 17


@row("a class with one sample")
def test_a_training_class_with_one_sample_is_refused() -> None:
    data = simulated("small")
    index = data.splits["stage_1_train"]
    lone = data.label[index] == data.label[index[0]]
    with pytest.raises(DataError, match="single training sample"):
        replace(data, splits={**data.splits, "stage_1_train": torch.cat((index[lone][:1], index[~lone]))})


@row("β")
def test_beta_has_16_values_and_0_stays_0() -> None:
    close(RELEASED_BETAS, torch.linspace(0, 3, 16), 1e-6)
    distances, classes = torch.tensor(2 * [[1.0, 1.0 + 1e-12]], dtype=torch.float64), torch.arange(2)
    # with 1e-10 in place of 0 the unseen class would be nearer
    scores = Scores(distances, classes, classes, classes[:1], classes[1:])
    assert scores.predict(0.0).tolist() == [0, 0]


@row("β of CJME and AVGZSLNet")
def test_their_beta_is_the_best_on_val_of_the_reported_distance() -> None:
    data = simulated("small")
    for name in ("CJME", "AVGZSLNet"):
        plan = RECIPES["course"].changed({"epochs": 1, "batches": 2, "hidden": 8}, [name])
        run = train(data, config_for(data, plan, name, None, 0), device="cpu", progress=False)
        assert run.metrics.beta == run.val.beta
        assert run.metrics.beta in RELEASED_BETAS


@row("weights of CJME's triplets")
def test_the_released_weight_of_a_triplet_is_the_mean_alpha() -> None:
    alpha, to_audio, to_video = torch.rand(3, 7, generator=Generator().manual_seed(0), dtype=torch.float64)
    square = (1 - alpha[:, None]) * to_audio + alpha[:, None] * to_video
    assert square.shape == (7, 7)
    close(square.mean(), ((1 - alpha.mean()) * to_audio + alpha.mean() * to_video).mean())
    assert CJMEConfig(8, 8).weights == "batch"  # tests/test_baselines.py has both losses


@row("settings of CJME and AVGZSLNet")
def test_the_settings_of_the_earlier_networks_are_the_benchmarks() -> None:
    network = AVGZSLNetConfig(512, 512)
    assert (network.hidden, network.dropout_enc, network.dropout_dec) == (1024, 0.8, 0.5)
    assert (CJMEConfig(512, 512).hidden, CJMEConfig(512, 512).dropout) == (1024, 0.2)
    assert RECIPES["course"].baseline == {"hidden": 256, "dropout_enc": 0.2}


# --- tables ---


@row("H+H in Table 4")
def test_the_papers_h_h_is_its_hyper_multiple_and_ours_has_two_fixed_heads() -> None:
    h_h, multiple = (
        reported("table4", UCF_CLS).rows["H+H"],
        reported("table2", UCF_CLS).rows["Hyper-multiple"],
    )
    assert (h_h["HM"], h_h["ZSL"]) == (multiple["HM"], multiple["ZSL"])
    last = table_rows("table4", UCF_CLS, "printed", 1.0)[-1].alignment
    assert last is not None
    assert last.curvatures == (-0.2, -0.2)


@row("E+E, S+S, H+H in Table 4")
def test_two_equal_heads_are_the_run_with_one() -> None:
    losses = {
        r.label: r.alignment
        for table in ("table3", "table4")
        for r in table_rows(table, UCF_CLS, "curved", 1.0)
    }
    for two, one in (("E+E", "0.0"), ("S+S", "0.2"), ("H+H", "-0.2")):
        close(heads(losses[two]).mean(), heads(losses[one]).mean())
        assert objective(losses[two]) == objective(losses[one])
    assert objective(losses["E+H"]) != objective(losses["E+E"])


# --- the ledger itself ---


def test_every_row_is_whole_and_has_its_test() -> None:
    table = ledger()
    assert len(table) == 35
    assert set(table["item"]) == checked
    assert table.map(lambda text: isinstance(text, str) and text != "").all(axis=None)
    assert ledger("tables")["item"].tolist() == ["H+H in Table 4", "E+E, S+S, H+H in Table 4"]
