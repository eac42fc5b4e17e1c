"""A check's result for people: a line when all is well, a table of findings when not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from torchrack.drift.history import Seen
from torchrack.drift.model import SEVERITIES, Finding, HostResult
from torchrack.drift.waivers import Waived

_HEADINGS = ("Host", "Class", "Severity", "Since", "What", "Expected", "Found", "What mends it")
_STYLES = {
    "security": "bold red",
    "outage": "bold red",
    "compat": "bold yellow",
    "capacity": "yellow",
    "cosmetic": "dim",
}


def render(checked: Waived, seen: Mapping[tuple[str, str], Seen]) -> RenderableType:
    """Return the result for a console.

    Args:
        checked: the result of a check, with its waivers.
        seen: host and id of a finding to what the history knows of it.
    """
    result = checked.result
    found = [one for one in result.findings if checked.waiver(one) is None]
    waived = len(result.findings) - len(found)
    seconds = (result.finished - result.started).total_seconds()
    hosts = f"{len(result.hosts)} host{'' if len(result.hosts) == 1 else 's'}"
    if not found:
        rest = f"{waived} waived, nothing else differs" if waived else "nothing differs"
        return Text(f"In sync: {hosts} checked in {seconds:.1f} s, {rest}.", "green")
    parts: list[RenderableType] = [_table(found, seen)]
    parts += [Text(f"\n{one.id} on {one.host}:\n{one.diff}") for one in found if one.diff]
    parts += [Text(line) for line in _since(result.hosts)]
    counts = Counter[str](finding.kind for finding in found)
    counts["waived"] += waived
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    parts.append(Text(f"\n{hosts} checked in {seconds:.1f} s: {told}. Nothing was changed."))
    return Group(*parts)


def _table(found: list[Finding], seen: Mapping[tuple[str, str], Seen]) -> Table:
    table = Table(show_lines=True)
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for one in sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.host)):
        severity = Text(one.severity, _STYLES[one.severity])
        what = f"{one.what}\n{one.id}"
        since = _since_when(one, seen.get((one.host, one.id)))
        row = (one.host, one.kind, severity, since, what, one.expected, one.actual, one.fix)
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def _since_when(finding: Finding, seen: Seen | None) -> str:
    """When the host says it was changed, else when a check first saw it; and by whom."""
    words = [seen.first.strftime("%Y-%m-%d")] if seen else []
    if finding.when:
        words = [finding.when.strftime("%Y-%m-%d %H:%M")]
    words += ["flapping"] if seen and seen.flapping else []
    return ", ".join(words) + (f"\nby {finding.who}" if finding.who else "")


def _since(hosts: tuple[HostResult, ...]) -> list[str]:
    """When the hosts that differ were last deployed to, and by whom."""
    lines = []
    for host in hosts:
        if host.deployed and any(finding.kind == "drift" for finding in host.findings):
            lines.append(f"{host.name} drifted since the deploy {host.deployed.told}")
    return ["", *lines] if lines else []
