"""A run as it goes: a line a change and a stage, and a moving bar on a terminal."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from torchrack.runner.model import Change, Failure
from torchrack.runner.output import line


class Show:
    """Shows a run on a console.

    Args:
        console: where to; without colour and bar where it is no terminal.
        hosts: how many take part.
        stages: the stages that are run, in order.
    """

    def __init__(self, console: Console, hosts: int, stages: tuple[str, ...]) -> None:
        self._console = console
        self._stages = stages
        self._planned = 0
        self._stage = ""
        self._begun = time.monotonic()
        self._changes = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("Connecting, and reading facts", total=hosts)

    def __enter__(self) -> Show:
        self._progress.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._end_stage()
        self._progress.stop()

    def planned(self, host: str) -> None:
        """A host's operations are known."""
        self._planned += 1
        self._progress.update(self._task, completed=self._planned)

    def began(self, stage: str, operation: str) -> None:
        """Show where the run is; a stage that is over gets its line."""
        if stage != self._stage:
            self._end_stage()
            self._stage, self._begun, self._changes = stage, time.monotonic(), 0
        done = self._stages.index(stage) if stage in self._stages else 0
        self._progress.update(
            self._task,
            description=f"{stage} | {operation}"[:70],
            completed=done,
            total=len(self._stages),
        )

    def changed(self, change: Change) -> None:
        """Print a change."""
        self._changes += 1
        self._console.print(line(change), soft_wrap=True)

    def failed(self, failure: Failure) -> None:
        """Print why a host is out."""
        where = " | ".join(filter(None, (failure.stage, failure.operation)))
        text = Text(f"{failure.host}: {where}: {failure.message}", "red")
        self._console.print(text, soft_wrap=True)

    def said(self, message: str) -> None:
        """Print what an operation has to say."""
        self._console.print(Text.from_ansi(message), soft_wrap=True)

    def pause(self) -> None:
        """Stop the bar while a person is asked."""
        self._progress.stop()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._progress.start()

    def _end_stage(self) -> None:
        if self._stage:
            changes = f"{self._changes} changed" if self._changes else "nothing to change"
            seconds = time.monotonic() - self._begun
            self._console.print(Text(f"{self._stage}: {changes}, {seconds:.1f} s", "dim"))
        self._stage = ""
