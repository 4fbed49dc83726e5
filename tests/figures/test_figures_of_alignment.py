"""Figures of notebooks 06 to 12 by their numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from hypav import geometry
from hypav.alignment import AlignmentConfig, alignment_loss, similarity_matrix
from hypav.avca import AVCAConfig
from hypav.baselines import build_network
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.simulated import simulated
from hypav.embeddings import rank_correlation
from hypav.errors import DataError
from hypav.figures import (
    alignment_explorer,
    hyper_alignment,
    hyper_multiple,
    hyper_single,
    map_explorer,
    seeing_embeddings,
)
from hypav.figures import does_curvature_matter as matters
from hypav.figures.own_data import plot_text_rows
from hypav.losses import avca_terms, total
from hypav.training import score

close = torch.testing.assert_close
G = Generator().manual_seed(1)


def rows(*lengths: float) -> Tensor:
    """Rows of the given lengths in different directions."""
    x = torch.rand(len(lengths), 6, generator=G, dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True) * torch.tensor(lengths, dtype=torch.float64).unsqueeze(1)


def test_lengths_are_counted_and_compared_with_the_balls_radius() -> None:
    # k = -0.25: the ball ends at 2, Eq. 1 cuts at 1.998; two of four rows are longer
    data = hyper_alignment.plot_lengths(
        {"v": rows(1.0, 1.9, 1.999, 9.0), "a": rows(3, 4, 5, 6)}, k=-0.25, data="x"
    )[1]
    assert data["radius"] == pytest.approx(1.998)
    assert data["cut"] == {"v": 50.0, "a": 100.0}
    assert data["v"].sum() == data["a"].sum() == 4


def test_rows_outside_the_ball_end_at_one_length_and_rows_inside_do_not() -> None:
    figure, data = hyper_alignment.plot_steps_to_tangent(rows(0.5, 5, 50), rows(7, 8, 1.0), k=-0.25, data="x")
    cut, far = 1.998, 2 * math.atanh(0.999)
    close(data["after Eq. 1"], torch.tensor([[0.5, cut, cut], [cut, cut, 1.0]], dtype=torch.float64))
    expected = [[2 * math.atanh(0.25), far, far], [far, far, 2 * math.atanh(0.5)]]
    close(data["after Eq. 3"], torch.tensor(expected, dtype=torch.float64))
    for axes, length in zip(figure.axes, data.values(), strict=True):
        drawn = [torch.as_tensor(line.get_xydata()) for line in axes.lines if len(line.get_xdata()) == 3]
        close(torch.stack(drawn).norm(dim=-1), length)


def test_each_video_is_cut_to_its_own_ball() -> None:
    k = torch.tensor([[-0.25], [-1.0]], dtype=torch.float64)
    figure, data = hyper_alignment.plot_steps_to_tangent(rows(0.5, 50), rows(7, 0.5), k=k, data="x")
    close(data["after Eq. 1"], torch.tensor([[0.5, 0.999], [1.998, 0.5]], dtype=torch.float64))
    assert [circle.radius for circle in figure.axes[1].patches] == [2.0, 1.0], "the larger ball lies below"
    assert "k from −0.25 to −1, and balls with radii from 2.00 to 1.00" in figure.alt_text


def test_similarity_matrices_share_a_scale_and_their_difference_is_centred() -> None:
    m_v, m_a = similarity_matrix(rows(1, 2, 3, 4), "cosine"), torch.eye(4, dtype=torch.float64)
    figure, data = hyper_alignment.plot_similarities(m_v, m_a, [*"xxyy"], data="x", classes=[*"abbb"])
    close(data["difference"], m_v - m_a)
    panels = [axes for axes in figure.axes if axes.images]
    assert panels[0].images[0].get_clim() == panels[1].images[0].get_clim()
    low, high = panels[2].images[0].get_clim()
    assert -low == high == float((m_v - m_a).abs().max())
    assert 2 * panels[0].images[0].get_cmap().N < 128, "the palette of a stored picture"
    frames = [(frame.get_xy(), frame.get_width()) for frame in panels[0].patches]
    assert frames == [((-0.5, -0.5), 1), ((0.5, 0.5), 3)]
    for names in ({"groups": [*"xy"]}, {"groups": [*"xxyy"], "classes": ["a"]}):
        with pytest.raises(DataError, match="names for 4 rows"):
            hyper_alignment.plot_similarities(m_v, m_a, **names, data="x")


def test_loudness_has_its_ceiling() -> None:
    data = hyper_alignment.plot_loudness([8, 64], [1e-3, 2e-5], L_avca=[5.0, 4.0], data="x")[1]
    assert data["ceiling"] == pytest.approx([2 / 64, 2 / 4096])


def test_a_small_batch_has_two_videos_of_two_classes_of_three_groups() -> None:
    data = simulated("small")
    number = torch.arange(len(data["train"]), dtype=torch.float64).unsqueeze(1)
    phi_v, phi_a, groups, classes = hyper_alignment.small_batch(data, data["train"], number, -number)
    label = data["train"].label[phi_v[:, 0].long()].tolist()
    close(phi_a, -phi_v)
    assert classes == [data.class_names[c] for c in label]
    assert groups == [data.super_groups[c] for c in label]
    assert groups == sorted(groups)
    assert [classes.count(name) for name in dict.fromkeys(classes)] == [2] * 6
    assert len(set(phi_v[:, 0].tolist())) == 12


def test_the_pull_is_the_length_of_one_gradient_over_that_of_the_other() -> None:
    phase = simulated("small")["train"].to(dtype=torch.float64)
    widths = [table.shape[1] for table in (phase.audio, phase.video, phase.text)]
    config = AVCAConfig(*widths, dim_phi=12, dim_theta=5, hidden_enc=0, hidden_proj=0, heads=3, head_dim=4)
    network = build_network(config, Generator().manual_seed(0)).double().eval()
    term, L_avca, pull = hyper_alignment.losses_and_pull(network, phase, lambda v, a: v.sum() - a.sum(), 8)
    index, negative = TripletSampler(phase.label, batch_size=8, generator=Generator().manual_seed(8)).draw(1)
    batch = make_batch(phase, index[0], negative[0])
    e = network(*batch)
    e.phi_v.retain_grad()
    e.phi_a.retain_grad()
    loss = total(avca_terms(e, batch.text))
    loss.backward()
    length = torch.cat((e.phi_v.grad, e.phi_a.grad)).norm()
    # the gradient of the sum of 2 * 8 * 12 numbers is as many ones
    assert pull == pytest.approx((2 * 8 * 12) ** 0.5 / float(length))
    assert (term, L_avca) == pytest.approx((float(e.phi_v.sum() - e.phi_a.sum()), float(loss)))


def test_two_methods_are_joined_by_seed_and_compared_with_students_interval() -> None:
    HM = {"AVCA": [20.0, 22.0, 24.0], "with Eq. 4": [21.0, 24.0, 27.0]}
    figure, data = hyper_alignment.plot_with_and_without(HM, linear=40.0, data="x")
    half = 4.302652729911275 / math.sqrt(3)
    assert data["difference"] == pytest.approx((2, 2 - half, 2 + half))
    lines = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert [40.0, 40.0] in lines
    for pair in ([20, 21], [22, 24], [24, 27]):
        assert pair in lines
    data = matters.plot_own_runs({"alone": [9.0] * 3, **HM}, linear=40.0, data="x")[1]
    assert data["difference"] == pytest.approx((-2, -2 - half, -2 + half)), "the second last minus the last"
    assert (data["linear"], data["HM"]["alone"]) == (40.0, [9.0] * 3)


def test_the_share_of_variance_between_classes() -> None:
    label = torch.tensor([0, 1, 0, 1])
    for k, share in (([-0.1, -0.3, -0.1, -0.3], 100), ([0.0, -0.2, -0.2, -0.4], 50)):
        found = hyper_single._share_between(torch.tensor(k, dtype=torch.float64), label)
        assert float(found) == pytest.approx(share)


def test_random_layers_have_shares_and_chance_has_that_of_shuffled_classes() -> None:
    data = simulated("small")
    model = hyper_single.fresh_run(data).model
    shares, chance = hyper_single.random_layers({"a": model}, data, Generator().manual_seed(0), layers=4)
    label = hyper_single.some_videos(model, data)[2]
    assert label.bincount().max() == 20
    assert len(label.unique()) == 10
    # of G groups shuffled over N samples (G - 1)/(N - 1) of the variance lies between them on average
    assert float(chance.mean()) == pytest.approx(100 * 9 / (len(label) - 1), rel=0.1)
    assert len(shares["a"]) == 4
    assert float(shares["a"].min()) > float(chance.mean()), "embeddings of one class are alike"


def test_only_curved_moves_the_curvature_layer_and_weight_decay_shrinks_it() -> None:
    runs = hyper_single.watch(simulated("small"), steps=2, every=1)
    for name, run in runs.items():
        assert run.steps == [0, 1]
        assert torch.equal(run.k[0], runs["printed"].k[0]), "all begin with the same layer"
        moved = max(run.norms["curvature layer"]) > 1e-6 * max(run.norms["video encoder"])
        assert moved == name.startswith("curved")
    start, end = runs["printed"].weights
    assert end < 0.9 * start
    start, end = runs["printed, no decay"].weights
    assert end == pytest.approx(start, rel=1e-9)


def test_gradients_of_rounding_are_drawn_in_a_band_below_the_scale() -> None:
    histories = {"printed": {"encoder": [20.0, 2.0], "layer": [1e-15, 0.0]}, "curved": {"layer": [1.0, 1e-3]}}
    figure, data = hyper_single.plot_gradient_sizes(histories, data="x")
    assert data["printed"]["layer"] == [0.0, 0.0]
    left, right = figure.axes
    zero = left.lines[1].get_ydata()
    assert zero[0] == zero[1] < 1e-3 / 3
    assert left.get_ylim()[0] < zero[0]
    assert left.get_yticklabels()[0].get_text() == "< 10⁻¹²"
    assert list(right.lines[0].get_ydata()) == [1.0, 1e-3]


def test_heads_that_see_the_same_matrix_say_so() -> None:
    matrix = torch.rand(4, 4, generator=G, dtype=torch.float64)
    stacks = {"printed": torch.stack([matrix, matrix]), "curved": torch.stack([matrix, matrix - 3])}
    figure, data = hyper_multiple.plot_head_matrices(stacks, [-0.1, -0.5], edges=[2], data="x")
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert "the same" in titles[1]
    assert "3.00" in titles[3]
    assert data["curved"]["difference"].tolist() == pytest.approx([0, 3])


def test_heads_correlate_in_pairs_and_a_mixture_is_the_mean_of_its_heads() -> None:
    first = -0.4 * torch.rand(30, generator=G, dtype=torch.float64)
    pairs = {"alike": torch.stack([first, 0.5 * first], 1), "opposed": torch.stack([first, -0.4 - first], 1)}
    data = hyper_multiple.plot_head_pairs(pairs, c_0=-0.4, data="x")[1]
    assert data["alike"]["correlation"] == pytest.approx(1)
    assert data["opposed"]["correlation"] == pytest.approx(-1)
    heads = {"E+S": torch.tensor([3.0, 1.0]), "E+H": torch.tensor([1.0, 3.0])}
    figure, data = hyper_multiple.plot_known_mixtures(heads, ["E+S"], data="x")
    assert data == {"E+S": 2}
    assert [text.get_text() for text in figure.axes[0].texts] == ["2.00", "?"]
    small = {name: 1e-5 * losses for name, losses in heads.items()}
    figure, data = hyper_multiple.plot_mixtures({"printed": small, "curved": heads}, data="x")
    assert data["curved"]["E+H"]["loss"] == 2
    assert "10⁻⁵" in figure.axes[0].get_ylabel()
    assert [line.get_marker() for line in figure.axes[1].lines] == ["s", "^", "s", "o"], "E, S, E, H"


def test_heads_see_cosines_as_printed_and_distances_under_curved() -> None:
    phi = rows(3, 5, 9, 20)
    printed = hyper_multiple.head_matrices(phi, (-1.0, -0.1, 0.0), "printed")
    close(printed, similarity_matrix(phi, "cosine").expand(3, 4, 4))
    curved = hyper_multiple.head_matrices(phi, (-1.0, -0.1), "curved")
    for k, matrix in zip((-1.0, -0.1), curved, strict=True):
        close(matrix, -geometry.pairwise_distance(geometry.expmap0(0.1 * phi, k=k), k=k))
    assert float((curved[0] - curved[1]).abs().max()) > 0.01


def test_a_small_network_has_a_path_per_head_and_none_without_alignment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hyper_multiple, "_STEPS", 2)
    data = simulated("small")
    heads, alone = hyper_multiple.trained(data, "printed", 2), hyper_multiple.trained(data, None)
    assert (heads.path.shape, heads.k.shape) == ((2, 2), (150, 2))
    assert ((heads.k < 0) & (heads.k > -0.4)).all()
    assert heads.last_k() == [*heads.path[1].tolist(), ""]
    assert (alone.k, alone.last_k()) == (None, ["", "", ""])
    assert heads.val_HM == pytest.approx(score(heads.model, data["val"]).curve().best().HM)
    phi_v, phi_a, label = hyper_multiple.six_classes(heads.model, data)
    assert label.unique(return_counts=True)[1].tolist() == [6] * 6
    assert torch.equal(label, label.sort().values)
    assert phi_v.shape == phi_a.shape == (36, 300)
    layer = torch.nn.Linear(9, 2).double()
    drawn = [hyper_multiple.layer_like(layer, seed=seed).weight.clone() for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert 0.25 < float(drawn[0].abs().max()) <= 1 / 3


def test_table_4_stands_beside_the_mean_of_table_3() -> None:
    header, rows = hyper_multiple.table_4_beside_table_3()
    assert all(len(row) == len(header) for row in rows)
    found = {row[0]: row[1:] for row in rows}
    # E+E of Table 4, and the one flat row of Table 3
    assert found["UCF-GZSL, E"] == ["39.26", "38.82", "1", "+0.44"]
    assert [row[3] for row in rows] == ["1", "6", "6"] * 2


@pytest.fixture(scope="module")
def phi() -> tuple[Tensor, Tensor]:
    """Embeddings of 12 samples, 10 to 20 long."""
    v, a = torch.rand(2, 12, 8, generator=Generator().manual_seed(0), dtype=torch.float64)
    return 20 * v / v.norm(dim=1, keepdim=True) * (0.5 + 0.5 * a[:, :1]), 15 * a


INNER = AlignmentConfig(similarity="inner", scale=0.1)


def loss(phi: tuple[Tensor, Tensor], k: float, config: AlignmentConfig) -> float:
    return float(alignment_loss(*phi, torch.tensor([[k]], dtype=torch.float64), config))


def test_row_scales_are_what_eqs_1_and_3_multiply_by() -> None:
    data = matters.plot_row_scales()[1]
    close(data["k=0"], torch.ones(60, dtype=torch.float64))
    # length 0.5 lies inside the ball of radius 1, length 6 is clipped to 0.999
    assert float(data["k=-1"][4]) == pytest.approx(math.atanh(0.5) / 0.5)
    assert float(data["k=-1"][-1]) == pytest.approx(math.atanh(0.999) / 6)


def test_an_own_loss_is_in_units_of_its_value_at_the_papers_k() -> None:
    figure, data = matters.plot_own_loss([-1.0, -0.2, 0.0], [3.0, 2.0, 1.0], data="x")
    assert data == {"k": [-1.0, -0.2, 0.0], "loss": [1.5, 1.0, 0.5], "spread": 1.0}
    assert "changes by 100 percent" in figure.alt_text
    figure, data = matters.plot_own_loss([-1.0, 0.0], [2.0, 2.0 + 1e-12], data="x")
    assert data["spread"] == 0
    assert "does not change" in figure.alt_text


def test_runs_drift_from_one_objective_by_rounding_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matters, "_STEPS", (0, 1))
    steps, apart = matters.drift(simulated("small"))
    assert steps == (0, 1)
    assert apart["float32: Hyper-single"][0] == apart["float64: Hyper-single"][0] == 0
    assert apart["float64: Hyper-single"][1] < 1e-12
    nudged = apart["float32: last digit of one weight"]
    # the first is 0 where a processor loses the digit in the first pass
    assert nudged[0] < 1e-6 < nudged[1] < 1e-2
    assert min(apart["float32: another seed"]) > 0.05
    figure, _ = matters.plot_drift((0, 1, 8), {"a": [0.0, 1e-9, 1e-3]}, data="x")
    assert min(figure.axes[0].lines[0].get_ydata()) > 0
    assert figure.axes[0].get_yticklabels()[0].get_text() == "equal"


def test_an_own_loss_of_weight_zero_trains_avca() -> None:
    data = simulated("small")

    def gap(v: Tensor, a: Tensor) -> Tensor:
        return (v - a).square().mean()

    alone = matters.train_with(data, None, seeds=2, steps=3)
    assert matters.train_with(data, gap, seeds=2, steps=3, pull=0.0) == alone
    assert matters.train_with(data, gap, seeds=2, steps=3, pull=100.0) != alone
    assert len(set(alone)) == 2, "each seed has its own weights"
    phi_v, phi_a, L_avca = matters.embeddings(data)
    assert phi_v.shape == phi_a.shape == (256, 300)
    assert L_avca > 0


def test_the_table_of_the_explorer_has_the_losses_with_three_digits(phi: tuple[Tensor, Tensor]) -> None:
    state = alignment_explorer.alignment_state(*phi, 10.0, data="x")
    data = alignment_explorer.alignment_numbers(state | {"log_weight": 2.0})
    assert data["flat"]
    assert data["share"] == pytest.approx(100 * 100 * loss(phi, -0.2, AlignmentConfig()) / 10, rel=5e-3)
    data = alignment_explorer.alignment_numbers(state | {"similarity": "inner", "log_scale": -1.0})
    assert not data["flat"]
    assert data["loss"] == pytest.approx([loss(phi, k, INNER) for k in state["ks"]], rel=5e-3)


def test_the_planted_gaps_and_widths_are_measured_and_groups_have_a_second_cue() -> None:
    points, names = seeing_embeddings.planted_groups()
    figure, data = seeing_embeddings.plot_planted_maps(points, names, [10])
    gaps, widths, kept = data["the points"]
    assert gaps == pytest.approx(5, abs=0.3)
    assert widths == pytest.approx(4, abs=0.5)
    assert kept == 1
    gaps, widths, kept = data["perplexity 10"]
    assert gaps < 2
    assert widths < 2
    assert 0.5 < kept < 1
    assert len({line.get_marker() for line in figure.axes[0].lines}) == 3


def test_the_points_are_shown_before_their_maps() -> None:
    figure, data = seeing_embeddings.plot_planted_maps(*seeing_embeddings.planted_groups())
    assert list(data) == ["the points"]
    assert "t-SNE" not in figure.alt_text


def test_the_circle_of_the_spread_has_its_radius() -> None:
    points = torch.tensor([[0, 3], [0, -3], [12, 3], [12, -3]], dtype=torch.float64)
    figure, data = seeing_embeddings.plot_spread(points, [*"AABB"])
    assert [circle.radius for circle in figure.axes[0].patches] == pytest.approx([3, 3])
    assert data["separation"][0, 1].item() == pytest.approx(4)


def test_a_row_of_kinship_is_a_dot_beside_a_bar_that_ends_at_the_limit_of_chance() -> None:
    figure, _ = seeing_embeddings.plot_kinship(
        {"AVCA": torch.tensor([[1.07, 1.03], [0.23, 0.18]], dtype=torch.float64)}, data="x"
    )
    for axes, value, limit in zip(figure.axes, (1.07, 0.23), (1.03, 0.18), strict=True):
        bar = axes.patches[0]
        assert bar.get_x() + bar.get_width() == pytest.approx(limit)
        assert axes.lines[0].get_xdata() == pytest.approx([value])


def test_a_group_of_a_map_can_be_chosen() -> None:
    names = ["music"] * 3 + ["sport"] * 4
    maps = {f"{v}, {m}": torch.randn(7, 2, generator=G) for v in ("AVCA", "curved") for m in ("v", "a")}
    state = map_explorer.map_state(maps, names, data="x") | {"variant": "curved", "group": "sport"}
    assert map_explorer.plot_map(state)[1]["shown"] == 4


def test_noise_of_the_same_covariance_has_it_and_each_row_has_ten_sets_of_each_kind() -> None:
    x = torch.randn(40, 3, generator=G, dtype=torch.float64) * torch.tensor([5.0, 1.0, 0.1])
    label, seen = torch.arange(40) % 4, []
    found = seeing_embeddings.Embedded({"a": x}, {}, label, label[:4], ("x",), x, None)

    def delta(distances: Tensor) -> Tensor:
        seen.append(distances.square().mean())
        return distances.max()

    row = found.delta_rows(delta, each=10)["a"]
    assert len(row["Gaussian noise"]) == len(row["same-covariance noise"]) == 10
    assert len(seen) == 21
    close(
        torch.stack(seen[1:-1:2]).mean() / seen[-1], torch.tensor(1.0, dtype=torch.float64), atol=0.3, rtol=0
    )
    assert all(plain < 0.6 * seen[-1] for plain in seen[0:-1:2])


def test_tree_and_delta_rows_are_what_they_measure() -> None:
    tree = torch.tensor([[0, 2, 4, 4], [2, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]], dtype=torch.float64)
    noisy = tree + torch.rand(4, 4, generator=G)
    data = seeing_embeddings.plot_tree_agreement(tree, {"AVCA": noisy}, data="x")[1]
    i, j = torch.triu_indices(4, 4, 1)
    assert data["AVCA"]["correlation"] == pytest.approx(rank_correlation(tree[i, j], noisy[i, j]))
    assert data["AVCA"]["means"][2.0] == pytest.approx(float((noisy[0, 1] + noisy[2, 3]) / 2))
    noise = {"AVCA": {"features": 0.28, "Gaussian noise": [0.30, 0.34, 0.35]}}
    figure, _ = seeing_embeddings.plot_delta_rows(noise, data="x")
    ends = figure.axes[0].collections[0].get_segments()[0][:, 0]
    assert list(ends) == pytest.approx([0.33 - 0.026458, 0.33 + 0.026458], abs=1e-6)


def test_each_class_is_joined_to_the_class_whose_vector_it_gets() -> None:
    names = ["Archery", "Clean", "Cut", "Dive"]
    figure, data = plot_text_rows(names, [0, 2, 3, 1])
    assert data == {"given": [0, 2, 3, 1], "shifted": 3}
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[0, 0], [1, 2], [2, 3], [3, 1]]
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["-", "--", "--", "--"]
    for given in ([0, 1, 2], [0, 1, 2, 4], [0, 1, 2, -1]):
        with pytest.raises(DataError, match="index of one"):
            plot_text_rows(names, given)
