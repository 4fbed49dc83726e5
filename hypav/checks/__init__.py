"""Checks of the exercises, one module per notebook. A check names the mistake in a wrong answer."""
