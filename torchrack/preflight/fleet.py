"""All hosts before any: the first host whose stage runs has the whole fleet checked.

pyinfra runs deploy.py once a host, in greenlets of a pool that can be smaller than the fleet, so a
barrier would wait for hosts whose turn never comes. The first one to arrive asks all hosts itself,
in a pool of its own; the others wait for its result.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.context import ctx_config, ctx_host

from torchrack import same_server
from torchrack.errors import HostError, Problem, ProblemsError
from torchrack.facts.survey import Survey
from torchrack.lock import fleet as locks
from torchrack.preflight.ask import ask, fault
from torchrack.report import print_problems
from torchrack.settings.model import of
from torchrack.survey import remember

AT_ONCE = 100
"""Hosts asked at the same time; each costs the controller a few milliseconds of CPU."""


@dataclass
class Result:
    """What became of the fleet's check: all problems, and the hosts that are gone."""

    problems: list[Problem] = field(default_factory=list)
    gone: dict[Host, HostError] = field(default_factory=dict)


_results: WeakKeyDictionary[State, Future[Result]] = WeakKeyDictionary()


def check_fleet(state: State, host: Host) -> None:
    """Check all active hosts once a run, and tell what concerns this host.

    Args:
        state: pyinfra's run.
        host: the host on whose behalf this is called.

    Raises:
        ProblemsError: at least one host has a problem; they have been printed.
        HostError: this host is gone; the others go on.
    """
    waiting = _results.get(state)
    if waiting is None:
        _results[state] = waiting = Future()
        try:
            waiting.set_result(_check_all(state))
        except BaseException as error:
            waiting.set_exception(error)
            raise
    result = waiting.result()
    if result.problems:
        hosts = len({problem.where for problem in result.problems})
        raise ProblemsError(
            f"Preflight found {len(result.problems)} problem(s) on {hosts} host(s), listed above; "
            "nothing was changed on any host.",
            result.problems,
        )
    if host in result.gone:
        raise result.gone[host]


def _check_all(state: State) -> Result:
    active = (host for host in state.inventory.get_active_hosts() if state.is_host_in_limit(host))
    hosts = sorted(active, key=lambda host: host.name)
    result = Result(problems=locks.problems((h.name, h.data.dict(), of(h)) for h in hosts))
    if result.problems:
        print_problems("Lock", result.problems)
        return result

    surveys: dict[str, Survey] = {}

    def one(host: Host) -> list[Problem]:
        with ctx_config.use(state.config.copy()), ctx_host.use(host):
            try:
                survey, problems = ask(host)
            except HostError as error:
                result.gone[host] = error
                return []
            except Exception as error:
                logger.debug("preflight failed", exc_info=True)
                survey, problems = None, [fault(host, error)]
        if survey is not None:
            remember(host, survey)
            surveys[host.name] = survey
        return problems

    # pyinfra has made threads and locks gevent's: these are greenlets.
    with ThreadPoolExecutor(min(len(hosts), AT_ONCE) or 1) as pool:
        for problems in pool.map(one, hosts):
            result.problems += problems
    result.problems += same_server.refusals(
        surveys, {host.name: host.data.dict() for host in state.inventory}
    )
    for names in same_server.copies(surveys):
        logger.warning(
            f"{', '.join(names)}: servers of their own with one machine-id, as copies of one image "
            "have it. DHCP may give them one address; see machine-id(5) for how to make another"
        )
    if result.problems:
        print_problems("Preflight", result.problems)
    return result
