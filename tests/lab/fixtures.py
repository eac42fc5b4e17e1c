"""End-to-end tests on a lab of their own, which is removed afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.harness import ROOT, Deploy, Lab
from tests.lab.newcomers import Fleet, Server


@pytest.fixture(scope="session")
def bare_lab() -> Iterator[Lab]:
    """Two bare servers, as their provider hands them over.

    TORCHRACK_TEST_LAB names a lab that is up already: quicker while a test is being written.
    """
    mine = os.environ.get("TORCHRACK_TEST_LAB")
    if mine:
        lab = Lab(Path(mine).resolve())
        lab.lock()
        yield lab
        return
    lab = Lab(ROOT / ".lab-test")
    lab.lab("destroy", check=False)
    lab.lab("up")
    lab.lock()
    yield lab
    lab.lab("destroy")


@pytest.fixture(scope="session")
def first_deploy(bare_lab: Lab) -> Deploy:
    """The run that made the two bare servers ready."""
    return bare_lab.deploy("--limit", "gpu01", "--limit", "gpu02")


@pytest.fixture(scope="session")
def lab(bare_lab: Lab, first_deploy: Deploy) -> Lab:
    """The same two servers after the deploy."""
    assert first_deploy.rc == 0
    return bare_lab


@pytest.fixture(scope="session")
def bare(bare_lab: Lab) -> Iterator[Server]:
    """A server with two GPUs that is in no fleet; it has an account of every kind of login."""
    yield from _server(bare_lab, "bare", "--gpus", "h200:2")


@pytest.fixture(scope="session")
def worn(bare_lab: Lab) -> Iterator[Server]:
    """A server of which nothing is as it should be."""
    order = ("--os", "debian11", "--gpus", "", "--docker-disk", "500", "--login", "sudo-missing")
    yield from _server(bare_lab, "worn", *order)


def _server(lab: Lab, name: str, *order: str) -> Iterator[Server]:
    server = Server(lab, name, *order)
    # All of these logins come from one address, and many fail: sshd would answer with silence.
    conf = "/etc/ssh/sshd_config.d/00-tests.conf"
    subnet = lab.state["subnet"]
    server.root(
        f"echo 'PerSourcePenaltyExemptList {subnet}' > {conf} && systemctl restart ssh.service"
    )
    yield server
    server.remove()


@pytest.fixture
def fleet(bare_lab: Lab, tmp_path: Path) -> Fleet:
    """A fleet that has no host yet."""
    return Fleet(bare_lab, tmp_path / "fleet")


@pytest.fixture(scope="module")
def calm(lab: Lab) -> Lab:
    """The lab after a deploy that changed nothing any more, so that the stamps are of now."""
    lab.deploy()
    return lab


TRIED = pytest.StashKey[list[tuple[bool, bool, bool]]]()
"""Of each mutation that was tried: whether it was found, whether it was mended, and whether that
was by a person's act, not by the command that the finding names."""


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many mutations of healthy hosts the drift check found."""
    tried = config.stash.get(TRIED, [])
    if tried:
        found, mended, _ = (sum(one) for one in zip(*tried, strict=True))
        by_hand = sum(is_mended and person for _, is_mended, person in tried)
        text = (
            f"drift mutations: found {found} / {len(tried)}, mended {mended} / {len(tried)}: "
            f"{mended - by_hand} by the command that the finding names, {by_hand} by hand"
        )
        terminalreporter.write_line(text)
