"""What is asked of a host about its workloads, in as few commands as possible."""

from __future__ import annotations

import json
import shlex
from typing import Any

from tests.state.target import Target
from torchrack.settings import Settings, Workload
from torchrack.settings.workloads import SERVED
from torchrack.workloads.workload import LABEL

IN_CONTAINER = r"""
if [ -f /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
    echo memory=$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes)
    cpu=/sys/fs/cgroup/cpu; [ -d $cpu ] || cpu=/sys/fs/cgroup/cpu,cpuacct
    echo cpu=$(cat $cpu/cpu.cfs_quota_us $cpu/cpu.cfs_period_us)
    echo pids=$(cat /sys/fs/cgroup/pids/pids.max)
else
    echo memory=$(cat /sys/fs/cgroup/memory.max)
    echo cpu=$(cat /sys/fs/cgroup/cpu.max)
    echo pids=$(cat /sys/fs/cgroup/pids.max)
fi
echo shm=$(stat -f -c '%b %S' /dev/shm)
sed -n 's/^Max locked memory *\([^ ]*\) .*/memlock=\1/p; s/^Max stack size *\([^ ]*\) .*/stack=\1/p
    s/^Max open files *\([^ ]*\) .*/nofile=\1/p' /proc/1/limits
echo user=$(id -un 2>/dev/null)
echo uid=$(id -u):$(id -g)
echo host_key=$(cat /var/lib/torchrack/ssh/ssh_host_ed25519_key.pub 2>/dev/null)
"""
"""Limits as the container's own kernel files show them (cgroup v1 and v2)."""

ASK_JUPYTER = """
import json, urllib.error, urllib.request
def status(headers):
    request = urllib.request.Request("http://127.0.0.1:8888/api/status", headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
token = open("/run/torchrack/secrets/jupyter_token").read().strip()
print(json.dumps({"with": status({"Authorization": "token " + token}), "without": status({}),
    "wrong": status({"Authorization": "token " + "0" * 64})}))
"""


def _each(settings: Settings, kind: str | None, command: str) -> str:
    """A command for each (running) workload of a kind, its output behind a line with its name."""
    names = [w.name for w in settings.workloads.containers if kind in (None, w.kind)]
    return "\n".join(
        [f"echo '== {name}'; {command.replace('NAME', name)} 2>&1 || true" for name in names]
        or [":"]
    )


def units(settings: Settings) -> str:
    names = " ".join(f"torchrack-{w.name}.service" for w in settings.workloads.containers)
    return f"systemctl show -p Id,ActiveState,UnitFileState,Result -- {names}" if names else ":"


def containers(settings: Settings) -> str:
    """All of ours, also those that nobody has declared."""
    return (
        f"set -- $(docker ps -aq --filter label={LABEL}); [ $# = 0 ] || "
        "docker container inspect --format '{{json .}}' \"$@\""
    )


def entrypoints(settings: Settings) -> str:
    references = {settings.images.catalog[w.image] for w in settings.workloads.containers}
    return "\n".join(
        f"echo {name} $(docker image inspect -f '{{{{json .Config.Entrypoint}}}}' {name})"
        for name in map(by_name_and_digest, sorted(references))
    )


def by_name_and_digest(reference: str) -> str:
    name, digest = reference.split("@")
    last = name.rsplit("/", 1)[-1]
    return f"{name[: len(name) - len(last)]}{last.split(':')[0]}@{digest}"


def inside(settings: Settings) -> str:
    return _each(settings, None, f"docker exec NAME sh -c {shlex.quote(IN_CONTAINER)}")


def jupyter(settings: Settings) -> str:
    return _each(settings, "jupyter", f"docker exec NAME python -c {shlex.quote(ASK_JUPYTER)}")


def token_modes(settings: Settings) -> str:
    folder = "/etc/torchrack/workloads/NAME"
    return _each(settings, "jupyter", f"stat -c '%a %u:%g' {folder} {folder}/jupyter_token")


def train(settings: Settings) -> str:
    """One training step for each image; it costs seconds of CPU."""
    by_image: dict[str, str] = {}
    for workload in settings.workloads.containers:
        if workload.kind in SERVED:
            by_image.setdefault(workload.image, workload.name)
    return "\n".join(
        [
            f"echo '== {n}'; docker exec {n} torchrack-train-step 2>&1; true"
            for n in by_image.values()
        ]
        or [":"]
    )


def gpus(settings: Settings) -> str:
    """The GPUs of the PCI bus, then those that each container shows."""
    wanting = [w.name for w in settings.workloads.containers if w.gpus != "none"]
    return "\n".join(
        [
            "n=0; for d in /sys/bus/pci/devices/*; do "
            '[ "$(cat $d/vendor)" = 0x10de ] && case $(cat $d/class) in 0x03*) n=$((n+1));; esac; '
            "done; echo $n",
            *(f"echo '== {n}'; docker exec {n} nvidia-smi -L 2>&1 || true" for n in wanting),
        ]
    )


def listening(settings: Settings) -> str:
    return "ss -Hltn"


def parts(target: Target, probe: str) -> dict[str, list[str]]:
    """The answers behind ``== name`` lines."""
    result: dict[str, list[str]] = {}
    for line in target.probe(probe).lines:
        if line.startswith("== "):
            result[line[3:]] = []
        elif result:
            result[list(result)[-1]].append(line)
    return result


def found_containers(target: Target) -> dict[str, dict[str, Any]]:
    """All containers of ours by name."""
    answer = target.probe("workload_containers")
    assert answer.rc == 0, f"docker inspect: {answer.stderr}"
    loaded = [json.loads(line) for line in answer.lines]
    return {container["Name"].removeprefix("/"): container for container in loaded}


def is_done(workload: Workload, container: dict[str, Any]) -> bool:
    """Whether a job has come to its end, after which its container does not run any more."""
    job = workload.kind == "container" and workload.restart != "always"
    state = container["State"]
    return job and state["Status"] == "exited" and state["ExitCode"] == 0


def running(target: Target) -> list[Workload]:
    """The workloads that have to run now: all but the jobs that are done."""
    found = found_containers(target)
    missing = {w.name for w in target.settings.workloads.containers} - set(found)
    assert not missing, f"no container {', '.join(sorted(missing))}"
    return [w for w in target.settings.workloads.containers if not is_done(w, found[w.name])]
