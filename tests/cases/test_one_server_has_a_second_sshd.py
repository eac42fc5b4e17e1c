"""A server has a second sshd with a host key of its own, which is in the inventory as well.

A rescue sshd on another port, or a container's that has the host's namespaces: no address and no
key says that it is one server. Deploys of both removed each other's containers, also where each was
limited to one of the names and never asked the other.

Reference: https://github.com/ansible/ansible/issues/12971
Kind: hosts confused with each other.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paramiko import HostKeys
from pyinfra.api import Config, Inventory, State
from pyinfra.context import ctx_host, ctx_state

from tests.lab.harness import BIN, Lab
from tests.unit.test_onboard_steps import work
from torchrack import line, same_server
from torchrack.context import current_host
from torchrack.errors import Problem, ProblemsError
from torchrack.facts.stamp import Installed
from torchrack.facts.survey import HostSurvey, Survey
from torchrack.inventory import FleetHost
from torchrack.lock import make
from torchrack.offboard.model import Options, Presence
from torchrack.offboard.plan import plan as offboard
from torchrack.onboard.steps import examine
from torchrack.operations import stamp as operation
from torchrack.preflight import fleet, remote
from torchrack.preflight.facts import HostFacts
from torchrack.settings.model import merge
from torchrack.stamp import STAMP
from torchrack.stamp.content import content, is_current, is_genuine, text
from torchrack.survey import remember

_PORT = 2201
_KEY = "/run/second-sshd-key"

FIRST, SECOND, OTHER = "ssh-ed25519 AAAA1=", "ssh-ed25519 AAAA2=", "ecdsa-sha2-nistp256 AAAA3="
SERVER = Survey("debian", "13", "trixie", "amd64", "6.12", "root", machine="5e", boot="b1",
                hardware="c0ffee", keys=(OTHER, FIRST))  # fmt: skip
"""The server whose sshd at port 22 shows FIRST; a second one, at port 2200, shows SECOND."""


class Inventories:
    """Inventories in which the server has this name or that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, pins: dict[str, str], **ports: int) -> dict[str, dict[str, Any]]:
        """Hosts of one address, each at a port of its own, with the keys that are pinned."""
        known = self.folder / "known_hosts"
        ports = {"gpu01": 22, "gpu09": 2200, "box": 22} | ports
        places = {n: "10.0.0.7" if p == 22 else f"[10.0.0.7]:{p}" for n, p in ports.items()}
        known.write_text("".join(f"{places[name]} {key}\n" for name, key in pins.items()))
        return {
            name: {
                "ssh_hostname": "10.0.0.7",
                "ssh_port": ports[name],
                "ssh_known_hosts_file": str(known),
                "_inventory_file": "rack.py",
            }
            for name in pins
        }


@pytest.fixture
def inventory(tmp_path: Path) -> Inventories:
    return Inventories(tmp_path)


@pytest.fixture
def both(inventory: Inventories) -> dict[str, dict[str, Any]]:
    return inventory({"gpu01": FIRST, "gpu09": SECOND})


def by(key: str, server: Survey = SERVER) -> Survey:
    """The server after a deploy that was let in by a key."""
    return replace(server, stamped=f"{server.hardware} {key}")


def refused(server: Survey, name: str, hosts: dict[str, dict[str, Any]]) -> list[str]:
    """What a command says that is limited to one name."""
    return [
        f"{problem.where}: {problem.found} | {problem.fix}"
        for problem in same_server.refusals({name: server}, hosts)
    ]


def test_the_second_name_alone_is_refused_by_the_servers_own_key(
    both: dict[str, dict[str, Any]],
) -> None:
    """Whether or not a deploy of a version that wrote no key was there before."""
    (said,) = refused(SERVER, "gpu09", both)
    assert said.startswith("gpu09: the server that gpu01 is: ssh-ed25519 (a host key in its")
    assert "by hand" in said
    (again,) = refused(by(FIRST), "gpu09", both)
    assert "the server that gpu01 is" in again
    assert refused(SERVER, "gpu01", both) == []
    assert refused(by(FIRST), "gpu01", both) == []


def test_the_first_name_alone_is_refused_by_what_the_last_deploy_wrote(
    both: dict[str, dict[str, Any]],
) -> None:
    (said,) = refused(by(SECOND), "gpu01", both)
    assert said.startswith("gpu01: the server that gpu09 is")
    assert f"sudo mv {STAMP}" in said


def test_hashed_pins_count_as_others_do(both: dict[str, dict[str, Any]]) -> None:
    known = Path(both["gpu01"]["ssh_known_hosts_file"])
    known.write_text(
        f"{HostKeys.hash_host('10.0.0.7')} {FIRST}\n"
        f"{HostKeys.hash_host('[10.0.0.7]:2200')} {SECOND}\n"
    )
    assert len(refused(SERVER, "gpu09", both)) == 1
    assert len(refused(by(SECOND), "gpu01", both)) == 1


def test_a_host_that_has_another_name_now_goes_through(inventory: Inventories) -> None:
    renamed = inventory({"box": FIRST})
    assert refused(by(FIRST), "box", renamed) == []
    assert refused(by(SECOND), "box", renamed) == [], "gpu09 has left the inventory"
    moved = inventory({"gpu09": SECOND})
    assert refused(by(FIRST), "gpu09", moved) == [], "gpu01 has left the inventory"


def test_names_of_another_inventory_say_nothing(inventory: Inventories) -> None:
    """It calls the server box, and has a gpu01 that is another server."""
    theirs = inventory({"box": FIRST, "gpu01": "ssh-ed25519 AAAA4="}, gpu01=2222)
    assert refused(by(FIRST), "box", theirs) == []
    assert refused(replace(SERVER, keys=("ssh-ed25519 AAAA4=",)), "gpu01", theirs) == []


def test_a_copy_of_a_server_with_keys_of_its_own_goes_through(inventory: Inventories) -> None:
    """It has the stamp of the other, and mostly its machine-id."""
    fleet_ = inventory({"gpu01": FIRST, "gpu02": SECOND}, gpu02=2222)
    copy = replace(by(FIRST), keys=(SECOND,))
    assert refused(replace(copy, hardware="another"), "gpu02", fleet_) == []
    assert refused(replace(copy, machine=""), "gpu02", fleet_) == []
    assert len(refused(copy, "gpu02", fleet_)) == 1
    two = {"gpu01": SERVER, "gpu02": replace(copy, boot="b2")}
    assert same_server.refusals(two, fleet_) == [], "both have answered: they are two"


def test_both_names_are_each_refused_once(both: dict[str, dict[str, Any]]) -> None:
    said = same_server.refusals({"gpu01": by(SECOND), "gpu09": by(SECOND)}, both)
    assert [problem.where for problem in said] == ["gpu01", "gpu09"]


def test_a_large_fleet_costs_little(inventory: Inventories) -> None:
    ports = {f"gpu{n}": 2000 + n for n in range(300)}
    hosts = inventory({name: f"ssh-ed25519 {name}=" for name in ports}, **ports)
    found = {
        name: replace(SERVER, boot=name, keys=(f"ssh-ed25519 {name}=", OTHER)) for name in ports
    }
    assert same_server.refusals(found, hosts) == []


def test_a_deploy_of_one_name_compares_it_with_the_whole_fleet(
    both: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(Inventory((list(both.items()), {})), Config())
    chosen = state.inventory.get_host("gpu09")
    state.init(state.inventory, state.config, initial_limit=[chosen])
    state.activate_host(chosen)
    monkeypatch.setattr(fleet.locks, "problems", lambda _hosts: [])
    monkeypatch.setattr(fleet, "ask", lambda _host: (SERVER, []))
    with pytest.raises(ProblemsError, match="nothing was changed on any host") as caught:
        fleet.check_fleet(state, chosen)
    (problem,) = caught.value.problems
    assert (problem.where, "gpu01" in problem.found) == ("gpu09", True)


def test_plan_and_lock_of_one_name_compare_it_with_the_whole_fleet(
    both: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [FleetHost(name, data, merge([])) for name, data in both.items()]
    same_server.keep(Path("rack.py"), both)
    facts = HostFacts(SERVER, 0.0)
    monkeypatch.setattr(remote, "across", lambda hosts, *_: {h.name: facts for h in hosts})
    planned = remote.gather(members[1:])["gpu09"]
    assert isinstance(planned, Problem)
    assert "gpu01" in planned.found
    asked = SimpleNamespace(facts=facts)
    monkeypatch.setattr(make, "across", lambda hosts, *_: {h.name: asked for h in hosts})
    made = make.make(members, ["gpu09"], make.Lock(schema=1), free=frozenset(), today=None)  # type: ignore[arg-type]
    assert ["gpu01" in problem.found for problem in made.problems] == [True]


def test_onboarding_under_a_second_name_ends_at_preflight(
    both: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    newcomer = work(tmp_path)
    newcomer.joining = replace(newcomer.joining, others=both)
    newcomer.facts = HostFacts(SERVER, 0.0)
    newcomer.subject = SimpleNamespace(facts=newcomer.facts)  # type: ignore[assignment]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examine, "check", lambda _subject: [])
        with pytest.raises(ProblemsError) as caught:
            examine.preflight(newcomer)
    assert "gpu01" in caught.value.problems[0].found


def test_offboarding_the_second_name_is_refused(both: dict[str, dict[str, Any]]) -> None:
    same_server.keep(Path("rack.py"), both)
    for name, problems in (("gpu09", 1), ("gpu01", 0)):
        host = FleetHost(name, both[name], merge([]))
        assert len(offboard(host, Presence(survey=SERVER), Options()).problems) == problems


INSTALLED = Installed("580.159.04", "29.6.1", "1.19.1-1", "6.12", "")
WANTED = content(merge([]), INSTALLED, commit=None, torchrack="0.1.0", operations={})
WHO = {"who": "ann@desk", "when": "2026-11-21T11:00:00+00:00"}


def test_the_stamp_of_an_earlier_version_is_no_reason_to_write(tmp_path: Path) -> None:
    """A host on which nothing else changes stays untouched, whichever name it is deployed by."""
    before, now = text(WANTED, **WHO), text(WANTED, **WHO, server=f"c0ffee {SECOND}")
    assert is_current(before, WANTED)
    assert is_current(now, WANTED)
    assert is_genuine(now)
    assert not is_genuine(now.replace("AAAA2", "AAAA1"))
    read = str(HostSurvey().command()).replace(STAMP, str(tmp_path / "stamp"))
    for written, stamped in ((before, ""), (now, f"c0ffee {SECOND}")):
        (tmp_path / "stamp").write_text(written)
        done = subprocess.run(["sh", "-c", read], capture_output=True, text=True, check=True)
        survey = HostSurvey().process(done.stdout.splitlines())
        assert survey.stamped == stamped
        assert len(survey.hardware) == 16
        assert done.stderr == ""


def test_keys_that_cloud_init_wrote_hide_nothing(tmp_path: Path) -> None:
    """Its files lack the newline at their end: the GPU that came next was not seen."""
    (tmp_path / "ssh_host_ed25519_key.pub").write_text(FIRST)
    (tmp_path / "ssh_host_rsa_key.pub").write_text("")
    (tmp_path / "devices/0000:17:00.0").mkdir(parents=True)
    for name, value in (("vendor", "0x10de"), ("device", "0x2335"), ("class", "0x030200")):
        (tmp_path / "devices/0000:17:00.0" / name).write_text(value)
    read = str(HostSurvey().command()).replace("/etc/ssh/", f"{tmp_path}/")
    read = read.replace("/sys/bus/pci/", f"{tmp_path}/")
    done = subprocess.run(["sh", "-c", read], capture_output=True, text=True, check=True)
    survey = HostSurvey().process(done.stdout.splitlines())
    assert survey.keys == (FIRST,)
    assert [one.device for one in survey.gpus] == ["2335"]


def test_the_survey_says_the_servers_own_keys() -> None:
    lines = ["os=debian", "version=13", "codename=trixie", "architecture=amd64", "kernel=6.12"]
    known = HostSurvey().process([*lines, "user=root", f"key={FIRST}", f"key={OTHER}"])
    assert (known.keys, known.hardware, known.stamped) == ((FIRST, OTHER), "", "")


def test_a_deploy_writes_down_by_which_key_it_was_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = Inventory((["@fake/gpu01"], {}))
    state = State(inventory, Config())
    with ctx_state.use(state), ctx_host.use(inventory.get_host("@fake/gpu01")):
        remember(current_host(), SERVER)
        assert operation._server() == "", "no connection of SSH"
        monkeypatch.setattr(operation, "host_key", lambda _host: SECOND)
        assert operation._server() == f"c0ffee {SECOND}"
    assert line.host_key(SimpleNamespace(connector=None)) == ""


@pytest.fixture
def doubled(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """An inventory in which gpu09 is gpu01, on another port."""
    lab.ssh(
        "gpu01",
        f"ssh-keygen -q -t ed25519 -N '' -f {_KEY} && "
        f"systemd-run -q --unit=second-sshd /usr/sbin/sshd -D -p {_PORT} -h {_KEY}",
    )
    try:
        key = lab.ssh("gpu01", f"cat {_KEY}.pub").stdout
        known = tmp_path / "second"
        known.write_text(f"[{lab.state['hosts']['gpu01']['address']}]:{_PORT} {key}")
        own = {"ssh_port": _PORT, "ssh_known_hosts_file": str(known)}
        path = lab.variant(tmp_path, f"lab_hosts.append(('gpu09', lab_hosts[0][1] | {own!r}))\n")
        lock = tmp_path / "lab.lock.yml"
        lock.write_text(lock.read_text().replace("[gpu01]", "[gpu01, gpu09]"))
        yield path
    finally:
        lab.ssh("gpu01", f"systemctl stop second-sshd; rm {_KEY} {_KEY}.pub")


def test_its_answers_say_so_before_the_first_change(lab: Lab, doubled: str) -> None:
    before = lab.ssh("gpu01", "docker ps -q --no-trunc | sort").stdout
    done = lab.deploy(inventory=doubled, check=False)
    assert done.rc != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "2 problem(s) on 2 host(s)" in said
    assert "nothing was changed on any host" in said
    assert lab.ssh("gpu01", "docker ps -q --no-trunc | sort").stdout == before
    for command in ("plan", "lock", "drift"):
        done = lab.run(BIN / "torchrack", command, doubled, check=False)
        assert done.rc == 1, command
        assert "one boot of" in " ".join(done.output.split()), command


def test_commands_for_one_of_the_names_say_so_too(lab: Lab, doubled: str) -> None:
    state = "docker ps -q --no-trunc | sort; cat /etc/torchrack/deployed.json"
    before = lab.ssh("gpu01", state).stdout
    torchrack, pyinfra = str(BIN / "torchrack"), str(BIN / "pyinfra")
    for command in (
        (torchrack, "deploy", doubled, "--limit", "gpu09", "--yes"),
        (torchrack, "deploy", doubled, "--limit", "gpu09", "--dry-run"),
        (pyinfra, "-y", doubled, "deploy.py", "--limit", "gpu09"),
        (torchrack, "plan", doubled, "--limit", "gpu09"),
        (torchrack, "lock", doubled, "--limit", "gpu09"),
        (torchrack, "drift", "check", doubled, "--host", "gpu09"),
        (torchrack, "drift", "fix", doubled, "--host", "gpu09", "--yes"),
        (torchrack, "offboard", doubled, "gpu09", "--dry-run"),
    ):
        done = lab.run(*command, check=False)
        assert done.rc == 1, command
        assert "the server that gpu01 is" in done.text, command
        assert "is no longer declared" not in done.text, command
    assert lab.ssh("gpu01", state).stdout == before
    done = lab.deploy("--limit", "gpu01", inventory=doubled)
    assert done.changed("gpu01") in ([], ["stamp | Write down what was deployed"])
    assert lab.ssh("gpu01", "docker ps -q --no-trunc | sort").stdout in before


def test_a_deploy_by_the_second_name_is_known_to_the_first(lab: Lab, doubled: str) -> None:
    """gpu09 was the only name when it was deployed; gpu01 has come since."""
    stamp = "/etc/torchrack/deployed.json"
    lab.ssh("gpu01", f"cp -a {stamp} /root/before; rm {stamp}")
    try:
        path = Path(doubled)
        whole = path.read_text()
        alone = whole.replace(
            "check_fleet(", "lab_hosts[:] = [h for h in lab_hosts if h[0] == 'gpu09']\ncheck_fleet("
        )
        path.write_text(alone)
        lab.deploy("--data", "only=stamp", inventory=doubled)
        assert '"server": "' in lab.ssh("gpu01", f"cat {stamp}").stdout
        path.write_text(whole)
        done = lab.run(BIN / "torchrack", "plan", doubled, "--limit", "gpu01", check=False)
        assert done.rc == 1
        assert "the server that gpu09 is" in done.text
    finally:
        lab.ssh("gpu01", f"mv /root/before {stamp}")
