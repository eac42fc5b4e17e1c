"""A new user's first day: ``torchrack init``, then the commands of the README that it wrote."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.harness import BIN, ROOT, Deploy, Done, Lab, finished
from tests.lab.newcomers import Server, ended

URL = "https://git.example.org/torchrack.git"
"""Where the user got Torchrack from; git is led to a clone on this machine instead."""


@dataclass(frozen=True)
class User:
    """Somebody with a clone of Torchrack and an empty folder.

    Args:
        clone: the clone.
        folder: where the fleet's repository is to be.
        environment: of the user's shell.
    """

    clone: Path
    folder: Path
    environment: dict[str, str]

    def run(self, command: str, *, where: Path | None = None) -> Done:
        """Run a command of a shell."""
        words: list[str | Path] = ["sh", "-c", command]
        where = where or self.folder
        return finished(words, where=where, environment=self.environment, timeout=900)


@pytest.fixture(scope="module")
def first(bare_lab: Lab, first_deploy: Deploy) -> Iterator[Server]:
    """A server on which a deploy has little left to do: another test has a bare one."""
    bare_lab.lab("restore", "deployed", "first=gpu01")
    yield Server(bare_lab, "first")
    bare_lab.lab("remove", "first")


@pytest.fixture(scope="module")
def user(bare_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> User:
    """Whoever ran ``torchrack init``, and then said what this network has."""
    there = tmp_path_factory.mktemp("user")
    clone, folder = there / "torchrack", there / "mylab"
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.org"))
    }
    led = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{clone}.insteadOf",
        "GIT_CONFIG_VALUE_0": URL,
    }
    user = User(clone, folder, bare_lab.environment | who | {"COLUMNS": "240"})
    of_clone = f"git -C {clone}"
    got = user.run(
        f"git clone -q {ROOT} {clone} && {of_clone} remote set-url origin {URL} && "
        # A checkout for tests may be on no branch.
        f"{of_clone} update-ref refs/remotes/origin/main HEAD",
        where=there,
    )
    assert got.rc == 0, got.output
    key = bare_lab.state["ssh_key"]
    init = user.run(
        f"PYTHONPATH={clone} {BIN}/torchrack init {folder} --key {key} --image none --yes",
        where=there,
    )
    ended(init, 0)
    settings = bare_lab.run(sys.executable, "-m", "lab", "settings").stdout
    (folder / "group_data/all.py").write_text(settings)
    return User(clone, folder, user.environment | led)


def commands(readme: str) -> list[str]:
    """The commands of a README, without what is said beside them."""
    blocks = re.findall(r"^```\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module")
def said(user: User, first: Server) -> dict[str, str]:
    """The README's commands, each with what it said; all were run in their order and ended well."""
    options = ["--address", first.address, *first.first.options, "--host-key", first.fingerprint]
    theirs = {
        "--address 192.0.2.11 --user ubuntu": shlex.join([*options, "--yes"]),
        "drift fix inventories/mylab.py": "drift fix inventories/mylab.py --yes",
    }
    heard: dict[str, Done] = {}
    for command in commands((user.folder / "README.md").read_text()):
        asked = command
        for there, here in theirs.items():
            asked = asked.replace(there, here)
        if re.search(r"torchrack deploy \S+$", asked):
            asked += " --yes"
        if "install-timer" in asked:  # a unit of this machine's systemd
            asked += " --print systemd"
        heard[command] = user.run(asked)
        ended(heard[command], 0)
    return {command: done.text for command, done in heard.items()}


def test_the_commands_of_its_readme_work_in_their_order(user: User, said: dict[str, str]) -> None:
    commit = user.run(f"git -C {user.clone} rev-parse HEAD").stdout
    assert user.run("git -C .torchrack rev-parse HEAD").stdout == commit
    (onboarded,) = (text for command, text in said.items() if " onboard " in command)
    assert "gpu01" in onboarded
    assert "ready" in onboarded
    drift = user.run(".venv/bin/torchrack drift inventories/mylab.py --json")
    ended(drift, 0)
    result = json.loads(drift.stdout)
    assert (result["verdict"], [host["name"] for host in result["hosts"]]) == ("in_sync", ["gpu01"])
    assert re.search(r"\d{3,} passed", said["make state"])
    assert "failed" not in said["make state"]


def test_nothing_that_git_takes_is_secret_or_made_anew(
    user: User, said: dict[str, str], bare_lab: Lab
) -> None:
    """The first commit has the fleet, and neither a password nor what make deps brought."""
    files = user.run("git ls-files").stdout.split()
    assert "inventories/mylab.hosts.yml" in files
    assert "inventories/mylab.lock.yml" in files
    assert [one for one in files if one.startswith((".venv", ".torchrack"))] == []
    pull = Path(bare_lab.state["registry"]["pull_password_file"]).read_text().strip()
    for secret in ("PRIVATE KEY", pull):
        nothing = user.run(f"git grep -lF -e {shlex.quote(secret)}")
        assert (nothing.rc, nothing.output) == (1, "")
