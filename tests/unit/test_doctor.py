"""torchrack doctor: every check can fail, names what mends it, and changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from typer.testing import CliRunner

from tests.unit.ssh_server import Rules, serving
from torchrack.cli import app
from torchrack.doctor import fleet as fleets
from torchrack.doctor import keys, machine
from torchrack.doctor.hosts import Clock, compared
from torchrack.doctor.model import Checked
from torchrack.drift import history
from torchrack.inventory import load_fleet
from torchrack.onboard.pins import pin

HOST_KEY = paramiko.ECDSAKey.generate()


def told(checks: Iterator[Checked]) -> dict[str, str]:
    """What to fix, by what was looked at."""
    return {
        one.what: f"{one.found} -> {one.problem.fix}" for one in checks if one.problem is not None
    }


def doctor(*arguments: object):
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, which is the current one; the SSH agent is away."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def key(home: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], check=True)
    return home / "key"


def inventory(home: Path, hosts: str = "", *, more: str = "", lines: str = "") -> Path:
    path = home / "lab.py"
    path.write_text(
        "from torchrack.inventory import check_fleet, host, hosts_of\n"
        "from torchrack.settings import *\n"
        f"gpu = hosts_of(__file__, 'gpu', user='ops'{more})\n"
        f"del SECTIONS\n{lines}\ncheck_fleet(__file__, globals())\n"
    )
    (home / "lab.hosts.yml").write_text(hosts)
    (home / "lab.known_hosts").touch()
    return path


# This machine.


def test_this_machine_is_well(home: Path) -> None:
    done = doctor()
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "All is well."), done.stdout
    assert "\x1b[" not in done.stdout


@pytest.mark.parametrize(("version", "well"), [((3, 10, 0), True), ((3, 9, 19), False)])
def test_python(version: tuple[int, ...], well: bool) -> None:
    checked = machine.python(version)
    assert (checked.problem is None) == well


def test_packages_that_are_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        "pyinfra>=3.10,<4",
        "nothing-like-it>=1",
        "rich>=999",
        'colorama; sys_platform == "win32"',
    ]
    monkeypatch.setattr(machine.metadata, "requires", lambda _: wanted)
    monkeypatch.setattr(machine, "find_spec", lambda name: None if name == "testinfra" else name)
    found = told(machine.packages())
    assert set(found) == {"Package nothing-like-it", "Package rich", "Package testinfra"}
    assert found["Package nothing-like-it"] == "not installed -> run make deps"


def test_programs_that_are_missing_or_broken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    (home / "git").write_text("#!/bin/sh\nexit 3\n")
    (home / "git").chmod(0o755)
    found = told(map(machine.program, ("ssh", "git")))
    assert found["Program ssh"] == "none -> apt-get install openssh-client"
    assert "exit status 3" in found["Program git"]


def test_folders_that_can_t_be_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "file"))
    assert told(machine.folders(home)) == {
        "State": f"{home}/file can't be written -> make it yours, or set XDG_STATE_HOME"
    }
    monkeypatch.setattr(machine.os, "access", lambda path, _: Path(path) != home)
    assert set(told(machine.folders(home))) == {"Folder of the fleet", "Cache", "State"}


def test_a_full_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = machine.shutil.disk_usage(home)._replace(free=100 * 2**20)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    found = told(machine.folders(home))
    assert len(found) == 4
    assert "0.1 GiB free -> free space there: du" in found["Cache"]


# What hosts are logged in to with.


def test_a_key_that_is_right(key: Path) -> None:
    checked = keys.private_key(key)
    assert checked.problem is None
    assert checked.found.startswith("ssh-ed25519, SHA256:")


def test_a_key_that_is_not_there(home: Path) -> None:
    (problem,) = told([keys.private_key(home / "none")]).values()
    assert problem.startswith(f"no such file -> make one: ssh-keygen -t ed25519 -N '' -f {home}")


def test_a_key_that_is_open_to_others(key: Path) -> None:
    key.chmod(0o640)
    (problem,) = told([keys.private_key(key)]).values()
    assert problem == f"open to others (mode 0640) -> chmod 600 {key}"


def test_a_key_with_a_passphrase(home: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "word", "-f", "locked"], check=True)
    (problem,) = told([keys.private_key(home / "locked")]).values()
    assert "is locked by a passphrase -> ssh-add" in problem
    assert "agent=True" in problem


def test_a_public_half_that_is_missing_or_another_one(key: Path) -> None:
    public = key.with_name("key.pub")
    text = public.read_text()
    public.unlink()
    (problem,) = told([keys.private_key(key)]).values()
    assert f"ssh-keygen -y -f {key} > {public}" in problem
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "other"], check=True)
    public.write_text(Path("other.pub").read_text())
    (problem,) = told([keys.private_key(key)]).values()
    assert problem.startswith(f"{public} is another key's")
    public.write_text(text)
    assert keys.private_key(key).problem is None


def test_what_is_no_key(home: Path) -> None:
    (home / "key").write_text("hello\n")
    (home / "key").chmod(0o600)
    (problem,) = told([keys.private_key(home / "key")]).values()
    assert "no private key" in problem


def test_the_agent(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "none -> eval $(ssh-agent)" in told([keys.agent(["gpu01"])])["SSH agent"]
    socket = key.parent / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE, text=True)
    try:
        assert agent.stdout
        agent.stdout.readline()  # it listens before it says so
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        assert told([keys.agent(["gpu01"])]) == {"SSH agent": "no key in it -> ssh-add FILE"}
        subprocess.run(["ssh-add", "-q", key], check=True)
        assert keys.agent(["gpu01"]) == Checked("SSH agent", "1 key(s)")
    finally:
        agent.terminate()
        agent.wait()


def test_an_agent_that_hangs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "ssh-add").write_text("#!/bin/sh\nexec sleep 30\n")
    (home / "ssh-add").chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:{os.environ['PATH']}")
    monkeypatch.setattr(keys, "AGENT_SECONDS", 0.2)
    assert "unknown: " in told([keys.agent(["gpu01"])])["SSH agent"]


# The fleet's files.


def test_a_fleet_without_a_host_is_checked_for_its_first(key: Path) -> None:
    path = inventory(key.parent, more=", key='key'")
    done = doctor(path)
    assert done.exit_code == 0, done.stdout
    assert "no host yet: torchrack onboard adds them" in done.stdout
    path = inventory(key.parent, more=", key='~/none'")
    assert "ssh-keygen -t ed25519" in doctor(path).stdout


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("1/0", "ZeroDivisionError"),
        ("docker = Docker(log_max_siez=1)", "Docker.log_max_siez"),
        ("import sys; sys.exit('closed on Sundays')", "closed on Sundays"),
        ("stray = ['a']", "1 problem(s) in the settings"),
        ("gpu = None", "1 problem(s) in the settings"),
    ],
)
def test_an_inventory_that_can_t_be_read(lines: str, words: str, home: Path) -> None:
    done = doctor(inventory(home, lines=lines))
    assert done.exit_code == 1
    assert words in done.stdout
    assert "Python" in done.stdout, "this machine is checked all the same"


def test_an_inventory_that_is_not_there(home: Path) -> None:
    done = doctor("none.py")
    assert (done.exit_code, done.stderr) == (1, "torchrack doctor: none.py: no such inventory\n")


def test_all_that_is_wrong_with_a_fleet_is_told_at_once(key: Path) -> None:
    home = key.parent
    path = inventory(
        home,
        "gpu:\n"
        "  gpu01: {address: 192.0.2.11, key: key}\n"
        "  gpu02: {address: 192.0.2.12, agent: true}\n"
        "  gpu03: {address: 192.0.2.13, port: 2222}\n",
        more=", images=Images(registries=[Registry(address='r.example', username='a', "
        "password=env('NO_SUCH_WORD'))])",
    )
    pin(home / "lab.known_hosts", "192.0.2.11", 22, HOST_KEY)
    (home / "lab.waivers.yml").write_text("- id: x\n")
    (home / "lab.alerts.yml").write_text("- {kind: json, url: {source: file, name: none}}\n")
    file = history.path_of(path)
    file.parent.mkdir(parents=True)
    file.write_text("no database, but long enough to be looked at as one" * 100)
    done = doctor(path, "--offline", "--json")
    assert done.exit_code == 1
    data = json.loads(done.stdout)
    assert (data["schema"], data["verdict"]) == (1, "problems")
    found = {(one["what"], one["where"]): one for one in data["checks"] if not one["ok"]}
    here = "this machine"
    assert set(found) == {
        ("SSH agent", here),
        ("Login", "gpu03"),
        ("Host key", "gpu02"),
        ("Host key", "gpu03"),
        ("Lock", "lab.lock.yml"),
        ("Waiver: reason", "lab.waivers.yml:1"),
        ("Waiver: owner", "lab.waivers.yml:1"),
        ("Waiver: expires", "lab.waivers.yml:1"),
        ("Password of r.example", here),
        ("Secret of the json alerts", here),
        ("History of checks", here),
    }
    assert all(one["found"] and one["needed"] and one["fix"] for one in found.values())
    assert "ssh-keyscan -p 2222 -t ed25519 192.0.2.13" in found["Host key", "gpu03"]["fix"]
    assert "NO_SUCH_WORD" in found["Password of r.example", here]["found"]
    assert f"mv {file} " in found["History of checks", here]["fix"]
    assert file.exists(), "nothing is changed"


def test_a_known_hosts_file_with_a_broken_line_is_told_once(key: Path) -> None:
    path = inventory(key.parent, "gpu:\n  a: {address: 192.0.2.1}\n  b: {address: 192.0.2.2}\n")
    (key.parent / "lab.known_hosts").write_text("192.0.2.1 ssh-ed25519 AAAA!\n")
    hosts, _, _ = fleets.read(path)
    (checked,) = keys.pinned(hosts)
    assert checked.problem
    assert checked.problem.where.endswith("lab.known_hosts:1")


def test_secrets_are_read_and_never_told(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "hunter2-hunter2")
    path = inventory(
        key.parent,
        "gpu:\n  a: {address: 192.0.2.1, key: key}\n",
        more=", images=Images(registries=[Registry(address='r.example', username='a', "
        "password=env('WORD'))])",
    )
    done = doctor(path, "--offline")
    assert "read (env)" in done.stdout
    assert "hunter2" not in done.output


# Hosts.


@pytest.fixture
def server(key: Path) -> Iterator[tuple[Path, Rules]]:
    """An inventory with a host on loopback that lets the key in."""
    rules = Rules(key=paramiko.Ed25519Key.from_private_key_file(str(key)))
    with serving(rules, HOST_KEY) as port:
        path = inventory(
            key.parent, f"gpu:\n  gpu01: {{address: 127.0.0.1, port: {port}, key: key}}\n"
        )
        pin(key.parent / "lab.known_hosts", "127.0.0.1", port, HOST_KEY)
        yield path, rules


def outcome(path: Path, what: str) -> tuple[bool, str]:
    data = json.loads(doctor(path, "--json").stdout)
    (one,) = (one for one in data["checks"] if one["what"] == what)
    return one["ok"], one["found"]


def test_a_host_that_lets_us_in(server: tuple[Path, Rules]) -> None:
    path, rules = server
    rules.replies = {"sudo": (0, f"{time.time():.3f}\n".encode(), b"")}
    ok, found = outcome(path, "Logins")
    assert (ok, found) == (True, "1 of 1 host(s), with sudo")
    assert [kind for kind, _ in rules.seen if kind != "none"] == ["publickey"], "one try"


def test_a_host_whose_clock_is_wrong(server: tuple[Path, Rules]) -> None:
    path, rules = server
    rules.replies = {"sudo": (0, f"{time.time() - 3600:.3f}\n".encode(), b"")}
    ok, found = outcome(path, "Clock")
    assert not ok
    assert found.endswith(" s behind")


def test_a_host_that_answers_nonsense(server: tuple[Path, Rules]) -> None:
    path, rules = server
    rules.replies = {"sudo": (0, b"date: not today\n", b"")}
    assert outcome(path, "Facts of the host") == (False, "date: not today in answer to date")
    assert outcome(path, "Clock") == (False, "unknown")


def test_a_host_that_refuses_the_key(server: tuple[Path, Rules]) -> None:
    path, rules = server
    rules.key = HOST_KEY
    ok, found = outcome(path, "Facts of the host")
    assert (ok, "refused login" in found) == (False, True)


def test_a_host_that_is_another_one(server: tuple[Path, Rules]) -> None:
    path, _ = server
    port = load_fleet(path)[0].data["ssh_port"]
    pin(path.with_name("lab.known_hosts"), "127.0.0.1", port, paramiko.ECDSAKey.generate())
    ok, found = outcome(path, "Facts of the host")
    assert (ok, "another host key" in found) == (False, True)


def test_a_host_that_is_away(key: Path) -> None:
    path = inventory(key.parent, "gpu:\n  gpu01: {address: 127.0.0.1, port: 9, key: key}\n")
    pin(key.parent / "lab.known_hosts", "127.0.0.1", 9, HOST_KEY)
    ok, found = outcome(path, "Facts of the host")
    assert (ok, "127.0.0.1" in found) == (False, True)


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ({"a": 0.5}, {}),
        ({"a": 100.0}, {"Clock": "100.0 s ahead -> timedatectl set-ntp true, on a, or here"}),
        ({"a": 100.0, "b": 101.0, "c": 99.0}, {"Clock": "100.0 s behind the clocks of 3 hosts"}),
        ({"a": -100.0, "b": -100.0}, {"Clock": "100.0 s ahead of the clocks of 2 hosts"}),
        ({"a": 0.0, "b": -100.0, "c": 0.1}, {"Clock": "100.0 s behind -> timedatectl"}),
        ({"a": 30.9, "b": 0.0, "c": 0.0}, {}),
    ],
)
def test_whose_clock_is_wrong(offsets: dict[str, float], expected: dict[str, str]) -> None:
    clocks = {name: Clock(offset, doubt=1.0) for name, offset in offsets.items()}
    found = told(compared(clocks, dict.fromkeys(offsets, 30)))
    assert set(found) == set(expected)
    for what, words in expected.items():
        assert words in found[what]


def test_a_clock_of_ours_and_one_of_a_host() -> None:
    clocks = {name: Clock(offset, 0.1) for name, offset in (("a", 100.0), ("b", 101.0), ("c", 0.0))}
    checks = list(compared(clocks, dict.fromkeys(clocks, 30)))
    assert [one.problem.where for one in checks if one.problem] == ["this machine", "c"]
