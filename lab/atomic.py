"""Files that appear whole or not at all."""

import os
import tempfile
from pathlib import Path


def write(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write `content` to `path` with `mode`, beside it first and then renamed over it."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
