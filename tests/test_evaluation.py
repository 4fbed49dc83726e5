"""Scores against the released code's numbers, and against the plain definition of every quantity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hypav.data.simulated import simulated
from hypav.errors import DataError, SettingError
from hypav.evaluation import RELEASED_BETAS, Scores, class_distances

GOLDEN = Path(__file__).parent / "golden" / "metrics.npz"
seeds, betas = st.integers(0, 10_000), st.integers(-8, 12).map(lambda n: n / 4)


def random_scores(seed: int, samples: int = 60, ties: bool = False, phase: str | None = None) -> Scores:
    """Class ids with gaps, the two parts interleaved; distances are multiples of 1/4096, with ties of 1/4."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randperm(40, generator=generator)[:7]
    classes = ids.sort().values
    label = torch.cat([ids, ids[torch.randint(7, (samples - 7,), generator=generator)]])
    distances = torch.rand(samples, 7, generator=generator, dtype=torch.float64) * 3
    distances[classes[None, :] == label[:, None]] *= 0.6
    quantum = 4 if ties else 4096
    return Scores((distances * quantum).round() / quantum, label, classes, ids[:4], ids[4:], phase=phase)


def by_definition(scores: Scores, beta: float) -> tuple[list[int], list[float], tuple[float, ...]]:
    """Predictions, class recalls, and S, U, HM and ZSL: one argmin per sample and no shortcut."""
    names, zero_shot = scores.classes.tolist(), set(scores.unseen.tolist())

    def recalls(beta: float) -> tuple[list[int], dict[int, float]]:
        answers = []
        for row in scores.distances.tolist():
            values = [value + beta * (name not in zero_shot) for value, name in zip(row, names, strict=True)]
            answers.append(names[values.index(min(values))])
        right: dict[int, list[bool]] = {name: [] for name in names}
        for truth, answer in zip(scores.label.tolist(), answers, strict=True):
            right[truth].append(truth == answer)
        return answers, {name: sum(hits) / len(hits) for name, hits in right.items()}

    answers, recall = recalls(beta)
    S = np.mean([recall[name] for name in names if name not in zero_shot])
    U = np.mean([recall[name] for name in names if name in zero_shot])
    _, recall_zsl = recalls(1e14)
    ZSL = np.mean([recall_zsl[name] for name in names if name in zero_shot])
    return answers, list(recall.values()), (S, U, 2 * S * U / (S + U + 2.2e-16), ZSL)


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(GOLDEN) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def test_the_released_metrics_are_reproduced(golden: dict[str, Tensor]) -> None:
    classes = torch.cat([golden["seen"], golden["unseen"]]).sort().values
    distances = class_distances(golden["theta_v"], golden["theta_w"])
    scores = Scores(distances, golden["targets"], classes, golden["seen"], golden["unseen"])
    curve = scores.curve()
    # the released averages are float32 numbers, good to 6e-8; a single sample would move them by 4e-3
    torch.testing.assert_close(curve.betas, golden["betas"], rtol=0, atol=1e-15)
    for name in ("S", "U", "HM"):
        torch.testing.assert_close(getattr(curve, name), golden[name], rtol=0, atol=1e-7)
    assert astuple(curve.best()) == pytest.approx(golden["best"].tolist(), abs=1e-7)
    # the released final test replaces beta = 0 by 1e-10
    assert astuple(scores.metrics(0.0))[:4] == pytest.approx(astuple(scores.metrics(1e-10))[:4], abs=1e-12)
    assert scores.exact_optimum().HM > curve.best().HM + 5e-4


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=seeds, ties=st.booleans(), beta=betas)
def test_every_metric_is_what_its_definition_says(seed: int, ties: bool, beta: float) -> None:
    # beta is a multiple of 1/4 as tied distances are, so adding it is exact and meets many ties
    scores = random_scores(seed, ties=ties)
    answers, recall, metrics = by_definition(scores, beta)
    assert scores.predict(beta).tolist() == answers
    assert scores.recall(beta).tolist() == pytest.approx(recall, abs=1e-12)
    assert astuple(scores.metrics(beta)) == pytest.approx((*metrics, beta), abs=1e-12)


def test_equal_distances_give_the_smaller_class_id() -> None:
    ids = torch.tensor([3, 5, 8])
    distances = torch.tensor([[1.0, 1.0, 2.0]]).repeat(3, 1)
    for seen in ([5, 8], [3, 8], [3, 5]):
        unseen = [i for i in (3, 5, 8) if i not in seen]
        scores = Scores(distances, ids, ids, torch.tensor(seen), torch.tensor(unseen))
        assert scores.predict(0.0).tolist() == [3, 3, 3]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=seeds, ties=st.booleans(), grid=st.lists(st.floats(-4, 4), min_size=1, max_size=40))
def test_no_grid_beats_the_exact_optimum(seed: int, ties: bool, grid: list[float]) -> None:
    scores = random_scores(seed, ties=ties)
    best = scores.exact_optimum()
    for some in (grid, torch.arange(-16, 17, dtype=torch.float64) / 4, RELEASED_BETAS):
        assert best.HM >= scores.curve(some).best().HM
    assert by_definition(scores, best.beta)[2][2] == pytest.approx(best.HM, abs=1e-12)


def test_an_optimum_at_a_single_float_is_not_missed() -> None:
    # All switch at t. At t class 0 already wins, having the smaller id, and class 2 does not yet: a state without
    # width, and the best one. The last bit of t is odd, so halving the gap below it rounds away from t.
    t = 1 + 2**-52
    distances = torch.tensor([[t, 0.0, 9.0], [9.0, 0.0, t], [9.0, 0.0, t]], dtype=torch.float64)
    ids = torch.arange(3)
    best = Scores(distances, ids, ids, ids[1:2], ids[0::2]).exact_optimum()
    assert (best.S, best.U, best.beta) == (1.0, 0.5, t)


@pytest.mark.parametrize("ties", [False, True])
def test_the_exact_curve_has_every_point_of_a_dense_grid_and_no_other(ties: bool) -> None:
    scores = random_scores(5, ties=ties)
    curve = scores.exact_curve()
    assert len(curve.betas) <= 61
    assert bool((curve.betas.diff() > 0).all() & (curve.S.diff() <= 0).all() & (curve.U.diff() >= 0).all())
    assert float(curve.U[0]) == float(curve.S[-1]) == 0.0
    assert float(curve.U[-1]) == curve.ZSL
    # steps of 1/512 are exact numbers, so ties at multiples of 1/4 are met
    dense = scores.curve(torch.arange(-2000, 2001, dtype=torch.float64) / 512)
    points = set(zip(curve.S.tolist(), curve.U.tolist(), strict=True))
    met = set(zip(dense.S.tolist(), dense.U.tolist(), strict=True))
    assert met == points if ties else met <= points


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=seeds, ties=st.booleans())
def test_ausuc_is_the_area_of_a_dense_integration(seed: int, ties: bool) -> None:
    scores = random_scores(seed, samples=40, ties=ties)
    dense = scores.curve((torch.arange(-(2**16), 2**16) + 0.5) / 2**14)
    # all switches are multiples of 1/4096, so no cell of the grid holds two of them
    assert scores.ausuc() == pytest.approx(float(torch.trapezoid(dense.S, dense.U)), abs=1e-12)


def test_ausuc_of_a_staircase_counted_by_hand() -> None:
    # switches at -1 (unseen class 1, right), 0 (seen class 0, wrong once switched), 1 (unseen class 1, right)
    distances = torch.tensor([[2.0, 1.0], [1.0, 1.0 + 2**-20], [1.0, 2.0]])
    ids = torch.tensor([0, 1])
    # (U, S): (0, 1) -> (1/2, 1) -> (1/2, 0) -> (1, 0)
    assert Scores(distances, torch.tensor([1, 0, 1]), ids, ids[:1], ids[1:]).ausuc() == 0.5


def test_confusion_counts_every_sample_in_its_row() -> None:
    scores = random_scores(3)
    predicted = scores.predict(0.5)
    ids = scores.classes
    expected = [[int(((scores.label == t) & (predicted == p)).sum()) for p in ids] for t in ids]
    assert scores.confusion(0.5).tolist() == expected


def test_group_recall_is_the_mean_over_the_groups_classes_in_the_phase() -> None:
    scores = random_scores(4)
    groups = ["even" if class_id % 2 == 0 else "odd" for class_id in range(40)]
    groups[int(scores.classes[0])] = "first"
    result = scores.group_recall(0.25, groups)
    assert list(result) == sorted({groups[i] for i in scores.classes.tolist()})
    for name, value in result.items():
        inside = torch.tensor([groups[i] == name for i in scores.classes.tolist()])
        assert value == pytest.approx(float(scores.recall(0.25)[inside].mean()))
    with pytest.raises(DataError, match="groups names 3 classes"):
        scores.group_recall(0.25, ["a", "b", "c"])


def test_gradients_and_dtypes_of_the_distances_do_not_reach_the_metrics() -> None:
    scores = random_scores(6, ties=True)
    for dtype in (torch.float16, torch.float32):
        distances = scores.distances.to(dtype).requires_grad_()
        curve = Scores(distances, scores.label, scores.classes, scores.seen, scores.unseen).exact_curve()
        assert (curve.HM.dtype, curve.HM.requires_grad, curve.betas.requires_grad) == (
            torch.float64,
            False,
            False,
        )
        torch.testing.assert_close(curve.HM, scores.exact_curve().HM)


def test_class_distances_are_euclidean() -> None:
    theta_v, theta_w = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(class_distances(theta_v, theta_w), torch.tensor([[5.0], [0.0]]))
    with pytest.raises(DataError, match="same width"):
        class_distances(theta_v, torch.ones(2, 3))
    with pytest.raises(DataError, match=r"theta_v has NaN .*1 of 2 rows, first in row 1"):
        class_distances(torch.tensor([[0.0, 0.0], [0.0, torch.nan]]), theta_w)


def test_beta_is_the_first_best_one_and_is_chosen_on_val_only() -> None:
    scores = random_scores(0, phase="val")
    best = scores.exact_optimum().beta
    assert scores.choose_beta([best + 10, best, best + 1e-12, best]) == best
    assert scores.choose_beta() == scores.best_beta() == scores.curve().best().beta
    for phase in ("test", "train_val", "validation", None):
        with pytest.raises(SettingError, match="chosen on val"):
            random_scores(0, phase=phase).choose_beta()
    assert random_scores(0, phase="test").best_beta() == scores.choose_beta()


def test_scores_of_a_phase_take_everything_from_it() -> None:
    phase = simulated("small").phase("val")
    scores = Scores.of(phase, torch.rand(len(phase), len(phase.classes)))
    assert (scores.phase, len(scores.predict(0.0))) == ("val", len(phase))
    assert torch.equal(scores.unseen, phase.unseen)
    assert "val" in repr(scores)


def row(value: float) -> Callable[[Tensor], Tensor]:
    return lambda distances: distances.index_fill(0, torch.tensor([4]), value)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("distances", row(torch.nan), r"NaN or infinite.*row 4"),
        ("distances", row(torch.inf), r"NaN or infinite.*row 4"),
        ("distances", lambda d: d[:, :3], "a column per class"),
        ("distances", lambda d: d[:0], "a row per sample"),
        ("distances", lambda d: d.long(), "floating-point"),
        ("label", lambda label: label[:-1], "60 rows of distances"),
        ("label", lambda label: label + 100, "60 samples"),
        ("label", lambda label: torch.where(label == label.min(), label.max(), label), "1 classes have no sample"),
        ("classes", lambda classes: classes.flip(0), "sorted class ids"),
        ("seen", lambda seen: seen[1:], "sorted class ids"),
        ("seen", lambda seen: seen[:0], "0 seen"),
        ("unseen", lambda unseen: unseen[:0], "0 unseen"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(name: str, change: Callable[[Tensor], Tensor], message: str) -> None:
    scores = random_scores(2)
    parts = {part: getattr(scores, part) for part in ("distances", "label", "classes", "seen", "unseen")}
    with pytest.raises(DataError, match=message):
        Scores(**parts | {name: change(parts[name])})


@pytest.mark.parametrize("wrong", [[], [0.0, float("nan")], torch.zeros(2, 2)])
def test_bad_betas_are_refused(wrong: list[float] | Tensor) -> None:
    with pytest.raises(SettingError, match="at least one number"):
        random_scores(0).curve(wrong)
    with pytest.raises(SettingError, match="beta is NaN"):
        random_scores(0).predict(float("nan"))
