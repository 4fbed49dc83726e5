"""The ledger: the differences between the paper and its released code, and what hypav does.

tests/ledger checks hypav's column against the code, one test per row. Most rows are typical of research code written
before a deadline. They can be listed only because the authors published their code.
"""

from __future__ import annotations

import json
from importlib.resources import files

from pandas import DataFrame


def ledger(topic: str | None = None) -> DataFrame:
    """The ledger as a table: what the paper says, the released code and hypav do, and where to see it.

    Args:
        topic: loss, geometry, settings, data and training, or tables; None takes all.
    """
    table = DataFrame(
        json.loads(files("hypav.experiments").joinpath("ledger.json").read_text(encoding="utf-8"))
    )
    return table if topic is None else table[table["topic"] == topic].reset_index(drop=True)
