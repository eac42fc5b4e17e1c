"""Read the package descriptions in catalog/ and expand them into each repository's packages."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CATALOG = Path(__file__).parent / "catalog"
RELATIONS = ("depends", "recommends", "provides", "conflicts", "replaces", "breaks")


@dataclass(frozen=True)
class Package:
    """One binary package: its control fields, and names of what it contains.

    `upstream` is the version without revision; `libraries` are sonames that become shared objects
    of that version; `content` are trees below files/ and directories of programs/; `module` is the
    flavour of the kernel module whose source it holds.
    """

    name: str
    source: str
    upstream: str
    version: str
    architecture: str
    summary: str
    family: str
    relations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    module: str = ""
    conffiles: tuple[str, ...] = ()
    scripts: dict[str, str] = field(default_factory=dict)

    @property
    def filename(self) -> str:
        """The name of the .deb, without the epoch, as dpkg-name gives it."""
        return f"{self.name}_{self.version.rpartition(':')[2]}_{self.architecture}.deb"

    @property
    def branch(self) -> str:
        """The driver branch, the part of the version before the first dot."""
        return self.upstream.split(".", 1)[0]


@dataclass(frozen=True)
class Repository:
    """One flat repository: where it is served, and the packages in it."""

    path: str
    suite: str
    packages: tuple[Package, ...]


def _load(name: str) -> dict[str, Any]:
    """Return a description: a file's name, or "file:section" for one of several in a file."""
    file, _, section = name.partition(":")
    content: dict[str, Any] = yaml.safe_load((CATALOG / f"{file}.yaml").read_text())
    return content[section] if section else content


def _package(entry: dict[str, Any], source: str, names: dict[str, str]) -> Package:
    def fill(text: str) -> str:
        return text.format_map(names)

    def fill_all(key: str) -> tuple[str, ...]:
        return tuple(fill(item) for item in entry.get(key, ()))

    version = f"{names['version']}-{fill(entry.get('revision', '{revision}'))}"
    if "version" in entry:
        version = fill(entry["version"])
    names = {**names, "full": version}
    return Package(
        name=fill(entry["name"]),
        source=fill(entry.get("source", source)),
        upstream=names["version"],
        version=version,
        architecture=entry.get("architecture", "amd64"),
        summary=fill(entry["summary"]),
        family=names["family"],
        relations={key: fill_all(key) for key in RELATIONS if key in entry},
        libraries=fill_all("libraries"),
        content=fill_all("content"),
        module=entry.get("module", ""),
        conffiles=fill_all("conffiles"),
        scripts=dict(entry.get("scripts", {})),
    )


def _substitutions(family: str, release: dict[str, str]) -> dict[str, str]:
    return {
        **release,
        "family": family,
        "branch": release["version"].split(".", 1)[0],
        "ubuntu1": "ubuntu1" if family == "ubuntu" else "",
    }


def _expand(name: str, family: str, releases: list[dict[str, str]]) -> Iterator[Package]:
    described = _load(name)
    source = described.get("source", name)
    branches = described.get("branches")
    seen: set[str] = set()
    for release in releases:
        names = _substitutions(family, release)
        for entry in described.get("per_release", ()):
            wanted = entry.get("branches", branches)
            if wanted is None or int(names["branch"]) in wanted:
                yield _package(entry, source, names)
        if names["branch"] not in seen:
            seen.add(names["branch"])
            for entry in described.get("per_branch", ()):
                yield _package(entry, source, names)
    for version in described.get("versions", ()):
        names = _substitutions(family, {"version": version, "revision": "1"})
        for entry in described["per_version"]:
            yield _package(entry, source, names)
    for entry in described.get("once", ()):
        upstream = entry["version"].rpartition(":")[2].rpartition("-")[0]
        names = _substitutions(family, {"version": upstream, "revision": "1"})
        yield _package(entry, source, names)


def repositories() -> list[Repository]:
    """Return the repositories that catalog/releases.yaml declares, with their packages."""
    described = _load("releases")
    result = []
    for entry in described["repositories"]:
        releases = [
            release
            for release in described["releases"][entry["family"]]
            if release["version"] in entry.get("only", [release["version"]])
        ]
        packages = [
            package
            for name in entry["catalogs"]
            for package in _expand(name, entry["family"], releases)
        ]
        result.append(Repository(entry["path"], entry["suite"], tuple(packages)))
    return result
