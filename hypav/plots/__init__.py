"""The course's figures. Each asks its question in its title and returns (figure, the plotted numbers).

`avca`, `objective` and `baseline` draw the baseline network, its losses and its training, `ball` the Poincaré disk,
`geometries` all three geometries, `clinic` numerical errors, `space` the plane of curvature k, `results` runs, `start`
the first page. There is no pyplot here: a figure belongs to its caller and nothing global changes. `figure.alt_text`
says in words what the figure shows.
"""

from hypav.plots.adaptive import (
    plot_curvature_paths,
    plot_gradient_sizes,
    plot_group_curvatures,
    plot_layer_curve,
    plot_random_layers,
)
from hypav.plots.alignment import (
    plot_lengths,
    plot_loudness,
    plot_similarities,
    plot_steps_to_tangent,
    plot_weights,
)
from hypav.plots.avca import attention_weights, plot_attention, plot_network
from hypav.plots.ball import (
    plot_addition,
    plot_depth,
    plot_geodesics,
    plot_maps,
    plot_means,
)
from hypav.plots.baseline import (
    plot_group_confusion,
    plot_interventions,
    plot_loss_groups,
    plot_momentum,
)
from hypav.plots.clinic import plot_printed_radius, plot_rim_errors
from hypav.plots.curvature_matters import (
    plot_alignment_choice,
    plot_loss_over_k,
    plot_loss_surface,
    plot_row_scales,
)
from hypav.plots.delta import plot_four_point_cases, plot_four_points, plot_noise, plot_thin_triangles
from hypav.plots.embeddings import (
    plot_delta_rows,
    plot_disk,
    plot_one_map,
    plot_point_maps,
    plot_tree_agreement,
)
from hypav.plots.evidence import (
    plot_bound,
    plot_differences,
    plot_drift,
    plot_over_k,
    plot_shares,
    plot_unused_layer,
)
from hypav.plots.geometries import plot_artan, plot_circles, plot_light, plot_two_points, plot_two_points_row
from hypav.plots.heads import (
    plot_head_curvatures,
    plot_head_matrices,
    plot_head_pairs,
    plot_head_paths,
)
from hypav.plots.mixtures import plot_mixtures, plot_sphere
from hypav.plots.objective import plot_term_steps, plot_terms, term_steps
from hypav.plots.own_data import plot_text_rows
from hypav.plots.results import METRICS, plot_comparison, plot_history, plot_seen_unseen_curve
from hypav.plots.space import plot_curvatures, plot_growth, plot_space, plot_tilings
from hypav.plots.splits import plot_draws, plot_phases
from hypav.plots.start import plot_felt_curvature, plot_task, plot_words
from hypav.plots.super_classes import TsnePanel, plot_super_classes
from hypav.plots.trees import plot_class_tree, plot_distortions, plot_tree_embeddings
from hypav.plots.zero_shot import (
    plot_answers,
    plot_beta,
    plot_peeking,
    plot_switches,
)

__all__ = [
    "METRICS",
    "TsnePanel",
    "attention_weights",
    "plot_addition",
    "plot_alignment_choice",
    "plot_answers",
    "plot_artan",
    "plot_attention",
    "plot_beta",
    "plot_bound",
    "plot_circles",
    "plot_class_tree",
    "plot_comparison",
    "plot_curvature_paths",
    "plot_curvatures",
    "plot_delta_rows",
    "plot_depth",
    "plot_differences",
    "plot_disk",
    "plot_distortions",
    "plot_draws",
    "plot_drift",
    "plot_felt_curvature",
    "plot_four_point_cases",
    "plot_four_points",
    "plot_geodesics",
    "plot_gradient_sizes",
    "plot_group_confusion",
    "plot_group_curvatures",
    "plot_growth",
    "plot_head_curvatures",
    "plot_head_matrices",
    "plot_head_pairs",
    "plot_head_paths",
    "plot_history",
    "plot_interventions",
    "plot_layer_curve",
    "plot_lengths",
    "plot_light",
    "plot_loss_groups",
    "plot_loss_over_k",
    "plot_loss_surface",
    "plot_loudness",
    "plot_maps",
    "plot_means",
    "plot_mixtures",
    "plot_momentum",
    "plot_network",
    "plot_noise",
    "plot_one_map",
    "plot_over_k",
    "plot_peeking",
    "plot_phases",
    "plot_point_maps",
    "plot_printed_radius",
    "plot_random_layers",
    "plot_rim_errors",
    "plot_row_scales",
    "plot_seen_unseen_curve",
    "plot_shares",
    "plot_similarities",
    "plot_space",
    "plot_sphere",
    "plot_steps_to_tangent",
    "plot_super_classes",
    "plot_switches",
    "plot_task",
    "plot_term_steps",
    "plot_terms",
    "plot_text_rows",
    "plot_thin_triangles",
    "plot_tilings",
    "plot_tree_agreement",
    "plot_tree_embeddings",
    "plot_two_points",
    "plot_two_points_row",
    "plot_unused_layer",
    "plot_weights",
    "plot_words",
    "term_steps",
]
