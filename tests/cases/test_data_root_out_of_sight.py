"""The next start of Docker would use another data root, and show nothing of what it has.

Somebody adds data-root to daemon.json, a purge of nvidia-docker2 takes daemon.json away, or a link
is changed, and the daemon still runs with the old folder. The drift check said "restart pending"
and named a deploy, which restarted Docker into an empty folder. The storage driver, containerd's
image store and userns-remap hide containers in the same way.

Reference: https://github.com/docker/for-linux/issues/1065
Kind: a restart that takes data out of sight.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.cases.engines import DROP_IN, ENGINE, HERE, OURS, UNIT, engine, preflight
from tests.unit.plan import Plan
from torchrack.drift.model import Finding
from torchrack.drift.probes.restart import harmless
from torchrack.drift.probes.subject import Subject
from torchrack.facts.docker import DaemonState, Engine, Root
from torchrack.offboard.daemon_json import without_ours
from torchrack.operations import daemon
from torchrack.settings.model import merge

EMPTY = Root("/srv/docker", "/srv/docker")
SRV = Root("/srv/docker", "/srv/docker", containers=2, volumes=1, stores=("overlay2",))
REMAPPED = replace(ENGINE, root="/var/lib/docker/231072.231072", remapped=True)
STORE = replace(ENGINE, driver="overlayfs", snapshotter=True)
START = "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// "
LINK = Root("/var/lib/docker", "/mnt/disk2/docker")

HIDDEN: dict[str, DaemonState] = {
    "a key that somebody added": engine({"data-root": "/srv/docker"}, roots=(HERE, EMPTY)),
    "its old name": engine({"graph": "/srv/docker"}, info=replace(ENGINE, version="20.10.24")),
    "a flag": engine(units={DROP_IN: START + "--data-root /srv/docker"}, roots=(HERE, EMPTY)),
    "a short flag": engine(units={DROP_IN: START + "-g /srv/docker"}, info=ENGINE),
    "a file that a purge took": engine(
        info=replace(ENGINE, root="/srv/docker"), roots=(Root("/var/lib/docker", "x"), SRV)
    ),
    "a link that leads elsewhere": engine(
        info=replace(ENGINE, root="/mnt/disk1/docker"), roots=(LINK,)
    ),
    "a file system on top of it": engine(roots=(replace(HERE, containers=0, stores=()),)),
    "volumes alone": engine(
        {"data-root": "/srv/docker"},
        info=replace(ENGINE, containers=0, images=0),
        roots=(HERE, EMPTY),
    ),
    "userns-remap goes on": engine({"userns-remap": "default"}),
    "userns-remap goes off": engine(info=REMAPPED),
    "another storage driver": engine({"storage-driver": "btrfs"}),
    "another storage driver, by a flag": engine(units={DROP_IN: START + "-s vfs"}),
    "containerd's image store": engine({"features": {"containerd-snapshotter": True}}),
    "no longer containerd's image store": engine(info=STORE),
    "stopped, and the folder is empty": engine(
        {"data-root": "/srv/docker"}, info=None, roots=(HERE, EMPTY)
    ),
}


@pytest.mark.parametrize("now", HIDDEN.values(), ids=HIDDEN)
def test_a_start_that_hides_data_is_refused(now: DaemonState) -> None:
    version = "20.10.24" if now.engine and now.engine.version == "20.10.24" else "26.1.5"
    problem = preflight(now, version=version)[-1]
    assert problem.what == "Docker data"
    assert "owner has decided" in problem.fix
    assert "sudo" not in problem.fix, "no command: somebody has to decide"


def _moved(**keys: Any) -> Engine:
    return replace(ENGINE, root="/srv/docker", **keys)


SHOWN: dict[str, DaemonState] = {
    "as it was": engine(),
    "the key and the folder agree": engine({"data-root": "/srv/docker"}, info=_moved()),
    "a slash at the end": engine({"data-root": "/srv/docker/"}, info=_moved(), roots=(SRV,)),
    "a link to the folder": engine(
        {"data-root": "/data"}, info=_moved(), roots=(replace(SRV, path="/data"), SRV)
    ),
    "a flag and the folder agree": engine(
        units={DROP_IN: START + "--data-root=/srv/docker"}, info=_moved(), roots=(SRV,)
    ),
    "nothing to hide": engine(
        {"data-root": "/srv/docker"},
        info=replace(ENGINE, containers=0, images=0),
        roots=(replace(HERE, containers=0, volumes=0), EMPTY),
    ),
    "not installed yet": engine({"data-root": "/srv/docker"}, info=None, roots=(EMPTY,)),
    "stopped, with its data": engine({"data-root": "/srv/docker"}, info=None, roots=(HERE, SRV)),
    "remapped as before": engine({"userns-remap": "default"}, info=REMAPPED),
    "the storage driver that runs": engine({"storage-driver": "overlay2"}),
    "the image store that runs": engine(
        {"features": {"containerd-snapshotter": True}}, info=STORE, roots=(HERE,)
    ),
    "the image store of a new engine": engine(
        info=replace(STORE, version="29.1.0"), roots=(replace(HERE, stores=()),)
    ),
}


@pytest.mark.parametrize("now", SHOWN.values(), ids=SHOWN)
def test_a_start_that_shows_what_there_is_goes_on(now: DaemonState) -> None:
    version = now.engine.version if now.engine else "26.1.5"
    assert preflight(now, version=version) == []


def test_a_declared_data_root_moves_no_running_engine() -> None:
    (problem,) = preflight(engine(OURS), extra={"data-root": "/srv/docker"})
    assert "2 container(s), 3 image(s), 1 volume(s) in /var/lib/docker" in problem.found
    assert "/srv/docker" in problem.found


def test_no_deploy_restarts_docker_into_it(plan: Plan) -> None:
    file = OURS | {"data-root": "/srv/docker"}
    now = replace(engine(file, roots=(HERE, EMPTY)), taken=json.dumps(OURS))
    (command,) = plan(daemon.running, now)
    assert command.startswith("false # "), "the finding has no deploy as its fix"


def test_offboarding_leaves_the_data_where_it_is() -> None:
    ours = {"data-root": "/srv/docker", "icc": False, "features": {"containerd-snapshotter": True}}
    text = without_ours(json.dumps(ours), json.dumps({"docker": ours}), '{"icc": true}')
    assert json.loads(text or "") == {**ours, "icc": True}


def _printed(daemon_json: str, drop_in: str = "") -> list[str]:
    files = {"File": daemon_json}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
    units = base64.b64encode(drop_in.encode()).decode()
    info = (
        '{"root":"/var/lib/docker","driver":"overlay2","status":[],"security":[],'
        '"swarm":"inactive","containers":2,"images":3,"version":"26.1.5"}'
    )
    return [
        *("LoadState=loaded", "ActiveState=active", "NeedDaemonReload=no", "MainPID=606"),
        *("ExecMainStartTimestampMonotonic=1", "Process=606-1", "Now=1000.5", "Uptime=2.5"),
        *("Mode=644 root", "Changed=1", f"File=+{encoded['File']}", "File=", "File=", "File="),
        f"Unit={DROP_IN} {units}",
        f"Unit={UNIT} ",
        f"Engine={info}",
        "Root=/var/lib/docker\t/var/lib/docker\t2\t1\toverlay2 ",
    ]


RESTART = (
    f"sudo mv {DROP_IN} {DROP_IN}.disabled && sudo systemctl restart docker.service, as it was"
)


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (_printed("{}", START + "--debug"), True),
        (_printed('{"data-root": "/srv/docker"}', START + "--debug"), False),
        (_printed("{}", START + "--data-root /srv/docker"), True),
        (_printed("{")[:-1], False),
        ([], False),
    ],
    ids=["harmless", "foreign key", "a flag that goes", "no JSON", "no answer"],
)
def test_no_finding_names_a_restart_that_hides_data(lines: list[str], kept: bool) -> None:
    subject = Subject("gpu01", merge([]))
    finding: Finding = subject.finding("docker:seccomp", "x", expected="", actual="", fix=RESTART)
    other = replace(finding, fix="sudo kill 606")
    first, second = harmless([finding, other], lines, subject)
    assert second == other
    assert (first.fix == RESTART) is kept
    assert kept or "sudo" not in first.fix
