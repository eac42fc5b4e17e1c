"""What the running Docker daemon says of itself, whatever its file says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from torchrack.drift.model import Finding
from torchrack.drift.probes.stopping import undo
from torchrack.drift.probes.subject import Subject

CDI = "/var/run/cdi"
"""Where the toolkit's spec lies."""


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each property that the daemon does not have as declared.

    Args:
        lines: of ``docker info --format '{{json .}}'``, and "override FILE" for each drop-in
            that starts dockerd in another way.
        subject: the host.

    Raises:
        ValueError: it is no such answer, or the daemon gave none.
    """
    overrides = [one.partition(" ")[2] for one in lines if one.startswith("override ")]
    info = json.loads("\n".join(one for one in lines if not one.startswith("override ")))
    if not isinstance(info, dict) or info.get("ServerErrors") or "ServerVersion" not in info:
        raise ValueError("no answer from dockerd")
    wanted = _wanted(subject)
    found = _found(info)
    for name in wanted:
        if found[name] != wanted[name]:
            yield subject.finding(
                f"docker:{name}",
                "What the running Docker daemon says of itself",
                expected=f"{name}: {wanted[name]}",
                actual=found[name],
                fix=f"{undo(overrides)}, as it runs with something else than "
                "/etc/docker/daemon.json says",
            )


def _wanted(subject: Subject) -> dict[str, str]:
    docker = subject.settings.docker
    return {
        "log-driver": docker.log_driver,
        "live-restore": _on(docker.live_restore),
        "no-new-privileges": _on(docker.no_new_privileges),
        "seccomp": "on",
        "cdi": "on",
        "address-pools": ", ".join(docker.address_pools) or "Docker's own",
    }


def _found(info: dict[str, Any]) -> dict[str, str]:
    options = [str(option) for option in info.get("SecurityOptions") or ()]
    seccomp = [option for option in options if "name=seccomp" in option]
    pools = [str(pool.get("Base")) for pool in info.get("DefaultAddressPools") or ()]
    return {
        "log-driver": str(info.get("LoggingDriver")),
        "live-restore": _on(info.get("LiveRestoreEnabled") is True),
        "no-new-privileges": _on(any("no-new-privileges" in option for option in options)),
        "seccomp": _on(bool(seccomp) and "unconfined" not in seccomp[0]),
        "cdi": _on(CDI in (info.get("CDISpecDirs") or ())),
        "address-pools": ", ".join(pools) or "Docker's own",
    }


def _on(value: bool) -> str:
    return "on" if value else "off"
