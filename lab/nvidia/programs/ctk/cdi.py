"""nvidia-ctk cdi generate and cdi list."""

import os
import re
import sys
from argparse import Namespace
from pathlib import Path

from gpus import paths

from ctk import spec, yaml
from ctk.log import line

SPEC_DIRECTORIES = (paths.ROOT / "etc/cdi", paths.ROOT / "var/run/cdi")


def generate(options: Namespace) -> None:
    """Write the specification to --output, or to stdout."""
    text = "---\n" + yaml.dump(spec.generate())
    output = options.output or os.environ.get("NVIDIA_CTK_CDI_OUTPUT_FILE_PATH")
    if not output:
        sys.stdout.write(text)
        return
    path = Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    aside.chmod(0o644)
    aside.replace(path)
    line("info", f"Generated CDI spec with version 0.5.0 at {path}")


def list_devices(options: Namespace) -> None:
    """Print the name of every device in the specifications on this host."""
    found = set()
    for directory in SPEC_DIRECTORIES:
        for path in sorted(directory.glob("*.yaml")):
            text = path.read_text()
            kind = re.search(r"(?m)^kind: (\S+)", text)
            names = re.findall(r'(?m)^ +- name: "?([^"\n]+)"?$', text)
            found |= {f"{kind[1]}={name}" for name in names} if kind else set()
    line("info", f"Found {len(found)} CDI devices")
    for name in sorted(found):
        print(name)
