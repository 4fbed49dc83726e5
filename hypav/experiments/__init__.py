"""Experiments: recipes, variants, runs in folders, comparisons over seeds, and what the paper reports."""

from hypav.experiments.comparison import Comparison, compare
from hypav.experiments.paper import paper_row, paper_settings, paper_tables
from hypav.experiments.recipes import RECIPES, Recipe, network_for, recipe_for
from hypav.experiments.runs import load_model, load_record, run
from hypav.experiments.tables import comparison_table
from hypav.experiments.variants import VARIANTS, Variant, parse_variant

__all__ = [
    "RECIPES",
    "VARIANTS",
    "Comparison",
    "Recipe",
    "Variant",
    "compare",
    "comparison_table",
    "load_model",
    "load_record",
    "network_for",
    "paper_row",
    "paper_settings",
    "paper_tables",
    "parse_variant",
    "recipe_for",
    "run",
]
