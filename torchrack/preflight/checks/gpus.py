"""The GPUs: there, known, driven by the configured driver, and idle when it has to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torchrack.errors import Problem, TorchrackError
from torchrack.facts.nvidia import DAEMONS
from torchrack.gpus import Flavour, Gpu, best_flavour, obstacle
from torchrack.preflight.subject import Subject


def present(subject: Subject) -> Iterator[Problem]:
    """At least one GPU of NVIDIA on the PCI bus."""
    if not subject.facts.survey.gpus:
        yield subject.problem(
            "GPU",
            "no NVIDIA GPU on the PCI bus",
            "at least one",
            "check that the card sits in its slot, has power and is passed through to this "
            "machine, or take the host out of the inventory",
        )


def known(subject: Subject) -> Iterator[Problem]:
    """Every GPU in our table, which says how it has to be driven."""
    for function in subject.facts.survey.gpus:
        if subject.settings.knowledge.tables().gpu(function.device) is None:
            yield subject.problem(
                f"GPU {function.address}",
                f"device id 10de:{function.device}, which the table does not know",
                "a GPU of Maxwell's generation or newer that torchrack/gpus.yml names",
                "bring the table up to date: python -m torchrack.gpus_derive with the newest "
                "pci.ids; or name it in knowledge.rows of the settings",
            )


def drivable(subject: Subject) -> Iterator[Problem]:
    """The configured version and flavour drive all GPUs of the host."""
    driver = subject.settings.driver
    gpus = _known(subject)
    if not gpus:
        return
    try:
        flavour: Flavour = best_flavour(gpus) if driver.flavour == "auto" else driver.flavour
    except TorchrackError as error:
        yield subject.problem(
            "GPUs",
            str(error),
            "GPUs that one kernel module drives",
            "take the older or the newer cards out of this host",
        )
        return
    branch = int(driver.version.partition(".")[0])
    obstacles = Counter(obstacle(gpu, branch, flavour) for gpu in gpus)
    for reason, count in obstacles.items():
        if reason is not None:
            yield subject.problem(
                "Driver",
                f"{driver.version} with {flavour} modules",
                f"one for {count} GPU(s) of this host: {reason}",
                "set driver.version and driver.flavour for this host or its group",
            )


def _known(subject: Subject) -> list[Gpu]:
    tables = subject.settings.knowledge.tables()
    found = (tables.gpu(function.device) for function in subject.facts.survey.gpus)
    return [gpu for gpu in found if gpu is not None]


def idle(subject: Subject) -> Iterator[Problem]:
    """No process has a GPU open when the loaded driver has to change."""
    wanted, loaded = subject.settings.driver.version, subject.facts.loaded_driver
    if loaded in (None, wanted) or subject.settings.driver.on_busy_gpu == "force":
        return
    processes = [p for p in subject.facts.gpu_processes if p.partition(" ")[2] not in DAEMONS]
    if processes:
        yield subject.problem(
            "GPU processes",
            f"driver {loaded} is loaded and in use by {_listed(processes)}",
            f"idle GPUs, because driver {wanted} is to be installed",
            "stop them (systemctl stop for workloads), or set driver.on_busy_gpu to force",
        )


def _listed(processes: list[str]) -> str:
    shown = [f"{name} (pid {pid})" for pid, _, name in (p.partition(" ") for p in processes[:5])]
    more = len(processes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
