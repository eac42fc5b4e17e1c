"""What goes wrong in an operation becomes a message, and one failed host."""

from __future__ import annotations

from tests.unit.local_run import run_locally
from torchrack.errors import HostError, Problem
from torchrack.operations.guard import Commands, operation


@operation
def breaks() -> Commands:
    yield "true"
    raise KeyError("surprise")


@operation
def refuses() -> Commands:
    raise HostError(Problem("gpu01", "Disk", "1 GiB", "40 GiB", "free some space"))
    yield


def test_surprise_fails_the_host_with_its_name() -> None:
    outcome = run_locally(breaks, name="Break")
    assert not outcome.ok
    assert "KeyError: 'surprise'" in outcome.stderr


def test_refusal_says_what_to_do() -> None:
    outcome = run_locally(refuses, name="Refuse")
    assert not outcome.ok
    assert "found 1 GiB, needed 40 GiB. What to do: free some space" in outcome.stderr
