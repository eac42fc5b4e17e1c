"""What the lab serves to its servers on the bridge: packages and images."""

from collections.abc import Callable

from lab import ca, network, processes
from lab.errors import LabError
from lab.nvidia import mirror
from lab.paths import cache_dir
from lab.progress import Progress
from lab.registry import images, server
from lab.state import Lab, Mirror, Registry


def tasks(lab: Lab, progress: Progress, *, with_images: bool) -> list[Callable[[], None]]:
    """Return what brings the services up; the parts may run at the same time."""

    if lab.services_of is not None:
        return []

    def registry() -> None:
        _registry(lab, progress)
        if with_images:
            _images(lab, progress)

    return [lambda: _mirror(lab, progress), registry]


def share(lab: Lab, other: Lab) -> None:
    """Have the lab use the services, the authority and the login key of another one.

    Raises:
        LabError: the other lab has no services yet, or uses those of a third.
    """
    if other.mirror is None or other.registry is None:
        raise LabError(f"the lab in {other.directory} has no services to share")
    lab.services_of = other.services_of or other.id
    lab.registry, lab.mirror, lab.images = other.registry, other.mirror, dict(other.images)
    lab.ca_cert, lab.ssh_key = other.ca_cert, other.ssh_key


def status(lab: Lab) -> dict[str, bool]:
    """Return each service of the lab's own with whether it runs."""
    if lab.services_of is not None:
        return {}
    return {name: processes.find(lab, name) is not None for name in ("mirror", "registry")}


def _mirror(lab: Lab, progress: Progress) -> None:
    files = mirror.build(lab.directory / "mirror", cache_dir())
    if lab.mirror is None or processes.find(lab, "mirror") is None:
        processes.stop(lab, "mirror")
        port = network.free_port(lab, network.MIRROR_PORTS)
        with progress.step(f"package mirror: http://{lab.gateway}:{port}"):
            pid = mirror.start(lab.directory, files.root, lab.gateway, port)
            processes.adopt(lab, "mirror", pid)
        uri = f"http://{lab.gateway}:{port}"
    else:
        uri = lab.mirror.uri
    lab.mirror = Mirror(uri=uri, key_file=files.key_file, key_fingerprint=files.key_fingerprint)


def _registry(lab: Lab, progress: Progress) -> None:
    if lab.registry is not None and processes.find(lab, "registry") is not None:
        return
    processes.stop(lab, "registry")
    port = network.free_port(lab, network.REGISTRY_PORTS)
    with progress.step(f"registry: {lab.gateway}:{port}"):
        certificate, key = ca.issue(lab, "registry", lab.gateway)
        pid = server.start(lab.directory, lab.gateway, port, cert=certificate, key=key)
        processes.adopt(lab, "registry", pid)
    lab.registry = Registry(
        address=f"{lab.gateway}:{port}",
        ca_cert=lab.ca_cert,
        pull_user=server.PULL_USER,
        pull_password_file=server.pull_password_file(lab.directory),
    )


def _images(lab: Lab, progress: Progress) -> None:
    if lab.registry is not None:
        with progress.step("images"):
            lab.images = images.provide(lab.directory, cache_dir(), lab.registry.address)
