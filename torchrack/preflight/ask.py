"""Ask one host: run the script there and say what came of it."""

from __future__ import annotations

import time
from typing import Any

from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.connectors.util import CommandOutput

from torchrack.errors import HostError, Problem
from torchrack.facts.survey import Survey
from torchrack.lock.fleet import changed, settings_of
from torchrack.preflight.checks import check
from torchrack.preflight.facts import UnclearAnswer, parse
from torchrack.preflight.script import script
from torchrack.preflight.secrets import unreadable
from torchrack.preflight.subject import Subject
from torchrack.root import NO_ROOT, SCRIPT_TIMEOUT, as_root, no_root, passwordless
from torchrack.settings.model import Settings

LOCK_POLL = 3
"""Seconds between two looks at apt's lock."""
_DEAD_TIMEOUT = 10


def ask(host: Host) -> tuple[Survey | None, list[Problem]]:
    """Return what a host is (where that came out) and its problems.

    Another apt that holds the locks is waited for, ``preflight.apt_lock_timeout`` at most.

    Raises:
        HostError: the host is gone; it fails alone.
    """
    settings = settings_of(host)
    deadline = time.monotonic() + settings.preflight.apt_lock_timeout
    told = False
    while True:
        answer = _ask_once(host, settings)
        if isinstance(answer, Problem):
            return None, [answer]
        holders = answer.facts.apt_holders
        if not holders or time.monotonic() >= deadline:
            problems = [*changed(host, answer.facts), *check(answer)]
            return answer.facts.survey, problems + _secrets(host, settings)
        if not told:
            logger.info(f"{host.print_prefix}waiting for apt, which is locked by pid {holders[0]}")
            told = True
        time.sleep(LOCK_POLL)


def _secrets(host: Host, settings: Settings) -> list[Problem]:
    """Secrets that a later stage would miss, where such a stage is run."""
    only = str(host.data.get("only") or "")
    if only and not {"images", "workloads"} & set(only.split(",")):
        return []
    return unreadable(host.name, settings)


def _ask_once(host: Host, settings: Settings) -> Subject | Problem:
    """Run the script: what it says, or why that can't be known."""
    asked = time.time()
    failure = ""
    try:
        ok, output = _run(host, script(settings))
    except PyinfraError as error:
        return _unknown(host, str(error), "mend that on this machine, and run again")
    except TimeoutError:
        ok, output = False, CommandOutput([])
        failure = f"not finished after {SCRIPT_TIMEOUT + 15} s"
    except (OSError, SSHException, EOFError) as error:
        raise _gone(host, f"{type(error).__name__}: {error}".strip(": ")) from error
    answered = time.time()
    if NO_ROOT in output.stdout_lines:
        return no_root(host.name, host.data.get("ssh_user") or "the login", output.stdout_lines)
    if not ok:
        said = [line for line in output.stderr_lines if not line.startswith("reach\t")]
        failure = failure or " ".join(said[-3:])
        _prove_alive(host, failure)
        return _unknown(host, f"a check that failed: {failure or 'without a word'}")
    try:
        facts = parse(output.stdout_lines, output.stderr_lines)
    except UnclearAnswer as error:
        return _unknown(host, f"an answer that makes no sense: {error}")
    return Subject(host.name, facts, settings, asked, answered)


def _run(host: Host, text: str) -> tuple[bool, CommandOutput]:
    """Run the script as root; without sudo's password, unless the inventory has one."""
    password = host.data.get("_sudo_password") or host.connector_data.get("prompted_sudo_password")
    command = (as_root if password else passwordless)(SCRIPT_TIMEOUT)
    arguments: dict[str, Any] = {"_stdin": [text], "_timeout": SCRIPT_TIMEOUT + 15}
    if password:
        arguments |= {"_sudo": True, "_sudo_password": password}
    return host.run_shell_command(StringCommand(command), **arguments)


def _prove_alive(host: Host, failure: str) -> None:
    """Tell a host that is gone from one on which the script failed.

    Raises:
        HostError: it does not answer any more.
    """
    try:
        alive, _ = host.run_shell_command(StringCommand("true"), _timeout=_DEAD_TIMEOUT)
    except (OSError, SSHException, EOFError, TimeoutError):
        alive = False
    if not alive:
        raise _gone(host, failure)


def _gone(host: Host, failure: str) -> HostError:
    return HostError(
        Problem(
            host.name,
            "Preflight",
            f"a host that no longer answers ({failure or 'the connection ended'})",
            "an SSH connection that lasts",
            "bring the host up again, and run again; the other hosts go on without it",
        )
    )


def fault(host: Host, error: Exception) -> Problem:
    """A host whose checks could not be done through a fault of Torchrack itself."""
    found = f"{type(error).__name__}: {error}"
    return _unknown(host, found, "this is a fault of Torchrack: run with --debug and report it")


def _unknown(host: Host, found: str, fix: str = "") -> Problem:
    return Problem(
        host.name,
        "Preflight: unknown",
        found,
        "all checks done; without them nothing is changed on any host",
        fix or "look at the host (pyinfra's -vvv shows the output), or leave it out with --exclude",
    )
