"""What a host shows that no deploy sets, judged from recorded answers."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import subprocess
from dataclasses import replace

import pytest

from torchrack.docker.client import BY_HAND
from torchrack.drift import probes
from torchrack.drift.probes import (
    accounts,
    containers,
    disks,
    docker,
    firewall,
    secrets,
    sockets,
    system,
    xid,
)
from torchrack.drift.probes.subject import Subject
from torchrack.facts.answers import Output
from torchrack.facts.survey import PciFunction, Survey
from torchrack.settings import Base, Docker, Drift, Port, Workload, Workloads
from torchrack.settings.model import merge
from torchrack.workloads.workload import LABEL

DECLARED, OWN, OTHER = (
    f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG{text * 10}{text[:2]}"
    for text in ("FhYW", "JiYm", "NjY2")
)
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
# Recorded on a deployed lab host (iptables 1.8.11), and shortened.
FIREWALL = """\
forwarding 1
up notebook
*filter
:DOCKER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j DROP
-A DOCKER -d 10.200.1.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 8888 -j ACCEPT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -d 127.0.0.1/32 -p tcp -m tcp --dport 8888 -j DNAT --to-destination 10.200.1.2:8888
""".splitlines()
SYSTEM = """\
clock 1000.5
check 0
said Reading package lists...
file /usr/bin/nvidia-smi
owned /usr/bin/nvidia-smi
cloud-init /etc/cloud/cloud.cfg.d/90-provider.cfg true
cloud-init /etc/cloud/cloud.cfg.d/99-torchrack.cfg false
""".splitlines()
SURVEY = Survey(
    os="debian",
    version="13",
    codename="trixie",
    architecture="amd64",
    kernel="6.12.0",
    user="debian",
    nvidia=(PciFunction("0000:1a:00.0", "2335", "030200"),),
)
# The notebook's limits are the settings' defaults.
CONTAINERS = ["pci 2", "limits notebook 8589934592 4096 200000 100000", "gpus notebook 2"]
CONTAINERS += ["inside notebook 262144 4096 67108864 1048576 unlimited"]
CONTAINERS += ["jupyter notebook 200 403 403"]
ACCOUNTS = ["root root", "sudoers 90-cloud-init-users", "sudoers 90-torchrack", "login debian"]
ACCOUNTS += [f"key debian /home/debian/.ssh/authorized_keys {key} ann" for key in (DECLARED, OWN)]


def subject(*, docker: Docker | None = None, survey: Survey = SURVEY, **drift: object) -> Subject:
    layers = {
        "workloads": Workloads(containers=[NOTEBOOK]),
        "drift": Drift(**drift),
        "docker": docker or Docker(),
        "base": Base(authorized_keys=[DECLARED]),
    }
    return Subject(
        "gpu01", merge([layers]), survey, 1000.0, 1001.0, (f"{OWN} x",), {"10de:2335": 1}
    )


def ids(judge, lines: list[str], **drift: object) -> list[str]:
    return [finding.id for finding in judge(lines, subject(**drift))]


@pytest.mark.parametrize(
    ("judge", "lines"),
    [
        (sockets.judge, SOCKETS),
        (disks.judge, DISKS),
        (accounts.judge, ACCOUNTS),
        (docker.judge, [json.dumps(INFO)]),
        (system.judge, SYSTEM),
        (firewall.judge, FIREWALL),
        (secrets.judge, []),
        (xid.judge, ["boot 1000"]),
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


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ('tcp LISTEN 0 5 127.0.0.2:8888 *:* users:(("python3",pid=7))', "socket:tcp:8888"),
        ('tcp LISTEN 0 5 192.0.2.1:8888 *:* users:(("python3",pid=7))', "socket:tcp:8888"),
        ('tcp LISTEN 0 5 0.0.0.0:8888 *:* users:(("dockerd",pid=7))', "socket:tcp:8888"),
        ("sshd 2222", "sshd:port-2222.listening"),
        ("sshd 22", None),
    ],
)
def test_ports_are_held_by_those_who_should(line: str, finding: str | None):
    assert ids(sockets.judge, [*SOCKETS, line]) == ([f"host.{finding}"] if finding else [])


def test_a_boot_partition_without_room_for_an_initramfs():
    line = "bytes /dev/vdb 536870912 400000000 136870912 75% /boot"
    assert ids(disks.judge, [*DISKS, line]) == ["host.disk:/boot.bytes"]
    roomy = "bytes /dev/vdb 1073741824 400000000 673741824 38% /boot"
    assert ids(disks.judge, [*DISKS, roomy]) == []


def test_a_file_system_that_is_nearly_full():
    lines = [
        *DISKS,
        "bytes /dev/vdb 10737418240 9663676416 1073741824 90% /boot",
        "inodes /dev/vdb 100 99 1 99% /boot",
    ]
    assert ids(disks.judge, lines) == ["host.disk:/boot.bytes", "host.disk:/boot.inodes"]
    assert ids(disks.judge, lines, disk_full=95) == ["host.disk:/boot.inodes"]


@pytest.mark.parametrize(
    ("line", "finding", "allowed"),
    [
        ("root toor", "host.account:toor.uid", {}),
        ("docker ann", "host.account:ann.docker", {"docker_group": ["ann"]}),
        (
            "sudoers helpdesk",
            "host.sudoers:helpdesk",
            {"sudoers": ["helpdesk", "90-cloud-init-users"]},
        ),
        (
            f"key root /root/.ssh/authorized_keys {DECLARED}",
            "host.file:/root/.ssh/authorized_keys.keys",
            {"root_keys": True},
        ),
        (
            f"key debian /home/debian/.ssh/authorized_keys2 {OTHER} eve",
            "host.account:debian.keys",
            {"authorized_keys": [OTHER]},
        ),
        (
            f'key www /var/www/.ssh/authorized_keys from="192.0.2.1" {DECLARED} ann',
            "host.account:www.keys",
            {"key_accounts": ["www"]},
        ),
        (
            "source authorizedkeyscommand /usr/bin/keys %u",
            "host.sshd:authorizedkeyscommand.value",
            {"key_sources": ["/usr/bin/keys %u"]},
        ),
    ],
)
def test_a_way_to_become_root_or_to_log_in(line: str, finding: str, allowed: dict[str, object]):
    lines = [*ACCOUNTS, line]
    assert ids(accounts.judge, lines) == [finding]
    if allowed:
        assert ids(accounts.judge, lines, **allowed) == []


def test_the_account_that_a_server_was_onboarded_by_is_known():
    lines = [*ACCOUNTS, f"key debian /home/debian/.ssh/authorized_keys {OTHER} provider"]
    onboarded = replace(subject(), first_login="debian")
    assert [one.id for one in accounts.judge(lines, subject())] == ["host.account:debian.keys"]
    assert list(accounts.judge(lines, onboarded)) == []


def test_an_sshd_that_says_nothing_leaves_the_rest_told():
    found = list(accounts.judge([*ACCOUNTS, "sshd silent", "docker ann"], subject()))
    assert [(one.id, one.kind) for one in found] == [
        ("host.accounts-keys", "unknown"),
        ("host.account:ann.docker", "drift"),
    ]


def test_the_fix_of_a_key_deletes_that_line_alone():
    line = f"key debian /home/debian/.ssh/authorized_keys {OTHER} eve"
    (found,) = accounts.judge([*ACCOUNTS, line], subject())
    command = found.fix.partition(", or ")[0].removeprefix("sudo ")
    text = f"{DECLARED} ann\n{OTHER} eve\n{OWN}\n"
    program = shlex.split(command)[2]
    done = subprocess.run(
        ["sed", program], input=text, capture_output=True, text=True, check=True
    ).stdout
    assert done == f"{DECLARED} ann\n{OWN}\n"
    assert "eve" in found.actual
    assert OTHER not in found.actual


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


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ('tcp LISTEN 0 5 127.0.0.1:9000 *:* users:(("docker-proxy",pid=7))', "userland-proxy"),
        ('tcp LISTEN 0 5 127.0.0.1:2375 *:* users:(("dockerd",pid=7))', "api.2375"),
        ('tcp LISTEN 0 5 *:2375 *:* users:(("dockerd",pid=7))', "api.2375"),
    ],
)
def test_what_docker_listens_on(line: str, finding: str):
    override = "override /etc/systemd/system/docker.service.d/tcp.conf"
    assert ids(sockets.judge, [*SOCKETS, line, override]) == [f"host.docker:{finding}"]
    if "dockerd" in line:
        elsewhere = ids(sockets.judge, [*SOCKETS, line, override, "published 2375"])
        assert elsewhere == ["host.socket:tcp:2375"] * ("*:2375" in line)
        declared = ids(sockets.judge, [*SOCKETS, line, override], sockets=("tcp:2375",))
        assert declared == []
    proxied = subject(docker=Docker(extra={"userland-proxy": True}))
    if "docker-proxy" in line:
        assert list(sockets.judge([*SOCKETS, line], proxied)) == []


@pytest.mark.parametrize(
    ("lines", "command"),
    [
        (
            [
                'tcp LISTEN 0 5 *:9999 *:* users:(("python3",pid=7,fd=3))',
                "unit /proc/7/cgroup:0::/system.slice/web.service",
            ],
            "sudo systemctl stop web.service, bind it",
        ),
        (['tcp LISTEN 0 5 *:9999 *:* users:(("python3",pid=7,fd=3))'], "sudo kill 7, bind it"),
        (["udp UNCONN 0 0 *:5353 *:*"], "stop a program without a name, bind it"),
        (['tcp LISTEN 0 5 *:23 *:* users:(("sshd",pid=7,fd=3))'], "stop sshd, bind it"),
        (
            ['tcp LISTEN 0 5 *:9999 *:* users:(("docker-proxy",pid=7,fd=3))'],
            f"{BY_HAND} stop $({BY_HAND} ps -q --filter publish=9999), bind it",
        ),
        (
            ["sshd 2222", "set /etc/ssh/sshd_config:3:Port 2222", "set /etc/ssh/b:1:Port 22"],
            "sudo sed -i '3s/^/#/' /etc/ssh/sshd_config && sudo sshd -t && ",
        ),
        (
            [
                'tcp LISTEN 0 5 127.0.0.1:2375 *:* users:(("dockerd",pid=7,fd=3))',
                "override /etc/systemd/system/docker.service.d/tcp.conf",
            ],
            "sudo mv /etc/systemd/system/docker.service.d/tcp.conf "
            "/etc/systemd/system/docker.service.d/tcp.conf.disabled && sudo systemctl "
            "daemon-reload && sudo systemctl restart docker.service, and take hosts",
        ),
    ],
)
def test_the_command_that_closes_a_socket(lines: list[str], command: str):
    assert any(one.fix.startswith(command) for one in sockets.judge([*SOCKETS, *lines], subject()))


def test_the_command_against_another_source_of_keys():
    lines = [
        "source authorizedkeyscommand /usr/bin/keys %u",
        "set /etc/ssh/sshd_config.d/00-k.conf:1:AuthorizedKeysCommand /usr/bin/keys %u",
        "set /etc/ssh/sshd_config:9:Port 22",
    ]
    (found,) = accounts.judge([*ACCOUNTS, *lines], subject())
    assert found.fix == (
        "sudo sed -i '1s/^/#/' /etc/ssh/sshd_config.d/00-k.conf && sudo sshd -t && "
        "sudo systemctl try-restart ssh, or drift.key_sources"
    )


def test_a_daemon_that_a_drop_in_starts_is_started_as_its_package_does():
    said = json.dumps({**INFO, "CDISpecDirs": None})
    (found,) = docker.judge(
        [said, "override /run/systemd/system/docker.service.d/a.conf"], subject()
    )
    assert found.fix.startswith("sudo mv /run/systemd/system/docker.service.d/a.conf ")
    (found,) = docker.judge([said], subject())
    assert found.fix.startswith("sudo systemctl restart docker.service, ")


@pytest.mark.parametrize(
    ("said", "command"),
    [
        (
            "E: Malformed entry 2 in list file /etc/apt/sources.list.d/x.list (Component)",
            "sudo sed -i '2s/^/#/' /etc/apt/sources.list.d/x.list, which",
        ),
        (
            "E: Type 'foo' is not known on line 1 in source list /etc/apt/sources.list.d/x.list",
            "sudo sed -i '1s/^/#/' /etc/apt/sources.list.d/x.list, which",
        ),
        ("E: Unmet dependencies.", "sudo apt-get --fix-broken install, or"),
    ],
)
def test_the_command_that_mends_apt(said: str, command: str):
    lines = [line.replace("check 0", "check 100") for line in SYSTEM]
    (found,) = system.judge([*lines, f"said {said}"], subject())
    assert found.fix.startswith(command)


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("clock 1000.5", "clock 900", "system:clock.offset"),
        ("clock 1000.5", "clock 1100", "system:clock.offset"),
        ("check 0", "check 100", "system:apt.check"),
        ("said Reading", "half docker-ce", "system:packages.half-installed"),
        ("owned /usr/bin/nvidia-smi", "owned /usr/bin/x", "driver:files.owner"),
        ("torchrack.cfg false", "torchrack.cfg True", "cloud-init:ssh_pwauth.value"),
        ("said Reading", "engine /usr/local/bin/dockerd", "docker:engine.source"),
    ],
)
def test_what_preflight_would_refuse(old: str, new: str, finding: str):
    lines = [line.replace(old, new) for line in SYSTEM]
    assert ids(system.judge, lines) == [f"host.{finding}"]


@pytest.mark.parametrize(
    ("survey", "finding"),
    [
        (replace(SURVEY, version="99"), "host.system:os.supported"),
        (replace(SURVEY, nvidia=()), "host.system:gpus.count"),
        (
            replace(SURVEY, nvidia=(*SURVEY.nvidia, PciFunction("0000:2a:00.0", "2335", "030200"))),
            "host.system:gpus.count",
        ),
    ],
)
def test_a_host_that_preflight_would_refuse(survey: Survey, finding: str):
    assert [one.id for one in system.judge(SYSTEM, subject(survey=survey))] == [finding]


def test_half_installed_packages_while_apt_is_at_work_are_unknown():
    (found,) = system.judge([*SYSTEM, "half docker-ce", "apt 4711"], subject())
    assert (found.kind, found.id) == ("unknown", "host.system:apt.check")
    assert ids(system.judge, [*SYSTEM, "apt 4711"]) == []


@pytest.mark.parametrize(
    ("old", "findings"),
    [
        ("forwarding 1", ["kernel:net.ipv4.ip_forward.value"]),
        ("-A FORWARD -i docker0 -o docker0 -j DROP", ["firewall:docker0.icc"]),
        ("-A FORWARD -j DOCKER-USER", []),
        ("-A PREROUTING", ["firewall:nat.docker"]),
        ("-A DOCKER -d 127.0.0.1/32", ["container:notebook.port-8888"]),
        (
            "-A ",
            [
                "firewall:filter.docker",
                "firewall:nat.docker",
                "firewall:docker0.icc",
                "container:notebook.port-8888",
            ],
        ),
    ],
)
def test_rules_of_the_firewall_that_are_missing(old: str, findings: list[str]):
    lines = [
        line.replace("forwarding 1", "forwarding 0")
        for line in FIREWALL
        if not line.startswith(old) or line.startswith("forwarding")
    ]
    if old != "forwarding 1":
        lines[0] = FIREWALL[0]
    assert ids(firewall.judge, lines) == [f"host.{name}" for name in findings]


def test_a_firewall_that_is_not_dockers_business():
    for extra in ({"iptables": False}, {"icc": True}):
        chosen = subject(docker=Docker(extra=extra))
        lines = [line for line in FIREWALL if "docker0 -j DROP" not in line]
        assert list(firewall.judge(lines, chosen)) == []
    assert ids(firewall.judge, ["forwarding 1", "up notebook", "nftables"]) == []
    stopped = [line for line in FIREWALL if "up notebook" not in line and "DNAT" not in line]
    assert ids(firewall.judge, stopped) == []


def test_a_port_that_is_led_elsewhere():
    rule = "-A OUTPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 8888 -j REDIRECT --to-ports 18888"
    (found,) = firewall.judge([*FIREWALL, rule], subject())
    assert (found.id, found.severity) == ("host.firewall:port-8888.redirect", "security")
    assert found.fix == f"sudo iptables -t nat -D {rule.removeprefix('-A ')}"


def test_a_secret_that_shows():
    lines = [
        "process pull-account 77 - sh",
        "process pull-account 78 show.service sh",
        "process pull-account 79 show.service Web Content",
        "container token-of-notebook other",
    ]
    first, second = secrets.judge([*lines, lines[3]], subject())
    assert (first.id, first.severity) == ("host.secret:token-of-notebook.shown", "security")
    assert first.fix.startswith(f"{BY_HAND} stop other, and remove its file jupyter_token")
    assert second.id == "host.secret:pull-account.shown"
    assert "process sh 77, process sh 78, process Web Content 79" in second.actual
    assert second.fix.startswith("sudo kill 77 && sudo systemctl stop show.service, and give ")


def test_words_about_a_secret_that_nobody_understands():
    with pytest.raises(ValueError, match="machine 77"):
        list(secrets.judge(["machine pull-account 77"], subject()))


SHELL = Workload(
    name="shell",
    kind="ssh",
    image="x",
    ports=[Port(container=2222, host=2222)],
    authorized_keys=[DECLARED],
)


@pytest.mark.parametrize(
    ("line", "aspects"),
    [
        ("jupyter notebook 200 403 403", []),
        ("jupyter notebook 403 403 403", ["notebook.login"]),
        ("jupyter notebook none none none", ["notebook.login"]),
        ("jupyter notebook 200 200 403", ["notebook.open"]),
        ("jupyter notebook 200 403 200", ["notebook.open"]),
        ("ssh shell no SHA256:a SHA256:a publickey", []),
        ("ssh shell no none SHA256:a publickey", []),
        ("ssh shell no SHA256:a none none", ["shell.login"]),
        ("ssh shell no SHA256:a SHA256:b publickey", ["shell.host-key"]),
        ("ssh shell no SHA256:a SHA256:a publickey,password", ["shell.logins"]),
        ("ssh shell yes SHA256:a SHA256:a none", ["shell.logins"]),
    ],
)
def test_logins_to_containers(line: str, aspects: list[str]):
    settings = merge([{"workloads": Workloads(containers=[NOTEBOOK, SHELL])}])
    found = containers.judge(["pci 2", line], Subject("gpu01", settings))
    assert [one.id for one in found] == [f"host.container:{aspect}" for aspect in aspects]


@pytest.mark.parametrize("answer", [{"ServerErrors": ["x"]}, {}, []])
def test_a_daemon_that_gives_no_answer(answer: object):
    with pytest.raises(ValueError, match="no answer"):
        ids(docker.judge, [json.dumps(answer)])


XID_79 = (
    "ring 2026-11-24T03:00:00,123456+00:00 NVRM: Xid (PCI:0000:1A:00): 79, pid='<unknown>', "
    "name=<unknown>, GPU has fallen off the bus."
)


def test_an_xid_with_what_to_do():
    lines = ["boot 1000", XID_79.replace("03:00:00", "02:00:00"), XID_79]
    (finding,) = xid.judge(lines, subject())
    assert finding.id == "host.gpu:0000:1a:00.xid-79"
    assert (finding.kind, finding.severity) == ("hardware", "outage")
    assert "2 times, last 2026-11-24 03:00:00+00:00: pid" in finding.actual
    assert "restart the server" in finding.fix
    assert finding.when is not None
    assert finding.when.hour == 3


def _journal(seconds: int) -> str:
    return f"journal {seconds}.25 gpu01 kernel: {XID_79.split(maxsplit=2)[2]}"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([_journal(400)], ""),  # the last check told it
        ([_journal(600)], "once (1 since the last check)"),
        ([_journal(1400)], "once (1 since the last check)"),
        ([_journal(600), _journal(1400), XID_79], "2 times (2 since the last check)"),
        ([_journal(1400), _journal(1500), XID_79], "2 times (2 since the last check)"),
    ],
)
def test_xids_of_an_earlier_boot_are_told_once(lines: list[str], told: str):
    checked = dt.datetime.fromtimestamp(500, dt.timezone.utc)
    found = list(xid.judge(["boot 1000", *lines], replace(subject(), checked=checked)))
    assert [one.actual.partition(", last ")[0] for one in found] == [told] * bool(told)
    unchecked = xid.judge(["boot 1000", _journal(600)], subject())
    assert list(unchecked) == []


def test_no_time_of_the_boot_is_no_answer():
    with pytest.raises(ValueError, match="isoformat"):
        list(xid.judge([XID_79], subject()))


@pytest.mark.parametrize(
    ("code", "severity"), [(13, "none"), (43, "none"), (48, "outage"), (999, "outage")]
)
def test_what_the_catalogue_says(code: int, severity: str):
    assert xid.action(code)["severity"] == severity
    line = XID_79.replace(": 79,", f": {code},")
    assert len(ids(xid.judge, ["boot 1000", line])) == (severity != "none")


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
    ("system", SYSTEM, 0),
    ("docker", [json.dumps(INFO)], 0),
    ("xid", ["boot 1000"], 0),
    ("gpus", [], 0),
    ("containers", CONTAINERS, 0),
    ("firewall", FIREWALL, 0),
    ("secrets", [], 0),
)
NAMES = ["sockets", "disks", "accounts", "system", "docker", "gpus", "containers", "firewall"]
NAMES += ["secrets", "xid"]


def test_all_sections_of_a_healthy_host():
    assert probes.judge(answer(*GOOD), subject()) == []


@pytest.mark.parametrize(
    ("output", "unknown"),
    [
        (None, NAMES),
        (answer(*GOOD[:2]), NAMES[2:]),
        (answer(*GOOD[:5], ("xid", [], 1), *GOOD[6:]), ["xid"]),
        (answer(*GOOD[:4], ("docker", [], 1), *GOOD[5:]), ["docker"]),
        (answer(*GOOD[:3], ("system", ["check 0"], 0), *GOOD[4:]), ["system"]),
        (answer(*GOOD[:8], ("firewall", [], 0), *GOOD[9:]), ["firewall"]),
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
        ("inside notebook 1 4096 67108864 1048576 unlimited", "shm", "capacity"),
        ("inside notebook 262144 4096 1 1048576 unlimited", "ulimit-stack", "capacity"),
        ("inside notebook 262144 4096 67108864 1024 unlimited", "ulimit-nofile", "capacity"),
        ("inside notebook 262144 4096 67108864 1048576 65536", "ulimit-memlock", "capacity"),
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


def test_the_script_looks_for_containers_by_our_label_and_where_people_log_in():
    command = probes.request(subject().settings).command
    assert f"label={LABEL}\n" in command
    assert "services='jupyter notebook 192.0.2.1 8888'\n" in command
