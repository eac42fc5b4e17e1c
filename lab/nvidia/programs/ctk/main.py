"""nvidia-ctk: the subcommands that servers use, for the simulated driver."""

import argparse
import os
import pkgutil
import stat
import sys
from argparse import Namespace
from pathlib import Path

from gpus import paths

from ctk import cdi, log, runtime

VERSION_FILE = paths.ROOT / "usr/share/nvidia-lab/toolkit-version"
CONTROL_NODES = {
    "nvidiactl": (195, 255),
    "nvidia-modeset": (195, 254),
    "nvidia-uvm": (511, 0),
    "nvidia-uvm-tools": (511, 1),
}


def write_config(options: Namespace) -> None:
    """Print the runtime's configuration, or write it in place; --set changes single values."""
    path = Path(options.config_file or "/etc/nvidia-container-runtime/config.toml")
    text = pkgutil.get_data("ctk", "config.toml").decode()
    if path.exists():
        text = path.read_text()
    for change in options.set or []:
        text = _set(text, change)
    if not options.in_place:
        print(text, end="")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    aside.replace(path)


def _set(text: str, change: str) -> str:
    """Return the TOML text with one value changed, given as `table.key=value`."""
    name, _, value = change.partition("=")
    table, _, key = name.rpartition(".")
    current, result, done = "", [], False
    for line in text.splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        written = line.lstrip("#").partition(" = ")[0]
        if current == table and written == key and not done:
            quoted = value if value in ("true", "false") or value.isdigit() else f'"{value}"'
            result.append(f"{key} = {quoted}")
            done = True
        else:
            result.append(line)
    if not done:
        raise log.Failure(f"invalid config option: {name}")
    return "\n".join(result) + "\n"


def create_device_nodes(options: Namespace) -> None:
    """Make the control device nodes of the loaded module."""
    if not (paths.proc_nvidia() / "version").exists():
        raise log.Failure(
            "failed to create control device nodes: the NVIDIA kernel module is not loaded"
        )
    for name, (major, minor) in CONTROL_NODES.items():
        if not (paths.DEV / name).exists():
            os.mknod(paths.DEV / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))


def _parser() -> argparse.ArgumentParser:
    version = VERSION_FILE.read_text().strip() if VERSION_FILE.exists() else "unknown"
    parser = argparse.ArgumentParser(prog="nvidia-ctk", allow_abbrev=False)
    parser.add_argument(
        "--version",
        "-v",
        action="version",
        version=f"NVIDIA Container Toolkit CLI version {version}",
    )
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--debug", "-d", action="store_true")
    commands = parser.add_subparsers(required=True)

    cdi_commands = commands.add_parser("cdi").add_subparsers(required=True)
    generate = cdi_commands.add_parser("generate")
    generate.add_argument("--output")
    generate.add_argument("--format", choices=["yaml"], default="yaml")
    generate.add_argument("--mode", default="auto")
    generate.set_defaults(run=cdi.generate)
    cdi_commands.add_parser("list").set_defaults(run=cdi.list_devices)

    configure = commands.add_parser("runtime").add_subparsers(required=True).add_parser("configure")
    configure.add_argument("--runtime", default="docker")
    configure.add_argument("--config")
    configure.add_argument("--dry-run", action="store_true")
    configure.add_argument(
        "--nvidia-runtime-path", "--runtime-path", default="nvidia-container-runtime"
    )
    configure.add_argument(
        "--nvidia-set-as-default", "--set-as-default", dest="set_as_default", action="store_true"
    )
    configure.add_argument(
        "--cdi.enabled", "--cdi.enable", "--enable-cdi", dest="cdi_enabled", action="store_true"
    )
    configure.set_defaults(run=runtime.configure)

    config = commands.add_parser("config")
    config.add_argument("--config-file")
    config.add_argument("--in-place", action="store_true")
    config.add_argument("--set", action="append")
    config.set_defaults(run=write_config)

    nodes = (
        commands.add_parser("system")
        .add_subparsers(required=True)
        .add_parser("create-device-nodes")
    )
    nodes.add_argument("--control-devices", action="store_true")
    nodes.set_defaults(run=create_device_nodes)
    return parser


def main() -> int:
    """Run with this process's arguments and return the exit status."""
    options = _parser().parse_args()
    log.quiet = options.quiet
    try:
        options.run(options)
    except log.Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0
