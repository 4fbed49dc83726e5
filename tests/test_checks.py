"""Every check of hypav/checks: the right answer passes, every mistake is told its own name, and nothing raises."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

import hypav.checks
from hypav.checks.framework import FunctionCheck, ModuleCheck, PropertyCheck

MODULES = [m.name for m in pkgutil.iter_modules(hypav.checks.__path__) if m.name != "framework"]


def every_check() -> list[Any]:
    found = []
    for module in MODULES:
        for name, value in vars(importlib.import_module(f"hypav.checks.{module}")).items():
            if isinstance(value, FunctionCheck):
                found.append(pytest.param(value, id=f"{module}.{name}"))
    return found


@pytest.mark.parametrize("check", every_check())
def test_the_right_answer_passes_and_at_least_four_mistakes_are_told_apart(
    check: FunctionCheck,
) -> None:
    verdict = check(check.reference)
    assert verdict
    assert str(verdict).startswith("Passed: ")
    assert len(check.mistakes) >= 4
    for sentence, answer in check.mistakes.items():
        verdict = check(answer)
        assert not verdict
        assert str(verdict) == f"Not right: {sentence}"


@pytest.mark.parametrize("check", every_check())
def test_what_is_not_yet_written_is_not_called_wrong(check: FunctionCheck) -> None:
    def stub(*_: Any, **__: Any) -> None:
        raise NotImplementedError

    if isinstance(check, ModuleCheck):
        verdicts = [check(type("Stub", (torch.nn.Module,), {"__init__": stub}))]
    else:
        verdicts = [check(stub), check(lambda *_, **__: ...)]
    for verdict in verdicts:
        assert not verdict
        assert str(verdict).startswith("Not yet: ")


def double_check() -> FunctionCheck:
    cases = [((torch.tensor([1.0, 2.0]),), {"k": -0.5}), ((torch.tensor([3.0]),), {"k": 2.0})]
    mistakes = {"it is tripled.": lambda x, *, k: 3 * x}
    return FunctionCheck("Doubling", lambda x, *, k: 2 * x, cases, mistakes, praise="Well done.")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda x, *, k: None, "does it end in `return`"),
        (lambda x, *, k: "two", "gives back a str: return a tensor"),
        (lambda x, *, k: x.sum(), "has shape (), but (2,) is asked for"),
        (lambda x, *, k: x / 0, "NaN or infinity"),
        (lambda x, *, k: x.nothing, "stopped with AttributeError"),
        (lambda x: x, "stopped with TypeError"),
        (lambda x, *, k: 2 * x + 1, "with (1, 2), k = -0.5 your function gives (3, 5), but (2, 4) is right"),
        (lambda x, *, k: 2 * x if k < 0 else x, "with (3), k = 2 your function gives (3), but (6) is right"),
        (torch.tensor([2.0, 4.0]), "without calling it"),
    ],
)
def test_other_wrong_functions_get_a_sentence_and_no_traceback(answer: Any, told: str) -> None:
    verdict = double_check()(answer)
    assert not verdict
    assert str(verdict).startswith("Not right: ")
    assert told in str(verdict)


def test_an_answer_may_be_of_another_dtype_but_not_change_its_arguments() -> None:
    def spoil(x: Tensor, *, k: float) -> Tensor:
        return x.mul_(2)

    check = double_check()
    assert check(spoil)
    assert check(spoil), "the first call must not have changed the cases"
    assert check(lambda x, *, k: [2 * float(n) for n in x])
    assert check(lambda x, *, k: (2 * x).to(torch.float64))


def test_a_list_of_tensors_is_not_printed_whole() -> None:
    check = FunctionCheck(
        "the mean",
        lambda parts: torch.stack(parts).mean(),
        [(([torch.ones(40), torch.zeros(40)],), {})],
        {f"{n}.": lambda parts, n=n: torch.tensor(float(n)) for n in (1, 2, 3, 4)},
        praise="Yes.",
    )
    verdict = check(lambda parts: torch.tensor(9.0))
    assert "with a list of 2" in verdict.text
    assert "tensor(" not in verdict.text


def mapped(value: Any, change: Any) -> Any:
    """A value of a check with `change` applied to each tensor in it."""
    if isinstance(value, dict):
        return {name: mapped(part, change) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(mapped(part, change) for part in value)
    return change(torch.as_tensor(value))


def trivial(check: Any) -> dict[str, Any]:
    """Wrong answers that anybody may give: name -> answer."""

    def after(change: Any) -> Any:
        return lambda *args, **kwargs: mapped(check.reference(*args, **kwargs), change)

    def wider(t: Tensor) -> Tensor:
        return torch.stack((t, t))

    answers = {
        "0": after(torch.zeros_like),
        "a constant": after(lambda t: torch.full_like(t, 3.21, dtype=torch.float64)),
        "NaN": after(lambda t: torch.full_like(t, torch.nan, dtype=torch.float64)),
        "the first input": lambda *args, **kwargs: args[0] if args else next(iter(kwargs.values())),
        "a wrong shape": after(wider),
        "None": lambda *_, **__: None,
        "transposed": after(lambda t: t.T if t.ndim == 2 else wider(t)),
        "words": lambda *_, **__: ["a", "b"],
        "a dict": lambda *_, **__: {"x": 1},
        "no arguments": lambda: 1,
        "an exit": lambda *_, **__: exit(3),
        "called": 3.0,
        "noise": after(
            lambda t: t + torch.linspace(1, 2, max(t.numel(), 1)).reshape(t.shape) * (1 + t.abs().max())
        ),
    }
    if isinstance(check, ModuleCheck):
        cases = {
            "a function": lambda x: x,
            "an instance": torch.nn.ReLU(),
            "another class": dict,
            "0": 0,
            "None": None,
        }
        return cases | {"ReLU": torch.nn.ReLU, "Linear": torch.nn.Linear, "nothing": torch.nn.Module}
    return answers


def is_this_mistake(check: FunctionCheck, answer: Any, sentence: str) -> bool:
    """Whether the answer has the values of the mistake with this sentence in every case."""
    for args, kwargs in check.cases:
        ours, theirs = (
            torch.as_tensor(answer(*args, **kwargs)),
            torch.as_tensor(check.mistakes[sentence](*args, **kwargs)),
        )
        if ours.shape != theirs.shape or not torch.allclose(
            ours.double(), theirs.double(), rtol=1e-3, equal_nan=True
        ):
            return False
    return True


@pytest.mark.parametrize("check", every_check())
def test_no_trivial_answer_passes_or_is_told_the_mistake_of_another(check: Any) -> None:
    answers = trivial(check)
    assert len(answers) >= 8
    for name, answer in answers.items():
        started = time.process_time()
        verdict = check(answer)
        assert time.process_time() - started < 2, name
        if name == "transposed" and symmetric(check):
            continue
        assert not verdict, name
        assert "0x" not in verdict.text, name
        if verdict.text in check.mistakes and not isinstance(check, PropertyCheck):
            assert is_this_mistake(check, answer, verdict.text), (name, verdict)
        if found := re.search(r"gives? (.+), but (.+) is right", verdict.text):
            assert found.group(1).partition(" at ")[0] != found.group(2), name


def symmetric(check: FunctionCheck) -> bool:
    values = [value for case in check.values(check.reference) for value in case.values()]
    return all(v.ndim == 2 and v.shape == v.T.shape and torch.allclose(v, v.T) for v in values)


@pytest.mark.parametrize("check", every_check())
def test_registered_mistakes_differ_from_each_other_and_none_is_0_everywhere(check: Any) -> None:
    """0 is what an unfinished answer gives: it must not be told a mistake that nobody has made."""
    values = {sentence: check.values(mistake) for sentence, mistake in check.mistakes.items()}
    for sentence, cases in values.items():
        assert any(bool((t != 0).any()) for case in cases for t in case.values()), sentence
    if isinstance(check, PropertyCheck):
        return
    for (one, ours), (other, theirs) in combinations(values.items(), 2):
        same = [
            set(a) == set(b)
            and all(a[n].shape == b[n].shape and torch.equal(a[n].double(), b[n].double()) for n in a)
            for a, b in zip(ours, theirs, strict=True)
        ]
        assert not all(same), (one, other)


# --- what the sentences say ---


def long_check(**changes: Any) -> FunctionCheck:
    """A function of eight rows, of which each sum is close to the next."""
    x = torch.arange(32.0, dtype=torch.float64).reshape(8, 4) + 1
    given: dict[str, Any] = {"name": "Row sums", "reference": lambda x: x.sum(dim=1), "cases": [((x,), {})]}
    return FunctionCheck(**given | {"mistakes": {}, "praise": "Yes."} | changes)


def test_the_first_entry_that_differs_is_shown_with_its_place_and_enough_digits() -> None:
    def nearly(x: Tensor) -> Tensor:
        answer = x.sum(dim=1)
        answer[6] *= 1 + 1e-5
        return answer

    assert str(long_check()(nearly)) == (
        "Not right: with a tensor of shape (8, 4) your function gives 106.001 at [6], but 106 is right."
    )


def test_two_equal_lists_are_never_shown() -> None:
    check = FunctionCheck(
        "n", lambda x: 2 * x, [((torch.tensor([1.0, 2.0]).double(),), {})], {}, praise="Yes."
    )
    verdict = check(lambda x: 2 * x + torch.tensor([0.0, 1e-5]))
    assert str(verdict) == "Not right: with (1, 2) your function gives 4.00001 at [1], but 4 is right."


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda x: x / x.norm(dim=1), "Keep it with keepdim=True"),
        (
            lambda x: x.sum(dim=1) * x.sum(dim=1, keepdim=True),
            "a row (N,) and a column (N, 1) were combined to a table",
        ),
        (lambda x: x.sum(dim=1, keepdim=True), "a dimension of size 1 is too many or too few"),
        (lambda x: x.min(dim=1), "give values and positions: take .values or .indices"),
        (lambda x: x.max(dim=1) + 1, "your function stopped with TypeError"),
        (lambda x: ["a", "b"], "gives back names: numbers are asked for"),
        (lambda x: {"a": 1}, "gives back a dict: return a tensor"),
        (lambda x: torch.full((8,), torch.nan), "the mean of an empty selection"),
        (lambda x: torch.zeros(8), "gives 0 whatever it is given: use its arguments"),
        (lambda x: torch.full((8,), 2.5), "gives 2.5 whatever it is given"),
        (lambda x: exit(1), "stopped with SystemExit"),
        (lambda x: f"{x.undefined}", "stopped with AttributeError"),
    ],
)
def test_common_slips_of_pytorch_have_sentences_of_their_own(answer: Any, told: str) -> None:
    verdict = long_check()(answer)
    assert not verdict
    assert told in str(verdict)
    assert "artanh" not in str(verdict), "geometry is named only where there is a curvature"


def test_an_argument_that_is_returned_as_it_is_is_named() -> None:
    x, y = torch.rand(2, 3, 2, dtype=torch.float64)
    check = FunctionCheck("n", lambda x, y: x + y, [((x, y), {}), ((y, x + 1), {})], {}, praise="Yes.")
    assert "gives back its second argument unchanged" in str(check(lambda x, y: y))


def test_ids_used_as_columns_are_named() -> None:
    distances, seen = torch.rand(6, 4), torch.tensor([3, 9])
    check = long_check(cases=[((distances, seen), {})], reference=lambda d, seen: d[:, seen % 4].sum())
    assert "Are class ids used as columns?" in str(check(lambda d, seen: d[:, seen].sum()))
    assert "class ids" not in str(check(lambda d, seen: d[:, 7]))
    columns = long_check(reference=lambda x: x[:, 0])
    assert "class ids" not in str(columns(lambda x: x[:, 7])), "there are no ids in its arguments"


def test_a_rounded_constant_is_the_same_mistake_but_not_a_right_answer() -> None:
    check = long_check(
        mistakes={"this is for the normal distribution.": lambda x: 1.959963985 * x.sum(dim=1)}
    )
    assert str(check(lambda x: 1.96 * x.sum(dim=1))) == "Not right: this is for the normal distribution."
    assert not check(lambda x: 1.00001 * x.sum(dim=1))


def test_several_values_are_compared_by_name() -> None:
    def reference(x: Tensor) -> dict[str, Tensor]:
        return {"S": x.sum(), "U": x.mean(dim=0)}

    check = long_check(
        reference=reference, mistakes={"S is the mean.": lambda x: reference(x) | {"S": x.mean()}}
    )
    assert check(reference)
    assert check(lambda x: {"U": x.mean(dim=0), "S": float(x.sum())})
    assert str(check(lambda x: reference(x) | {"S": x.mean()})) == "Not right: S is the mean."
    assert "gives 5 as the value S, but 528 is right" in str(check(lambda x: reference(x) | {"S": 5}))
    assert "gives back S: return a dict with S, U" in str(check(lambda x: {"S": x.sum()}))
    assert "return a dict with S, U" in str(check(lambda x: (x.sum(), x.mean(dim=0))))
    assert "U: your answer has shape (8,), but (4,)" in str(
        check(lambda x: reference(x) | {"U": x.mean(dim=1)})
    )


def test_a_mistake_may_have_another_shape() -> None:
    check = long_check(mistakes={"you sum the columns.": lambda x: x.sum(dim=0)})
    assert str(check(lambda x: x.sum(dim=0))) == "Not right: you sum the columns."
    assert "has shape (4,), but (8,) is asked for" in str(check(lambda x: x.mean(dim=0)))


def test_a_tuple_is_compared_by_position() -> None:
    check = long_check(reference=lambda x: (x.sum(), x.mean()))
    assert check(lambda x: [x.sum(), x.mean()])
    assert "gives 528 as the value value 2" not in str(check(lambda x: (x.sum(), x.sum())))
    assert "gives 528 as value 2, but 16.5 is right" in str(check(lambda x: (x.sum(), x.sum())))
    assert "gives back a Tensor: return 2 values" in str(check(lambda x: x.sum()))
    assert "gives back 3 values: return 2 values" in str(check(lambda x: (1, 2, 3)))


# --- classes ---


class Block(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(width, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.last = torch.nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)).relu())  # type: ignore[no-any-return]


class WithoutReLU(Block):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)))  # type: ignore[no-any-return]


class WithoutBias(Block):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.first = torch.nn.Linear(width, 4, bias=False)


def module_check() -> ModuleCheck:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    mistakes = {"the ReLU is missing.": WithoutReLU, "the first layer has no bias.": WithoutBias}
    return ModuleCheck("A block", Block, [((3,), {}, (x,))], mistakes, praise="Good.", tolerance=1e-5)


def test_a_class_with_other_names_in_another_order_passes() -> None:
    class Mine(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.bn = torch.nn.BatchNorm1d(4)
            self.out = torch.nn.Linear(4, 4)
            self.inside = torch.nn.Linear(width, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.relu(self.bn(self.inside(x))))  # type: ignore[no-any-return]

    assert module_check()(Block)
    torch.manual_seed(0)
    verdict = module_check()(Mine)
    assert verdict, verdict


def test_mistakes_in_a_class_are_named() -> None:
    for sentence, mistake in module_check().mistakes.items():
        assert str(module_check()(mistake)) == f"Not right: {sentence}"


class Detached(Block):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)).relu().detach())  # type: ignore[no-any-return]


class NoGradient(Block):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(x)


class OtherGradient(Block):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return 2 * y - y.detach()


class AlwaysTraining(Block):
    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y = (y - y.mean(0)) / (y.var(0, unbiased=False) + self.norm.eps).sqrt()
        return self.last((y * self.norm.weight + self.norm.bias).relu())  # type: ignore[no-any-return]


class Wider(Block):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.more = torch.nn.Linear(2, 2, bias=False)


class Stub(torch.nn.Module):
    def __init__(self, width: int) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Detached, "the outputs are right, but no gradient reaches norm.weight"),
        (NoGradient, "the outputs are right, but no gradient reaches"),
        (OtherGradient, "the outputs are right, but the gradient of"),
        (AlwaysTraining, "normalises with the batch's own mean and variance in evaluation mode too"),
        (Wider, "has further parameters of shape (2, 2)"),
        (torch.nn.Identity, "lacks parameters of shape (4,), (4,), (4,), (4,), (4, 3), (4, 4)"),
        (Stub, "is still to be written"),
        (Block(3), "give the check your class itself, without building it"),
        (lambda x: x, "give the check your class; this is a function"),
        (dict, "must be a torch.nn.Module"),
        (None, "give the check your class; this is None"),
    ],
)
def test_other_wrong_classes_get_a_sentence(answer: Any, told: str) -> None:
    verdict = module_check()(answer)
    assert not verdict
    assert told in str(verdict)


# --- repairs of single checks ---


def test_mistakes_that_the_pages_make_likely_are_named_rightly() -> None:
    from hypav import geometry
    from hypav.alignment import alignment_loss
    from hypav.checks import does_curvature_matter

    def steps(r: Tensor, *, k: float) -> Tensor:
        points = geometry.project(r.unsqueeze(1), k=k, xi=1e-3)
        return geometry.logmap0(points, k=k).squeeze(1) / r

    assert does_curvature_matter.row_scale(steps)
    half = does_curvature_matter.row_scale(lambda r, *, k: (-k) ** 0.5 * steps(r, k=k))
    assert "divided by √|k| as well" in str(half)
    assert does_curvature_matter.change(lambda loss, v, a, f, g: (1 - loss(f * v, g * a) / loss(v, a)).abs())

    own = does_curvature_matter.loss
    curved = own(lambda v, a, *, k: alignment_loss(v, a, k=k, preset="curved"))
    assert curved
    # cosines of the rows that Eqs. 1 and 3 give
    assert "is the same for every k" in str(
        own(lambda v, a, *, k: alignment_loss(v, a, k=k, preset="printed"))
    )
    scaled = own(lambda v, a, *, k: (1 + k * k) * alignment_loss(v, a, k=0.0, preset="printed"))
    assert "k only makes the whole loss larger or smaller" in str(scaled)
    plus_k = own(lambda v, a, *, k: alignment_loss(v, a, k=0.0, preset="printed") + k * k)
    assert "is not 0 if both modalities are equal" in str(plus_k)
    root = own(lambda v, a, *, k: torch.tensor(-k).sqrt() * alignment_loss(v, a, k=k, preset="curved"))
    assert "has NaN or infinity" in str(root)


def test_the_normal_quantile_is_named_in_the_paired_interval() -> None:
    from hypav.checks import tables

    def normal(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        d = a - b
        return d.mean(), 1.96 * d.std() / len(d) ** 0.5

    assert "1.96 is for a known standard deviation" in str(tables.interval(normal))
