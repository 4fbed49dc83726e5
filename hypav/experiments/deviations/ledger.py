"""The deviation ledger: where the paper and the code released with it differ, and what hypav does.

Each row names a function of this package that holds our column against our code. Most rows are what any research code
gathers between an idea and a deadline, and that the authors released theirs is why they can be known at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypav.experiments.deviations import loss, settings, training

__all__ = ["LEDGER", "Deviation", "ledger_rows"]


@dataclass(frozen=True)
class Deviation:
    """One row. subject: what it is about; holds: whether our code does what `ours` says."""

    subject: str
    item: str
    paper: str
    released: str
    ours: str
    holds: Callable[[], bool]


def _rows(subject: str, *rows: tuple[str, str, str, str, Callable[[], bool]]) -> tuple[Deviation, ...]:
    return tuple(Deviation(subject, *row) for row in rows)


LEDGER: tuple[Deviation, ...] = (
    *_rows(
        "loss",
        (
            "weight of the alignment loss",
            "1 (Eq. 5)",
            "1e-3",
            "preset paper: 1; released: 1e-3",
            loss.weight_of_the_term,
        ),
        (
            "similarity matrices",
            "divided by their Frobenius norm (Eq. 4)",
            "cosines as they are",
            "paper: Frobenius; released: none",
            loss.frobenius_normalisation,
        ),
        (
            "size of the term",
            "at most 2/N², by Eq. 4; not discussed",
            "1e-6 to 1e-5 of the total at N = 256, by the data",
            "as each preset's formula; weights up to 100 are tried on validation",
            loss.bounded_by_two_over_n_squared,
        ),
        (
            "pairs that are aligned",
            "one batch of phi_v, phi_a",
            "positive and negative batch, losses added",
            "paper: positive; released: both",
            loss.batches_aligned,
        ),
        (
            "curvature in the loss",
            "cosine in the tangent space (Eqs. 1, 3, 4)",
            "the same",
            "the same in both presets, where it cancels; curved compares distances in the space, where it does not",
            loss.cosine_cancels_curvature,
        ),
        (
            "adaptive curvature",
            "a number c (Eq. 6)",
            "one a sample; its layer's gradient is 0",
            "one a sample; gradient 0 in paper and released, not in curved",
            loss.adaptive_curvature_is_per_sample,
        ),
        (
            "first publication of the code (2023)",
            "cosine",
            "products of norms, so the loss is about 1e-27",
            "preset released-2023",
            loss.norms_in_place_of_cosines,
        ),
        ("rows of zeros", "not discussed", "0/0 in the cosine", "cosine 0", loss.zero_rows),
    ),
    *_rows(
        "geometry",
        (
            "radius of the ball",
            "text: 1/√|c|; Eq. 1: 1/|c|, outside the ball for |c| < 1",
            "1/√c",
            '1/√|k|; clip_radius="printed" for Eq. 1\'s',
            loss.radius_of_the_ball,
        ),
        (
            "threshold of the clip",
            "rows up to R stay, longer ones go to (1 - ξ)R",
            "rows up to (1 - ξ)R stay",
            "as released",
            loss.threshold_of_the_clip,
        ),
        (
            "sign",
            "c < 0, c_0 = -0.4",
            "positive numbers",
            "k < 0 is hyperbolic everywhere; the released c is -k",
            loss.sign_of_the_curvature,
        ),
        ("log map at the origin", "Eq. 3 with z = 0", "the same", "the same", loss.log_map_at_the_origin),
        (
            "Möbius addition",
            "Eq. 2",
            "not needed at the origin",
            'needed and used with base="midpoint"',
            loss.mobius_addition,
        ),
        (
            "flat, spherical and mixed alignment",
            "Tables 3 and 4",
            "not there; c = 0 gives NaN",
            "one formula for all k",
            settings.all_geometries,
        ),
    ),
    *_rows(
        "settings",
        (
            "curvatures of the runs",
            "captions of Tables 1 and 2",
            ".01 in every script, Hyper-alignment only",
            "published.curvature_settings, with each source",
            settings.released_curvature,
        ),
        (
            "curvatures in the earlier README",
            "captions of Tables 1 and 2",
            "others again, from 2023-09 to 2024-01",
            'curvature_settings(key, "readme-2023")',
            settings.curvatures_differ_by_source,
        ),
        (
            "hyperparameters of AVCA",
            "kept",
            "kept: one script's settings for all methods",
            "recipes, the same for all methods",
            settings.one_schedule_for_all_methods,
        ),
        (
            "dimension of the word vectors",
            "512",
            "300",
            "300; read from the data",
            settings.dimension_of_the_text,
        ),
        (
            "dimensions of the features",
            "512",
            "512 and 512 (main), 128 and 4096 (cls)",
            "read from the data",
            settings.dimensions_of_the_features,
        ),
        (
            "which embeddings are aligned",
            "phi, phi_att, theta (Table 6)",
            "phi",
            'aligned="phi", "phi_att", "theta"',
            settings.other_embeddings,
        ),
        (
            "t-SNE with super-classes",
            "Figures 3 and 4",
            "no code",
            "hypav figure 3, hypav figure 4",
            settings.figures_have_code,
        ),
        (
            "delta_rel",
            "2δ/diameter over all test samples, by its references",
            "δ/diameter, 1500 drawn with replacement; not called",
            '2δ/diameter; convention="released" without the 2',
            settings.factor_of_delta_rel,
        ),
    ),
    *_rows(
        "data and training",
        (
            "word vectors of the classes",
            "each class its own",
            "rows sorted by one name, taken by the rank of another: 22 of UCF's 101 classes have their own",
            'text_alignment="correct"; "official" for the shifted ones',
            training.word_vectors_of_the_classes,
        ),
        (
            "positional embedding",
            "not discussed",
            "declared, in no optimiser",
            'clean trains it; parity="official" does not',
            training.positional_embedding,
        ),
        (
            "passes without use",
            "not discussed",
            "some forward passes only move batch norms and random streams",
            'clean leaves them out; parity="official" repeats them',
            training.unused_passes,
        ),
        (
            "momentum of the batch norms",
            "not discussed",
            "a setting that reaches only parts with a hidden layer",
            "the same",
            training.momentum_of_the_batch_norms,
        ),
        (
            "reconstruction of the word vectors",
            "not discussed",
            "ends in a ReLU, so negative entries cannot be met",
            "the same",
            training.reconstruction_of_the_words,
        ),
        (
            "loss of the baseline",
            "L_avca of its paper",
            "with the additional triplet and regularisation terms",
            "all 17 terms",
            training.terms_of_the_baseline,
        ),
        (
            "a class with one sample",
            "not discussed",
            "the sampler looks for a second one for ever",
            "refused with a sentence",
            training.lone_samples,
        ),
        (
            "β",
            "not discussed",
            "16 values up to 3; a chosen 0 becomes 1e-10 for the test",
            "the same grid; 0 stays 0",
            training.grid_of_betas,
        ),
    ),
    *_rows(
        "tables",
        (
            "H+H in Table 4",
            "on UCF-GZSL (cls) to the digit Hyper-multiple of Table 2",
            "not there",
            "two fixed heads in all six rows",
            settings.mixture_of_table_4,
        ),
        (
            "E+E, S+S, H+H in Table 4",
            "rows of their own",
            "not there",
            "two equal heads are one: the rows of Table 3",
            settings.rows_of_equal_heads,
        ),
    ),
)


def ledger_rows() -> list[tuple[str, str, str, str, str, bool]]:
    """The ledger for a page: subject, item, paper, released code, hypav, and whether our code does so right now."""
    return [(d.subject, d.item, d.paper, d.released, d.ours, d.holds()) for d in LEDGER]
