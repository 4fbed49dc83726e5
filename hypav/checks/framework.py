"""Check an answer against a reference and against common mistakes, and name the mistake.

A check is called with the student's answer and returns a Verdict. It never raises. Kinds of answer:

- FunctionCheck: a function that returns a tensor, or several tensors as a tuple or a dict.
- PropertyCheck: a function with many correct answers, which must follow rules.
- ModuleCheck: a class, a `torch.nn.Module`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

PASSED, WRONG, NOT_YET = "Passed", "Not right", "Not yet"

Case = tuple[tuple[Any, ...], dict[str, Any]]
Values = dict[str, Tensor]  # name -> tensor; a single tensor has the name ""

_LOOSE = 1e-4  # a rounded constant, such as 1.96, is still the same mistake


@dataclass(frozen=True)
class Verdict:
    """The result of a check, true if passed. As the last line of a cell it shows its one or two sentences."""

    outcome: str
    text: str
    answer: Any = field(default=None, repr=False, compare=False)
    check: Any = field(default=None, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.outcome == PASSED

    def __repr__(self) -> str:
        return f"{self.outcome}: {self.text}"

    def keep(self) -> Verdict:
        """Store a function or class that passed in `mine.py`, from where `hv.mine` takes it in later pages.

        Returns:
            The verdict; it also says whether something was stored.
        """
        from hypav.student import keep  # not needed before

        told = keep(self.answer, self.check) if self else ""
        return replace(self, text=f"{self.text} {told}") if told else self


class _Stop(Exception):
    """The verdict is known before all cases were computed."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


class FunctionCheck:
    """Check a function that the student wrote: `check(my_function)`.

    A wrong function is compared with every mistake. The first mistake with the same values in every case is named.
    A function that returns `...` or raises NotImplementedError is "Not yet".

    Args:
        name: what the exercise computes, in words.
        reference: the correct function. It returns a tensor, a tuple of tensors or a dict of tensors.
        cases: the arguments (args, kwargs) of each call. They must distinguish every mistake from the reference.
        mistakes: the sentence that names a mistake -> the wrong function; at least four.
        praise: the sentence after a correct answer: what it means, or where it is used next.
        tolerance: relative to the largest entry of the reference's value.
        seen: wraps a function before the cases call it, for example to write the files that it reads.
    """

    what: ClassVar[str] = "function"

    def __init__(
        self,
        name: str,
        reference: Callable[..., Any],
        cases: Sequence[Case],
        mistakes: Mapping[str, Any],
        *,
        praise: str,
        tolerance: float = 1e-6,
        seen: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
    ) -> None:
        self.name, self.reference, self.cases, self.seen = name, reference, list(cases), seen
        self.mistakes, self.praise, self.tolerance = dict(mistakes), praise, tolerance

    def values(self, function: Callable[..., Any]) -> list[Values]:
        """What a function of the course's own gives in every case."""
        return [_named(self.seen(function)(*_copies(args), **kwargs)) for args, kwargs in self.cases]

    def __call__(self, answer: Any) -> Verdict:
        try:
            verdict = self._verdict(answer)
        except (Exception, SystemExit) as error:  # an answer of a kind that nobody thought of
            verdict = Verdict(WRONG, f"your answer cannot be compared: {_told(error)}")
        return replace(verdict, answer=answer, check=self)

    def _passed(self) -> Verdict:
        return Verdict(PASSED, f"{self.name}. {self.praise}")

    def _verdict(self, answer: Any) -> Verdict:
        if not callable(answer):
            return Verdict(WRONG, f"{self.name}: give the check your function itself, without calling it.")
        expected = self.values(self.reference)
        try:
            given = [
                self._given(answer, case, right) for case, right in zip(self.cases, expected, strict=True)
            ]
        except _Stop as stop:
            return stop.verdict
        wrong_shape = self._wrong_shape(given, expected)
        return self._compared(given, expected) if wrong_shape is None else wrong_shape

    def _wrong_shape(self, given: list[Values], expected: list[Values]) -> Verdict | None:
        """The verdict if a value has another shape than the reference's; a mistake may have that shape too."""
        for ours, theirs in zip(given, expected, strict=True):
            for name, right in theirs.items():
                if ours[name].shape != right.shape:
                    shapes = f"your answer has shape {tuple(ours[name].shape)}, but {tuple(right.shape)} is asked for"
                    text = f"{name + ': ' if name else ''}{shapes}: {_why(ours[name], right)}"
                    return Verdict(WRONG, self._named_mistake(given) or text)
        return None

    def _named_mistake(self, given: list[Values]) -> str:
        """The sentence of the mistake with these values; empty if there is none."""
        for tolerance in (self.tolerance, max(_LOOSE, self.tolerance)):
            for sentence, mistake in self.mistakes.items():
                if self._same(given, self.values(mistake), tolerance):
                    return sentence
        return ""

    def _compared(self, given: list[Values], expected: list[Values]) -> Verdict:
        if self._same(given, expected):
            return self._passed()
        if sentence := self._named_mistake(given):
            return Verdict(WRONG, sentence)
        return Verdict(WRONG, self._trivial(given, expected) or self._first_difference(given, expected))

    def _given(self, function: Callable[..., Any], case: Case, right: Values) -> Values:
        """The values in one case, of the reference's names.

        Raises:
            _Stop: with the verdict, if the function gives something else.
        """
        args, kwargs = case
        try:
            answer = self.seen(function)(*_copies(args), **kwargs)
        except NotImplementedError:
            raise _Stop(Verdict(NOT_YET, f"{self.name} is still to be written.")) from None
        except (Exception, SystemExit) as error:  # any error in the student's code becomes a sentence
            reason = f"your {self.what} stopped with {_told(error)}{_advice(error, args)}"
            raise _Stop(Verdict(WRONG, reason)) from None
        if answer is ...:
            raise _Stop(Verdict(NOT_YET, f"{self.name} is still to be written: replace the three dots."))
        if answer is None:
            raise _Stop(Verdict(WRONG, f"your {self.what} gives back None: does it end in `return`?"))
        kind = (tuple, list) if _numbered(right) else dict
        if "" not in right and not isinstance(answer, kind):
            raise _Stop(Verdict(WRONG, f"your {self.what} gives back {_kind(answer)}: {_asked(right)}."))
        parts = {"": answer} if "" in right else _parts(answer)
        if set(parts) != set(right):
            given = ", ".join(parts) if isinstance(answer, dict) else f"{len(parts)} values"
            raise _Stop(Verdict(WRONG, f"your {self.what} gives back {given or 'nothing'}: {_asked(right)}."))
        return {name: self._tensor(parts[name], name, right[name]) for name in right}

    def _tensor(self, answer: Any, name: str, right: Tensor) -> Tensor:
        mine = f"your {self.what}" if not name else f"{name} of your {self.what}"
        try:
            tensor = torch.as_tensor(answer).detach().to("cpu", right.dtype)
        except Exception:
            raise _Stop(Verdict(WRONG, f"{mine} gives back {_kind(answer)}{_instead(answer)}.")) from None
        return tensor

    def _same(self, ours: Sequence[Values], theirs: Sequence[Values], tolerance: float | None = None) -> bool:
        return all(
            set(a) == set(b) and all(self._close(a[name], b[name], tolerance) for name in b)
            for a, b in zip(ours, theirs, strict=True)
        )

    def _close(self, a: Tensor, b: Tensor, tolerance: float | None = None) -> bool:
        if a.shape != b.shape:
            return False
        return not bool(self._differs(a, b, self.tolerance if tolerance is None else tolerance).any())

    @staticmethod
    def _differs(a: Tensor, b: Tensor, tolerance: float) -> Tensor:
        """Which entries differ, as a mask."""
        a, b = a.detach().to(torch.float64), b.detach().to(torch.float64)
        scale = float(b[b.isfinite()].abs().max()) if bool(b.isfinite().any()) else 1.0
        return ~torch.isclose(a, b, rtol=0.0, atol=tolerance * scale, equal_nan=True)

    def _trivial(self, given: list[Values], expected: list[Values]) -> str:
        """The sentence for an answer that does not use the arguments, or returns one of them; empty if it is neither."""
        numbers = torch.cat([t.to(torch.float64).flatten() for values in given for t in values.values()])
        if not len(numbers) or not bool(numbers.isfinite().all()):
            return ""
        right = torch.cat([t.to(torch.float64).flatten() for values in expected for t in values.values()])
        several = len(numbers) > len(given[0]) and not bool((right == right[0]).all())
        if several and bool((numbers == numbers[0]).all()):
            return f"your {self.what} gives {_digits(float(numbers[0]))} whatever it is given: use its arguments."
        if all("" in values for values in given):
            for number in range(min(len(args) for args, _ in self.cases)):
                inputs = [args[number] for args, _ in self.cases]
                if all(
                    isinstance(i, Tensor) and i.shape == v[""].shape and self._close(v[""], i)
                    for i, v in zip(inputs, given, strict=True)
                ):
                    place = ("first", "second", "third", "fourth", "fifth")[min(number, 4)]
                    return f"your {self.what} gives back its {place} argument unchanged."
        return ""

    def _first_difference(self, given: Sequence[Values], expected: Sequence[Values]) -> str:
        for (args, kwargs), ours, theirs in zip(self.cases, given, expected, strict=True):
            for name, right in theirs.items():
                answer = ours[name].detach()
                differs = self._differs(answer, right, self.tolerance)
                if not bool(differs.any()):
                    continue
                case = _words(args, kwargs)
                value = name if name.startswith("value ") else f"the value {name}"
                start = f"with {case} your {self.what} gives" if case else f"your {self.what} gives"
                if bool((~answer.to(torch.float64).isfinite() & right.to(torch.float64).isfinite()).any()):
                    what = f"NaN or infinity{' as ' + value if name else ''}"
                    return f"{start} {what}: look for {_not_finite('k' in kwargs)}."
                wrong, asked = _apart(answer, right, differs)
                return f"{start} {wrong}{' as ' + value if name else ''}, but {asked} is right."
        return "your answer differs from the right one."


class PropertyCheck(FunctionCheck):
    """Check rules that the values must follow, for exercises with many correct answers.

    Args:
        rules: one per mistake, in the same order: functions that say whether the values of all cases follow the rule.
    """

    def __init__(self, *args: Any, rules: Sequence[Callable[[list[Any]], bool]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rules = list(rules)

    def _compared(self, given: list[Values], expected: list[Values]) -> Verdict:
        if trivial := self._trivial(given, expected):
            return Verdict(WRONG, trivial)
        values: list[Any] = [value.get("", value) for value in given]
        for rule, sentence in zip(self.rules, self.mistakes, strict=True):
            if not rule(values):
                return Verdict(WRONG, sentence)
        return self._passed()


class ModuleCheck(FunctionCheck):
    """Check a class that the student wrote, a `torch.nn.Module`: `check(MyModule)`.

    The class is built with the arguments of each case. Its parameters and buffers get the same numbers as those of the
    reference: by their names if these are the same, otherwise by shape and order. Outputs in evaluation mode are
    compared, then gradients of the parameters.

    Args:
        name: what the class computes, in words.
        reference: the correct class.
        cases: (args, kwargs) of the constructor and the inputs of the call.
        mistakes: the sentence that names a mistake -> the wrong class; at least four.
        praise: the sentence after a correct answer.
        tolerance: relative to the largest entry of the reference's value.
    """

    what = "module"

    def __init__(
        self,
        name: str,
        reference: type[nn.Module],
        cases: Sequence[tuple[tuple[Any, ...], dict[str, Any], tuple[Any, ...]]],
        mistakes: Mapping[str, type[nn.Module]],
        *,
        praise: str,
        tolerance: float = 1e-6,
    ) -> None:
        calls: list[Case] = [(inputs, {}) for _, _, inputs in cases]
        super().__init__(name, reference, calls, mistakes, praise=praise, tolerance=tolerance)
        self.built = [(args, dict(kwargs)) for args, kwargs, _ in cases]

    def values(self, function: Callable[..., Any]) -> list[Values]:
        return [
            _named(self._build(function, number)(*_copies(inputs)))
            for number, (inputs, _) in enumerate(self.cases)
        ]

    def _verdict(self, answer: Any) -> Verdict:
        if isinstance(answer, nn.Module):
            return Verdict(WRONG, f"{self.name}: give the check your class itself, without building it.")
        if not isinstance(answer, type):
            return Verdict(WRONG, f"{self.name}: give the check your class; this is {_kind(answer)}.")
        if not issubclass(answer, nn.Module):
            return Verdict(
                WRONG, f"{answer.__name__} must be a torch.nn.Module: class {answer.__name__}(nn.Module)."
            )
        expected = self.values(self.reference)
        try:
            modules = [self._students(answer, number) for number in range(len(self.cases))]
            given = [
                self._given(module, case, right)
                for module, case, right in zip(modules, self.cases, expected, strict=True)
            ]
        except _Stop as stop:
            return stop.verdict
        if (wrong_shape := self._wrong_shape(given, expected)) is not None:
            return wrong_shape
        if not self._same(given, expected):
            wrong = self._compared(given, expected)
            if wrong.text not in self.mistakes and self._same(given, self._in_training(self.reference)):
                text = "your module normalises with the batch's own mean and variance in evaluation mode too: use "
                return Verdict(
                    WRONG, text + "nn.BatchNorm1d, which keeps running means, and leave the mode to it."
                )
            return wrong
        return self._gradients(answer)

    def _in_training(self, module: Callable[..., Any]) -> list[Values]:
        built = [self._build(module, number).train() for number in range(len(self.cases))]
        return [_named(each(*_copies(inputs))) for each, (inputs, _) in zip(built, self.cases, strict=True)]

    def _students(self, answer: type[nn.Module], number: int) -> nn.Module:
        """The student's module of one case, with the reference's numbers.

        Raises:
            _Stop: with the verdict, if it cannot be built or has other parameters than the reference or any mistake.
        """
        try:
            module = self._build(answer, number)
        except NotImplementedError:
            raise _Stop(Verdict(NOT_YET, f"{self.name} is still to be written.")) from None
        except (Exception, SystemExit) as error:
            raise _Stop(Verdict(WRONG, f"building your module stopped with {_told(error)}")) from None
        ours, theirs = _shapes(module), _shapes(self._build(self.reference, number))
        if ours == theirs:
            return module
        for sentence, mistake in self.mistakes.items():
            if ours == _shapes(self._build(mistake, number)) and self._as_mistake(module, mistake, number):
                raise _Stop(Verdict(WRONG, sentence))
        missing, extra = _without(theirs, ours), _without(ours, theirs)
        text = " and ".join(
            f"{word} of shape {', '.join(map(str, shapes))}"
            for word, shapes in (("lacks parameters", missing), ("has further parameters", extra))
            if shapes
        )
        reason = f"your module {text}. Is it a layer too many or too few, or its bias?"
        raise _Stop(Verdict(WRONG, reason))

    def _as_mistake(self, module: nn.Module, mistake: Callable[..., Any], number: int) -> bool:
        inputs, _ = self.cases[number]
        try:
            ours = _named(module(*_copies(inputs)))
        except Exception:
            return False
        return self._same([ours], [_named(self._build(mistake, number)(*_copies(inputs)))], _LOOSE)

    def _build(self, module: Callable[..., Any], number: int) -> Any:
        """A module of one case in evaluation mode, with fixed numbers as parameters and buffers."""
        args, kwargs = self.built[number]
        return _filled(module(*args, **kwargs), self._reference_state(number)).eval()

    def _reference_state(self, number: int) -> dict[str, Tensor]:
        args, kwargs = self.built[number]
        return _filled(self.reference(*args, **kwargs), None).state_dict()  # type: ignore[no-any-return]

    def _gradients(self, answer: type[nn.Module]) -> Verdict:
        for number, (inputs, _) in enumerate(self.cases):
            ours, theirs = (self._gradient(self._build(c, number), inputs) for c in (answer, self.reference))
            for name, (gradient, right) in ((a, (g, r)) for (a, g), (_, r) in zip(ours, theirs, strict=True)):
                if right is not None and gradient is None:
                    return Verdict(
                        WRONG,
                        f"the outputs are right, but no gradient reaches {name}: leave out .detach(), .item(), .data and "
                        "torch.no_grad() in forward.",
                    )
                if right is not None and gradient is not None and not self._close(gradient, right, 1e-5):
                    return Verdict(WRONG, f"the outputs are right, but the gradient of {name} is not.")
        return self._passed()

    def _gradient(self, module: nn.Module, inputs: tuple[Any, ...]) -> list[tuple[str, Tensor | None]]:
        """The gradient of a weighted sum of all outputs for each parameter, in the order of `_matched`."""
        generator = torch.Generator().manual_seed(1)
        values = [value for value in _named(module(*_copies(inputs))).values() if value.requires_grad]
        total = sum((v * torch.randn(v.shape, generator=generator, dtype=v.dtype)).sum() for v in values)
        parameters = sorted(module.named_parameters(), key=lambda item: (tuple(item[1].shape), _key(item[1])))
        if not isinstance(total, Tensor):
            return [(name, None) for name, _ in parameters]
        found = torch.autograd.grad(total, [p for _, p in parameters], allow_unused=True)
        return [(name, gradient) for (name, _), gradient in zip(parameters, found, strict=True)]


def variant(module: type[nn.Module], **methods: Any) -> type[nn.Module]:
    """The class with some methods replaced: a mistake."""
    return type(module.__name__, (module,), methods)


# --- values ---


def _copies(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.clone() if isinstance(value, Tensor) else value for value in args)


def _parts(answer: Any) -> dict[str, Any]:
    return (
        {str(name): value for name, value in answer.items()}
        if isinstance(answer, dict)
        else {f"value {number}": value for number, value in enumerate(answer, 1)}
    )


def _named(answer: Any) -> Values:
    """A tensor, or a tuple or dict of tensors, by name."""
    parts = _parts(answer) if isinstance(answer, (dict, tuple)) else {"": answer}
    return {name: torch.as_tensor(value) for name, value in parts.items()}


def _numbered(values: Values) -> bool:
    return all(name.startswith("value ") for name in values)


def _asked(right: Values) -> str:
    if "" in right:
        return "return a tensor"
    if _numbered(right):
        return f"return {len(right)} values, `return a, b{', c' if len(right) == 3 else ''}`"
    return f"return a dict with {', '.join(right)}"


# --- the numbers in a module ---


def _filled(module: nn.Module, like: Mapping[str, Tensor] | None) -> nn.Module:
    """The module with fixed numbers in place of random ones: those of `like` where a layer or a shape fits."""
    state = module.state_dict()
    rest = dict(like or {})
    found = {name: name for name in state} if set(rest) == set(state) else _layers_like(state, rest)
    for place, (name, tensor) in enumerate(state.items()):
        if not tensor.is_floating_point():
            continue
        match = found.get(name) or next((n for n, t in rest.items() if t.shape == tensor.shape), "")
        if match in rest and rest[match].shape == tensor.shape:
            tensor.copy_(rest.pop(match))
            continue
        generator = torch.Generator().manual_seed(100 + place)
        numbers = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_(0.5 + numbers if name.endswith("running_var") else numbers - 0.5)
    module.load_state_dict(state)
    return module


def _layers_like(state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, str]:
    """Each name of a layer of `state` -> that of the first layer of `like` with the same tensors in it."""
    found: dict[str, str] = {}
    free = _by_layer(like)
    for layer, tensors in _by_layer(state).items():
        match = (
            layer if free.get(layer) == tensors else next((n for n, t in free.items() if t == tensors), None)
        )
        if match is not None:
            del free[match]
            found |= {_join(layer, name): _join(match, name) for name in tensors}
    return found


def _by_layer(state: Mapping[str, Tensor]) -> dict[str, dict[str, tuple[int, ...]]]:
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".")
        layers.setdefault(layer, {})[last] = tuple(tensor.shape)
    return layers


def _join(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name


def _shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return sorted(tuple(p.shape) for p in module.parameters())


def _without(these: list[tuple[int, ...]], those: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    left = list(those)
    return [shape for shape in these if shape not in left or left.remove(shape)]  # type: ignore[func-returns-value]


def _key(parameter: Tensor) -> list[float]:
    return parameter.detach().flatten().tolist()


# --- sentences ---


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"


def _advice(error: BaseException, args: tuple[Any, ...]) -> str:
    """What a common error of PyTorch usually means; empty for others."""
    text = str(error)
    if re.search(
        r"size of tensor a .* must match the size of tensor b|not broadcastable|shapes? .*cannot be mult",
        text,
    ):
        return ". The shapes do not fit: did a sum or a norm lose its dimension? Keep it with keepdim=True."
    outside = re.search(r"index (-?\d+) is out of bounds", text)
    ids = [a for a in args if isinstance(a, Tensor) and not a.is_floating_point()]
    if outside and any(bool((a == int(outside.group(1))).any()) for a in ids):
        return ". Are class ids used as columns? Column j belongs to the j-th class of the list, not to id j."
    if "torch.return_types" in text:
        return ". " + _RETURN_TYPE
    if "must be Tensor, not" in text or "expected Tensor" in text:
        return ". A function of torch wants a tensor here: a plain number becomes one with torch.tensor."
    return ""


_RETURN_TYPE = ".min(dim=...) and .max(dim=...) give values and positions: take .values or .indices"


def _kind(answer: Any) -> str:
    if type(answer).__module__ == "torch.return_types":
        return "two tensors"
    if isinstance(answer, (list, tuple)) and answer and all(isinstance(each, str) for each in answer):
        return "names"
    if answer is None or isinstance(answer, type):
        return "None" if answer is None else "a class"
    name = type(answer).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _instead(answer: Any) -> str:
    if type(answer).__module__ == "torch.return_types":
        return f": {_RETURN_TYPE}"
    if isinstance(answer, (list, tuple)) and answer and all(isinstance(each, str) for each in answer):
        return ": numbers are asked for, such as their positions in the list"
    return ": return a tensor"


def _why(answer: Tensor, right: Tensor) -> str:
    """What usually gives this shape instead of the right one."""
    if answer.numel() == right.numel():
        if answer.ndim == right.ndim:
            return "it is transposed."
        return "the numbers may be right, but a dimension of size 1 is too many or too few: see keepdim or squeeze."
    rows = right.shape[0] if right.ndim else 0
    if answer.ndim == 2 and rows > 1 and tuple(answer.shape) == (rows, rows) and right.numel() < rows * rows:
        return "a row (N,) and a column (N, 1) were combined to a table. Is keepdim=True missing, or one too many?"
    return "did a sum or a norm lose or keep the wrong dimension?"


def _not_finite(geometry: bool) -> str:
    if geometry:
        return "a square root of a negative number, a division by zero, or artanh of 1 or more"
    return "a division by zero, the mean of an empty selection, or the logarithm or root of a negative number"


def _apart(answer: Tensor, right: Tensor, differs: Tensor) -> tuple[str, str]:
    """The two values as texts that differ: short ones whole, of longer ones the first entry that is wrong."""
    if answer.ndim and answer.numel() <= 6 and _short(answer) != _short(right):
        return _short(answer), _short(right)
    place = tuple(int(i) for i in differs.nonzero()[0]) if differs.ndim else ()
    ours, theirs = float(answer.detach()[place]), float(right.detach()[place])
    digits = next((n for n in range(4, 18) if f"{ours:.{n}g}" != f"{theirs:.{n}g}"), 17)
    at = f" at [{', '.join(map(str, place))}]" if place else ""
    return f"{_digits(ours, digits)}{at}", _digits(theirs, digits)


def _digits(number: float, digits: int = 4) -> str:
    return f"{number:.{digits}g}"


def _words(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    named = [f"{name} = {_short(value)}" for name, value in kwargs.items()]
    return ", ".join([*map(_short, args), *named])


def _short(value: Any) -> str:
    if isinstance(value, Tensor):
        if value.numel() > 6:
            return f"a tensor of shape {tuple(value.shape)}"
        text = ", ".join(f"{number:.4g}" for number in value.detach().flatten().tolist())
        return f"({text})" if value.ndim else text
    if callable(value):
        return "a function"
    if isinstance(value, (list, tuple)) and (len(value) > 6 or any(isinstance(v, Tensor) for v in value)):
        return f"a list of {len(value)}"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
