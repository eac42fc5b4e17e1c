"""Ask a host what of ours it has, in one read-only script, and read the answer."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable
from typing import Any

from pyinfra.api.exceptions import FactProcessError

from torchrack.base.held_back import table
from torchrack.facts.containers import UNIT_MARK
from torchrack.facts.docker import DAEMON_JSON, OWNED
from torchrack.facts.driver import PATTERNS
from torchrack.facts.images import PULLED, Images
from torchrack.facts.nvidia import GpuProcesses
from torchrack.facts.packages import Packages
from torchrack.facts.sshd import ARMED
from torchrack.facts.survey import HostSurvey
from torchrack.images.registry_access import ca_paths
from torchrack.offboard import brought
from torchrack.offboard.model import Container, Presence, Unit, Volume
from torchrack.operations.files import ORIGINALS, WRITTEN, render
from torchrack.remote import Session, unknown
from torchrack.sections import sections
from torchrack.settings.model import Settings
from torchrack.stamp import STAMP
from torchrack.workloads.workload import DIRECTORY, LABEL, UNITS

PURGING = "/var/lib/torchrack/purging"
"""Packages that are being removed, so that an interrupted run still knows which were ours."""

_UNITS_OF_TIME = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def look(session: Session) -> Presence:
    """Return what of ours is on a host; nothing is changed there.

    Raises:
        HostError: it did not say.
    """
    answer = session.run(script(session.host.settings), seconds=240)
    try:
        return parse(answer.out)
    except (FactProcessError, ValueError, KeyError, IndexError, TypeError) as error:
        found = f"an answer that makes no sense ({error})"
        raise unknown(session.host, found, "look at the host") from error


def script(settings: Settings) -> str:
    """Return the script for a host with these settings."""
    declared = [path for registry in settings.images.registries for path in ca_paths(registry)]
    patterns = [one for one in brought.FILES if brought.is_ours_by_name(one)]
    names = [*PATTERNS, *brought.PACKAGES, *table().kernel]
    return render(
        "offboard/look.sh.j2",
        survey=HostSurvey().command(),
        unit_mark=UNIT_MARK,
        units=UNITS,
        armed=ARMED,
        label=LABEL,
        images=Images().command(),
        gpu_processes=GpuProcesses().command(),
        pulled=PULLED,
        daemon_json=DAEMON_JSON,
        owned=OWNED,
        originals=ORIGINALS,
        packages=Packages().command(names),
        purging=PURGING,
        written=WRITTEN,
        patterns=" ".join([*patterns, *brought.ACCESS, *map(shlex.quote, declared)]),
        folders=" ".join(brought.FOLDERS),
        stamp=STAMP,
    )


def parse(lines: Iterable[str]) -> Presence:
    """Read the script's answer.

    Raises:
        ValueError: it is cut off, or no such answer.
    """
    lines = list(lines)
    parts = sections(lines)
    if "end" not in parts:
        raise ValueError("it is cut off")
    # An empty line is a file that is not there.
    files = [_decoded(line) for line in sections(lines, blank=True)["json"][:3]]
    packages = [line for line in parts["packages"] if not line.startswith("purging ")]
    pulled = [f"pulled\t{line}" for line in parts["pulled"]]
    return Presence(
        user=parts["user"][0],
        survey=HostSurvey().process(parts["survey"]) if "survey" in parts else None,
        units=tuple(_unit(line) for line in parts["units"]),
        armed=bool(parts["armed"]),
        docker="".join(parts["docker"][:1]),
        dead_docker=" ".join(parts.get("dead-docker", ())),
        containers=tuple(_container(json.loads(line)) for line in parts.get("containers", ())),
        networks=dict(line.split(" ", 1) for line in parts.get("networks", ())),
        volumes=tuple(_volume(line) for line in parts.get("volumes", ())),
        own_processes=frozenset(int(line) for line in parts.get("processes", ())),
        gpu_processes=tuple(GpuProcesses().process(parts["gpus"])),
        images=Images().process(
            [*(one for one in parts.get("images", ()) if one.count("\t") == 3), *pulled]
        ),
        daemon_json=files[0],
        owned=files[1],
        original_json=files[2],
        packages=Packages().process([line for line in packages if line.count("\t") >= 2]),
        purging=frozenset(
            line.removeprefix("purging ")
            for line in parts["packages"]
            if line.startswith("purging ")
        ),
        files=tuple(sorted({one for one in parts["files"] if not _in_our_folders(one)})),
        originals=frozenset(parts["originals"]),
        folders=tuple(parts["folders"]),
        stamped=bool(parts["stamp"]),
        initramfs="".join(parts["initramfs"][:1]),
        module="".join(parts["module"][:1]),
    )


def _in_our_folders(path: str) -> bool:
    return any(path.startswith(f"{folder}/") for folder in brought.FOLDERS)


def _decoded(line: str) -> str | None:
    return base64.b64decode(line[1:]).decode("utf-8", "replace") if line else None


def _unit(line: str) -> Unit:
    name, active, *stop = line.split()
    return Unit(name, active, _seconds(" ".join(stop)))


def _seconds(text: str) -> int:
    """Read systemd's time span, as "2min 30s"; one without an end counts as ten minutes."""
    spans = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text)
    if not spans:
        return 600
    return round(sum(float(number) * _UNITS_OF_TIME.get(unit, 1) for number, unit in spans))


def _container(data: dict[str, Any]) -> Container:
    mounts = data.get("Mounts") or []
    sources = [one["Source"] for one in mounts if one["Type"] == "bind"]
    asked = (data.get("HostConfig") or {}).get("Mounts") or []
    return Container(
        id=data["Id"],
        name=data["Name"].removeprefix("/"),
        workload=(data["Config"].get("Labels") or {}).get(LABEL, ""),
        running=bool(data["State"]["Running"]),
        image=data["Image"],
        volumes=tuple(sorted(one["Name"] for one in mounts if one["Type"] == "volume")),
        asked=tuple(sorted(one.get("Source") or "" for one in asked if one["Type"] == "volume")),
        binds=tuple(sorted(one for one in sources if not one.startswith(f"{DIRECTORY}/"))),
    )


def _volume(line: str) -> Volume:
    name, workload, *size = line.split()
    return Volume(name, workload, int(size[0]) if size else None)
