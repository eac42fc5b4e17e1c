"""The --query-... forms, which print csv."""

from collections.abc import Callable

from smi import fields
from smi.nvml import Gpu, Nvml, Stop

APPS = {
    "pid": "pid",
    "process_name": "process_name",
    "name": "process_name",
    "gpu_name": "gpu_name",
}
APPS |= {"used_memory": "used_gpu_memory", "used_gpu_memory": "used_gpu_memory"}
APPS |= {name: name for name in ("gpu_uuid", "gpu_bus_id", "gpu_serial", "timestamp")}
REMAPPED = {
    "remapped_rows.correctable": "remapped_correctable",
    "remapped_rows.uncorrectable": "remapped_uncorrectable",
    "remapped_rows.pending": "remapped_pending",
    "remapped_rows.failure": "remapped_failure",
}
REMAPPED_NAMES = {
    **{name: name for name in ("gpu_uuid", "gpu_name", "gpu_bus_id", "gpu_serial", "timestamp")},
    **{name: name for name in REMAPPED},
}
GPU_COLUMNS = {
    "gpu_uuid": "uuid",
    "gpu_name": "name",
    "gpu_bus_id": "pci.bus_id",
    "gpu_serial": "serial",
}


def _print(
    asked: str,
    layout: str | None,
    known: dict[str, str],
    unit: Callable[[str], str],
    rows: Callable[[list[str]], list[list[str]]],
) -> None:
    """Print rows of values for the asked names. Raises Stop, status 2, for an unknown one."""
    if layout is None:
        raise Stop(2, "\"--format=\" switch is missing. Please run 'nvidia-smi -h' for help.\n")
    options = [option.strip() for option in layout.split(",")]
    names = []
    for name in asked.split(","):
        if name.strip() not in known:
            raise Stop(2, f'Field "{name.strip()}" is not a valid field to query.\n')
        names.append(known[name.strip()])
    if "noheader" not in options:
        print(", ".join(f"{name} [{unit(name)}]" if unit(name) else name for name in names))
    for values in rows(names):
        print(
            ", ".join(
                value
                if not unit(name) or "nounits" in options or value.startswith("[")
                else f"{value} {unit(name)}"
                for name, value in zip(names, values, strict=True)
            )
        )


def _layout(nvml: Nvml, asked: str | None) -> str | None:
    return "csv" if asked is None and nvml.branch >= 580 else asked


def gpus(nvml: Nvml, asked: str, layout: str | None) -> None:
    """Print --query-gpu."""
    known = fields.known()
    _print(
        asked,
        _layout(nvml, layout),
        known,
        fields.unit,
        lambda names: [[fields.value(name, gpu, nvml) for name in names] for gpu in nvml.gpus],
    )


def compute_apps(nvml: Nvml, asked: str, layout: str | None) -> None:
    """Print --query-compute-apps: a row for each process and GPU."""

    def rows(names: list[str]) -> list[list[str]]:
        found = []
        for process in nvml.processes:
            for gpu in nvml.gpus:
                if gpu.device.minor in process["gpus"]:
                    own = {
                        "pid": str(process["pid"]),
                        "process_name": process["name"],
                        "used_gpu_memory": str(process["memory"]),
                    }
                    found.append([own.get(name) or _gpu_column(name, gpu, nvml) for name in names])
        return found

    _print(
        asked,
        _layout(nvml, layout),
        APPS,
        lambda name: "MiB" if name == "used_gpu_memory" else "",
        rows,
    )


def remapped_rows(nvml: Nvml, asked: str, layout: str | None) -> None:
    """Print --query-remapped-rows; a GPU without the feature has no row."""

    def rows(names: list[str]) -> list[list[str]]:
        return [
            [
                _remapped(gpu, name, nvml) if name in REMAPPED else _gpu_column(name, gpu, nvml)
                for name in names
            ]
            for gpu in nvml.gpus
            if gpu.model.ecc
        ]

    _print(asked, _layout(nvml, layout), REMAPPED_NAMES, lambda name: "", rows)


def _remapped(gpu: Gpu, name: str, nvml: Nvml) -> str:
    value = gpu.set.get(REMAPPED[name], 0)
    if nvml.branch >= 570 and name.endswith((".pending", ".failure")):
        return "Yes" if value else "No"
    return str(value)


def _gpu_column(name: str, gpu: object, nvml: Nvml) -> str:
    return fields.value(GPU_COLUMNS.get(name, name), gpu, nvml)
