"""What a fleet's files say, and whether they and what they name can be used here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torchrack.doctor import keys
from torchrack.doctor.model import Checked, lacking, wrong
from torchrack.drift import history, waivers
from torchrack.drift.alerts import targets
from torchrack.errors import Problem, ProblemsError, TorchrackError
from torchrack.inventory import FleetHost, OpenGroup, load_open
from torchrack.lock import fleet as locks
from torchrack.lock.file import shown
from torchrack.settings.secret import Secret
from torchrack.settings.section import collecting


def read(inventory: Path) -> tuple[list[FleetHost], list[OpenGroup], list[Checked]]:
    """Read an inventory, whatever is wrong with it.

    Args:
        inventory: its file.

    Returns:
        Hosts, groups that take more, and what came of reading it.
    """
    problems: list[Problem] = []
    hosts: list[FleetHost] = []
    groups: list[OpenGroup] = []
    try:
        with collecting(problems):
            hosts, groups = load_open(inventory)
    except SystemExit as said:  # check_fleet's, which has told them, or an inventory's own
        found, needed = str(said.code or "it ended early"), "an inventory without a problem"
        problems.append(Problem(shown(inventory), "Inventory", found, needed, "mend these first"))
    except Exception as error:  # an inventory is a program: it can fail in any way
        found = f"{type(error).__name__}: {error}"
        needed = "an inventory that can be read"
        problems.append(Problem(shown(inventory), "Inventory", found, needed, "correct it"))
    if problems:
        return [], [], [wrong(problem) for problem in dict.fromkeys(problems)]
    if not hosts and not groups:
        fix = "add a list of host(), or one by hosts_of() for torchrack onboard"
        return [], [], [lacking("Inventory", "no host", "at least one", fix)]
    count = f"{len(hosts)} host(s)" if hosts else "no host yet: torchrack onboard adds them"
    return hosts, groups, [Checked(f"Inventory {shown(inventory)}", count)]


def checks(
    inventory: Path, hosts: Sequence[FleetHost], groups: Sequence[OpenGroup]
) -> Iterator[Checked]:
    """Look at the files of a fleet, and at keys and secrets that they name; no host is contacted.

    Args:
        inventory: its file.
        hosts: of the inventory.
        groups: of it that take more hosts.
    """
    yield from keys.checks(hosts, groups)
    if hosts:
        yield from _lock(hosts)
    yield from _file("Waivers", lambda: waivers.read(waivers.path_of(inventory)))
    alerts: list[targets.Target] = []
    yield from _file("Alerts", lambda: targets.read(targets.path_of(inventory)), alerts)
    yield from _secrets(hosts, alerts)
    yield _history(inventory)


def _lock(hosts: Sequence[FleetHost]) -> Iterator[Checked]:
    problems = locks.problems((host.name, host.data, host.settings) for host in hosts)
    yield from map(wrong, problems)
    if not problems:
        yield Checked("Lock", f"{shown(hosts[0].data['_lock_file'])} fits the settings")


def _file(
    what: str, read_it: Callable[[], Sequence[Any]], into: list[Any] | None = None
) -> Iterator[Checked]:
    try:
        entries = read_it()
    except ProblemsError as error:
        yield from map(wrong, error.problems)
        return
    if into is not None:
        into += entries
    yield Checked(what, str(len(entries)))


def _secrets(hosts: Sequence[FleetHost], alerts: Sequence[targets.Target]) -> Iterator[Checked]:
    """Read every secret that the fleet names; none is kept or told."""
    named: dict[Secret, str] = {}
    for settings in (host.settings for host in hosts):
        for registry in settings.images.registries:
            if registry.password:
                named.setdefault(registry.password, f"Password of {registry.address}")
        for workload in settings.workloads.containers:
            if workload.token:
                named.setdefault(workload.token, f"Token of {workload.name}")
    for target in alerts:
        secret = target.url if target.kind != "mail" else target.password
        if secret:
            named.setdefault(secret, f"Secret of the {target.kind} alerts")
    for secret, what in named.items():
        try:
            secret.read()
        except TorchrackError as error:
            found, _, fix = str(error).rpartition(": ")
            yield lacking(what, found, "a secret that can be read", fix)
        else:
            yield Checked(what, f"read ({secret.source})")


def _history(inventory: Path) -> Checked:
    path = history.path_of(inventory)
    try:
        return Checked("History of checks", f"{len(history.read(path).checks)} in {path}")
    except history.HistoryError as error:
        fix = f"move it away: mv {path} {path}.damaged; the next check begins another"
        return lacking("History of checks", str(error), "a history that can be read", fix)
