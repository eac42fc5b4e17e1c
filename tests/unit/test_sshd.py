"""The hardened sshd: options, their effect, and what is refused before the first change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.context import ctx_host, ctx_state

from torchrack.facts.sshd import (
    SshdCandidate,
    SshdHost,
    SshdState,
    SshdTrial,
    parse_effective,
)
from torchrack.operations import files
from torchrack.operations import sshd as operations
from torchrack.settings import Sshd
from torchrack.settings.section import SettingsError
from torchrack.sshd import options as sshd
from torchrack.sshd.take_out import take_out

FIXTURES = Path(__file__).parent / "fixtures" / "sshd"
HARDENED = (FIXTURES / "openssh-10.0-hardened.txt").read_text().splitlines()
BARE = (FIXTURES / "openssh-10.0-bare.txt").read_text().splitlines()
SETTINGS = Sshd()
Harden = Callable[..., list[str]]


def _declared(lines: list[str] = BARE, settings: Sshd = SETTINGS) -> dict[str, str]:
    return sshd.options(settings, parse_effective(lines))


def test_options_on_debian_12() -> None:
    older = (FIXTURES / "openssh-9.2-bare.txt").read_text().splitlines()
    declared = _declared(older, Sshd(penalty_exempt=["192.0.2.0/24"]))
    assert declared["RequiredRSASize"] == "3072"
    assert "PerSourcePenaltyExemptList" not in declared


def test_options_only_name_what_the_server_knows() -> None:
    old = [line for line in BARE if not line.startswith(("requiredrsasize", "debianbanner"))]
    assert {"RequiredRSASize", "DebianBanner"} <= set(_declared())
    assert not {"RequiredRSASize", "DebianBanner"} & set(_declared(old))


def test_penalties_spare_the_management_networks_where_there_are_penalties() -> None:
    settings = Sshd(penalty_exempt=["192.0.2.0/24", "2001:db8::/32"])
    older = [line for line in BARE if not line.startswith("persourcepenalt")]
    value = _declared(BARE, settings)["PerSourcePenaltyExemptList"]
    assert value == "192.0.2.0/24,2001:db8::/32"
    assert "PerSourcePenaltyExemptList" not in _declared(older, settings)


def test_recorded_hardened_server_has_no_deviation() -> None:
    effective = {**parse_effective(HARDENED), "persourcepenaltyexemptlist": ["none"]}
    effective["maxauthtries"] = ["4"]
    assert sshd.deviations(_declared(HARDENED), effective) == []


def test_recorded_bare_server_deviates() -> None:
    found = {d.option: d for d in sshd.deviations(_declared(), parse_effective(BARE))}
    assert found["PasswordAuthentication"].found == "yes"
    assert found["PasswordAuthentication"].needed == "no"
    assert "hmac-sha1" in found["MACs"].found
    assert "AllowGroups" in found


@pytest.mark.parametrize(
    ("values", "subtraction", "left"),
    [
        (["curve25519-sha256,ecdh-sha2-nistp256"], "-ecdh-*,x", ["ecdh-sha2-nistp256"]),
        (["hmac-sha2-256-etm@openssh.com"], "-hmac-sha2-256", []),
        (["umac-64@openssh.com", "hmac-sha1"], "-*sha1*,umac-64*", ["umac-64@openssh.com"]),
    ],
)
def test_removed_algorithms(values: list[str], subtraction: str, left: list[str]) -> None:
    found = sshd.removed_algorithms(values, subtraction)
    assert found[: len(left)] == left
    assert bool(found) == bool(left)


def test_an_empty_algorithm_list_is_a_deviation() -> None:
    found = sshd.deviations({"MACs": "-hmac-*"}, {"macs": []})
    assert found == [sshd.Deviation("MACs", "nothing", "a list without hmac-*")]


def test_template_writes_each_option_once() -> None:
    text = files.render("sshd/00-torchrack.conf.j2", options=_declared())
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines[0] == "PermitRootLogin no"
    assert "AllowGroups ssh-admins" in lines
    assert len({line.split()[0] for line in lines}) == len(lines) == len(_declared())


def _answer(**sections: str) -> list[str]:
    lines = []
    for name, text in sections.items():
        lines += [f"== {name.replace('__', ' ')}", *text.splitlines()]
    return lines


FACT = _answer(
    version="OpenSSH_10.0p2 Debian-7+deb13u4, OpenSSL 3.5.7",
    times="Now=5000.5\nUptime=600.5",
    service="LoadState=loaded\nActiveState=active\nStateChangeTimestampMonotonic=400000000",
    socket="LoadState=loaded\nActiveState=inactive",
    file="600 root root 4700.250000\n" + "a" * 64 + "  -",
    armed="",
    banner="yes",
    groups__debian="debian sudo ssh-admins",
    effective__debian="permitrootlogin no\nallowgroups a\nallowgroups b",
)


def test_fact_parses_a_server() -> None:
    state = SshdHost().process(FACT)
    assert state.version == (10, 0)
    assert (state.installed, state.service, state.socket) == (True, True, False)
    assert (state.reloaded, state.changed) == (4800.0, 4700.25)
    assert (state.sha256, state.ownership) == ("a" * 64, "600 root root")
    assert (state.armed, state.banner) == (False, True)
    assert state.groups == {"debian": ["debian", "sudo", "ssh-admins"]}
    assert state.effective["debian"]["allowgroups"] == ["a", "b"]


def test_fact_tells_a_missing_server_and_a_missing_account() -> None:
    state = SshdHost().process(
        _answer(
            version="OpenSSH_9.6p1 Ubuntu-3ubuntu13",
            missing="",
            groups__ops="id: 'ops': no such user\n== error",
        )
    )
    assert not state.installed
    assert state.groups == {"ops": None}


def test_fact_keeps_what_sshd_complains_about() -> None:
    lines = "/etc/ssh/sshd_config: line 3: Bad configuration option: Foo\n== error"
    state = SshdHost().process([*FACT, *_answer(effective__ops=lines)])
    assert "Bad configuration option" in state.errors["ops"]


def _state(**changes: Any) -> SshdState:
    text = files.render("sshd/00-torchrack.conf.j2", options=_declared(HARDENED))
    good = SshdState(
        version=(10, 0),
        installed=True,
        service=True,
        socket=False,
        reloaded=200.0,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        ownership="600 root root",
        changed=100.0,
        armed=False,
        banner=True,
        groups={"debian": ["debian", "ssh-admins"]},
        effective={"debian": {**parse_effective(HARDENED), "maxauthtries": ["4"]}},
        errors={},
    )
    return replace(good, **changes)


@pytest.fixture
def harden(monkeypatch: pytest.MonkeyPatch) -> Harden:
    """``harden(state, trial)``: the commands of the operation as text."""

    def run(state: SshdState, trial: SshdTrial | None = None) -> list[str]:
        answers = {SshdHost: state, SshdCandidate: trial or SshdTrial(_state().effective, {}, [])}
        monkeypatch.setattr(operations, "gather", lambda fact, **_: answers[fact])
        monkeypatch.setattr(files, "gather", lambda _, paths: dict.fromkeys(paths))
        inventory = Inventory((["@fake/gpu01"], {}))
        pyinfra_state = State(inventory, Config())
        host = inventory.get_host("@fake/gpu01")
        with ctx_state.use(pyinfra_state), ctx_host.use(host):
            commands = operations.hardened._inner(settings=SETTINGS, users=["debian"])
            return [str(command) for command in commands]

    return run


def test_hardened_server_is_left_alone(harden: Harden) -> None:
    assert harden(_state()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": ""},
        {"ownership": "644 root root"},
        {"changed": 300.0},
        {"armed": True},
        {"banner": False},
        {"effective": {"debian": parse_effective(BARE)}},
    ],
    ids=["missing", "open to all", "not read yet", "unproven", "no banner", "other values"],
)
def test_change_is_armed_before_and_proven_after(
    harden: Harden, changes: dict[str, object]
) -> None:
    canary, *rollback, activate, prove, disarm = harden(replace(_state(), **changes))
    assert "log in to a second sshd as debian" in canary
    assert len(rollback) == 3
    assert activate.index("systemctl restart torchrack-sshd-rollback.timer") < activate.index(
        'mv -fT -- "$live.new" "$live"'
    )
    assert "systemctl reload ssh.service" in activate
    assert "restart ssh" not in activate
    assert "log in anew as debian" in prove
    assert "rm -f -- /var/lib/torchrack/sshd/armed" in disarm


def test_socket_activated_server_that_does_not_run_is_no_stale_one(harden: Harden) -> None:
    assert harden(_state(service=False, socket=True, changed=300.0)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": (8, 4)}, "found OpenSSH 8.4, needed OpenSSH 8.9 or newer"),
        ({"installed": False}, "no sshd"),
        ({"errors": {"debian": "line 3: Bad option"}}, "found line 3: Bad option"),
        ({"groups": {"debian": ["sudo"]}}, "Groups of debian: found sudo, needed ssh-admins"),
        ({"groups": {"debian": None}}, "no such account"),
    ],
)
def test_unfit_host_is_refused_before_any_change(
    harden: Harden, changes: dict[str, object], said: str
) -> None:
    (refusal,) = harden(replace(_state(sha256=""), **changes))
    assert said in refusal


def test_earlier_file_that_wins_is_named(harden: Harden) -> None:
    wrong = {"debian": {**_state().effective["debian"], "x11forwarding": ["yes"]}}
    lines = ["/etc/ssh/sshd_config.d/00-a.conf:2:X11Forwarding yes"]
    (refusal,) = harden(_state(sha256=""), SshdTrial(wrong, {}, lines))
    assert "X11Forwarding yes, needed X11Forwarding no" in refusal
    command = "sudo sed -i '2s/^/#/' /etc/ssh/sshd_config.d/00-a.conf && sudo sshd -t && "
    assert f"{command}sudo systemctl try-restart ssh, which takes out" in refusal


def test_lines_below_a_condition_are_left_to_a_person(harden: Harden) -> None:
    wrong = {"debian": {**_state().effective["debian"], "x11forwarding": ["yes"]}}
    (refusal,) = harden(_state(sha256=""), SshdTrial(wrong, {}, ["/etc/ssh/x:1:Match User ann"]))
    assert "remove what overrides them, in /etc/ssh/x:1 (Match User ann)" in refusal


def test_lines_are_taken_out_by_one_command_a_file() -> None:
    places = ["/a b:1:Port 9", "/a b:4:Port 10", "/c:2:port 9"]
    assert take_out(places) == (
        "sudo sed -i '1s/^/#/;4s/^/#/' '/a b' && sudo sed -i '2s/^/#/' /c && "
        "sudo sshd -t && sudo systemctl try-restart ssh"
    )
    assert take_out([]) == ""


def test_missing_include_is_explained(harden: Harden) -> None:
    bare = SshdTrial({"debian": parse_effective(BARE)}, {}, [])
    (refusal,) = harden(_state(sha256=""), bare)
    assert "Include /etc/ssh/sshd_config.d/*.conf" in refusal


def test_candidate_that_sshd_rejects_is_refused(harden: Harden) -> None:
    (refusal,) = harden(_state(sha256=""), SshdTrial({}, {"debian": "Unsupported KEX"}, []))
    assert "Unsupported KEX" in refusal


@pytest.mark.parametrize("value", [["10.0.0.0/33"], ["somewhere"]])
def test_wrong_networks_are_refused(value: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"networks as 192\.0\.2\.0/24"):
        Sshd(penalty_exempt=value)
