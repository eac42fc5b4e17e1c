"""The verdict's pages, as files beside the inventory."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from torchrack.onboard.model import Onboarded


@dataclass(frozen=True)
class Pages:
    """The files of one server."""

    markdown: Path
    html: Path


def folder(inventory: Path, report: Path | None = None) -> Path:
    """Return where the pages go: ``reports/onboard`` beside the inventory, or what was asked for.

    Args:
        inventory: the fleet's inventory file.
        report: the folder that the command line names.
    """
    raise NotImplementedError


def write(result: Onboarded, into: Path, *, inventory: str, finished: dt.datetime) -> Pages:
    """Write NAME.md and NAME.html, each whole or not at all.

    Args:
        result: what came of the server.
        into: the folder, made where it is missing.
        inventory: the fleet's inventory file, as it was named.
        finished: when the run ended, with a time zone.

    Raises:
        TorchrackError: the folder can't be written.
    """
    raise NotImplementedError
