"""How a healthy host is changed behind the deploy's back, and what the drift check makes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torchrack.drift.model import Class, Severity


@dataclass(frozen=True)
class Mutation:
    """One way to change a healthy host.

    Args:
        finding: id of the finding that tells of it; a pattern where the id has a host's own words.
        severity: the finding's.
        harm: shell script, run as root on the host.
        batch: those of a batch are tried together; they do not touch each other's ground.
        host: the host it is tried on.
        kind: the finding's class.
        mend: shell script in a person's stead, where no command could mend it: a GPU is exchanged,
            a file system gets larger; empty: the finding names a command, a deploy or one for the
            host, and that is run to the letter.
        clean: shell script that removes the harm's tools afterwards, which mends nothing.
        also: ids of further findings that tell of the same.
    """

    finding: str
    severity: Severity
    harm: str
    batch: str
    host: str = "gpu01"
    kind: Class = "drift"
    mend: str = ""
    clean: str = ""
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What pytest calls it."""
        return re.sub(r"[^\w.:/@*-]+", "-", f"{self.host}-{self.finding}")


def command_in(fix: str) -> str:
    """Return the command for the host that a finding's fix names; empty where it names none."""
    match = re.search(r"\bsudo .*?(?=, [a-z]|$)", fix)
    return match[0] if match else ""
