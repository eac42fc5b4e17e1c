"""The scripts that put a new container in the place of a workload's old one. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from torchrack.docker.client import ENGINE
from torchrack.workloads import workload as names
from torchrack.workloads.commands import quote
from torchrack.workloads.plan import Declared
from torchrack.workloads.workload import LABEL, REPLACE, create_arguments

RUN = "/run/torchrack/workloads"
SETTLE = 5
"""Seconds that a container without a health check must run before it replaces another one."""
_END = "END-OF-REPLACEMENT"


def transient_unit(name: str) -> str:
    """The unit of systemd that replaces a workload's container."""
    return f"{REPLACE}{name}.service"


def wait_for(replacing: Iterable[str]) -> str:
    """Wait for replacements that an interrupted run has left at work.

    Args:
        replacing: their workloads.
    """
    units = quote(*(transient_unit(name) for name in sorted(replacing)))
    return f"""for unit in {units}; do
    while :; do
        case $(systemctl show -p ActiveState --value "$unit") in
        inactive | failed) break ;;
        *) sleep 1 ;;
        esac
    done
done"""


def seconds(declared: Declared, gpu_timeout: int) -> int:
    """How long a replacement may take in which everything fails as late as it can, seconds."""
    workload = declared.workload
    return 2 * (workload.stop_timeout + workload.start_timeout + gpu_timeout) + 600


def create(declared: Declared, gpu_timeout: int) -> str:
    """Create the new container as NAME.next; what runs is not touched, whatever fails.

    Args:
        declared: the workload.
        gpu_timeout: how long to wait for its GPUs, seconds.
    """
    spec = declared.spec
    name, new = spec.name, f"{spec.name}.next"
    probe = f"{names.SUPERVISOR} probe {gpu_timeout} {quote(*spec.devices)}".strip()
    return f"""set -eu
{ENGINE}
untouched() {{
    echo "workload {name}: no new container was made; what was there before is as it was" >&2
    exit 1
}}
docker image inspect {quote(spec.image)} >/dev/null 2>&1 || {{
    echo "workload {name}: image" {quote(spec.image)} "is not on the host, needed is the image" \\
        "that the catalog names. What to do: run the stage images" >&2
    exit 1
}}
{probe} || untouched
ours() {{ docker ps -aq --filter name="^/$1\\$" --filter label={LABEL}={name}; }}
# What a replacement left that lost its power: the old container may have its new name already.
previous=$(ours {name}.previous)
[ -z "$previous" ] || [ -n "$(ours {name})" ] || docker rename "$previous" {name}
for left in $(ours {name}.previous) $(ours {new}); do docker rm -f "$left" >/dev/null; done
docker create {quote(*create_arguments(spec, new))} >/dev/null || untouched"""


def program(declared: Declared, script: str) -> str:
    """What systemd runs to replace a container.

    Args:
        declared: the workload.
        script: the text of files/workloads/replace.sh.
    """
    workload = declared.workload
    values = {
        "name": declared.spec.name,
        "label": LABEL,
        "supervisor": names.SUPERVISOR,
        "start_timeout": str(workload.start_timeout),
        "stop_timeout": str(workload.stop_timeout),
        "settle": str(SETTLE),
        "job": "job" if workload.is_job else "",
        "unit_text": declared.unit_file,
    }
    head = "\n".join(f"{key}={shlex.quote(value)}" for key, value in values.items())
    return f"{head}\n{script}"


def swap(declared: Declared, gpu_timeout: int, script: str) -> str:
    """Prove NAME.next and make it NAME, or bring the old container back.

    Args:
        declared: the workload.
        gpu_timeout: how long a start waits for its GPUs, seconds.
        script: the text of files/workloads/replace.sh.
    """
    name = declared.spec.name
    command = f"/bin/sh {RUN}/{name}.replace"
    limit = seconds(declared, gpu_timeout)
    return f"""set -u
mkdir -p {RUN} && cat >{RUN}/{name}.replace <<'{_END}' || exit 1
{program(declared, script)}{_END}
rm -f {RUN}/{name}.result
systemd-run --quiet --collect --wait --unit={transient_unit(name)} -p After=docker.service \\
    -p RuntimeMaxSec={limit} -p TimeoutStopSec={limit} \\
    -p "ExecStopPost={command} recover" {command} swap && exit
cat {RUN}/{name}.result >&2 2>/dev/null || {{
    journalctl -u {transient_unit(name)} -n 3 --no-pager -o cat >&2
    echo "{name}: the replacement was interrupted; run again" >&2
}}
exit 1"""
