"""One nightly check of a fleet at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torchrack.errors import TorchrackError


class BusyError(TorchrackError):
    """Another process is at work."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file; the kernel lets go of it when the process ends, however it ends.

    Args:
        path: the lock file; its folder is made where it is missing.

    Raises:
        BusyError: another process holds it.
        TorchrackError: it can't be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise TorchrackError(f"{path} can't be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read(20).strip() or "unknown"
            raise BusyError(
                f"another nightly check of this fleet is running (process {holder}): "
                "wait for it, or see why it takes so long"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
