"""What a host's own apt offers, also from repositories that are not set up there yet."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torchrack import driver, toolkit
from torchrack.apt.repository import Repository, pinned_key
from torchrack.docker import engine
from torchrack.driver_names import may_be_driver, upstream
from torchrack.errors import HostError, Problem
from torchrack.facts.repository import PublishedKey
from torchrack.facts.survey import Survey
from torchrack.fleet_folder import here
from torchrack.operations.files import controller_file, read
from torchrack.remote import Session
from torchrack.settings.model import Settings

SECONDS = 180
"""How long a host may take: its mirrors can be slow."""


@dataclass(frozen=True)
class Offer:
    """A version of a package, and the source that has it ("URI suite/component")."""

    version: str
    origin: str


@dataclass(frozen=True)
class Offers:
    """Package to its versions, the newest first; ``failed``: repository to apt's words."""

    versions: Mapping[str, tuple[Offer, ...]]
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Wanted:
    repository: Repository
    key_file: str | None


def ask_offers(session: Session, survey: Survey, settings: Settings) -> Offers:
    """Ask a host; one command, and one more where it has to fetch a vendor's key.

    Args:
        session: the host.
        survey: what it is.
        settings: what is declared for it.

    Raises:
        HostError: it gave no answer, a repository can't be had, or its key is another.
    """
    wanted = _repositories(settings, survey)
    keys = _keys(session, wanted)
    theirs = [] if settings.docker.source == "docker-ce" else list(engine.PACKAGES)
    head = {
        "ours": " ".join(_ours(settings, survey)),
        "theirs": " ".join(theirs),
        "prefix": driver.PINNING,
        "extra_cas": "\n".join(map(controller_file, settings.base.ca_certificates.values())),
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in head.items()]
    text = "\n".join([*lines, _write_sources(wanted, keys), read("apt/offers.sh")])
    offers = parse(session.run(text, seconds=SECONDS).out, host=session.host.name)
    titles = {one.repository.name: one.repository for one in wanted}
    for name, words in offers.failed.items():
        raise _unusable(session.host.name, titles.get(name), words)
    return offers


def parse(lines: Iterable[str], *, host: str) -> Offers:
    """Read the script's output.

    Args:
        lines: its lines.
        host: the host's name, for messages.

    Raises:
        HostError: it was cut off.
    """
    failed: dict[str, str] = {}
    found: dict[str, list[Offer]] = {}
    last = ""
    for line in lines:
        last = line or last
        if line.startswith("fetch "):
            _, name, status, words = [*line.split(" ", 3), ""][:4]
            if status != "0":
                failed[name] = words.strip() or f"exit status {status}"
        elif line.count(" | ") == 2:
            name, version, origin = (part.strip() for part in line.split(" | "))
            offer = Offer(version, origin.rpartition(" Packages")[0])
            if not origin.endswith("Sources") and offer not in found.setdefault(name, []):
                found[name].append(offer)
    if last != "end":
        raise HostError(
            Problem(
                host,
                "Versions that apt offers",
                f"an answer that was cut off after {last or 'nothing'!r}",
                "the whole answer of apt-cache",
                "look at the host, and run again",
            )
        )
    return Offers({name: tuple(offers) for name, offers in found.items()}, failed)


def driver_versions(offers: Offers) -> tuple[str, ...]:
    """Return the versions of the driver ("580.159.04") that a host's apt offers."""
    found = set()
    for name, versions in offers.versions.items():
        for offer in versions:
            if may_be_driver(name, offer.version):
                found.add(upstream(offer.version) or "")
    return tuple(sorted(found))


def _repositories(settings: Settings, survey: Survey) -> list[_Wanted]:
    wanted = [
        _Wanted(driver.repository(settings.driver, survey), settings.driver.key_file),
        _Wanted(toolkit.repository(settings.toolkit, survey), settings.toolkit.key_file),
    ]
    if settings.docker.source == "docker-ce":
        wanted.append(_Wanted(engine.repository(settings.docker, survey), settings.docker.key_file))
    return wanted


def _ours(settings: Settings, survey: Survey) -> list[str]:
    known = settings.knowledge.tables()
    names = [*driver.every_package(survey.os, known.branches), *toolkit.PACKAGES]
    names += [row.package for row in known.dcgm]
    if settings.docker.source == "docker-ce":
        names += engine.PACKAGES
    return list(dict.fromkeys(names))


def _keys(session: Session, wanted: Iterable[_Wanted]) -> dict[str, str]:
    """Repository to its one key, armoured: the controller's, or the vendor's by its fingerprint."""
    host = session.host.name
    keys = {}
    published = []
    for one in wanted:
        if one.key_file:
            data = _controller_key(host, one)
            keys[one.repository.name] = pinned_key(
                data, one.repository, host=host, origin=one.key_file
            )
        else:
            published.append(one.repository)
    if published:
        commands = "; echo ==; ".join(
            f"( {PublishedKey().command(url=repository.key_url)} )" for repository in published
        )
        parts = "\n".join(session.run(commands, seconds=SECONDS).out).split("\n==\n")
        for repository, part in zip(published, parts, strict=True):
            download = PublishedKey().process([line for line in part.splitlines() if line])
            if not download.content:
                words = download.message or "no message"
                raise _unusable(host, repository, f"no key at {repository.key_url}: {words}")
            keys[repository.name] = pinned_key(
                download.content, repository, host=host, origin=repository.key_url
            )
    return keys


def _controller_key(host: str, one: _Wanted) -> bytes:
    path = here(one.key_file or "")
    try:
        return path.read_bytes()
    except OSError as error:
        raise HostError(
            Problem(
                host,
                f"Key of {one.repository.title}",
                f"{path} on this machine can't be read: {error.strerror}",
                "a readable file with the key",
                "correct key_file in the settings",
            )
        ) from None


def _write_sources(wanted: Iterable[_Wanted], keys: Mapping[str, str]) -> str:
    lines = ["write_sources() {"]
    for repository in (one.repository for one in wanted):
        name = repository.name
        source = repository.source().replace(repository.key_path, f"@FOLDER@/{name}.asc")
        lines += [
            f'printf %s {shlex.quote(keys[name])} >"$1/{name}.asc"',
            f'printf %s {shlex.quote(source)} | sed "s|@FOLDER@|$1|" >"$1/{name}.sources"',
        ]
    return "\n".join([*lines, "}"])


def _unusable(host: str, repository: Repository | None, words: str) -> HostError:
    title = repository.title if repository else "the host's own package sources"
    return HostError(
        Problem(
            host,
            f"Package lists of {title}",
            words,
            f"lists of {repository.uri}" if repository else "lists that can be fetched",
            "check the repository in the settings, the mirror, and the host's way to it",
        )
    )
