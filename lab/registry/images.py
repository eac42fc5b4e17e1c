"""The lab's images in its registry: a ready storage in the cache, linked into each lab."""

import json
import os
import shutil
from pathlib import Path

from lab import atomic
from lab.image import build
from lab.image import cache as store
from lab.registry import server
from lab.registry.push import writer
from lab.state import ImageRef

_INDEX = "torchrack-images.json"


def ensure(cache: Path) -> Path:
    """Return a registry storage with all of the lab's images, built if the cache has none."""
    pytorch = build.ensure(cache)
    tools = dict(zip(build.TOOLS_VERSIONS, build.ensure_tools(cache), strict=True))
    current, following = build.TOOLS_VERSIONS
    layouts = {
        "pytorch": (pytorch, f"torchrack/pytorch:{build.pytorch_tag()}"),
        "tools": (tools[current], f"torchrack/tools:{current}"),
        "tools-next": (tools[following], f"torchrack/tools:{following}"),
    }
    key = store.key([], [(layout.name, name) for layout, name in layouts.values()])
    return store.ensure(
        cache / "registry" / f"storage-{key}", lambda work: _fill(work / "storage", layouts)
    )


def provide(lab_dir: Path, cache: Path, address: str) -> dict[str, ImageRef]:
    """Put the lab's images into its registry, running or not, and return their references.

    With a warm cache this takes milliseconds: blobs are hard links into the cache, where the two
    are on one file system. What was pushed to this lab otherwise stays.

    Parameters:
        address: the registry's address and port as hosts see it.
    """
    ready = ensure(cache)
    _link_tree(ready / "docker", server.storage(lab_dir) / "docker")
    index: dict[str, list[str]] = json.loads((ready / _INDEX).read_text())
    return {
        image: ImageRef(reference=f"{address}/{name}", digest=digest)
        for image, (name, digest) in index.items()
    }


def _fill(storage: Path, layouts: dict[str, tuple[Path, str]]) -> Path:
    storage.mkdir()
    with writer(storage) as target:
        index = {
            image: [name, target.push(layout, name)] for image, (layout, name) in layouts.items()
        }
    shutil.rmtree(storage / "docker/registry/v2/repositories/_uploads", ignore_errors=True)
    (storage / _INDEX).write_text(json.dumps(index, indent=1))
    return storage


def _link_tree(source: Path, target: Path) -> None:
    """Add the files of one registry storage to another.

    Blobs never change, so they are linked. The registry overwrites its small `link` files in
    place, which would reach the cache through a hard link: those are copied.
    """
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif path.name == "link":
            atomic.write(copy, path.read_bytes())
        elif not copy.exists():
            _link_or_copy(path, copy)


def _link_or_copy(path: Path, copy: Path) -> None:
    try:
        os.link(path, copy)
    except OSError:
        aside = copy.with_name(f".{copy.name}.new")
        shutil.copyfile(path, aside)
        aside.rename(copy)
