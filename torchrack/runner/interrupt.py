"""Ctrl-C where gevent runs: it ends the run, not whatever greenlet happens to be at work."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent


@contextmanager
def interruptible() -> Iterator[None]:
    """Have SIGINT and SIGTERM raise KeyboardInterrupt here, not in whatever host's greenlet runs.

    Not while a person is asked: there gevent's loop, which brings it here, does not turn.
    """
    here, loop = gevent.getcurrent(), gevent.get_hub().loop

    def interrupt(_number: int, _frame: Any) -> None:
        # Paramiko's destructors wait for locks; in gevent's loop, where the greenlets of hosts are
        # thrown away, they can't, and would each print a traceback.
        sys.unraisablehook = lambda _: None
        loop.run_callback(here.throw, KeyboardInterrupt)

    before = {one: signal.signal(one, interrupt) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
