"""What the command line asks for: which servers, and what each is logged in to with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torchrack.errors import HostError, Problem, ProblemsError
from torchrack.onboard.credentials import Given, given
from torchrack.onboard.hosts_list import Row, read, row
from torchrack.onboard.joining import Joining
from torchrack.settings.secret import Secret

OWN = frozenset({"name", "address", "host_key"})
"""The fields that differ from server to server: no option says them for several."""


def rows_of(hosts: Path | None, options: Mapping[str, object]) -> list[Row]:
    """Return the servers that are asked for: those of a file, or the one that options name.

    Args:
        hosts: the file with several servers.
        options: the fields of :class:`Row` as the command line has them; None: not given.

    Raises:
        ProblemsError: the options do not go together, or something in them or the file is wrong.
    """
    if hosts is None:
        missing = [f"--{name}" for name in ("name", "address") if options[name] is None]
        if missing:
            found = f"no {' and no '.join(missing)}"
            needed = "the name and the address of a server, or --hosts FILE"
            raise _wrong(found, needed, f"give {' and '.join(missing)}")
        return [row(**options)]
    own = [f"--{name.replace('_', '-')}" for name in sorted(OWN) if options[name] is not None]
    if own:
        fix = f"say it in {hosts}, or leave --hosts out"
        raise _wrong(f"{', '.join(own)} beside --hosts", "one of the two", fix)
    return read(hosts)


def credentials(
    joinings: Sequence[Joining], prompt: Callable[[], str] | None
) -> dict[str, Given | None]:
    """Return by name what each server is logged in to with at first.

    None is for a server whose admin is there already, where nothing was given: the admin logs in.

    Args:
        joinings: the servers.
        prompt: asks a person for the password.

    Raises:
        ProblemsError: none was given, or one can't be used; all that is wrong is told.
    """
    found: dict[str, Given | None] = {}
    problems = []
    for joining in joinings:
        asked = joining.row
        nothing = not (asked.key or asked.agent or prompt)
        if joining.known and nothing and not (asked.password_file or asked.password_env):
            found[asked.name] = None
            continue
        try:
            found[asked.name] = given(
                asked.name,
                key=asked.key,
                agent=bool(asked.agent),
                password=_password(asked),
                prompt=prompt,
            )
        except HostError as error:
            problems.append(error.problem)
    if problems:
        raise ProblemsError("Nothing was begun; no host was contacted.", problems)
    return found


def onward(words: Sequence[str]) -> list[str]:
    """Return a command's words without the options that had it end early, or only look.

    Args:
        words: the command and its arguments.
    """
    kept: list[str] = []
    for word in words:
        if kept[-1:] == ["--until"]:
            kept.pop()
        elif word != "--dry-run" and not word.startswith("--until="):
            kept.append(word)
    return kept


def _password(asked: Row) -> Secret | None:
    if asked.password_file and asked.password_env:
        needed = "one source of the password"
        raise HostError(
            Problem(asked.name, "Password", "a file and a variable", needed, "give one of them")
        )
    if asked.password_file:
        return Secret(source="file", name=asked.password_file)
    return Secret(source="env", name=asked.password_env) if asked.password_env else None


def _wrong(found: str, needed: str, fix: str) -> ProblemsError:
    problem = Problem("options", "The server", found, needed, fix)
    return ProblemsError("The options are wrong.", [problem])
