"""The Markdown of a notebook as HTML, with formulas as MathML, which browsers draw without a script."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from html import escape

from hypav.errors import DataError, SettingError

try:
    from bs4 import BeautifulSoup
    from latex2mathml.converter import convert
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
except ImportError as error:
    raise SettingError(
        f"The course needs {error.name}, which is not installed: pip install 'hypav[course]'."
    ) from None

# MathML Core knows only mathvariant="normal": bold and script letters are separate characters
_STYLES = {
    "bold": "MATHEMATICAL BOLD",
    "bold-italic": "MATHEMATICAL BOLD ITALIC",
    "double-struck": "MATHEMATICAL DOUBLE-STRUCK",
    "script": "MATHEMATICAL SCRIPT",
}


@lru_cache(4096)  # pages with and without solutions share most of their text
def markdown_html(text: str) -> str:
    """The Markdown of a notebook as HTML, with formulas as MathML, which browsers draw without a script.

    Raises:
        DataError: a formula uses a command that cannot be drawn.
    """
    return MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(text)


def mathml(latex: str, *, display: bool = False) -> str:
    r"""A formula as MathML, with the LaTeX as its alttext. The number of a `\tag` is set next to it.

    Raises:
        DataError: the formula uses a command that cannot be drawn.
    """
    tag = re.search(r"\\tag\{([^}]*)\}", latex)
    plain = re.sub(r"\\tag\{[^}]*\}", "", latex)
    plain = re.sub(r"\\\\\s*\[[^\]]*\]", r"\\\\", plain)  # extra space between the rows of cases
    plain = re.sub(r"\\operatorname\*?|\\mathrm(?=\{\w\w+\})", r"\\text", plain)  # a name is one word
    plain = re.sub(r"\\arg(?![a-z])", r"\\text{arg}", plain).replace(r"\!", "")
    formula = BeautifulSoup(convert(plain, display="block" if display else "inline"), "html.parser")
    unknown = [part.get_text() for part in formula.find_all(["mi", "mo", "mtext"]) if "\\" in part.get_text()]
    if unknown:
        raise DataError(
            f"The formula {latex.strip()!r} uses {unknown[0]}, which cannot be drawn. Write it in another way."
        )
    for part in formula.select(",".join(f"[mathvariant={style}]" for style in _STYLES)):
        part.string = "".join(_styled(letter, str(part["mathvariant"])) for letter in part.get_text())
        del part["mathvariant"]
    for sign in formula.find_all("mo"):
        if sign.get_text() in "|‖":  # without this there is a gap between a bar and what it encloses
            sign["lspace"] = sign["rspace"] = "0"
        before = sign.find_previous_sibling()
        if sign.get_text() in "−+" and before is not None and before.get_text() in tuple("=<>≤≥(,[≈→"):
            sign["form"] = "prefix"  # a sign, not a sum
    for name in formula.find_all("mi"):
        following = name.find_next_sibling()
        if len(name.get_text()) > 1 and following is not None and following.get_text()[:1] not in "(,)":
            name.insert_after(formula.new_tag("mspace", attrs={"width": "0.167em"}))  # ln 3, not ln3
    if formula.math is not None:
        formula.math["alttext"] = " ".join(latex.split())
    if not display:
        return str(formula)
    number = f'<span class="number">({escape(tag.group(1))})</span>' if tag else ""
    return f'<div class="equation"><div class="scroll" tabindex="0">{formula}</div>{number}</div>'


def _styled(letter: str, style: str) -> str:
    words = unicodedata.name(letter, "").replace("LATIN ", "").replace("LETTER ", "").replace("GREEK ", "")
    # some letters, such as ℍ and ℓ, are older than the block and have a shorter name
    for name in (f"{_STYLES[style]} {words}", f"{_STYLES[style].removeprefix('MATHEMATICAL ')} {words}"):
        try:
            return unicodedata.lookup(name)
        except KeyError:
            continue
    return letter


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return mathml(body, display=True)

    def inline_math(self, body: str) -> str:
        return mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", display=True)
