"""Take one host out: its steps in order, each one script, and a look at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from torchrack.docker.client import ENGINE
from torchrack.errors import HostError, Problem
from torchrack.facts.nvidia import GpuProcesses
from torchrack.inventory import FleetHost
from torchrack.nvidia_smi import Process
from torchrack.offboard.look import look
from torchrack.offboard.model import Options, Outcome, Plan, Presence, Step, StepName
from torchrack.offboard.packages import needs_reboot
from torchrack.offboard.plan import plan
from torchrack.remote import Session, across
from torchrack.workloads.workload import LABEL

Told = Callable[[str, str], None]
"""Hears a host's name and a sentence of what is going on there."""

TITLES: dict[StepName, str] = {
    "drain": "workloads stopped",
    "containers": "workloads removed",
    "images": "images and pull accounts removed",
    "docker": "Docker is without our keys",
    "packages": "packages and holds done",
    "files": "our files removed",
    "sshd": "the sshd from before is back",
    "rest": "records removed",
}
"""What is told when a step is done."""

POLL = 10.0
"""Seconds between two looks at the processes on the GPUs."""

_BUSY = f"""export LC_ALL=C PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
{ENGINE}
for id in $(timeout -k 5 60 docker ps -q --no-trunc --filter label={LABEL} 2>/dev/null); do
    timeout -k 5 30 docker top "$id" -eo pid | sed 1d | sed 's/^ */own /'
done
{GpuProcesses().command()}
"""


@dataclass(frozen=True)
class Seen:
    """A host that was looked at: what is there, and what is to be done."""

    presence: Presence
    plan: Plan


def see(session: Session, options: Options) -> Seen:
    """Look at a host and plan; nothing is changed."""
    now = look(session)
    return Seen(now, plan(session.host, now, options))


def offboard_host(session: Session, options: Options, told: Told) -> Outcome:
    """Do it.

    What is there is looked at anew, so that a run which was interrupted goes on where it ended.

    Args:
        session: the host.
        options: what was asked for.
        told: hears what is going on.

    Raises:
        HostError: a step failed; the same command goes on from there.
    """
    host = session.host
    seen = see(session, options)
    _refuse(seen.plan)
    if seen.plan.steps and not options.force:
        _wait_for_gpus(session, options.wait, told)
    done: list[str] = []
    stays = [*seen.plan.stays]
    for step in seen.plan.steps:
        if step.name == "rest":
            _nothing_left(session, options)
        begun = time.monotonic()
        said = _run(session, step)
        told(host.name, f"{TITLES[step.name]} ({time.monotonic() - begun:.1f} s)")
        done += [*step.does, *said]
        stays += said
        if step.name == "sshd":
            _prove_login(host)
            told(host.name, "a new login has proven it")
            done.append("a new login has proven the sshd that was there before")
    by_hand = []
    if needs_reboot(seen.presence, options):
        by_hand.append("reboot the host: the module of the driver that is gone is still loaded")
    return Outcome(host.name, tuple(done), tuple(stays), tuple(by_hand))


def _refuse(made: Plan) -> None:
    if made.problems:
        raise HostError(made.problems[0])


def _run(session: Session, step: Step) -> list[str]:
    """Run a step; return what it said: things that it left alone."""
    name = session.host.name
    # The script ends in a process of its own, so that its end is told whatever it was.
    text = f'(\n{step.script}\n)\necho "==ended $?"\n'
    answer = session.run(text, seconds=step.seconds)
    what, again = f"Step {step.name}", "then run the same command again: it goes on from there"
    for line in answer.out:
        if line.startswith("==refused\t"):
            _, found, needed, fix = line.split("\t", 3)
            raise HostError(Problem(name, what, found, needed, fix))
    if "==ended 0" not in answer.out:
        said = " ".join(answer.err[-3:]) or "it said nothing"
        raise HostError(
            Problem(name, what, said, "a script that ends well", f"mend what it says, {again}")
        )
    return [line.split("\t", 1)[1] for line in answer.out if line.startswith("==said\t")]


def _wait_for_gpus(session: Session, seconds: int, told: Told) -> None:
    """Wait until no process but those of our containers uses a GPU.

    Raises:
        HostError: some still do when the time is up.
    """
    name, deadline = session.host.name, time.monotonic() + seconds
    pause = threading.Event()
    while found := _foreign(session):
        shown = ", ".join(f"{one.pid} ({one.name})" for one in found)
        left = deadline - time.monotonic()
        if left <= 0:
            raise HostError(
                Problem(
                    name,
                    "Processes on the GPUs",
                    shown + (f" after {seconds} s" if seconds else ""),
                    "none but those of our containers",
                    "let them end and run again, or go on beside them with --force",
                )
            )
        told(name, f"waiting for {shown} to leave the GPUs (at most {left:.0f} s)")
        pause.wait(min(POLL, left))


def _foreign(session: Session) -> list[Process]:
    lines = session.run(_BUSY).out
    own = {int(line.removeprefix("own ")) for line in lines if line.startswith("own ")}
    rest = [line for line in lines if not line.startswith("own ")]
    return [one for one in GpuProcesses().process(rest) if one.pid not in own]


def _nothing_left(session: Session, options: Options) -> None:
    """Look again before the records go: what is still there would not be known afterwards.

    Raises:
        HostError: a step has not done what it said.
    """
    left = [one for one in see(session, options).plan.steps if one.name != "rest"]
    if left := [one for one in left if one.name != "images" or len(one.does) > 1]:
        raise HostError(
            Problem(
                session.host.name,
                "What Torchrack brought",
                "still to do: " + "; ".join(sentence for one in left for sentence in one.does),
                "nothing of it",
                "see who brings it back (another run of torchrack?), then run again",
            )
        )


def _prove_login(host: FleetHost) -> None:
    """Log in anew; without that the host goes back to the hardened sshd by itself.

    Raises:
        HostError: no login with sudo.
    """
    answer = across([host], lambda session: session.run("true"))[host.name]
    if isinstance(answer, Problem):
        back = host.settings.sshd.rollback_timeout
        raise HostError(
            Problem(
                host.name,
                "A new login without the hardened sshd",
                answer.found,
                "a login with sudo, as before",
                f"the hardened configuration returns within {back} s by itself; see what the one "
                "before it asks for, or leave --unharden out",
            )
        )
