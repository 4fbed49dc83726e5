"""The most memory that one run takes in a process that does many."""

from __future__ import annotations

from pathlib import Path

__all__ = ["forget_peak", "peak_memory"]

_PROCESS = Path("/proc/self")


def forget_peak() -> bool:
    """From here the process's peak counts anew; whether the system can do that (Linux)."""
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_memory() -> float | None:
    """Greatest resident memory since `forget_peak`, in 10^6 bytes; None where the system does not tell."""
    try:
        lines = (_PROCESS / "status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    kib = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    return None if kib is None else int(kib) * 1024 / 1e6
