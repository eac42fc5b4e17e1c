"""Who changed something, and when, as far as the host knows."""

from __future__ import annotations

import datetime as dt
import subprocess

import pytest

from torchrack.drift import witness
from torchrack.drift.model import Finding
from torchrack.drift.witness.resource import Resource, resource_of

DEPLOYED = dt.datetime.fromtimestamp(1795647000, dt.timezone.utc)
NOW = DEPLOYED + dt.timedelta(days=1)

LOG = """\
1795647023.989394 gpu01 sshd[103]: Server listening on 0.0.0.0 port 22.
1795647091.380508 gpu01 sshd-session[108]: Accepted publickey for ann from 192.0.2.1 port 4194 ssh2: ED25519 SHA256:x
1795647091.384025 gpu01 sshd-session[108]: pam_unix(sshd:session): session opened for user ann(uid=1000) by ann(uid=0)
1795647100.567234 gpu01 sudo[131]:   ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/vim /etc/docker/daemon.json
1795647100.567903 gpu01 sudo[131]: pam_unix(sudo:session): session opened for user root(uid=0) by ann(uid=1000)
1795647110.1 gpu01 sudo[140]:   torch : PWD=/ ; USER=root ; COMMAND=/usr/bin/timeout -k 5 60 sh -c 'eval "$(cat)" </dev/null'
1795647110.2 gpu01 sudo[140]: pam_unix(sudo:session): session opened for user root(uid=0) by torch(uid=1001)
1795647120.3 gpu01 sudo[140]: pam_unix(sudo:session): session closed for user root
1795647130.567903 gpu01 sudo[131]: pam_unix(sudo:session): session closed for user root
1795647200.1 gpu01 sudo[150]:   bob : PWD=/ ; USER=root ; COMMAND=/usr/bin/apt-mark unhold libcuda1 --token=S3CRET
1795647200.2 gpu01 sudo[150]: pam_unix(sudo:session): session opened for user root(uid=0) by bob(uid=1002)
1795647200.3 gpu01 sudo[150]: pam_unix(sudo:session): session closed for user root
1795647300.1 gpu01 sshd-session[160]: Accepted publickey for root from 192.0.2.9 port 1 ssh2: ED25519 SHA256:y
1795647300.2 gpu01 sshd-session[160]: pam_unix(sshd:session): session opened for user root(uid=0) by root(uid=0)
1795647400.1 gpu01 su[170]: pam_unix(su-l:session): session opened for user root(uid=0) by eve(uid=1003)
1795647410.1 gpu01 su[170]: pam_unix(su-l:session): session closed for user root"""  # noqa: E501

APT = """\
Start-Date: 2026-11-25  22:51:39
Commandline: apt-get -q -y install libcuda1=580.105.08-1
Requested-By: ann (1000)
Downgrade: libcuda1:amd64 (580.159.04-1, 580.105.08-1)
End-Date: 2026-11-25  22:51:41

Start-Date: 2026-11-26  06:10:00
Commandline: /usr/bin/unattended-upgrade
Upgrade: openssl:amd64 (3.5.1-1, 3.5.2-1), docker.io:amd64 (26.1.5+dfsg1-9, 26.1.5+dfsg1-10)
End-Date: 2026-11-26  06:10:02"""


def answer(*times: str) -> list[str]:
    text = f"==files\n{chr(10).join(times)}\n==units\n==zone\n+0100\n==apt\n{APT}\n==log\n{LOG}"
    return text.splitlines()


def finding(id_: str, kind: str = "drift") -> Finding:
    return Finding("gpu01", id_, id_.split(".", maxsplit=1)[0], kind, "compat", "w", "e", "a", "f")


def told(id_: str, *times: str, deployed: dt.datetime | None = DEPLOYED) -> tuple[str | None, str]:
    (one,) = witness.told([finding(id_)], answer(*times), deployed)
    return one.who, f"{one.when:%d %H:%M:%S}" if one.when else ""


DAEMON = "docker.file:/etc/docker/daemon.json.content"


@pytest.mark.parametrize(
    ("id_", "times", "who", "when"),
    [
        (DAEMON, ["1795647125 /etc/docker/daemon.json"], "ann (sudo /usr/bin/vim)", "25 22:52:05"),
        # Somebody who only looked at the time did not change it, nor did one who was gone.
        (DAEMON, ["1795647115 /etc/docker/daemon.json"], "ann (sudo /usr/bin/vim)", "25 22:51:55"),
        (DAEMON, ["1795647150 /etc/docker/daemon.json"], None, "25 22:52:30"),
        (DAEMON, ["1795647405 /etc/docker/daemon.json"], "eve (su)", "25 22:56:45"),
        # A root login that never ended, as far as the log goes.
        (DAEMON, ["1795649999 /etc/docker/daemon.json"], "root (ssh from 192.0.2.9)", None),
        # From before the deploy: a mount over the file, not its own time. The log names the file.
        (DAEMON, ["1795600000 /etc/docker/daemon.json"], "ann (sudo /usr/bin/vim)", "25 22:51:40"),
        ("driver.package:libcuda1.held", [], "bob (sudo /usr/bin/apt-mark)", "25 22:53:20"),
        ("driver.package:libcuda1.version", [], "ann (apt-get)", "25 21:51:39"),
        ("docker.package:docker.io.version", [], "root (unattended-upgrade)", "26 05:10:00"),
        ("driver.package:nvidia-modprobe.held", [], None, ""),
        ("host.sudoers:helpdesk", ["1795647125 /etc/sudoers.d/helpdesk"], "ann", None),
        ("host.socket:tcp:9999", [], None, ""),
    ],
)
def test_who_and_when(id_: str, times: list[str], who: str | None, when: str | None):
    found, moment = told(id_, *times)
    assert found == who or (who and found and found.startswith(who))
    assert when is None or moment == when


def test_what_is_typed_is_never_shown():
    assert "S3CRET" not in repr(told("driver.package:libcuda1.held"))


def test_a_host_that_knows_nothing_takes_nothing_away():
    one = finding(DAEMON)
    assert witness.told([one], [], None) == (one,)
    assert witness.told([one], ["==files", "rubbish", "==zone", "x", "==apt", APT], None) == (one,)


def test_what_is_no_drift_is_left_as_it_is():
    pending = finding(DAEMON, "pending")
    lines = answer("1795647125 /etc/docker/daemon.json")
    assert witness.told([pending], lines, DEPLOYED) == (pending,)


def test_only_drift_is_asked_about():
    assert witness.script([finding(DAEMON, "pending")], DEPLOYED, NOW) == ""
    text = witness.script(
        [finding(DAEMON), finding("driver.unit:nvidia-persistenced.service.running")], DEPLOYED, NOW
    )
    assert text.startswith(
        "since=1795647000\nunits=nvidia-persistenced.service\nset -- /etc/docker/daemon.json\n"
    )
    assert "since=1794437400\n" in witness.script([finding(DAEMON)], None, DEPLOYED)


def test_the_script_runs_anywhere_and_changes_nothing(tmp_path):
    path = tmp_path / "with space"
    path.write_text("x")
    script = witness.script([finding(f"base.file:{path}.content")], None, NOW)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    (one,) = witness.told([finding(f"base.file:{path}.content")], done.stdout.splitlines(), None)
    assert one.when
    assert abs(one.when.timestamp() - path.stat().st_ctime) < 1


@pytest.mark.parametrize(
    ("id_", "resource"),
    [
        (DAEMON, Resource("file", "/etc/docker/daemon.json", "content")),
        ("host.sudoers:a.b", Resource("sudoers", "a.b", "")),
        ("host.socket:tcp:9999", Resource("socket", "tcp:9999", "")),
        ("host.account:toor.uid", Resource("account", "toor", "uid")),
        ("driver.unit:x.service.running", Resource("unit", "x.service", "running")),
        ("workloads.container:shell.memory", Resource("container", "shell", "memory")),
        ("base.initramfs:x", Resource("initramfs", "x", "")),
    ],
)
def test_what_a_finding_is_about(id_: str, resource: Resource):
    assert resource_of(finding(id_)) == resource
