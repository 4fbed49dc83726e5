"""What holds for every figure: a question, alt text, numbers, readable type, and a second cue next to each colour."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from matplotlib.text import Text
from table_helpers import FOREST, PULLED

from hypav import figures, geometry
from hypav.avca import AVCAConfig
from hypav.baselines import build_network
from hypav.checks import poincare_ball as poincare_ball_checks
from hypav.data.simulated import simulated
from hypav.evaluation import Curve, Scores, harmonic_mean
from hypav.figures import (
    alignment_explorer,
    avca,
    batch_norm,
    beta_explorer,
    competent,
    does_curvature_matter,
    evidence,
    four_point_explorer,
    geometries_explorer,
    hyper_alignment,
    hyper_multiple,
    hyper_single,
    map_explorer,
    numerics_and_names,
    own_data,
    poincare_ball,
    runs,
    seeing_embeddings,
    start_here,
    tables,
    three_geometries,
    trees,
    triplet_explorer,
    zero_shot,
)
from hypav.figures.style import DescribedFigure, digest, png_bytes
from hypav.losses import TERM_GROUPS
from hypav.trees import class_tree, embed_tree

DATA = "SIMULATED (a test)"


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def curve() -> Curve:
    U = torch.linspace(0, 0.4, 81, dtype=torch.float64)
    return Curve(torch.arange(81).double() / 20, 0.6 - U, U, harmonic_mean(0.6 - U, U), ZSL=0.4)


def epochs() -> list[dict[str, Any]]:
    terms = [term for names in TERM_GROUPS.values() for term in names]
    row = {
        "stage": 1,
        "total": 9.0,
        "S": 0.5,
        "U": 0.1,
        "HM": 0.17,
        "align": 1e-4,
        **dict.fromkeys(terms, 0.5),
    }
    return [row | {"epoch": n} for n in (1, 2, 3)]


def network() -> Any:
    config = AVCAConfig(
        7, 9, 11, dim_phi=12, dim_theta=5, hidden_enc=8, hidden_proj=0, heads=3, head_dim=4, dim_mlp=6
    )
    return build_network(config, torch.Generator().manual_seed(0)).double().eval()


def landed() -> Any:
    """A run whose network has put every video of the small set somewhere."""
    test = simulated("small")["test"]
    theta_w = rand(len(test.classes), 5)
    theta_v = theta_w[torch.searchsorted(test.classes, test.label)] + 0.5 * rand(len(test), 5, seed=1)
    return SimpleNamespace(embed=lambda _: (theta_v, theta_v, theta_w))


def trial_rows() -> pd.DataFrame:
    """Three trials of two seeds on each of two sets."""
    sets, names = ("YT8M-GZSL (mini)", "SIMULATED (UCF-GZSL counts)"), ("ESZSL", "AVCA", "wide", "long")
    rows = [(d, t, seed, 20.0 + 3 * n + seed) for d in sets for n, t in enumerate(names) for seed in (0, 1)]
    return pd.DataFrame(rows, columns=["data", "trial", "seed", "exact_HM"])


def final_rows() -> pd.DataFrame:
    """Two methods of three seeds on one set."""
    rows = [("YT8M-GZSL (mini)", m, m, seed, 20.0 + seed) for m in ("AVCA", "AVCA-skip") for seed in range(3)]
    rows.append(("YT8M-GZSL (mini)", "ESZSL", "ESZSL", 0, 30.0))
    return pd.DataFrame(rows, columns=["data", "method", "row", "seed", "HM"])


CLASSES = torch.arange(3)
SCORES = Scores(rand(6, 3), CLASSES.repeat_interleave(2), CLASSES, CLASSES[:2], CLASSES[2:])
POINTS, NAMES, K = rand(8, 2) - 0.5, [*"aaabbbcc"], -rand(8, 3) * 0.4
TREE = class_tree(["a", "a", "b"], ["x", "y", "z"], ["1", "2", "3"])
ROWS_OVER_K = {1.0: 38.6, 0.5: 35.3, 0.0: 38.8, -0.5: 40.6, -1.0: 42.5}
TENTHS = {"AVCA": [0.1, 0.2, 0.4], "other": [0.3, 0.2, 0.1]}
PANEL = seeing_embeddings.TsnePanel("AVCA", POINTS, NAMES, POINTS[:3], [*"abc"], "apart: 2.0")
PLANTED = pd.DataFrame(
    {"branching": 3, "depth": depth, "dim": dim, "task": task, "measure": "distortion"}
    | {"gain": 0.1, "low": low, "high": 0.3}
    for depth in (2, 3)
    for dim, low in ((2, 0.01), (64, -0.2))
    for task in ("metric", "classes")
)
D: dict[str, Any] = {"data": DATA}
C: dict[str, Any] = {"c_0": -0.4, "data": DATA}

FIGURES: dict[str, Callable[[], tuple[DescribedFigure, Any]]] = {
    "plot_task": start_here.plot_task,
    "plot_words": lambda: start_here.plot_words(
        {"cat": POINTS[0], "dog": POINTS[1]}, {"cat": POINTS[2:5]}, POINTS[5]
    ),
    "plot_alignment_steps": lambda: start_here.plot_alignment_steps(*start_here.eight_points(), (-1.0, -0.1)),
    "plot_recalls": start_here.plot_recalls,
    "plot_tables": lambda: start_here.plot_tables(*start_here.eight_points()),
    "plot_landing": lambda: start_here.plot_landing(landed(), simulated("small")["test"], simulated("small")),
    "plot_trees": lambda: poincare_ball.plot_trees(
        poincare_ball_checks.tree.reference, (-1.0, -0.1), depth=2
    ),
    "plot_alignment_ball": start_here.plot_alignment_ball,
    "plot_into_ball": poincare_ball.plot_into_ball,
    "plot_plane": poincare_ball.plot_plane,
    "plot_surface": geometries_explorer.plot_surface,
    "plot_best_h": four_point_explorer.plot_best_h,
    "plot_border": beta_explorer.plot_border,
    "plot_pulls": triplet_explorer.plot_pulls,
    "plot_artan": three_geometries.plot_artan,
    "plot_views": three_geometries.plot_views,
    "plot_round_trip": numerics_and_names.plot_round_trip,
    "plot_triangles": three_geometries.plot_triangles,
    "plot_crossing": three_geometries.plot_crossing,
    "plot_samples": three_geometries.plot_samples,
    "plot_rim_errors": lambda: numerics_and_names.plot_rim_errors(
        {"hypav": lambda x, y: geometry.distance(x, y, k=-1.0), "twice": lambda x, y: 2 * (x - y).norm(dim=1)}
    ),
    "plot_printed_radius": numerics_and_names.plot_printed_radius,
    "plot_h_and_tripod": trees.plot_h_and_tripod,
    "plot_with_and_without_a_tree": trees.plot_with_and_without_a_tree,
    "plot_class_tree": lambda: trees.plot_class_tree(TREE),
    "plot_tree_embeddings": lambda: trees.plot_tree_embeddings(
        TREE, embed_tree(TREE.parents, k=[0.0, -1.0], steps=5)
    ),
    "plot_distortions": lambda: trees.plot_distortions(
        {"a": rand(3), "b": rand(3, seed=1)}, [-1.0, 0.0, 1.0]
    ),
    "plot_noise": lambda: trees.plot_noise([2, 64], [0.4, 0.34], {"A": 0.3, "B": 0.27}),
    "plot_borders": lambda: zero_shot.plot_borders((0.0, 0.5)),
    "plot_linear_map": zero_shot.plot_linear_map,
    "plot_best_betas": lambda: zero_shot.plot_best_betas({"val": SCORES, "test": SCORES}, **D),
    "plot_beta": lambda: zero_shot.plot_beta(curve(), betas=(0.0, 1.0), **D),
    "plot_peeking": lambda: zero_shot.plot_peeking(
        {"β": {"4 classes": [1.0, 2.0]}, "all": {"4 classes": [3.0]}}
    ),
    "plot_gap": lambda: competent.plot_gap({"ESZSL": SCORES, "AVCA": SCORES}, **D),
    "plot_gains": lambda: competent.plot_gains(trial_rows()),
    "plot_path": competent.plot_path,
    "plot_methods": lambda: competent.plot_methods({"AVCA": 20.0, "yours": 30.0}, linear=35.0, **D),
    "plot_tests": lambda: competent.plot_tests(final_rows()),
    "plot_phases": lambda: runs.plot_phases(simulated("small")),
    "plot_network": lambda: avca.plot_network(network(), rand(4, 7), rand(4, 9), rand(3, 11)),
    "plot_reading": avca.plot_reading,
    "plot_attention": lambda: avca.plot_attention({"before": rand(5, 2, 2, 2)}, **D),
    "plot_loss_groups": lambda: avca.plot_loss_groups(epochs(), **D),
    "plot_momentum": lambda: batch_norm.plot_momentum(rand(3), {"0.1": rand(3)}, {"0.1": [20, 21, 22]}, **D),
    "plot_interventions": lambda: batch_norm.plot_interventions({"zero": (5.0, 19.0)}, **D),
    "plot_lengths": lambda: hyper_alignment.plot_lengths({"v": rand(6, 4), "a": rand(6, 4)}, k=-0.2, **D),
    "plot_steps_to_tangent": lambda: hyper_alignment.plot_steps_to_tangent(
        rand(6, 4), rand(6, 4), k=-0.2, **D
    ),
    "plot_similarities": lambda: hyper_alignment.plot_similarities(
        rand(4, 4), rand(4, 4, seed=1), [*"xxyy"], **D
    ),
    "plot_with_and_without": lambda: hyper_alignment.plot_with_and_without(TENTHS, linear=0.5, **D),
    "plot_loudness": lambda: hyper_alignment.plot_loudness([8, 64], [1e-3, 2e-5], L_avca=[5.0, 4.0], **D),
    "plot_layer_curve": lambda: hyper_single.plot_layer_curve(-0.4 * rand(9, 1), **C),
    "plot_random_layers": lambda: hyper_single.plot_random_layers(
        {"a": 9 * rand(8), "b": 20 * rand(8)}, rand(50), **D
    ),
    "plot_gradient_sizes": lambda: hyper_single.plot_gradient_sizes(
        {"printed": {"encoder": [20.0, 2.0], "layer": [0.0, 1e-15]}}, **D
    ),
    "plot_curvature_paths": lambda: hyper_single.plot_curvature_paths({"run": K}, range(8), **C),
    "plot_head_curvatures": lambda: hyper_multiple.plot_head_curvatures(K, **C),
    "plot_head_matrices": lambda: hyper_multiple.plot_head_matrices(
        {"curved": rand(2, 4, 4)}, [-0.1, -0.5], edges=[2], **D
    ),
    "plot_head_pairs": lambda: hyper_multiple.plot_head_pairs({"curved": K}, **C),
    "plot_known_mixtures": lambda: hyper_multiple.plot_known_mixtures(
        {"E+S": rand(2), "E+H": rand(2)}, ["E+S"], **D
    ),
    "plot_mixtures": lambda: hyper_multiple.plot_mixtures(
        {"printed": {"E+S": 1e-5 * rand(2), "E+H": 1e-5 * rand(2)}}, **D
    ),
    "plot_own_loss": lambda: does_curvature_matter.plot_own_loss([-1.0, -0.2, 0.0], [3.0, 2.0, 1.0], **D),
    "plot_own_runs": lambda: does_curvature_matter.plot_own_runs(TENTHS, linear=0.5, **D),
    "plot_row_scales": does_curvature_matter.plot_row_scales,
    "plot_parts": lambda: alignment_explorer.plot_parts(
        alignment_explorer.alignment_state(rand(6, 4), rand(6, 4, seed=1), 10.0, **D)
    ),
    "plot_drift": lambda: does_curvature_matter.plot_drift((0, 1, 8), TENTHS, **D),
    "plot_pairs": lambda: tables.plot_pairs(
        [24.0, 21.0, 26.5], [24.5, 20.0, 27.0], ("AVCA", "Hyper-multiple"), linear=45.9, **D
    ),
    "plot_power": lambda: tables.plot_power({"per seed": 1.3, "unrelated": 4.2}, {"UCF-GZSL": 7.0}, **D),
    "plot_rows": lambda: tables.plot_rows({"UCF-GZSL": ROWS_OVER_K}),
    "plot_orders": lambda: tables.plot_orders({"UCF-GZSL": ROWS_OVER_K}),
    "plot_planted_maps": lambda: seeing_embeddings.plot_planted_maps(
        *seeing_embeddings.planted_groups(), [10]
    ),
    "plot_spread": lambda: seeing_embeddings.plot_spread(POINTS, NAMES),
    "plot_kinship": lambda: seeing_embeddings.plot_kinship(
        {"AVCA": torch.tensor([[1.07, 1.03], [0.23, 0.18]])}, **D
    ),
    "plot_map": lambda: map_explorer.plot_map(map_explorer.map_state({"AVCA, theta_v": POINTS}, NAMES, **D)),
    "plot_tree_agreement": lambda: seeing_embeddings.plot_tree_agreement(
        torch.tensor([[0, 2, 4], [2, 0, 4], [4, 4, 0]]).double(), {"AVCA": rand(3, 3)}, **D
    ),
    "plot_delta_rows": lambda: seeing_embeddings.plot_delta_rows(
        {"AVCA": {"features": 0.28, "Gaussian noise": [0.3, 0.34]}}, **D
    ),
    "plot_super_classes": lambda: seeing_embeddings.plot_super_classes(
        [PANEL], columns=1, question="Apart?", **D
    ),
    "plot_planted_map": lambda: runs.plot_planted_map(PLANTED, measures=("distortion",)),
    "plot_forest": lambda: evidence.plot_forest(FOREST),
    "plot_pull": lambda: evidence.plot_pull(PULLED),
    "plot_three_files": own_data.plot_three_files,
    "plot_text_rows": lambda: own_data.plot_text_rows(["Archery", "Clean", "Cut"], [0, 2, 1]),
}


FUNCTIONS = {
    name: value
    for module in pkgutil.iter_modules(figures.__path__)
    for name, value in vars(importlib.import_module(f"hypav.figures.{module.name}")).items()
    if name.startswith("plot_")
}


def test_every_figure_function_is_tested_here() -> None:
    assert set(FUNCTIONS) == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_figure(name: str) -> None:
    figure, data = FIGURES[name]()
    title = figure.get_suptitle() or next(axes.get_title() for axes in figure.axes if axes.get_title())
    assert "?" in title
    assert digest(data).startswith("plotted: ")
    for word in ("tensor", "object at", "nan", "None"):
        assert word not in figure.alt_text
    assert len(figure.alt_text) > 60
    if "data" in inspect.signature(FUNCTIONS[name]).parameters:
        assert "SIMULATED" in title
    assert int.from_bytes(png_bytes(figure)[16:20], "big") <= 800, "pixels wide"
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    assert min(text.get_fontsize() for text in texts) >= 6.5
    for axes in figure.axes:
        if axes.get_visible() and axes.get_legend() is not None:
            for a, b in combinations(axes.get_legend().get_lines(), 2):
                assert a.get_color() == b.get_color() or second_cue(a) != second_cue(b), (
                    "colour alone differs"
                )


def second_cue(line: Any) -> tuple[Any, ...]:
    return line.get_marker(), line.get_linestyle(), line.is_dashed()
