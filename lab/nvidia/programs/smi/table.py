"""The table that nvidia-smi prints without arguments."""

from datetime import datetime

from smi import fields
from smi.nvml import Gpu, Nvml, Stop

RULE = "+-----------------------------------------------------------------------------------------+"
COLUMNS = (
    "+-----------------------------------------+------------------------+----------------------+"
)
HEADING = """\
|-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|                                         |                        |               MIG M. |
|=========================================+========================+======================|"""
PROCESSES = """\
| Processes:                                                                              |
|  GPU   GI   CI        PID   Type   Process name                              GPU Memory |
|        ID   ID                                                               Usage      |
|=========================================================================================|"""
MIG = """
+-----------------------------------------------------------------------------------------+
| MIG devices:                                                                            |
+------------------+----------------------------------+-----------+-----------------------+
| GPU  GI  CI  MIG |                     Memory-Usage |        Vol|      Shared           |
|      ID  ID  Dev |                       BAR1-Usage | SM     Unc| CE ENC DEC OFA JPG    |
|                  |                                  |        ECC|                       |
|==================+==================================+===========+=======================|
|  No MIG devices found                                                                   |
+-----------------------------------------------------------------------------------------+"""
NAME_WIDTH, PROCESS_WIDTH = 27, 42


def show(nvml: Nvml) -> None:
    """Print the table. Raises Stop at the end, with status 15, if a GPU is lost."""
    print(datetime.now().strftime("%a %b %e %H:%M:%S %Y").ljust(31))
    print(RULE)
    version = nvml.version
    print(
        f"| NVIDIA-SMI {version:<22} Driver Version: {version:<14} CUDA Version: {nvml.cuda:<8} |"
    )
    print(HEADING)
    for gpu in nvml.gpus:
        print(_gpu(gpu))
        print(COLUMNS)
    if any(gpu.mig for gpu in nvml.gpus):
        print(MIG)
    print(" " * 89)
    print(RULE)
    print(PROCESSES)
    if any(gpu.lost for gpu in nvml.gpus):
        raise Stop(15, "Failed to query device index")
    rows = _process_rows(nvml)
    print("\n".join(rows) or f"|  {'No running processes found':<86} |")
    print(RULE)


def _shorten(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 4]} ..."


def _gpu(gpu: Gpu) -> str:
    persistence = "On" if gpu.persistence else "Off"
    fan = "N/A" if gpu.model.fan is None else f"{gpu.model.fan}%"
    cap = f"{power_text(fields.power_limit(gpu))}"
    mig = "N/A" if not gpu.model.mig else "Enabled" if gpu.mig else "Disabled"
    if gpu.lost:
        ecc, temperature, draw, memory, busy = (
            "ERR!",
            "ERR!",
            "ERR!",
            f" {'GPU is lost':<22} ",
            "ERR!",
        )
    else:
        ecc = (
            "On" if gpu.mig else str(gpu.set.get("ecc_uncorrected", 0)) if gpu.model.ecc else "Off"
        )
        temperature = f"{gpu.set.get('temperature', gpu.model.temperature)}C"
        draw = power_text(fields.power_draw(gpu))
        memory = f"{fields.memory_used(gpu):>8}MiB / {gpu.model.memory:>6}MiB "
        busy = f"{gpu.set.get('utilization', 0)}%"
    return "\n".join(
        (
            f"|{gpu.index:>4}  {_shorten(gpu.model.name):<27}    {persistence:<3} |"
            f"   {gpu.device.bus_id} Off |{ecc:>21} |",
            f"| {fan:>3}{temperature:>6}    P0{draw:>16} / {cap:>5} |{memory}"
            f"|{busy:>8}      Default |",
            f"|                                         |                        |{mig:>21} |",
        )
    )


def power_text(watts: float) -> str:
    """Return a power as the table shows it."""
    return f"{watts:.0f}W"


def _process_rows(nvml: Nvml) -> list[str]:
    rows = []
    for process in nvml.processes:
        for gpu in nvml.gpus:
            if gpu.device.minor in process["gpus"]:
                name = process["name"]
                if len(name) >= PROCESS_WIDTH:
                    name = f"...{name[-(PROCESS_WIDTH - 5) :]}"
                memory = f"{process['memory']}MiB"
                kind = process.get("type", "C")
                rows.append(
                    f"|{gpu.index:>5}   N/A  N/A{process['pid']:>10}{kind:>7}   "
                    f"{name:<42}{memory:>10} |"
                )
    return rows
