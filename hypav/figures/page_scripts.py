"""The explorers of an HTML page: one inline script, and a policy that lets this script and no other run.

The script holds the modules and the states of the page's explorers, so its digest covers both. An output or a text
cannot change what it does. Where no script runs, the picture stays.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from hypav.figures.explorer import common_source, module_source, stored_explorer

# every explorer is a module of its own; one that fails leaves its picture
_START = """
for (const [id, name, state] of EXPLORERS) {
  const place = document.getElementById(id);
  try {
    const el = document.createElement("div");
    MODULES[name].render({ model: { get: () => state }, el });
    place.replaceChildren(el);
  } catch (error) {
    console.warn(`The explorer ${name} does not run: ${error}`);
  }
}
"""


def add_explorers(page: Any, notebook: Any, policy: str) -> str:
    """Put the notebook's explorers into its page, and return the policy with the digest of their script.

    Args:
        page: the page as BeautifulSoup; it is changed. Its pictures are those of the notebook's outputs.
        policy: the Content-Security-Policy without scripts. The page's own policy is replaced.

    Returns:
        The policy of the page, unchanged if the notebook has no explorer.
    """
    places = []
    for number, (png, name, state) in enumerate(_explorers(notebook), 1):
        picture = page.find("img", src=f"data:image/png;base64,{png}")
        if picture is None:
            continue
        place = picture.find_parent("figure") or picture
        identifier = f"explorer-{number}"
        place = place.wrap(page.new_tag("div", attrs={"class": "explorer", "id": identifier}))
        if picture.get("alt"):
            words, summary, text = (page.new_tag(tag) for tag in ("details", "summary", "p"))
            words["class"] = "words"
            summary.string, text.string = "The figure in words", picture["alt"]
            words.extend([summary, text])
            place.append(words)
        places.append([identifier, name, state])
    if not places:
        return policy
    script = page.new_tag("script", attrs={"type": "module"})
    script.string = _script(places)
    page.body.append(script)
    digest = base64.b64encode(hashlib.sha256(script.string.encode()).digest()).decode()
    policy = f"{policy}; script-src 'sha256-{digest}'"
    for meta in page.find_all("meta", attrs={"http-equiv": "Content-Security-Policy"}):
        meta["content"] = policy
    return policy


def _explorers(notebook: Any) -> Iterator[tuple[str, str, Any]]:
    """The picture, the module and the state of each explorer."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            stored, picture = stored_explorer(output), output.get("data", {}).get("image/png")
            if stored is not None and picture:
                yield picture.replace("\n", ""), *stored


def _script(places: list[list[Any]]) -> str:
    modules = [
        f"MODULES[{json.dumps(name)}] = (() => {{\n{as_function(name)}\n}})();"
        for name in sorted({name for _, name, _ in places})
    ]
    # a state cannot end the script: it holds no "<"
    states = json.dumps(places, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    return "\n".join(
        [common_source(), "const MODULES = {};", *modules, f"const EXPLORERS = {states};{_START}"]
    )


def as_function(name: str) -> str:
    """The module as the body of a function that returns what the module exports."""
    return module_source(name).replace("export default ", "return ", 1)
