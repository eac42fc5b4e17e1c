"""One word for a check."""

from __future__ import annotations

from torchrack.drift.model import Result, Verdict

STATUS: dict[Verdict, int] = {"in_sync": 0, "drift": 2, "incomplete": 1}
"""The exit status by verdict."""


def verdict(result: Result) -> Verdict:
    """Return incomplete where anything could not be checked, drift where something differs.

    A host that was not checked must never look like one that is fine, so incomplete wins.
    """
    kinds = {finding.kind for host in result.hosts for finding in host.findings}
    if kinds & {"unknown", "unreachable"}:
        return "incomplete"
    return "drift" if kinds else "in_sync"
