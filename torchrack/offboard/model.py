"""What is on a host of ours, what is asked for, and what that comes to: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torchrack.errors import Problem
from torchrack.facts.images import ImageStore
from torchrack.facts.packages import Package
from torchrack.facts.survey import Survey
from torchrack.nvidia_smi import Process


@dataclass(frozen=True)
class Options:
    """What offboarding is to do beyond what it always does.

    Args:
        force: go on while others use the GPUs.
        wait: how long to wait for them before that is a problem, seconds.
        purge: remove the packages of driver, toolkit and engine as well.
        delete_data: remove the volumes of our workloads as well.
        unharden: bring back the sshd that was there before us.
    """

    force: bool = False
    wait: int = 0
    purge: bool = False
    delete_data: bool = False
    unharden: bool = False


@dataclass(frozen=True)
class Unit:
    """A workload's unit: its name, ActiveState, and how long it may take to stop, seconds."""

    name: str
    active: str
    stop_seconds: int

    @property
    def workload(self) -> str:
        """The workload that it runs."""
        return self.name.removeprefix("torchrack-").removesuffix(".service")


@dataclass(frozen=True)
class Container:
    """A container.

    Args:
        id: its full id.
        name: its name.
        workload: the workload of ours that it is; empty for one of others.
        running: whether it runs.
        image: id of its image.
        volumes: names of the volumes that it has mounted.
        asked: those of them that were named when it was made; its image declared the others.
        binds: paths of the host that it has mounted.
    """

    id: str
    name: str
    workload: str
    running: bool
    image: str
    volumes: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Volume:
    """A volume that we made: its name, its workload, its size in KiB (None: not known)."""

    name: str
    workload: str
    kib: int | None


@dataclass(frozen=True)
class Presence:
    """What is on a host.

    Args:
        user: the account that logged in.
        survey: which server it is.
        units: our workloads' units.
        armed: an sshd configuration of ours waits for its proof.
        docker: ActiveState of docker.service, empty where there is none.
        dead_docker: what the client says where there is an engine that does not answer.
        containers: all, ours and others'.
        networks: ours: name to workload.
        volumes: ours.
        own_processes: process ids in our containers.
        gpu_processes: processes that use a GPU.
        images: the images of the host, and those that we pulled.
        daemon_json: content; None where there is none.
        owned: our record of the keys in it.
        original_json: content from before us; None where there was none.
        packages: those that a deploy could have brought, and the kernel's.
        purging: packages that an interrupted run was removing.
        files: files of ours, our folders left out.
        originals: files that were there before ours came.
        folders: those of our folders that are there.
        stamped: the host says what was deployed.
        initramfs: path of the tool that makes initial RAM disks, empty without one.
        module: version line of the loaded NVIDIA module, empty without one.
    """

    user: str = ""
    survey: Survey | None = None
    units: tuple[Unit, ...] = ()
    armed: bool = False
    docker: str = ""
    dead_docker: str = ""
    containers: tuple[Container, ...] = ()
    networks: dict[str, str] = field(default_factory=dict)
    volumes: tuple[Volume, ...] = ()
    own_processes: frozenset[int] = frozenset()
    gpu_processes: tuple[Process, ...] = ()
    images: ImageStore = field(default_factory=lambda: ImageStore({}, {}, ()))
    daemon_json: str | None = None
    owned: str | None = None
    original_json: str | None = None
    packages: dict[str, Package] = field(default_factory=dict)
    purging: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()
    originals: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    stamped: bool = False
    initramfs: str = ""
    module: str = ""

    @property
    def ours(self) -> tuple[Container, ...]:
        """Our containers."""
        return tuple(one for one in self.containers if one.workload)

    @property
    def others(self) -> tuple[Container, ...]:
        """Containers that we have not made."""
        return tuple(one for one in self.containers if not one.workload)

    @property
    def foreign_processes(self) -> tuple[Process, ...]:
        """Processes on the GPUs that are in none of our containers."""
        return tuple(one for one in self.gpu_processes if one.pid not in self.own_processes)


StepName = Literal["drain", "containers", "images", "packages", "docker", "files", "sshd", "rest"]


@dataclass(frozen=True)
class Step:
    """One script on the host.

    Args:
        name: its name.
        does: sentences for people, what it does.
        script: for sh, as root.
        seconds: how long it may take.
    """

    name: StepName
    does: tuple[str, ...]
    script: str = field(repr=False)
    seconds: int = 120


@dataclass(frozen=True)
class Plan:
    """What offboarding a host comes to.

    Args:
        host: its name.
        steps: in their order; those with nothing to do are left out.
        stays: sentences: what is left there, and why.
        problems: what keeps it from beginning.
    """

    host: str
    steps: tuple[Step, ...]
    stays: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a host.

    Args:
        host: its name.
        done: sentences, what was done there.
        stays: sentences, what is left there.
        by_hand: sentences, what a person has to do yet.
        fleet: sentences, what was done in the fleet's files.
        problem: what stopped it; None where it is offboarded.
    """

    host: str
    done: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    fleet: tuple[str, ...] = ()
    problem: Problem | None = None
