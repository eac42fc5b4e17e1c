"""What onboarding asks for and what comes of it: plain values that all its parts share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from torchrack.errors import Problem

StepName = Literal[
    "probe",
    "host-key",
    "login",
    "facts",
    "preflight",
    "contract",
    "admin",
    "inventory",
    "lock",
    "deploy",
    "gpu",
    "state",
]
STEPS: tuple[StepName, ...] = get_args(StepName)
"""In their order; the verdict is what comes of them."""

StepState = Literal["done", "already", "failed", "planned", "left"]
"""done: made true now; already: was true; planned: a dry run would; left: not come to."""

Verdict = Literal["ready", "not_ready", "stopped", "planned"]
"""stopped: --until was reached; planned: a dry run found nothing in the way."""


@dataclass(frozen=True)
class Newcomer:
    """A server that is to join a fleet.

    Args:
        name: the name it is to have in the inventory.
        address: host name or IP address.
        port: TCP port of its sshd.
        user: the account of the first login.
        admin: the account that the fleet deploys with; made where it is missing.
        admin_key: path of the private key that the admin logs in with; its public half lies
            beside it.
        group: the group of the inventory file that it joins; None: the file's only one.
        host_key: the fingerprint that its host key has to have, "SHA256:...".
    """

    name: str
    address: str
    user: str
    port: int = 22
    admin: str = "torchrack"
    admin_key: str | None = None
    group: str | None = None
    host_key: str | None = None


@dataclass(frozen=True)
class Step:
    """What came of a step.

    Args:
        name: which one.
        state: whether it was done.
        said: a sentence for people: what is true now, or was found.
        seconds: how long it took.
        problems: what is in the way; empty unless it failed.
    """

    name: StepName
    state: StepState
    said: str = ""
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Onboarded:
    """What came of one server.

    Args:
        newcomer: what was asked for.
        verdict: ready, or not.
        steps: in their order, those that were not come to included.
        details: facts for the page of the verdict, by heading.
        next: the command that comes next.
    """

    newcomer: Newcomer
    verdict: Verdict
    steps: tuple[Step, ...]
    details: Mapping[str, object] = field(default_factory=dict)
    next: str = ""
