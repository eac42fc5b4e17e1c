"""The shell scripts that change a host's containers, networks and volumes. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from torchrack.docker.client import ENGINE
from torchrack.workloads import workload as names
from torchrack.workloads.diff import Inspect
from torchrack.workloads.plan import OwnFile
from torchrack.workloads.workload import LABEL


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


def update_limits(name: str, arguments: Sequence[str]) -> str:
    """Set limits of a running container; never below the memory that its processes have now.

    The kernel would kill them: memory that is neither a file's nor shared can't be given back
    without swap (memory.stat of cgroup v2, in bytes).
    """
    update = f"{ENGINE}\ndocker update {quote(*arguments)} {name} >/dev/null"
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    if "--memory" not in options:
        return update
    limit = options["--memory"]
    return f"""set -eu
{ENGINE}
pid=$(docker container inspect --format '{{{{.State.Pid}}}}' {name})
group=$(sed -n 's/^0:://p' "/proc/$pid/cgroup" 2>/dev/null || true)
used=$(awk '$1 == "anon" || $1 == "shmem" {{sum += $2}} END {{printf "%.0f", sum}}' \\
    "/sys/fs/cgroup$group/memory.stat" 2>/dev/null || echo 0)
[ "$pid" = 0 ] || [ "${{used:-0}}" -le {limit} ] || {{
    echo "workload {name}: its processes have $used bytes of memory, the declared limit is" \\
        "{limit}: they would be killed. What to do: raise memory, or stop some of them" >&2
    exit 1
}}
{update}"""


def remove_container(container: str) -> str:
    """Remove a container of ours by its id."""
    return f"{ENGINE}\ndocker rm -f {quote(container)} >/dev/null"


def start_unit(name: str, verb: str) -> str:
    """Start or restart a workload's unit; a failure shows its journal, and ends with the reason."""
    unit = names.unit_name(name)
    return f"""systemctl reset-failed {unit} 2>/dev/null || true
since=$(date '+%Y-%m-%d %H:%M:%S')
systemctl {verb} {unit} || {{
    said=$(journalctl -u {unit} --since "$since" -n 30 --no-pager -o cat)
    printf '%s\\n' "$said" >&2
    reason=$(printf '%s\\n' "$said" | grep '^workload.*: ' | tail -n 1)
    echo "{name}: it did not start or did not become healthy: ${{reason:-see its journal}}" >&2
    echo "What to do: correct the cause, then run again; systemctl status {unit}" >&2
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
        # A container whose unit is gone has its stop timeout all the same.
        lines.append(f"docker stop {quote(*container_ids)} >/dev/null")
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
