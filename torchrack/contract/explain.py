"""Why a contract is what it is: each choice in a sentence."""

from __future__ import annotations

from torchrack.contract.case import Case, names
from torchrack.contract.model import AUTO, Choice, Contract
from torchrack.gpus import last_branch


def choices(case: Case, contract: Contract) -> tuple[Choice, ...]:
    """Return the choices of a contract with their reasons."""
    found = [
        _source(case, contract),
        _branch(case, contract),
        _flavour(case, contract),
        _fabric_manager(case, contract),
        Choice(
            "toolkit",
            contract.toolkit,
            "the settings say so" if case.wishes.toolkit != AUTO else "the tables' default",
            "toolkit-docker",
        ),
        Choice(
            "docker",
            f">= {contract.docker_minimum}",
            f"container toolkit {contract.toolkit} needs it",
            "toolkit-docker",
        ),
    ]
    why = f"its package for R{contract.branch}"
    found.append(Choice("dcgm", contract.dcgm, why, "dcgm"))
    if contract.cuda:
        why = f"what R{contract.branch} brings; older CUDA runs on it, newer minor versions mostly"
        found.append(Choice("cuda", contract.cuda, why, "cuda-jit"))
    if contract.mig_capable:
        why = "can be cut into instances"
        found.append(Choice("mig", ", ".join(contract.mig_capable), why, "mig"))
    found += [
        Choice(
            image.name,
            str(image),
            f"the first build that has code for {names(case.gpus)} and runs on "
            f"R{contract.branch}; its CUDA needs R{image.driver_floor} or newer",
            "torch-gpu" if image.torch else "cuda-gpu",
        )
        for image in contract.images
    ]
    return tuple(found)


def _source(case: Case, contract: Contract) -> Choice:
    value = f"{contract.source} ({contract.modules})"
    if case.wishes.source != AUTO:
        return Choice("source", value, "the settings say so", "source-system")
    if contract.modules == "signed":
        why = "Secure Boot is on, and Ubuntu's archive has modules signed for it"
        return Choice("source", value, why, "secure-boot")
    if case.facts.secure_boot:
        why = "Secure Boot is on, and the firmware knows the key of the host's DKMS"
        return Choice("source", value, why, "secure-boot")
    if contract.source == "cuda-repo":
        why = "Secure Boot is off or not known, and NVIDIA's repository has every exact version"
        return Choice("source", value, why, "secure-boot")
    return Choice("source", value, "the other source does not work here", "source-system")


def _branch(case: Case, contract: Contract) -> Choice:
    value = f"R{contract.branch}" + (f", {contract.driver}" if contract.driver else "")
    if case.wishes.driver != AUTO:
        return Choice("driver", value, "the settings say so", "branch-life")
    lasts = {last_branch(gpu.architecture) for gpu in case.gpus} - {None}
    row = case.known.branches[contract.branch]
    if contract.branch in lasts:
        why = f"the last branch that drives {names(case.gpus)}"
        return Choice("driver", value, f"{why}, until {row.eol or 'it ended'}", "last-branch")
    kind = {"LTSB": "long-term support", "PB": "production", "NFB": "new feature"}
    why = f"the best branch that works here: {kind.get(row.kind or '', 'unknown kind')}"
    return Choice("driver", value, f"{why}{', until ' + row.eol if row.eol else ''}", "branch-life")


def _flavour(case: Case, contract: Contract) -> Choice:
    only = tuple(gpu for gpu in case.gpus if gpu.flavours == {contract.flavour})
    if only:
        why = f"{names(only)} takes no other"
    elif case.wishes.flavour != AUTO:
        why = "the settings say so"
    elif contract.flavour == "open":
        why = "every GPU of the host takes the open modules, which are the ones with a future"
    else:
        why = "the open modules don't work here"
    return Choice("flavour", contract.flavour, why, "flavour")


def _fabric_manager(case: Case, contract: Contract) -> Choice:
    if contract.fabric_manager is None:
        return Choice("fabric manager", "none", "the host has no NVSwitch", "fabric-manager")
    why = f"{case.facts.nvswitches} NVSwitch(es): at the driver's exact version"
    if not case.facts.nvswitches:
        why = "the settings say so"
    return Choice("fabric manager", contract.fabric_manager, why, "fabric-manager")
