"""What the first login is made with: exactly one credential, taken from the command's options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from paramiko import PKey, SSHException
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.ssh_util import load_key_with_certificate

from torchrack.base.public_keys import TYPES, key_of
from torchrack.errors import HostError, Problem, TorchrackError
from torchrack.settings.secret import Secret


@dataclass(frozen=True)
class KeyFile:
    """A private key in a file."""

    path: Path


@dataclass(frozen=True)
class Agent:
    """A key of the SSH agent.

    Args:
        key: its public half (or the private key beside it) where the agent holds several: each one
            that is tried is a failed login to the server.
    """

    key: Path | None = None


@dataclass(frozen=True)
class Password:
    """A password; it is not shown by repr."""

    value: str = field(repr=False)


Credential = KeyFile | Agent | Password


@dataclass(frozen=True)
class Given:
    """What the command was given.

    Args:
        credential: what logs in.
        sudo: the password that sudo gets, where it asks for one.
    """

    credential: Credential
    sudo: Password | None = None


def given(
    where: str,
    *,
    key: str | None = None,
    agent: bool = False,
    password: Secret | None = None,
    prompt: Callable[[], str] | None = None,
) -> Given:
    """Resolve the options of the command to one credential.

    A password beside a key or the agent does not log in: it is sudo's. A key beside the agent says
    which of the agent's keys is meant.

    Args:
        where: the server's name, for messages.
        key: path of a private key.
        agent: whether a key of the SSH agent logs in.
        password: where a password comes from.
        prompt: asks for the password instead.

    Raises:
        HostError: none was given, two passwords were, or the one can't be used.
    """
    if password is not None and prompt is not None:
        raise _problem(
            where, "two sources of a password", "one", "give one option for the password"
        )
    path = Path(key).expanduser() if key else None
    if path is not None:
        _check_file(where, path, public_will_do=agent)
    secret = _password(where, password, prompt)
    if agent:
        return Given(Agent(path), secret)
    if path is not None:
        load(where, path)
        return Given(KeyFile(path), secret)
    if secret is not None:
        return Given(secret, secret)
    raise _problem(
        where,
        "none",
        "one key or one password",
        "give --key FILE, --agent, --ask-password, --password-file FILE or --password-env NAME",
    )


def load(where: str, path: Path) -> PKey:
    """Return the private key in a file, with the certificate beside it.

    Args:
        where: the server's name, for messages.
        path: the file.

    Raises:
        HostError: it can't be read, is no private key, or is locked by a passphrase.
    """
    try:
        return load_key_with_certificate(str(path), allow_prompt=False)
    except PyinfraError as error:
        if "is encrypted" in str(error):
            raise _problem(
                where,
                f"{path} is locked by a passphrase",
                "a key that can be used without asking",
                f"put it into your SSH agent (ssh-add {path}) and give --agent --key {path}",
            ) from None
        found = f"{path} holds no private key that paramiko can read"
    except (SSHException, OSError, ValueError) as error:
        found = f"{path} can't be read as a private key: {error}"
    raise _problem(where, found, "a private key in OpenSSH's or PEM form", "correct the path")


def public_key(where: str, path: Path) -> str:
    """Return the public half that lies beside a private key, as a line for authorized_keys.

    Args:
        where: the server's name, for messages.
        path: the private key; ``.pub`` is added unless it is there.

    Raises:
        HostError: there is none, or it is of a type that the hardened sshd refuses.
    """
    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    make = f"make it: ssh-keygen -y -f {path} > {public}"
    try:
        lines = public.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        found = f"{public} can't be read: {getattr(error, 'strerror', None) or error}"
        raise _problem(where, found, "the public half of the key", make) from None
    found_keys = [line.strip() for line in lines if key_of(line)]
    if len(found_keys) != 1:
        raise _problem(where, f"{len(found_keys)} public keys in {public}", "one", make)
    if not found_keys[0].startswith(TYPES):
        raise _problem(
            where,
            f"a key of type {found_keys[0].split()[0]} in {public}",
            f"one of {', '.join(TYPES)}: the hardened sshd refuses others",
            "make another: ssh-keygen -t ed25519",
        )
    return found_keys[0]


def _check_file(where: str, path: Path, *, public_will_do: bool) -> None:
    beside = path.with_name(path.name + ".pub")
    if not path.is_file() and not (public_will_do and beside.is_file()):
        raise _problem(where, f"no file {path}", "a private key", "correct --key")


def _password(
    where: str, secret: Secret | None, prompt: Callable[[], str] | None
) -> Password | None:
    if secret is None and prompt is None:
        return None
    try:
        value = secret.read() if secret is not None else prompt() if prompt is not None else ""
    except TorchrackError as error:
        found, _, fix = str(error).rpartition(": ")
        raise _problem(where, found or str(error), "a password that can be read", fix) from None
    if not value or "\n" in value or "\r" in value or "\0" in value:
        found = "a password of several lines" if value else "an empty password"
        raise _problem(where, found, "the login's password", "give the right one")
    return Password(value)


def _problem(where: str, found: str, needed: str, fix: str) -> HostError:
    return HostError(Problem(where, "The credential of the first login", found, needed, fix))
