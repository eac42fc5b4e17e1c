"""Servers that are to join a fleet, the fleets, and the command that brings them together."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.lab.harness import BIN, INVENTORY, ROOT, Done, Lab

WITHOUT_ADMIN = (
    # A session that has just ended still has processes for a moment.
    "pkill -KILL -u torchrack; userdel --force --remove torchrack 2>/dev/null; "
    "rm -f /etc/sudoers.d/90-torchrack; true"
)
"""A script that has a server as if no run had come to its account."""


@dataclass(frozen=True)
class Account:
    """A login of a server, and the options that it is told by."""

    user: str
    key_file: str | None
    password_file: str | None

    @classmethod
    def of(cls, data: dict[str, Any]) -> Account:
        return cls(data["user"], data["key_file"], data["password_file"])

    @property
    def by_key(self) -> list[str]:
        return ["--user", self.user, "--key", str(self.key_file)]

    @property
    def by_password(self) -> list[str]:
        return ["--user", self.user, "--password-file", str(self.password_file)]

    @property
    def options(self) -> list[str]:
        return self.by_key if self.key_file else self.by_password

    @property
    def password(self) -> str:
        return Path(str(self.password_file)).read_text().strip()


class Server:
    """A bare server of the lab, in no fleet yet."""

    def __init__(self, lab: Lab, name: str, *order: str) -> None:
        self.lab, self.name = lab, name
        if name not in lab.state["hosts"]:  # where a lab of one's own is used, it is kept
            lab.lab("new", name, "--newcomer", *order)
        data = lab.state["hosts"][name]
        self.address: str = data["address"]
        self.first = Account.of(data)
        self._accounts: dict[str, Account] = {}

    @property
    def fingerprint(self) -> str:
        return str(self.lab.state["hosts"][self.name]["host_key_sha256"])

    def account(self, kind: str) -> Account:
        """An account of a kind of login, made when it is first asked for."""
        if kind not in self._accounts:
            made = self.lab.lab("login", self.name, kind, "--json").stdout
            self._accounts[kind] = Account.of(json.loads(made))
        return self._accounts[kind]

    def remove(self) -> None:
        """Remove it, with a lab that is made for the tests."""
        if "TORCHRACK_TEST_LAB" not in os.environ:
            self.lab.lab("remove", self.name)

    def root(self, script: str, *, check: bool = True) -> str:
        """Run a script as root, past the server's network, logins and sudo."""
        return self.lab.enter(self.name, script, check=check).stdout

    def footprint(self) -> str:
        """A hash of all that a run could leave on the server, names and times included."""
        places = "/etc /usr/local /home /root /var/lib/apt /var/lib/dpkg /var/cache/apt /opt /srv"
        # Blocks change when they are written to the disk; apt renews its cache by itself.
        listed = f"ls -AlR --time-style=full-iso {places} | grep -vE '^total |pkgcache.bin$'"
        return self.root(f"{listed} | sha256sum")


class Fleet(Lab):
    """A fleet without a host yet, with the settings, the mirror and the registry of a lab."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        super().__init__(folder)
        # What was fetched once is there for all fleets.
        self.environment |= {"XDG_CACHE_HOME": lab.environment["XDG_CACHE_HOME"]}
        folder.mkdir(parents=True, exist_ok=True)
        state = lab.state | {"hosts": {}}
        (folder / "state.json").write_text(json.dumps(state))

    @property
    def hosts_file(self) -> Path:
        return self.folder / "lab.hosts.yml"

    @property
    def pins(self) -> Path:
        return self.folder / "lab.known_hosts"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(BIN / "torchrack"), "onboard", INVENTORY, *map(str, arguments)]

    def onboard(
        self, server: Server, *arguments: str | Path, name: str = "", timeout: int = 300
    ) -> Done:
        """``torchrack onboard inventories/lab.py --name ... --address ...``"""
        return self.run(
            *self.command(*self.asked(server, name), *arguments), timeout=timeout, check=False
        )

    def asked(self, server: Server, name: str = "") -> list[str]:
        report = ["--report", str(self.reports)]
        return ["--name", name or server.name, "--address", server.address, "--yes", *report]

    def start(self, *arguments: str | Path) -> Running:
        """Start the command, to look at it while it runs."""
        return Running(self, self.command(*arguments))

    def files(self) -> dict[str, str]:
        """The fleet's own files and what is in them."""
        return {
            path.name: path.read_text()
            for path in sorted(self.folder.glob("lab.*"))
            if path.is_file()
        }


class Running:
    """A run of the command that goes on; its lines are read as they come.

    It is killed when it takes longer than ``timeout`` seconds.
    """

    def __init__(self, fleet: Fleet, command: list[str], timeout: float = 300) -> None:
        self.heard: list[str] = []
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=fleet.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._end = threading.Timer(timeout, self.process.kill)
        self._end.daemon = True
        self._end.start()

    @cached_property
    def _lines(self) -> Any:
        assert self.process.stdout is not None
        return iter(self.process.stdout.readline, "")

    def wait_for(self, *words: str) -> str:
        """Return the first line with all of these words; fail when the run ends without one."""
        for line in self._lines:
            self.heard.append(line)
            if all(word in line for word in words):
                return str(line)
        self._end.cancel()
        raise AssertionError(f"the run ended without {words}:\n{''.join(self.heard)}")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.done()

    def done(self) -> Done:
        """Let it come to its end."""
        self.heard += list(self._lines)
        self._end.cancel()
        return Done(self.process.wait(), "".join(self.heard), "")


def ended(done: Done, status: int, *sentences: str) -> None:
    """The run ended with a status and with these sentences, and without a traceback."""
    assert done.rc == status, done.output
    missing = [sentence for sentence in sentences if sentence not in done.text]
    assert missing == [], done.output
    assert "Traceback" not in done.output


def not_ready(done: Done, *sentences: str) -> None:
    """The run ended in a verdict that says what is in the way."""
    ended(done, 1, *sentences)
