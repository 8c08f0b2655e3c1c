"""Small files that must be whole and private: state, keys, the ready file."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from tradepit.protocol.errors import ConfigurationError


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace the file in one step, readable by its owner only, on disk when this returns."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(handle, mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # a full disk, or Ctrl-C: no half-written file stays behind
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, document: dict[str, Any]) -> None:
    write_private(path, json.dumps(document, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The document, or an empty one if there is no such file. Raises ConfigurationError if damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"cannot read {path}: it is not a JSON object")
    return document
