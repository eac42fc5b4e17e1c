"""``torchrack adopt`` writes only when asked, overwrites nothing, and contacts no host in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paramiko
import pytest
from typer.testing import CliRunner

from torchrack import hosts_file
from torchrack.adopt.candidate import Place
from torchrack.adopt.write import write
from torchrack.cli import app
from torchrack.commands import adopt as command
from torchrack.errors import ProblemsError
from torchrack.hosts_file import Entry
from torchrack.inventory import OpenGroup
from torchrack.onboard import pins

INVENTORY = """\
from torchrack.inventory import check_fleet, hosts_of

gpu = hosts_of(__file__, "gpu", user="admin")
adopted = hosts_of(__file__, "adopted")
check_fleet(__file__, globals())
"""
KEY = paramiko.ECDSAKey.generate()
ENTRY = Entry(address="192.0.2.9", user="ann")


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rack.py").write_text(INVENTORY)
    (tmp_path / "rack.hosts.yml").write_text("gpu:\n  gpu01:\n    address: 192.0.2.11\n")
    (tmp_path / "rack.known_hosts").write_text("")
    (tmp_path / "id").write_text("no key, and none is read before all else is well")
    (tmp_path / "deploy.py").write_text("")
    monkeypatch.chdir(tmp_path)

    def contacted(*_: Any, **__: Any) -> Any:
        raise AssertionError("a host was contacted")

    monkeypatch.setattr(command, "probe", contacted)
    return tmp_path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    group = OpenGroup(
        "adopted", tmp_path / "rack.hosts.yml", tmp_path / "rack.known_hosts", None, None
    )
    return Place(group, tmp_path / "rack.py", "inuse")


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (("--name", "gpu01"), ["a host of that name in rack.py"]),
        (("--name", "x", "--address", "192.0.2.11"), ["192.0.2.11 port 22, which is gpu01's"]),
        (("--name", "x"), ["2 groups to choose from in rack.py", "--group NAME"]),
        (("--name", "x", "--group", "old"), ["no group old in rack.py"]),
        (("--name", "x", "--group", "gpu", "--key", "no/key"), ["no file", "a private key"]),
        (
            ("--name", "gpu01", "--group", "old", "--key", "no/key"),
            ["a host of that name", "no group old", "a private key"],
        ),
        (("--name", "x", "--deploy", "no.py"), ["no file no.py", "--no-ahead"]),
        (("--name", "x y"), ["name"]),
        (("--name", "x", "--group", "gpu", "--host-key", "MD5:0"), ["host_key"]),
    ],
)
def test_refuses_before_any_host_is_contacted(
    fleet: Path, arguments: tuple[str, ...], messages: list[str]
) -> None:
    before = files(fleet)
    words = ["adopt", "rack.py", "--address", "192.0.2.9", "--user", "ann", "--key", "id"]
    result = CliRunner().invoke(app, [*words, *arguments], env={"COLUMNS": "250"})
    assert result.exit_code == 1
    for message in messages:
        assert message in result.output
    assert files(fleet) == before


def test_a_settings_file_that_is_there_is_refused_before_any_contact(fleet: Path) -> None:
    (fleet / "group_data").mkdir()
    (fleet / "group_data" / "adopted.py").write_text("")
    key = paramiko.RSAKey.generate(2048)
    key.write_private_key_file(str(fleet / "id"))
    words = ["adopt", "rack.py", "--address", "192.0.2.9", "--user", "ann", "--key", "id"]
    more = ["--name", "inuse", "--group", "adopted", "--write"]
    result = CliRunner().invoke(app, [*words, *more], env={"COLUMNS": "250"})
    assert result.exit_code == 1
    assert "adopted.py is there already" in result.output


def test_writes_everything_and_the_entry_last(fleet: Path, place: Place) -> None:
    written = write(place, ENTRY, KEY, settings="# ours\n", files={"ca.pem": "CA\n"})
    assert [path.name for path in written] == [
        "inuse-ca.pem",
        "adopted.py",
        "rack.known_hosts",
        "rack.hosts.yml",
    ]
    assert (fleet / "group_data" / "adopted.py").read_text() == "# ours\n"
    assert hosts_file.read(fleet / "rack.hosts.yml")["adopted"]["inuse"] == ENTRY
    assert pins.pinned(fleet / "rack.known_hosts", "192.0.2.9", 22) == [KEY]


@pytest.mark.parametrize("there", ["group_data/adopted.py", "certificates/inuse-ca.pem"])
def test_overwrites_nothing(fleet: Path, place: Place, there: str) -> None:
    (fleet / there).parent.mkdir()
    (fleet / there).write_text("theirs\n")
    before = files(fleet)
    with pytest.raises(ProblemsError):
        write(place, ENTRY, KEY, settings="# ours\n", files={"ca.pem": "CA\n"})
    assert files(fleet) == before
