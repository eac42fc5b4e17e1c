"""Proof that the GPUs work: nvidia-smi shows all that are on the PCI bus."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra import host

from torchrack.errors import HostError, Problem
from torchrack.facts.gather import gather
from torchrack.facts.nvidia import NvidiaSmi, SmiAnswer
from torchrack.nvidia_smi import Kind, State
from torchrack.operations.guard import Commands, operation

_FIX = {
    State.NOT_LOADED: "run the driver stage; if it says that the module is loaded, look at dmesg",
    State.VERSION_MISMATCH: "something exchanged the driver's libraries: run again, which reboots",
    State.LOST: "look for Xid 79 in dmesg, drain the host and power-cycle it",
    State.HUNG: "look for Xid messages in dmesg, drain the host and power-cycle it",
}


@operation
def all_visible(*, addresses: Sequence[str], version: str) -> Commands:
    """Make sure that nvidia-smi shows every GPU healthy; changes nothing.

    What nvidia-smi says beside a good answer is shown; torchrack drift reports it as a finding.

    Args:
        addresses: PCI addresses of the GPUs on the bus.
        version: the driver's version.
    """
    answer = gather(NvidiaSmi, _timeout=90)
    found = problems(answer, addresses, version)
    if found:
        raise HostError(
            Problem(
                where=host.name,
                what="GPUs in nvidia-smi",
                found="; ".join(found),
                needed=f"{len(addresses)} healthy ones, as on the PCI bus, with driver {version}",
                fix=_FIX.get(answer.state, "look at nvidia-smi -q and dmesg on the host"),
            )
        )
    for remark in answer.remarks:
        host.log(f"nvidia-smi: {remark.text}")
    host.noop(f"nvidia-smi shows {len(addresses)} GPU(s)")
    yield from ()


def problems(answer: SmiAnswer, addresses: Sequence[str], version: str) -> list[str]:
    """Return what nvidia-smi's answer lacks."""
    if answer.state is not State.OK:
        return [f"nvidia-smi {answer.state.value}: {answer.message}".rstrip(": ")]
    seen = {gpu.address for gpu in answer.gpus}
    said = {one.address: f" ({one.text})" for one in answer.remarks if one.kind is Kind.LOST}
    found = [f"{one} missing{said.get(one, '')}" for one in addresses if one not in seen]
    found += [f"{address} not on the bus" for address in sorted(seen - set(addresses))]
    for gpu in answer.gpus:
        if gpu.lost:
            found.append(f"GPU {gpu.index} ({gpu.address}) lost: no {', '.join(gpu.lost)}")
        if gpu.driver != version:
            found.append(f"GPU {gpu.index} has driver {gpu.driver}")
    return found
