"""What people did as root, out of the log of sudo, su and sshd."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

_LINE = re.compile(r"(?P<at>\d+\.\d+) \S+ (?P<program>[\w-]+)\[(?P<pid>\d+)\]: +(?P<text>.*)")
_SUDO = re.compile(r"(?P<user>\S+) : .*?USER=\S+ ;.*?COMMAND=(?P<command>.*)")
_OPENED = re.compile(
    r"pam_unix\(\S+:session\): session opened for user (?P<to>[^\s(]+)\S* by "
    r"(?P<by>[^\s(]*)"
)
_ACCEPTED = re.compile(r"Accepted \S+ for (?P<user>\S+) from (?P<address>\S+) ")


@dataclass(frozen=True)
class Act:
    """A time that somebody was root.

    Args:
        who: the account that became root.
        how: by what ("sudo /usr/bin/vim"), for people: never with arguments, which can be secret.
        begun: when.
        command: the whole command, empty for a shell; to look for names in, never shown.
        ended: when; None: it goes on, or nobody knows.
    """

    who: str
    how: str
    begun: dt.datetime
    command: str = ""
    ended: dt.datetime | None = None

    @property
    def told(self) -> str:
        """Who it was, for people."""
        return f"{self.who} ({self.how})"

    def ended_before(self, moment: dt.datetime, slack: dt.timedelta) -> bool:
        """Whether it was over by then."""
        return self.ended is not None and self.ended + slack < moment


def acts(lines: Iterable[str]) -> list[Act]:
    """Return who was root when, in the order of the log.

    Args:
        lines: of journalctl -o short-unix; others are passed over.
    """
    found: dict[tuple[str, str], Act] = {}
    done: list[Act] = []
    addresses: dict[str, str] = {}
    for match in filter(None, map(_LINE.match, lines)):
        at = dt.datetime.fromtimestamp(float(match["at"]), dt.timezone.utc)
        key, text = (match["program"], match["pid"]), match["text"]
        if accepted := _ACCEPTED.match(text):
            addresses[match["pid"]] = accepted["address"]
        elif sudo := _SUDO.match(text):
            program = sudo["command"].split(" ", 1)[0]
            found[key] = Act(sudo["user"], f"sudo {program}", at, sudo["command"])
        elif opened := _OPENED.match(text):
            act = _shell(match["program"], match["pid"], opened, addresses, at)
            if act is not None:
                found.setdefault(key, act)
        elif "session closed for user" in text and key in found:
            done.append(replace(found.pop(key), ended=at))
    return sorted([*done, *found.values()], key=lambda act: act.begun)


def _shell(
    program: str, pid: str, opened: re.Match[str], addresses: dict[str, str], at: dt.datetime
) -> Act | None:
    """A login as root, or su; a login of somebody else is no act."""
    if opened["to"] != "root":
        return None
    if program.startswith("sshd"):
        return Act("root", f"ssh from {addresses.get(pid, 'somewhere')}", at)
    return Act(opened["by"] or "somebody", program, at) if program == "su" else None
