"""The engine at its pinned version, and what its daemon runs with."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import Any

from tests.state.target import Target

ENGINES = {
    "docker-ce": ("docker-ce", "docker-ce-cli", "containerd.io"),
    "distro": ("docker.io", "containerd", "runc"),
}

PROBES = {
    "docker_info": "timeout 30 docker info --format '{{json .}}'",
    "docker_packages": "dpkg-query -W -f '${Package}\\t${Version}\\t${db:Status-Abbrev}\\n' "
    "docker.io docker-cli containerd runc docker-ce docker-ce-cli containerd.io 2>/dev/null; true",
    "docker_units": "systemctl is-enabled docker.service; systemctl is-active docker.service",
    "docker_json": "cat /etc/docker/daemon.json",
    # Wall clock of the daemon's start and of the file's last change; then what a reload took up.
    "docker_read": (
        "p=$(systemctl show -p MainPID --value docker.service); "
        "m=$(systemctl show -p ExecMainStartTimestampMonotonic --value docker.service); "
        "awk -v now=$(date +%s.%N) -v m=$m '{ printf \"%.3f\\n\", now - $1 + m / 1000000 }' "
        "/proc/uptime; stat -Lc %.3Z /etc/docker/daemon.json; "
        "cmp -s /etc/docker/daemon.json /run/torchrack/docker/$p-$m/daemon.json "
        "&& echo reloaded || echo unknown"
    ),
    "docker_rules": "iptables -S",
    "docker_group": "getent group docker; g=$(getent group docker | cut -d: -f3); "
    "awk -F: -v g=$g '$4 == g { print $1 }' /etc/passwd",
    "docker_sockets": "ss -Hltnp; ss -Hlunp",
    "docker_published": "docker ps --format '{{.Ports}}'",
    "docker_forwarding": "cat /proc/sys/net/ipv4/ip_forward",
}


def info(target: Target) -> dict[str, Any]:
    found: dict[str, Any] = target.probe("docker_info").json()
    assert not found.get("ServerErrors"), f"no answer from dockerd: {found['ServerErrors']}"
    return found


def packages(target: Target) -> dict[str, list[str]]:
    """Version and state of what is installed; dpkg also lists names it only heard of."""
    lines = (line.split("\t") for line in target.probe("docker_packages").lines)
    return {name: [version, state.strip()] for name, version, state in lines if version}


def test_engine_has_the_pinned_version(target: Target) -> None:
    name = ENGINES[target.settings.docker.source][0]
    found = packages(target).get(name, ["nothing"])[0]
    wanted = target.settings.docker.version
    assert fnmatchcase(found, wanted), f"{name}: found {found}, needed {wanted}"


def test_engine_packages_are_held(target: Target) -> None:
    found = packages(target)
    states = {name: found.get(name, ["", "missing"])[1] for name in _engine(target)}
    assert states == dict.fromkeys(states, "hi")


def _engine(target: Target) -> tuple[str, ...]:
    names = ENGINES[target.settings.docker.source]
    apart = "docker-cli" in packages(target) and "docker.io" in names
    return (*names, "docker-cli") if apart else names


def test_no_package_of_the_other_source(target: Target) -> None:
    source = target.settings.docker.source
    others = {"docker-ce": {"docker.io"}, "distro": {"docker-ce", "docker-ce-cli", "containerd.io"}}
    assert not others[source] & {n for n, (_, state) in packages(target).items() if state != "rc"}


def test_running_daemon_is_the_installed_one(target: Target) -> None:
    name = ENGINES[target.settings.docker.source][0]
    running = info(target)["ServerVersion"]
    installed = packages(target).get(name, ["nothing"])[0].rpartition(":")[2]
    assert installed.startswith(running.partition("+")[0]), f"{running} runs, {installed} is there"


def test_docker_runs_and_starts_at_boot(target: Target) -> None:
    assert target.probe("docker_units").lines == ["enabled", "active"]


def test_daemon_json_holds_our_keys(target: Target) -> None:
    found: dict[str, Any] = json.loads(target.probe("docker_json").stdout)
    wanted = target.settings.docker
    limit = {"Name": "nofile", "Soft": wanted.nofile, "Hard": wanted.nofile}
    extra = wanted.extra
    assert found["default-ulimits"]["nofile"] == limit
    assert found["userland-proxy"] == extra.get("userland-proxy", False)
    assert found["icc"] == extra.get("icc", False)
    if wanted.log_driver != "journald":
        assert _bytes(found["log-opts"]["max-size"]) == wanted.log_max_size
        assert found["log-opts"]["max-file"] == str(wanted.log_max_file)


def _bytes(text: str) -> int:
    """Docker's sizes: k, m and g are powers of 1024."""
    factor = {"k": 2**10, "m": 2**20, "g": 2**30}.get(text[-1])
    return int(text[:-1]) * factor if factor else int(text)


def test_daemon_has_read_its_configuration(target: Target) -> None:
    started, changed, taken = target.probe("docker_read").lines
    assert taken == "reloaded" or float(changed) <= float(started), (
        f"daemon.json changed at {changed}, dockerd started at {started}: restart docker.service"
    )


def test_log_driver(target: Target) -> None:
    assert info(target)["LoggingDriver"] == target.settings.docker.log_driver


def test_live_restore(target: Target) -> None:
    assert info(target)["LiveRestoreEnabled"] is target.settings.docker.live_restore


def test_no_new_privileges_by_default(target: Target) -> None:
    on = any("no-new-privileges" in option for option in info(target)["SecurityOptions"])
    assert on is target.settings.docker.no_new_privileges


def test_seccomp_is_on(target: Target) -> None:
    options = [o for o in info(target)["SecurityOptions"] if "name=seccomp" in o]
    assert options, info(target)["SecurityOptions"]
    assert "unconfined" not in options[0]


def test_cdi_is_on(target: Target) -> None:
    assert "/var/run/cdi" in (info(target).get("CDISpecDirs") or []), "docker info: no CDISpecDirs"


def test_address_pools(target: Target) -> None:
    pools = info(target).get("DefaultAddressPools") or []
    assert [pool["Base"] for pool in pools] == target.settings.docker.address_pools


def test_containers_on_the_default_bridge_are_apart(target: Target) -> None:
    rules = target.probe("docker_rules").lines
    apart = any(r.endswith("-i docker0 -o docker0 -j DROP") for r in rules)
    assert apart is not target.settings.docker.extra.get("icc", False), "\n".join(rules)


def test_no_userland_proxy(target: Target) -> None:
    running = "docker-proxy" in target.probe("docker_sockets").stdout
    assert not running or target.settings.docker.extra.get("userland-proxy"), "docker-proxy runs"


def test_daemon_listens_on_no_network_socket(target: Target) -> None:
    answer = target.probe("docker_sockets")
    assert answer.rc == 0, answer.stderr
    # Without a userland proxy the daemon itself holds the ports that containers publish.
    published = set(re.findall(r"(\S+:\d+)->", target.probe("docker_published").stdout))
    daemons = [line.split()[3] for line in answer.lines if '"dockerd"' in line]
    assert set(daemons) - published == set()


def test_docker_group_is_empty(target: Target) -> None:
    group, *primary = target.probe("docker_group").lines
    assert group.startswith("docker:")
    assert (group.split(":")[3], primary) == ("", []), "members of this group are root"


def test_packets_are_forwarded(target: Target) -> None:
    assert target.probe("docker_forwarding").lines == ["1"]
