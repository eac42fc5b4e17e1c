"""A volume of the declared name is there already, and somebody else's.

Docker mounts a volume by its name, whoever made it: a workload read and overwrote a colleague's
files, and no line said that the volume was there before. It can be Compose's, an anonymous one, or
one whose driver options lead to an NFS share.

Reference: https://github.com/docker/compose/issues/9969
Kind: a name that is taken.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit import test_offboard_plan as offboarding
from tests.unit.plan import Plan
from tests.unit.test_preflight_checks import SURVEY
from tests.unit.workload_cases import NOTEBOOK, REFERENCE, declared, found
from torchrack.adopt.containers import _mounts
from torchrack.drift.evaluate import Context, evaluate
from torchrack.drift.stand_in import StateStandIn
from torchrack.errors import Problem, StageError
from torchrack.facts import volumes as facts
from torchrack.facts.answers import Answers
from torchrack.facts.containers import Volume
from torchrack.facts.volumes import Origin
from torchrack.inventory import FleetHost
from torchrack.offboard.look import _container, parse
from torchrack.offboard.model import Options
from torchrack.offboard.plan import plan as offboard
from torchrack.operations import containers
from torchrack.operations.guard import Commands, operation
from torchrack.preflight.checks import storage
from torchrack.preflight.facts import HostFacts
from torchrack.preflight.subject import Subject
from torchrack.settings import Mount, Settings, Workload, Workloads
from torchrack.settings.model import merge
from torchrack.settings.section import SettingsError
from torchrack.workloads.plan import plan
from torchrack.workloads.workload import LABEL

MADE = '{"CreatedAt":"2026-03-02T08:00:00Z","Driver":"local",%s"Scope":"local"}'
RESULTS = MADE % '"Labels":null,"Mountpoint":"/nowhere","Name":"results","Options":null,'
COMPOSE = MADE % (
    '"Labels":{"com.docker.compose.project":"webapp","com.docker.compose.volume":"db"},'
    '"Mountpoint":"/nowhere","Name":"results","Options":null,'
)
NFS = MADE % (
    '"Labels":{},"Mountpoint":"/nowhere","Name":"results",'
    '"Options":{"device":":/export","o":"addr=192.0.2.5,ro","type":"nfs"},'
)
PLUGIN = '{"Driver":"rclone","Labels":{},"Mountpoint":"","Name":"results","Scope":"global"}'
OURS = MADE % (
    f'"Labels":{{"{LABEL}":"shell"}},"Mountpoint":"/nowhere","Name":"results","Options":null,'
)


def origin(*lines: str) -> dict[str, Origin]:
    return facts.parse(lines, LABEL)


def wanting(**words: Any) -> Workload:
    mount = Mount(source="results", target="/results", **words)
    return Workload(**NOTEBOOK | {"mounts": [mount]})


def refused(there: dict[str, Origin] | None, **words: Any) -> list[str]:
    """What preflight says, before anything is changed."""
    settings = merge([{"workloads": Workloads(containers=[wanting(**words)])}])
    host = HostFacts(SURVEY, 0.0, volumes=there)
    problems = storage.volumes(Subject("gpu01", host, settings, 0.0, 0.0))
    return [f"{one.found} | {one.fix}" for one in problems]


@pytest.mark.parametrize(
    ("lines", "whose"),
    [
        (
            [f"origin {RESULTS}", "volume-user results trainer|", "volume-entries results 3"],
            "made 2026-03-02T08:00:00Z, used by trainer, 3 file(s)",
        ),
        (
            [f"origin {RESULTS}", "volume-entries results 1001"],
            "used by no container, more than 1000 files",
        ),
        ([f"origin {COMPOSE}"], "by the Compose project webapp"),
        ([f"origin {NFS}"], "driver local (device=:/export, o=addr=192.0.2.5,ro, type=nfs)"),
        ([f"origin {PLUGIN}"], "made at an unknown time, driver rclone"),
    ],
)
def test_is_refused_with_whose_it_is(lines: list[str], whose: str) -> None:
    for read_only in (False, True):
        (said,) = refused(origin(*lines), read_only=read_only)
        assert "that Torchrack has not made" in said
        assert whose in said
        assert 'Mount(source="results", target="/results", external=True)' in said


def test_a_volume_of_ours_is_taken_as_ever() -> None:
    """Also one that an earlier deploy took up without a word: its container still has it."""
    assert refused(origin(f"origin {OURS}")) == []
    earlier = origin(f"origin {RESULTS}", "volume-user results notebook|notebook")
    assert refused(earlier) == []
    assert refused({}) == []
    assert refused(None) == []


def test_the_word_takes_it() -> None:
    assert refused(origin(f"origin {NFS}"), external=True) == []
    (said,) = refused({}, external=True)
    assert "no such volume" in said
    assert refused(None, external=True) == []
    with pytest.raises(SettingsError, match="external"):
        Mount(source="/srv/data", target="/data", external=True)


def test_the_stage_refuses_before_it_changes_anything(plan: Plan, monkeypatch: Any) -> None:
    monkeypatch.setattr(containers, "_found", {})
    monkeypatch.setattr(containers, "current_host", lambda: "host")
    there = replace(found(declared()), origins=origin(f"origin {RESULTS}"))
    (command,) = plan(
        containers.only_declared, there, workloads=[wanting()], images={"pytorch": REFERENCE}
    )
    assert command.startswith("false")
    assert "that Torchrack has not made" in command


def test_what_differs_beside_it_names_it_before_a_deploy() -> None:
    """``drift fix`` would be refused for the rest of the stage as well, and leaves it alone."""

    def workloads() -> None:
        refusing(name="Remove what is not declared")
        differing(name="Run shell")

    def images() -> None:
        differing(name="Pull images")

    workloads.__module__, images.__module__ = "tasks.workloads", "tasks.images"
    host = StateStandIn([FleetHost("gpu01", {}, merge([]))], Path("deploy.py")).hosts["gpu01"]
    seen = evaluate((images, workloads), Answers("gpu01"), Context(host, "x.py", None))
    fix = {one.what: one.fix for one in seen.findings}
    run = "torchrack deploy x.py --limit gpu01 --only"
    assert fix["Run shell"].startswith("say that it is meant; then ")
    assert fix["Run shell"].endswith(f"{run} workloads,stamp")
    assert fix["Pull images"] == f"{run} images,stamp"


@operation
def refusing() -> Commands:
    """Refuse as the stage does for a volume."""
    raise StageError(Problem("gpu01", "Volume results", "theirs", "ours", "say that it is meant"))
    yield ""


@operation
def differing() -> Commands:
    """Change something."""
    yield "true"


def test_an_external_volume_is_neither_made_nor_given_to_the_user() -> None:
    wanted = declared(mounts=[Mount(source="results", target="/results", external=True)])
    assert plan(wanted, found(wanted, volumes={})).new_volumes == ()
    empty = Volume("shell", "0:0", True, "/v")
    todo = plan(wanted, found(wanted, volumes={"results": empty}))
    assert todo.chown_volumes == ()


def test_the_new_word_is_in_no_hash_where_it_is_not_said() -> None:
    before = {"source": "results", "target": "/results", "read_only": False}
    assert Mount(source="results", target="/results").model_dump(mode="json") == before
    assert wanting().model_dump(mode="json")["mounts"] == [before]
    assert wanting(external=True).model_dump(mode="json")["mounts"] == [before | {"external": True}]
    said = declared(mounts=[Mount(source="results", target="/results", external=True)])
    silent = declared(mounts=[Mount(source="results", target="/results")])
    assert said.spec.sha256() == silent.spec.sha256(), "the container is the same"


def test_adopt_proposes_the_word() -> None:
    inspect = {
        "Mounts": [
            {"Type": "volume", "Name": "results", "Source": "/v", "Destination": "/a", "RW": True},
            {"Type": "bind", "Source": "/srv/data", "Destination": "/b", "RW": True},
        ]
    }
    proposed = [made.values for made in _mounts(inspect, {})]
    assert proposed[0] == {"source": "results", "target": "/a", "external": True}
    assert "external" not in proposed[1]


def test_offboarding_leaves_it_with_its_data() -> None:
    """Whatever its name and label are: an anonymous one that was adopted looks like an image's."""
    anonymous = "e" * 64
    mounts = [{"Type": "volume", "Name": name, "Source": "/v"} for name in (anonymous, "f" * 64)]
    adopted = _container(
        {
            "Id": "a" * 64,
            "Name": "/notebook",
            "Config": {"Labels": {LABEL: "notebook"}},
            "State": {"Running": True},
            "Image": "sha256:0",
            "Mounts": mounts,
            "HostConfig": {"Mounts": [{"Type": "volume", "Source": anonymous, "Target": "/v"}]},
        }
    )
    now = replace(parse(offboarding.LINES), containers=(adopted,))
    external = Mount(source="notebook-home", target="/home", external=True)
    workloads = Workloads(containers=[Workload(**NOTEBOOK | {"mounts": [external]})])
    settings: Settings = merge([{"workloads": workloads}])
    host = FleetHost("gpu01", {"ssh_user": "debian"}, settings)
    todo = offboard(host, now, Options(delete_data=True))
    script = next(one.script for one in todo.steps if one.name == "containers")
    removed = [line for line in script.splitlines() if line.startswith("docker volume rm")]
    assert "f" * 64 in removed[0]
    assert anonymous not in removed[0]
    assert "notebook-home" not in removed[0]
    assert any("volume notebook-home" in one for one in todo.stays)


def test_the_script_asks_for_users_and_files_of_others_volumes_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "volume"
    theirs.mkdir()
    (theirs / "a file").touch()
    told = json.dumps(json.loads(RESULTS) | {"Mountpoint": str(theirs)}, separators=(",", ":"))
    home = OURS.replace("results", "home")
    fake = tmp_path / "docker"
    fake.write_text(
        "#!/bin/sh\n"
        f"case $1 in volume) echo; echo '|results|{told}'; echo 'shell|home|{home}'; exit 1;;\n"
        "ps) echo \"$*\" >> ps.log; echo 'trainer|';; esac\n"
    )
    fake.chmod(0o755)
    done = subprocess.run(
        ["sh", "-eu", "-c", facts.script(["results", "home", "gone"], LABEL)],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    there = origin(*done.stdout.splitlines())
    assert there["results"].users == (("trainer", ""),)
    assert there["results"].entries == 1
    assert (tmp_path / "ps.log").read_text().count("volume=") == 1
