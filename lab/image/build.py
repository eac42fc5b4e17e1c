"""Build the lab's images, or find them in the cache: OCI layouts with plain layers."""

import datetime
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lab.command import run
from lab.errors import LabError
from lab.image import base, wheels
from lab.image import cache as store
from lab.image.buildah import Buildah

HERE = Path(__file__).parent
TOOLS_VERSIONS = ("1.0", "1.1")
_RECIPE = 3  # raised when the way of building changes


def pytorch_tag() -> str:
    """Return the tag of the PyTorch image, such as 2.13.0-cpu-py311."""
    return f"{wheels.torch_version()}-cpu-py311"


def ensure(cache: Path) -> Path:
    """Return the OCI layout of the PyTorch image, built if the cache has none (about 100 s).

    Raises:
        LabError: not root, or a tool failed; with its words.
    """
    files = [HERE / "Containerfile", wheels.LOCK, *_files("commands"), *_files("settings")]
    name = f"pytorch-{store.key(files, _RECIPE, base.key(), wheels.torch_version())}"
    return store.ensure(cache / "image" / name, partial(_build_pytorch, cache))


def ensure_tools(cache: Path) -> list[Path]:
    """Return the OCI layouts of the tools image, one for each of TOOLS_VERSIONS."""
    key = store.key(_files("tools"), _RECIPE, base.key())
    return [
        store.ensure(
            cache / "image" / f"tools-{version}-{key}",
            partial(_build_tools, cache, version),
        )
        for version in TOOLS_VERSIONS
    ]


def _build_pytorch(cache: Path, work: Path) -> Path:
    _require_root()
    with ThreadPoolExecutor() as pool:
        downloads = pool.submit(wheels.ensure, cache)
        buildah = Buildah(work)
        buildah.import_archive(base.ensure(cache), "localhost/torchrack-base")
        labels = {
            **_labels("Torchrack lab PyTorch", pytorch_tag()),
            "io.torchrack.torch": wheels.torch_version(),
            "io.torchrack.cuda": "none",
            "io.torchrack.python": wheels.PYTHON,
        }
        volumes = {downloads.result(): "/wheels"}
    buildah.build(HERE, work / "image", labels=labels, volumes=volumes)
    return work / "image"


def _build_tools(cache: Path, version: str, work: Path) -> Path:
    _require_root()
    context = work / "context"
    context.mkdir()
    for path in _files("tools"):
        (context / path.name).write_bytes(path.read_bytes())
    archive = base.ensure(cache)
    run(["tar", "-x", "-f", archive, "-C", work, "--wildcards", "*/bin/busybox"])
    next(work.glob("**/bin/busybox")).rename(context / "busybox")
    Buildah(work).build(
        context,
        work / "image",
        labels=_labels("Torchrack lab tools", version),
        arguments={"VERSION": version},
    )
    return work / "image"


def _labels(title: str, version: str) -> dict[str, str]:
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return {
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.created": now.isoformat(),
    }


def _files(folder: str) -> list[Path]:
    return [path for path in sorted((HERE / folder).iterdir()) if path.is_file()]


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("building the lab's images needs root; run it with sudo")
