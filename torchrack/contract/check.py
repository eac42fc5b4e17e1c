"""A second opinion on a contract: written apart from the resolver, from the tables alone.

It shares no rule with the resolver, so that a mistake in one is seen by the other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from torchrack.contract.case import Case
from torchrack.contract.model import Conflict, Contract, Facts, Wishes
from torchrack.gpus import Gpu, obstacle
from torchrack.knowledge import Knowledge, builtin
from torchrack.knowledge.versions import numbers


def check(
    contract: Contract,
    facts: Facts,
    wishes: Wishes | None = None,
    *,
    knowledge: Knowledge | None = None,
) -> list[Conflict]:
    """Return what is wrong with a contract for a host; empty when it can be installed.

    Args:
        contract: the contract, from the resolver or from a file.
        facts: what the host is.
        wishes: what its settings ask for; None: only the host is looked at.
        knowledge: the tables; None: those that ship.
    """
    case = Case(facts, wishes or Wishes(), knowledge or builtin(), dt.date.min)
    found = [
        *_gpus(case, contract),
        *_source(case, contract),
        *(_wishes(case, contract) if wishes else ()),
        *_versions(case, contract),
        *_around(case, contract),
    ]
    for gpu in case.gpus:
        found += _images(case, contract, gpu)
    return found


def _gpus(case: Case, contract: Contract) -> Iterator[Conflict]:
    if case.unknown or not case.gpus:
        yield case.conflict("gpu-known", f"GPUs {', '.join(case.unknown) or 'none'}")
    for gpu in case.gpus:
        reason = obstacle(gpu, contract.branch, contract.flavour)
        if reason:
            yield case.conflict("flavour", reason)


def _source(case: Case, contract: Contract) -> Iterator[Conflict]:
    channel = case.known.channels[contract.source]
    if case.facts.system not in channel.systems or contract.modules not in channel.modules:
        yield case.conflict("source-system", f"{contract.source} ({contract.modules})")
    if channel.branches and contract.branch not in channel.branches:
        yield case.conflict("source-branch", f"R{contract.branch} in {contract.source}")
    if any(
        (row.channel, row.branch) == (contract.source, contract.branch)
        for row in case.known.transitional
    ):
        yield case.conflict("transitional", f"R{contract.branch} in {contract.source}")
    trusted = contract.modules == "signed" or case.facts.dkms_key_enrolled
    if case.facts.secure_boot and not trusted:
        yield case.conflict("secure-boot", "unsigned modules with Secure Boot on")
    kernel = case.facts.kernel
    if contract.modules == "signed" and kernel and kernel.split("-")[-1] not in channel.kernels:
        yield case.conflict("signed-kernel", f"no signed modules for {kernel}")


def _wishes(case: Case, contract: Contract) -> Iterator[Conflict]:
    wishes = case.wishes
    if wishes.flavour not in ("auto", contract.flavour):
        yield case.conflict("flavour", f"{contract.flavour} in place of {wishes.flavour}")
    if wishes.source not in ("auto", contract.source):
        yield case.conflict("source-system", f"{contract.source} in place of {wishes.source}")
    if wishes.modules not in ("auto", contract.modules):
        yield case.conflict("source-modules", f"{contract.modules} in place of {wishes.modules}")
    if wishes.toolkit not in ("auto", contract.toolkit):
        yield case.conflict("toolkit-docker", f"{contract.toolkit} in place of {wishes.toolkit}")
    if sorted(image.name for image in contract.images) != sorted(
        wish.name for wish in set(wishes.images)
    ):
        yield case.conflict("torch-known", "not one image for each wish")


def _versions(case: Case, contract: Contract) -> Iterator[Conflict]:
    if contract.branch not in case.known.branches:
        yield case.conflict("branch-known", f"R{contract.branch}")
    if contract.driver and not contract.driver.startswith(f"{contract.branch}."):
        yield case.conflict("offered", f"{contract.driver} is not of R{contract.branch}")
    if case.facts.offered is not None and contract.driver not in case.facts.offered:
        yield case.conflict("offered", f"{contract.driver} is not offered")
    asked = case.wishes.driver
    if asked != "auto" and asked not in (contract.driver, str(contract.branch)):
        yield case.conflict("offered", f"{contract.driver} in place of {asked}")


def _around(case: Case, contract: Contract) -> Iterator[Conflict]:
    if case.facts.nvswitches and contract.fabric_manager is None:
        yield case.conflict("fabric-manager", "NVSwitches without Fabric Manager")
    if contract.dcgm.endswith("cuda13") != (contract.branch >= 580):
        yield case.conflict("cuda-floor", f"{contract.dcgm} with R{contract.branch}")
    row = case.known.toolkits.get(contract.toolkit)
    if row is None or numbers(contract.docker_minimum) < numbers(row.docker):
        yield case.conflict("toolkit-docker", f"toolkit {contract.toolkit}")


def _images(case: Case, contract: Contract, gpu: Gpu) -> Iterator[Conflict]:
    capability = case.known.capability(gpu)
    for image in contract.images:
        floor = {11: 450, 12: 525, 13: 580}.get(numbers(image.cuda)[0])
        if floor is None or contract.branch < floor or image.driver_floor != floor:
            yield case.conflict("cuda-floor", f"CUDA {image.cuda} on R{contract.branch}")
        if capability is None:
            yield case.conflict("cuda-gpu", f"{gpu.product}: no compute capability in the table")
            continue
        span = case.known.capabilities[capability]
        low = numbers(span.first) if span.first else (0,)
        high = numbers(span.last) if span.last else (9999,)
        if not low <= numbers(image.cuda) <= high:
            yield case.conflict("cuda-gpu", f"CUDA {image.cuda} for {gpu.product}")
        if image.torch is None:
            continue
        builds = case.known.releases[image.torch].builds
        build = next((b for b in builds if b.cuda == image.cuda), None)
        covered = (case.known.covered(build, case.facts.machine) if build else None) or ()
        generation, minor = capability.split(".")
        runs = [c for c in covered if c.split(".")[0] == generation and c.split(".")[1] <= minor]
        if not runs:
            yield case.conflict("torch-gpu", f"{image} for {gpu.product}")
