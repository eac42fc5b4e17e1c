"""What holds the running containers, by the kernel itself, the GPUs that they can use, and logins.

Docker's own record of a container is compared by the stage workloads. A cgroup file that was
written to past Docker, or a device that a reload took away, is in no record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from torchrack.drift.model import Finding
from torchrack.drift.probes import mounts, services
from torchrack.drift.probes.subject import Subject
from torchrack.settings.workloads import Workload
from torchrack.workloads.workload import unit_name

_PAGE = 64 * 1024
"""Bytes that the kernel rounds a memory limit by, at most."""
_UNLIMITED = ("max", "-1")
_LIMIT = re.compile(r"host\.container:([^.]+\.(?:memory|pids|cpus))")
"""Ids of the limits that Docker has in its record, too."""


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each limit, and each number of GPUs, that is not the declared one.

    Args:
        lines: the GPUs on the PCI bus, and of each of our running containers its cgroup's limits
            (bytes, processes, quota and period of CPU time in microseconds), its shared memory
            and limits inside, its GPUs, what it has mounted that is not on the host, and how its
            Jupyter or SSH server answers.
        subject: the host.

    Raises:
        ValueError: the lines are no such answers.
    """
    declared = {one.name: one for one in subject.settings.workloads.containers}
    on_pci: int | None = None
    for line in lines:
        kind, *words = line.split("\t") if line.startswith("mount\t") else line.split()
        if kind == "pci":
            on_pci = int(words[0])
        elif words and words[0] not in declared:
            continue  # the stage workloads tells of one that is ours and not declared
        elif kind == "limits":
            yield from _limits(subject, declared[words[0]], words[1:])
        elif kind == "inside":
            yield from _inside(subject, declared[words[0]], words[1:])
        elif kind == "gpus" and on_pci is not None:
            yield from _gpus(subject, declared[words[0]], on_pci, int(words[1]))
        elif kind == "mount":
            yield from mounts.judge(subject, declared[words[0]], words[1:])
        elif kind == "jupyter":
            yield from services.jupyter(subject, declared[words[0]], words[1:])
        elif kind == "ssh":
            yield from services.ssh(subject, declared[words[0]], words[1:])
        else:
            raise ValueError(line)
    if on_pci is None:
        raise ValueError("no number of GPUs")


def without_twins(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Leave out what the kernel holds a container to where Docker's record differs as well.

    Somebody has used ``docker update`` then. A deploy sets the limit back; the restart that this
    probe names would end what runs, and keep the limit.

    Args:
        findings: those of one host.
    """
    findings = tuple(findings)
    ids = [one.id for one in findings]

    def is_twin(one: Finding) -> bool:
        limit = _LIMIT.fullmatch(one.id)
        record = f"workloads.container:{limit[1]}-" if limit else None
        return record is not None and any(other.startswith(record) for other in ids)

    return tuple(one for one in findings if not is_twin(one))


def _limits(subject: Subject, workload: Workload, words: list[str]) -> Iterator[Finding]:
    memory, pids, quota, period = words
    if memory in _UNLIMITED or not 0 <= workload.memory - int(memory) < _PAGE:
        yield _finding(subject, workload, "memory", f"{workload.memory} bytes", f"{memory} bytes")
    if pids != str(workload.pids):
        yield _finding(subject, workload, "pids", str(workload.pids), pids)
    cores = None if quota in _UNLIMITED else int(quota) / int(period)
    if cores is None or abs(cores - workload.cpus) > 0.01:
        found = "no limit" if cores is None else f"{cores:g} cores"
        yield _finding(subject, workload, "cpus", f"{workload.cpus:g} cores", found)


def _inside(subject: Subject, workload: Workload, words: list[str]) -> Iterator[Finding]:
    """Shared memory in blocks of bytes; limits in the order of /proc/PID/limits."""
    blocks, size, *limits = words
    found = int(blocks) * int(size)
    if found != workload.shm_size:
        wanted = f"{workload.shm_size} bytes"
        yield _finding(subject, workload, "shm", wanted, f"{found} bytes")
    declared = (workload.stack, workload.nofile, workload.memlock)
    for name, most, limit in zip(("stack", "nofile", "memlock"), declared, limits, strict=True):
        if limit != ("unlimited" if most == -1 else str(most)):
            yield _finding(subject, workload, f"ulimit-{name}", str(most), limit)


def _gpus(subject: Subject, workload: Workload, on_pci: int, found: int) -> Iterator[Finding]:
    known = {"all": on_pci, "none": 0}
    gpus = workload.gpus
    wanted = known[gpus] if isinstance(gpus, str) else len(gpus)
    if found != wanted:
        yield _finding(subject, workload, "gpus", f"{wanted} that work", str(found))


def _finding(
    subject: Subject, workload: Workload, aspect: str, expected: str, actual: str
) -> Finding:
    return subject.finding(
        f"container:{workload.name}.{aspect}",
        f"What holds the container {workload.name}: {aspect}",
        expected=expected,
        actual=actual,
        fix=f"sudo systemctl restart {unit_name(workload.name)}, which starts the container anew",
    )
