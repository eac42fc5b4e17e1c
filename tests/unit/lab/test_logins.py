"""Kinds of login: each makes the account that it says."""

import shlex
import subprocess

import pytest

from lab import logins
from lab.errors import LabError

KEY = "ssh-ed25519 AAAA it's a key"


def script(name: str, user: str = "debian") -> str:
    return logins.script(logins.find(name), user, KEY)


@pytest.mark.parametrize("name", logins.KINDS)
def test_every_kind_is_a_script_that_sh_reads(name: str) -> None:
    done = subprocess.run(["sh", "-n"], input=script(name), text=True, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        ("key", ["NOPASSWD", "adm,sudo", "authorized_keys"], ["chage"]),
        ("password", ["adm,sudo"], ["NOPASSWD", "authorized_keys", "chage"]),
        ("key-asks", ["adm,sudo", "authorized_keys"], ["NOPASSWD"]),
        ("root", ["authorized_keys"], ["useradd", "NOPASSWD"]),
        ("expired", ["chage --lastday 0 debian"], ["NOPASSWD"]),
        ("closed", ["chage --expiredate"], ["NOPASSWD"]),
        ("no-sudo", ["--groups adm debian"], ["NOPASSWD", "adm,sudo"]),
        ("sudo-missing", ["dpkg --purge sudo"], ["NOPASSWD", "adm,sudo"]),
        ("nologin", ["--shell /usr/sbin/nologin"], []),
        ("rbash", ["--shell /bin/rbash"], []),
    ],
)
def test_a_kind_has_what_it_says_and_no_more(
    name: str, there: list[str], absent: list[str]
) -> None:
    text = script(name)
    assert [part for part in there if part not in text] == []
    assert [part for part in absent if part in text] == []


def test_the_key_arrives_whole() -> None:
    line = next(line for line in script("key").splitlines() if line.startswith("echo 'ssh"))
    assert shlex.split(line)[1] == KEY


def test_a_password_is_needed_where_it_opens_something() -> None:
    known = {name for name, kind in logins.KINDS.items() if logins.has_password(kind)}
    assert known == {"password", "key-asks", "expired", "closed", "no-sudo"}


def test_no_password_stands_in_the_script() -> None:
    assert "secret=$(cat)" in script("password"), "it comes on standard input"


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no kind of login 'card'; the lab has key, password"):
        logins.find("card")
