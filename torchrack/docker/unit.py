"""How systemd starts dockerd, read from the files of docker.service as they are on disk. Pure.

What systemd has loaded is not asked: the next start comes after a daemon-reload, and before the
engine is installed a drop-in may be there already. The rules: systemd.unit(5), systemd.exec(5),
"Command lines" in systemd.service(5).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

FOLDERS = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Where systemd looks for units; of files with one name the first counts."""

Word = tuple[str, str]


@dataclass
class _Service:
    """What the files say; an empty assignment forgets the ones before it."""

    start: list[Word] = field(default_factory=list)
    environment: dict[str, Word] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


def command_line(
    parts: Mapping[str, str], environment: Mapping[str, str], running: Sequence[str] = ()
) -> tuple[Word, ...] | None:
    """Return the words after ``dockerd``, each with the file that sets it.

    Args:
        parts: path to text of the unit and its drop-ins, in the order of FOLDERS.
        environment: path to text of the files of variables.
        running: command line of the running daemon; it counts where a program between systemd and
            dockerd adds what no unit says.

    Returns:
        None where that is not known: no unit, or a program of its own that starts dockerd.
    """
    service = _read(parts)
    words = tuple(_expand(service, environment))
    inner = _after_dockerd(words)
    if inner is not None or not words:
        return inner
    starter = words[0][0]
    given = _after_dockerd([(word, f"what {starter} runs") for word in running])
    return given


def _after_dockerd(words: Sequence[Word]) -> tuple[Word, ...] | None:
    """The words after dockerd, also behind ``taskset``, ``env`` or ``sh -c "exec dockerd ..."``."""
    for number, (word, where) in enumerate(words):
        if _is_dockerd(word):
            return tuple(words[number + 1 :])
        inner = _split(word) if " " in word else []
        for position, one in enumerate(inner):
            if _is_dockerd(one):
                rest = [w for w in inner[position + 1 :] if w not in ('"$@"', "$@", "$*")]
                return (*((w, where) for w in rest), *words[number + 2 :])
    return None


def _is_dockerd(word: str) -> bool:
    return PurePosixPath(word).name in ("dockerd", "dockerd-ce", "dockerd-current")


def _read(parts: Mapping[str, str]) -> _Service:
    service = _Service()
    for path in _in_order(parts):
        for key, value in _assignments(parts[path]):
            _assign(service, key, value, path)
    return service


def _in_order(parts: Mapping[str, str]) -> list[str]:
    """The unit, then its drop-ins by name; of those with one name the first counts."""
    unit = next((path for path in parts if path.endswith("/docker.service")), None)
    drop_ins: dict[str, str] = {}
    for path in parts:
        if path.endswith(".conf"):
            drop_ins.setdefault(PurePosixPath(path).name, path)
    return [*([unit] if unit else []), *(drop_ins[name] for name in sorted(drop_ins))]


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    section, line = "", ""
    for raw in text.splitlines():
        stripped = raw.strip()
        if stripped.startswith(("#", ";")):
            continue  # also between the parts of a continued line
        if stripped.endswith("\\"):
            line += stripped[:-1] + " "
            continue
        line, whole = "", line + stripped
        if whole.startswith("["):
            section = whole
        elif section == "[Service]" and "=" in whole:
            key, _, value = whole.partition("=")
            yield key.strip(), value.strip()


def _assign(service: _Service, key: str, value: str, path: str) -> None:
    if key == "ExecStart":
        service.start = [(word, path) for word in _split(value.lstrip("@-:+!|"))]
    elif key == "Environment":
        if not value:
            service.environment.clear()
        for one in _split(value):
            name, _, text = one.partition("=")
            service.environment[name] = (text, path)
    elif key == "UnsetEnvironment":
        for name in _split(value):
            service.environment.pop(name, None)
    elif key == "EnvironmentFile":
        service.files = [*service.files, value.lstrip("-")] if value else []


def _expand(service: _Service, environment: Mapping[str, str]) -> Iterator[Word]:
    variables = dict(service.environment)
    for pattern in service.files:
        for path, text in environment.items():
            if PurePosixPath(path).match(pattern):
                variables |= {name: (value, path) for name, value in _variables(text)}

    def text_of(match: re.Match[str]) -> str:
        return variables.get(match[1], ("", ""))[0]

    for word, where in service.start:
        whole = re.fullmatch(r"\$(\w+)", word)
        if whole:
            value, origin = variables.get(whole[1], ("", where))
            yield from ((one, origin) for one in _split(value))
        else:
            yield re.sub(r"\$\{(\w+)\}", text_of, word).replace("$$", "$"), where


def _variables(text: str) -> Iterator[tuple[str, str]]:
    """Assignments of a file of variables; a shell's ``export`` is none to systemd."""
    joined = re.sub(r"\\\n", "", text)
    for line in joined.splitlines():
        match = re.match(r"\s*(\w+)\s*=\s*(.*?)\s*$", line)
        if match:
            value = match[2]
            quoted = re.fullmatch(r"([\"'])(.*)\1", value)
            yield match[1], quoted[2] if quoted else value


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # quotes that do not match: systemd would not start it at all
        return text.split()
