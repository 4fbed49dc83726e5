"""Where paper and released code differ, what hypav does, and whether it does."""

from hypav.experiments.deviations.ledger import LEDGER, Deviation, ledger_rows

__all__ = ["LEDGER", "Deviation", "ledger_rows"]
