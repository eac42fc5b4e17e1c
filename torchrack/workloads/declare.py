"""From a workload's settings to everything that is declared about it."""

from __future__ import annotations

from collections.abc import Callable

from torchrack.errors import TorchrackError
from torchrack.settings.workloads import Workload
from torchrack.workloads import mounts
from torchrack.workloads import workload as names
from torchrack.workloads.plan import Declared, OwnFile

Template = Callable[..., str]
"""Renders a unit file from named values."""

TOKEN_LENGTH = 32
START_LIMIT_BURST = 5


def declare(
    workload: Workload,
    reference: str,
    entrypoint: tuple[str, ...],
    unit_template: Template,
    gpu_timeout: int,
) -> Declared:
    """Return what a workload's settings declare.

    Args:
        workload: the settings.
        reference: its image, pinned by digest.
        entrypoint: the image's entrypoint.
        unit_template: renders its unit's file.
        gpu_timeout: how long a start waits for the GPUs, seconds.

    Raises:
        TorchrackError: its token can't be read or is too short.
    """
    return Declared(
        workload=workload,
        spec=names.container_spec(workload, reference, entrypoint),
        unit_file=unit_template(
            workload=workload,
            devices=names.devices(workload),
            supervisor=names.SUPERVISOR,
            gpu_timeout=gpu_timeout,
            mounts=mounts.units(names.binds(workload)),
            start_limit_burst=START_LIMIT_BURST,
            # Longer than that many failing starts take, or the limit would never be reached.
            start_limit_interval=START_LIMIT_BURST * (workload.start_timeout + gpu_timeout + 30),
        ),
        own_file=_own_file(workload),
    )


def _own_file(workload: Workload) -> OwnFile | None:
    directory = names.directory(workload.name)
    if workload.kind == "jupyter":
        path = f"{directory}/{names.TOKEN}"
        return OwnFile(path, "500", "400", workload.user, _token(workload))
    if workload.kind == "ssh":
        keys = "".join(f"{key}\n" for key in workload.authorized_keys)
        return OwnFile(f"{directory}/{names.KEYS}", "755", "644", "0:0", keys)
    return None


def _token(workload: Workload) -> str | None:
    if workload.token is None:
        return None
    try:
        token = workload.token.read()
    except TorchrackError as error:
        raise TorchrackError(f"workload {workload.name}: token: {error}") from None
    if len(token) < TOKEN_LENGTH or not token.isascii() or not token.isprintable() or " " in token:
        raise TorchrackError(
            f"workload {workload.name}: token: found {len(token)} characters, needed at least "
            f"{TOKEN_LENGTH} printable ones without spaces. What to do: choose a longer token, "
            "as openssl rand -hex 32 makes one"
        )
    return token + "\n"
