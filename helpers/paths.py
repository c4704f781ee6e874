"""Where things lie: found from this file, so the folder of the caller never matters."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """Folder of data sets brought by the user: `$HELPERS_DATA`, else `data/` of the project."""
    return Path(os.environ.get("HELPERS_DATA", ROOT / "data")).expanduser().resolve()


def outputs_dir() -> Path:
    """Folder of all that is made: `$HELPERS_OUTPUTS`, else `outputs/` of the project."""
    return Path(os.environ.get("HELPERS_OUTPUTS", ROOT / "outputs")).expanduser().resolve()


def resolve(path: str | Path) -> Path:
    """An absolute path stays; `outputs/...` and `data/...` follow the folders above; the rest is
    relative to the project root."""
    path = Path(path).expanduser()
    if path.is_absolute():
        return path
    first, *rest = path.parts or ("",)
    bases = {"outputs": outputs_dir, "data": data_dir}
    return bases[first]().joinpath(*rest) if first in bases else ROOT / path
