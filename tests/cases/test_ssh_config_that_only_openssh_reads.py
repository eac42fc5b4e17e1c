"""An ssh_config is valid for OpenSSH, and paramiko fails on it.

``Match final all``, ``Match host=NAME`` and quoted ``!exec`` ended in tracebacks, or each server
was told to be unwell. Now ssh reads its own files. What it can't read either is told once.

Reference: https://github.com/paramiko/paramiko/issues/2361
Kind: valid ssh_config that our library can't read.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from torchrack import ssh_config
from torchrack.doctor import machine
from torchrack.ssh_config import Route, SSHConfigError, repin, route, through

BIN = Path(sys.executable).parent


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir(mode=0o700)
    ssh_config.problems.cache_clear()
    yield tmp_path / ".ssh" / "config"
    ssh_config.problems.cache_clear()


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("Match final all\n  ServerAliveInterval 30\n", "keep_alive", 30),
        ("Match host=10.0.0.7\n  ServerAliveInterval 5m\n", "keep_alive", 300),
        (
            'Match final !originalhost proxy !exec "false"\n  ProxyCommand ssh proxy nc %h %p\n',
            "command",
            "exec ssh proxy nc 10.0.0.7 22",
        ),
        ("Match all\nInclude more\n", "hostname", "10.0.0.9"),
        ("HostName=10.0.0.9\n", "hostname", "10.0.0.9"),
        ('HOSTNAME "10.0.0.9"\n', "hostname", "10.0.0.9"),
        ("Host 10.0.0.?\n  HostName 10.0.0.9 # at home\n", "hostname", "10.0.0.9"),
        ("Match user torchrack\n  HostName 10.0.0.9\n", "hostname", "10.0.0.9"),
        ("IgnoreUnknown UseKeychain\nUseKeychain yes\n", "hostname", "10.0.0.7"),
        ("ProxyJump a,b@c:23\n", "jump", "a,b@c:23"),
        ("ProxyCommand none\nProxyJump a\n", "jump", ""),
        ("ForwardAgent yes\n", "forward_agent", True),
        ("IdentityAgent /run/%r.sock\n", "agent", "/run/torchrack.sock"),
        ("IdentityAgent none\n", "agent", None),
        (
            "IdentityFile /keys/%n\nIdentityFile /keys/b\n",
            "identities",
            ("/keys/10.0.0.7", "/keys/b"),
        ),
        ("", "identities", ()),
    ],
)
def test_openssh_s_own_reader_counts(config: Path, text: str, field: str, value: object) -> None:
    # A path that is relative to ~/.ssh of the password file is written whole.
    more = config.with_name("more")
    more.write_text("HostName 10.0.0.9\n")
    config.write_text(text.replace("Include more", f"Include {more}"))
    assert ssh_config.problems() == ()
    assert getattr(route("10.0.0.7", 22, "torchrack"), field) == value


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Host a\n  HostName b\n  FooBar yes\n", "line 3"),
        ("\nMatch nosuch 192.0.2.0/24\n  HostName b\n", "line 2"),
        ("Host a\n  Port many\n", "line 2"),
    ],
)
def test_what_ssh_can_t_read_is_told_once_with_file_and_line(
    config: Path, text: str, place: str
) -> None:
    config.write_text(text)
    (problem,) = ssh_config.problems()
    assert str(config) in problem.found
    assert place in problem.found
    assert "Pseudo-terminal" not in problem.found
    found = [one for one in machine.checks(config.parent) if one.problem == problem]
    assert len(found) == 1
    with pytest.raises(SSHConfigError, match=place):
        route("10.0.0.7", 22)


def test_plain_pyinfra_and_torchrack_refuse_before_any_connection(
    config: Path, tmp_path: Path
) -> None:
    config.write_text("Match nosuch x\n  HostName b\n")
    (tmp_path / "known_hosts").touch()
    inventory = tmp_path / "fleet.py"
    inventory.write_text(
        "from torchrack.inventory import check_fleet, host\n"
        "gpu = [host(f'gpu{n}', address=f'192.0.2.{n}', user='a', known_hosts="
        f"'{tmp_path}/known_hosts') for n in (1, 2, 3)]\n"
        "check_fleet(__file__, globals())\n"
    )
    for command in (
        [BIN / "torchrack", "plan", inventory],
        [BIN / "pyinfra", "-y", inventory, "exec", "--", "hostname"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        said = done.stdout + done.stderr
        assert done.returncode != 0
        assert said.count("nosuch") == 1
        assert "Traceback" not in said
        assert "192.0.2." not in said


def test_without_ssh_there_is_no_ssh_config_that_could_be_misread(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ssh_config._ask.cache_clear()
    assert route("10.0.0.7", 22) == Route("10.0.0.7")
    config.write_text("Host *\n  HostName b\n")
    with pytest.raises(SSHConfigError, match="openssh-client"):
        route("10.0.0.7", 22)


def test_jump_hosts_are_reached_as_ssh_reaches_them() -> None:
    way = Route("2001:db8::7", jump="a,ann@b:23", options=("-F", "x"))
    assert through(way, 2222) == [
        *("ssh", "-F", "x", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes"),
        *("-J", "a", "-W", "[2001:db8::7]:2222", "--", "ssh://ann@b:23"),
    ]


def test_the_command_that_pins_again_quotes_what_it_is_given() -> None:
    assert repin("/a b/known_hosts", "[h]:22", "g") == (
        "ssh-keygen -F '[h]:22' -f '/a b/known_hosts' | "
        "awk -v name=g '!/^#/ {$1 = name; print}' >> '/a b/known_hosts'"
    )
