"""What the lab serves to its servers on the bridge: packages and images."""

from collections.abc import Callable

from lab import ca, processes
from lab.nvidia import mirror
from lab.paths import cache_dir
from lab.progress import Progress
from lab.registry import images, server
from lab.state import Lab, Mirror, Registry

_MIRROR_PORT = 8080


def tasks(lab: Lab, progress: Progress, *, with_images: bool) -> list[Callable[[], None]]:
    """Return what brings the services up; the parts may run at the same time."""
    wanted: list[Callable[[], None]] = [
        lambda: _mirror(lab, progress),
        lambda: _registry(lab, progress),
    ]
    if with_images:
        wanted.append(lambda: _images(lab, progress))
    return wanted


def status(lab: Lab) -> dict[str, bool]:
    """Return each service with whether it runs."""
    return {name: processes.find(lab, name) is not None for name in ("mirror", "registry")}


def _mirror(lab: Lab, progress: Progress) -> None:
    files = mirror.build(lab.directory / "mirror", cache_dir())
    lab.mirror = Mirror(
        uri=f"http://{lab.gateway}:{_MIRROR_PORT}",
        key_file=files.key_file,
        key_fingerprint=files.key_fingerprint,
    )
    if processes.find(lab, "mirror") is None:
        with progress.step(f"package mirror: {lab.mirror.uri}"):
            pid = mirror.start(lab.directory, files.root, lab.gateway, _MIRROR_PORT)
            processes.adopt(lab, "mirror", pid)


def _registry(lab: Lab, progress: Progress) -> None:
    address = f"{lab.gateway}:{server.PORT}"
    if processes.find(lab, "registry") is None:
        with progress.step(f"registry: {address}"):
            certificate, key = ca.issue(lab, "registry", lab.gateway)
            pid = server.start(lab.directory, lab.gateway, server.PORT, cert=certificate, key=key)
            processes.adopt(lab, "registry", pid)
    lab.registry = Registry(
        address=address,
        ca_cert=lab.ca_cert,
        pull_user=server.PULL_USER,
        pull_password_file=server.pull_password_file(lab.directory),
    )


def _images(lab: Lab, progress: Progress) -> None:
    with progress.step("images"):
        lab.images = images.provide(lab.directory, cache_dir(), f"{lab.gateway}:{server.PORT}")
