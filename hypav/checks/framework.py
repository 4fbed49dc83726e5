"""Check an answer against a reference and against common mistakes, and name the mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PASSED, WRONG, NOT_YET = "Passed", "Not right", "Not yet"


@dataclass(frozen=True)
class Verdict:
    """The result of a check, true if passed. As the last line of a cell it shows its one or two sentences."""

    outcome: str
    text: str

    def __bool__(self) -> bool:
        return self.outcome == PASSED

    def __repr__(self) -> str:
        return f"{self.outcome}: {self.text}"


class FunctionCheck:
    """Check a function that the student wrote: `check(my_function)`. A wrong answer never raises.

    A wrong function is compared with every mistake. The first mistake with the same values in every case is named.
    A function that returns `...` or raises NotImplementedError is "Not yet".

    Args:
        name: what the exercise computes, in words.
        reference: the correct function.
        cases: the arguments (args, kwargs) of each call. They must distinguish every mistake from the reference.
        mistakes: the sentence that names a mistake -> the wrong function; at least four.
        praise: the sentence after a correct answer: what it means, or where it is used next.
        tolerance: relative to the largest entry of the reference's value.
    """

    def __init__(
        self,
        name: str,
        reference: Callable[..., Tensor],
        cases: Sequence[tuple[tuple[Any, ...], dict[str, Any]]],
        mistakes: Mapping[str, Any],
        *,
        praise: str,
        tolerance: float = 1e-6,
    ) -> None:
        self.name, self.reference, self.cases = name, reference, list(cases)
        self.mistakes, self.praise, self.tolerance = dict(mistakes), praise, tolerance

    def __call__(self, function: Callable[..., Any]) -> Verdict:
        if not callable(function):
            return Verdict(WRONG, f"{self.name}: give the check your function itself, without calling it.")
        expected = self._values(self.reference)
        answers: list[Tensor] = []
        for (args, kwargs), right in zip(self.cases, expected, strict=True):
            answer = self._answer(function, args, kwargs, right)
            if isinstance(answer, Verdict):
                return answer
            answers.append(answer)
        if self._same(answers, expected):
            return Verdict(PASSED, f"{self.name}. {self.praise}")
        for sentence, mistake in self.mistakes.items():
            if self._same(answers, self._values(mistake)):
                return Verdict(WRONG, sentence)
        return Verdict(WRONG, self._first_difference(answers, expected))

    def _answer(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], right: Tensor
    ) -> Tensor | Verdict:
        """The answer as a tensor of the reference's shape, or a verdict if it is something else."""
        copies = tuple(value.clone() if isinstance(value, Tensor) else value for value in args)
        try:
            answer = function(*copies, **kwargs)
        except NotImplementedError:
            return Verdict(NOT_YET, f"{self.name} is still to be written.")
        except Exception as error:  # any error in the student's code becomes a sentence
            return Verdict(WRONG, f"your function stopped with {type(error).__name__}: {error}")
        if answer is ...:
            return Verdict(NOT_YET, f"{self.name} is still to be written: replace the three dots.")
        if answer is None:
            return Verdict(WRONG, "your function gives back None: does it end in `return`?")
        try:
            answer = torch.as_tensor(answer, dtype=right.dtype)
        except (TypeError, ValueError, RuntimeError):
            return Verdict(WRONG, f"your function gives back a {type(answer).__name__}: return a tensor.")
        if answer.shape != right.shape:
            shapes = f"your answer has shape {tuple(answer.shape)}, but {tuple(right.shape)} is asked for"
            return Verdict(WRONG, f"{shapes}: did a sum or a norm lose or keep the wrong dimension?")
        return answer

    def _values(self, function: Callable[..., Tensor]) -> list[Tensor]:
        return [torch.as_tensor(function(*args, **kwargs)) for args, kwargs in self.cases]

    def _same(self, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> bool:
        return all(self._close(a, b) for a, b in zip(ours, theirs, strict=True))

    def _close(self, a: Tensor, b: Tensor) -> bool:
        scale = float(b[b.isfinite()].abs().max()) if bool(b.isfinite().any()) else 1.0
        close = a.shape == b.shape and torch.allclose(
            a.to(b.dtype), b, rtol=0.0, atol=self.tolerance * scale, equal_nan=True
        )
        return bool(close)

    def _first_difference(self, answers: Sequence[Tensor], expected: Sequence[Tensor]) -> str:
        case = next(
            n for n, (a, b) in enumerate(zip(answers, expected, strict=True)) if not self._close(a, b)
        )
        args, kwargs = self.cases[case]
        if not bool(answers[case].isfinite().all()):
            return (
                f"with {_words(args, kwargs)} your function gives NaN or infinity: look for a square root of a "
                "negative number, a division by zero, or artanh of 1 or more."
            )
        return (
            f"with {_words(args, kwargs)} your function gives {_short(answers[case])}, "
            f"but {_short(expected[case])} is right."
        )


class PropertyCheck(FunctionCheck):
    """Check rules that the values must follow, for exercises with many correct answers.

    Args:
        rules: one per mistake, in the same order: functions that say whether the values of all cases follow the rule.
    """

    def __init__(self, *args: Any, rules: Sequence[Callable[[list[Tensor]], bool]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rules = list(rules)

    def __call__(self, function: Callable[..., Any]) -> Verdict:
        if not callable(function):
            return super().__call__(function)
        answers: list[Tensor] = []
        for (args, kwargs), right in zip(self.cases, self._values(self.reference), strict=True):
            answer = self._answer(function, args, kwargs, right)
            if isinstance(answer, Verdict):
                return answer
            answers.append(answer)
        for rule, sentence in zip(self.rules, self.mistakes, strict=True):
            if not rule(answers):
                return Verdict(WRONG, sentence)
        return Verdict(PASSED, f"{self.name}. {self.praise}")


class NumberCheck:
    """Check a number that the student worked out: `check(0.5)`.

    Args:
        name: what the number is, in words.
        value: the correct number.
        mistakes: the sentence that names a mistake -> the wrong number; at least four.
        praise: the sentence after a correct answer.
        tolerance: relative tolerance.
    """

    def __init__(
        self, name: str, value: float, mistakes: Mapping[str, Any], *, praise: str, tolerance: float = 5e-3
    ) -> None:
        self.name, self.value, self.mistakes = name, value, dict(mistakes)
        self.praise, self.tolerance = praise, tolerance

    def __call__(self, answer: float | Tensor | None) -> Verdict:
        if answer is None or answer is ...:
            return Verdict(NOT_YET, f"{self.name} is still to be worked out: replace the three dots.")
        try:
            number = float(answer)
        except (TypeError, ValueError, RuntimeError):
            return Verdict(WRONG, f"{self.name} is a number, but this is a {type(answer).__name__}.")
        if self._close(number, self.value):
            return Verdict(PASSED, f"{self.name}. {self.praise}")
        for sentence, mistake in self.mistakes.items():
            if self._close(number, mistake):
                return Verdict(WRONG, sentence)
        return Verdict(WRONG, f"{self.name} is not {number:.4g}: open the hint and try again.")

    def _close(self, number: float, other: float) -> bool:
        return abs(number - other) <= self.tolerance * max(abs(other), 1e-12)


def _words(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    named = [f"{name} = {_short(value)}" for name, value in kwargs.items()]
    return ", ".join([*map(_short, args), *named])


def _short(value: Any) -> str:
    if isinstance(value, Tensor):
        numbers = [f"{number:.4g}" for number in value.detach().flatten().tolist()]
        text = ", ".join(numbers[:6]) + (", …" if len(numbers) > 6 else "")
        return f"({text})" if value.ndim else text
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
