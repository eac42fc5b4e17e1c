"""Look at a server in use: one login, a handful of read-only scripts, nothing changed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from paramiko import PKey

from torchrack.adopt import candidate
from torchrack.adopt.ahead import Ahead, look_ahead
from torchrack.adopt.candidate import Place
from torchrack.adopt.found import Found, find
from torchrack.adopt.model import Proposal
from torchrack.adopt.propose import propose, sections
from torchrack.errors import HostError, Problem, TorchrackError
from torchrack.hosts_file import Entry, proposing
from torchrack.inventory import FleetHost
from torchrack.onboard import pins
from torchrack.onboard.credentials import Given
from torchrack.onboard.login import first_login
from torchrack.onboard.model import Newcomer
from torchrack.preflight.remote import ask
from torchrack.same_server import Hosts, refusals
from torchrack.settings.check import check_settings


@dataclass(frozen=True)
class Wish:
    """A server that is to be looked at.

    Args:
        newcomer: the server and its login.
        given: the credential.
        place: where it would be written down.
        entry: its entry in the hosts file.
        others: the hosts that the fleet has.
    """

    newcomer: Newcomer
    given: Given
    place: Place
    entry: Entry
    others: Hosts


@dataclass(frozen=True)
class Adopted:
    """What was found out about a server.

    Args:
        found: what is there.
        proposal: the settings that match it.
        overruled: fields of the proposal that the inventory says otherwise.
        wrong: what the settings' own checks say against the proposal.
        ahead: what a deploy would do; None where that was not asked.
        trips: commands run on the server.
    """

    found: Found
    proposal: Proposal
    overruled: tuple[str, ...]
    wrong: tuple[Problem, ...]
    ahead: Ahead | None
    trips: int


def adopt(
    wish: Wish,
    key: PKey,
    read: Callable[[], list[FleetHost]],
    *,
    deploy_file: Path | None,
    told: Callable[[str], None],
) -> Adopted:
    """Find out what a server runs, propose settings, and look at what a deploy would do.

    Args:
        wish: the server.
        key: its host key, which somebody has vouched for.
        read: reads the fleet's hosts.
        deploy_file: the fleet's deploy file; None: do not look ahead.
        told: hears what is going on.

    Raises:
        HostError: no login, no answer, or a server that the fleet has under another name.
        TorchrackError: the deploy file can't be loaded.
    """
    newcomer, place = wish.newcomer, wish.place
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torchrack-adopt.")))
        known = folder / "known_hosts"
        pins.pin(known, newcomer.address, newcomer.port, key)
        host = _as_member(place, wish.entry, known, read)
        told("logging in, once, and reading")
        session = stack.enter_context(
            first_login(newcomer, wish.given, known, settings=host.settings)
        )
        facts = ask(session)
        fleet = {place.name: host.data, **wish.others}
        if twins := refusals({place.name: facts.survey}, fleet):
            raise HostError(twins[0])
        found = find(session, facts)
        proposal = propose(found)
        for name, text in proposal.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        proposed = sections(proposal, lambda name: folder / name)
        settings, overruled = candidate.with_proposal(host, proposed, place.inventory)
        wrong = check_settings(place.name, settings)
        ahead = None
        if deploy_file is not None and not wrong:
            told("looking at what a deploy with these settings would do")
            member = replace(host, settings=settings)
            ahead = look_ahead(session, member, found, deploy_file, place.inventory)
        return Adopted(found, proposal, tuple(overruled), tuple(wrong), ahead, session.trips)


def _as_member(
    place: Place, entry: Entry, known: Path, read: Callable[[], list[FleetHost]]
) -> FleetHost:
    """The server as the inventory would know it, with its group's settings."""
    pinned = entry.model_copy(update={"known_hosts": str(known)})
    with proposing(place.group.hosts_file, place.group.name, place.name, pinned):
        fleet = read()
    for host in fleet:
        if host.name == place.name:
            return host
    raise TorchrackError(
        f"{place.inventory} does not take the hosts of {place.group.hosts_file} into the group "
        f"{place.group.name}: see docs/inventory.md"
    )
