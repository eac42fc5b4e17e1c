"""What workloads ask of a host that it can't give: GPUs, CPUs, memory."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.errors import Problem
from torchrack.preflight.facts import cpu_list
from torchrack.preflight.subject import Subject

RESERVED = 0.9
"""Share of the installed memory that Linux shows at least: firmware and kernel keep the rest."""


def gpus(subject: Subject) -> Iterator[Problem]:
    """The host has the GPUs that its workloads name."""
    count = len(subject.facts.survey.gpus)
    uuids = subject.facts.gpu_uuids
    # A GPU that does not answer now is not in nvidia-smi's list, but it is on the bus.
    complete = sum(uuid.startswith("GPU-") for uuid in uuids) >= count
    for workload in subject.settings.workloads.containers:
        for gpu in workload.gpus if isinstance(workload.gpus, list) else ():
            index = gpu.partition(":")[0]
            by_index = index.isdigit()
            if (int(index) < count) if by_index else (gpu in uuids or not complete):
                continue
            has = ", ".join(map(str, range(count)) if by_index else sorted(uuids))
            yield subject.problem(
                f"workload {workload.name}: gpus",
                f"GPU {gpu}, which this host does not have",
                f"GPUs of this host: {has or 'it has none'}",
                "name other GPUs for this host, or all",
            )


def cpus(subject: Subject) -> Iterator[Problem]:
    """The host has as many CPUs as a workload may use, and those that it names."""
    there = subject.facts.cpus
    for workload in subject.settings.workloads.containers if there else ():
        if workload.cpus > len(there):
            yield subject.problem(
                f"workload {workload.name}: cpus",
                f"{workload.cpus:g}",
                f"at most {len(there)}, as many as this host has",
                "lower cpus for this host or its group",
            )
        missing = cpu_list(workload.cpuset or "") - there
        if missing:
            yield subject.problem(
                f"workload {workload.name}: cpuset",
                f"CPU {min(missing)} in {workload.cpuset!r}",
                f"CPUs that this host has online, from {min(there)} to {max(there)}",
                "correct the list for this host or its group",
            )


def memory(subject: Subject) -> Iterator[Problem]:
    """The host has the memory that one workload may use."""
    there = subject.facts.memory
    for workload in subject.settings.workloads.containers if there else ():
        if workload.memory * RESERVED > there:
            yield subject.problem(
                f"workload {workload.name}: memory",
                f"{workload.memory / 2**30:.1f} GiB",
                f"at most the {there / 2**30:.1f} GiB that this host has",
                "lower memory for this host or its group",
            )
