"""`python -m tests.parity DIR`: compare hypav, term by term, with numbers of the released code (see tests/golden).

Exit code 1 if a record is missing or a term is past its tolerance: 1e-10 relative for float64, 1e-5 for float32. The
few terms that rounding alone moves further state their own tolerance. Exit code 2 if the folder cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from pathlib import Path

from hypav.errors import DataError

from . import missing, not_compared, run_parity


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("folder", metavar="DIR", type=Path)
    folder = parser.parse_args(arguments).folder
    try:
        rows = list(run_parity(folder))
        skipped, lacking = not_compared(folder), missing(folder)
    except DataError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    for name, group in groupby(rows, key=lambda row: row.file):
        print(name)
        for row in group:
            verdict = "ok  " if row.passed else "FAIL"
            print(f"  {verdict} {row.error:8.1e}  (tolerance {row.tolerance:.0e})  {row.term}")
    for line in skipped:
        print(f"not compared: {line}")
    for name in lacking:
        print(f"missing: {name}")
    failed = sum(not row.passed for row in rows)
    print(f"{len(rows)} terms compared, {failed} past their tolerance, {len(lacking)} records missing.")
    return 1 if failed or lacking else 0


if __name__ == "__main__":
    sys.exit(main())
