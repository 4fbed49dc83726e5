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
from hypav.checks.framework import Check, FunctionCheck, ModuleCheck, NumberCheck, PropertyCheck

MODULES = [m.name for m in pkgutil.iter_modules(hypav.checks.__path__) if m.name != "framework"]


def every_check() -> list[Any]:
    found = []
    for module in MODULES:
        for name, value in vars(importlib.import_module(f"hypav.checks.{module}")).items():
            if isinstance(value, Check):
                found.append(pytest.param(value, id=f"{module}.{name}"))
    return found


def right(check: Any) -> Any:
    return check.value if isinstance(check, NumberCheck) else check.reference


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


def mapped(value: Any, change: Any) -> Any:
    """A value of a check with `change` applied to each tensor in it."""
    if isinstance(value, dict):
        return {name: mapped(part, change) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(mapped(part, change) for part in value)
    return change(torch.as_tensor(value))


def trivial(check: Any) -> dict[str, Any]:
    """Wrong answers that anybody may give: name -> answer."""
    if isinstance(check, NumberCheck):
        numbers = {
            "0": 0,
            "1": 1.2345e3,
            "NaN": float("nan"),
            "infinity": float("inf"),
            "negative": -1.2345e-7,
        }
        return numbers | {
            "words": "many",
            "a tensor": torch.ones(3),
            "huge": 10**400,
            "a function": lambda: 1,
        }

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
        started = time.perf_counter()
        verdict = check(answer)
        assert time.perf_counter() - started < 2, name
        if name == "transposed" and symmetric(check):
            continue
        assert not verdict, name
        assert "0x" not in verdict.text, name
        if verdict.text in check.mistakes and isinstance(check, NumberCheck):
            assert answer == check.mistakes[verdict.text]  # a count of 0 may be a mistake with a name
        elif verdict.text in check.mistakes and not isinstance(check, PropertyCheck):
            assert is_this_mistake(check, answer, verdict.text), (name, verdict)
        if found := re.search(r"gives? (.+), but (.+) is right", verdict.text):
            assert found.group(1).partition(" at ")[0] != found.group(2), name


def symmetric(check: FunctionCheck) -> bool:
    values = [torch.as_tensor(check.reference(*args, **kwargs)) for args, kwargs in check.cases]
    return all(v.ndim == 2 and v.shape == v.T.shape and torch.allclose(v, v.T) for v in values)


@pytest.mark.parametrize("check", every_check())
def test_registered_mistakes_differ_from_each_other_and_none_is_0_everywhere(check: Any) -> None:
    """0 is what an unfinished answer gives: it must not be told a mistake that nobody has made."""
    if isinstance(check, NumberCheck):
        answers = [check.value, *check.mistakes.values()]
        for a, b in combinations(answers, 2):
            assert abs(a - b) > 2 * check.tolerance * min(abs(a), abs(b))
        return
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
