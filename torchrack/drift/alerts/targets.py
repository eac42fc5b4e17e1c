"""Who is told of a change: the entries of the file ``.alerts.yml`` beside an inventory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from torchrack.drift import entries
from torchrack.drift.model import SEVERITIES, Severity
from torchrack.fleet_folder import beside
from torchrack.settings.secret import Secret


class _Target(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity = Field(
        default=SEVERITIES[-1], description="the least grave finding that is told"
    )

    @property
    def key(self) -> str:
        """The same for the same entry; no secret is in it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class Webhook(_Target):
    """A URL that messages are posted to.

    Args:
        kind: ``slack`` for Slack, Mattermost and others that take its form; ``json`` for all data.
        url: where the URL stands: whoever knows it can post.
    """

    kind: Literal["slack", "json"]
    url: Secret


class Mail(_Target):
    """A mail server that takes messages.

    Args:
        kind: ``mail``.
        to: addresses.
        sender: the address it comes from.
        host: the server's name.
        port: its TCP port.
        security: ``starttls`` (port 587), ``tls`` from the first byte (port 465), or ``none``.
        user: account at the server, none where it wants none.
        password: where the account's password stands.
    """

    kind: Literal["mail"]
    to: tuple[str, ...] = Field(min_length=1)
    sender: str = Field(min_length=3)
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: Secret | None = None


Target = Webhook | Mail
_ENTRY: TypeAdapter[Target] = TypeAdapter(Annotated[Target, Field(discriminator="kind")])


def path_of(inventory: str | Path) -> Path:
    """Return the alerts file of an inventory: beside it, with ``.alerts.yml``."""
    return beside(inventory, ".alerts.yml")


def read(path: Path) -> list[Target]:
    """Return the targets in a file; none where there is no file.

    Raises:
        ProblemsError: it is no alerts file; all that is wrong with it is told, with its lines.
    """
    needed = "a list of entries with kind slack or json and url, or kind mail, to, sender and host"
    return entries.read(path, _ENTRY, "Alert", needed)
