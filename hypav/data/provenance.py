"""Where written features come from: a small file beside them, so that simulated features stay called so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from hypav.data.features import FeatureSet
from hypav.errors import DataError
from hypav.files import write_json

__all__ = ["PROVENANCE_FILE", "Provenance", "read_provenance", "write_provenance"]

PROVENANCE_FILE = "hypav.json"


class Provenance(NamedTuple):
    name: str = ""
    source: str = ""
    simulated: bool = False


def read_provenance(folder: Path) -> Provenance:
    """What `write_provenance` left in a folder; nothing known where it left nothing.

    Raises:
        DataError: the file is there but damaged.
    """
    path = folder / PROVENANCE_FILE
    if not path.exists():
        return Provenance()
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        found = Provenance(value["name"], value["source"], value["simulated"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path}: the file is damaged ({type(error).__name__}); write the folder anew."
        ) from error
    if [type(part) for part in found] != [str, str, bool]:
        raise DataError(f"{path}: name and source must be text and simulated true or false.")
    return found


def write_provenance(data: FeatureSet, folder: Path) -> None:
    """Writes the name, the source and whether the features were simulated.

    Raises:
        RunError: the file cannot be written.
    """
    write_json(
        folder / PROVENANCE_FILE, {"name": data.name, "source": data.source, "simulated": data.simulated}
    )
