"""How the Docker of a lab host is broken.

daemon.json is covered by a bind mount, so that the file itself, and the time of its last change,
stay as they were. Containers live through the restarts.
"""

from __future__ import annotations

from tests.lab.breakage import DPKG, KEEP_DPKG, RESTORE_DPKG, Break, dpkg_says

JSON = "/etc/docker/daemon.json"
RULES = "/run/break.rules"
RESTART = "systemctl reset-failed docker.service; systemctl restart docker.service"
RELOAD = "systemctl reload docker.service; sleep 1"


def _json(test: str, edit: str, *, batch: int, then: str = "") -> Break:
    cover = f"cp {JSON} /run/break.json; mount --bind /run/break.json {JSON}"
    return Break(
        test=f"test_docker.py::{test}",
        harm=f"mountpoint -q {JSON} || {{ {cover}; }}; sed '{edit}' {JSON} > /run/break.new; "
        "cat /run/break.new > /run/break.json",
        undo=f"! mountpoint -q {JSON} || umount {JSON}",
        batch=batch,
        then=then,
        after=then,
    )


def _socket(test: str, program: str, port: int) -> Break:
    """A process of that name that listens."""
    return Break(
        test=f"test_docker.py::{test}",
        harm=f"cp $(readlink -f /usr/bin/python3) /run/{program}; "
        f"setsid /run/{program} -m http.server --bind 127.0.0.1 --directory /run/lock {port} "
        ">/dev/null 2>&1 </dev/null & "
        f"echo $! > /run/{program}.break; "
        f"for i in 1 2 3 4 5 6 7 8 9 10; do ss -Hltn | grep -q :{port} && break; sleep 0.3; done",
        undo=f"kill $(cat /run/{program}.break); rm -f /run/{program}",
    )


def _restarted(test: str, edit: str) -> Break:
    return _json(test, edit, batch=4, then=RESTART)


BREAKS = [
    dpkg_says("docker.io", "26.0.0-1", "test_docker.py::test_engine_has_the_pinned_version"),
    Break(
        test="test_docker.py::test_engine_packages_are_held",
        harm="apt-mark unhold docker.io",
        undo="apt-mark hold docker.io",
    ),
    Break(
        test="test_docker.py::test_no_package_of_the_other_source",
        batch=2,
        harm=f"{KEEP_DPKG}; printf 'Package: containerd.io\\n"
        "Status: install ok installed\\nMaintainer: x <x@localhost>\\n"
        f"Architecture: amd64\\nVersion: 2.2.6-1\\nDescription: break\\n\\n' >> {DPKG}",
        undo=RESTORE_DPKG,
    ),
    dpkg_says("docker.io", "26.0.0-1", "test_docker.py::test_running_daemon_is_the_installed_one"),
    Break(
        test="test_docker.py::test_docker_runs_and_starts_at_boot",
        harm="systemctl disable docker.service",
        undo="systemctl enable docker.service",
    ),
    _json("test_daemon_json_holds_our_keys", 's/"Hard": [0-9]*/"Hard": 1024/', batch=2),
    _json("test_daemon_has_read_its_configuration", 's/"icc": false/"icc": true/', batch=1),
    _restarted("test_log_driver", 's/"log-driver": "local"/"log-driver": "json-file"/'),
    _json(
        "test_live_restore",
        's/"live-restore": true/"live-restore": false/',
        batch=3,
        then=RELOAD,
    ),
    _restarted(
        "test_no_new_privileges_by_default",
        's/"no-new-privileges": true/"no-new-privileges": false/',
    ),
    _restarted("test_seccomp_is_on", '1s/{/{"seccomp-profile": "unconfined",/'),
    _restarted("test_cdi_is_on", 's/"cdi": true/"cdi": false/'),
    _restarted("test_address_pools", "s,10.200.0.0/16,10.201.0.0/16,"),
    Break(
        test="test_docker.py::test_containers_on_the_default_bridge_are_apart",
        harm=f"iptables-save > {RULES}; "
        f"grep -vE -e '-i docker0 -o docker0 -j DROP' {RULES} | iptables-restore",
        undo=f"iptables-restore < {RULES}",
    ),
    _socket("test_no_userland_proxy", "docker-proxy", 9876),
    _socket("test_daemon_listens_on_no_network_socket", "dockerd", 2375),
    Break(
        test="test_docker.py::test_docker_group_is_empty",
        harm="gpasswd -a nobody docker",
        undo="gpasswd -d nobody docker",
    ),
    Break(
        test="test_docker.py::test_packets_are_forwarded",
        batch=5,
        harm="echo 0 > /proc/sys/net/ipv4/ip_forward",
        undo="echo 1 > /proc/sys/net/ipv4/ip_forward",
    ),
]
