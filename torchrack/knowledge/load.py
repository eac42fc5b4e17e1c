"""Load the knowledge tables, with rows of a fleet's own over or beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from pydantic import TypeAdapter, ValidationError

from torchrack import safe_yaml
from torchrack.errors import TorchrackError
from torchrack.knowledge import rows
from torchrack.knowledge.tables import Knowledge

_FILES = ("sources", "rules", "branches", "cuda", "chips", "torch", "channels", "components")

_ROWS: dict[str, tuple[type[rows.Row], Callable[[Any], Any]]] = {
    "branches": (rows.Branch, lambda row: row.branch),
    "majors": (rows.CudaMajor, lambda row: row.major),
    "toolkits": (rows.CudaToolkit, lambda row: row.cuda),
    "capabilities": (rows.CapabilityRange, lambda row: row.capability),
    "chips": (rows.Chip, lambda row: row.chip),
    "releases": (rows.TorchRelease, lambda row: row.torch),
    "channels": (rows.Channel, lambda row: row.channel),
    "transitional": (rows.Transitional, lambda row: (row.channel, row.branch)),
    "container_toolkits": (rows.ContainerToolkit, lambda row: row.toolkit),
    "driver_names": (
        rows.DriverNames,
        lambda row: (row.channel, row.family, row.modules, row.flavour, row.from_branch),
    ),
    "dcgm": (rows.Dcgm, lambda row: row.from_branch),
    "fabric_managers": (rows.FabricManager, lambda row: (row.channel, row.from_branch)),
}
"""The tables that are lists: the type of a row, and what names a row."""

_MAPS: dict[str, TypeAdapter[Any]] = {
    "sources": TypeAdapter(dict[str, rows.Source]),
    "rules": TypeAdapter(dict[str, rows.Rule]),
    "sets": TypeAdapter(dict[str, tuple[rows.Capability, ...]]),
    "gpus": TypeAdapter(dict[rows.DeviceId, tuple[rows.ChipName, str]]),
}


class KnowledgeError(TorchrackError):
    """Rows that are not what a table takes; ``problems`` names all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n    ".join(["wrong knowledge tables", *problems]))
        self.problems = problems


def load(extra: Mapping[str, Any] | None = None) -> Knowledge:
    """Load the tables.

    Args:
        extra: further rows by table, in the shape of the YAML files ("branches", "releases",
            "sources", "gpus"...). A row with the name of one that is there (the same branch, the
            same release) takes its place.

    Raises:
        KnowledgeError: rows of the wrong shape, or a table that does not exist.
    """
    problems = [f"{name}: no such table" for name in extra or {} if name not in {*_ROWS, *_MAPS}]
    tables: dict[str, Any] = {name: {} for name in (*_ROWS, *_MAPS)}
    for layer in (_shipped(), extra or {}):
        for name, value in layer.items():
            if name in tables:
                tables[name].update(_read(name, value, problems))
    if problems:
        raise KnowledgeError(problems)
    return Knowledge(
        sources=tables["sources"],
        rules=tables["rules"],
        branches=dict(sorted(tables["branches"].items())),
        majors=tables["majors"],
        cuda=tables["toolkits"],
        capabilities=tables["capabilities"],
        chips=tables["chips"],
        sets=tables["sets"],
        releases=tables["releases"],
        channels=tables["channels"],
        transitional=tuple(tables["transitional"].values()),
        toolkits=tables["container_toolkits"],
        dcgm=tuple(tables["dcgm"].values()),
        fabric_managers=tuple(tables["fabric_managers"].values()),
        gpus=tables["gpus"],
        driver_names=tuple(tables["driver_names"].values()),
    )


@cache
def builtin() -> Knowledge:
    """Return the tables as they ship, read once."""
    return load()


@lru_cache(maxsize=16)
def extended(extra: str) -> Knowledge:
    """Return the tables with further rows, the same object for the same rows.

    Args:
        extra: rows by table, as JSON.

    Raises:
        KnowledgeError: as :func:`load`.
    """
    further = json.loads(extra)
    return load(further) if further else builtin()


def _read(name: str, value: Any, problems: list[str]) -> dict[Any, Any]:
    if name in _MAPS:
        try:
            mapping: dict[Any, Any] = _MAPS[name].validate_python(value)
        except ValidationError as error:
            problems += _told(name, error)
            return {}
        return mapping
    model, key = _ROWS[name]
    found: dict[Any, Any] = {}
    if not isinstance(value, list):
        problems.append(f"{name}: a list of rows is needed, found {type(value).__name__}")
        return found
    for index, raw in enumerate(value):
        try:
            row = model.model_validate(raw)
        except ValidationError as error:
            problems += _told(f"{name}, row {index + 1}", error)
            continue
        if key(row) in found:
            problems.append(f"{name}, row {index + 1}: {key(row)} stands there twice")
        found[key(row)] = row
    return found


def _told(where: str, error: ValidationError) -> list[str]:
    return [
        f"{where}: {'.'.join(map(str, detail['loc'])) or 'row'}: {detail['msg']}"
        for detail in error.errors()
    ]


def _shipped() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _FILES:
        found |= _yaml("torchrack.knowledge", f"{name}.yml")
    packages = _yaml("torchrack", "driver_packages.yml")
    found["fabric_managers"] = [
        *found["fabric_managers"],
        *(
            {
                "channel": "cuda-repo",
                "from_branch": row["branches"][0],
                "package": row["package"],
                "source": "fabric-packages",
            }
            for row in packages["fabric_manager"]
        ),
    ]
    found["driver_names"] = [*found["driver_names"], *_nvidias_names(packages)]
    return found


def _nvidias_names(packages: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The names in NVIDIA's repository, which the driver stage installs by."""
    for family in ("debian", "ubuntu"):
        for row in packages[family]:
            for flavour, names in row["packages"].items():
                yield {
                    "channel": "cuda-repo",
                    "family": family,
                    "modules": "dkms",
                    "flavour": flavour,
                    "from_branch": row["branches"][0],
                    "packages": [*names["compute"], packages["daemon"]],
                    "source": "driver-guide",
                }


def _yaml(package: str, name: str) -> dict[str, Any]:
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    data: dict[str, Any] = safe_yaml.load(text)
    return data
