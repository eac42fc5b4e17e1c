"""One run at a time, where a fleet's files are read, changed and written."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL = 0.1
"""Seconds between two looks at a lock that another run holds."""


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep other runs of this program from changing files of a folder at the same time.

    The lock is on the folder itself: no file is left behind, and the kernel lets go of it when the
    process ends, however it ends.

    Args:
        folder: the folder, made where it is missing.

    Raises:
        OSError: it can't be made or read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Not a call that waits: under gevent it would stop all hosts of this run, and Ctrl-C.
        while not _taken(descriptor):
            time.sleep(POLL)
        yield
    finally:
        # gevent's close comes when its loop turns; until then it would be ours.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
