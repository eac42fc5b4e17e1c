"""How a healthy host is broken, one way for each state assertion."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """One way to break a host.

    Args:
        test: the state test that must go red, as "test_docker.py::test_log_driver".
        harm: shell script, run as root on the host.
        undo: shell script that brings the host back.
        host: the host it is tried on.
    """

    test: str
    harm: str
    undo: str
    host: str = "gpu01"
