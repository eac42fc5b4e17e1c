"""Two entries of an inventory lead to one server.

DHCP gave it a second address, a DNS name and an IP address have an entry each, or somebody copied
one. Both runs worked on one dpkg at the same time, and each removed the containers of the other.

Reference: https://github.com/leucos/ansible-tuto/issues/70
Kind: hosts confused with each other.
"""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from torchrack.errors import HostError
from torchrack.facts.survey import HostSurvey, Survey
from torchrack.onboard.host_key import refuse_twin
from torchrack.onboard.model import Newcomer
from torchrack.same_server import by_answers, canonical, copies, problems

KEY, RSA, OTHER = (
    paramiko.ECDSAKey.generate(),
    paramiko.RSAKey.generate(1024),
    paramiko.ECDSAKey.generate(),
)


def line(names: str, key: paramiko.PKey) -> str:
    return f"{names} {key.get_name()} {key.get_base64()} a comment\n"


def hosts(file: Path, *places: tuple[str, int]) -> dict[str, dict[str, object]]:
    return {
        f"gpu{number:02}": {
            "ssh_hostname": address,
            "ssh_port": port,
            "ssh_known_hosts_file": str(file),
        }
        for number, (address, port) in enumerate(places, 1)
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("gpu01.example.org", "GPU01.Example.org."),
        ("10.0.0.7", "::ffff:10.0.0.7"),
        ("10.0.0.7", "10.7"),
        ("10.0.0.7", "0x0a000007"),
        ("2001:db8::7", "2001:0DB8:0:0:0:0:0:7"),
        ("::1", "0:0:0:0:0:0:0:1"),
    ],
)
def test_one_address_in_two_spellings(file: Path, one: str, other: str) -> None:
    (problem,) = problems(hosts(file, (one, 22), (other, 22)))
    assert (problem.where, problem.what) == ("gpu02", "Address")
    assert "gpu01" in problem.found
    assert problems(hosts(file, (one, 22), (other, 2222))) == []


def test_names_that_look_like_numbers_stay_names() -> None:
    assert [canonical(name) for name in ("7", "gpu7", "0xg", "1.2.3.4.5", "300.1.1.1")] == [
        "0.0.0.7",
        "gpu7",
        "0xg",
        "1.2.3.4.5",
        "300.1.1.1",
    ]


@pytest.mark.parametrize(
    "pinned",
    [
        [("10.0.0.7", KEY), ("gpu.example.org", KEY)],
        [("10.0.0.7,gpu.example.org", KEY)],
        [
            ("10.0.0.7", OTHER),
            ("10.0.0.7", KEY),
            ("gpu.example.org", RSA),
            ("gpu.example.org", KEY),
        ],
        [(paramiko.HostKeys.hash_host("10.0.0.7"), KEY), ("gpu.example.org", KEY)],
    ],
)
def test_one_pinned_key_for_two_addresses(
    file: Path, pinned: list[tuple[str, paramiko.PKey]]
) -> None:
    file.write_text("# a comment\n\nnonsense\n" + "".join(line(*one) for one in pinned))
    (problem,) = problems(hosts(file, ("10.0.0.7", 22), ("gpu.example.org", 22)))
    assert (problem.where, problem.what) == ("gpu02", "Host key")
    assert "gpu01" in problem.found
    assert "by hand" in problem.fix


def test_one_server_that_is_reached_by_two_ports_or_pinned_in_two_files(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(line("[10.0.0.7]:2222", KEY) + line("10.0.0.7", KEY))
    assert len(problems(hosts(one, ("10.0.0.7", 22), ("10.0.0.7", 2222)))) == 1
    one.write_text(line("10.0.0.7", KEY))
    two.write_text(line("10.0.0.8", KEY))
    fleet = hosts(one, ("10.0.0.7", 22), ("10.0.0.8", 22))
    assert problems(fleet) == []  # no pin for the second in that file
    fleet["gpu02"]["ssh_known_hosts_file"] = str(two)
    assert len(problems(fleet)) == 1


def test_servers_behind_one_address_and_pins_of_the_past_are_well(file: Path) -> None:
    file.write_text(
        line("[192.0.2.1]:2201", KEY)
        + line("[192.0.2.1]:2202", OTHER)
        + line("10.9.9.9", KEY)  # an address that gpu01 had before
        + f"@revoked * {OTHER.get_name()} {OTHER.get_base64()}\n"
    )
    assert problems(hosts(file, ("192.0.2.1", 2201), ("192.0.2.1", 2202))) == []


def test_a_large_fleet_costs_little(file: Path) -> None:
    places = [(f"10.1.{n // 250}.{n % 250}", 22) for n in range(300)]
    file.write_text("".join(f"{a} ssh-ed25519 key{n}\n" for n, (a, _) in enumerate(places)))
    assert problems(hosts(file, *places)) == []


def survey(machine: str, boot: str) -> Survey:
    return Survey("debian", "13", "trixie", "amd64", "6.12", "root", machine=machine, boot=boot)


def test_servers_say_themselves_that_they_are_one() -> None:
    found = {
        "gpu01": survey("5e1f", "b1 pid:[4026531836]"),
        "gpu02": survey("ffff", "b2 pid:[4026531836]"),
        "gpu09": survey("5e1f", "b1 pid:[4026531836]"),
    }
    said = by_answers(found)
    assert [problem.where for problem in said] == ["gpu01", "gpu09"]
    assert "gpu09" in said[0].found
    assert "gpu01" in said[1].found
    assert copies(found) == []


def test_copies_of_one_image_are_servers_of_their_own() -> None:
    """Virtual machines with one machine-id; containers on one kernel have one boot id too."""
    found = {
        "vm1": survey("5e1f", "b1 pid:[4026531836]"),
        "vm2": survey("5e1f", "b2 pid:[4026531836]"),
        "lxc1": survey("c0c0", "b3 pid:[4026533001]"),
        "lxc2": survey("c0c0", "b3 pid:[4026533777]"),
    }
    assert by_answers(found) == []
    assert copies(found) == [["vm1", "vm2"], ["lxc1", "lxc2"]]


def test_what_is_not_known_is_no_sign() -> None:
    found = {"a": survey("", ""), "b": survey("", ""), "c": survey("5e", ""), "d": survey("5e", "")}
    assert by_answers(found) == []
    assert copies(found) == []


def test_the_survey_says_which_boot_of_which_machine_it_is() -> None:
    lines = ["os=debian", "version=13", "codename=trixie", "architecture=amd64", "kernel=6.12"]
    known = HostSurvey().process([*lines, "user=root", "machine=5e1f", "boot=b1 pid:[7]"])
    assert (known.machine, known.boot) == ("5e1f", "b1 pid:[7]")
    unknown = HostSurvey().process([*lines, "user=root", "machine="])  # "uninitialized"
    assert (unknown.machine, unknown.boot) == ("", "")


def test_a_newcomer_on_another_port_of_a_host_of_the_fleet_is_refused(file: Path) -> None:
    file.write_text(line("10.0.0.7", KEY))
    newcomer = Newcomer("gpu09", "10.0.0.7", "ann", port=2222)
    with pytest.raises(HostError, match="gpu01"):
        refuse_twin(newcomer, KEY, file, hosts(file, ("10.0.0.7", 22)))
    refuse_twin(newcomer, KEY, file, {})  # the same server, whose port has changed
