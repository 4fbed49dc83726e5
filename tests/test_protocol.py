"""The protocol against the released code's numbers, and against the plain definition of every quantity."""

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

from hypav import evaluation as protocol
from hypav.errors import DataError, SettingError

GOLDEN = Path(__file__).parent / "golden" / "metrics.npz"
# distances, label, classes, seen, unseen
Problem = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def random_problem(seed: int, samples: int = 60, ties: bool = False) -> Problem:
    """Class ids with gaps, the two parts interleaved; distances are multiples of 1/4096, with ties of 1/4."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randperm(40, generator=generator)[:7]
    classes = ids.sort().values
    seen, unseen = ids[:4].sort().values, ids[4:].sort().values
    label = torch.cat([ids, ids[torch.randint(7, (samples - 7,), generator=generator)]])
    distances = torch.rand(samples, 7, generator=generator, dtype=torch.float64) * 3
    distances[classes[None, :] == label[:, None]] *= 0.6
    quantum = 4 if ties else 4096
    distances = (distances * quantum).round() / quantum
    return distances, label, classes, seen, unseen


def by_definition(problem: Problem, beta: float) -> tuple[list[int], list[float], float, float, float, float]:
    """Predictions, class recalls, S, U, HM and ZSL with one argmin a sample and no shortcut."""
    distances, label, classes, _, unseen = problem
    names, zero_shot = classes.tolist(), set(unseen.tolist())

    def recalls(penalty: Callable[[int], float]) -> tuple[list[int], dict[int, float]]:
        answers = []
        for row in distances.tolist():
            scores = [value + penalty(name) for value, name in zip(row, names, strict=True)]
            answers.append(names[scores.index(min(scores))])
        right = {name: [] for name in names}
        for truth, answer in zip(label.tolist(), answers, strict=True):
            right[truth].append(truth == answer)
        return answers, {name: sum(hits) / len(hits) for name, hits in right.items()}

    answers, recall = recalls(lambda name: 0.0 if name in zero_shot else beta)
    S = np.mean([recall[name] for name in names if name not in zero_shot])
    U = np.mean([recall[name] for name in names if name in zero_shot])
    _, recall_zsl = recalls(lambda name: 0.0 if name in zero_shot else 1e14)
    ZSL = np.mean([recall_zsl[name] for name in names if name in zero_shot])
    return answers, list(recall.values()), S, U, 2 * S * U / (S + U + 2.2e-16), ZSL


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(GOLDEN) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope="module")
def golden_problem(golden: dict[str, Tensor]) -> Problem:
    classes = torch.cat([golden["seen"], golden["unseen"]]).sort().values
    distances = protocol.class_distances(golden["theta_v"], golden["theta_w"])
    assert distances.dtype == torch.float32
    return distances, golden["targets"], classes, golden["seen"], golden["unseen"]


def test_the_released_metrics_are_reproduced(golden: dict[str, Tensor], golden_problem: Problem) -> None:
    # The released averages are float32 numbers, good to 6e-8; one sample more or less would move them by
    # 4e-3.
    curve = protocol.sweep(*golden_problem)
    torch.testing.assert_close(curve.betas, golden["betas"], rtol=0, atol=1e-15)
    for name in ("S", "U", "HM"):
        torch.testing.assert_close(getattr(curve, name), golden[name], rtol=0, atol=1e-7)
    assert pytest.approx(float(golden["ZSL"][0]), abs=1e-7) == curve.ZSL
    assert astuple(curve.best()) == pytest.approx(golden["best"].tolist(), abs=1e-7)


def test_zero_and_the_released_stand_in_for_zero_agree(golden_problem: Problem) -> None:
    assert (
        astuple(protocol.gzsl(*golden_problem, 0.0))[:4] == astuple(protocol.gzsl(*golden_problem, 1e-10))[:4]
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), ties=st.booleans(), beta=st.integers(-8, 12).map(lambda n: n / 4))
def test_every_metric_is_what_its_definition_says(seed: int, ties: bool, beta: float) -> None:
    # beta is a multiple of 1/4 as tied distances are, so that adding it is exact and meets many ties
    problem = random_problem(seed, ties=ties)
    answers, recall, S, U, HM, ZSL = by_definition(problem, beta)
    distances, _, classes, seen, unseen = problem
    assert protocol.predict(distances, classes, seen, unseen, beta).tolist() == answers
    assert protocol.per_class_recall(*problem, beta).tolist() == recall
    assert astuple(protocol.gzsl(*problem, beta)) == pytest.approx((S, U, HM, ZSL, beta), abs=1e-12)


def test_equal_scores_go_to_the_smaller_class_id() -> None:
    label, classes = torch.tensor([3, 5, 8]), torch.tensor([3, 5, 8])
    distances = torch.tensor([[1.0, 1.0, 2.0]]).repeat(3, 1)
    unseen_first = protocol.predict(distances, classes, torch.tensor([5, 8]), torch.tensor([3]), 0.0)
    seen_first = protocol.predict(distances, classes, torch.tensor([3, 8]), torch.tensor([5]), 0.0)
    assert unseen_first.tolist() == seen_first.tolist() == [3, 3, 3]
    two_seen = protocol.predict(distances, classes, torch.tensor([3, 5]), torch.tensor([8]), 0.0)
    assert two_seen.tolist() == [3, 3, 3]
    assert protocol.gzsl(distances, label, classes, torch.tensor([3, 8]), torch.tensor([5]), 0.0).S == 0.5


def test_best_is_the_first_of_equal_maxima() -> None:
    problem = random_problem(0)
    best = protocol.exact_optimum(*problem)
    betas = [best.beta + 10, best.beta, best.beta + 1e-12, best.beta]
    curve = protocol.sweep(*problem, betas)
    assert int(curve.HM.argmax()) == 1
    assert protocol.choose_beta(*problem, phase="val", betas=betas) == best.beta


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), ties=st.booleans(), grid=st.lists(st.floats(-4, 4), min_size=1, max_size=40)
)
def test_no_grid_beats_the_exact_optimum(seed: int, ties: bool, grid: list[float]) -> None:
    problem = random_problem(seed, ties=ties)
    best = protocol.exact_optimum(*problem)
    on_ties = torch.arange(-16, 17, dtype=torch.float64) / 4
    for betas in (grid, on_ties, protocol.RELEASED_BETAS):
        assert best.HM >= protocol.sweep(*problem, betas).best().HM
    assert protocol.gzsl(*problem, best.beta) == best
    assert by_definition(problem, best.beta)[4] == pytest.approx(best.HM, abs=1e-12)


def test_an_optimum_that_holds_at_one_float_only_is_found() -> None:
    # All switch at t. At t itself class 0 already wins, having the smaller id, and class 2 does not yet: a state
    # without width, and the best one. The last bit of t is odd, so halving the gap below it rounds away from t.
    t = 1 + 2**-52
    distances = torch.tensor([[t, 0.0, 9.0], [9.0, 0.0, t], [9.0, 0.0, t]], dtype=torch.float64)
    ids = torch.arange(3)
    best = protocol.exact_optimum(distances, ids, ids, ids[1:2], ids[0::2])
    assert (best.S, best.U, best.beta) == (1.0, 0.5, t)


def test_the_exact_optimum_is_above_the_released_grid(golden_problem: Problem) -> None:
    best, grid = protocol.exact_optimum(*golden_problem), protocol.sweep(*golden_problem).best()
    assert best.HM > grid.HM + 5e-4


@pytest.mark.parametrize("ties", [False, True])
def test_the_exact_curve_has_every_point_of_a_dense_grid_and_no_other(ties: bool) -> None:
    problem = random_problem(5, ties=ties)
    curve = protocol.exact_curve(*problem)
    assert len(curve.betas) <= 61
    assert bool((curve.betas.diff() > 0).all())
    assert bool((curve.S.diff() <= 0).all())
    assert bool((curve.U.diff() >= 0).all())
    assert float(curve.U[0]) == float(curve.S[-1]) == 0.0
    assert float(curve.U[-1]) == curve.ZSL
    # 4001 steps of 1/512: exact numbers, so ties at multiples of 1/4 are met
    dense = protocol.sweep(*problem, torch.arange(-2000, 2001, dtype=torch.float64) / 512)
    points = set(zip(curve.S.tolist(), curve.U.tolist(), strict=True))
    met = set(zip(dense.S.tolist(), dense.U.tolist(), strict=True))
    assert met <= points
    if ties:
        assert met == points


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), ties=st.booleans())
def test_ausuc_is_the_area_that_dense_integration_finds(seed: int, ties: bool) -> None:
    problem = random_problem(seed, samples=40, ties=ties)
    dense = protocol.sweep(*problem, (torch.arange(-(2**16), 2**16) + 0.5) / 2**14)
    exact = protocol.ausuc(*problem)
    # all switches are multiples of 1/4096, so no cell of the grid holds two of them
    assert exact == pytest.approx(float(torch.trapezoid(dense.S, dense.U)), abs=1e-12)
    assert 0 <= exact <= float(dense.S.max()) * dense.ZSL + 1e-12


def test_ausuc_of_a_staircase_counted_by_hand() -> None:
    # switches at -1 (unseen class 1, right), 0 (seen class 0, wrong once switched), 1 (unseen class 1, right)
    distances = torch.tensor([[2.0, 1.0], [1.0, 1.0 + 2**-20], [1.0, 2.0]])
    label, classes = torch.tensor([1, 0, 1]), torch.tensor([0, 1])
    # (U, S): (0, 1) -> (1/2, 1) -> (1/2, 0) -> (1, 0)
    assert protocol.ausuc(distances, label, classes, classes[:1], classes[1:]) == 0.5


def test_confusion_counts_every_sample_in_its_row() -> None:
    problem = random_problem(3)
    counts = protocol.confusion(*problem, 0.5)
    distances, label, classes, seen, unseen = problem
    answers = protocol.predict(distances, classes, seen, unseen, 0.5)
    expected = [[int(((label == t) & (answers == a)).sum()) for a in classes] for t in classes]
    assert counts.tolist() == expected


def test_group_recall_is_the_mean_over_the_classes_of_the_group_that_are_present() -> None:
    problem = random_problem(4)
    classes = problem[2]
    groups = ["even" if class_id % 2 == 0 else "odd" for class_id in range(40)]
    groups[int(classes[0])] = "first"
    recall = protocol.per_class_recall(*problem, 0.25)
    result = protocol.per_group_recall(*problem, 0.25, groups)
    assert list(result) == sorted({groups[i] for i in classes.tolist()})
    for name, value in result.items():
        inside = torch.tensor([groups[i] == name for i in classes.tolist()])
        assert value == pytest.approx(float(recall[inside].mean()), abs=1e-15)
    with pytest.raises(DataError, match="groups names 3 classes"):
        protocol.per_group_recall(*problem, 0.25, ["a", "b", "c"])


def test_gradients_and_dtypes_of_the_distances_do_not_reach_the_metrics() -> None:
    distances, *rest = random_problem(6, ties=True)
    expected = protocol.sweep(distances, *rest)
    for dtype in (torch.float16, torch.float32):
        curve = protocol.sweep(distances.to(dtype).requires_grad_(), *rest)
        assert curve.HM.dtype == torch.float64
        assert not curve.HM.requires_grad
        assert torch.equal(curve.HM, expected.HM)
        assert not protocol.exact_curve(distances.to(dtype).requires_grad_(), *rest).betas.requires_grad


def test_class_distances_are_euclidean() -> None:
    theta_v, theta_w = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[3.0, 4.0]])
    assert protocol.class_distances(theta_v, theta_w).tolist() == [[5.0], [0.0]]
    with pytest.raises(DataError, match="one width"):
        protocol.class_distances(theta_v, torch.ones(2, 3))
    with pytest.raises(DataError, match="theta_v has NaN or infinite values in 1 of 2 rows, first in row 1"):
        protocol.class_distances(torch.tensor([[0.0, 0.0], [0.0, torch.nan]]), theta_w)


def test_beta_is_not_chosen_on_test_unless_asked_for_by_name() -> None:
    problem = random_problem(1)
    with pytest.raises(SettingError, match="must not be chosen on test"):
        protocol.choose_beta(*problem, phase="test")
    with pytest.raises(SettingError, match="no phase 'validation'"):
        protocol.choose_beta(*problem, phase="validation")
    with pytest.raises(SettingError, match="not on train"):
        protocol.choose_beta(*problem, phase="train_val")
    best = protocol.sweep(*problem).best().beta
    assert protocol.choose_beta(*problem, phase="val") == protocol.choose_beta_on_test(*problem) == best


def changed(position: int, change: Callable[[Tensor], Tensor]) -> Problem:
    problem = list(random_problem(2))
    problem[position] = change(problem[position].clone())
    return tuple(problem)  # type: ignore[return-value]


def relabelled(label: Tensor) -> Tensor:
    return torch.where(label == label.min(), label.max(), label)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (changed(0, lambda d: d.index_fill(0, torch.tensor([4]), torch.nan)), "NaN or infinite.*row 4"),
        (changed(0, lambda d: d.index_fill(0, torch.tensor([9]), torch.inf)), "NaN or infinite.*row 9"),
        (changed(0, lambda d: d[:, :3]), "a column for each of the 7 classes"),
        (changed(0, lambda d: d[:0]), "a row for each sample"),
        (changed(0, lambda d: d.long()), "floating-point"),
        (changed(1, lambda label: label[:-1]), "60 rows of distances but label is"),
        (changed(1, lambda label: label + 100), "60 samples are of none of the 7 classes"),
        (changed(1, relabelled), "1 classes have no sample, so their recall is 0/0"),
        (changed(2, lambda classes: classes.flip(0)), "sorted class ids"),
        (changed(3, lambda seen: seen[1:]), "sorted class ids"),
        (changed(3, lambda seen: seen[:0]), "no seen class"),
        (changed(4, lambda unseen: unseen[:0]), "no unseen class"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_sentence(problem: Problem, message: str) -> None:
    for score in (protocol.sweep, protocol.ausuc, lambda *p: protocol.confusion(*p, 0.0)):
        with pytest.raises(DataError, match=message) as error:
            score(*problem)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("betas", [[], [0.0, float("nan")], torch.zeros(2, 2)])
def test_betas_that_are_no_list_of_numbers_are_refused(betas: object) -> None:
    with pytest.raises(SettingError, match="at least one number"):
        protocol.sweep(*random_problem(0), betas)
    distances, _, classes, seen, unseen = random_problem(0)
    with pytest.raises(SettingError, match="beta is NaN"):
        protocol.predict(distances, classes, seen, unseen, float("nan"))
