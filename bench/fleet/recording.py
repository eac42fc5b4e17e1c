"""What a deployed host answers to each script of a check, for the simulated ones to repeat."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from unittest.mock import patch

from torchrack.drift import check as checker
from torchrack.drift import memory
from torchrack.inventory import FleetHost
from torchrack.remote import Answer, Session

_MARK = re.compile(r"(?m)^mark=(==[0-9a-f]+)$")


def key(script: str) -> str:
    """Return the name of a script's answer: scripts differ by their mark alone."""
    text = _MARK.sub("", script).rstrip("\n") + "\n"  # as a shell's $(cat) has it
    return hashlib.sha256(text.encode()).hexdigest()


def record(host: FleetHost, deploy_file: Path, folder: Path) -> int:
    """Check a host, first with nothing remembered and then again; keep its answers in a folder.

    Args:
        host: one that is in sync.
        deploy_file: the deploy file.
        folder: where a file an answer is written to.

    Returns:
        How many bytes the last answer has.
    """
    size = 0
    run = Session.run

    def kept(session: Session, text: str, *, seconds: int = 60) -> Answer:
        nonlocal size
        answer = run(session, text, seconds=seconds)
        (mark,) = _MARK.findall(text)
        body = "\n".join(answer.out).replace(mark, "@MARK@") + "\n"
        (folder / key(text)).write_text(body, encoding="utf-8")
        size = len(body.encode())
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
    return size
