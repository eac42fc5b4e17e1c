"""The shell scripts that change a host's containers, networks and volumes. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from torchrack.docker.client import ENGINE
from torchrack.workloads import workload as names
from torchrack.workloads.diff import Inspect
from torchrack.workloads.plan import OwnFile
from torchrack.workloads.workload import LABEL, ContainerSpec, create_arguments


def quote(*words: str) -> str:
    """Words as one piece of a shell command."""
    return " ".join(map(shlex.quote, words))


def make_own_directory(own: OwnFile) -> str:
    """Make or mend the directory that a token or authorized_keys lie in."""
    uid, gid = own.owner.split(":")
    path = shlex.quote(own.path.rpartition("/")[0])
    return (
        "set -eu\n"
        "[ -d /etc/torchrack ] || install -d -m 0755 /etc/torchrack\n"
        f"install -d -m 0711 {names.DIRECTORY}\n"
        f"install -d -o {uid} -g {gid} -m {own.directory_mode} {path}"
    )


def make_token(own: OwnFile) -> str:
    """Make a token of 64 hex digits unless there is one; it is printed nowhere."""
    path = shlex.quote(own.path)
    return f"""set -eu
umask 077
if [ "$(wc -c < {path} 2>/dev/null || echo 0)" -lt 33 ]; then
    tmp=$(mktemp {path}.XXXXXX)
    trap 'rm -f -- "$tmp"' EXIT
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n' > "$tmp"
    echo >> "$tmp"
    [ "$(wc -c < "$tmp")" = 65 ]
    mv -fT -- "$tmp" {path}
fi
chown {own.owner} {path}
chmod {own.mode} {path}"""


def make_network(name: str) -> str:
    """Make a workload's own bridge network."""
    network = names.network_name(name)
    return f"{ENGINE}\ndocker network create --label {LABEL}={name} {network} >/dev/null"


def make_volume(volume: str, name: str, user: str) -> str:
    """Make a volume whose (empty) root directory belongs to the workload's user."""
    return (
        f"{ENGINE}\ndocker volume create --label {LABEL}={name} {quote(volume)} >/dev/null && "
        f"{chown_empty(f'$(docker volume inspect -f {{{{.Mountpoint}}}} {quote(volume)})', user)}"
    )


def chown_empty(path: str, user: str) -> str:
    """Give a directory to a user if nothing is in it; data is never touched."""
    return f'path="{path}"; [ -n "$(ls -A -- "$path")" ] || chown {user} -- "$path"'


def make_bind(path: str, user: str) -> str:
    """Make a directory to mount; what exists is left as it is."""
    uid, gid = user.split(":")
    return f"[ -e {quote(path)} ] || install -d -o {uid} -g {gid} -m 0750 -- {quote(path)}"


def replace_container(spec: ContainerSpec) -> str:
    """Create a container and, once that has worked, put it in the place of the old one.

    The volumes stay, those that an image declares by itself included (no ``docker rm -v``).
    """
    name, unit = spec.name, names.unit_name(spec.name)
    new = f"{name}.next"
    return f"""set -eu
{ENGINE}
docker image inspect {quote(spec.image)} >/dev/null 2>&1 || {{
    echo "workload {name}: image" {quote(spec.image)} "is not on the host, needed is the image" \\
        "that the catalog names. What to do: run the stage images" >&2
    exit 1
}}
left=$(docker ps -aq --filter name='^/{new}$' --filter label={LABEL}={name})
[ -z "$left" ] || docker rm -f "$left" >/dev/null
docker create {quote(*create_arguments(spec, new))} >/dev/null
if [ "$(systemctl show -p LoadState --value {unit})" = loaded ]; then systemctl stop {unit}; fi
old=$(docker ps -aq --filter name='^/{name}$' --filter label={LABEL}={name})
[ -z "$old" ] || docker rm -f "$old" >/dev/null
docker rename {new} {name}"""


def remove_container(container: str) -> str:
    """Remove a container of ours by its id."""
    return f"{ENGINE}\ndocker rm -f {quote(container)} >/dev/null"


def update_container(name: str, arguments: Sequence[str]) -> str:
    """Set limits of a container that runs on."""
    return f"{ENGINE}\ndocker update {quote(*arguments)} {name} >/dev/null"


def start_unit(name: str, verb: str) -> str:
    """Start or restart a workload's unit; a failure shows the last lines of its journal."""
    unit = names.unit_name(name)
    return f"""systemctl reset-failed {unit} 2>/dev/null || true
since=$(date '+%Y-%m-%d %H:%M:%S')
systemctl {verb} {unit} || {{
    echo "workload {name}: it did not start or did not become healthy; its journal says:" >&2
    journalctl -u {unit} --since "$since" -n 30 --no-pager -o cat >&2
    echo "What to do: mend what is said above, then run again; systemctl status {unit}" >&2
    exit 1
}}"""


def remove_workload(name: str, container_ids: list[str], *, network: bool, unit: bool) -> str:
    """Remove what is ours of a workload that is no longer declared; volumes and data stay."""
    lines = ["set -eu", ENGINE]
    if unit:
        lines += [
            f"systemctl disable --now {names.unit_name(name)}",
            f"rm -f -- {names.unit_path(name)}",
            "systemctl daemon-reload",
            f"systemctl reset-failed {names.unit_name(name)} 2>/dev/null || true",
        ]
    if container_ids:
        lines.append(f"docker rm -f {quote(*container_ids)} >/dev/null")
    if network:
        lines.append(f"docker network rm {names.network_name(name)} >/dev/null")
    lines.append(f"rm -rf -- {names.directory(name)} {names.STATE}/{name}.completed")
    return "\n".join(lines)


def kept_data(containers: Sequence[Inspect], volumes: Iterable[str]) -> list[str]:
    """Volumes and paths that stay when containers go, for the message."""
    own = names.DIRECTORY + "/"
    mounted = {
        mount.get("Name") or mount["Source"]
        for container in containers
        for mount in container.get("Mounts") or ()
        if not mount["Source"].startswith(own)
    }
    return sorted(mounted | set(volumes))
