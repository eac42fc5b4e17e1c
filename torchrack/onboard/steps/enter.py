"""The login: the admin's where it works already, else the first one, which becomes root."""

from __future__ import annotations

from torchrack.errors import HostError, ProblemsError
from torchrack.onboard.admin import login_as_admin
from torchrack.onboard.credentials import Agent, Credential, KeyFile
from torchrack.onboard.login import first_login
from torchrack.onboard.ready import wait_until_ready
from torchrack.onboard.work import Said, Work


def login(work: Work) -> Said:
    """Log in once, become root, and see that nothing and nobody else is at work there."""
    said = _as_admin(work) if work.joining.listed or work.given is None else None
    if said is None:
        said = _first(work)
    problems = wait_until_ready(work.session, told=lambda text: work.shows.note(work.name, text))
    if problems:
        raise ProblemsError("It is not left alone.", problems)
    return said


def _as_admin(work: Work) -> Said | None:
    """The admin's login of a host that has one; None where another way is open."""
    newcomer = work.newcomer
    try:
        work.session = work.closing.enter_context(
            login_as_admin(newcomer, work.known_hosts, settings=work.host.settings)
        )
    except HostError as error:
        if work.given is None:
            raise
        work.shows.note(work.name, f"no login as {newcomer.admin} yet: {error.problem.found}")
        return None
    work.as_admin = True
    return Said("already", f"as {newcomer.admin}, by key; sudo asks for no password")


def _first(work: Work) -> Said:
    newcomer, given = work.newcomer, work.given
    if given is None:
        raise work.problem(
            "First login",
            "nothing to log in with",
            "one of --key, --agent, --ask-password, --password-file, --password-env",
            "add it to the command",
        )
    session = first_login(newcomer, given, work.known_hosts, settings=work.host.settings)
    work.session = work.closing.enter_context(session)
    return Said("done", f"as {newcomer.user}, by {_kind(given.credential)}")


def _kind(credential: Credential) -> str:
    if isinstance(credential, KeyFile):
        return f"the key {credential.path}"
    return "a key of the SSH agent" if isinstance(credential, Agent) else "password"
