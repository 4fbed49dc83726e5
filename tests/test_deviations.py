"""Every row of the deviation ledger holds in our code, and its check would notice if it did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from hypav import alignment, geometry
from hypav.alignment import PRESETS
from hypav.data.simulated import COUNTS
from hypav.experiments.deviations import LEDGER, Deviation, ledger_rows, loss, settings, training
from hypav.experiments.published import CurvatureSettings
from hypav.training import TrainConfig


@pytest.mark.parametrize("row", LEDGER, ids=lambda row: row.holds.__name__)
def test_our_code_does_what_the_ledger_says(row: Deviation) -> None:
    assert row.holds() is True


def test_the_ledger_holds_under_another_default_dtype() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert [row[1] for row in ledger_rows() if not row[-1]] == []
    finally:
        torch.set_default_dtype(torch.float32)


def test_every_row_is_whole_and_its_own() -> None:
    assert len({row.item for row in LEDGER}) == len({row.holds for row in LEDGER}) == len(LEDGER) == 32
    for row in LEDGER:
        assert all((row.subject, row.item, row.paper, row.released, row.ours))
        assert row.holds.__doc__
    defined = {
        getattr(module, name)
        for module in (loss, settings, training)
        for name in module.__all__
    }  # fmt: skip
    assert defined == {row.holds for row in LEDGER}  # no check without its row
    assert ledger_rows()[0] == ("loss", LEDGER[0].item, "1 (Eq. 5)", "1e-3", LEDGER[0].ours, True)


def changed(name: str, **fields: Any) -> Mapping[str, Any]:
    return {**PRESETS, name: replace(PRESETS[name], **fields)}


REAL_PROJECT, REAL_DELTA = geometry.project, settings.delta_rel

OTHER_COUNTS = {**COUNTS, "ucf-gzsl": replace(COUNTS["ucf-gzsl"], dim_text=512)}

# what our code could do in place of what the ledger says: check, where, what
FAULTS = [
    (loss.weight_of_the_term, loss, "PRESETS", changed("released", weight=1.0)),
    (loss.frobenius_normalisation, loss, "PRESETS", changed("paper", normalise="none")),
    (loss.bounded_by_two_over_n_squared, loss, "PRESETS", changed("paper", normalise="none")),
    (loss.batches_aligned, loss, "PRESETS", changed("paper", pairs="both")),
    (loss.cosine_cancels_curvature, loss, "PRESETS", changed("released", similarity="inner")),
    (loss.cosine_cancels_curvature, loss, "PRESETS", {**PRESETS, "curved": PRESETS["paper"]}),
    (loss.adaptive_curvature_is_per_sample, loss, "preset", lambda name, **kw: replace(PRESETS["curved"], **kw)),
    (loss.norms_in_place_of_cosines, loss, "PRESETS", changed("released-2023", similarity="cosine")),
    (loss.radius_of_the_ball, geometry, "project", lambda x, **kw: REAL_PROJECT(x, **{**kw, "radius": "ball"})),
    (loss.threshold_of_the_clip, geometry, "project", lambda x, **kw: REAL_PROJECT(x, **{**kw, "xi": 0.0})),
    (loss.sign_of_the_curvature, loss, "parse_variant", lambda *_: None),
    (loss.log_map_at_the_origin, geometry, "logmap0", lambda x, k: x),
    (loss.mobius_addition, geometry, "mobius_add", lambda x, y, k: x - y),
    (settings.released_curvature, settings, "curvature_settings", lambda *_: CurvatureSettings(0.01, None, None, "")),
    (settings.factor_of_delta_rel, settings, "delta_rel", lambda points, **_: REAL_DELTA(points)),
    (settings.dimension_of_the_text, settings, "COUNTS", OTHER_COUNTS),
    (training.word_vectors_of_the_classes, training, "text_rows", lambda folder, _: folder.manual),
    (training.positional_embedding, training, "TrainConfig", lambda parity: TrainConfig()),
    (training.unused_passes, training, "train_step", lambda *_, replay: None),
    (training.lone_samples, training, "replace", lambda data, **_: data),
    (training.grid_of_betas, training, "RELEASED_BETAS", tuple(torch.linspace(0, 2, 16).tolist())),
]  # fmt: skip


@pytest.mark.parametrize(
    ("holds", "where", "name", "fault"), FAULTS, ids=lambda part: getattr(part, "__name__", "")
)
def test_a_check_notices_other_code(
    holds: Any, where: Any, name: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, fault)
    assert not holds()


def test_a_cosine_without_care_for_zero_rows_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment.F, "normalize", lambda x, dim: x / x.norm(dim=dim, keepdim=True))
    assert not loss.zero_rows()
