"""One host under test, and what its probes answered."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import testinfra

from torchrack.docker.client import ENGINE
from torchrack.inventory import FleetHost
from torchrack.settings import Settings

Script = str | Callable[[Settings], str]
TIMEOUT = 180
"""Seconds that all probes of a host may take together; PyTorch's first import takes the most."""


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    rc: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    def json(self) -> Any:
        assert self.rc == 0, f"exit status {self.rc}: {self.stderr or self.stdout}"
        return json.loads(self.stdout)


@dataclass
class Target:
    """A host of the inventory.

    Probes of all collected modules are fetched in one command at the first question.
    """

    fleet_host: FleetHost
    ssh_config: Path
    probes: Mapping[str, Script]
    _answers: dict[str, Answer] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.fleet_host.name

    @property
    def settings(self) -> Settings:
        return self.fleet_host.settings

    @cached_property
    def host(self) -> Any:
        """The host as testinfra knows it, over the same connection."""
        return testinfra.get_host(f"ssh://{self.name}", ssh_config=str(self.ssh_config), sudo=True)

    def ssh(self, *command: str, stdin: str = "") -> Answer:
        """Run a command on the host as the login user."""
        done = subprocess.run(
            ["ssh", "-F", str(self.ssh_config), self.name, *command],
            input=stdin.encode(),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
        # Decoded by hand: text mode would turn \r\n into \n, and the probes' lengths be wrong.
        return Answer(done.returncode, _decode(done.stdout), _decode(done.stderr))

    def run(self, script: str) -> Answer:
        """Run a shell script on the host as root; a round trip each time."""
        return self.ssh("sudo -n sh -s", stdin=f"{ENGINE}\n{script}")

    def probe(self, name: str) -> Answer:
        """What the probe ``name`` answered."""
        if not self._answers:
            self._answers = self._ask_all()
        return self._answers[name]

    def _ask_all(self) -> dict[str, Answer]:
        scripts = {n: s if isinstance(s, str) else s(self.settings) for n, s in self.probes.items()}
        done = self.run(_collect(scripts))
        assert done.rc == 0, f"{self.name}: the probes failed: {done.stderr}"
        return _split(done.stdout)


def _collect(scripts: Mapping[str, str]) -> str:
    """A script that runs all probes at once and prints what each answered, in order."""
    begin = "set -u; d=$(mktemp -d) || exit 1; trap 'rm -rf \"$d\"' EXIT\n"
    asks = [
        f"( sh -c {shlex.quote(script)} >$d/{i}.out 2>$d/{i}.err </dev/null; "
        f"echo $? >$d/{i}.rc ) &\n"
        for i, script in enumerate(scripts.values())
    ]
    tells = [
        f"echo {shlex.quote(name)} $(cat $d/{i}.rc) $(wc -c <$d/{i}.out) $(wc -c <$d/{i}.err); "
        f"cat $d/{i}.out $d/{i}.err; echo\n"
        for i, name in enumerate(scripts)
    ]
    return begin + "".join(asks) + "wait\n" + "".join(tells)


def _split(output: str) -> dict[str, Answer]:
    answers = {}
    rest = output.encode(errors="surrogateescape")
    while rest.strip():
        header, rest = rest.split(b"\n", 1)
        name, rc, out, err = header.decode().split()
        stdout, stderr = rest[: int(out)], rest[int(out) : int(out) + int(err)]
        rest = rest[int(out) + int(err) + 1 :]
        answers[name] = Answer(int(rc), _decode(stdout), _decode(stderr))
    return answers


def _decode(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
