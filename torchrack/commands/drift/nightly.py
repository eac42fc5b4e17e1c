"""A nightly check that can't run at all: those who hear of findings hear of that as well."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from torchrack.drift import history
from torchrack.drift.alone import BusyError, alone
from torchrack.drift.model import Finding, Result
from torchrack.drift.waivers import Waived
from torchrack.errors import TorchrackError


@contextmanager
def failure_told(inventory: Path) -> Iterator[None]:
    """Send an alert where what is done meanwhile fails; the failure goes on as it was.

    Args:
        inventory: the inventory's file.
    """
    try:
        yield
    except (BusyError, KeyboardInterrupt):  # the check that is running tells what it finds
        raise
    except typer.Exit:
        _tell(inventory, "its standard error says why")
        raise
    except SystemExit as error:  # none of this program ends so: it may say success
        _tell(inventory, "it ended early")
        raise TorchrackError(f"the check ended early: {error}") from error
    except Exception as error:
        _tell(inventory, str(error) if isinstance(error, TorchrackError) else type(error).__name__)
        raise


def _tell(inventory: Path, reason: str) -> None:
    from torchrack.drift.alerts import targets  # noqa: PLC0415 - mail and HTTP, for nights alone
    from torchrack.drift.alerts.notify import notify  # noqa: PLC0415 - as above

    now = dt.datetime.now(dt.timezone.utc)
    finding = Finding(
        host="-",
        id="check.failed",
        stage="check",
        kind="unknown",
        severity="outage",
        what=f"The nightly check could not run: {reason}",
        expected="a check of every host",
        actual=reason,
        fix=f"torchrack drift {inventory}",
    )
    result = Result(str(inventory), now, now, (), (), (finding,))
    path = history.path_of(inventory)
    try:
        with alone(path.with_suffix(".lock")):
            known = targets.read(targets.path_of(inventory))
            failures = notify(path.with_suffix(".alerts.json"), known, Waived(result, {}))
    except TorchrackError as error:
        failures = [str(error)]
    for failure in failures:
        typer.echo(f"torchrack drift: nobody was alerted: {failure}", err=True)
