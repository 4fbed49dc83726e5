"""The errors that a user sees: each message says what was wrong, where, and what to do."""

from __future__ import annotations

__all__ = ["DataError", "HypavError", "RunError", "SettingError"]


class HypavError(Exception):
    """Anything the user can mend. The command line prints its one sentence and exits with code 2."""


class DataError(HypavError):
    """The data cannot be used as they are: a missing file, a wrong shape, NaN, overlapping classes."""


class SettingError(HypavError, ValueError):
    """A setting makes no sense: a curvature of the wrong sign, N_c = 0, an unknown name."""


class RunError(HypavError):
    """A run cannot be written, read or continued: no space, no right to write, another run's folder."""
