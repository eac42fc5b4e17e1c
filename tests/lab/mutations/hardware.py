"""Dying hardware, and drivers that are not what is loaded. No command mends a GPU: it is undone."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.mutation import Mutation
from torchrack.drift.model import Severity

_STATE = "/run/nvidia-lab/state.json"
_KEPT = f"{_STATE}.healthy"
_QUIET = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0"


def _gpu(
    aspect: str,
    severity: Severity,
    fault: dict[str, Any],
    *,
    index: int = 1,
    host: str = "gpu01",
    batch: str = "gpus",
) -> Mutation:
    """A fault of a GPU, beside those it has already."""
    program = (
        f"import json, os; p = '{_STATE}'; "
        "s = json.load(open(p)) if os.path.exists(p) else {}; "
        f"s.setdefault('gpus', {{}}).setdefault('{index}', {{}})"
        f".update(json.loads('{json.dumps(fault)}')); json.dump(s, open(p, 'w'))"
    )
    return Mutation(
        finding=f"host.gpu:0000:*.{aspect}",
        severity=severity,
        harm=f"[ -e {_KEPT} ] || cp {_STATE} {_KEPT} 2>/dev/null || echo '{{}}' > {_KEPT}; "
        f'python3 -c "{program.replace(chr(34), chr(92) + chr(34))}"',
        batch=batch,
        host=host,
        kind="hardware",
        mend=f"[ ! -e {_KEPT} ] || mv {_KEPT} {_STATE}",
    )


# What the kernel wrote when a GPU fell off the bus, as NVIDIA's catalogue quotes it.
_XID = (
    "2026-11-24T03:00:00,123456+00:00 NVRM: Xid (PCI:0000:1a:00): 79, pid='<unknown>', "
    "name=<unknown>, GPU has fallen off the bus."
)

MUTATIONS = [
    _gpu("ecc", "outage", {"ecc_uncorrected": 2}),
    _gpu("pcie-width", "capacity", {"pcie_width": 8}),
    _gpu("slowdown", "capacity", {"slowdown": ["hw_slowdown", "hw_thermal_slowdown"]}),
    _gpu("nvlink", "capacity", {"links_down": [3, 4]}),
    _gpu("remap-pending", "capacity", {"remapped_pending": 1}, index=0),
    _gpu("remap-failed", "outage", {"remapped_failure": 1}, index=0),
    _gpu("inforom", "capacity", {"inforom_corrupted": True}, index=0),
    _gpu("pcie-speed", "capacity", {"pcie_gen": 3}, index=0, host="gpu02"),
    _gpu("lost", "outage", {"lost": True}, batch="files"),
    Mutation(
        finding="host.gpu:0000:1a:00.xid-79",
        severity="outage",
        # The kernel's log is this machine's, so the program that reads it is what is exchanged.
        harm=f'printf \'#!/bin/sh\\necho "%s"\\n\' "{_XID}" > /run/dmesg; chmod 755 /run/dmesg; '
        "mount --bind /run/dmesg /usr/bin/dmesg",
        batch="gpus",
        kind="hardware",
        mend="umount /usr/bin/dmesg; rm /run/dmesg",
    ),
    Mutation(
        finding="host.system:gpus.count",
        severity="outage",
        # Gone from the bus, and so from nvidia-smi and from new containers as well.
        harm="cp -a /sys/bus/pci/devices /run/pci; rm -r $(grep -l '^0x10de' /run/pci/*/vendor | "
        "head -n 1 | xargs dirname); mount --bind /run/pci /sys/bus/pci/devices",
        batch="access",
        host="gpu02",
        kind="hardware",
        mend="umount /sys/bus/pci/devices; rm -r /run/pci",
    ),
    Mutation(
        # A driver upgraded without a reboot: the old module is loaded, all else is the new one.
        finding="driver.module:*.next-boot",
        severity="outage",
        harm="apt-mark unhold $(apt-mark showhold | grep -E 'nvidia|cuda' | grep -v container) "
        ">/dev/null; "
        f"{_QUIET} install nvidia-driver-pinning-595.71.05 nvidia-driver-pinning-580.159.04- "
        f">/dev/null; {_QUIET} dist-upgrade >/dev/null",
        batch="driver",
        also=("driver.package:nvidia-driver-cuda.version", "driver.gpus-in-nvidia-smi"),
    ),
    Mutation(
        # Another module than the declared one: a deploy reboots the host.
        finding="driver.module:nvidia.loaded",
        severity="outage",
        harm="f=/proc/driver/nvidia/version; "
        "sed 's/  [0-9.]*  /  570.211.01  /' $f > /run/version; "
        "mount --bind /run/version $f",
        batch="driver",
        host="gpu02",
    ),
]
