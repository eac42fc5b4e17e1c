"""Ask hosts for preflight's facts over SSH, one connection and one command each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.preflight.facts import HostFacts, UnclearAnswer, parse
from torchrack.preflight.script import script
from torchrack.remote import Session, across, unknown
from torchrack.same_server import fleet_of, refusals
from torchrack.settings import Preflight
from torchrack.settings.model import Settings, merge


def gather(
    hosts: Sequence[FleetHost], answered: Callable[[], None] = lambda: None
) -> dict[str, HostFacts | Problem]:
    """Return what each host is, or why that can't be told; nothing is changed on any.

    Args:
        hosts: the hosts, with the connection data that a run would use.
        answered: called after each host, in the calling thread.
    """
    found = across(hosts, ask, answered)
    surveys = {name: one.survey for name, one in found.items() if isinstance(one, HostFacts)}
    fleet = fleet_of(host.data for host in hosts)
    return found | {problem.where: problem for problem in refusals(surveys, fleet)}


def ask(session: Session) -> HostFacts:
    """Return what a host is.

    Raises:
        HostError: it did not say.
    """
    answer = session.run(script(_lean(session.host.settings)))
    try:
        return parse(answer.out, answer.err)
    except UnclearAnswer as error:
        found = f"an answer that makes no sense: {error}"
        raise unknown(session.host, found, "look at the host") from error


def _lean(settings: Settings) -> Settings:
    """The settings that matter to what a host is: no mirror is contacted, no secret is read."""
    layer = {"driver": settings.driver, "preflight": Preflight(check_reachability=False)}
    return merge([layer])
