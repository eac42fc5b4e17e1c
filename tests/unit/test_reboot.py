"""A reboot is over when another boot id was seen, and never before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.util import CommandOutput, OutputLine

from torchrack.operations import reboot
from torchrack.operations.reboot import PENALTY, POLL, Reboot


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Host:
    """A host whose answers follow a script: text, or None for a broken connection."""

    name = "gpu01"
    print_prefix = ""

    def __init__(self, answers: list[str | None], logins: list[str | None]) -> None:
        self.answers: Iterator[str | None] = iter(answers)
        self.logins: Iterator[str | None] = iter(logins)
        self.connector = self
        self.connector_data: dict[str, Any] = {}
        self.tries = 0
        self.commands: list[str] = []

    def run_shell_command(self, command: Any, **_: Any) -> tuple[bool, CommandOutput]:
        self.commands.append(str(command))
        if "systemctl reboot" in str(command):
            return True, CommandOutput([])
        answer = next(self.answers, None)
        if answer is None:
            raise OSError("connection reset")
        return True, CommandOutput([OutputLine("stdout", answer)])

    def connect(self) -> None:
        self.tries += 1
        error = next(self.logins, "Could not connect")
        if error:
            raise ConnectError(error)

    def disconnect(self) -> None:
        self.connector_data["disconnected"] = True


class PrintNothing:
    print_output = False
    print_input = False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(reboot, "time", clock)
    return clock


def restart(host: Host, timeout: int = 60) -> tuple[bool, CommandOutput]:
    return Reboot(before="old", timeout=timeout).execute(PrintNothing(), host, {})


def test_waits_for_a_new_boot_id_and_a_finished_boot(clock: Clock) -> None:
    host = Host(["old", "old", None, "new", "starting", "degraded"], ["refused", "refused", None])
    done, _ = restart(host)
    assert done
    assert host.tries == 3
    assert host.commands[-1].startswith("systemctl is-system-running")


def test_no_new_connection_while_the_old_one_holds(clock: Clock) -> None:
    host = Host(["old"] * 5 + [None, "new", "running"], [None])
    assert restart(host)[0]
    assert host.tries == 1


def test_the_same_boot_id_is_no_reboot(clock: Clock) -> None:
    done, output = restart(Host(["old"] * 100, []), timeout=20)
    assert not done
    assert "still the boot old when the time was up" in output.stderr
    assert clock.now == pytest.approx(20, abs=1)


def test_a_host_that_stays_away(clock: Clock) -> None:
    done, output = restart(Host([None], ["No route to host"] * 100), timeout=30)
    assert not done
    assert "gpu01" in output.stderr
    assert "Could not connect" in output.stderr or "No route to host" in output.stderr


def test_a_boot_that_never_finishes(clock: Clock) -> None:
    done, output = restart(Host([None, "new", *["starting"] * 100], [None]), timeout=30)
    assert not done
    assert "found starting" in output.stderr


def test_refused_logins_are_spaced_out(clock: Clock) -> None:
    refused = "Authentication error (username=admin)"
    host = Host([None, "new", "running"], ["Could not connect", refused, refused, None])
    assert restart(host)[0]
    assert clock.pauses.count(PENALTY) == 2
    assert clock.pauses.count(POLL) == 1
