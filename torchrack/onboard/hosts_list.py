"""The file that names several newcomers, CSV or YAML: read whole, or refused with all reasons."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from torchrack.errors import Problem, ProblemsError
from torchrack.hosts_file import NAME
from torchrack.lock.file import shown

ADDRESS = r"^[A-Za-z0-9:][A-Za-z0-9._:%-]*$"
"""A host name or an IP address."""

USER = r"^[a-z_][a-z0-9_-]*$"
"""An account, as useradd takes it."""

FINGERPRINT = r"^SHA256:[A-Za-z0-9+/]{43}$"
"""A host key's fingerprint as ssh-keygen -l writes it."""

_SECRET = frozenset({"password", "pass", "passphrase", "sudo_password", "secret"})
_FIX = "correct it; docs/onboarding.md has an example"


class Row(BaseModel):
    """A newcomer as the file or the command line names it; None: what the command says for all.

    Args:
        name: the name that it is to have in the inventory.
        address: host name or IP address.
        port: TCP port of its sshd.
        user: the account of the first login.
        group: the group that it joins.
        host_key: the fingerprint that its host key has to have.
        admin: the account that the fleet deploys with.
        admin_key: path of that account's private key.
        key: path of the private key of the first login.
        agent: whether the first login is by a key of the SSH agent.
        password_file: path of the file with the password of the first login.
        password_env: the environment variable with it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=rf"^{NAME}$")
    address: str = Field(pattern=ADDRESS)
    port: int | None = Field(None, ge=1, le=65535)
    user: str | None = Field(None, pattern=USER)
    group: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    host_key: str | None = Field(None, pattern=FINGERPRINT)
    admin: str | None = Field(None, pattern=USER)
    admin_key: str | None = Field(None, min_length=1)
    key: str | None = Field(None, min_length=1)
    agent: bool | None = None
    password_file: str | None = Field(None, min_length=1)
    password_env: str | None = Field(None, min_length=1)


def read(path: Path) -> list[Row]:
    """Return the newcomers that a file names.

    A file that ends in .csv has a heading with the names of :class:`Row`'s fields; any other is
    YAML: a list of mappings, or a mapping of names to mappings.

    Raises:
        ProblemsError: it can't be read, or a row is wrong; all that is wrong is told.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    try:
        found = list(_csv(path) if path.suffix.lower() == ".csv" else _yaml(path))
    except (OSError, UnicodeDecodeError, csv.Error, YAMLError, _NoList) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        said = error.problem if isinstance(error, MarkedYAMLError) else str(error)
        where = shown(path) if line is None else f"{shown(path)}:{line + 1}"
        needed = "a table of hosts, in CSV or YAML"
        raise _wrong(path, [Problem(where, "Hosts", str(said), needed, _FIX)]) from None
    for line, data in found:
        try:
            rows.append(Row.model_validate(data))
        except ValidationError as error:
            problems += _told(f"{shown(path)}:{line}", data, error)
    if not found:
        problems.append(Problem(shown(path), "Hosts", "none", "at least one host", _FIX))
    if problems:
        raise _wrong(path, problems)
    return rows


def row(**values: object) -> Row:
    """Return the newcomer that options name.

    Raises:
        ProblemsError: an option is wrong; all that is wrong is told.
    """
    try:
        return Row.model_validate({name: one for name, one in values.items() if one is not None})
    except ValidationError as error:
        raise ProblemsError("The options are wrong.", _told("options", values, error)) from None


class _NoList(ValueError):
    """YAML that is no list of hosts."""


def _csv(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = ((number, text) for number, text in enumerate(file, 1) if _counts(text))
        numbers: list[int] = []

        def texts() -> Iterator[str]:
            for number, text in lines:
                numbers.append(number)
                yield text

        reader = csv.DictReader(texts(), skipinitialspace=True, strict=True)
        for cells in reader:
            more = cells.pop(None, None)  # cells beyond the heading
            data = {
                (name or "").strip(): text.strip()
                for name, text in cells.items()
                if text and text.strip()
            }
            yield numbers[-1], data | ({"more cells than the heading": more} if more else {})


def _counts(text: str) -> bool:
    return bool(text.strip()) and not text.lstrip().startswith("#")


def _yaml(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    document = YAML().load(path.read_text(encoding="utf-8"))
    if isinstance(document, CommentedMap) and list(document) == ["hosts"]:
        document = document["hosts"]
    if isinstance(document, CommentedMap):
        for name, data in document.items():
            if not isinstance(data, dict):
                raise _NoList(f"{name}: {data!r} where a mapping is needed")
            yield document.lc.key(name)[0] + 1, {"name": name, **data}
    elif isinstance(document, CommentedSeq):
        for index, data in enumerate(document):
            if not isinstance(data, dict):
                raise _NoList(f"{data!r} where a mapping is needed")
            yield document.lc.item(index)[0] + 1, dict(data)
    elif document is not None:
        raise _NoList(f"{type(document).__name__} where a list of hosts is needed")


def _told(where: str, data: Mapping[str, Any], error: ValidationError) -> list[Problem]:
    name = data.get("name") or data.get("address") or "a host without a name"
    problems = []
    for one in error.errors():
        field = ".".join(map(str, one["loc"]))
        found, needed = repr(one["input"])[:60], one["msg"]
        if field.lower() in _SECRET:  # its value is not shown
            found, needed = "a secret", "no secret in this file: password_file or password_env"
        elif one["type"] == "extra_forbidden":
            found, needed = "not known", f"one of {', '.join(Row.model_fields)}"
        elif one["type"] == "missing":
            found = "nothing"
        elif field == "host_key":
            needed = "SHA256: and 43 characters, as ssh-keygen -l prints it"
        problems.append(Problem(where, f"{name}: {field}", found, needed, _FIX))
    return problems


def _wrong(path: Path, problems: list[Problem]) -> ProblemsError:
    return ProblemsError(f"{shown(path)} can't be used; no host was contacted.", problems)
