"""Facts about the Docker daemon and the packages it comes from."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.docker.unit import FOLDERS

DAEMON_JSON = "/etc/docker/daemon.json"
OWNED = "/etc/torchrack/daemon.owned.json"
"""Which keys of daemon.json we wrote, by the stage that declared them."""

TAKEN = "/run/torchrack/docker"
"""Copies of what a running daemon has read, a directory a process."""

_SCRIPTS = Path(__file__).parents[2] / "files" / "docker"


@dataclass(frozen=True)
class Engine:
    """What the running engine says of itself (``docker info``).

    Args:
        root: its data root, without symbolic links; under userns-remap the folder of that user.
        driver: storage driver, or the snapshotter of containerd's image store.
        snapshotter: whether images are in containerd's image store.
        remapped: whether userns-remap is on.
        swarm: LocalNodeState: inactive, pending, active, error or locked.
        containers: count, stopped ones as well.
        images: count.
        version: of the daemon.
    """

    root: str
    driver: str = ""
    snapshotter: bool = False
    remapped: bool = False
    swarm: str = "inactive"
    containers: int = 0
    images: int = 0
    version: str = ""


@dataclass(frozen=True)
class Root:
    """A folder that is or may become the data root.

    Args:
        path: as it is written.
        real: without symbolic links.
        containers: folders of containers in it, count.
        volumes: folders of volumes in it, count.
        stores: storage drivers that have images in it.
        swarm: whether an engine that uses it is in a swarm.
    """

    path: str
    real: str
    containers: int = 0
    volumes: int = 0
    stores: tuple[str, ...] = ()
    swarm: bool = False


@dataclass(frozen=True)
class DaemonState:
    """The Docker daemon and its configuration.

    Args:
        load: LoadState of docker.service, "not-found" where there is none.
        active: its ActiveState.
        enabled: its UnitFileState.
        needs_reload: systemd has read an older version of its files than the one on disk.
        process: process id and start of the daemon; where it does not run, of the one that ended
            after we changed its file, else "0-0".
        started: seconds since the epoch of that start.
        daemon_json: content of the file; None when there is none.
        mode: its permission bits (octal) and owner, "644 root"; empty when missing.
        changed: seconds since the epoch of its last change (ctime), or of its folder's when it is
            missing; 0 without the folder.
        owned: content of our record of ownership; None when there is none.
        taken: what the running daemon has read, where we know it; otherwise None.
        before: what the file was before we changed it while this daemon ran, where ``taken`` is not
            known; otherwise None.
        units: path to text of docker.service and its drop-ins on disk, as systemd ranks them.
        environment: path to text of the files of variables that they name.
        command: command line of the running daemon.
        engine: what the running engine says of itself; None where it does not answer.
        roots: folders that are or may become the data root.
    """

    load: str
    active: str
    enabled: str
    needs_reload: bool
    process: str
    started: float
    daemon_json: str | None
    mode: str
    changed: float
    owned: str | None
    taken: str | None
    before: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    engine: Engine | None = None
    roots: tuple[Root, ...] = ()


class Daemon(FactBase[DaemonState]):
    """docker.service, daemon.json, our records and the engine's answer, in one round trip."""

    def command(self, root: str = "") -> str:
        """Ask systemd and the engine, and print the files in base64.

        Args:
            root: a data root that the settings want; empty: none.
        """
        words = {
            "daemon_json": DAEMON_JSON,
            "owned": OWNED,
            "taken": TAKEN,
            "unit_folders": " ".join(FOLDERS),
            **({"declared_root": root} if root else {}),
        }
        head = [f"{name}={shlex.quote(value)}" for name, value in words.items()]
        parts = (_SCRIPTS / name for name in ("changing.sh", "state.sh"))
        return "\n".join([*head, *(part.read_text(encoding="utf-8") for part in parts)])

    def process(self, output: list[str]) -> DaemonState:
        """Parse ``key=value`` lines; some keys occur once a file."""
        pairs = [line.split("=", 1) for line in output if "=" in line]
        values = dict(pairs)
        files = [_text(value) for key, value in pairs if key == "File"]
        if len(files) not in (3, 4):
            raise FactProcessError(f"expected four files, got {output!r}")
        boot = float(values["Now"]) - float(values["Uptime"])
        return DaemonState(
            load=values["LoadState"],
            active=values["ActiveState"],
            enabled=values.get("UnitFileState", ""),
            needs_reload=values.get("NeedDaemonReload") == "yes",
            process=values["Process"],
            started=boot + int(values["ExecMainStartTimestampMonotonic"]) / 1e6,
            daemon_json=files[0],
            mode=values["Mode"],
            changed=float(values["Changed"] or 0),
            owned=files[1],
            taken=files[2],
            before=files[3] if len(files) == 4 else None,
            units=_named(pairs, "Unit"),
            environment=_named(pairs, "Environment"),
            command=tuple(_decoded(values.get("Command", "")).split("\0")),
            engine=_engine(values.get("Engine", "")),
            roots=tuple(_root(value) for key, value in pairs if key == "Root"),
        )


class Available(FactBase[dict[str, tuple[str, ...]]]):
    """The versions that apt can install of the named packages; unknown ones are left out."""

    def command(self, names: list[str]) -> str:
        """``apt-cache madison``: one line a version and source, newest first."""
        return f"apt-cache madison {' '.join(map(shlex.quote, names))} 2>/dev/null || true"

    def process(self, output: list[str]) -> dict[str, tuple[str, ...]]:
        """Parse ``name | version | source`` lines."""
        result: dict[str, tuple[str, ...]] = {}
        for line in output:
            fields = [field.strip() for field in line.split("|")]
            if len(fields) == 3 and not fields[2].endswith("Sources"):
                result[fields[0]] = (*result.get(fields[0], ()), fields[1])
        return result

    @staticmethod
    def default() -> dict[str, tuple[str, ...]]:
        """No package."""
        return {}


def _text(value: str) -> str | None:
    return _decoded(value[1:]) if value else None


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode("utf-8", errors="replace")


def _named(pairs: Iterable[list[str]], key: str) -> dict[str, str]:
    """The files that stand under a key, by their path."""
    lines = (value.rpartition(" ") for name, value in pairs if name == key)
    return {path: _decoded(text) for path, _, text in lines}


def _engine(answer: str) -> Engine | None:
    """The engine's answer; None where it gave none that can be read."""
    try:
        info = json.loads(answer)
        status = dict(info["status"] or ())
        return (
            Engine(
                root=info["root"],
                driver=info["driver"],
                snapshotter="snapshotter" in status.get("driver-type", ""),
                remapped=any("name=userns" in option for option in info["security"] or ()),
                swarm=info["swarm"],
                containers=info["containers"],
                images=info["images"],
                version=info["version"],
            )
            if info["root"]
            else None
        )
    except (ValueError, KeyError, TypeError):
        return None


def _root(line: str) -> Root:
    # What stands at the end of a line may be empty, and then lost on the way.
    path, real, containers, volumes, stores, swarm = [*line.split("\t"), "", ""][:6]
    return Root(path, real, int(containers), int(volumes), tuple(stores.split()), bool(swarm))
