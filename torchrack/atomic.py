"""Files on this machine that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Write a file beside its place and rename it, so that no reader ever sees a part.

    Args:
        path: where it goes; its folder is made where it is missing.
        content: the whole text, written as UTF-8.
        mode: permission bits, there from the first byte.

    Raises:
        OSError: the folder can't be written; what was there before is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
