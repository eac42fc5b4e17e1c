"""States of a Docker daemon for the cases, with the units as Debian and Docker package them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torchrack.docker.engine import configuration
from torchrack.errors import Problem
from torchrack.facts.docker import DaemonState, Engine, Root
from torchrack.facts.survey import Survey
from torchrack.preflight.checks.engine import starts
from torchrack.preflight.facts import HostFacts
from torchrack.preflight.subject import Subject
from torchrack.settings import Docker
from torchrack.settings.model import merge

UNIT = "/usr/lib/systemd/system/docker.service"
DROP_IN = "/etc/systemd/system/docker.service.d/override.conf"
DEBIAN = """[Service]
Type=notify
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
ExecReload=/bin/kill -s HUP $MAINPID
"""
DOCKER_CE = """[Service]
Type=notify
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
"""
SURVEY = Survey("debian", "13", "trixie", "amd64", "6.12", "debian", ())
HERE = Root("/var/lib/docker", "/var/lib/docker", containers=2, volumes=1, stores=("overlay2",))
ENGINE = Engine("/var/lib/docker", "overlay2", containers=2, images=3, version="26.1.5+dfsg1")


def engine(
    file: Mapping[str, Any] | None = None,
    *,
    units: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    command: tuple[str, ...] = (),
    info: Engine | None = ENGINE,
    roots: tuple[Root, ...] = (HERE,),
) -> DaemonState:
    """A daemon that runs, where nothing else is said as its package starts it."""
    return DaemonState(
        load="loaded",
        active="active" if info else "failed",
        enabled="enabled",
        needs_reload=False,
        process="606-2483821347" if info else "0-0",
        started=1000.0,
        daemon_json=None if file is None else json.dumps(file),
        mode="" if file is None else "644 root",
        changed=0.0,
        owned=None,
        taken=None,
        units={UNIT: DEBIAN} | dict(units or {}),
        environment=environment or {},
        command=command,
        engine=info,
        roots=roots,
    )


def preflight(now: DaemonState, **docker: Any) -> list[Problem]:
    """What preflight says of a daemon, with settings of the section ``docker``."""
    settings = merge([{"docker": Docker(source="distro", **docker)}])
    return list(starts(Subject("gpu01", HostFacts(SURVEY, 0.0, daemon=now), settings, 0.0, 0.0)))


OURS = configuration(Docker())
