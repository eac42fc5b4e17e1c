"""Kernel packages, built with the real dpkg-deb."""

from pathlib import Path

import pytest

from lab import kernel
from lab.command import run


@pytest.fixture(autouse=True)
def fixed_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "release", lambda: "6.8.0-45-generic")


def test_the_image_owns_what_a_kernel_owns(tmp_path: Path) -> None:
    image, headers = kernel.build(tmp_path)
    content = run(["dpkg-deb", "--contents", image])
    for path in ("boot/vmlinuz-6.8.0-45-generic", "lib/modules/6.8.0-45-generic/modules.builtin"):
        assert f"./{path}\n" in content
    assert run(["dpkg-deb", "--field", image, "Package"]) == "linux-image-6.8.0-45-generic\n"
    assert "build -> /usr/src/linux-headers-6.8.0-45-generic" in run(
        ["dpkg-deb", "--contents", headers]
    )


def test_installing_it_makes_the_initramfs(tmp_path: Path) -> None:
    run(["dpkg-deb", "--control", kernel.build(tmp_path)[0], tmp_path / "control"])
    script = (tmp_path / "control/postinst").read_text()
    assert "depmod 6.8.0-45-generic\n" in script
    assert "--arg=6.8.0-45-generic" in script
    assert "/etc/kernel/postinst.d" in script
    run(["sh", "-n", tmp_path / "control/postinst"])
    run(["sh", "-n", tmp_path / "control/postrm"])


@pytest.mark.parametrize(
    ("flavour", "expected"),
    [
        ("amd64", {"linux-image-amd64", "linux-headers-amd64"}),
        ("generic", {"linux-image-generic", "linux-headers-generic", "linux-generic"}),
    ],
)
def test_each_system_has_its_meta_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flavour: str, expected: set[str]
) -> None:
    monkeypatch.setattr(kernel, "architecture", lambda: "amd64")
    packages = kernel.build_meta(tmp_path, flavour)
    assert {run(["dpkg-deb", "--field", path, "Package"]).strip() for path in packages} == expected
    assert run(["dpkg-deb", "--field", packages[0], "Depends", "Version"]) == (
        "Depends: linux-image-6.8.0-45-generic\nVersion: 6.8.0-1\n"
    )
