"""What is asked before a fleet's repository is written: at most six things, each with a default."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torchrack.hosts_file import NAME
from torchrack.settings.images import REFERENCE, TAGGED

NO_IMAGE = "none"
"""The answer of somebody whose images are not there yet."""
_KEYS = ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_rsa")
_TAKEN = {"check_fleet", "hosts_of", "host", "lock_file", "all"}


@dataclass(frozen=True)
class Answers:
    """What a new fleet is.

    Args:
        name: the fleet's, which its inventory is called by.
        group: the group that its hosts join.
        user: the account that deploys; onboarding makes it.
        key: path of its private key.
        image: the PyTorch image, "registry/name:tag"; "none" where there is none yet.
        nightly: when the nightly check runs, HH:MM in UTC.
    """

    name: str
    group: str
    user: str
    key: str
    image: str
    nightly: str


@dataclass(frozen=True)
class Question:
    """One of the things that are asked.

    Args:
        field: of :class:`Answers`.
        text: the question.
        default: the answer that an empty line is.
        needed: what an answer has to be.
        fits: whether it is that.
    """

    field: str
    text: str
    default: str
    needed: str
    fits: Callable[[str], bool]


def questions(folder: Path) -> tuple[Question, ...]:
    """Return the questions for a repository in a folder.

    Args:
        folder: where it is to be; its name is the fleet's default name.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-_")
    return (
        Question(
            "name",
            "The fleet's name",
            name if _is_name(name) else "fleet",
            "letters, digits, hyphens and underscores",
            _is_name,
        ),
        Question("group", "The group of its GPU servers", "gpu", "a name in Python", _is_group),
        Question(
            "user",
            "The account that deploys; onboarding makes it",
            "torchrack",
            "an account's name other than root, which may not log in",
            lambda text: text != "root" and bool(re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", text)),
        ),
        Question(
            "key",
            "Its private SSH key",
            _key(),
            "a path without quotes",
            lambda text: bool(re.fullmatch(r"[^\s\"'\\]+", text)) and not text.endswith(".pub"),
        ),
        Question(
            "image",
            "The PyTorch image, registry/name:tag",
            NO_IMAGE,
            f"registry/name:tag, or {NO_IMAGE}",
            lambda text: text == NO_IMAGE or bool(re.match(f"{TAGGED}|{REFERENCE}", text)),
        ),
        Question(
            "nightly",
            "When the nightly check runs, in UTC",
            "03:00",
            "a time of day such as 03:00",
            lambda text: bool(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text)),
        ),
    )


def _is_name(text: str) -> bool:
    return bool(re.fullmatch(NAME, text)) and "." not in text and text not in _TAKEN


def _is_group(text: str) -> bool:
    return (
        text.isidentifier()
        and text.isascii()
        and not text.startswith("_")
        and not keyword.iskeyword(text)
        and text not in _TAKEN
    )


def _key() -> str:
    """Return the first private key that is there, as a person would write it."""
    folder = Path.home() / ".ssh"
    found = (name for name in _KEYS if (folder / name).is_file())
    return f"~/.ssh/{next(found, _KEYS[0])}"
