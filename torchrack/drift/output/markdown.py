"""A check as Markdown: for a ticket, a chat, or the summary of a CI job."""

from __future__ import annotations

from collections.abc import Mapping

from torchrack.drift.history import Seen
from torchrack.drift.model import SEVERITIES
from torchrack.drift.verdict import WORDS, verdict
from torchrack.drift.waivers import Waived


def render(checked: Waived, seen: Mapping[tuple[str, str], Seen]) -> str:
    """Return the text.

    Args:
        checked: the result of a check, with its waivers.
        seen: host and id of a finding to what the history knows of it.
    """
    result = checked.result
    when = result.started.strftime("%Y-%m-%d %H:%M UTC")
    lines = [f"# {result.fleet}: {WORDS[verdict(checked)]}", ""]
    lines += [f"{len(result.hosts)} host(s) checked on {when}. Nothing on them was changed.", ""]
    found = sorted(result.findings, key=lambda one: (SEVERITIES.index(one.severity), one.host))
    if found:
        lines += ["| host | class | severity | since | finding | expected | found | fix |"]
        lines += ["|" + "---|" * 8]
    for one in found:
        known = seen.get((one.host, one.id))
        first = one.when or (known.first if known else None)
        since = first.strftime("%Y-%m-%d") if first else ""
        since += f" by {one.who}" if one.who else ""
        waiver = checked.waiver(one)
        fix = f"waived by {waiver.owner} until {waiver.expires}" if waiver else one.fix
        cells = (one.host, one.kind, one.severity, since, f"{one.what} (`{one.id}`)")
        row = [*cells, one.expected, one.actual, fix]
        lines.append("| " + " | ".join(map(_cell, row)) + " |")
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
