"""One word for a check."""

from __future__ import annotations

from torchrack.drift.model import Verdict
from torchrack.drift.waivers import Waived

STATUS: dict[Verdict, int] = {"in_sync": 0, "drift": 2, "incomplete": 1}
"""The exit status by verdict."""
WORDS: dict[Verdict, str] = {
    "in_sync": "in sync",
    "drift": "drift",
    "incomplete": "could not be checked whole",
}
"""A verdict for people."""


def verdict(checked: Waived) -> Verdict:
    """Return incomplete where anything could not be checked, drift where something differs.

    What is waived does not count. A host that was not checked must never look like one that is
    fine, so incomplete wins.
    """
    kinds = {one.kind for one in checked.result.findings if checked.waiver(one) is None}
    if kinds & {"unknown", "unreachable"}:
        return "incomplete"
    return "drift" if kinds else "in_sync"
