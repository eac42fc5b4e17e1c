"""What earlier checks found: since when a finding is there, and how often it came and went.

A SQLite file in the user's state folder. It is a convenience: a file that is damaged, locked or
can't be written never stops a check.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torchrack.drift.model import Finding, Result, Severity

KEPT = 400
"""Checks that are kept; a year of nights and some."""
FLAPS = 3
"""Times that a finding has to come within FLAP_DAYS to be called flapping."""
FLAP_DAYS = 14

_SCHEMA = """
PRAGMA user_version = 4;
CREATE TABLE IF NOT EXISTS checks (
    number INTEGER PRIMARY KEY, started TEXT NOT NULL, verdict TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS spans (
    host TEXT NOT NULL, id TEXT NOT NULL,
    first TEXT NOT NULL, last TEXT NOT NULL, open INTEGER NOT NULL, deploy TEXT, severity TEXT
);
CREATE INDEX IF NOT EXISTS spans_of ON spans (host, id);
CREATE TABLE IF NOT EXISTS hosts (name TEXT PRIMARY KEY, last TEXT NOT NULL);
"""
_LATER = ("deploy", "severity")
"""Columns of spans that files of earlier versions may lack."""


class HistoryError(Exception):
    """The history can't be read or written; the message says why."""


@dataclass(frozen=True)
class Seen:
    """What is known of a finding from this and earlier checks.

    Args:
        first: since when it is there without a break.
        last: when it was seen last.
        flapping: whether it came and went several times in the last days.
    """

    first: dt.datetime
    last: dt.datetime
    flapping: bool


@dataclass(frozen=True)
class Check:
    """A check that was made: its number, when it began, and its verdict."""

    number: int
    started: dt.datetime
    verdict: str


@dataclass(frozen=True)
class Span:
    """A time that a finding was there without a break, from one check to another.

    Args:
        host: the host's name.
        id: of the finding.
        first: the check that saw it first.
        last: the check that saw it last.
        open: whether it is there still.
        deploy: the deploy that the host had had when it was first seen, for people.
        severity: of the finding, when it was seen last.
    """

    host: str
    id: str
    first: dt.datetime
    last: dt.datetime
    open: bool
    deploy: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True)
class History:
    """What the file holds: checks and spans, the oldest first, and each host's last whole check."""

    checks: tuple[Check, ...] = ()
    spans: tuple[Span, ...] = ()
    hosts: Mapping[str, dt.datetime] = field(default_factory=dict)

    def at(self, check: Check) -> tuple[Span, ...]:
        """Return the findings of a check, with those still open of hosts that it did not reach."""
        when = check.started
        return tuple(
            one for one in self.spans if one.first <= when and (one.open or when <= one.last)
        )


def path_of(inventory: str | Path) -> Path:
    """Return the file of a fleet, below the user's state folder (XDG base directories)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    digest = hashlib.sha256(str(Path(inventory).resolve()).encode()).hexdigest()[:12]
    return Path(base) / "torchrack" / "drift" / f"{Path(inventory).stem}-{digest}.sqlite"


def record(path: Path, result: Result, verdict: str) -> dict[tuple[str, str], Seen]:
    """Add a check to the history; return host and id of each finding to what is known of it.

    Hosts that could not be reached keep their open findings: nobody knows that they are gone.
    Those of a host that is in the inventory no longer end.

    Args:
        path: the fleet's file; one that is no history is moved aside.
        result: of the check.
        verdict: its verdict.

    Raises:
        HistoryError: the file can't be written; nothing of this check is in it.
    """
    try:
        with _opened(path) as database:
            return _record(database, result, verdict)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise HistoryError(f"{path}: {error}") from error
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        raise HistoryError(f"{path}: {error}; it was moved to {aside.name}") from error
    except OSError as error:
        raise HistoryError(f"{path}: {error.strerror}") from error


def read(path: Path) -> History:
    """Return what earlier checks found; empty where there is no file.

    Raises:
        HistoryError: the file can't be read, or is no history.
    """
    if not path.exists():
        return History()
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            return History(
                tuple(
                    Check(number, _time(started), verdict)
                    for number, started, verdict in database.execute(
                        "SELECT number, started, verdict FROM checks ORDER BY number"
                    )
                ),
                tuple(
                    Span(host, id_, _time(first), _time(last), bool(open_), deploy, severity)
                    for host, id_, first, last, open_, deploy, severity in database.execute(
                        _spans(database)
                    )
                ),
                {name: _time(last) for name, last in database.execute(_hosts(database))},
            )
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:
        raise HistoryError(f"{path}: {error}") from error


def _hosts(database: sqlite3.Connection) -> str:
    """The query for hosts; files before version 3 have none."""
    known = list(database.execute("SELECT 1 FROM sqlite_master WHERE name = 'hosts'"))
    return "SELECT name, last FROM hosts" if known else "SELECT '', '' WHERE 0"


def _spans(database: sqlite3.Connection) -> str:
    """The query for spans; what an earlier version did not know is null."""
    lacking = _lacking(database)
    later = ", ".join("NULL" if one in lacking else one for one in _LATER)
    return f"SELECT host, id, first, last, open, {later} FROM spans ORDER BY first, host, id"  # noqa: S608 - names of columns


def _lacking(database: sqlite3.Connection) -> list[str]:
    there = [row[1] for row in database.execute("PRAGMA table_info(spans)")]
    return [one for one in _LATER if one not in there]


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=5)) as database:
        path.chmod(0o600)
        database.executescript(_SCHEMA)
        for column in _lacking(database):
            database.execute(f"ALTER TABLE spans ADD COLUMN {column} TEXT")
        with database:  # one transaction: a check is in it whole or not at all
            yield database


def _record(
    database: sqlite3.Connection, result: Result, verdict: str
) -> dict[tuple[str, str], Seen]:
    now = result.started.isoformat()
    database.execute("INSERT INTO checks (started, verdict) VALUES (?, ?)", (now, verdict))
    there = {(one.host, one.id): one for one in result.findings}
    open_ = {
        (host, id_): row
        for row, host, id_ in database.execute("SELECT rowid, host, id FROM spans WHERE open")
    }
    for key, row in open_.items():
        if key in there:
            seen = (now, there[key].severity, row)
            database.execute("UPDATE spans SET last = ?, severity = ? WHERE rowid = ?", seen)
        elif result.covers(key[0]):
            database.execute("UPDATE spans SET open = 0 WHERE rowid = ?", (row,))
    deploys = {one.name: one.deployed.told for one in result.hosts if one.deployed}
    database.executemany(
        "INSERT INTO spans (host, id, first, last, open, deploy, severity) "
        "VALUES (?, ?, ?, ?, 1, ?, ?)",
        [
            (*key, now, now, deploys.get(key[0]), there[key].severity)
            for key in there.keys() - open_.keys()
        ],
    )
    database.executemany(
        "INSERT OR REPLACE INTO hosts (name, last) VALUES (?, ?)",
        [(one.name, now) for one in result.hosts if result.covers(one.name)],
    )
    _forget(database)
    return _seen(database, there, result.started)


def _forget(database: sqlite3.Connection) -> None:
    """Drop the oldest checks, and what ended before the oldest one that stays."""
    database.execute(
        "DELETE FROM checks WHERE number <= (SELECT max(number) FROM checks) - ?", (KEPT,)
    )
    database.execute(
        "DELETE FROM spans WHERE NOT open AND last < (SELECT min(started) FROM checks)"
    )
    database.execute("DELETE FROM hosts WHERE last < (SELECT min(started) FROM checks)")


def _seen(
    database: sqlite3.Connection, there: Mapping[tuple[str, str], Finding], now: dt.datetime
) -> dict[tuple[str, str], Seen]:
    since = (now - dt.timedelta(days=FLAP_DAYS)).isoformat()
    found: dict[tuple[str, str], Seen] = {}
    rows = database.execute(
        "SELECT host, id, max(CASE WHEN open THEN first END), max(last), sum(first >= ?) "
        "FROM spans GROUP BY host, id",
        (since,),
    )
    for host, id_, first, last, times in rows:
        if (host, id_) in there:
            found[host, id_] = Seen(
                dt.datetime.fromisoformat(first), dt.datetime.fromisoformat(last), times >= FLAPS
            )
    return found
