"""The errors that a user sees. Each message says what is wrong, where, and what to do."""

from __future__ import annotations

import re

# all controls but tab and line feed, both line separators, overrides of the reading direction, and lone surrogates
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: object) -> str:
    r"""`text` with escapes such as \x1b for all that would steer a terminal instead of being shown: names are data.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return _UNSEEN.sub(lambda found: found.group().encode("unicode_escape").decode(), str(text))


def one_line(text: object) -> str:
    """`text` as `printable` shows it, on one line."""
    return " ".join(printable(text).split())


class HypavError(Exception):
    """A problem that the user can fix. The command line prints the message and exits with code 2."""

    def __str__(self) -> str:
        return printable(super().__str__())


class DataError(HypavError):
    """The data cannot be used as they are: a missing file, a wrong shape, NaN, overlapping classes."""


class SettingError(HypavError, ValueError):
    """A setting is invalid: a curvature of the wrong sign, N_c = 0, an unknown name."""


class RunError(HypavError):
    """A run cannot be written, read or resumed: no space, no permission, or the folder of another run."""
