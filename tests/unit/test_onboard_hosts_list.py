"""The file with several newcomers: what is read, and every reason to refuse it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchrack.errors import ProblemsError
from torchrack.onboard.hosts_list import Row, read, row

FINGERPRINT = "SHA256:" + "a" * 43
CSV = f"""\
# the rack of November
name, address, port, user, host_key, password_file
gpu07, 10.0.0.7, , root, {FINGERPRINT}, /secrets/gpu07

gpu08, 10.0.0.8, 2222, root, , /secrets/gpu08
"""
LIST = f"""\
hosts:
  - name: gpu07
    address: 10.0.0.7
    user: root
    host_key: {FINGERPRINT}
    password_file: /secrets/gpu07
  - {{name: gpu08, address: 10.0.0.8, port: 2222, user: root, password_file: /secrets/gpu08}}
"""
MAPPING = LIST.replace("hosts:\n", "").replace("  - name: gpu07", "gpu07:").replace(
    "  - {name: gpu08, ", "gpu08: {"
)  # fmt: skip
ROWS = [
    Row(
        name="gpu07",
        address="10.0.0.7",
        user="root",
        host_key=FINGERPRINT,
        password_file="/secrets/gpu07",  # noqa: S106
    ),
    Row(
        name="gpu08",
        address="10.0.0.8",
        port=2222,
        user="root",
        password_file="/secrets/gpu08",  # noqa: S106
    ),
]


def problems(tmp_path: Path, name: str, text: str) -> list[str]:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ProblemsError) as caught:
        read(path)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "text"), [("h.csv", CSV), ("h.yml", LIST), ("h.yaml", MAPPING), ("h", LIST)]
)
def test_both_forms_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    assert read(tmp_path / name) == ROWS


def test_a_table_saved_by_a_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_bytes(b"\xef\xbb\xbfname,address\r\ngpu07,10.0.0.7\r\n")

    assert read(tmp_path / "h.csv") == [Row(name="gpu07", address="10.0.0.7")]


def test_all_that_is_wrong_is_told_at_once_with_its_lines(tmp_path: Path) -> None:
    text = (
        "name,address,port,host_key,colour\n"
        "gpu07,10.0.0.7,70000,,\n"
        "# two more\n"
        "gpu_08-,,22,md5:aa,\n"
        "gpu09,10.0.0.9,22,,red\n"
        "gpu10,10.0.0.10,22,,,extra\n"
    )

    found = problems(tmp_path, "h.csv", text)

    assert [line.partition(": found")[0] for line in found] == [
        "h.csv:2: gpu07: port",
        "h.csv:4: gpu_08-: name",
        "h.csv:4: gpu_08-: address",
        "h.csv:4: gpu_08-: host_key",
        "h.csv:5: gpu09: colour",
        "h.csv:6: gpu10: more cells than the heading",
    ]
    assert "SHA256: and 43 characters" in found[3]
    assert "one of name, address, port" in found[4]


def test_a_password_in_the_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    found = problems(tmp_path, "h.yml", "- {name: a, address: b, password: hunter2}\n")

    assert "hunter2" not in found[0]
    assert "password_file or password_env" in found[0]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("h.csv", "name,address\n", "found none, needed at least one host"),
        ("h.yml", "", "found none, needed at least one host"),
        ("h.yml", "just words\n", "where a list of hosts is needed"),
        ("h.yml", "- gpu07\n", "'gpu07' where a mapping is needed"),
        ("h.yml", "gpu07: 10.0.0.7\n", "gpu07: '10.0.0.7' where a mapping is needed"),
        ("h.yml", "- {name: a\n  address: [\n", "h.yml:"),
        ("h.csv", 'name,address\n"a,b\n', "unexpected end of data"),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, name: str, text: str, said: str) -> None:
    found = problems(tmp_path, name, text)

    assert len(found) == 1
    assert said in found[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path / "none.csv")

    assert "No such file" in caught.value.problems[0].found


def test_options_are_held_to_the_same() -> None:
    assert row(name="gpu07", address="10.0.0.7", port=None).port is None
    with pytest.raises(ProblemsError) as caught:
        row(name="gpu 07", address="10.0.0.7", host_key="SHA256:short")

    assert [problem.what for problem in caught.value.problems] == [
        "gpu 07: name",
        "gpu 07: host_key",
    ]
