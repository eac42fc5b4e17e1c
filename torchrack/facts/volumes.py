"""Where the volumes come from that have a declared name: whose they are before we take them up."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

COMPOSE = "com.docker.compose.project"
"""The label by which Compose knows its volumes (docs.docker.com/reference/compose-file)."""
MOST_ENTRIES = 1000
"""Files that are counted before it is "more than"."""


@dataclass(frozen=True)
class Origin:
    """What Docker says of a volume.

    Args:
        label: the workload that it was made for; empty for one that is not ours.
        created: time, as Docker writes it; empty where the driver has none.
        driver: the volume driver.
        options: the driver's options.
        project: the Compose project that made it; empty without one.
        users: containers that have it mounted, with the workload of ours that each is (or "").
        entries: files and folders in it, 1001 for more; None where that was not looked at.
    """

    label: str
    created: str
    driver: str
    options: Mapping[str, str]
    project: str
    users: tuple[tuple[str, str], ...] = ()
    entries: int | None = None

    @property
    def ours(self) -> bool:
        """Whether we made it, or a container of ours has had it from an earlier deploy on."""
        return bool(self.label) or any(workload for _, workload in self.users)


def script(names: Iterable[str], label: str) -> str:
    """Return shell, for root where an engine runs, that prints what :func:`parse` reads.

    Of volumes with our label one line is printed; of others who uses them as well.

    Args:
        names: the volumes.
        label: the label of what is ours.
    """
    names = list(names)
    if not names:
        return ":"
    shown = f'{{{{with .Labels}}}}{{{{index . "{label}"}}}}{{{{end}}}}|{{{{.Name}}}}|{{{{json .}}}}'
    user = f'{{{{.Names}}}}|{{{{.Label "{label}"}}}}'
    return f"""timeout -k 5 60 docker volume inspect --format '{shown}' \\
    {shlex.join(names)} 2>/dev/null |
while IFS='|' read -r label name json; do
    # For a volume that is not there Docker prints an empty line.
    [ -n "$json" ] || continue
    printf "origin %s\\n" "$json"
    [ -z "$label" ] || continue
    timeout -k 5 60 docker ps -a --no-trunc --filter "volume=$name" --format '{user}' </dev/null |
        sed "s/^/volume-user $name /"
    path=$(printf '%s\\n' "$json" | sed -n 's/.*"Mountpoint":"\\([^"]*\\)".*/\\1/p')
    [ ! -d "$path" ] || echo "volume-entries $name $(
        timeout -k 1 5 find "$path" -xdev -mindepth 1 2>/dev/null |
            head -n {MOST_ENTRIES + 1} | wc -l)"
done"""


def parse(lines: Iterable[str], label: str) -> dict[str, Origin]:
    """Read the script's lines; lines of other things are passed over.

    Args:
        lines: the output.
        label: the label of what is ours.

    Raises:
        ValueError: they are no such lines.
        KeyError: the same.
    """
    found: dict[str, Origin] = {}
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "origin":
            volume = json.loads(rest)
            labels = volume.get("Labels") or {}
            found[volume["Name"]] = Origin(
                label=labels.get(label) or "",
                created=volume.get("CreatedAt") or "",
                driver=volume.get("Driver") or "local",
                options=volume.get("Options") or {},
                project=labels.get(COMPOSE) or "",
            )
        elif kind == "volume-user":
            name, _, user = rest.partition(" ")
            container, _, workload = user.partition("|")
            one = found[name]
            found[name] = replace(one, users=(*one.users, (container, workload)))
        elif kind == "volume-entries":
            name, entries = rest.split()
            found[name] = replace(found[name], entries=int(entries))
    return found
