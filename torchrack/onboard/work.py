"""The way of one newcomer through the steps: what is known of it, and what it waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torchrack.errors import HostError, Problem
from torchrack.inventory import FleetHost
from torchrack.onboard.credentials import Given
from torchrack.onboard.joining import Joining
from torchrack.onboard.model import STEPS, Newcomer, Step, StepName, StepState
from torchrack.onboard.probe import Probe
from torchrack.preflight.facts import HostFacts
from torchrack.preflight.subject import Subject
from torchrack.remote import Session
from torchrack.runner.watch import Listener


class Shows(Listener, Protocol):
    """What shows how newcomers get on; all of it is called while they do."""

    def step(self, host: str, name: StepName) -> None:
        """A newcomer comes to a step."""

    def note(self, host: str, text: str) -> None:
        """A step has something to say while it goes on."""

    def ended(self, host: str, step: Step) -> None:
        """A step of a newcomer has ended."""


@dataclass(frozen=True)
class Terms:
    """What holds for all newcomers of a run.

    Args:
        inventory: the fleet's inventory file.
        deploy_file: the deploy file that is run on them.
        dry_run: only look; nothing is changed on a host or in the fleet's files.
        until: the last step that is done; None: all.
        trust_first_use: pin a host key that nobody has verified.
        ask: asks a person a question that is answered by yes or no; None: nobody is there.
        approve: asks a person whether newcomers of these names are to be changed; None: they are.
    """

    inventory: Path
    deploy_file: Path
    dry_run: bool = False
    until: StepName | None = None
    trust_first_use: bool = False
    ask: Callable[[str], bool] | None = None
    approve: Callable[[Sequence[str]], bool] | None = None

    @property
    def steps(self) -> tuple[StepName, ...]:
        """The steps that are to be done."""
        return STEPS[: STEPS.index(self.until) + 1] if self.until else STEPS


@dataclass(frozen=True)
class Said:
    """What a step made of it: its state, and a sentence for people."""

    state: StepState
    text: str


@dataclass
class Work:
    """One newcomer.

    Args:
        joining: who it is, and what it will be in the inventory.
        given: what the first login is made with; None: it is in the inventory already.
        terms: what holds for all.
        shows: is told how it gets on.
        known_hosts: the file that its host key is pinned in.
        steps: what came of the steps that are over.
        details: facts for the page of the verdict, by heading.
        conflict: whether there is no contract for it.
        as_admin: whether the login is the admin's.
        closing: ends the login.
        probe: what its sshd shows; known after the step "probe", as the others after theirs.
        session: the login.
        facts: what it is.
        subject: the same, as preflight's checks see it.
        host: as the fleet's commands know it; its settings become exact with the lock.
    """

    joining: Joining
    given: Given | None
    terms: Terms
    shows: Shows
    known_hosts: Path
    steps: dict[StepName, Step] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)
    conflict: bool = False
    as_admin: bool = False
    closing: ExitStack = field(default_factory=ExitStack)
    probe: Probe = field(init=False, repr=False)
    session: Session = field(init=False, repr=False)
    facts: HostFacts = field(init=False, repr=False)
    subject: Subject = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.host: FleetHost = self.joining.host

    @property
    def newcomer(self) -> Newcomer:
        """Who it is."""
        return self.joining.newcomer

    @property
    def name(self) -> str:
        """The name that it has in the inventory."""
        return self.joining.newcomer.name

    @property
    def well(self) -> bool:
        """Whether nothing has failed yet."""
        return all(step.state in ("done", "already", "planned") for step in self.steps.values())

    def seen(self, text: str) -> Said:
        """What a step says that has found something to be as it has to be, and only looked.

        It was so already, where the server is in the fleet and this run has changed nothing.
        """
        unchanged = all(step.state == "already" for step in self.steps.values())
        return Said("already" if self.joining.listed and unchanged else "done", text)

    def problem(self, what: str, found: str, needed: str, fix: str) -> HostError:
        """The error for something that is in its way."""
        return HostError(Problem(self.name, what, found, needed, fix))
