"""daemon.json has keys of others with which dockerd does not start beside ours.

``dockerd --validate`` lets all of these through: log options of another driver than ours, iptables
off where ours has icc off, options and storage drivers that a newer engine no longer has.

Reference: https://github.com/moby/moby/issues/12087
Reference: https://github.com/moby/moby/issues/6002
Kind: keys that are sound alone and refused together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.cases.engines import DROP_IN, ENGINE, engine, preflight
from torchrack.facts.docker import DaemonState

START = "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// "
OLD = replace(ENGINE, version="20.10.24")

REFUSED: dict[str, tuple[DaemonState, dict[str, Any], str]] = {
    "syslog's options": (
        engine({"log-driver": "syslog", "log-opts": {"syslog-address": "udp://192.0.2.1"}}),
        {},
        "syslog-address",
    ),
    "labels with local": (engine({"log-opts": {"labels": "a"}}), {}, "labels"),
    "sizes with journald": (
        engine({"log-opts": {"max-size": "9m"}}),
        {"log_driver": "journald"},
        "max-size",
    ),
    "iptables off": (engine({"iptables": False}), {}, "iptables"),
    "iptables off by a flag": (engine(units={DROP_IN: START + "--iptables=false"}), {}, "iptables"),
    "graph, then an upgrade": (
        engine({"graph": "/var/lib/docker"}, info=OLD), {"version": "26.1.5"}, "graph"
    ),
    "-g, then an upgrade": (
        engine(units={DROP_IN: START + "-g /var/lib/docker"}, info=OLD),
        {"version": "5:29.1.0-1~debian"},
        "graph",
    ),
    "oom-score-adjust": (
        engine({"oom-score-adjust": -500}, info=OLD), {"version": "26.1.5"}, "oom-score-adjust"
    ),
    "aufs, then an upgrade": (
        engine(info=replace(OLD, driver="aufs")), {"version": "26.1.5"}, "aufs"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("now", "settings", "named"), REFUSED.values(), ids=REFUSED)
def test_preflight_refuses_before_anything_is_written(
    now: DaemonState, settings: dict[str, Any], named: str
) -> None:
    (problem,) = preflight(now, **settings)
    assert problem.what in ("Docker configuration", "Docker storage")
    assert named in problem.found


SOUND: dict[str, tuple[DaemonState, dict[str, Any]]] = {
    "options that all drivers take": (
        engine({"log-opts": {"mode": "non-blocking", "max-buffer-size": "4m"}}),
        {},
    ),
    "json-file's": (engine({"log-opts": {"tag": "x"}}), {"log_driver": "json-file"}),
    "iptables off, icc on": (engine({"iptables": False}), {"extra": {"icc": True}}),
    "ip6tables off in 26": (engine({"ip6tables": False}), {}),
    "graph in an engine that has it": (
        engine({"graph": "/var/lib/docker"}, info=OLD),
        {"version": "20.10.24"},
    ),
}


@pytest.mark.parametrize(("now", "settings"), SOUND.values(), ids=SOUND)
def test_what_dockerd_takes_is_let_through(now: DaemonState, settings: dict[str, Any]) -> None:
    assert preflight(now, **settings) == []
