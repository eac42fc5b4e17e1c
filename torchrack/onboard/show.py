"""Newcomers on their way: a line a step that is over, and a moving bar each on a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from torchrack.onboard.model import Step, StepName, StepState
from torchrack.report import printable
from torchrack.runner.model import Change, Failure

_STYLES: dict[StepState, str] = {
    "done": "green",
    "already": "green",
    "planned": "cyan",
    "failed": "bold red",
    "left": "yellow",
}
_WIDEST = 60
"""Characters of what stands beside a bar."""


class Show:
    """Shows newcomers on a console.

    Args:
        console: where to; without colour and bars where it is no terminal.
        hosts: their names.
        steps: how many steps each has to take.
    """

    def __init__(self, console: Console, hosts: Sequence[str], steps: int) -> None:
        self._console = console
        self._width = max(map(len, hosts), default=0)
        self._at: dict[str, StepName | None] = dict.fromkeys(hosts)
        self._noted = dict.fromkeys(hosts, "")
        self._stage = ""
        self._begun = time.monotonic()
        self._changes = 0
        self._progress = Progress(
            TextColumn("{task.fields[host]}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks = {
            host: self._progress.add_task("", total=steps, host=host.ljust(self._width))
            for host in hosts
        }

    def __enter__(self) -> Show:
        self._progress.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def pause(self) -> None:
        """Stop the bars while a person is asked."""
        self._progress.stop()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._progress.start()

    def step(self, host: str, name: StepName) -> None:
        """Show which step a newcomer has come to."""
        self._at[host] = name
        self._describe(host, name)

    def note(self, host: str, text: str) -> None:
        """Show what a step says; where there are no bars, a count gets one line."""
        self._describe(host, f"{self._at[host]}: {text}")
        words = re.sub(r"\d+", "", text)
        if self._progress.disable and self._noted[host] != words:
            said = printable(text)
            said.stylize("dim")
            self._line(host, str(self._at[host]), said)
        self._noted[host] = words

    def ended(self, host: str, step: Step) -> None:
        """Print what came of a step."""
        if step.name == "deploy":
            self._end_stage()
        self._progress.advance(self._tasks[host])
        said = Text.assemble((f"{step.state:<8}", _STYLES[step.state]), f"{step.seconds:6.1f} s  ")
        self._line(host, step.name, said + printable(step.said))

    def planned(self, host: str) -> None:
        """A deploy knows a host's operations."""
        self._describe(host, "deploy: planned")

    def began(self, stage: str, operation: str) -> None:
        """Show where the deploy is; a stage that is over gets its line."""
        if stage != self._stage:
            self._end_stage()
            self._stage, self._begun, self._changes = stage, time.monotonic(), 0
        for host, at in self._at.items():
            if at == "deploy":
                self._describe(host, f"deploy: {stage} | {operation}")

    def changed(self, change: Change) -> None:
        """Count a change."""
        self._changes += 1

    def failed(self, failure: Failure) -> None:
        """Print why a host is out of the deploy."""
        where = " | ".join(filter(None, (failure.stage, failure.operation)))
        message = printable(f"{where}: {failure.message}")
        message.stylize("red")
        self._line(failure.host, "deploy", message)

    def said(self, message: str) -> None:
        """Print what an operation has to say."""
        self._console.print(Text.from_ansi(message), soft_wrap=True)

    def _describe(self, host: str, text: str) -> None:
        self._progress.update(
            self._tasks[host], description=escape(printable(text[:_WIDEST]).plain)
        )

    def _end_stage(self) -> None:
        if self._stage:
            changes = f"{self._changes} changed" if self._changes else "nothing to change"
            seconds = time.monotonic() - self._begun
            self._console.print(Text(f"deploy: {self._stage}: {changes}, {seconds:.1f} s", "dim"))
        self._stage = ""

    def _line(self, host: str, what: str, text: Text) -> None:
        head = Text(f"{host:<{self._width}}  {what:<10}")
        self._console.print(head + text, soft_wrap=True)
