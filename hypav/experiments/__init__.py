"""Experiments: what the paper reports, configurations, runs, their effects, the paper's tables and the ledger."""
