"""What came of servers, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from torchrack.onboard.gpu_check import GpuCheck
from torchrack.onboard.model import Onboarded
from torchrack.onboard.pages.details import details_of
from torchrack.onboard.pages.words import VERDICTS, duration
from torchrack.report import printable, problems_table

_GPUS = "GPUs: PCI, host, container, PyTorch"
_STYLES = {"ready": "bold green", "not_ready": "bold red", "stopped": "cyan", "planned": "cyan"}


def render(results: Sequence[Onboarded]) -> RenderableType:
    """Return a table, a row a server, then what is in the way, and the next commands.

    Args:
        results: what came of each server.
    """
    table = Table(show_lines=False)
    for heading in ("Server", "Address", "Verdict", "Steps", _GPUS, "State tests", "Time"):
        table.add_column(heading, overflow="fold")
    for result in results:
        table.add_row(*_row(result))
    parts: list[RenderableType] = [table]
    problems = [p for result in results for step in result.steps for p in step.problems]
    if problems:
        parts += [Text(), problems_table("What is in the way", dict.fromkeys(problems))]
    commands = [(result.newcomer.name, result.next) for result in results if result.next]
    if commands:
        parts += [Text("\nNext:")] + [printable(f"  {name}: {text}") for name, text in commands]
    return Group(*parts)


def _row(result: Onboarded) -> tuple[Text, ...]:
    newcomer, details = result.newcomer, details_of(result)
    address = newcomer.address if newcomer.port == 22 else f"{newcomer.address}:{newcomer.port}"
    tests = details.state
    return (
        printable(newcomer.name),
        printable(address),
        Text(VERDICTS[result.verdict], _STYLES[result.verdict]),
        Text(_steps(result)),
        Text(_gpus(details.gpus) if details.gpus else ""),
        Text(f"{tests.passed} of {len(tests.tests)}" if tests else ""),
        Text(duration(sum(step.seconds for step in result.steps))),
    )


def _gpus(check: GpuCheck) -> str:
    counts = (check.on_pci, check.on_host, check.in_container, check.by_torch)
    told = ", ".join("?" if count is None else str(count) for count in counts)
    return f"{told} (built without CUDA)" if check.torch and not check.cuda else told


def _steps(result: Onboarded) -> str:
    """Return where it stands: the step that failed, or how many are true."""
    failed = [step.name for step in result.steps if step.state == "failed"]
    if failed:
        return f"failed: {', '.join(failed)}"
    true = sum(step.state in ("done", "already") for step in result.steps)
    return f"{true} of {len(result.steps)}"
