"""``torchrack explain``: what the tables say of a combination, without any host."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from torchrack.commands.explain_json import as_data
from torchrack.commands.explain_text import render
from torchrack.commands.fleet import fleet_tables
from torchrack.contract.model import AUTO, Facts, ImageWish, Wishes
from torchrack.contract.resolve import resolve
from torchrack.gpu_names import GpuNameError, find
from torchrack.gpus import nvswitch
from torchrack.knowledge import builtin
from torchrack.report import console

STATUS = {"ok": 0, "warn": 0, "conflict": 2}
"""The exit status by verdict."""


def explain(
    *,
    gpu: Annotated[
        list[str] | None,
        typer.Option(help="a GPU, by PCI id (10de:2901) or name (B200); again for each"),
    ] = None,
    torch: Annotated[str, typer.Option(help="PyTorch release, as 2.6; none: no PyTorch")] = AUTO,
    cuda: Annotated[str, typer.Option(help="CUDA version of the image, as 12.6")] = AUTO,
    python: Annotated[str, typer.Option(help="Python version of the image")] = AUTO,
    require: Annotated[
        list[str] | None,
        typer.Option(help="value of an image's NVIDIA_REQUIRE_CUDA; again for each"),
    ] = None,
    driver: Annotated[str, typer.Option(help="driver branch (580) or version")] = AUTO,
    flavour: Annotated[str, typer.Option(help="kernel modules: open or proprietary")] = AUTO,
    source: Annotated[str, typer.Option(help="driver source: cuda-repo or ubuntu")] = AUTO,
    modules: Annotated[str, typer.Option(help="kernel modules: dkms or signed")] = AUTO,
    system: Annotated[
        str, typer.Option("--os", help="distribution, as ubuntu2404 or debian13")
    ] = "ubuntu2404",
    machine: Annotated[str, typer.Option(help="processor: amd64 or arm64")] = "amd64",
    kernel: Annotated[str | None, typer.Option(help="kernel release, as uname -r has it")] = None,
    secure_boot: Annotated[
        bool | None, typer.Option(help="whether Secure Boot is on; left out: not known")
    ] = None,
    dkms_key: Annotated[
        bool, typer.Option("--dkms-key", help="the firmware knows the host's DKMS key")
    ] = False,
    nvswitches: Annotated[int, typer.Option(min=0, help="NVSwitches in the host, count")] = 0,
    fabric_manager: Annotated[
        bool | None, typer.Option(help="whether to install Fabric Manager; left out: as needed")
    ] = None,
    offered: Annotated[
        list[str] | None,
        typer.Option(help="a driver version that the host's apt offers; again for each"),
    ] = None,
    toolkit: Annotated[str, typer.Option(help="container toolkit, as 1.19.1-1")] = AUTO,
    docker: Annotated[str, typer.Option(help="Docker engine, as 29.6.1")] = AUTO,
    mig: Annotated[bool, typer.Option("--mig", help="GPUs are to be cut into instances")] = False,
    inventory: Annotated[
        Path | None, typer.Option(help="an inventory whose own rows are added to the tables")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
) -> None:
    """Say whether a combination works, what a host would get, and why.

    Anything left out is resolved. The answer is from the tables alone: no host is asked.
    Exit status: 0 it works (perhaps with warnings), 2 it does not, 1 the input is no question.
    """
    devices, problems = _devices(gpu or ())
    problems += _host_problems(system, machine)
    if not gpu:
        problems.append("name at least one GPU, as in --gpu B200")
    if problems:
        for problem in problems:
            typer.echo(f"torchrack explain: {problem}", err=True)
        raise typer.Exit(1)
    switches = tuple(device for device in devices if nvswitch(device))
    facts = Facts(
        gpus=tuple(device for device in devices if device not in switches),
        system=system,
        machine=machine,
        nvswitches=nvswitches + len(switches),
        kernel=kernel,
        secure_boot=secure_boot,
        dkms_key_enrolled=dkms_key,
        offered=tuple(offered) if offered else None,
    )
    wishes = Wishes(
        driver=driver.lower().removeprefix("r"),
        flavour=flavour,
        source=source,
        modules=modules,
        fabric_manager={None: AUTO, True: "yes", False: "no"}[fabric_manager],
        toolkit=toolkit,
        docker=docker,
        mig=mig,
        images=_images(torch, cuda, python, tuple(require or ())),
    )
    today = dt.datetime.now(dt.timezone.utc).date()
    known = fleet_tables(inventory, "explain") if inventory else None
    answer = resolve(facts, wishes, today=today, knowledge=known)
    if as_json:
        typer.echo(json.dumps(as_data(answer, facts), indent=2))
    else:
        console(stderr=False).print(render(answer, facts))
    raise typer.Exit(STATUS[answer.verdict])


def _devices(gpus: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the device ids of GPUs and NVSwitches, and what is wrong with the names."""
    devices, problems = [], []
    for name in gpus:
        try:
            devices.append(find(name))
        except GpuNameError as error:
            problems.append(str(error))
    return devices, problems


def _host_problems(system: str, machine: str) -> list[str]:
    problems = []
    systems = sorted({name for row in builtin().channels.values() for name in row.systems})
    if system not in systems:
        problems.append(f"--os {system!r} is not one of {', '.join(systems)}")
    if machine not in ("amd64", "arm64"):
        problems.append(f"--machine {machine!r} is not one of amd64, arm64")
    return problems


def _images(torch: str, cuda: str, python: str, requires: tuple[str, ...]) -> tuple[ImageWish, ...]:
    """Return the image that is asked about; none where nothing is said of one."""
    if (torch, cuda, python) == (AUTO, AUTO, AUTO) and not requires:
        return ()
    release = None if torch == "none" else torch
    return (ImageWish(torch=release, cuda=cuda, python=python, requires=requires),)
