"""The rows of the ledger on settings and tables: is our code as they say?"""

from __future__ import annotations

import torch
from torch import Generator

from hypav.alignment import PRESETS, Alignment, preset
from hypav.avca import AVCAConfig
from hypav.data.simulated import COUNTS
from hypav.experiments.deviations.probes import (
    DIM,
    SETS,
    close,
    embeddings,
    loss_of,
    phi_pair,
)
from hypav.experiments.paper import paper_tables, reported
from hypav.experiments.published import curvature_settings, published_settings
from hypav.experiments.suite import MIXTURES, SUITE, entries
from hypav.hyperbolicity import delta_rel, sampled_delta_rel

__all__ = [
    "all_geometries",
    "curvatures_differ_by_source",
    "dimension_of_the_text",
    "dimensions_of_the_features",
    "factor_of_delta_rel",
    "figures_have_code",
    "mixture_of_table_4",
    "one_schedule_for_all_methods",
    "other_embeddings",
    "released_curvature",
    "rows_of_equal_heads",
]


def released_curvature() -> bool:
    """The scripts run Hyper-alignment with c = .01 (our k = -.01) on every set, and no other module."""
    given = [curvature_settings(key, "released") for key in SETS]
    return all((s.hyper_alignment, s.hyper_single, s.hyper_multiple) == (-0.01, None, None) for s in given)


def curvatures_differ_by_source() -> bool:
    """Paper, scripts and the earlier README give three different curvatures for UCF-GZSL (main)."""
    return (
        len({curvature_settings(SETS[1], s).hyper_alignment for s in ("paper", "released", "readme-2023")})
        == 3
    )


def one_schedule_for_all_methods() -> bool:
    """A set's schedule is the same for every method, AVCA's own."""
    return all(
        {r.method for r in published_settings(key) if r.name in ("lr", "epochs", "batch_size", "momentum")}
        == {"all"}
        for key in SETS
    )


def all_geometries() -> bool:
    """Flat, spherical and mixed alignment have finite losses under every preset."""
    found = [
        e.alignment
        for name in PRESETS
        for e in entries("table4", SETS[1], name, 1.0)
        if e.alignment is not None
    ]
    losses = [Alignment(config, DIM, Generator())(embeddings()).total for config in found]
    return len(found) == len(PRESETS) * len(MIXTURES) and all(bool(loss.isfinite()) for loss in losses)


def other_embeddings() -> bool:
    """phi_att and theta can be aligned in place of phi."""
    e = embeddings()._replace(
        phi_v_att=phi_pair(4)[0], phi_a_att=phi_pair(4)[1], theta_v=phi_pair(5)[0], theta_a=phi_pair(5)[1]
    )
    losses = [
        Alignment(preset("paper", aligned=a), DIM, Generator())(e).heads for a in ("phi", "phi_att", "theta")
    ]
    return all(
        close(loss, loss_of(PRESETS["paper"], seed=s)) for loss, s in zip(losses, (0, 4, 5), strict=True)
    )


def factor_of_delta_rel() -> bool:
    """delta_rel is 2 delta / diameter; "released" leaves the 2 out, and may draw with replacement as it does."""
    points = torch.randn(30, 5, generator=Generator().manual_seed(0), dtype=torch.float64)
    own, released = delta_rel(points), delta_rel(points, convention="released")
    repeated = sampled_delta_rel(
        points, generator=Generator().manual_seed(0), size=40, tries=1, replacement=True
    )
    return (
        close(own.delta_rel, 2 * own.delta / own.diameter)
        and close(own.delta_rel, 2 * released.delta_rel)
        and (repeated.n == 40)
    )


def dimension_of_the_text() -> bool:
    """Word vectors have 300 numbers, as released, not 512."""
    return AVCAConfig(dim_audio=512, dim_video=512).dim_text == 300 and COUNTS["ucf-gzsl"].dim_text == 300


def dimensions_of_the_features() -> bool:
    """512 and 512 (main), 128 audio and 4096 video (cls)."""
    dims = [(COUNTS[name].dim_audio, COUNTS[name].dim_video) for name in ("ucf-gzsl", "ucf-gzsl-cls")]
    return dims == [(512, 512), (128, 4096)]


def figures_have_code() -> bool:
    """Figures 3 and 4 are made from the networks of AVCA and Hyper-multiple, which are in the suite."""
    rows = [e.row for e in entries("figure3", SETS[4], "paper", 1.0)]
    return {"figure3", "figure4"} <= set(SUITE) and rows == ["AVCA", "Hyper-multiple"]


def mixture_of_table_4() -> bool:
    """H+H on UCF-GZSL (cls) has the numbers of Hyper-multiple there; ours mixes fixed heads in all six rows."""
    tables = paper_tables()
    hh = next(r for r in tables["table4_mixed_cls"]["UCF-GZSL"] if r["geometry"] == "H+H")
    multiple = reported("table2", SETS[4]).rows["Hyper-multiple"]
    own = [
        e.alignment.curvatures for e in entries("table4", SETS[4], "paper", 1.0) if e.alignment is not None
    ]
    return (hh["HM"], hh["ZSL"]) == (multiple["HM"], multiple["ZSL"]) and own[-1] == (-0.2, -0.2)


def rows_of_equal_heads() -> bool:
    """E+E, S+S and H+H have two equal heads, so that each is the one-head run of Table 3."""
    found = {
        e.row: e.alignment for table in ("table3", "table4") for e in entries(table, SETS[4], "curved", 1.0)
    }
    losses = {
        row: Alignment(found[row], DIM, Generator())(embeddings()).total  # type: ignore[arg-type]
        for row in ("E+E", "0.0", "S+S", "0.2", "H+H", "-0.2")
    }
    return all(close(losses[a], losses[b]) for a, b in (("E+E", "0.0"), ("S+S", "0.2"), ("H+H", "-0.2")))
