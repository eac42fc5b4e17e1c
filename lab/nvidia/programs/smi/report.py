"""The report of -q: sections of a template, filled for each GPU.

A line of the template that begins with "[FROM-TO]" is in reports of these branches alone, FROM
included and TO not; either may be left out.
"""

import pkgutil
import re
from datetime import datetime

from smi import fields
from smi.nvml import Gpu, Nvml, Stop

ALWAYS = "HEAD"


def sections(branch: int) -> dict[str, str]:
    """Return a branch's text for each section, in the order in which they are printed."""
    lines = pkgutil.get_data("smi", "report.txt").decode().splitlines()
    text = "".join(f"{_wider(one, branch)}\n" for one in _of_branch(lines, branch))
    result = {}
    for block in text.split("== ")[1:]:
        name, _, body = block.partition("\n")
        result[name] = body
    return result


def _of_branch(lines: list[str], branch: int) -> list[str]:
    found = []
    for line in lines:
        match = re.match(r"\[(\d*)-(\d*)\]", line)
        if not match:
            found.append(line)
        elif int(match[1] or 0) <= branch < int(match[2] or 9999):
            found.append(line[match.end() :])
    return found


def _wider(line: str, branch: int) -> str:
    """Return a line with the column of keys as wide as in the branch."""
    key, colon, value = line[:42], line[42:44], line[44:]
    return f"{key.rstrip():<55}: {value}" if branch >= 580 and colon == ": " else line


def show(nvml: Nvml, asked: str | None) -> None:
    """Print the report, of all sections or of those asked for. Raises Stop for an unknown one."""
    known = sections(nvml.branch)
    wanted = list(known)
    if asked is not None:
        names = [name.strip().upper() for name in asked.split(",")]
        for name in names:
            if name not in known or name == ALWAYS:
                raise Stop(
                    2, f"Invalid combination of input arguments. Unknown display type {name}.\n"
                )
        wanted = [name for name in known if name in names]
    print("\n==============NVSMI LOG==============\n")
    print(_row("Timestamp", datetime.now().strftime("%a %b %e %H:%M:%S %Y"), nvml))
    print(_row("Driver Version", nvml.version, nvml))
    print(_row("CUDA Version", nvml.cuda, nvml))
    print(f"\n{_row('Attached GPUs', str(len(nvml.gpus)), nvml)}")
    for gpu in nvml.gpus:
        print(f"GPU {gpu.device.bus_id}")
        values = _values(gpu, nvml)
        for name in wanted:
            if name == "PIDS" and _processes(gpu, nvml):
                print("\n".join(_wider(line, nvml.branch) for line in _processes(gpu, nvml)))
            else:
                print(known[name].format_map(values), end="")
        print()


def _row(key: str, value: str, nvml: Nvml) -> str:
    return _wider(f"{key:<42}: {value}", nvml.branch)


def _processes(gpu: Gpu, nvml: Nvml) -> list[str]:
    mine = [process for process in nvml.processes if gpu.device.minor in process["gpus"]]
    lines = ["    Processes"] if mine else []
    for process in mine:
        lines += [
            "        GPU instance ID                   : N/A",
            "        Compute instance ID               : N/A",
            f"        Process ID                        : {process['pid']}",
            f"            Type                          : {process.get('type', 'C')}",
            f"            Name                          : {process['name']}",
            f"            Used GPU Memory               : {process['memory']} MiB",
        ]
    return lines


def _values(gpu: Gpu, nvml: Nvml) -> dict[str, str]:
    def of(field: str) -> str:
        value = fields.value(field, gpu, nvml)
        if value == fields.LOST:
            return "GPU is lost"
        if value == fields.NOT_AVAILABLE:
            return "N/A"
        unit = "C" if field.startswith("temperature.") and value != "N/A" else fields.unit(field)
        return f"{value} {unit}".strip()

    ecc = {True: "0", False: "N/A"}[gpu.model.ecc]
    fabric = fields.fabric(gpu)
    return _Fields(
        of,
        {
            "name": gpu.model.name,
            "architecture": gpu.model.architecture.capitalize(),
            "mig": "N/A" if not gpu.model.mig else "Enabled" if gpu.mig else "Disabled",
            "ecc_zero": ecc,
            "ecc_mode": "Enabled" if gpu.model.ecc else "N/A",
            "ecc_no": "No" if gpu.model.ecc else "N/A",
            "ecc_dram": of("ecc.errors.uncorrected.volatile.dram"),
            "remapped_correctable": str(gpu.set.get("remapped_correctable", ecc)),
            "remapped_uncorrectable": str(gpu.set.get("remapped_uncorrectable", ecc)),
            "remapped_pending": _yes(gpu, "remapped_pending"),
            "remapped_failure": _yes(gpu, "remapped_failure"),
            "bar1": f"{gpu.model.bar1} MiB",
            "application_clock": f"{gpu.model.clocks[1]} MHz",
            "video_max": f"{gpu.model.clocks[4]} MHz",
            "minor": str(gpu.device.minor),
            "fabric_state": fabric[0],
            "fabric_status": fabric[1],
        },
    )


def _yes(gpu: Gpu, key: str) -> str:
    if not gpu.model.ecc:
        return "N/A"
    return "Yes" if gpu.set.get(key) else "No"


class _Fields(dict):
    """Values by name, where a name with "__" for each dot is a field of --query-gpu."""

    def __init__(self, query: object, values: dict[str, str]) -> None:
        super().__init__(values)
        self._query = query

    def __missing__(self, key: str) -> str:
        return self._query(key.replace("__", "."))
