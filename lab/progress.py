"""Lines that say what a lab command does, and how long each step took."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Prints one line a finished step, from any thread, with the time since the start."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._start = time.monotonic()
        self._lock = threading.Lock()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Print `what` when the block has ended, with the seconds it took."""
        begin = time.monotonic()
        yield
        self.say(f"{what} [dim]({time.monotonic() - begin:.1f} s)[/dim]")

    def say(self, text: str) -> None:
        """Print `text` after the seconds since the command began."""
        with self._lock:
            self._console.print(
                f"[dim]{time.monotonic() - self._start:6.1f} s[/dim]  {text}", soft_wrap=True
            )
