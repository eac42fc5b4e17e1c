"""The two scripts of the GPU check: what host and images are, then a container with the GPUs."""

from __future__ import annotations

import math
import secrets
import shlex

from torchrack.nvidia_smi import FIELDS, QUERY
from torchrack.onboard.gpu_check.image import choose
from torchrack.onboard.gpu_check.judge import judge
from torchrack.onboard.gpu_check.model import GpuCheck
from torchrack.onboard.gpu_check.read import InContainer, counted, in_container
from torchrack.operations.files import read
from torchrack.remote import Session
from torchrack.settings.model import Settings
from torchrack.workloads.workload import by_digest

SECONDS = 240
"""How long the container may take; the first import of PyTorch on a cold disk takes most of it."""
_GRACE = 15
"""Seconds after which a container is killed that did not end by itself, with a word on where."""
_AROUND = 90
"""Seconds for what is around the container: making it, and removing it when it hangs."""


def check_gpus(session: Session, settings: Settings, *, seconds: float = SECONDS) -> GpuCheck:
    """Count and use the GPUs of a deployed host, in two round trips.

    Args:
        session: a login that becomes root.
        settings: the host's settings, made exact by its fleet's lock.
        seconds: how long the container may take.

    Raises:
        HostError: the host did not answer; what it answered wrongly stands in ``problems``.
    """
    host = session.host.name
    before = counted(session.run(count_script(settings), seconds=240).out)
    chosen = choose(settings, before.images)
    inside: InContainer | None = None
    if before.on_pci and chosen is not None and before.images[chosen.name] is not None:
        text = container_script(chosen.reference, chosen.user, seconds)
        answer = session.run(text, seconds=math.ceil(seconds) + _GRACE + _AROUND)
        inside = in_container(answer.out, answer.err)
    return judge(host, before, chosen, inside, seconds=seconds)


def count_script(settings: Settings) -> str:
    """Return the script that counts on the host and asks its images what they are.

    Args:
        settings: the host's settings, made exact by its fleet's lock.
    """
    images = "\n".join(
        f"{name}\t{by_digest(reference)}" for name, reference in settings.images.catalog.items()
    )
    return f"smi_query={shlex.quote(QUERY)}\nimages={shlex.quote(images)}\n" + read(
        "onboard/gpu_count.sh"
    )


def container_script(reference: str, user: str, seconds: float) -> str:
    """Return the script that runs the container and removes it.

    Args:
        reference: the image, pinned by digest; it has to be on the host.
        user: uid:gid in the container.
        seconds: how long it may take.
    """
    inside = read("onboard/gpu_inside.sh").replace("FIELDS", ",".join(FIELDS))
    program = f"SECONDS = {seconds}\n{read('onboard/gpu_train.py')}"
    values = {
        "name": f"torchrack-gpu-check-{secrets.token_hex(4)}",
        "image": by_digest(reference),
        "user": user,
        "seconds": str(seconds + _GRACE),
        "inside": inside,
        "program": program,
    }
    assignments = [f"{key}={shlex.quote(value)}" for key, value in values.items()]
    return "\n".join([*assignments, read("onboard/gpu_container.sh")])
