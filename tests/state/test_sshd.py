"""Stage ``sshd``: what the server really does, and who is turned away."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatchcase

import pytest

from tests.state.target import TIMEOUT, Answer, Target
from torchrack.settings import Settings

DROP_IN = "/etc/ssh/sshd_config.d/00-torchrack.conf"


CLOCKS_DIFFER = 0.25
"""Seconds between two readings of the clock by one script on a busy host."""


def _deploy_user(settings: Settings) -> str:
    return settings.base.deploy_user or "${SUDO_USER:-root}"


PROBES = {
    "sshd_version": "sshd -V 2>&1 || ssh -V 2>&1",
    "sshd_effective": lambda settings: (
        f"sshd -T -C user={_deploy_user(settings)},host=client,addr=192.0.2.1"
    ),
    "sshd_effective_root": "sshd -T -C user=root,host=client,addr=192.0.2.1",
    "sshd_modes": f"stat -c '%a %U:%G %n' /etc/ssh {DROP_IN} /etc/ssh/ssh_host_*_key",
    "sshd_listener": (
        "for p in $(sshd -T | sed -n 's/^port //p'); do "
        'echo "port $p"; ss -ltnpH "sport = :$p"; done'
    ),
    # Seconds that the running server is older than the file.
    "sshd_age": (
        f"changed=$(stat -c %.3Z {DROP_IN}); "
        "since=$(systemctl show -p StateChangeTimestampMonotonic --value ssh.service); "
        "awk -v changed=$changed -v since=$since -v now=$(date +%s.%N) "
        "'{ print changed - (now - $1 + since / 1000000) }' /proc/uptime"
    ),
    "sshd_unproven": (
        "ls /var/lib/torchrack/sshd/armed 2>/dev/null; "
        "systemctl is-active torchrack-sshd-rollback.timer; true"
    ),
    "sshd_cloud_init": (
        "[ ! -d /etc/cloud/cloud.cfg.d ] || "
        "cat $(ls /etc/cloud/cloud.cfg.d/*.cfg | sort) | sed -n 's/^ssh_pwauth: *//p' | tail -n 1"
    ),
}

EXPECTED = {
    "permitrootlogin": "no",
    "pubkeyauthentication": "yes",
    "authenticationmethods": "publickey",
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitemptypasswords": "no",
    "hostbasedauthentication": "no",
    "ignorerhosts": "yes",
    "usepam": "yes",
    "maxsessions": "10",
    "maxstartups": "10:30:60",
    "clientaliveinterval": "60",
    "clientalivecountmax": "3",
    "tcpkeepalive": "no",
    "loglevel": "VERBOSE",
    "permituserenvironment": "no",
    "x11forwarding": "no",
    "allowagentforwarding": "no",
    "gatewayports": "no",
    "permittunnel": "no",
    "compression": "no",
    "usedns": "no",
    "printmotd": "no",
    "banner": "/etc/issue.net",
}

WEAK = {
    "kexalgorithms": ("ecdh-*", "diffie-hellman-*"),
    "macs": ("*sha1*", "umac-64*", "hmac-sha2-256", "hmac-sha2-512", "umac-128@openssh.com"),
    "hostkeyalgorithms": ("*ecdsa-*", "webauthn-*", "ssh-rsa", "ssh-dss"),
    "pubkeyacceptedalgorithms": ("*ecdsa-*", "webauthn-*", "ssh-rsa", "ssh-dss"),
    "casignaturealgorithms": ("*ecdsa-*", "webauthn-*", "ssh-rsa", "ssh-dss"),
}


def _values(answer: Answer) -> dict[str, str]:
    assert answer.rc == 0, answer.stderr or answer.stdout
    return dict(line.partition(" ")[::2] for line in answer.lines)


@pytest.mark.parametrize("account", ["sshd_effective", "sshd_effective_root"])
def test_effective_values(target: Target, account: str) -> None:
    values = _values(target.probe(account))
    settings = target.settings.sshd
    expected = EXPECTED | {
        "allowgroups": settings.admin_group,
        "maxauthtries": str(settings.max_auth_tries),
        "logingracetime": str(settings.login_grace_time),
        "allowtcpforwarding": settings.tcp_forwarding,
    }
    wrong = {k: f"{values.get(k)}, needed {v}" for k, v in expected.items() if values.get(k) != v}
    assert not wrong


def test_no_weak_algorithm(target: Target) -> None:
    values = _values(target.probe("sshd_effective"))
    for option, patterns in WEAK.items():
        offered = values[option].split(",")
        assert offered != [""], f"{option} is empty"
        weak = [a for a in offered if any(fnmatchcase(a, pattern) for pattern in patterns)]
        assert not weak, f"{option} still has {weak}"


def test_options_of_newer_versions(target: Target) -> None:
    values = _values(target.probe("sshd_effective"))
    said = re.search(r"OpenSSH_(\d+)\.(\d+)", target.probe("sshd_version").stdout)
    assert said, target.probe("sshd_version").stdout
    version = (int(said[1]), int(said[2]))
    needed = {"requiredrsasize": "3072"} if version >= (9, 1) else {}
    if version >= (9, 8):
        exempt = ",".join(target.settings.sshd.penalty_exempt)
        needed["persourcepenaltyexemptlist"] = exempt or "none"
    needed |= {name: "no" for name in ("debianbanner", "gssapiauthentication") if values.get(name)}
    assert {name: values.get(name) for name in needed} == needed


def test_files_are_private(target: Target) -> None:
    rows = [line.split() for line in target.probe("sshd_modes").lines]
    found = {path: f"{mode} {owner}" for mode, owner, path in rows}
    assert found.get("/etc/ssh") == "755 root:root"
    assert found.get(DROP_IN) == "600 root:root"
    keys = {path: state for path, state in found.items() if path.endswith("_key")}
    assert keys, "no host key"
    assert set(keys.values()) == {"600 root:root"}, keys


def test_sshd_listens(target: Target) -> None:
    ports = target.probe("sshd_listener").stdout.split("port ")[1:]
    assert ports, "sshd has no port"
    for port, *lines in (part.splitlines() for part in ports):
        owners = {name for line in lines for name in re.findall(r'\("([^"]+)"', line)}
        assert owners, f"nobody listens on sshd's port {port}"
        assert owners <= {"sshd", "systemd"}, f"{owners} listen on sshd's port {port}"


def test_running_server_has_read_the_file(target: Target) -> None:
    older = float(target.probe("sshd_age").stdout)
    assert older < CLOCKS_DIFFER, f"sshd has not read the file, which is {older} s newer"


def test_configuration_is_proven(target: Target) -> None:
    lines = target.probe("sshd_unproven").lines
    assert lines == ["inactive"], f"an unproven configuration is in force: {lines}"


def test_cloud_init_keeps_passwords_off(target: Target) -> None:
    assert target.probe("sshd_cloud_init").stdout.strip() in ("", "false")


def _try_login(target: Target, *options: str) -> str:
    """A login over a connection of its own; returns what the refused client said."""
    done = subprocess.run(
        ["ssh", "-F", target.ssh_config, "-o", "ControlPath=none", *options, target.name, "true"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 255, f"the login succeeded (exit status {done.returncode})"
    return done.stderr.strip()


def test_password_login_is_refused(target: Target) -> None:
    said = _try_login(
        target,
        *("-o", "PubkeyAuthentication=no"),
        *("-o", "PreferredAuthentications=password,keyboard-interactive"),
    )
    assert "Permission denied (publickey)" in said, f"methods offered: {said}"


def test_root_login_is_refused(target: Target) -> None:
    said = _try_login(target, "-l", "root")
    assert "Permission denied (publickey)" in said, f"not refused by its rules: {said}"
