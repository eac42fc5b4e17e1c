"""dockerd's flags in a drop-in repeat keys of daemon.json.

Many guides move Docker's data, or set its logs, by a drop-in that gives ExecStart with flags, by
DOCKER_OPTS or by a wrapper. dockerd does not start when an option is both a flag and in
daemon.json, even with one value. A deploy wrote its keys, restarted Docker, and left it dead.

Reference: https://github.com/moby/moby/issues/25471
Kind: configuration of the engine from elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cases.engines import DEBIAN, DOCKER_CE, DROP_IN, OURS, UNIT, engine, preflight
from tests.unit.plan import Plan
from torchrack.adopt.found import Found, parse
from torchrack.adopt.propose import propose
from torchrack.docker.flags import as_config, repeated
from torchrack.docker.flags import parse as parse_flags
from torchrack.docker.start import flags_of
from torchrack.operations import daemon
from torchrack.preflight.facts import parse as parse_facts

FIXTURES = Path(__file__).parents[1] / "unit" / "fixtures" / "adopt"
START = "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// "
DEFAULTS = "/etc/default/docker"

SAME: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "drop-in": ({DROP_IN: START + "--log-driver json-file"}, {}, DROP_IN),
    "equals sign": ({DROP_IN: START + "--log-driver=local"}, {}, DROP_IN),
    "plural key": ({DROP_IN: START + "--log-opt max-size=10m"}, {}, DROP_IN),
    "ulimit": ({DROP_IN: START + "--default-ulimit nofile=1024:2048"}, {}, DROP_IN),
    "switch": ({DROP_IN: START + "--live-restore"}, {}, DROP_IN),
    "switch that is off": ({DROP_IN: START + "--userland-proxy=false"}, {}, DROP_IN),
    "short cluster": ({DROP_IN: START + "-D --icc=false"}, {}, DROP_IN),
    "continued line": ({DROP_IN: START + "\\\n  # why\n  --log-driver \\\n  local\n"}, {}, DROP_IN),
    "quoted": ({DROP_IN: START + '"--log-driver=local"'}, {}, DROP_IN),
    "prefix": ({DROP_IN: START.replace("=/usr", "=-/usr") + "--icc=true"}, {}, DROP_IN),
    "DOCKER_OPTS": ({}, {DEFAULTS: 'DOCKER_OPTS="--dns 192.0.2.1 --log-driver=local"\n'}, DEFAULTS),
    "Environment": ({DROP_IN: '[Service]\nEnvironment="DOCKER_OPTS=--icc=false"'}, {}, DROP_IN),
    "file of a drop-in": (
        {DROP_IN: f"[Service]\nEnvironmentFile=/etc/sysconfig/docker\n{START[10:]} $OPTIONS"},
        {"/etc/sysconfig/docker": "OPTIONS='--log-driver local'"},
        "/etc/sysconfig/docker",
    ),
    "whole unit": (
        {"/etc/systemd/system/docker.service": DOCKER_CE.replace("//", "// --live-restore", 1)},
        {},
        "/etc/systemd/system/docker.service",
    ),
    "shell": (
        {DROP_IN: '[Service]\nExecStart=\nExecStart=/bin/sh -c "exec dockerd --icc=false"'},
        {},
        DROP_IN,
    ),
    "taskset": (
        {DROP_IN: "[Service]\nExecStart=\nExecStart=taskset -c 0 /usr/bin/dockerd --icc=false"},
        {},
        DROP_IN,
    ),
    "not reloaded yet": ({DROP_IN: START + "--feature cdi=true"}, {}, DROP_IN),
}


@pytest.mark.parametrize(("units", "environment", "where"), SAME.values(), ids=SAME)
def test_preflight_names_the_flag_and_its_file(
    units: dict[str, str], environment: dict[str, str], where: str
) -> None:
    package = {} if "/etc/systemd/system/docker.service" in units else {UNIT: DEBIAN}
    now = replace(engine(environment=environment), units={**units, **package})
    (problem,) = preflight(now)
    assert problem.what == "Docker flags"
    assert where in problem.found
    assert f"out of {where}" in problem.fix
    assert "systemctl daemon-reload" in problem.fix
    assert "rm " not in problem.fix, "what else the file sets must not go"


def test_preflight_tells_what_is_in_the_file_from_what_a_deploy_brings() -> None:
    units = {DROP_IN: START + "--log-driver json-file --icc=false"}
    (problem,) = preflight(engine({"icc": True}, units=units))
    assert "log-driver in what a deploy writes to /etc/docker/daemon.json" in problem.found
    assert "icc in /etc/docker/daemon.json" in problem.found


def test_flags_of_a_wrapper_are_those_of_the_process() -> None:
    units = {DROP_IN: "[Service]\nExecStart=\nExecStart=/opt/start-docker --fast"}
    running = ("/usr/bin/dockerd", "-H", "fd://", "--log-driver", "local", "")
    (problem,) = preflight(engine(units=units, command=running))
    assert "what /opt/start-docker runs" in problem.found
    assert preflight(engine(units=units)) == [], "what it runs is not known before it does"


APART: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "as packaged": ({}, {}),
    "other keys": ({DROP_IN: START + "--data-root /var/lib/docker --dns 192.0.2.1 -D"}, {}),
    "a comment": ({DROP_IN: "[Service]\n# ExecStart=dockerd --icc=false\n"}, {}),
    "another section": ({DROP_IN: "[Unit]\nExecStart=/usr/sbin/dockerd --icc=false\n"}, {}),
    "a variable nobody uses": ({}, {DEFAULTS: "OTHER='--log-driver=local'"}),
    "a commented variable": ({}, {DEFAULTS: "#DOCKER_OPTS='--log-driver=local'"}),
    "runtimes may be in both": ({DROP_IN: START + "--add-runtime x=/usr/bin/x"}, {}),
    "overruled by name": (
        {
            "/etc/systemd/system/docker.service.d/90-last.conf": START,
            "/etc/systemd/system/docker.service.d/10-first.conf": START + "--icc=false",
            "/run/systemd/system/docker.service.d/90-last.conf": START + "--icc=false",
        },
        {},
    ),
}


@pytest.mark.parametrize(("units", "environment"), APART.values(), ids=APART)
def test_flags_that_repeat_nothing_are_let_through(
    units: dict[str, str], environment: dict[str, str]
) -> None:
    assert preflight(engine(units=units, environment=environment)) == []


def test_what_is_not_ours_leaves_the_file_where_the_package_sets_the_flag() -> None:
    (problem,) = preflight(engine({"hosts": ["unix:///var/run/docker.sock"]}))
    assert f"-H in {UNIT}, and hosts in /etc/docker/daemon.json" in problem.found
    assert problem.fix == "take hosts out of /etc/docker/daemon.json"


def test_inner_keys_count_as_dockerd_counts_them() -> None:
    flags = parse_flags([("--http-proxy", "x"), ("http://192.0.2.1", "x")])
    assert list(repeated(flags, {"proxies": {"http-proxy": "http://192.0.2.1"}}).values()) == [
        "proxies.http-proxy"
    ]
    assert not repeated(flags, {"log-opts": {"http-proxy": "x"}})


def test_another_file_than_daemon_json() -> None:
    (problem,) = preflight(engine(units={DROP_IN: START + "--config-file=/srv/docker.json"}))
    assert "--config-file /srv/docker.json" in problem.found


def test_flags_are_read_as_pflag_reads_them() -> None:
    words = "-DHfd:// -l=debug -g /srv/d --label a=1 --label b=2 --ip-masq --mtu 1400 -- --icc"
    flags = parse_flags([(word, "x") for word in words.split()])
    assert as_config(flags) == {
        "debug": True,
        "hosts": ["fd://"],
        "log-level": "debug",
        "data-root": "/srv/d",
        "labels": ["a=1", "b=2"],
        "ip-masq": True,
        "mtu": "1400",
    }


def test_nothing_is_written_where_the_flag_would_stop_dockerd(plan: Plan) -> None:
    now = engine(units={DROP_IN: START + "--log-driver=local"})
    (command,) = plan(daemon.daemon_json, now, owner="docker", declared=OURS)
    assert command.startswith("false # ")
    assert DROP_IN in command


def test_nothing_restarts_where_a_drop_in_came_after_our_file(plan: Plan) -> None:
    now = replace(engine(OURS, units={DROP_IN: START + "--log-driver=local"}), needs_reload=True)
    (command,) = plan(daemon.running, now)
    assert command.startswith("false # ")


@pytest.fixture
def found() -> Found:
    facts = parse_facts((FIXTURES / "inuse.facts").read_text().splitlines(), [])
    found = parse((FIXTURES / "inuse.look").read_text().splitlines(), facts, "debian")
    options = "--data-root /mnt/data/docker --log-driver json-file --log-opt max-size=10m --dns ::1"
    now = engine(units={DROP_IN: START + options})
    assert [flag.key for flag in flags_of(now)][1:] == [
        *("data-root", "log-driver", "log-opts", "dns")
    ]
    info = {**found.info, "DockerRootDir": "/mnt/data/docker"}
    return replace(found, facts=replace(facts, daemon=now), daemon_json=None, info=info)


def test_adopt_proposes_no_data_root_that_a_flag_sets(found: Found) -> None:
    docker = propose(found).sections["docker"]
    assert "data-root" not in docker.get("extra", {})  # type: ignore[operator] # a dict
    assert (docker["log_driver"], docker["log_max_size"]) == ("json-file", "10m")


def test_adopt_says_which_flags_have_to_go_and_which_stay(found: Found) -> None:
    proposal = propose(found)
    in_the_way = [one.what for one in proposal.unexpressed if one.what.startswith("dockerd --")]
    assert in_the_way == ["dockerd --log-driver", "dockerd --log-opt"]
    assert any("--data-root" in note and DROP_IN in note for note in proposal.notes)
