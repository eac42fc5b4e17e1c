"""What a deployed host answers to each script of a check, for the simulated ones to repeat.

Each simulated host has GPUs and a boot of its own: their UUIDs differ, as those of real hosts do.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from pathlib import Path
from unittest.mock import patch

from torchrack.drift import check as checker
from torchrack.drift import memory
from torchrack.inventory import FleetHost
from torchrack.remote import Answer, Session

_MARK = re.compile(r"(?m)^mark=(==[0-9a-f]+)\n")
_UUID = re.compile(r"GPU-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_BOOT = re.compile(r"(?m)^(boot=)(\S+)")
_SPEC = re.compile(r"(?m)^spec=([A-Za-z0-9+/]+=*)$")


def key(script: str) -> str:
    """Return the name of a script's answer: scripts differ by their mark alone."""
    text = _MARK.sub("", script).rstrip("\n") + "\n"  # as a shell's $(cat) has it
    return hashlib.sha256(text.encode()).hexdigest()


def record(host: FleetHost, deploy_file: Path) -> tuple[dict[str, str], str]:
    """Check a host, first with nothing remembered and then again, and keep its answers.

    Args:
        host: one that is in sync.
        deploy_file: the deploy file.

    Returns:
        Name to answer, with ``@MARK@`` for the mark; and the last script.
    """
    answers: dict[str, str] = {}
    last = ""
    run = Session.run

    def kept(session: Session, text: str, *, seconds: int = 60) -> Answer:
        nonlocal last
        answer = run(session, text, seconds=seconds)
        (mark,) = _MARK.findall(text)
        answers[key(text)] = "\n".join(answer.out).replace(mark, "@MARK@") + "\n"
        last = text
        return answer

    remembered: dict[str, object] = {}
    with (
        patch.object(Session, "run", kept),
        patch.object(memory, "recall", lambda _: remembered),
        patch.object(memory, "remember", lambda _, asked: remembered.update(asked)),
    ):
        for _ in range(2):
            result = checker.check([host], deploy_file, inventory="bench")
            if result.findings:
                raise SystemExit(f"{host.name} is not in sync: deploy to it first")
    return answers, last


def varied(answer: str, address: str) -> str:
    """Return the answer of another host: other UUIDs of GPUs, in its CDI spec too, and its boot.

    Args:
        answer: a recorded one.
        address: the host's, which makes them its own.
    """

    def other(match: re.Match[str]) -> str:
        return f"GPU-{uuid.uuid5(uuid.UUID(match[1]), address)}"

    def spec(match: re.Match[str]) -> str:
        text = base64.b64decode(match[1]).decode()
        return f"spec={base64.b64encode(_UUID.sub(other, text).encode()).decode()}"

    def boot(match: re.Match[str]) -> str:
        return f"{match[1]}{uuid.uuid5(uuid.UUID(match[2]), address)}"

    return _BOOT.sub(boot, _SPEC.sub(spec, _UUID.sub(other, answer)))
