"""Plans of apt that bring along what nobody asked for are refused, and the host is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.harness import Lab

HOST = "gpu01"
VERSIONS = {
    "branch-jump": "1.91.0-1",
    "transitional": "1.92.0-1",
    "removal": "1.93.0-1",
    "kernel": "1.94.0-1",
    "downgrade": "1.95.0-1",
}


@pytest.fixture(scope="module")
def trapped(lab: Lab) -> Iterator[Lab]:
    """The lab, whose host gets its own repositories back in the end."""
    yield lab
    done = lab.deploy("--data", "only=driver,toolkit", "--limit", HOST)
    assert [name for name in done.changed(HOST) if "repository" not in name] == []


def packages(lab: Lab) -> str:
    return lab.ssh(HOST, "dpkg -l; apt-mark showhold; ls /etc/apt/preferences.d").stdout


def refused(lab: Lab, stage: str, inventory: str, *sentences: str) -> None:
    """A deploy of the stage ends with these sentences, and all packages are as they were."""
    before = packages(lab)
    done = lab.deploy("--data", f"only={stage}", "--limit", HOST, inventory=inventory, check=False)
    assert done.rc != 0, done.output
    for sentence in sentences:
        assert sentence in done.text, done.output
    assert "Traceback" not in done.output
    assert packages(lab) == before


def trap(
    lab: Lab, folder: Path, name: str, stage: str = "toolkit", lock: dict[str, str] | None = None
) -> str:
    """An inventory whose stage has the trap for its repository, and a lock that leads into it."""
    inventory = lab.variant(
        folder,
        f"from torchrack.settings import {stage.title()}\n"
        "for _, data in lab_hosts:\n"
        f"    old = data[{stage!r}]\n"
        f"    data[{stage!r}] = {stage.title()}(repository=old.repository + '/traps/{name}',\n"
        "        key_file=old.key_file, key_fingerprint=old.key_fingerprint)\n"
        if name
        else "",
    )
    file = folder / "lab.lock.yml"
    text = file.read_text()
    toolkit = "nvidia-container-toolkit: "
    for old, new in (lock or {f"{toolkit}1.19.1-1": toolkit + VERSIONS[name]}).items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return inventory


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("branch-jump", "branch jump: would install libnvidia-jump1 595.71.05-1"),
        ("transitional", "Transitional package for nvidia-container-toolkit-next"),
        ("removal", "removal: would remove less"),
        ("kernel", "kernel without its module: would install linux-image-6.99.0-lab"),
    ],
)
def test_a_release_that_brings_something_along(
    trapped: Lab, tmp_path: Path, name: str, sentence: str
) -> None:
    refused(trapped, "toolkit", trap(trapped, tmp_path, name), HOST, sentence)


def test_a_downgrade_that_nobody_asked_for(trapped: Lab, tmp_path: Path) -> None:
    pin = "Package: iputils-ping\\nPin: version 1-1\\nPin-Priority: 1001\\n"
    trapped.ssh(HOST, f"printf '{pin}' > /etc/apt/preferences.d/trap")
    try:
        inventory = trap(trapped, tmp_path, "downgrade")
        refused(trapped, "toolkit", inventory, "downgrade: would downgrade iputils-ping")
    finally:
        trapped.ssh(HOST, "rm /etc/apt/preferences.d/trap")


def test_a_second_source_of_the_same_package(trapped: Lab, tmp_path: Path) -> None:
    source = f"{trapped.state['mirror']['uri']}/traps/elsewhere/"
    key = "/etc/apt/keyrings/torchrack-nvidia-toolkit.asc"
    line = f"deb [signed-by={key}] {source} /"
    trapped.ssh(HOST, f"echo '{line}' > /etc/apt/sources.list.d/elsewhere.list")
    try:
        inventory = trap(trapped, tmp_path, "", lock={"1.19.1-1": "1.20.0-1"})
        refused(
            trapped, "toolkit", inventory, "second source:", "/traps/elsewhere", "offers", "as well"
        )
    finally:
        trapped.ssh(
            HOST, "rm /etc/apt/sources.list.d/elsewhere.list; rm -f /var/lib/apt/lists/*elsewhere*"
        )


def test_a_repository_that_has_another_branch_alone(trapped: Lab, tmp_path: Path) -> None:
    inventory = trap(
        trapped, tmp_path, "only-595", stage="driver", lock={"580.159.04": "580.105.08"}
    )
    refused(trapped, "driver", inventory, "apt's plan for the driver 580.105.08", "was not found")
