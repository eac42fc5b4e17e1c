"""Kernel packages for servers that share this machine's kernel.

A bare server has a kernel package, with its files in /boot and /lib/modules, an initramfs that is
made when modules change, and a meta package that follows the newest. These packages own just that
and hold no kernel: `linux-image-VERSION`, `linux-headers-VERSION` and their meta packages.
"""

import platform
import re
import tempfile
from pathlib import Path

from lab.command import run

_HOOK = """#!/bin/sh
set -e
if [ "$1" = {action} ]; then
    DEB_MAINT_PARAMS="$*" run-parts --report --exit-on-error \\
        --arg={release} --arg=/boot/vmlinuz-{release} /etc/kernel/{script}.d
fi
"""


def release() -> str:
    """Return the running kernel's release, which is also the servers'."""
    return platform.release()


def version() -> str:
    """Return the Debian version of the kernel packages."""
    number = re.match(r"\d+(?:\.\d+)*", release())
    return f"{number[0] if number else '0'}-1"


def build(folder: Path) -> list[Path]:
    """Build the image and headers packages of the running kernel into `folder`."""
    return [_image(folder), _headers(folder)]


def build_meta(folder: Path, flavour: str) -> list[Path]:
    """Build the meta packages into `folder`; `flavour` is `amd64` for Debian, or `generic`."""
    flavour = architecture() if flavour == "amd64" else flavour
    metas = {
        f"linux-image-{flavour}": f"linux-image-{release()}",
        f"linux-headers-{flavour}": f"linux-headers-{release()}",
    }
    if flavour == "generic":
        metas["linux-generic"] = "linux-image-generic, linux-headers-generic"
    return [_package(folder, name, {}, depends=depends) for name, depends in metas.items()]


def architecture() -> str:
    """Return dpkg's name of this machine's architecture."""
    return run(["dpkg", "--print-architecture"]).strip()


def _image(folder: Path) -> Path:
    kernel = release()
    modules = f"lib/modules/{kernel}"
    content = {
        f"boot/vmlinuz-{kernel}": f"No kernel: this server runs on its host's, {kernel}.\n",
        f"boot/System.map-{kernel}": "ffffffffffffffff B -- no symbols: a simulated server\n",
        # mkinitramfs reads its compressor's support here.
        f"boot/config-{kernel}": "CONFIG_MODULES=y\nCONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n",
        f"{modules}/modules.order": "",
        f"{modules}/modules.builtin": "kernel/fs/ext4/ext4.ko\nkernel/drivers/pci/pci.ko\n",
        f"{modules}/modules.builtin.modinfo": "",
    }
    scripts = {
        "postinst": f"#!/bin/sh\nset -e\ndepmod {kernel}\n"
        + _HOOK.format(action="configure", release=kernel, script="postinst").partition("set -e\n")[
            2
        ],
        "postrm": _HOOK.format(action="remove", release=kernel, script="postrm"),
    }
    return _package(
        folder, f"linux-image-{kernel}", content, depends="kmod, initramfs-tools", scripts=scripts
    )


def _headers(folder: Path) -> Path:
    kernel = release()
    source = f"usr/src/linux-headers-{kernel}"
    content = {
        f"{source}/Makefile": "# Headers of a simulated server's kernel: nothing builds here.\n",
        f"{source}/include/generated/utsrelease.h": f'#define UTS_RELEASE "{kernel}"\n',
    }
    links = {f"lib/modules/{kernel}/build": f"/{source}"}
    return _package(folder, f"linux-headers-{kernel}", content, links=links)


def _package(
    folder: Path,
    name: str,
    content: dict[str, str],
    *,
    depends: str = "",
    scripts: dict[str, str] | None = None,
    links: dict[str, str] | None = None,
) -> Path:
    control = [f"Package: {name}", f"Version: {version()}", f"Architecture: {architecture()}"]
    control += [
        "Section: kernel",
        "Priority: optional",
        "Maintainer: Simulated Servers <root@localhost>",
    ]
    control += [f"Depends: {depends}"] if depends else []
    control += ["Description: kernel package of a simulated server", " It holds no kernel.", ""]
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        root.chmod(0o755)
        for path, text in content.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        for path, target in (links or {}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(target)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text("\n".join(control))
        for script, text in (scripts or {}).items():
            (root / "DEBIAN" / script).write_text(text)
            (root / "DEBIAN" / script).chmod(0o755)
        package = folder / f"{name}_{version()}_{architecture()}.deb"
        run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", root, package])
    return package
