"""Experiments: the paper's numbers, configurations, runs, effects, tables, figures and the ledger."""
