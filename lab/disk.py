"""A server's disk: the bare root file system, made this server's own; `rootfs` links to it."""

import json
import shutil
import tempfile
import uuid
from pathlib import Path

from lab import apt, identity, kernel, logins, pool, resolver, rootfs, user_data
from lab.command import run
from lab.state import Host, Lab
from lab.systems import System, find

_FILES = Path(__file__).with_name("host")
# They wait for a terminal that a simulated server does not have.
_MASKED = ("console-getty.service", "getty@.service", "container-getty@.service")


def make(lab: Lab, name: str, host: Host, archive: Path) -> None:
    """Make the disk of the server `name` from `archive`, in place of the one it has."""
    system = find(host.os)
    new = _place(lab, name).with_name(f"{name}.new")
    pool.remove(new)
    pool.copy(rootfs.bare(archive), new)
    _name(new, name)
    _find_mirrors(new, system)
    _dress(new, system)
    equip(new, host)
    if host.user_data is not None:
        user_data.seed(new, name, host.user_data, held=host.held)
    else:
        _let_in(new, lab, name, host)
    _put(lab, name, new)


def keep(lab: Lab, name: str, target: Path) -> None:
    """Copy the disk of the server `name`, on or off, to `target`, which is not there yet."""
    pool.copy((lab.machine_dir(name) / "rootfs").resolve(), target)


def take(lab: Lab, name: str, source: Path, *, rename: bool) -> None:
    """Give the server `name`, which is off, a copy of a disk that was kept.

    Parameters:
        source: the disk that was kept.
        rename: it was another server's: its name, machine id and host keys become this one's.
    """
    new = _place(lab, name).with_name(f"{name}.new")
    pool.remove(new)
    pool.copy(source, new)
    if rename:
        _name(new, name)
        _install_host_keys(new, lab, name)
    _put(lab, name, new)


def remove(lab: Lab, name: str) -> None:
    """Remove the disk of a server that is off, if it is there."""
    link = lab.machine_dir(name) / "rootfs"
    if link.is_symlink():
        link.unlink()
    else:
        pool.remove(link)  # of a lab that was made when disks lay there
    pool.remove(_place(lab, name))


def remove_all(lab_id: str) -> None:
    """Remove all that the pool holds of a lab: its servers' disks."""
    folder = pool.ensure() / "labs" / lab_id
    for disk in folder.glob("*"):
        pool.remove(disk)
    shutil.rmtree(folder, ignore_errors=True)


def _place(lab: Lab, name: str) -> Path:
    return pool.ensure() / "labs" / lab.id / name


def _put(lab: Lab, name: str, new: Path) -> None:
    remove(lab, name)
    new.rename(_place(lab, name))
    lab.machine_dir(name).mkdir(parents=True, exist_ok=True)
    (lab.machine_dir(name) / "rootfs").symlink_to(_place(lab, name))


def equip(root: Path, host: Host) -> None:
    """Give the server what its hardware is known by: a disk for Docker, GPUs that are dead."""
    if host.docker_disk is not None:
        with (root / "etc/fstab").open("a") as fstab:
            fstab.write(f"docker-disk /var/lib/docker tmpfs size={host.docker_disk}M 0 0\n")
    if host.lost_gpus:
        state = root / "var/lib/nvidia-lab/state.json"
        state.parent.mkdir(parents=True)
        state.write_text(json.dumps({"gpus": {str(gpu): {"lost": True} for gpu in host.lost_gpus}}))


def _name(root: Path, name: str) -> None:
    (root / "etc/hostname").write_text(f"{name}\n")
    # Without one systemd takes the boot for the first and applies its presets to all services.
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (root / "etc/hosts").write_text(
        f"127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n\n"
        "::1\t\tlocalhost ip6-localhost ip6-loopback\nff02::1\t\tip6-allnodes\n"
        "ff02::2\t\tip6-allrouters\n"
    )


def _find_mirrors(root: Path, system: System) -> None:
    distribution, _ = apt.distribution()
    suite = system.suites[distribution]
    folder = root / "etc/apt"
    (folder / f"sources.list.d/{system.distribution}.sources").write_text(apt.deb822(suite))
    if settings := apt.configuration():
        (folder / "apt.conf.d/90mirrors").write_text(settings)
    uris = [source.uri for source in apt.sources(suite)]
    resolv = root / "etc/resolv.conf"
    resolv.unlink(missing_ok=True)
    text = resolver.resolv_conf()
    resolv.write_text(text or "")
    if text is None:
        with (root / "etc/hosts").open("a") as hosts:
            hosts.write(resolver.hosts_entries(uris))
    if any(uri.startswith("https:") for uri in uris):
        for authority in Path("/usr/local/share/ca-certificates").rglob("*.crt"):
            shutil.copy(authority, root / "usr/local/share/ca-certificates")
        _chroot(root, "update-ca-certificates")


def _dress(root: Path, system: System) -> None:
    _copy(_FILES / "common", root)
    _chroot(root, "systemctl", "enable", "lab-cgroups.service")
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for link in (root / "etc/systemd/system/getty.target.wants").glob("*"):
        link.unlink()
    dress = _FILES / system.name
    if dress.is_dir():
        if _release(root) != _release(dress):
            diverted = "/usr/lib/os-release"  # an upgrade of base-files would bring its own back
            _chroot(
                root, "dpkg-divert", "--quiet", "--rename", "--divert", f"{diverted}.base", diverted
            )
        _copy(dress, root)
    if system.distribution == "ubuntu":
        (root / "etc/ssh/sshd_config.d/50-cloud-init.conf").chmod(0o600)
        _chroot(root, "systemctl", "disable", "ssh.service")
        _chroot(root, "systemctl", "enable", "ssh.socket")
    _install_kernel_meta(root, system)


def _install_kernel_meta(root: Path, system: System) -> None:
    with tempfile.TemporaryDirectory(dir=root / "tmp") as temporary:
        packages = kernel.build_meta(Path(temporary), system.flavour)
        _chroot(root, "dpkg", "-i", *(f"/{package.relative_to(root)}" for package in packages))


def _let_in(root: Path, lab: Lab, name: str, host: Host) -> None:
    """Make the login a provider hands over, and the server's own host keys."""
    script = logins.script(logins.find(host.login), host.user, identity.ensure_login_key(lab))
    password = host.password_file.read_text().strip() if host.password_file else ""
    secret = f"{host.user}:{password}" if password else ""
    _chroot(root, "sh", "-c", script, stdin=secret)
    _install_host_keys(root, lab, name)


def _install_host_keys(root: Path, lab: Lab, name: str) -> None:
    for key in (lab.machine_dir(name) / "identity").iterdir():
        copy = root / "etc/ssh" / key.name
        shutil.copyfile(key, copy)
        copy.chmod(0o644 if key.suffix == ".pub" else 0o600)


def _release(root: Path) -> list[str]:
    lines = (root / "usr/lib/os-release").read_text().splitlines()
    return sorted(line for line in lines if line.startswith(("ID=", "VERSION_ID=")))


def _copy(tree: Path, root: Path) -> None:
    for source in tree.rglob("*"):
        target = root / source.relative_to(tree)
        if source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.unlink(missing_ok=True)  # not through a link to somewhere else
            shutil.copyfile(source, target)
            target.chmod(0o644)


def _chroot(root: Path, *argv: str, stdin: str | None = None) -> None:
    run(["chroot", root, *argv], stdin=stdin, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
