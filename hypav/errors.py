"""The errors that a user sees. Each message says what is wrong, where, and what to do."""

from __future__ import annotations


class HypavError(Exception):
    """A problem that the user can fix. The command line prints the message and exits with code 2."""


class DataError(HypavError):
    """The data cannot be used as they are: a missing file, a wrong shape, NaN, overlapping classes."""


class SettingError(HypavError, ValueError):
    """A setting is invalid: a curvature of the wrong sign, N_c = 0, an unknown name."""


class RunError(HypavError):
    """A run cannot be written, read or resumed: no space, no permission, or the folder of another run."""
