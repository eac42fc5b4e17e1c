"""nvidia-smi: the forms, messages and exit statuses of NVIDIA's program, for simulated GPUs.

Everything goes to stdout, errors too, as in the genuine program.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from smi import csv, links, report, settings, table
from smi.nvml import Gpu, Nvml, Stop, initialise

# Options that take a value, as "-i 0" or "--id=0"; each under the name it has here.
WITH_VALUE = {
    "-i": "id", "--id": "id", "-d": "display", "--display": "display", "--format": "format",
    "-f": "file", "--query-gpu": "query-gpu", "--query-compute-apps": "query-compute-apps",
    "--query-remapped-rows": "query-remapped-rows", "-pm": "persistence-mode",
    "--persistence-mode": "persistence-mode", "-pl": "power-limit", "--power-limit": "power-limit",
    "-mig": "mig-mode", "--multi-instance-gpu": "mig-mode",
}  # fmt: skip
FLAGS = {
    "-L": "list", "--list-gpus": "list", "-q": "query", "--query": "query", "--version": "version",
    "-h": "help", "--help": "help", "-r": "reset", "--gpu-reset": "reset",
}  # fmt: skip
UNKNOWN_OPTION = "ERROR: Option {} is not recognized. Please run 'nvidia-smi -h'.\n"
SUBCOMMANDS = ("topo", "nvlink", "mig")
USAGE = """\
NVIDIA System Management Interface (simulated GPUs)

    nvidia-smi [OPTION1 [ARG1]] [OPTION2 [ARG2]] ...

    -L, -q [-d TYPES], -i ID, --version, topo -m, nvlink -s, mig -lgi,
    --query-gpu=FIELDS --format=csv[,noheader][,nounits], --query-compute-apps=FIELDS,
    --query-remapped-rows=FIELDS, -pm 0|1, -pl WATTS, -mig 0|1, --gpu-reset"""


@dataclass
class Options:
    """The command line, by this program's names of the options."""

    values: dict[str, str] = field(default_factory=dict)
    subcommand: list[str] = field(default_factory=list)


def parse(arguments: list[str]) -> Options:
    """Return the options. Raises Stop with status 255 for one that is not recognised."""
    options = Options()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word in SUBCOMMANDS and not options.values:
            return Options(subcommand=arguments)
        if name in WITH_VALUE:
            if not equals:
                if not rest:
                    raise Stop(2, f"Option {name} requires a value. Please run 'nvidia-smi -h'.\n")
                value = rest.pop(0)
            options.values[WITH_VALUE[name]] = value
        elif word in FLAGS:
            options.values[FLAGS[word]] = ""
        else:
            raise Stop(255, UNKNOWN_OPTION.format(word))
    return options


def _named_by(gpu: Gpu, identity: str) -> bool:
    bus = identity.upper()
    short = gpu.device.bus_id[4:]
    return identity in (str(gpu.index), gpu.device.uuid, gpu.serial) or bus in (
        gpu.device.bus_id,
        short,
    )


def _select(nvml: Nvml, identities: str | None) -> Nvml:
    if identities is not None:
        chosen = [
            gpu
            for gpu in nvml.gpus
            if any(_named_by(gpu, identity.strip()) for identity in identities.split(","))
        ]
        nvml = replace(nvml, gpus=chosen)
    if not nvml.gpus:
        raise Stop(6, "No devices were found")
    return nvml


def _version(nvml: Nvml) -> None:
    print(f"NVIDIA-SMI version  : {nvml.version}")
    print(f"NVML version        : {nvml.library}")
    print(f"DRIVER version      : {nvml.version}")
    print(f"CUDA Version        : {nvml.cuda}")


def _list(nvml: Nvml) -> None:
    for gpu in nvml.gpus:
        print(f"GPU {gpu.index}: {gpu.model.name} (UUID: {gpu.device.uuid})")


def _act(nvml: Nvml, asked: dict[str, str]) -> None:
    """Do the first of these forms that is asked for; without any, print the table."""
    layout = asked.get("format")
    forms: dict[str, Callable[[str], None]] = {
        "list": lambda value: _list(nvml),
        "query-gpu": lambda value: csv.gpus(nvml, value, layout),
        "query-compute-apps": lambda value: csv.compute_apps(nvml, value, layout),
        "query-remapped-rows": lambda value: csv.remapped_rows(nvml, value, layout),
        "query": lambda value: report.show(nvml, asked.get("display")),
        "persistence-mode": lambda value: settings.persistence_mode(nvml, value),
        "power-limit": lambda value: settings.power_limit(nvml, value),
        "mig-mode": lambda value: settings.mig_mode(nvml, value),
        "reset": lambda value: settings.reset(nvml),
    }
    for name, act in forms.items():
        if name in asked:
            act(asked[name])
            return
    table.show(nvml)


def run(arguments: list[str]) -> None:
    """Do what the command line asks. Raises Stop to end with another status than 0."""
    options = parse(arguments)
    if "help" in options.values:
        print(USAGE)
        return
    nvml = initialise()
    if "version" in options.values and nvml.branch < 550:
        raise Stop(255, UNKNOWN_OPTION.format("--version"))
    if "version" in options.values:
        _version(nvml)
        return
    nvml = _select(nvml, options.values.get("id"))
    if options.subcommand:
        links.run(nvml, options.subcommand)
    else:
        _act(nvml, options.values)
    _warn(nvml)


def _warn(nvml: Nvml) -> None:
    """Raise Stop with the words about a damaged infoROM, after an answer that is as always."""
    damaged = [gpu for gpu in nvml.gpus if gpu.set.get("inforom_corrupted")]
    if damaged:
        words = (f"WARNING: infoROM is corrupted at gpu {gpu.device.bus_id[4:]}" for gpu in damaged)
        raise Stop(14, "\n".join(words))


def main() -> int:
    """Run with this process's arguments and return the exit status."""
    try:
        run(sys.argv[1:])
    except Stop as stop:
        print(stop)
        return stop.status
    return 0
