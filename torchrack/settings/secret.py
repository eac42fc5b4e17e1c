"""Where a secret comes from. The secret itself never stands in settings, data or logs."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from torchrack.errors import TorchrackError
from torchrack.fleet_folder import current, here

COMMAND_SECONDS = 60
"""How long a command may take to give a secret; a person may have to unlock a key meanwhile."""


class Secret(BaseModel):
    """A reference to a secret on the machine that runs pyinfra.

    Args:
        source: ``env`` for an environment variable, ``file`` for a file's first line, ``command``
            for the first line that a command prints.
        name: the variable's name, the file's path, or the command's words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: Literal["env", "file", "command"]
    name: str | tuple[str, ...]

    @model_validator(mode="after")
    def _check(self) -> Secret:
        if (self.source == "command") != isinstance(self.name, tuple) or not all(self.name):
            needed = "a list of words" if self.source == "command" else "one text"
            raise ValueError(f"{self.source} takes {needed} as its name")
        if not self.name:
            raise ValueError(f"{self.source} has no name")
        return self

    @property
    def words(self) -> list[str]:
        """The words of the command; a leading ``~/`` is the home folder, all else is literal."""
        assert isinstance(self.name, tuple)  # noqa: S101 - by validation
        return [os.path.expanduser(w) if w.startswith("~/") else w for w in self.name]

    def read(self) -> str:
        """Return the secret.

        Raises:
            TorchrackError: the variable is unset, the file is missing, empty or open to others, or
                the command failed.
        """
        if self.source == "command":
            return _printed(self.words)
        return self._from_environment() if self.source == "env" else self._from_file()

    def _from_environment(self) -> str:
        value = os.environ.get(str(self.name), "")
        if not value:
            raise TorchrackError(
                f"the environment variable {self.name} is not set: export it and run again"
            )
        return value

    def _from_file(self) -> str:
        path = here(str(self.name))
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TorchrackError(f"the secret file {path} can't be read: {error}") from None
        if mode & 0o077:
            raise TorchrackError(
                f"the secret file {path} is open to others (mode {mode & 0o777:04o}): "
                f"run chmod 600 {path}"
            )
        value = text.split("\n", 1)[0]
        if not value:
            raise TorchrackError(f"the secret file {path} is empty: write the secret in line 1")
        return value


def env(name: str) -> Secret:
    """A secret from the environment variable ``name``."""
    return Secret(source="env", name=name)


def file(path: str) -> Secret:
    """A secret from the first line of the file ``path``, which must be private (0600)."""
    return Secret(source="file", name=path)


def command(*words: str) -> Secret:
    """A secret from the first line that a command prints: ``command("pass", "show", "lab/pull")``.

    It runs once in a process, in the fleet's folder, without a shell and without standard input.
    """
    return Secret(source="command", name=words)


def program(word: str) -> str:
    """Return the program of a command; a relative path begins in the fleet's folder."""
    return str(here(word).absolute()) if "/" in word else word


_answers: dict[tuple[str, ...], str | TorchrackError] = {}
_asking = threading.Lock()


def _printed(words: list[str]) -> str:
    """Return what a command gave, or fail as it did: a person is not asked once for each host."""
    with _asking:
        key = tuple(words)
        if key not in _answers:
            try:
                _answers[key] = _run(words)
            except TorchrackError as error:
                _answers[key] = error
        answer = _answers[key]
    if isinstance(answer, TorchrackError):
        raise TorchrackError(str(answer))
    return answer


def _run(words: list[str]) -> str:
    what, by_hand = f"the command for a secret, {words[0]},", f"try it, {shlex.join(words)}"
    try:
        done = subprocess.run(
            [program(words[0]), *words[1:]],
            cwd=current(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
    except FileNotFoundError:
        raise TorchrackError(f"{what} is not installed here: install it") from None
    except subprocess.TimeoutExpired:
        raise TorchrackError(f"{what} took more than {COMMAND_SECONDS} s: {by_hand}") from None
    except (OSError, ValueError) as error:
        raise TorchrackError(f"{what} can't be run, {error}: {by_hand}") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())[-300:] or "without a word"
        raise TorchrackError(f"{what} ended with {done.returncode}, {said}: {by_hand}")
    try:
        value = done.stdout.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        raise TorchrackError(f"{what} printed what is no text: {by_hand}") from None
    if not value:
        raise TorchrackError(f"{what} printed nothing in its first line: {by_hand}")
    return value
