"""The course's notebooks: their template, the gate they must pass, and how they are executed and compared.

`python -m hypav.notebooks` executes and normalises them; with `--check` it compares without writing, with `--html
FOLDER` it writes pages for the browser.
"""

from hypav.notebooks.execute import execute, normalise
from hypav.notebooks.gate import problems
from hypav.notebooks.pages import html_page, write_pages
from hypav.notebooks.strict import strict_nbval

__all__ = ["execute", "html_page", "normalise", "problems", "strict_nbval", "write_pages"]
