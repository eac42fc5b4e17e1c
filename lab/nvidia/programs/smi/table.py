"""The table that nvidia-smi prints without arguments."""

from datetime import datetime

from smi import fields
from smi.nvml import Gpu, Nvml, Stop

NAME_WIDTH = 27
# Widths of the three columns, with the spaces around them: 535 is narrower than the others.
NARROW, WIDE = (41, 22, 22), (41, 24, 22)
MIG_HEADS = (
    (
        580,
        (
            "Shared Memory-Usage",
            "Shared BAR1-Usage",
            "       Shared         ",
            "CE ENC  DEC  OFA  JPG",
        ),
    ),
    (570, ("Memory-Usage", "BAR1-Usage", "       Shared         ", "CE ENC  DEC  OFA  JPG")),
    (0, ("Memory-Usage", "BAR1-Usage", "     Shared           ", "CE ENC DEC OFA JPG   ")),
)


def _rule(line: str, corner: str, *widths: int) -> str:
    """Return a line of the frame over columns of these widths."""
    end = corner if line == "=" else "+"
    return corner + "+".join(line * width for width in widths) + end


def _columns(nvml: Nvml) -> tuple[int, int, int]:
    return WIDE if nvml.branch >= 550 else NARROW


def show(nvml: Nvml) -> None:
    """Print the table. Raises Stop at the end, with status 15, if a GPU is lost."""
    widths = _columns(nvml)
    whole = sum(widths) + 2
    print(datetime.now().strftime("%a %b %e %H:%M:%S %Y").ljust(31))
    print(_rule("-", "+", whole))
    driver = 14 if nvml.branch >= 550 else 12
    print(
        f"| NVIDIA-SMI {nvml.version:<22} Driver Version: {nvml.version:<{driver}} "
        f"CUDA Version: {nvml.cuda:<8} |"
    )
    print(_rule("-", "+" if nvml.branch >= 580 else "|", *widths))
    middle = widths[1] - 1
    print(
        f"| GPU  Name                 Persistence-M | Bus-Id{'Disp.A':>{middle - 7}} "
        "| Volatile Uncorr. ECC |"
    )
    print(
        f"| Fan  Temp   Perf          Pwr:Usage/Cap |{'Memory-Usage':>{middle}} "
        "| GPU-Util  Compute M. |"
    )
    print(f"|{'':41}|{'':{widths[1]}}|               MIG M. |")
    print(_rule("=", "|", *widths))
    for gpu in nvml.gpus:
        print(_gpu(gpu, nvml))
        print(_rule("-", "+", *widths))
    if any(gpu.mig for gpu in nvml.gpus):
        print(_mig(nvml, whole))
    print("" if nvml.branch >= 580 else " " * 89)
    print(_rule("-", "+", whole))
    print(f"| {'Processes:':<{whole - 1}}|")
    pid, name = (16, 36) if nvml.branch >= 570 else (10, 42 if nvml.branch >= 550 else 40)
    print(f"|  GPU   GI   CI{'PID':>{pid + 1}}   Type   {'Process name':<{name}}GPU Memory |")
    print(f"|        ID   ID{'Usage':>{whole - 21}}      |")
    print(_rule("=", "|", whole))
    if any(gpu.lost for gpu in nvml.gpus):
        raise Stop(15, "Failed to query device index")
    rows = _process_rows(nvml, pid, name)
    print("\n".join(rows) or f"|  {'No running processes found':<{whole - 2}}|")
    print(_rule("-", "+", whole))


def _mig(nvml: Nvml, whole: int) -> str:
    memory, bar1, shared, engines = next(
        heads for first, heads in MIG_HEADS if nvml.branch >= first
    )
    width = whole - 56
    columns = (18, width + 1, 11, 23)
    return "\n".join(
        (
            "",
            _rule("-", "+", whole),
            f"| {'MIG devices:':<{whole - 1}}|",
            _rule("-", "+", *columns),
            f"| GPU  GI  CI  MIG |{memory:>{width}} |        Vol| {shared}|",
            f"|      ID  ID  Dev |{bar1:>{width}} | SM     Unc| {engines} |",
            f"|                  |{'':{width + 1}}|        ECC|                       |",
            _rule("=", "|", *columns),
            f"|  {'No MIG devices found':<{whole - 2}}|",
            _rule("-", "+", whole),
        )
    )


def _shorten(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 4]} ..."


def _gpu(gpu: Gpu, nvml: Nvml) -> str:
    persistence = "On" if gpu.persistence else "Off"
    fan = "N/A" if gpu.model.fan is None else f"{gpu.model.fan}%"
    cap = f"{power_text(fields.power_limit(gpu))}"
    mig = "N/A" if not gpu.model.mig else "Enabled" if gpu.mig else "Disabled"
    if gpu.lost:
        ecc, temperature, draw, memory, busy = (
            "ERR!",
            "ERR!",
            "ERR!",
            f" {'GPU is lost':<{_columns(nvml)[1] - 1}}",
            "ERR!",
        )
    else:
        ecc = (
            "On" if gpu.mig else str(gpu.set.get("ecc_uncorrected", 0)) if gpu.model.ecc else "Off"
        )
        temperature = f"{gpu.set.get('temperature', gpu.model.temperature)}C"
        draw = power_text(fields.power_draw(gpu))
        memory = _memory(gpu, nvml)
        busy = f"{gpu.set.get('utilization', 0)}%"
    return "\n".join(
        (
            f"|{gpu.index:>4}  {_shorten(gpu.model.name):<27}    {persistence:<3} |"
            f"{gpu.device.bus_id:>{_columns(nvml)[1] - 5}} Off |{ecc:>21} |",
            f"| {fan:>3}{temperature:>6}    P0{_power(draw, cap, nvml)} |{memory}"
            f"|{busy:>8}      Default |",
            f"|{'':41}|{'':{_columns(nvml)[1]}}|{mig:>21} |",
        )
    )


def power_text(watts: float) -> str:
    """Return a power as the table shows it."""
    return f"{watts:.0f}W"


def _power(draw: str, cap: str, nvml: Nvml) -> str:
    if nvml.branch < 550:
        return f"{draw:>17} / {cap:>4}"
    # 570 pads the word for an error as it pads a number, whose unit is behind it.
    draw = f"{draw} " if nvml.branch >= 570 and draw == "ERR!" else draw
    return f"{draw:>16} / {cap:>5}"


def _memory(gpu: Gpu, nvml: Nvml) -> str:
    used, total = fields.memory_used(gpu), f"{gpu.model.memory}MiB"
    if nvml.branch >= 550:
        return f"{used:>8}MiB / {total:>9} "
    total = f"{total[:5]}..." if len(total) > 8 else total
    return f"{used:>7}MiB / {total:>8} "


def _process_rows(nvml: Nvml, pid_width: int, width: int) -> list[str]:
    rows = []
    for process in nvml.processes:
        for gpu in nvml.gpus:
            if gpu.device.minor in process["gpus"]:
                name = process["name"]
                if len(name) >= width:
                    name = f"...{name[-(width - 5) :]}"
                memory = f"{process['memory']}MiB"
                kind = process.get("type", "C")
                rows.append(
                    f"|{gpu.index:>5}   N/A  N/A{process['pid']:>{pid_width}}{kind:>7}   "
                    f"{name:<{width}}{memory:>10} |"
                )
    return rows
