"""The stamp: a file on the host that says what was deployed."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from pyinfra import host

from torchrack.context import current_host
from torchrack.facts.gather import gather
from torchrack.facts.stamp import STAMP, InstalledVersions
from torchrack.operations import files
from torchrack.operations.guard import Commands, operation
from torchrack.settings import Settings
from torchrack.stamp import content as stamp
from torchrack.stamp import origin as stamp_origin


@operation
def deployed(*, settings: Settings, repository: Path) -> Commands:
    """Write down what was deployed, if this run changed the host or the stamp says otherwise.

    Args:
        settings: the host's settings.
        repository: the folder of ``deploy.py``.
    """
    installed = gather(InstalledVersions)
    wanted = stamp.content(
        settings,
        installed,
        commit=stamp_origin.commit(repository),
        torchrack=stamp_origin.torchrack_version(),
    )
    if stamp.is_current(installed.stamp, wanted) and not _changed_by_this_run():
        host.noop(f"{STAMP} says what is deployed")
        return
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    yield from files.put._inner(
        dest=STAMP, content=stamp.text(wanted, who=stamp_origin.person(), when=when)
    )


def _changed_by_this_run() -> bool:
    """Whether an earlier operation of this run changed the host (in a dry run: would change it)."""
    metas = [data.operation_meta for data in host.state.ops[current_host()].values()]
    return any(
        meta.executed or (not meta.is_complete() and meta._maybe_is_change) for meta in metas
    )
