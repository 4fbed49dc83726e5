"""Figures of notebooks 06 to 12 by their numbers."""

from __future__ import annotations

import math
from math import log10

import pytest
import torch
from torch import Generator, Tensor

from hypav.alignment import AlignmentConfig, alignment_loss, similarity_matrix
from hypav.embeddings import rank_correlation
from hypav.errors import DataError
from hypav.figures import does_curvature_matter as matters
from hypav.figures import hyper_alignment, hyper_multiple, hyper_single, seeing_embeddings
from hypav.figures.own_data import plot_text_rows
from hypav.stats import t_interval

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


def test_loudness_has_its_ceiling_and_weights_are_means_over_a_tenth_of_the_run() -> None:
    data = hyper_alignment.plot_loudness([8, 64], [1e-3, 2e-5], L_avca=[5.0, 4.0], data="x")[1]
    assert data["ceiling"] == pytest.approx([2 / 64, 2 / 4096])
    history = {"avca": [float(n) for n in range(20)], "align": [1e-4] * 19 + [3e-4]}
    figure, data = hyper_alignment.plot_weights({"1": history, "2": history}, data="x")
    assert data["1"]["avca"] == pytest.approx([0.5 + 2 * n for n in range(10)])
    assert figure.axes[1].lines[1].get_ydata()[-1] == pytest.approx(2.0)
    assert list(figure.axes[0].lines[0].get_xdata()) == [1.0 + 2 * n for n in range(10)]


def test_the_share_of_variance_between_groups_and_what_chance_gives() -> None:
    states = {"apart": [-0.1, -0.3, -0.1, -0.3], "half": [0.0, -0.2, -0.2, -0.4], "equal": [-0.2] * 4}
    curvatures = {name: torch.tensor(k, dtype=torch.float64) for name, k in states.items()}
    shuffles = {"c_0": -0.4, "data": "x", "generator": Generator().manual_seed(0)}
    data = hyper_single.plot_group_curvatures(curvatures, [*"xyxy"], **shuffles)[1]
    assert [state["share"] for state in data.values()] == pytest.approx([100, 50, 0], abs=1e-9)
    # of G groups shuffled over N samples (G - 1)/(N - 1) of the variance lies between them on average
    k = torch.randn(200, generator=Generator().manual_seed(1), dtype=torch.float64)
    data = hyper_single.plot_group_curvatures({"noise": k}, [f"g{n % 5}" for n in range(200)], **shuffles)[1]
    assert data["noise"]["chance"][0] == pytest.approx(100 * 4 / 199, rel=0.25)
    # the 95 % quantile of a beta distribution with 2 and 97.5, which is nearly chi² with 4 degrees over 199
    assert data["noise"]["chance"][1] == pytest.approx(100 * 9.49 / 199, rel=0.25)
    with pytest.raises(DataError, match="curvatures of shape"):
        hyper_single.plot_group_curvatures({"fresh": torch.zeros(3)}, ["x", "y"], **shuffles)


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


def test_heads_have_paths_and_pairs_correlate() -> None:
    k = -0.4 * torch.rand(30, 2, generator=G, dtype=torch.float64)
    figure, data = hyper_multiple.plot_head_paths({"printed": [k[:, :1], k]}, c_0=-0.4, data="x")
    close(data["printed"]["N_c=2"], k)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["head 1", "head 2", "c₀/2"]
    first = k[:, 0]
    pairs = {"alike": torch.stack([first, 0.5 * first], 1), "opposed": torch.stack([first, -0.4 - first], 1)}
    data = hyper_multiple.plot_head_pairs(pairs, c_0=-0.4, data="x")[1]
    assert data["alike"]["correlation"] == pytest.approx(1)
    assert data["opposed"]["correlation"] == pytest.approx(-1)


def test_points_are_on_the_sphere_at_their_angle_and_a_mixture_is_the_mean_of_its_heads() -> None:
    angle = torch.tensor([0.0, 0.5, 0.5, 1.0, 2.5], dtype=torch.float64) * math.pi
    figure, _ = hyper_multiple.plot_sphere({"φ": angle}, 0.2, data="x")
    expected = torch.tensor([[0, 1], [-1, 0], [1, 0], [0, -1], [1, 0]], dtype=torch.float64)
    close(torch.as_tensor(figure.axes[0].lines[1].get_xydata()), expected)
    heads = {"E+S": torch.tensor([3.0, 1.0]), "E+H": torch.tensor([1.0, 3.0])}
    small = {name: 1e-5 * losses for name, losses in heads.items()}
    figure, data = hyper_multiple.plot_mixtures({"printed": small, "curved": heads}, data="x")
    assert data["curved"]["E+H"]["loss"] == 2
    assert "10⁻⁵" in figure.axes[0].get_ylabel()
    assert [line.get_marker() for line in figure.axes[1].lines] == ["s", "^", "s", "o"], "E, S, E, H"


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


def test_loss_over_k_is_in_units_of_its_flat_value(phi: tuple[Tensor, Tensor]) -> None:
    ks, configs = [-1.0, -0.3, 0.0, 0.25], {"as\nprinted": AlignmentConfig(), "inner": INNER}
    figure, data = matters.plot_loss_over_k(*phi, configs, ks, data="x")
    assert (data["as printed"]["flat"], data["inner"]["flat"]) == (True, False)
    expected = [loss(phi, k, INNER) / loss(phi, 0.0, INNER) for k in ks]
    assert data["inner"]["loss"].tolist() == pytest.approx(expected)
    assert max(figure.axes[1].lines[0].get_ydata()) < figure.axes[1].get_ylim()[1]
    scaled = {"inner": AlignmentConfig(similarity="inner")}
    data = matters.plot_loss_surface(*phi, scaled, (-1.0, 0.0), (0.01, 0.1), data="x")[1]
    assert float(data["inner"][1, 0]) == pytest.approx(expected[0])


def test_the_explored_loss_is_weighted_and_may_be_flat(phi: tuple[Tensor, Tensor]) -> None:
    data = matters.plot_alignment_choice(*phi, 10.0, data="x", log_weight=2.0)[1]
    assert data["flat"]
    assert data["share"] == pytest.approx(100 * 100 * loss(phi, -0.2, AlignmentConfig()) / 10)
    data = matters.plot_alignment_choice(*phi, 10.0, data="x", similarity="inner", log_scale=-1.0)[1]
    assert not data["flat"]
    assert [float(v) for v in data["loss"]] == pytest.approx([loss(phi, k, INNER) for k in data["k"]])


def test_bound_shares_and_drift_are_drawn_as_logarithms() -> None:
    data = matters.plot_bound((4, 256), {"Eq. 4": [1e-3, 1e-6]}, [10.0, 10.0], data="x")[1]
    assert data["bound on Eq. 4: 2/N²"].tolist() == pytest.approx([log10(2 / 16), log10(2 / 65536)])
    data = matters.plot_shares((1e-3, 1.0, 1e3), {"printed": 1e-6, "curved": 0.5}, data="x")[1]
    assert data["printed"].tolist() == pytest.approx([-9, -6, -3])
    assert data["equal"] == pytest.approx({"printed": 6.0, "curved": log10(2)})
    figure, _ = matters.plot_drift((0, 1, 8), {"a": [0.0, 1e-9, 1e-3]}, data="x")
    assert min(figure.axes[0].lines[0].get_ydata()) > 0
    assert figure.axes[0].get_yticklabels()[0].get_text() == "equal"


def test_differences_come_with_students_interval_and_clear_ones_are_marked() -> None:
    figure, data = matters.plot_differences({"a": [1.0, 2.0, 3.0], "b": [0.0, 0.0]}, data="x")
    assert "b +0.0 (2 seeds)" in figure.alt_text, "two seeds have no interval"
    half = 4.302652729911275 / math.sqrt(3)
    assert (data["a"]["low"], data["a"]["high"]) == pytest.approx((2 - half, 2 + half))
    clear, unclear = [1.0, 1.1, 0.9], [1.0, -1.1, 0.2]
    figure, data = matters.plot_over_k({"curved": {-1.0: clear, 0.5: unclear}}, against="k = 0", data="x")
    interval = t_interval(clear)
    assert data["curved"]["k=-1"] == (interval.mean, interval.low, interval.high)
    marks = {line.get_marker() for line in figure.axes[0].lines if len(line.get_xdata()) == 1}
    assert marks == {"D", "o"}
    assert "1 of 2 intervals" in figure.alt_text
    for plot, options in ((matters.plot_differences, {}), (matters.plot_over_k, {"against": "k = 0"})):
        with pytest.raises(DataError, match="give at least one"):
            plot({}, data="x", **options)


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


def test_a_row_of_kinship_is_a_dot_beside_a_bar_that_ends_at_the_limit_of_chance() -> None:
    figure, _ = seeing_embeddings.plot_kinship(
        {"AVCA": torch.tensor([[1.07, 1.03], [0.23, 0.18]], dtype=torch.float64)}, data="x"
    )
    for axes, value, limit in zip(figure.axes, (1.07, 0.23), (1.03, 0.18), strict=True):
        bar = axes.patches[0]
        assert bar.get_x() + bar.get_width() == pytest.approx(limit)
        assert axes.lines[0].get_xdata() == pytest.approx([value])


def test_noise_of_the_same_covariance_has_it_and_each_row_has_ten_sets_of_each_kind() -> None:
    x = torch.randn(40, 3, generator=G, dtype=torch.float64) * torch.tensor([5.0, 1.0, 0.1])
    label, seen = torch.arange(40) % 4, []
    found = seeing_embeddings.Embedded({"a": x}, {}, label, label[:4], ("x",), x, None)

    def delta(distances: Tensor) -> Tensor:
        seen.append(distances.square().mean())
        return distances.max()

    row = found.delta_rows(delta, each=10)["a"]
    assert len(row["Gaussian noise"]) == len(row["same covariance"]) == 10
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
