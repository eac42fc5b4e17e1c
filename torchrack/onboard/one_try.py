"""One attempt to authenticate, and what its failure means.

Never a second one: from OpenSSH 9.8 on a server answers failed logins with silence for a while
(PerSourcePenalties), and an account may be locked by them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from paramiko import Agent as SSHAgent
from paramiko import (
    AgentKey,
    AuthenticationException,
    BadAuthenticationType,
    PKey,
    SSHException,
    Transport,
)

from torchrack.base.public_keys import key_of
from torchrack.errors import HostError, Problem
from torchrack.onboard import credentials
from torchrack.onboard.credentials import Agent, Credential, KeyFile, Password
from torchrack.onboard.model import Newcomer
from torchrack.onboard.pins import fingerprint

_CHANGE = re.compile(r"new password|current (unix )?password|retype", re.IGNORECASE)


class OneTry:
    """Paramiko's strategy of authentication: one credential, used once.

    Args:
        newcomer: whose login it is.
        credential: what is used.
    """

    def __init__(self, newcomer: Newcomer, credential: Credential) -> None:
        self._newcomer = newcomer
        self._credential = credential
        self._key: PKey | None = None
        if isinstance(credential, Agent):
            self._key = agent_key(newcomer.name, credential)
        elif isinstance(credential, KeyFile):
            self._key = credentials.load(newcomer.name, credential.path)

    def authenticate(self, transport: Transport) -> None:
        """Log in.

        Raises:
            HostError: the server does not want this credential, or anything else.
        """
        user = self._newcomer.user
        try:
            allowed = self._methods(transport)
            if transport.is_authenticated():
                return
            more = self._use(transport, user, allowed)
        except (AuthenticationException, SSHException, EOFError, OSError) as error:
            raise self._failed(error, _last_words(transport)) from None
        if more:
            raise self._problem(
                f"a server that also wants {' and '.join(more)} after the key or password",
                "a login by one credential",
                f"let {user} in by a key alone (AuthenticationMethods in sshd_config)",
            )

    def _methods(self, transport: Transport) -> Sequence[str]:
        """What the server would accept: the question costs no attempt."""
        try:
            transport.auth_none(self._newcomer.user)
        except BadAuthenticationType as error:
            return error.allowed_types
        return []

    def _use(self, transport: Transport, user: str, allowed: Sequence[str]) -> Sequence[str]:
        credential = self._credential
        if self._key is not None:
            if "publickey" in allowed:
                return transport.auth_publickey(user, self._key)
            raise self._only(allowed, "a key", "give --ask-password or --password-file FILE")
        if isinstance(credential, Password) and "password" in allowed:
            return transport.auth_password(user, credential.value, fallback=False)
        if isinstance(credential, Password) and "keyboard-interactive" in allowed:
            return self._converse(transport, user, credential)
        raise self._only(allowed, "a password", "give --key FILE or --agent")

    def _converse(self, transport: Transport, user: str, password: Password) -> Sequence[str]:
        """Answer PAM's question for the password, and no other."""
        asked: list[str] = []

        def answer(_title: str, _text: str, prompts: list[tuple[str, bool]]) -> list[str]:
            first = not asked
            asked.extend(prompt.strip() for prompt, _ in prompts)
            if first and len(prompts) == 1 and "password" in prompts[0][0].lower():
                return [password.value]
            return [""] * len(prompts)

        try:
            return transport.auth_interactive(user, answer)
        except AuthenticationException:
            others = asked if not asked or "password" not in asked[0].lower() else asked[1:]
            if any(map(_CHANGE.search, others)):
                raise password_change(self._newcomer) from None
            if others:
                raise self._problem(
                    f"a server that asks for more than a password: {others[0]!r}",
                    "a login by one credential",
                    f"give --key FILE; a second factor can't be used for {user}",
                ) from None
            raise

    def _failed(self, error: Exception, said: str) -> HostError:
        user = self._newcomer.user
        if re.search("account has expired", said):
            return self._problem(
                f"an account that has expired: the server says {said!r}",
                f"an account {user} that may be used",
                f"as root at the console: chage -E -1 {user}",
            )
        ended = isinstance(error, (EOFError, OSError)) or "EOF" in str(error)
        if ended and said:
            return self._problem(
                f"a server that closed the login: it says {said!r}",
                "an open server",
                "wait until it has booted, or see who closed it (/etc/nologin)",
            )
        if ended:
            return self._problem(
                "a connection that was closed at the login without a word",
                f"an account {user} that may log in",
                "see the server's log (journalctl -u ssh, /var/log/auth.log): often PAM refuses "
                "the account (pam_access), or the address has failed too often",
            )
        if isinstance(error, AuthenticationException) and "timeout" not in str(error).lower():
            return self._problem(
                f"a refused login: {user} by {self._by()}",
                "the right user with the right credential",
                "correct --user or the credential; only one attempt was made. The server's log "
                "says more (journalctl -u ssh)",
            )
        return self._problem(str(error), "a login", "see the server's log (journalctl -u ssh)")

    def _by(self) -> str:
        credential = self._credential
        if isinstance(credential, KeyFile):
            return f"the key {credential.path}"
        if self._key is not None:
            return f"the agent's key {fingerprint(self._key)}"
        return "password"

    def _only(self, allowed: Sequence[str], ours: str, fix: str) -> HostError:
        return self._problem(
            f"a server that lets {self._newcomer.user} in by {', '.join(allowed) or 'nothing'} "
            "only; nothing was tried",
            f"a login by {ours}",
            fix,
        )

    def _problem(self, found: str, needed: str, fix: str) -> HostError:
        return problem(self._newcomer, found, needed, fix)


def agent_key(where: str, chosen: Agent) -> AgentKey:
    """Return the one key of the SSH agent that is to log in.

    Raises:
        HostError: there is no agent, it does not hold the key, or nobody says which of several.
    """
    keys = SSHAgent().get_keys()
    if chosen.key is not None:
        wanted = key_of(credentials.public_key(where, chosen.key))
        keys = tuple(k for k in keys if wanted and k.get_base64() == wanted[1])
    if len(keys) == 1:
        return keys[0]
    what, needed = "The credential of the first login", "one key of the SSH agent"
    if keys:
        names = ", ".join(f"{fingerprint(key)} ({key.comment})" for key in keys)
        found, fix = f"{len(keys)} keys: {names}", "say which: --agent --key FILE.pub"
    elif chosen.key is not None:
        found, fix = f"no key {chosen.key} in the agent", f"add it: ssh-add {chosen.key}"
    else:
        found = "an SSH agent without keys, or none"
        fix = "start one (eval $(ssh-agent)) and add the key (ssh-add FILE)"
    raise HostError(Problem(where, what, found, needed, fix))


def _last_words(transport: Transport) -> str:
    """What the server said while it looked at the credential; PAM's reasons come this way."""
    banner: Any = transport.auth_handler.banner if transport.auth_handler else None
    return " ".join(banner.decode("utf-8", "replace").split()) if banner else ""


def password_change(newcomer: Newcomer) -> HostError:
    """The error for an account that has to change its password first."""
    user, address = newcomer.user, newcomer.address
    port = "" if newcomer.port == 22 else f"-p {newcomer.port} "
    return problem(
        newcomer,
        f"a password of {user} that has to be changed before anything else",
        "an account that can be used at once",
        f"log in once by hand and set a new one (ssh {port}{user}@{address}), "
        "then run again with the new password",
    )


def problem(newcomer: Newcomer, found: str, needed: str, fix: str) -> HostError:
    """The error for a first login that is of no use."""
    return HostError(Problem(newcomer.name, "First login", found, needed, fix))
