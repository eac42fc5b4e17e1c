"""What ssh_config says of the way to a host, as OpenSSH itself reads it (``ssh -G``).

paramiko's own reader applies Match blocks whose criteria it does not know, ignores Include and the
system-wide file, and fails on valid ones (https://github.com/paramiko/paramiko/issues/2632, 2361).
ssh_config decides how a host is reached. Which host it is, its pinned key decides.
"""

from __future__ import annotations

import getpass
import os
import pwd
import re
import shlex
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from paramiko import SSHException

from torchrack.errors import Problem, TorchrackError

SECONDS = 20
"""How long ``ssh -G`` may take; it runs what Match exec names, and canonical names ask DNS."""
_NOBODY = "torchrack.invalid"
"""A name that no server has (RFC 2606)."""
_NOISE = re.compile(r"^Pseudo-terminal|: terminating, \d+ bad|^Unsupported Match attribute", re.I)


class SSHConfigError(TorchrackError, SSHException):
    """ssh_config can't be used on this machine, or not for this host; no connection was made."""


@dataclass(frozen=True)
class Route:
    """How a host is reached, and with what.

    Args:
        hostname: host name or IP address that is connected to.
        jump: the hosts of ProxyJump, or "".
        command: the command of ProxyCommand for /bin/sh, or "".
        identities: paths of private keys that ssh_config names.
        certificates: paths of certificates.
        agent: path of the SSH agent's socket, where ssh_config names one.
        keep_alive: seconds between two signs of life, 0: none.
        forward_agent: whether the SSH agent is forwarded.
        options: of ``ssh``, for the same files to be read.
    """

    hostname: str
    jump: str = ""
    command: str = ""
    identities: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    agent: str | None = None
    keep_alive: int = 0
    forward_agent: bool = False
    options: tuple[str, ...] = ()


def route(address: str, port: int, user: str | None = None, file: str | None = None) -> Route:
    """Return how ssh would reach an address.

    Args:
        address: host name or IP address, as the inventory has it.
        port: TCP port of sshd, which wins over ssh_config's.
        user: the login, which wins over ssh_config's.
        file: an ssh_config to read in the place of the user's and the system's.

    Raises:
        SSHConfigError: ssh can't read its configuration, or has no way to this host.
    """
    login = ("-l", user) if user else ()
    options = _options(file)
    said = _ask((*options, *login, "-p", str(port)), address)
    if said is None:
        return Route(address)
    tokens = _tokens(address, said)
    identities = said.get("identityfile", ())
    if identities == _default_identities():
        identities = ()  # those that nobody named
    return Route(
        hostname=said["hostname"][0],
        jump=said.get("proxyjump", ("",))[0],
        command=_command(said, tokens),
        identities=_paths(identities, tokens),
        certificates=_paths(said.get("certificatefile", ()), tokens),
        agent=_agent(said, tokens),
        keep_alive=int(said.get("serveraliveinterval", ("0",))[0]),
        forward_agent=said.get("forwardagent", ("no",))[0] == "yes",
        options=options,
    )


@cache
def problems() -> tuple[Problem, ...]:
    """Return why no host can be reached with this machine's ssh_config; asked once a process."""
    try:
        # What a canonical name is, only DNS knows; here the files alone are of interest.
        _ask((*_options(None), "-o", "CanonicalizeHostname=no"), _NOBODY)
    except SSHConfigError as error:
        return (
            Problem(
                "this machine",
                "ssh_config",
                str(error).removeprefix("ssh_config: "),
                "files that its ssh can read",
                "correct them until `ssh -G localhost` prints no error; a keyword that only a "
                "newer OpenSSH knows needs that OpenSSH here",
            ),
        )
    return ()


def _options(file: str | None) -> tuple[str, ...]:
    """The options for ssh to read ``~/.ssh/config`` of $HOME: of itself it asks the password file.

    A file that is named by -F is read alone, so that is done only where the two differ.
    """
    if file:
        return ("-F", str(Path(file).expanduser()))
    own = _user_file()
    try:
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container may run as a number that has no account
        home = None
    if home is not None and own == home / ".ssh" / "config":
        return ()
    return ("-F", str(own) if own.is_file() else "none")


def _user_file() -> Path:
    return Path("~/.ssh/config").expanduser()


@cache
def _ask(options: tuple[str, ...], address: str) -> Mapping[str, tuple[str, ...]] | None:
    """What ``ssh -G`` says, by keyword in lower case; None without ssh and without ssh_config."""
    try:
        done = subprocess.run(
            ["ssh", "-T", *options, "-G", "--", address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError:
        _without_ssh(options, "no ssh")
        return None
    except subprocess.TimeoutExpired:
        found = f"ssh_config: no answer of ssh -G within {SECONDS} s (Match exec, or DNS)"
        raise SSHConfigError(found) from None
    except OSError as error:
        raise SSHConfigError(f"ssh_config: ssh can't be started: {error}") from None
    if b"No user exists for uid" in done.stderr:
        _without_ssh(options, f"no account for uid {os.getuid()}, without which ssh refuses")
        return None
    said = done.stdout.decode(errors="replace").splitlines()
    lines: dict[str, tuple[str, ...]] = {}
    for keyword, _, value in (line.partition(" ") for line in said):
        lines[keyword.lower()] = (*lines.get(keyword.lower(), ()), value.strip())
    if done.returncode or "hostname" not in lines:
        raise SSHConfigError(f"ssh_config: {_words(done.stderr) or f'status {done.returncode}'}")
    return lines


def _words(stderr: bytes) -> str:
    """What ssh complains of, each line once, without what says nothing of the place."""
    lines = dict.fromkeys(line.strip() for line in stderr.decode(errors="replace").splitlines())
    placed = [line for line in lines if line and not _NOISE.search(line)]
    unknown = [line.rpartition(" ")[2] for line in lines if line.startswith("Unsupported Match")]
    return "; ".join(placed) + (f" ({', '.join(unknown)})" if unknown else "")


def _without_ssh(options: tuple[str, ...], lacking: str) -> None:
    """Refuse what nobody can read here; without ssh_config there is only the direct way."""
    file = Path(options[1]) if options[:1] == ("-F",) else _user_file()
    if options[:2] != ("-F", "none") and file.is_file() and file.read_bytes().strip():
        fix = "install openssh-client as an account of this machine, or remove the file"
        raise SSHConfigError(f"ssh_config: {file}, and {lacking} here to read it; {fix}")


@cache
def _default_identities() -> tuple[str, ...]:
    said = _ask(("-F", "none"), _NOBODY) or {}
    return said.get("identityfile", ())


def _tokens(address: str, said: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """What percent signs stand for (TOKENS in ssh_config(5)), as far as this can be known."""
    name, hostname = socket.gethostname(), said["hostname"][0]
    return {
        "%": "%",
        "h": hostname,
        "n": address,
        "p": said["port"][0],
        "r": said["user"][0],
        "k": said.get("hostkeyalias", (hostname,))[0],
        "u": getpass.getuser(),
        "i": str(os.getuid()),
        "d": str(Path.home()),
        "l": name,
        "L": name.partition(".")[0],
        "j": said.get("proxyjump", ("",))[0],
    }


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    def token(match: re.Match[str]) -> str:
        if match[1] not in tokens:
            raise SSHConfigError(f"ssh_config: {match[0]} in {text!r}, which is not supported here")
        return tokens[match[1]]

    return re.sub("%(.?)", token, text)


def _paths(values: tuple[str, ...], tokens: Mapping[str, str]) -> tuple[str, ...]:
    named = (value for value in values if value != "none")
    return tuple(os.path.expandvars(Path(_expand(v, tokens)).expanduser()) for v in named)


def _agent(said: Mapping[str, tuple[str, ...]], tokens: Mapping[str, str]) -> str | None:
    value = said.get("identityagent", ("none",))[0]
    if value in ("none", "SSH_AUTH_SOCK", "$SSH_AUTH_SOCK"):  # pyinfra takes the environment's
        return None
    return _paths((value,), tokens)[0]


def _command(said: Mapping[str, tuple[str, ...]], tokens: Mapping[str, str]) -> str:
    command = said.get("proxycommand", ("none",))[0]
    if command == "none":
        return ""
    if said.get("proxyusefdpass", ("no",))[0] == "yes":
        raise SSHConfigError("ssh_config: ProxyUseFdpass yes, which is not supported here")
    return f"exec {_expand(command, tokens)}"


def through(way: Route, port: int) -> list[str]:
    """Return the command whose standard input and output are a connection to the host.

    Args:
        way: with a jump or a command.
        port: TCP port of sshd on the host.
    """
    if way.command:
        return ["/bin/sh", "-c", way.command]
    *before, last = way.jump.split(",")
    # As OpenSSH does it for ProxyJump; a question would wait for somebody, so none is asked.
    return [
        *("ssh", *way.options, "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes"),
        *(("-J", ",".join(before)) if before else ()),
        *("-W", f"[{way.hostname}]:{port}", "--", _uri(last)),
    ]


def _uri(hop: str) -> str:
    return hop if hop.startswith("ssh://") else f"ssh://{hop}"


def repin(file: str, old: str, new: str) -> str:
    """Return the command that pins for one name what known_hosts pins for another.

    Args:
        file: path of the known_hosts file.
        old: the name that has the key, "address" or "[address]:port".
        new: the name that is to have it as well.
    """
    there = shlex.quote(file)
    rename = shlex.quote("!/^#/ {$1 = name; print}")
    return (
        f"ssh-keygen -F {shlex.quote(old)} -f {there} | "
        f"awk -v name={shlex.quote(new)} {rename} >> {there}"
    )
