"""What the driver's operations run, given what the facts say, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.exceptions import FactProcessError
from pyinfra.context import ctx_host, ctx_state

from torchrack.apt.transaction import Plan as AptAnswer
from torchrack.apt.transaction import parse
from torchrack.driver import Choice, Module
from torchrack.facts.apt_plan import AptPlan
from torchrack.facts.driver import AptVersions, DriverFact, DriverState, KernelLog
from torchrack.facts.nvidia import GpuProcesses, NvidiaSmi, SmiAnswer
from torchrack.facts.packages import Package
from torchrack.nvidia_smi import Gpu, Process
from torchrack.nvidia_smi import State as Smi
from torchrack.operations import driver, gpus, transaction

OLD, NEW = Module("580.105.08", "open"), Module("580.159.04", "open")
CHOICE = Choice(
    NEW,
    "nvidia-driver-pinning-580.159.04",
    ("libnvidia-compute-580",),
    exact={"libnvidia-compute-580": "580.159.04-1ubuntu1"},
)
Run = Callable[..., list[str]]


def packages(version: str, *, held: bool = True, installed: bool = True) -> dict[str, Package]:
    return {
        "libnvidia-compute-580": Package(f"{version}-1ubuntu1", installed, held),
        "nvidia-firmware-580": Package(f"{version}-1ubuntu1", True, held),
        f"nvidia-driver-pinning-{version}": Package(f"{version}-1", True, held),
    }


DONE = DriverState("boot1", NEW, {"6.8": NEW}, ("6.8",), packages("580.159.04"))
BARE = DriverState("boot1", None, {"6.8": None}, ("6.8",), {})
OUTDATED = DriverState("boot1", OLD, {"6.8": OLD}, ("6.8",), packages("580.105.08"))
UNLOADED = replace(DONE, loaded=OLD)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run(operation, facts, **arguments)``: the commands, the last fact of a kind stays."""

    def run(operation: Any, facts: dict[type, Sequence[Any]], **arguments: Any) -> list[str]:
        answers: dict[type, Iterator[Any]] = {f: iter(values) for f, values in facts.items()}
        last: dict[type, Any] = {}

        def gather(fact: type, **_: Any) -> Any:
            last[fact] = next(answers[fact], last.get(fact))
            return last[fact]

        for module in (driver, gpus, transaction):
            monkeypatch.setattr(module, "gather", gather)
        inventory = Inventory((["@fake/gpu01"], {}))
        host = inventory.get_host("@fake/gpu01")
        with ctx_state.use(State(inventory, Config())), ctx_host.use(host):
            return [str(command) for command in operation._inner(**arguments)]

    return run


def install(run: Run, *states: DriverState, plan: Sequence[str] = (), **facts: Any) -> list[str]:
    on_busy = facts.pop("on_busy", "refuse")
    everything = {
        DriverFact: states,
        AptPlan: [parse([*plan, "==show", "==madison", "==headers"])],
        GpuProcesses: [[]],
        AptVersions: [{}],
    }
    everything |= facts.pop("facts", {})
    return run(driver.install, everything, choice=CHOICE, on_busy=on_busy)


def test_nothing_to_install(run: Run) -> None:
    assert install(run, DONE) == []


def test_only_the_hold_is_missing(run: Run) -> None:
    state = replace(DONE, packages=packages("580.159.04", held=False))
    (command,) = install(run, state)
    assert command.startswith("apt-mark hold libnvidia-compute-580 nvidia-firmware-580")


@pytest.mark.parametrize(
    "before", [BARE, OUTDATED, replace(DONE, packages=packages("580.159.04", installed=False))]
)
def test_pinning_first_then_the_packages_then_the_hold(run: Run, before: DriverState) -> None:
    after = replace(DONE, packages=packages("580.159.04", held=False))
    prepare, install_, hold = install(run, before, after)
    assert "apt update" in prepare
    pin = "--force-confnew 'nvidia-driver-pinning-580.159.04=*'"
    assert 0 < install_.index(pin) < install_.index("libnvidia-compute-580=580.159.04-1ubuntu1")
    assert "nvidia-firmware-580" in hold


def test_the_old_pin_goes_although_it_is_held(run: Run) -> None:
    _, command, *_ = install(run, OUTDATED, DONE)
    pins = "'nvidia-driver-pinning-580.159.04=*' nvidia-driver-pinning-580.105.08- "
    assert pins in command


def test_a_lost_pin_is_put_back_under_a_running_job(run: Run) -> None:
    parts = {n: p for n, p in DONE.packages.items() if "pinning" not in n}
    busy = {GpuProcesses: [[Process(4242, "python3")]]}
    commands = install(run, replace(DONE, packages=parts), DONE, facts=busy)
    assert len(commands) == 2
    assert not any(command.startswith("apt-mark hold") for command in commands)


def test_every_part_follows_or_goes(run: Run) -> None:
    old = packages("580.105.08") | {"nvidia-dkms-570": Package("570.211.01-0ubuntu1", True, True)}
    madison = {"nvidia-firmware-580": ["580.159.04-1ubuntu1", "580.105.08-0ubuntu1"]}
    facts = {AptVersions: [madison]}
    _, command, *_ = install(run, replace(OUTDATED, packages=old), DONE, facts=facts)
    assert "'nvidia-firmware-580=580.159.04-*'" in command
    assert "nvidia-dkms-570-" in command


def test_the_other_flavour_goes(run: Run) -> None:
    other = {"nvidia-dkms-580": Package("580.159.04-1ubuntu1", True, True)}
    before = replace(DONE, packages=DONE.packages | other)
    choice = replace(CHOICE, unwanted=("nvidia-dkms-580",))
    facts = {
        DriverFact: [before, DONE],
        AptVersions: [{"nvidia-dkms-580": ["580.159.04-1ubuntu1"]}],
        AptPlan: [AptAnswer(())],
        GpuProcesses: [[]],
    }
    _, command = run(driver.install, facts, choice=choice, on_busy="refuse")
    assert "nvidia-dkms-580-" in command


def test_headers_come_along_where_a_kernel_lacks_them(run: Run) -> None:
    madison = {"linux-headers-6.8": ["6.8-1"]}
    facts = {AptVersions: [madison]}
    _, command, *_ = install(run, BARE, DONE, facts=facts)
    assert "apt-mark hold linux-headers-6.8" in command
    there = replace(BARE, headers=frozenset({"6.8"}))
    _, command, *_ = install(run, there, DONE, facts=facts)
    assert "linux-headers" not in command


def test_plan_that_jumps_to_another_branch_is_refused(run: Run) -> None:
    jump = "Inst libnvidia-compute (595.71.05-1ubuntu1 NVIDIA [amd64])"
    *_, refusal = install(run, BARE, plan=[jump])
    assert "branch jump: would install libnvidia-compute 595.71.05-1ubuntu1" in refusal


def test_version_that_the_repository_lacks(run: Run) -> None:
    error = "E: Version '580.159.04-*' for 'libnvidia-compute-580' was not found"
    *_, refusal = install(run, BARE, plan=[error])
    assert error in refusal
    assert "gpu01" in refusal


def test_wrong_version_after_the_installation_is_an_error(run: Run) -> None:
    *_, refusal = install(run, BARE, OUTDATED)
    assert "nvidia-firmware-580 580.105.08-1ubuntu1" in refusal


def test_busy_gpus_keep_the_old_driver(run: Run) -> None:
    busy = {GpuProcesses: [[Process(4242, "python3")]]}
    (refusal,) = install(run, OUTDATED, facts=busy)
    assert "4242 (python3)" in refusal
    assert len(install(run, OUTDATED, DONE, facts=busy, on_busy="force")) == 2


def load(run: Run, *states: DriverState, **arguments: Any) -> list[str]:
    facts = {
        DriverFact: states,
        GpuProcesses: [arguments.pop("busy", [])],
        KernelLog: [["NVRM: x"]],
    }
    defaults = {"module": NEW, "on_busy": "refuse", "allow_reboot": True, "timeout": 900}
    return run(driver.load, facts, **(defaults | arguments))


def test_the_wanted_module_is_loaded(run: Run) -> None:
    assert load(run, DONE) == []


@pytest.mark.parametrize(
    "before",
    [
        UNLOADED,
        replace(DONE, loaded=None),
        replace(DONE, loaded=Module(NEW.version, "proprietary")),
    ],
)
def test_one_reboot_when_another_module_is_loaded(run: Run, before: DriverState) -> None:
    (reboot,) = load(run, before, DONE)
    assert "systemctl reboot" in reboot


def test_a_kernel_without_the_module_is_built_for_or_refused(run: Run) -> None:
    lacking = replace(UNLOADED, on_disk={"6.8": NEW, "6.11": None}, images=("6.8", "6.11"))
    built = replace(lacking, on_disk={"6.8": NEW, "6.11": NEW})
    build, reboot = load(run, lacking, built, DONE)
    assert "dkms autoinstall -k 6.11" in build
    assert "reboot" in reboot
    _, refusal = load(run, lacking)
    assert "no module 580.159.04 (open) for 6.11" in refusal


def test_the_next_boot_counts_although_the_module_is_loaded(run: Run) -> None:
    lacking = replace(DONE, on_disk={"6.8": None})
    (build,) = load(run, lacking, DONE)
    assert "dkms autoinstall -k 6.8" in build
    _, refusal = load(run, lacking)
    assert "no module 580.159.04 (open) for 6.8" in refusal


def test_no_reboot_without_leave(run: Run) -> None:
    (refusal,) = load(run, UNLOADED, allow_reboot=False)
    assert "set allow_reboot=True" in refusal


def test_no_reboot_under_a_running_job(run: Run) -> None:
    (refusal,) = load(run, UNLOADED, busy=[Process(7, "train")])
    assert "7 (train)" in refusal


def test_a_reboot_that_did_not_help_is_not_repeated(run: Run) -> None:
    reboot, refusal = load(run, UNLOADED, UNLOADED)
    assert "systemctl reboot" in reboot
    assert "580.105.08 (open) (NVRM: x)" in refusal


ADDRESSES = ("0000:1a:00.0", "0000:1b:00.0")
GPUS = tuple(
    Gpu(i, "NVIDIA H200", f"GPU-{i}", address, "580.159.04", True, ())
    for i, address in enumerate(ADDRESSES)
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (SmiAnswer(Smi.OK, "", GPUS), []),
        (SmiAnswer(Smi.OK, "", GPUS[:1]), ["0000:1b:00.0 missing"]),
        (
            SmiAnswer(Smi.OK, "", (GPUS[0], replace(GPUS[1], lost=("memory.used",)))),
            ["GPU 1 (0000:1b:00.0) lost: no memory.used"],
        ),
        (
            SmiAnswer(Smi.OK, "", (GPUS[0], replace(GPUS[1], driver="580.105.08"))),
            ["GPU 1 has driver 580.105.08"],
        ),
        (
            SmiAnswer(Smi.VERSION_MISMATCH, "Failed to initialize NVML", ()),
            [
                "nvidia-smi finds a library of another version than the loaded module: "
                "Failed to initialize NVML"
            ],
        ),
    ],
)
def test_gpus_in_nvidia_smi(answer: SmiAnswer, expected: list[str]) -> None:
    assert gpus.problems(answer, ADDRESSES, "580.159.04") == expected


def test_driver_fact() -> None:
    output = [
        "boot=5c0f",
        "loaded=NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build",
        "images= 6.8.0-45-generic 6.8.0-48-generic",
        "headers= 6.8.0-45-generic",
        "disk=6.8.0-45-generic|580.159.04|Dual MIT/GPL",
        "disk=6.8.0-48-generic||",
        "libnvidia-compute-580\t580.159.04-1ubuntu1\thi ",
        "nvidia-modprobe\t580.105.08-0ubuntu1\thU ",
        "nvidia-smi\t\tun ",
        "nvidia-kernel-common-595\t595.71.05-1ubuntu1\trc ",
    ]
    assert DriverFact().process(output) == DriverState(
        boot_id="5c0f",
        loaded=NEW,
        on_disk={"6.8.0-45-generic": NEW, "6.8.0-48-generic": None},
        images=("6.8.0-45-generic", "6.8.0-48-generic"),
        packages={
            "libnvidia-compute-580": Package("580.159.04-1ubuntu1", True, True),
            "nvidia-modprobe": Package("580.105.08-0ubuntu1", False, True),
        },
        headers=frozenset({"6.8.0-45-generic"}),
    )


SMI = """index, name, uuid, pci.bus_id, driver_version, persistence_mode, memory.used [MiB]
0, NVIDIA H200, GPU-0, 00000000:1A:00.0, 580.159.04, Enabled, 0 MiB""".splitlines()


def test_nvidia_smi_fact() -> None:
    answer = NvidiaSmi().process([*SMI, "status=0"])
    assert answer.state is Smi.OK
    assert [gpu.address for gpu in answer.gpus] == ["0000:1a:00.0"]
    lost = NvidiaSmi().process(["Failed to initialize NVML: GPU is lost", "status=15"])
    assert lost == SmiAnswer(Smi.LOST, "Failed to initialize NVML: GPU is lost", ())


def test_a_cut_off_answer_fails_the_host() -> None:
    with pytest.raises(FactProcessError):
        NvidiaSmi().process(SMI)
    with pytest.raises(FactProcessError):
        NvidiaSmi().process([SMI[0], "0, NVIDIA", "status=0"])


def test_apt_versions_fact() -> None:
    output = ["nvidia-modprobe | 580.159.04-1 | http://x  Packages", "libcuda1 | 580.105.08-1 | x"]
    assert AptVersions().process(output) == {
        "nvidia-modprobe": ["580.159.04-1"],
        "libcuda1": ["580.105.08-1"],
    }


def test_gpu_processes_fact() -> None:
    output = [
        "pid=812 nvidia-persiste",
        "pid=4242 python3",
        "pid, process_name",
        "4242, /usr/bin/python3",
        "5000, trainer",
        "status=0",
    ]
    assert GpuProcesses().process(output) == [
        Process(4242, "/usr/bin/python3"),
        Process(5000, "trainer"),
    ]
    mismatch = ["pid=4242 python3", "Failed to initialize NVML: Driver/library", "status=18"]
    assert GpuProcesses().process(mismatch) == [Process(4242, "python3")]
