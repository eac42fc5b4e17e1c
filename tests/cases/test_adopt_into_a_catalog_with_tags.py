"""A server in use is adopted into a group whose catalog names images by tags.

A tag has its digest from the fleet's lock, which does not know the server yet, and perhaps not the
tag. The look ahead at the next deploy ended with KeyError and the tag, and no proposal was shown.

Reference: https://docs.docker.com/reference/cli/docker/image/pull/
Kind: settings that only the lock makes exact, before there is one.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tests.unit.workload_cases import DIGEST, JOB, NOTEBOOK
from torchrack.adopt import ahead
from torchrack.adopt.found import parse
from torchrack.commands import adopt_text
from torchrack.drift import fixes
from torchrack.drift.model import Finding
from torchrack.inventory import FleetHost
from torchrack.lock import apply, file
from torchrack.lock.model import Group, Lock, LockedDriver, LockedImage
from torchrack.preflight.facts import HostFacts
from torchrack.preflight.facts import parse as parse_facts
from torchrack.settings import Images, Workload, Workloads
from torchrack.settings.model import merge

FIXTURES = Path(__file__).parents[1] / "unit" / "fixtures" / "adopt"
FACTS = parse_facts((FIXTURES / "inuse.facts").read_text().splitlines(), [])
FOUND = parse((FIXTURES / "inuse.look").read_text().splitlines(), FACTS, "debian")
TAG, PINNED = "nvcr.io/nvidia/pytorch:26.04-py3", f"docker.io/library/debian:13@{DIGEST}"
GROUP = Group(
    hosts=("inuse",),
    found=apply.found_of(FACTS),
    asked={},
    driver=LockedDriver(version="580.105.08", flavour="open", source="cuda-repo", modules="dkms"),
    packages={
        "docker.io": "26.1.5+dfsg1-9+b8",
        "docker-ce": "5:29.0.0-1",
        "nvidia-container-toolkit": "1.18.1-1",
    },
)


UNDECLARED = Finding(
    host="inuse",
    id="workloads.container:notebook.declared",
    stage="workloads",
    kind="drift",
    severity="outage",
    what="Remove what is not declared",
    expected="nothing that is not declared",
    actual="a workload of ours",
    fix=fixes.deploy("rack.py", "inuse", "workloads"),
)
UNDECLARED_HERE = replace(UNDECLARED, id="workloads.container:gone.declared")


@pytest.fixture
def host(tmp_path: Path) -> FleetHost:
    containers = [
        Workload(**NOTEBOOK),
        Workload(**JOB | {"name": "shell", "image": "debian"}),
    ]
    settings = merge(
        [
            {
                "images": Images(catalog={"pytorch": TAG, "debian": PINNED}),
                "workloads": Workloads(containers=containers),
            }
        ]
    )
    data = {"_lock_file": str(tmp_path / "rack.lock.yml"), "_inventory_file": "rack.py"}
    return FleetHost("inuse", data, settings)


def looked(host: FleetHost, monkeypatch: pytest.MonkeyPatch) -> tuple[ahead.Ahead, FleetHost]:
    """The look ahead, and the host with the settings that it is compared with."""
    compared: list[FleetHost] = []

    def findings(_session: Any, exact: FleetHost, *_: Any) -> tuple[Finding, ...]:
        compared.append(exact)
        return UNDECLARED, UNDECLARED_HERE

    monkeypatch.setattr(ahead, "_findings", findings)
    monkeypatch.setattr(ahead, "_locked", lambda *_: GROUP)
    monkeypatch.setattr(ahead, "check", lambda _subject: [])
    monkeypatch.setattr(ahead, "parse", lambda *_: HostFacts(FACTS.survey, 0.0))

    session: Any = SimpleNamespace(run=lambda *_, **__: SimpleNamespace(out=[], err=[]))
    made = ahead.look_ahead(session, host, FOUND, Path("deploy.py"), Path("rack.py"))
    return made, compared[0]


def test_a_tag_that_is_not_locked_is_unknown_with_what_runs_on_it(
    host: FleetHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, compared = looked(host, monkeypatch)
    (said,) = made.unknown
    assert (said.where, said.what) == ("inuse", f"Image {TAG}")
    assert "rack.lock.yml" in said.found
    assert "workload(s) notebook is not known" in said.fix
    assert said.fix.endswith("torchrack lock rack.py")
    assert compared.settings.images.catalog == {"debian": PINNED}
    assert made.changes == (UNDECLARED_HERE,), "it is declared, if not known"
    assert [one.name for one in compared.settings.workloads.containers] == ["shell"]


def test_a_tag_that_other_members_have_is_known(
    host: FleetHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Lock(schema=1, images={TAG: LockedImage(digest=DIGEST)})
    file.write(Path(host.data["_lock_file"]), lock, "rack.py")
    made, compared = looked(host, monkeypatch)
    assert made.unknown == ()
    assert compared.settings.images.catalog == {"pytorch": f"{TAG}@{DIGEST}", "debian": PINNED}
    assert len(compared.settings.workloads.containers) == 2


def test_it_is_told_and_never_called_no_change(
    host: FleetHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = looked(host, monkeypatch)
    console = Console(width=300, file=io.StringIO(), record=True)
    adopt_text._ahead(console, made)
    shown = console.export_text()
    assert TAG in shown
    assert "would change nothing" not in shown
