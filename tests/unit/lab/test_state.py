"""state.json: written whole, read back the same, refused with a reason when it is damaged."""

import json
import stat
from pathlib import Path

import pytest

from lab import state
from lab.errors import LabError
from lab.state import Host, Lab


def test_what_is_saved_is_read_back(lab: Lab, host: Host) -> None:
    lab.hosts["gpu01"] = host
    lab.save()
    assert state.load(lab.directory) == lab


def test_the_file_is_for_its_owner_alone_and_nothing_lies_beside_it(lab: Lab) -> None:
    lab.save()
    assert stat.S_IMODE(state.state_file(lab.directory).stat().st_mode) == 0o600
    assert [path.name for path in lab.directory.iterdir()] == ["state.json"]


def test_the_file_has_the_form_that_inventories_read(lab: Lab, host: Host) -> None:
    lab.hosts["gpu01"] = host
    lab.save()
    data = json.loads(state.state_file(lab.directory).read_text())
    assert data["schema"] == 1
    assert "directory" not in data
    assert data["hosts"]["gpu01"]["gpus"] == ["h200:2"]
    assert data["hosts"]["gpu01"]["key_file"] == str(lab.ssh_key)
    assert data["hosts"]["gpu01"]["password_file"] is None


def test_no_lab_is_none_or_a_hint(tmp_path: Path) -> None:
    assert state.load(tmp_path) is None
    with pytest.raises(LabError, match="lab up` makes one"):
        state.require(tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "line 1"),
        ("[]", "not a JSON object"),
        ('{"schema": 1}', "id: Field required"),
        ('{"schema": 9}', "schema: Input should be 1"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, found: str) -> None:
    state.state_file(tmp_path).write_text(text)
    with pytest.raises(LabError, match=found) as error:
        state.load(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "lab destroy" in str(error.value)
