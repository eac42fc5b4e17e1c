"""Drives a lab and deploys to it, as a person would from a shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab import access, inside
from lab.state import require
from tests.lab.warm import WarmPytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
INVENTORY = "inventories/lab.py"


@dataclass(frozen=True)
class Done:
    """A finished program: exit status, standard output and error output."""

    rc: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def text(self) -> str:
        """The output without table borders and line breaks, to look for sentences in."""
        return re.sub(r"[\s│┃|]+", " ", self.output)


@dataclass(frozen=True)
class Deploy(Done):
    """A finished run of deploy.py with ``--json``."""

    @property
    def operations(self) -> list[dict[str, Any]]:
        return json.loads(self.stdout)["results"]["operations"]

    def changed(self, host: str) -> list[str]:
        """Names of the operations that changed this host."""
        return [op["name"] for op in self.operations if host in op["success"]]


def finished(
    command: list[str | Path], *, where: Path, environment: dict[str, str] | None, timeout: float
) -> Done:
    """Run a program to its end, with nobody at its standard input.

    Args:
        command: its words.
        where: the folder that it runs in.
        environment: its own, or None for that of the tests.
        timeout: seconds that it may take.
    """
    done = subprocess.run(
        command,
        cwd=where,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Lab:
    """A lab in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A pytest that a command starts is none of this run's workers.
        ours = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
        self.environment = ours | {
            "TORCHRACK_LAB": str(folder),
            "PYTHONUNBUFFERED": "1",
            # No sentence is broken by a narrow line.
            "COLUMNS": "400",
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_STATE_HOME": str(folder / "state"),
        }

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "state.json").read_text())

    def run(self, *command: str | Path, timeout: int = 900, check: bool = True) -> Done:
        """Run a program in the repository, on this lab."""
        result = finished(list(command), where=ROOT, environment=self.environment, timeout=timeout)
        assert not check or result.rc == 0, f"{command} ended with {result.rc}:\n{result.output}"
        return result

    def lab(self, *arguments: str, check: bool = True) -> Done:
        """``python -m lab ...``"""
        return self.run(sys.executable, "-m", "lab", *arguments, check=check)

    def ssh(self, host: str, script: str, *, check: bool = True, timeout: int = 120) -> Done:
        """Run a shell script as root on a host.

        As ``python -m lab ssh`` does, without a Python of its own each time.
        """
        there = require(self.folder)
        words: list[str | Path] = [*access.ssh_command(there, host)]
        if check:  # a reload of sshd closes its port for a moment
            words[1:1] = ["-o", "ConnectionAttempts=5"]
        if there.hosts[host].key_file is None:
            words = [sys.executable, "-m", "lab", "ssh", host]
        command = [*words, "--", "sudo", "sh", "-c", _quoted(script)]
        return self.run(*command, check=check, timeout=timeout)

    def enter(self, host: str, script: str, *, check: bool = True) -> Done:
        """Run a shell script as root on a host, past its network, logins and sudo."""
        there = require(self.folder)
        entered = inside.enter(there, host, ["sh", "-c", script], timeout=120)
        done = Done(entered.returncode, entered.stdout, entered.stderr)
        assert not check or done.rc == 0, f"{script}\nended with {done.rc}:\n{done.output}"
        return done

    def lock(self, *arguments: str, inventory: str = INVENTORY, check: bool = True) -> Done:
        """``torchrack lock inventories/lab.py ...``"""
        return self.run(BIN / "torchrack", "lock", inventory, *arguments, check=check)

    @property
    def lock_file(self) -> Path:
        return self.folder / "lab.lock.yml"

    def deploy(
        self, *arguments: str, inventory: str = INVENTORY, check: bool = True, timeout: int = 1200
    ) -> Deploy:
        """``pyinfra -y --json inventories/lab.py deploy.py ...``"""
        command = self.deploy_command(*arguments, inventory=inventory)
        done = self.run(*command, timeout=timeout, check=check)
        return Deploy(done.rc, done.stdout, done.stderr)

    def deploy_command(self, *arguments: str, inventory: str = INVENTORY) -> list[str]:
        return [str(BIN / "pyinfra"), "-y", "--json", inventory, "deploy.py", *arguments]

    def variant(self, folder: Path, changes: str) -> str:
        """Write an inventory like the lab's with some changes to ``lab_hosts``; return its path.

        It has the lab's lock, which fits as long as the changes ask for nothing else.
        """
        path = folder / "lab.py"
        for name in ("deploy.py", "group_data"):
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(ROOT / name)
        if self.lock_file.exists():
            shutil.copy(self.lock_file, folder)
        path.write_text(
            "import runpy\n"
            "from torchrack.inventory import check_fleet\n"
            f"lab_hosts = runpy.run_path({str(ROOT / INVENTORY)!r})['lab_hosts']\n"
            f"{changes}"
            "check_fleet(__file__, globals())\n"
        )
        return str(path)

    def state_tests(self, *arguments: str) -> Done:
        """``pytest tests/state --inventory inventories/lab.py ...``"""
        targets = [a for a in arguments if a.startswith("tests/")] or ["tests/state"]
        options = [a for a in arguments if not a.startswith("tests/")]
        words = ["-q", "-p", "no:cacheprovider", *targets, "--inventory", INVENTORY, *options]
        return Done(*_pytest().run(words, self.environment), "")

    def boot_id(self, host: str) -> str:
        return self.ssh(host, "cat /proc/sys/kernel/random/boot_id").stdout.strip()

    def kill_deploy_when(self, moment: Callable[[], bool], *arguments: str) -> None:
        """Start a deploy and kill it, as a power cut would, at the moment that ``moment`` sees."""
        process = subprocess.Popen(
            self.deploy_command(*arguments),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        heard: list[str] = []
        listener = threading.Thread(target=lambda: heard.extend(process.stderr or ()))
        listener.start()
        try:
            wait_for(
                lambda: process.poll() is not None or moment(),
                f"the moment to kill the deploy ({moment.__name__})",
                timeout=600,
            )
            ended = process.poll()
        finally:
            process.kill()
            process.wait()
            listener.join()
        assert ended is None, f"the deploy ended before the moment came:\n{''.join(heard)}"


@cache
def _pytest() -> WarmPytest:
    return WarmPytest(ROOT)


def wait_for(condition: Callable[[], bool], what: str, *, timeout: float = 120) -> None:
    """Return as soon as the condition holds; fail when it does not in ``timeout`` seconds."""
    end = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        pause.wait(0.2)


def _quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"
