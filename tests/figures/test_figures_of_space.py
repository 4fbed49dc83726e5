"""Figures of notebooks 00 to 03 by their numbers, against closed forms."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from hypav import geometry
from hypav.checks import poincare_ball as checks
from hypav.data.simulated import simulated
from hypav.errors import DataError
from hypav.evaluation import Metrics
from hypav.figures import numerics_and_names, start_here, three_geometries, trees
from hypav.figures import poincare_ball as ball
from hypav.trees import class_tree

close = torch.testing.assert_close


def points(*rows: tuple[float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_the_nearest_word_is_named_and_drawn_thick() -> None:
    words = dict(zip(("cat", "cow", "dog"), points((0, 0), (4, 0), (1, 3)), strict=True))
    figure, data = start_here.plot_words(words, {"cat": points((0.1, 0))}, points((1, 1))[0])
    assert data["distance"] == pytest.approx({"cat": 2**0.5, "cow": 10**0.5, "dog": 2.0})
    assert data["nearest"] == "cat"
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() == 2.0]
    assert [line.get_xydata()[1].tolist() for line in thick] == [[0, 0]]
    with pytest.raises(DataError, match="no word"):
        start_here.plot_words({}, {}, torch.zeros(2))


def test_the_four_steps_change_lengths_and_never_the_cosines() -> None:
    phi_v, phi_a = start_here.eight_points()
    figure, data = start_here.plot_alignment_steps(phi_v, phi_a, (-1.0, -0.1))
    near, far = data["k = −1"], data["k = −0.1"]
    outside = (data["points"].norm(dim=2) > 1).sum()
    assert 0 < outside < 8, "some points are pulled into the ball and some are not"
    assert f"At k = −1, {outside} of 8 points are pulled into the ball" in figure.alt_text
    assert near["ball"].norm(dim=2).max() == pytest.approx(0.999)
    close(far["ball"], data["points"])
    close(near["arrows"].norm(dim=2), torch.atanh(near["ball"].norm(dim=2)))
    close(near["cosines"], far["cosines"])
    close(near["cosines"].diagonal(dim1=1, dim2=2), torch.ones(2, 4, dtype=torch.float64))
    assert "the same in all rows" in figure.alt_text


def test_the_nearest_of_three_words_is_the_same_in_their_plane() -> None:
    generator = torch.Generator().manual_seed(0)
    data = simulated("small")
    test = data["test"]
    column = torch.searchsorted(test.classes, test.label)
    theta_w = torch.randn(len(test.classes), 7, generator=generator, dtype=torch.float64)
    theta_v = theta_w[column] + 1.5 * torch.randn(len(test), 7, generator=generator, dtype=torch.float64)
    run = SimpleNamespace(embed=lambda phase: (theta_v, theta_v, theta_w))
    shown = start_here.plot_landing(run, test, data)[1]  # type: ignore[arg-type]
    for part, drawn in ((test.seen[:9], shown["seen"]), (test.unseen[:9], shown["unseen"])):
        rows = [data.class_names.index(name) for name in drawn["videos"]]
        assert len(set(rows)) == 3
        assert set(rows) <= set(part.tolist())
        words = theta_w[torch.searchsorted(test.classes, torch.tensor(rows))]
        close(torch.pdist(drawn["words"]), torch.pdist(words))
        right = total = 0
        for number, (c, places) in enumerate(zip(rows, drawn["videos"].values(), strict=True)):
            in_space = torch.cdist(theta_v[test.label == c], words).argmin(dim=1)
            assert torch.equal(torch.cdist(places, drawn["words"]).argmin(dim=1), in_space)
            right, total = right + int((in_space == number).sum()), total + len(places)
        assert drawn["nearest"] == pytest.approx(right / total)


def test_the_first_table_has_chance_and_the_linear_reference() -> None:
    data = simulated("small")
    ours, reference = (Metrics(S=s, U=0.2, HM=0.25, ZSL=0.3, beta=0.0) for s in (0.4, 0.5))
    table = start_here.first_table(ours, reference, data).set_index("method")
    assert table.loc["chance", ["S", "ZSL"]].tolist() == [5.0, 25.0]
    assert table.loc["linear reference (ESZSL)", "S"] == 50.0
    assert table.loc["Hyper-alignment, 60 steps a stage", ["data", "S"]].tolist() == ["SIMULATED", 40.0]
    assert table.loc["AVCA, paper's Table 1", "HM"] == "27.15"


def test_recalls_and_tables_give_the_measures_and_the_loss() -> None:
    drawn = start_here.plot_recalls()[1]
    assert [drawn[name] for name in ("S", "U", "HM")] == pytest.approx([0.7, 0.2, 0.28 / 0.9])
    phi_v, phi_a = start_here.eight_points()
    shown = start_here.plot_tables(phi_v, phi_a)[1]
    printed = start_here.alignment_ball_numbers(torch.stack([phi_v, phi_a]), -0.5)["loss"]["printed"]
    assert shown["loss"] == pytest.approx(printed)


def test_features_are_pulled_to_the_rim_and_their_arrows_keep_the_direction() -> None:
    figure, data = ball.plot_into_ball(xi=0.1)
    norm = data["features"].norm(dim=1)
    close(data["points"].norm(dim=1), norm.clamp(max=0.9))
    close(data["arrows"].norm(dim=1), norm.clamp(max=0.9).atanh())
    close(torch.cosine_similarity(data["arrows"], data["features"]), torch.ones_like(norm))
    assert "3 of 5 features" in figure.alt_text


def test_a_tree_fits_at_k_minus_1_and_collapses_in_an_almost_flat_plane() -> None:
    ks = (-1.0, -0.25, -0.01)
    figure, data = ball.plot_trees(checks.tree.reference, ks, edge=1.2, depth=3)
    for k in ks:
        row = data[f"k={k:g}"]
        ends = row["edges"][:, [0, -1]]
        assert len(ends) == 1 + 2 * (2 + 4 + 8)
        lengths = geometry.distance(ends[:, 0], ends[:, 1], k=k)
        close(lengths, torch.full_like(lengths, 1.2))
        close(geometry.distance(*row["pair"], k=k), torch.tensor(row["closest"], dtype=torch.float64))
    # two children of one vertex, 120 degrees apart, by the law of cosines
    siblings = math.acosh(math.cosh(1.2) ** 2 - math.sinh(1.2) ** 2 * math.cos(2 * math.pi / 3))
    assert data["k=-1"]["closest"] == pytest.approx(siblings)
    assert data["k=-0.01"]["closest"] < 0.1
    assert "2.17 apart" in figure.alt_text
    longer = ball.plot_trees(checks.tree.reference, (-0.25,), edge=2.4, depth=3)[1]
    close(
        longer["k=-0.25"]["edges"],
        2 * data["k=-1"]["edges"],
        msg="only the root of |k| times the edge matters",
    )


def test_artan_and_tan_are_inverse_and_tan_ends_at_its_pole() -> None:
    data = three_geometries.plot_artan(ks=(-1.0, 0.0, 1.0))[1]
    close(data["k=-1"]["artan_k"], data["x"].atanh())
    close(data["k=0"]["artan_k"], data["x"])
    close(data["k=1"]["artan_k"], data["x"].atan())
    close(data["k=-1"]["tan_k"], data["r"].tanh())
    beyond = data["r"] > math.atan(3)
    assert torch.equal(data["k=1"]["tan_k"].isnan(), beyond)


def test_small_figures_of_notebook_02_have_the_closed_forms() -> None:
    sums = [row["angle_sum"] for row in three_geometries.plot_triangles(1.5)[1].values()]
    assert sums == pytest.approx([136.31, 180.0, 258.64], abs=0.01)
    crossing = three_geometries.plot_crossing()[1]
    ball, sphere = crossing["k"] < -0.01, crossing["k"] > 0.01
    for part, closed in ((ball, torch.atanh), (sphere, torch.atan)):
        root = crossing["k"][part].abs().sqrt()
        close(crossing["artan_k"][part], closed(root) / root)
    distances = [row["distance"] for row in three_geometries.plot_samples()[1].values()]
    assert distances == sorted(distances, reverse=True)
    assert distances[2] == pytest.approx(2 * math.hypot(1.2, 0.6))


def test_the_eye_sees_points_where_the_stereographic_map_has_them() -> None:
    figure, data = three_geometries.plot_views(steps=3, step=0.4)
    way = torch.arange(4, dtype=torch.float64) * 0.4
    for k, axes in zip((-1.0, 0.0, 1.0), figure.axes, strict=True):
        row = data[f"k={k:g}"]
        close(row["map"], geometry.tan_k(way / 2, k=k))
        close(geometry.distance0(row["map"].unsqueeze(-1), k=k), way)
        for (eye, mark), seen in zip(axes.collections[0].get_segments(), row["map"].tolist(), strict=True):
            # eye, page and surface lie on one line, in this order
            assert eye[1] < 0 < mark[1]
            assert seen * (mark[1] - eye[1]) == pytest.approx(mark[0] * (0 - eye[1]))


def test_long_arrows_come_back_shorter_and_short_ones_as_they_were() -> None:
    data = numerics_and_names.plot_round_trip((0, 1, 5, 10, 30))[1]
    assert data["float32"].tolist() == [0.0, 1.0, 5.0, 8.3, 8.3]
    assert data["float64"].tolist() == [0.0, 1.0, 5.0, 10.0, 18.4]


def test_rim_errors_are_relative_to_float64_and_nan_counts_as_lost() -> None:
    def truth(x: Tensor, y: Tensor) -> Tensor:
        return geometry.distance(x, y, k=-1.0)

    data = numerics_and_names.plot_rim_errors(
        {
            "truth": truth,
            "1 % off": lambda x, y: 1.01 * truth(x, y),
            "lost": lambda x, y: truth(x, y) * math.nan,
        }
    )[1]
    assert (data["truth"]["log10_error"] < -7).all()
    assert (data["1 % off"]["log10_error"] == -2).all()
    assert (data["lost"]["log10_error"] == 0).all()
    assert (data["lost"]["not_finite"] == 100).all()


def test_the_printed_radius_is_outside_the_ball_exactly_if_k_is_below_one() -> None:
    data = numerics_and_names.plot_printed_radius(ks=(-0.2, -1.0, -2.0))[1]
    rim = data["marked"] ** -0.5
    close(data["printed"], 0.999 / data["marked"])
    close(data["ball"], 0.999 * rim)
    assert (data["printed"] > rim).tolist() == [True, False, False]


def test_the_class_tree_has_rings_and_the_best_curvature_is_ringed() -> None:
    tree = class_tree(["a", "a", "b"], ["x", "y", "z"], ["1", "2", "3"])
    figure, data = trees.plot_class_tree(tree)
    close(data["points"].norm(dim=1), tree.depths.double())
    assert data["vertices"] == [1, 2, 3, 3]
    assert {text.get_text() for text in figure.axes[0].texts} == {"x", "y", "z"}
    rows = {"tree": torch.tensor([0.1, 0.2, 0.3]), "grid": torch.tensor([0.5, 0.4, 0.0])}
    figure, _ = trees.plot_distortions(rows, [-4.0, -1.0, 0.0])
    rings = [line.get_xydata().tolist() for line in figure.axes[0].lines if line.get_markersize() == 15]
    assert rings == [[[0, pytest.approx(10)]], [[2, 0]]]


def test_the_lengths_of_the_h_and_of_the_tripod_are_as_drawn() -> None:
    figure, data = trees.plot_h_and_tripod()
    left, right = figure.axes
    ways = [line.get_xydata() for line in left.lines if len(line.get_xdata()) == 2]
    arms = [math.dist(*way) for way in ways[:-1]]
    bar = math.dist(*ways[-1])
    assert data["sums"]["AB + CD"] == pytest.approx(sum(arms))
    assert data["sums"]["AC + BD"] == data["sums"]["AD + BC"] == pytest.approx(sum(arms) + 2 * bar)
    (thick,) = (line.get_xydata() for line in right.lines if line.get_linewidth() == 4)
    assert data["product"] == pytest.approx(math.dist(*thick))


def test_noise_hides_a_tree_from_delta_rel_before_it_hides_the_classes() -> None:
    tree = class_tree(["a", "a", "b"], ["x", "y", "z"], ["1", "2", "3"])
    none, some, alone = trees.noisy_tree(tree, [0.0, 0.5])
    assert none[0] == "0"
    assert none[1] == pytest.approx(0, abs=1e-9), "three leaves of a tree and nothing else"
    assert (none[2], some[2], alone[2]) == ("100 %", "100 %", "33 % (chance)")
    assert none[1] + 0.05 < some[1]


def test_each_shape_has_a_plane_that_suits_it() -> None:
    shapes, ks = trees.four_shapes()
    best = {name.split(",")[0].split(" ")[0]: ks[int(values.argmin())] for name, values in shapes.items()}
    assert best["class"] < 0
    assert best["star"] < 0
    assert best["grid"] == 0
    assert best["ring"] == pytest.approx((2 * math.pi / 24) ** 2)
    assert float(shapes["ring of 24"][-1]) < 0.01, "the equator of this sphere is as long as the ring"


def test_the_released_convention_is_half_of_the_other() -> None:
    assert trees.plot_noise([2, 64], [0.4, 0.34], {"A": 0.3})[1]["released"] == pytest.approx([0.2, 0.17])
