"""What running containers have mounted from the host, compared with what the host has there now.

A bind mount is of what lay at its source when the container started: a share that is mounted
later, or anew, does not get in, and one that went away stays in it, dead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from torchrack.drift.model import Finding
from torchrack.drift.probes.subject import Subject
from torchrack.settings.workloads import Workload
from torchrack.workloads.mounts import mount_command
from torchrack.workloads.workload import unit_name

_OCTAL = re.compile(r"\\([0-7]{3})")
_ACTUAL = {
    "other": "what lay there when it started, which is not what the host has there now",
    "later": "nothing of what the host has mounted since on {path}",
    "gone": "still what the host had mounted on {path}, and has not any more",
    "away": "something else: {path} is not mounted on the host, or not any more",
    "hangs": "not known: {path} does not answer on the host",
}
_EXPECTED = "what the host has there"


def judge(subject: Subject, workload: Workload, words: Sequence[str]) -> Iterator[Finding]:
    """Yield the finding of a bind mount that is not of what its source is now.

    Args:
        subject: the host.
        workload: the workload.
        words: source, target, and what is wrong: a word of :data:`_ACTUAL`, with a path where it
            is about one.

    Raises:
        ValueError: other words.
    """
    source, target, what = words
    kind, _, rest = what.partition(" ")
    if kind not in _ACTUAL:
        raise ValueError(what)
    path = _OCTAL.sub(lambda found: chr(int(found[1], 8)), rest)
    where = {"away": path, "hangs": source}.get(kind, source + path)
    restart = f"sudo systemctl restart {unit_name(workload.name)}"
    fixes = {
        "away": f"{mount_command(where)} && {restart}",
        "hangs": "see that the server of the share answers",
    }
    yield subject.finding(
        f"container:{workload.name}.mount-{target}",
        f"What {workload.name} has mounted from {source}",
        expected=_EXPECTED,
        actual=_ACTUAL[kind].format(path=where),
        fix=fixes.get(kind, f"{restart}, which takes what is there now"),
    )
