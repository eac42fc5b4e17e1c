"""The first thing a host must do is answer."""

from tests.state.target import Target


def test_reachable(target: Target) -> None:
    answer = target.ssh("sudo -n true")
    assert answer.rc == 0, f"{target.name}: no login with sudo: {answer.stderr.strip()}"
