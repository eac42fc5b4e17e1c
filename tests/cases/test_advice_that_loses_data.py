"""Advice to purge nvidia-docker2, whose configuration file is Docker's daemon.json.

Servers of 2019 to 2023 have nvidia-docker2, which owns /etc/docker/daemon.json. Who purged it, as
preflight said, lost data-root and mirrors with that file: Docker started empty.

Reference: https://github.com/NVIDIA/nvidia-docker/issues/1575
Reference: https://github.com/NVIDIA/nvidia-container-toolkit/issues/132
Kind: advice that does harm.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pytest

from tests.unit.test_preflight_checks import subject
from torchrack.apt.repository import disabled
from torchrack.operations.files import render
from torchrack.preflight.checks import packages
from torchrack.preflight.facts import DpkgState

ROOT = Path(__file__).parents[2] / "torchrack"
HARM = re.compile(
    r"apt(-get)? (autoremove|purge)|--purge\b|dpkg (-P|--purge)|snap remove|sudo rm |: rm |\brm /"
    r"|docker( \w+)? prune|docker (volume |image )?rm\b|--vacuum|mkfs|wipefs|ufw (enable|reset)"
    r"|iptables (-F|--flush)|systemctl (stop|disable) ssh|nft flush"
)
CARRIED_OUT = {
    "commands/offboard.py": "--purge is an option of the command",
    "offboard/packages.py": "the same; autoremove is only said to show something",
    "offboard/scripts.py": "volumes that --delete-data names",
    "offboard/plan.py": "--purge is an option of the command",
    "operations/containers.py": "our own container",
    "operations/sshd.py": "a restart of socket-activated sshd",
    "workloads/commands.py": "our own container",
    "workloads/replacement.py": "our own container",
}
"""Strings that are no advice: what Torchrack does itself, where it was asked to."""
NEIGHBOURS = {
    "nvidia-container-runtime": "3.13.0-1",
    "nvidia-container-toolkit": "1.13.5-1",
    "nvidia-cuda-toolkit": "12.4.131~12.4.1-2",
    "nvidia-docker2": "2.13.0-1",
    "nvidia-fs-dkms": "2.24.2-1",
    "nvidia-gds": "12.9.1-1",
    "nvidia-prime": "0.8.17.2",
    "nvidia-settings": "510.47.03-0ubuntu4",
}
ELSEWHERE = ("http://archive.mirror.example/ubuntu",)


def strings(path: Path) -> Iterator[str]:
    """All texts of a module but its docstrings, with ``{}`` for what is filled in."""
    tree = ast.parse(path.read_text())
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node not in docstrings
        ):
            yield node.value


def test_no_text_names_a_command_that_loses_data() -> None:
    texts = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in ROOT.rglob("*.py")
        if str(path.relative_to(ROOT)) not in CARRIED_OUT
        for text in strings(path)
        if HARM.search(text)
    }
    assert texts == set()


def test_what_only_has_nvidias_name_is_left_alone() -> None:
    listed = {name: DpkgState("ii ", version) for name, version in NEIGHBOURS.items()}
    origins = dict.fromkeys(NEIGHBOURS, ELSEWHERE)
    assert list(packages.second_source(subject(packages=listed, driver_origins=origins))) == []


def test_a_driver_from_elsewhere_is_removed_and_not_purged() -> None:
    theirs = {
        "libnvidia-compute-580-server": DpkgState("ii ", "580.159.03-0ubuntu1"),
        "linux-modules-nvidia-580-server-open-generic": DpkgState("ii ", "6.8.0-79.79+1"),
        "nvidia-docker2": DpkgState("ii ", "2.13.0-1"),
        "nvidia-kernel-common": DpkgState("ii ", "20220217+3"),
    }
    origins = dict.fromkeys(theirs, ELSEWHERE)
    (problem,) = packages.second_source(subject(packages=theirs, driver_origins=origins))
    text = str(problem)
    command = "sudo apt-get remove libnvidia-compute-580-server linux-modules-nvidia-580-server"
    assert command in text
    assert "-generic nvidia-kernel-common (say no" in text
    assert "purge" not in text
    assert "nvidia-docker2" not in text


def test_an_engine_from_elsewhere_keeps_its_data() -> None:
    snap, copied = "/var/lib/snapd/snaps/docker_2963.snap", "/usr/local/bin/dockerd"
    said = list(packages.foreign_docker(subject(foreign_docker=(snap, copied))))
    assert "sudo snap disable docker" in said[0].fix
    assert f"sudo mv {copied} {copied}.disabled" in said[1].fix


def test_the_distributions_sources_are_never_moved_away() -> None:
    theirs = "/etc/apt/sources.list.d/cuda.list"
    assert disabled([theirs]) == f"sudo mv {theirs} {theirs}.disabled"
    assert "mv /etc/apt/sources.list " not in disabled([theirs, "/etc/apt/sources.list"])


@pytest.mark.parametrize("content", ["as shipped\n", "edited\n"])
def test_offboarding_keeps_a_configuration_file_that_somebody_changed(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(content)
    shipped = md5(b"as shipped\n", usedforsecurity=False).hexdigest()
    query = tmp_path / "dpkg-query"
    query.write_text(f"#!/bin/sh\nprintf '\\n %s %s\\n' {file} {shipped}\n")
    query.chmod(0o755)
    script = render("offboard/packages.sh.j2", remove=["theirs"], unhold=[], purging="/x", cdi=())
    function = script[script.index("edited() {") : script.index("apt remove $names")]
    said = subprocess.check_output(
        ["/bin/sh", "-euc", f"PATH={tmp_path}:$PATH\n{function}edited theirs"], text=True
    )
    assert said.split() == ([str(file)] if content == "edited\n" else [])
