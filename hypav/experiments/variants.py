"""The methods by name: avca, hyper-alignment, hyper-single, hyper-multiple, and alignment with any geometries."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypav.alignment import Adaptive, AlignmentConfig, preset
from hypav.errors import SettingError
from hypav.experiments.paper import PaperSettings

__all__ = ["VARIANTS", "Variant", "parse_variant"]

VARIANTS = ("avca", "hyper-alignment", "hyper-single", "hyper-multiple")

_HELP = (
    "write avca, hyper-alignment[:k], hyper-single[:c_0], hyper-multiple[:N_c[:c_0]] or "
    "alignment:k1+k2+… (k < 0 hyperbolic, 0 flat, > 0 spherical)"
)


@dataclass(frozen=True)
class Variant:
    """spec: as written; method: the name in the paper's tables; alignment: None for the baseline."""

    spec: str
    method: str
    alignment: AlignmentConfig | None


def parse_variant(spec: str, preset_name: str, settings: PaperSettings) -> Variant:
    """A variant from its name, e.g. "hyper-multiple:3:-0.4"; what is left out is taken from the paper's settings.

    Raises:
        SettingError: an unknown name, a number that is none, a hyperbolic variant with k >= 0, N_c < 1.
    """
    preset(preset_name)  # an unknown preset is an error for the baseline too
    name, *parts = spec.strip().lower().split(":")
    most = {"avca": 0, "hyper-alignment": 1, "hyper-single": 1, "hyper-multiple": 2, "alignment": 1}
    if name not in most or len(parts) > most[name] or (name == "alignment" and not parts):
        raise SettingError(f"{spec!r} is no variant: {_HELP}.")
    if name == "avca":
        return Variant(spec, "AVCA", None)
    if name == "alignment":
        curvatures = tuple(_number(part, spec) for part in parts[0].split("+"))
        return Variant(spec, f"Alignment k={parts[0]}", preset(preset_name, curvatures=curvatures))
    if name == "hyper-alignment":
        k = _hyperbolic(parts[0], spec) if parts else settings.k
        return Variant(spec, "Hyper-alignment", preset(preset_name, curvatures=(k,)))
    if name == "hyper-single":
        adaptive = Adaptive(1, _hyperbolic(parts[0], spec) if parts else settings.c_0)
        return Variant(spec, "Hyper-single", preset(preset_name, curvatures=adaptive))
    N_c = _count(parts[0], spec) if parts else settings.N_c
    adaptive = Adaptive(N_c, _hyperbolic(parts[1], spec) if len(parts) > 1 else settings.c_0)
    return Variant(spec, "Hyper-multiple", preset(preset_name, curvatures=adaptive))


def _number(text: str, spec: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{text!r} in {spec!r} is no number: {_HELP}.") from None
    if not math.isfinite(value):
        raise SettingError(f"{text!r} in {spec!r} is not finite: {_HELP}.")
    return value


def _hyperbolic(text: str, spec: str) -> float:
    k = _number(text, spec)
    if k >= 0:
        raise SettingError(
            f"The curvature {text} in {spec!r} is not hyperbolic: k is negative here, as in the paper "
            f"(the released code's positive c is -k). For flat or spherical alignment write alignment:{text}."
        )
    return k


def _count(text: str, spec: str) -> int:
    try:
        count = int(text)
    except ValueError:
        raise SettingError(f"N_c {text!r} in {spec!r} is no whole number: {_HELP}.") from None
    if count < 1:
        raise SettingError(f"N_c is {text} in {spec!r}, but Hyper-multiple needs 1 curvature or more.")
    return count
