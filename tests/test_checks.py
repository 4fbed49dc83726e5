"""Every check of hypav/checks: the right answer passes, every mistake is told its own name, and nothing raises."""

from __future__ import annotations

import importlib
import pkgutil
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

import hypav.checks
from hypav.checks.framework import FunctionCheck, NumberCheck

MODULES = [m.name for m in pkgutil.iter_modules(hypav.checks.__path__) if m.name != "framework"]


def every_check() -> list[Any]:
    found = []
    for module in MODULES:
        for name, value in vars(importlib.import_module(f"hypav.checks.{module}")).items():
            if isinstance(value, (FunctionCheck, NumberCheck)):
                found.append(pytest.param(value, id=f"{module}.{name}"))
    return found


def right(check: FunctionCheck | NumberCheck) -> Any:
    return check.reference if isinstance(check, FunctionCheck) else check.value


@pytest.mark.parametrize("check", every_check())
def test_the_right_answer_passes_and_at_least_four_mistakes_are_told_apart(
    check: FunctionCheck | NumberCheck,
) -> None:
    verdict = check(right(check))
    assert verdict
    assert str(verdict).startswith("Passed: ")
    assert len(check.mistakes) >= 4
    for sentence, answer in check.mistakes.items():
        verdict = check(answer)
        assert not verdict
        assert str(verdict) == f"Not right: {sentence}"


@pytest.mark.parametrize("check", every_check())
def test_what_is_not_yet_written_is_not_called_wrong(check: FunctionCheck | NumberCheck) -> None:
    def stub(*_: Any, **__: Any) -> None:
        raise NotImplementedError

    verdicts = (
        [check(stub), check(lambda *_, **__: ...)] if isinstance(check, FunctionCheck) else [check(...)]
    )
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


def test_a_number_is_compared_relative_to_its_size() -> None:
    check = NumberCheck("n", 4.0, {"half.": 2.0}, praise="Yes.", tolerance=1e-2)
    assert check(4.03)
    assert check(torch.tensor(3.97))
    assert str(check(2.01)) == "Not right: half."
    assert "is not 4.1" in str(check(4.1))
    assert "is a number, but this is a str" in str(check("four"))  # type: ignore[arg-type]


def test_every_notebook_with_checks_tells_its_mistakes_from_each_other() -> None:
    for parameter in every_check():
        check = parameter.values[0]
        if isinstance(check, NumberCheck):
            answers = [check.value, *check.mistakes.values()]
            for a, b in combinations(answers, 2):
                assert abs(a - b) > 2 * check.tolerance * min(abs(a), abs(b))
