"""Labs for end-to-end tests, which are removed afterwards.

All tests of a run share one set of services (mirror, registry, keys). Where they run side by side
(pytest -n), the first worker has the lab with the services, and each other one has a lab of its own
that uses them. The first deploy is made once; its two servers are kept as a snapshot, from which
the other labs start.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.lab.harness import ROOT, Deploy, Lab
from tests.lab.newcomers import Fleet, Server

MINE = "TORCHRACK_TEST_LAB"
"""Names a lab that is up already: quicker while a test is being written."""
RUN = "TORCHRACK_TEST_RUN"
"""Tells the workers of one run from those of another."""
SERVICES = Lab(ROOT / ".lab-test")
"""The lab with the services."""
DEPLOYED = ("deployed", "gpu01", "gpu02")
"""The label of a snapshot, and its servers."""


def pytest_configure(config: pytest.Config) -> None:
    """Name the run, before there are workers."""
    os.environ.setdefault(RUN, uuid.uuid4().hex)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the lab with the services when all workers have ended."""
    if not hasattr(config, "workerinput") and _made_by_this_run():
        SERVICES.lab("destroy")


def _made_by_this_run() -> bool:
    run = SERVICES.folder / "test-run"
    return run.exists() and run.read_text() == os.environ[RUN]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with SERVICES.folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def bare_lab() -> Iterator[Lab]:
    """A lab whose servers, where it has any yet, are bare."""
    if mine := os.environ.get(MINE):
        lab = Lab(Path(mine).resolve())
        lab.lock()
        yield lab
        return
    with _one_at_a_time():
        first = not _made_by_this_run()
        if first:
            SERVICES.lab("destroy", check=False)
            SERVICES.lab("up")
            SERVICES.lock()
            (SERVICES.folder / "test-run").write_text(os.environ[RUN])
    if first:
        yield SERVICES
        return
    lab = Lab(ROOT / f".lab-test-{os.environ['PYTEST_XDIST_WORKER']}")
    lab.lab("destroy", check=False)
    lab.lab("up", "--services-of", str(SERVICES.folder), "--hosts", "")
    shutil.copy(SERVICES.lock_file, lab.lock_file)
    yield lab
    lab.lab("destroy")


@pytest.fixture(scope="session")
def first_deploy(bare_lab: Lab) -> Deploy:
    """The run that made two bare servers ready."""
    hosts = ("--limit", "gpu01", "--limit", "gpu02")
    if os.environ.get(MINE):
        done = bare_lab.deploy(*hosts)
        bare_lab.lab("snapshot", *DEPLOYED)
        return done
    record = SERVICES.folder / "first-deploy.json"
    with _one_at_a_time():
        if not record.exists():
            done = SERVICES.deploy(*hosts)
            SERVICES.lab("snapshot", *DEPLOYED)
            record.write_text(json.dumps(asdict(done)))
    return Deploy(**json.loads(record.read_text()))


@pytest.fixture(scope="session")
def lab(bare_lab: Lab, first_deploy: Deploy) -> Lab:
    """Two servers after that deploy."""
    assert first_deploy.rc == 0
    if bare_lab is not SERVICES and not os.environ.get(MINE):
        bare_lab.lab("restore", *DEPLOYED)
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
