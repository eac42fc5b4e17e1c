"""The image's Python packages: fetched by the control machine's pip, pinned in a lock file.

`python -m lab.image.wheels` writes requirements.lock anew from requirements.in.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from lab.command import run
from lab.errors import LabError
from lab.image import cache as store

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.in"
LOCK = HERE / "requirements.lock"
PYTHON = "3.11.2"  # Debian 12's; a wheel chosen for a newer 3.11 may refuse to install there
# PyTorch's own index of CPU builds (pytorch.org/get-started), for where pip finds only CUDA's.
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_TARGET = (
    "--only-binary=:all:",
    f"--python-version={PYTHON}",
    "--implementation=cp",
    *(f"--abi={abi}" for abi in ("cp311", "abi3", "none")),
    *(f"--platform=manylinux{version}_x86_64" for version in ("_2_28", "_2_17", "2014")),
    "--platform=any",
)
_LOCK_HEAD = """\
# The lab image's Python packages beside torch, for CPython 3.11.2 on x86_64.
# Made from requirements.in by `python -m lab.image.wheels`. torch has no hash here: its CPU build
# has another file in each index.
"""


def torch_version() -> str:
    """Return the version of torch that requirements.in asks for."""
    found = re.search(r"^torch==(\S+)$", REQUIREMENTS.read_text(), re.MULTILINE)
    if found is None:
        raise LabError(f"{REQUIREMENTS}: no line torch==VERSION")
    return found[1]


def ensure(cache: Path) -> Path:
    """Return a directory with the wheels, downloaded if the cache has none (10 s, 260 MB)."""
    name = f"wheels-{store.key([LOCK], torch_version(), _TARGET)}"
    return store.ensure(cache / "image" / name, _download)


def _download(work: Path) -> Path:
    wheels = work / "wheels"
    fetch = ["download", "--no-deps", *_TARGET, f"--dest={wheels}"]
    _pip([*fetch, "--require-hashes", f"--requirement={LOCK}"])
    _pip([*fetch, *_torch_source(), f"torch=={torch_version()}"])
    return wheels


def _torch_source() -> list[str]:
    """Return pip's options for a CPU build: none where pip as configured finds one."""
    report = resolve([f"torch=={torch_version()}"], "--no-deps")
    needs = report[0]["metadata"].get("requires_dist", [])
    return [] if is_cpu_build(needs) else [f"--index-url={_CPU_INDEX}"]


def is_cpu_build(requires: list[str]) -> bool:
    """Whether a torch wheel that requires these packages is built without CUDA."""
    return not any(re.match(r"(nvidia|cuda|triton)\b", name) for name in requires)


def resolve(requirements: list[str], *options: str) -> list[dict[str, Any]]:
    """Return what pip would install for the image: the `install` list of its report.

    Its form: https://pip.pypa.io/en/stable/reference/installation-report/
    """
    chosen = ["install", "--dry-run", "--ignore-installed", "--target=/nonexistent", "--report=-"]
    report = json.loads(_pip([*chosen, *_TARGET, *options, *requirements]))
    installed: list[dict[str, Any]] = report["install"]
    return installed


def lock_text(installed: list[dict[str, Any]]) -> str:
    """Return requirements.lock for pip's report: every package but torch with its hash."""
    pins = {}
    for item in installed:
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
        pins[name] = f"{name}=={item['metadata']['version']} \\\n    --hash=sha256:{sha256}\n"
    pins.pop("torch")
    return _LOCK_HEAD + "".join(pins[name] for name in sorted(pins))


def _pip(arguments: list[str]) -> str:
    return run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments])


if __name__ == "__main__":
    LOCK.write_text(lock_text(resolve([f"--requirement={REQUIREMENTS}"])))
