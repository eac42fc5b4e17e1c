"""nvidia-ctk runtime configure, for Docker."""

import json
import os
from argparse import Namespace
from pathlib import Path

from gpus import paths

from ctk.log import Failure, line

DOCKER_CONFIG = paths.ROOT / "etc/docker/daemon.json"


def configure(options: Namespace) -> None:
    """Add the nvidia runtime to daemon.json, or print the result with --dry-run.

    Known to drop every other key of "features" when it enables CDI
    (NVIDIA/nvidia-container-toolkit, pkg/config/engine/docker/docker.go).
    """
    if options.runtime != "docker":
        raise Failure(f"unrecognized runtime '{options.runtime}'")
    path = Path(options.config or DOCKER_CONFIG)
    content = _read(path)
    runtimes = content.setdefault("runtimes", {})
    runtimes["nvidia"] = {"args": [], "path": options.nvidia_runtime_path}
    if options.set_as_default:
        content["default-runtime"] = "nvidia"
    if options.cdi_enabled:
        content["features"] = {"cdi": True}
    text = json.dumps(content, indent=4, sort_keys=True)
    if options.dry_run:
        print(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    aside.replace(path)
    line("info", f"Wrote updated config to {path}")
    line("info", "It is recommended that docker daemon be restarted.")


def _read(path: Path) -> dict:
    if not path.exists() or not path.read_text().strip():
        line("info", "Config file does not exist; using empty config")
        return {}
    line("info", f"Loading config from {path}")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        message = f"unable to load config for runtime docker: unable to read config: {error}"
        raise Failure(message) from error
