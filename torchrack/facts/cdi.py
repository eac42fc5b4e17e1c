"""Facts about the CDI spec."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.cdi import PATH_UNIT, SERVICE, SPEC
from torchrack.nvidia_smi import listed


@dataclass(frozen=True)
class CdiState:
    """A host's CDI spec and what it should describe.

    Args:
        spec: its text, empty where there is none.
        missing: paths named in it that are not there.
        driver: version of the loaded driver, empty where none is.
        uuids: the GPUs that nvidia-smi lists (MIG devices are not in it).
        disabled: those of the refresh units that do not start at boot.
        path_active: whether the unit that watches for new modules does so.
        skipped: whether the refresh service's conditions did not hold when it was last started.
    """

    spec: str
    missing: tuple[str, ...]
    driver: str
    uuids: tuple[str, ...]
    disabled: tuple[str, ...]
    path_active: bool
    skipped: bool


class Cdi(FactBase[CdiState]):
    """The spec, the paths that are missing, and the GPUs, in one round trip."""

    def command(self) -> str:
        """Read the spec, /proc and ``nvidia-smi -L``."""
        return (
            f"echo spec=$(base64 -w0 {SPEC} 2>/dev/null); "
            f"sed -nE 's/^ *(- )?(hostPath|path): //p' {SPEC} 2>/dev/null | sort -u | "
            'while read -r p; do [ -e "$p" ] || echo "missing=$p"; done; '
            'echo "driver=$(cat /proc/driver/nvidia/version 2>/dev/null | head -n 1)"; '
            f"for u in {SERVICE} {PATH_UNIT}; do echo unit=$u $(systemctl show "
            "-p UnitFileState,ActiveState,ConditionResult,Result $u); done; "
            "timeout -k 5 60 nvidia-smi -L 2>/dev/null || true"
        )

    def process(self, output: list[str]) -> CdiState:
        """Parse ``key=value`` lines and nvidia-smi's list."""
        values: dict[str, str] = {}
        units: dict[str, str] = {}
        missing = []
        for line in output:
            key, equals, value = line.partition("=")
            if key == "missing":
                missing.append(value)
            elif key == "unit":
                name, _, properties = value.partition(" ")
                units[name] = properties
            elif equals:
                values[key] = value
        version = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", values.get("driver", "") + " ")
        try:
            return CdiState(
                spec=base64.b64decode(values["spec"]).decode(),
                missing=tuple(missing),
                driver=version[1] if version else "",
                uuids=tuple(listed(output)),
                disabled=tuple(u for u in units if "UnitFileState=enabled" not in units[u]),
                path_active="ActiveState=active" in units[PATH_UNIT],
                skipped=bool(re.search("ConditionResult=no|exec-condition", units[SERVICE])),
            )
        except (KeyError, ValueError) as error:
            raise FactProcessError(f"unexpected CDI state {output!r} ({error})") from error
