"""The subcommands topo, nvlink and mig."""

import pkgutil

from smi.nvml import Gpu, Nvml, Stop


def run(nvml: Nvml, words: list[str]) -> None:
    """Run a subcommand with its arguments. Raises Stop for one that is not simulated."""
    if words == ["topo", "-m"]:
        _topology(nvml)
    elif words in (["nvlink", "-s"], ["nvlink", "--status"]):
        _nvlink(nvml)
    elif words[:2] in (["mig", "-lgi"], ["mig", "-lci"]):
        _mig(nvml, words[1])
    else:
        raise Stop(
            255,
            f"ERROR: Option {words[-1]} is not recognized. "
            f"Please run 'nvidia-smi {words[0]} -h'.\n",
        )


def _numa_node(gpu: Gpu) -> int:
    # The server's buses from 0x80 on hang on its second CPU.
    return int(int(gpu.device.address[5:7], 16) >= 0x80)


def _connection(one: Gpu, other: Gpu) -> str:
    if one is other:
        return " X "
    if one.model.nvlinks and other.model.nvlinks:
        return f"NV{one.model.nvlinks}"
    return "NODE" if _numa_node(one) == _numa_node(other) else "SYS"


def _topology(nvml: Nvml) -> None:
    names = "\t".join(f"GPU{gpu.index}" for gpu in nvml.gpus)
    print(f"\t\033[4m{names}\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\033[0m")
    for gpu in nvml.gpus:
        row = "\t".join(_connection(gpu, other) for other in nvml.gpus)
        print(f"GPU{gpu.index}\t{row}\t0-63\t{_numa_node(gpu)}\t\t0")
    print(pkgutil.get_data("smi", "legend.txt").decode(), end="")


def _nvlink(nvml: Nvml) -> None:
    for gpu in nvml.gpus:
        print(f"GPU {gpu.index}: {gpu.model.name} (UUID: {gpu.device.uuid})")
        for link in range(gpu.model.nvlinks):
            down = link in gpu.set.get("links_down", ())
            print(f"\t Link {link}: {'<inactive>' if down else f'{gpu.model.link_speed} GB/s'}")


def _mig(nvml: Nvml, option: str) -> None:
    if not any(gpu.mig for gpu in nvml.gpus):
        if nvml.branch < 550:
            raise Stop(6, "No MIG-enabled devices found.")
        print("No MIG-enabled devices found.")
        return
    kind = "GPU" if option == "-lgi" else "Compute"
    raise Stop(6, f"No {kind} instances found: Not Found")
