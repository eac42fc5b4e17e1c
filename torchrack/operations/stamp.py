"""The stamp: a file on the host that says what was deployed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pyinfra import host

from torchrack.context import current_host
from torchrack.difference import differs
from torchrack.facts.files import Files
from torchrack.facts.gather import gather
from torchrack.facts.stamp import InstalledVersions
from torchrack.line import host_key
from torchrack.operations import files
from torchrack.operations.declared import noted
from torchrack.operations.guard import Commands, operation
from torchrack.settings import Settings
from torchrack.stamp import STAMP
from torchrack.stamp import content as stamp
from torchrack.stamp import origin as stamp_origin
from torchrack.survey import survey

_OWNERSHIP = ("644", "root", "root")
NAME = "Write down what was deployed"
"""The operation's name; it does not write down itself."""


@operation
def deployed(*, settings: Settings, repository: Path) -> Commands:
    """Write down what was deployed, if this run changed the host or the stamp says otherwise.

    Args:
        settings: the host's settings.
        repository: the folder of ``deploy.py``.
    """
    installed = gather(InstalledVersions)
    file = gather(Files, paths=[STAMP])[STAMP]
    wanted = stamp.content(
        settings,
        installed,
        commit=stamp_origin.commit(repository),
        torchrack=stamp_origin.torchrack_version(),
        operations=_operations(installed.stamp),
    )
    private = file is None or (file.mode, file.owner, file.group) == _OWNERSHIP
    if stamp.is_current(installed.stamp, wanted) and private and not _changed_by_this_run():
        host.noop(f"{STAMP} says what is deployed")
        return
    _tell(installed.stamp, wanted)
    if file and not private:
        expected = " ".join(_OWNERSHIP)
        differs(f"file:{STAMP}", "mode", expected=expected, actual=f"{file.mode} {file.owner}")
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    yield from files.put._inner(
        dest=STAMP,
        content=stamp.text(wanted, who=stamp_origin.person(), when=when, server=_server()),
        report=False,  # another commit or time is no difference of the host
    )


def _server() -> str:
    """Which server this is, and the host key that let this run in; empty where it is not known.

    A server can be known by several keys, and its other names by the others.
    """
    key = host_key(current_host())
    return f"{survey().hardware} {key}" if key else ""


def _operations(found: str) -> dict[str, str]:
    """The hashes of this run's operations; a run of some stages keeps those of the others."""
    now = {name: digest for name, digest in noted(current_host()).items() if name != NAME}
    kept = stamp.value(found, "operations") if host.data.get("only") else None
    return {**kept, **now} if isinstance(kept, dict) else now


def _tell(found: str, wanted: Mapping[str, Any]) -> None:
    """Say what of the stamp is not true any more, for reports.

    Commit, settings and images are not: what they change on the host other operations say.
    """
    if stamp.value(found, "operations") is not None and not stamp.is_genuine(found):
        expected = "as a deploy wrote it"
        differs(f"file:{STAMP}", "content", expected=expected, actual="edited since")
    then, now = stamp.value(found, "versions"), wanted["versions"]
    for name in now if isinstance(then, dict) else ():
        if now[name] != then.get(name):
            expected, actual = f"{then.get(name)}, as deployed", str(now[name])
            differs(f"file:{STAMP}", f"versions.{name}", expected=expected, actual=actual)


def _changed_by_this_run() -> bool:
    """Whether an earlier operation of this run changed the host (in a dry run: would change it)."""
    metas = [data.operation_meta for data in host.state.ops[current_host()].values()]
    return any(
        meta.executed or (not meta.is_complete() and meta._maybe_is_change) for meta in metas
    )
