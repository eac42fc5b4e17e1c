"""The ways to become root, run for real with a sudo of our own in front of the path."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from torchrack.root import Already, Passwordless, Root, WithPassword

SECRET = "s3cret; touch /tmp/never"  # noqa: S105 - looks like a command on purpose
SCRIPT = "echo from the script\ncat | wc -c\n"

ASKS = """#!/bin/sh
echo "$@" > "$0.argv"
case " $* " in *" -n "*) echo "sudo: a password is required" >&2; exit 1 ;; esac
IFS= read -r password
[ "$password" = "{secret}" ] || { echo "sudo: 1 incorrect password attempt" >&2; exit 1; }
while [ "$1" != timeout ]; do shift; done
exec "$@"
"""
FREE = """#!/bin/sh
echo "$@" > "$0.argv"
case " $* " in *" timeout "*) while [ "$1" != timeout ]; do shift; done ;; *) exit 0 ;; esac
exec "$@"
"""


def run(folder: Path, sudo: str, root: Root) -> subprocess.CompletedProcess[str]:
    stub = folder / "sudo"
    stub.write_text(sudo.replace("{secret}", SECRET))
    stub.chmod(0o755)
    return subprocess.run(
        ["sh", "-c", root.command(10)],
        input=root.input(SCRIPT),
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("sudo", "root"),
    [
        (FREE, Passwordless()),
        (FREE, Already()),
        (ASKS, WithPassword(SECRET)),
        (FREE, WithPassword(SECRET)),
    ],
)
def test_the_script_runs_and_nothing_else_does(tmp_path: Path, sudo: str, root: Root) -> None:
    done = run(tmp_path, sudo, root)
    assert done.stdout.split("\n") == ["from the script", "0", ""]
    assert done.stderr == "", "a password that sudo did not read never reaches the shell"


def test_the_password_is_in_no_argument_and_not_shown(tmp_path: Path) -> None:
    root = WithPassword(SECRET)
    run(tmp_path, ASKS, root)
    assert SECRET not in root.command(10)
    assert SECRET not in (tmp_path / "sudo.argv").read_text()
    assert SECRET not in repr(root)


def test_a_sudo_that_asks_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, ASKS, Passwordless())
    assert done.stdout.splitlines() == ["==no-root", "sudo: a password is required"]
