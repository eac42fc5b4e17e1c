"""The verdict's pages, as files beside the inventory."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

from torchrack import atomic
from torchrack.errors import TorchrackError
from torchrack.onboard.model import Onboarded
from torchrack.onboard.pages import html, markdown
from torchrack.onboard.pages.content import page

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
    return report or inventory.parent / "reports" / "onboard"


def write(result: Onboarded, into: Path, *, inventory: str, finished: dt.datetime) -> Pages:
    """Write NAME.md and NAME.html, each whole or not at all.

    Args:
        result: what came of the server.
        into: the folder, made where it is missing.
        inventory: the fleet's inventory file, as it was named.
        finished: when the run ended, with a time zone.

    Raises:
        TorchrackError: the folder can't be written, or the server's name is no file's name.
    """
    name = result.newcomer.name
    if not _FILE_NAME.fullmatch(name):
        raise TorchrackError(f"{name!r} can't be the name of a page: use letters, digits, . _ -")
    content = page(result, inventory=inventory, finished=finished)
    files = Pages(into / f"{name}.md", into / f"{name}.html")
    try:
        atomic.write(files.markdown, markdown.render(content))
        atomic.write(files.html, html.render(content))
    except OSError as error:
        reason = error.strerror or error
        raise TorchrackError(f"the pages of {name} can't be written to {into}: {reason}") from None
    return files
