"""What a host shows that no deploy sets, judged from recorded answers."""

from __future__ import annotations

import json

import pytest

from torchrack.drift import probes
from torchrack.drift.probes import accounts, containers, disks, docker, sockets, xid
from torchrack.drift.probes.subject import Subject
from torchrack.facts.answers import Output
from torchrack.settings import Drift, Port, Workload, Workloads
from torchrack.settings.model import merge
from torchrack.workloads.workload import LABEL

NOTEBOOK = Workload(
    name="notebook",
    kind="jupyter",
    image="x",
    ports=[Port(container=8888, host=8888, address="192.0.2.1")],
)
# Recorded on Debian 13 with iproute2 6.15, addresses replaced.
SOCKETS = """\
udp UNCONN 0      0      127.0.0.53%lo:53   0.0.0.0:* users:(("systemd-resolve",pid=99,fd=14))
udp UNCONN 0      0      192.0.2.1%eth0:68  0.0.0.0:* users:(("systemd-network",pid=88,fd=20))
udp UNCONN 0      0      0.0.0.0:59932      0.0.0.0:* users:(("curl",pid=77,fd=5))
udp UNCONN 0      0      0.0.0.0:123        0.0.0.0:* users:(("systemd-timesyn",pid=78,fd=5))
tcp LISTEN 0      4096   127.0.0.1:33247    0.0.0.0:* users:(("containerd",pid=471,fd=10))
tcp LISTEN 0      4096   192.0.2.1:8888     0.0.0.0:* users:(("dockerd",pid=73324,fd=26))
tcp LISTEN 0      4096   *:22                     *:* users:(("sshd",pid=596,fd=3),("systemd"))
tcp LISTEN 0      128    [::1]:631             [::]:* users:(("cupsd",pid=5,fd=7))
tcp LISTEN 0      128    [::]:22               [::]:* users:(("sshd",pid=93,fd=7))
""".splitlines()
DISKS = """\
bytes Filesystem         1-blocks        Used   Available Capacity Mounted on
bytes /dev/vda1      270553174016 28771033088 80173260800      27% /
bytes /dev/vda1      270553174016 28771033088 80173260800      27% /
inodes Filesystem       Inodes  IUsed    IFree IUse% Mounted on
inodes /dev/vda1      16777216 499248 16277968    3% /
inodes efi                   0      0        0     - /boot
""".splitlines()
# docker info of Docker 26.1 on a deployed host, as far as it is looked at.
INFO = {
    "ServerVersion": "26.1.5+dfsg1",
    "LoggingDriver": "local",
    "LiveRestoreEnabled": True,
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=no-new-privileges", "name=cgroupns"],
    "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"],
    "DefaultAddressPools": None,
}
# The notebook's limits are the settings' defaults.
CONTAINERS = ["pci 2", "limits notebook 8589934592 4096 200000 100000", "gpus notebook 2"]
ACCOUNTS = ["root root", "sudoers 90-cloud-init-users", "sudoers 90-torchrack"]


def subject(**drift: object) -> Subject:
    layers = {"workloads": Workloads(containers=[NOTEBOOK]), "drift": Drift(**drift)}
    return Subject("gpu01", merge([layers]))


def ids(judge, lines: list[str], **drift: object) -> list[str]:
    return [finding.id for finding in judge(lines, subject(**drift))]


@pytest.mark.parametrize(
    ("judge", "lines"),
    [
        (sockets.judge, SOCKETS),
        (disks.judge, DISKS),
        (accounts.judge, ACCOUNTS),
        (docker.judge, [json.dumps(INFO)]),
        (xid.judge, []),
    ],
)
def test_a_healthy_host_has_no_finding(judge, lines):
    assert ids(judge, lines) == []


@pytest.mark.parametrize(
    ("line", "finding", "allowed"),
    [
        (
            'tcp LISTEN 0 5 0.0.0.0:9999 0.0.0.0:* users:(("python3",pid=7,fd=3))',
            "host.socket:tcp:9999",
            "tcp:9999",
        ),
        (
            'tcp LISTEN 0 5 [2001:db8::1]:80 [::]:* users:(("nginx",pid=7,fd=3))',
            "host.socket:tcp:80",
            "tcp:80",
        ),
        ("udp UNCONN 0 0 *:5353 *:*", "host.socket:udp:5353", "udp:5353"),
        (
            'tcp LISTEN 0 5 0.0.0.0:22 0.0.0.0:* users:(("nc",pid=7,fd=3))',
            "host.socket:tcp:22",
            "tcp:22",
        ),
    ],
)
def test_a_socket_that_nothing_declares(line: str, finding: str, allowed: str):
    assert ids(sockets.judge, [*SOCKETS, line]) == [finding]
    assert ids(sockets.judge, [*SOCKETS, line], sockets=[allowed]) == []


def test_a_file_system_that_is_nearly_full():
    lines = [*DISKS, "bytes /dev/vdb 100 90 10 90% /boot", "inodes /dev/vdb 100 99 1 99% /boot"]
    assert ids(disks.judge, lines) == ["host.disk:/boot.bytes", "host.disk:/boot.inodes"]
    assert ids(disks.judge, lines, disk_full=95) == ["host.disk:/boot.inodes"]


@pytest.mark.parametrize(
    ("line", "finding", "allowed"),
    [
        ("root toor", "host.account:toor.uid", {}),
        ("docker ann", "host.account:ann.docker", {"docker_group": ["ann"]}),
        ("sudoers helpdesk", "host.sudoers:helpdesk", {"sudoers": ["helpdesk"]}),
        (
            "rootkeys /root/.ssh/authorized_keys 2",
            "host.file:/root/.ssh/authorized_keys.keys",
            {"root_keys": True},
        ),
        ("rootkeys /root/.ssh/authorized_keys 0", None, {}),
    ],
)
def test_a_way_to_become_root(line: str, finding: str | None, allowed: dict[str, object]):
    lines = ["root root", "sudoers 90-torchrack", line]
    assert ids(accounts.judge, lines) == ([finding] if finding else [])
    if allowed:
        assert ids(accounts.judge, lines, **allowed) == []


@pytest.mark.parametrize(
    ("key", "value", "finding"),
    [
        ("LoggingDriver", "json-file", "host.docker:log-driver"),
        ("LiveRestoreEnabled", False, "host.docker:live-restore"),
        ("SecurityOptions", ["name=no-new-privileges"], "host.docker:seccomp"),
        (
            "SecurityOptions",
            ["name=seccomp,profile=unconfined", "name=no-new-privileges"],
            "host.docker:seccomp",
        ),
        ("SecurityOptions", ["name=seccomp,profile=builtin"], "host.docker:no-new-privileges"),
        ("CDISpecDirs", None, "host.docker:cdi"),
        ("DefaultAddressPools", [{"Base": "10.9.0.0/16", "Size": 24}], "host.docker:address-pools"),
    ],
)
def test_a_daemon_that_runs_with_something_else(key: str, value: object, finding: str):
    assert ids(docker.judge, [json.dumps({**INFO, key: value})]) == [finding]


@pytest.mark.parametrize("answer", [{"ServerErrors": ["x"]}, {}, []])
def test_a_daemon_that_gives_no_answer(answer: object):
    with pytest.raises(ValueError, match="no answer"):
        ids(docker.judge, [json.dumps(answer)])


XID_79 = (
    "2026-11-24T03:00:00,123456+00:00 NVRM: Xid (PCI:0000:1A:00): 79, pid='<unknown>', "
    "name=<unknown>, GPU has fallen off the bus."
)


def test_an_xid_with_what_to_do():
    lines = [XID_79.replace("03:00:00", "02:00:00"), XID_79]
    (finding,) = xid.judge(lines, subject())
    assert finding.id == "host.gpu:0000:1a:00.xid-79"
    assert (finding.kind, finding.severity) == ("hardware", "outage")
    assert "2 times, last 2026-11-24T03:00:00" in finding.actual
    assert "restart the server" in finding.fix
    assert finding.when is not None
    assert finding.when.hour == 3


@pytest.mark.parametrize(
    ("code", "severity"), [(13, "none"), (43, "none"), (48, "outage"), (999, "outage")]
)
def test_what_the_catalogue_says(code: int, severity: str):
    assert xid.action(code)["severity"] == severity
    line = XID_79.replace(": 79,", f": {code},")
    assert len(ids(xid.judge, [line])) == (severity != "none")


def test_each_code_stands_in_the_catalogue_once():
    codes = [code for row in xid._table() for code in row["codes"]]
    assert len(codes) == len(set(codes))


def answer(*sections: tuple[str, list[str], int]) -> Output:
    lines = [line for name, part, rc in sections for line in (f"=={name}", *part, f"==rc {rc}")]
    return Output(0, lines)


GOOD = (
    ("sockets", SOCKETS, 0),
    ("disks", DISKS, 0),
    ("accounts", ACCOUNTS, 0),
    ("docker", [json.dumps(INFO)], 0),
    ("xid", [], 0),
    ("gpus", [], 0),
    ("containers", CONTAINERS, 0),
)


def test_all_sections_of_a_healthy_host():
    assert probes.judge(answer(*GOOD), subject()) == []


@pytest.mark.parametrize(
    ("output", "unknown"),
    [
        (None, ["sockets", "disks", "accounts", "docker", "gpus", "containers", "xid"]),
        (answer(*GOOD[:2]), ["accounts", "docker", "gpus", "containers", "xid"]),
        (answer(*GOOD[:4], ("xid", [], 1), *GOOD[5:]), ["xid"]),
        (answer(*GOOD[:3], ("docker", [], 1), *GOOD[4:]), ["docker"]),
        (answer(("sockets", ["rubbish"], 0), *GOOD[1:]), ["sockets"]),
        (answer(GOOD[0], ("disks", [], 0), *GOOD[2:]), ["disks"]),
        (answer(*GOOD[:2], ("accounts", [], 0), *GOOD[3:]), ["accounts"]),
    ],
)
def test_what_could_not_be_asked_is_unknown(output: Output | None, unknown: list[str]):
    found = probes.judge(output, subject())
    assert [(one.id, one.kind) for one in found] == [
        (f"host.{name}", "unknown") for name in unknown
    ]


@pytest.mark.parametrize(
    ("line", "aspect", "severity"),
    [
        ("limits notebook 9589934592 4096 200000 100000", "memory", "capacity"),
        ("limits notebook max 4096 200000 100000", "memory", "capacity"),
        ("limits notebook 8589934592 max 200000 100000", "pids", "capacity"),
        ("limits notebook 8589934592 4096 max 100000", "cpus", "capacity"),
        ("limits notebook 8589934592 4096 -1 100000", "cpus", "capacity"),
        ("gpus notebook 1", "gpus", "outage"),
        ("gpus notebook 0", "gpus", "outage"),
    ],
)
def test_a_container_is_held_to_what_was_declared(line: str, aspect: str, severity: str):
    kind = line.split(maxsplit=1)[0]
    lines = [line if one.startswith(kind) else one for one in CONTAINERS]
    (found,) = containers.judge(lines, subject())
    assert (found.id, found.severity) == (f"host.container:notebook.{aspect}", severity)


def test_page_sizes_foreign_containers_and_stopped_ones_are_no_finding():
    rounded = "limits notebook 8589930496 4096 200000 100000"
    assert ids(containers.judge, ["pci 2", rounded, "limits other max max max 100000"]) == []
    assert ids(containers.judge, ["pci 2"]) == []


def test_the_script_looks_for_containers_by_our_label():
    assert f"label={LABEL} " in probes.REQUEST.command
