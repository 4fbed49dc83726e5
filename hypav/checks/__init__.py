"""Automatic checks of the exercises, one module a notebook. A check names the mistake behind a wrong answer."""

from hypav.checks.framework import FunctionCheck, Mistake, NumberCheck, PropertyCheck, Verdict

__all__ = ["FunctionCheck", "Mistake", "NumberCheck", "PropertyCheck", "Verdict"]
