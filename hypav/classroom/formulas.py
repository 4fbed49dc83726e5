"""Markdown to HTML with the formulas as MathML, which browsers draw and screen readers read without any script."""

from __future__ import annotations

import re
import unicodedata
from html import escape

from bs4 import BeautifulSoup
from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from hypav.errors import DataError

__all__ = ["markdown_html", "mathml"]

# MathML Core knows no mathvariant but "normal": letters of another style are characters of their own
STYLES = {
    "bold": "MATHEMATICAL BOLD",
    "bold-italic": "MATHEMATICAL BOLD ITALIC",
    "double-struck": "MATHEMATICAL DOUBLE-STRUCK",
    "script": "MATHEMATICAL SCRIPT",
}


def markdown_html(text: str) -> str:
    """Markdown as a notebook writes it, as HTML.

    Raises:
        DataError: a formula uses a command that cannot be drawn.
    """
    return MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(text)


def mathml(latex: str, *, display: bool = False) -> str:
    r"""A formula as MathML, with the LaTeX as its alttext; a `\tag` stands beside it.

    Raises:
        DataError: it uses a command that cannot be drawn.
    """
    tag = re.search(r"\\tag\{([^}]*)\}", latex)
    plain = re.sub(r"\\tag\{[^}]*\}", "", latex)
    plain = re.sub(r"\\\\\s*\[[^\]]*\]", r"\\\\", plain)  # extra space between the rows of cases
    plain = re.sub(r"\\operatorname\*?|\\mathrm(?=\{\w\w+\})", r"\\text", plain)  # a name is one word
    plain = re.sub(r"\\arg(?![a-z])", r"\\text{arg}", plain).replace(r"\!", "")
    drawn = BeautifulSoup(convert(plain, display="block" if display else "inline"), "html.parser")
    unknown = [part.get_text() for part in drawn.find_all(["mi", "mo", "mtext"]) if "\\" in part.get_text()]
    if unknown:
        raise DataError(
            f"The formula {latex.strip()!r} uses {unknown[0]}, which cannot be drawn: write it otherwise."
        )
    for part in drawn.select(",".join(f"[mathvariant={style}]" for style in STYLES)):
        part.string = "".join(_styled(letter, str(part["mathvariant"])) for letter in part.get_text())
        del part["mathvariant"]
    for sign in drawn.find_all("mo"):
        if sign.get_text() in "|‖":  # without this a bar stands apart from what it encloses
            sign["lspace"] = sign["rspace"] = "0"
        before = sign.find_previous_sibling()
        if sign.get_text() in "−+" and before is not None and before.get_text() in tuple("=<>≤≥(,[≈→"):
            sign["form"] = "prefix"  # a sign, not a sum
    for name in drawn.find_all("mi"):
        following = name.find_next_sibling()
        if len(name.get_text()) > 1 and following is not None and following.get_text()[:1] not in "(,)":
            name.insert_after(drawn.new_tag("mspace", attrs={"width": "0.167em"}))  # ln 3, not ln3
    if drawn.math is not None:
        drawn.math["alttext"] = " ".join(latex.split())
    if not display:
        return str(drawn)
    number = f'<span class="number">({escape(tag.group(1))})</span>' if tag else ""
    return f'<div class="equation"><div class="scroll" tabindex="0">{drawn}</div>{number}</div>'


def _styled(letter: str, style: str) -> str:
    name = unicodedata.name(letter, "")
    words = name.replace("LATIN ", "").replace("LETTER ", "").replace("GREEK ", "")
    # some of the styles' letters are older than the block: ℍ, ℓ
    for found in (f"{STYLES[style]} {words}", f"{STYLES[style].removeprefix('MATHEMATICAL ')} {words}"):
        try:
            return unicodedata.lookup(found)
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
