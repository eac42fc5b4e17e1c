"""What is on a host of all workloads: containers, networks, volumes, units, files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.docker.client import ENGINE
from torchrack.facts import volumes as origins
from torchrack.facts.volumes import Origin
from torchrack.workloads import mounts
from torchrack.workloads.workload import LABEL, REPLACE, STATE, UNITS

UNIT_MARK = "[X-Torchrack-Workload]"
"""The section by which a unit file says that it is one of ours; systemd ignores X- sections."""


@dataclass(frozen=True)
class Volume:
    """A named volume.

    Args:
        label: the workload that it was made for; empty for one that is not ours.
        owner: uid:gid of its root directory, empty if that can't be read.
        empty: whether nothing is in it.
        path: its root directory on the host.
    """

    label: str
    owner: str
    empty: bool
    path: str


@dataclass(frozen=True)
class Unit:
    """A workload's systemd unit: LoadState, ActiveState, UnitFileState, NeedDaemonReload."""

    load: str
    active: str
    enabled: str
    needs_reload: bool


@dataclass(frozen=True)
class Path:
    """A file or directory: mode (octal), uid:gid, ctime (s since the epoch), size (bytes).

    ``sha256`` is empty for a directory.
    """

    mode: str
    owner: str
    changed: float
    size: int
    sha256: str


@dataclass(frozen=True)
class Found:
    """Everything about workloads that is on a host.

    Args:
        containers: ours, and all others that have a declared name, by name.
        networks: name to label; empty label for one that is not ours.
        volumes: by name.
        origins: the declared volumes that exist, and whose they are.
        entrypoints: image reference to its entrypoint; images that are missing are left out.
        units: by workload.
        unit_files: workloads with a unit file of ours.
        paths: the asked-for files and directories that exist.
        away: declared paths to the mount point that they lie on, which is not
            mounted; empty for a path that hangs.
        completed: workload to the id of the container that has done its job.
        replacing: workloads whose container another run is just replacing.
    """

    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    entrypoints: dict[str, tuple[str, ...]] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    unit_files: frozenset[str] = frozenset()
    paths: dict[str, Path] = field(default_factory=dict)
    away: dict[str, str] = field(default_factory=dict)
    completed: dict[str, str] = field(default_factory=dict)
    replacing: frozenset[str] = frozenset()


_SCRIPT = """export LC_ALL=C
{engine}
if command -v docker >/dev/null; then
# A daemon that hangs must not hang the run.
docker() {{ timeout -k 5 60 docker "$@"; }}
ours=$(docker ps -aq --no-trunc --filter label={label}) || {{ docker info >/dev/null; exit 1; }}
set -- $ours {names}
[ $# = 0 ] || docker container inspect --format 'container {{{{json .}}}}' "$@" 2>/dev/null
docker network ls --format 'network {{{{.Name}}}} {{{{.Label "{label}"}}}}' || exit 1
docker volume ls --format '{{{{.Name}}}}|{{{{.Mountpoint}}}}|{{{{.Label "{label}"}}}}' |
while IFS='|' read -r name path label; do
    case " {volumes} " in *" $name "*) ;; *) [ -n "$label" ] || continue ;; esac
    entry=$(ls -A -- "$path" 2>/dev/null | head -n 1)
    echo "volume $name ${{path:--}} $(stat -c %u:%g -- "$path" 2>/dev/null || echo -) \\
${{entry:+used}}|$label"
done
{origins}
for image in {images}; do
    entrypoint=$(docker image inspect --format '{{{{json .Config.Entrypoint}}}}' "$image" \\
        2>/dev/null) && echo "image $image $entrypoint"
done
fi
[ -z "{units}" ] || systemctl show \\
    --property=Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload -- {units} | sed 's/^/unit /'
grep -lsF '{mark}' {unit_folder}/torchrack-*.service | sed 's/^/file /'
{mounts}
{away}
for path in {paths}; do
    # A share that hangs must not hang us.
    timeout -k 1 10 stat -L -- "$path" >/dev/null 2>&1 || continue
    sum=
    [ ! -f "$path" ] || sum=$(sha256sum < "$path")
    echo "path $(stat -Lc '%a %u:%g %.6Z %s' -- "$path") ${{sum%% *}}|$path"
done
grep -Hs . {state}/*.completed | sed 's/^/completed /'
systemctl list-units --plain --no-legend --state=active,activating,reloading,deactivating \\
    '{replace}*' | sed 's/^/replacing /'
true
"""


class Workloads(FactBase[Found]):
    """All of it in one round trip."""

    def command(
        self,
        names: list[str],
        volumes: list[str],
        images: list[str],
        paths: list[str],
        binds: list[str],
    ) -> str:
        """Ask Docker, systemd and the file system.

        Args:
            names: the declared workloads.
            volumes: the declared volumes.
            images: references of the declared images.
            paths: files and directories to look at.
            binds: those of them that containers have mounted.
        """
        return _SCRIPT.format(
            engine=ENGINE,
            label=LABEL,
            names=_quoted(names),
            volumes=" ".join(volumes),
            origins=origins.script(volumes, LABEL),
            images=_quoted(images) or "",
            units=" ".join(f"torchrack-{name}.service" for name in names),
            mark=UNIT_MARK,
            unit_folder=UNITS,
            mounts=mounts.shell(),
            away=mounts.away_script(binds),
            paths=_quoted(paths),
            state=STATE,
            replace=REPLACE,
        )

    def process(self, output: list[str]) -> Found:
        """Parse lines that start with the kind of thing they tell of."""
        lines: dict[str, list[str]] = {}
        for line in output:
            kind, _, rest = line.partition(" ")
            lines.setdefault(kind, []).append(rest)
        try:
            return Found(
                containers=_containers(lines.get("container", ())),
                networks={
                    name: label
                    for name, _, label in (line.partition(" ") for line in lines.get("network", ()))
                },
                volumes=dict(_volume(line) for line in lines.get("volume", ())),
                origins=origins.parse(output, LABEL),
                entrypoints=dict(_entrypoint(line) for line in lines.get("image", ())),
                units=_units(lines.get("unit", ())),
                unit_files=frozenset(
                    _workload_of(line.rpartition("/")[2]) for line in lines.get("file", ())
                ),
                paths=dict(_path(line) for line in lines.get("path", ())),
                away=mounts.away(lines.get("away", ())),
                completed=dict(_completed(line) for line in lines.get("completed", ())),
                replacing=frozenset(
                    line.split()[0].removeprefix(REPLACE).removesuffix(".service")
                    for line in lines.get("replacing", ())
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise FactProcessError(f"unexpected answer about workloads: {error!r}") from error

    @staticmethod
    def default() -> Found:
        """Nothing found."""
        return Found()


def _quoted(words: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, words))


def _containers(lines: Iterable[str]) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in lines]
    return {container["Name"].removeprefix("/"): container for container in found}


def _volume(line: str) -> tuple[str, Volume]:
    head, _, label = line.partition("|")
    name, path, owner, *used = head.split()
    return name, Volume(label, "" if owner == "-" else owner, not used, path)


def _entrypoint(line: str) -> tuple[str, tuple[str, ...]]:
    reference, _, entrypoint = line.partition(" ")
    return reference, tuple(json.loads(entrypoint) or ())


def _units(lines: Iterable[str]) -> dict[str, Unit]:
    result: dict[str, Unit] = {}
    values: dict[str, str] = {}
    for line in (*lines, ""):
        key, equals, value = line.partition("=")
        if equals:
            values[key] = value
        elif values:
            result[_workload_of(values["Id"])] = Unit(
                load=values["LoadState"],
                active=values["ActiveState"],
                enabled=values["UnitFileState"],
                needs_reload=values["NeedDaemonReload"] == "yes",
            )
            values = {}
    return result


def _workload_of(unit: str) -> str:
    return unit.removeprefix("torchrack-").removesuffix(".service")


def _path(line: str) -> tuple[str, Path]:
    head, _, path = line.partition("|")
    mode, owner, changed, size, *digest = head.split()
    return path, Path(mode, owner, float(changed), int(size), digest[0] if digest else "")


def _completed(line: str) -> tuple[str, str]:
    path, _, container = line.partition(":")
    return path.rpartition("/")[2].removesuffix(".completed"), container.strip()
