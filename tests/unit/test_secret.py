"""Secrets: three sources, one way to read them, and none of them told in an error."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from torchrack.errors import TorchrackError
from torchrack.settings import Images, Port, Registry, Workload, Workloads, secret
from torchrack.settings.check import check_settings
from torchrack.settings.model import merge
from torchrack.settings.secret import Secret, command, env, file

WORD = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_answers", {})


def refused(reference: Secret) -> str:
    with pytest.raises(TorchrackError) as caught:
        reference.read()
    assert WORD not in str(caught.value)
    return str(caught.value)


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULL", WORD)
    assert env("PULL").read() == WORD
    monkeypatch.delenv("PULL")
    assert "PULL is not set: export it" in refused(env("PULL"))


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "word"
    assert "can't be read" in refused(file(str(path)))
    path.write_text(f"{WORD}\nnote\n")
    path.chmod(0o640)
    assert f"chmod 600 {path}" in refused(file(str(path)))
    path.chmod(0o600)
    assert file(str(path)).read() == WORD
    path.write_text("\n")
    assert "is empty" in refused(file(str(path)))


def test_command_gives_its_first_line() -> None:
    assert command("printf", r"%s\nnote\n", WORD).read() == WORD
    assert command("printf", r"%s\r\n", WORD).read() == WORD


def test_command_is_no_shell(tmp_path: Path) -> None:
    assert command("printf", "%s", f"$(touch {tmp_path}/x); $HOME|*").read() == (
        f"$(touch {tmp_path}/x); $HOME|*"
    )
    assert not (tmp_path / "x").exists()


def test_a_leading_tilde_is_the_home_folder(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    script(tmp_path / "give", 'cat "$1"')
    (tmp_path / "word").write_text(WORD)
    assert command("~/give", "~/word").read() == WORD


def test_command_gets_no_input() -> None:
    assert "printed nothing" in refused(command("cat"))


def test_command_runs_once_in_a_process(tmp_path: Path) -> None:
    give = script(tmp_path / "give", f'echo run >> {tmp_path}/runs; echo "word-$1"')
    assert [command(give, "a").read() for _ in range(3)] == ["word-a"] * 3
    assert command(give, "b").read() == "word-b"
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_a_failure_is_not_tried_again_for_each_host(tmp_path: Path) -> None:
    give = script(tmp_path / "give", f"echo run >> {tmp_path}/runs; exit 1")
    assert refused(command(give)) == refused(command(give))
    assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"echo {WORD}; echo the vault is sealed >&2; exit 3", "ended with 3, the vault is sealed"),
        (f"echo {WORD}; exit 1", "ended with 1, without a word"),
        ("exit 0", "printed nothing in its first line"),
        (f"echo; echo {WORD}", "printed nothing in its first line"),
        (r"printf '\377\376'", "printed what is no text"),
    ],
)
def test_what_goes_wrong_with_a_command(tmp_path: Path, text: str, words: str) -> None:
    give = script(tmp_path / "give", text)
    said = refused(command(give, "lab/pull word"))
    assert words in said
    assert said.endswith(f": try it, {give} 'lab/pull word'")


def test_a_command_that_is_not_there_or_can_t_be_run(tmp_path: Path) -> None:
    assert "is not installed here" in refused(command("no-such-program"))
    (tmp_path / "give").write_text("x")
    assert "Permission denied" in refused(command(str(tmp_path / "give")))


def test_a_command_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "COMMAND_SECONDS", 0.2)
    assert "took more than 0.2 s" in refused(command("sleep", "30"))


@pytest.mark.parametrize(
    "values",
    [
        {"source": "command", "name": "pass show x"},
        {"source": "command", "name": []},
        {"source": "command", "name": ["pass", ""]},
        {"source": "env", "name": ["A", "B"]},
        {"source": "file", "name": ""},
        {"source": "vault", "name": "x"},
    ],
)
def test_references_that_are_none(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Secret.model_validate(values)


def test_yaml_files_name_one_in_the_same_way() -> None:
    value = {"source": "command", "name": ["printf", WORD]}
    assert Secret.model_validate(value) == command("printf", WORD)


def _port(number: int) -> list[Port]:
    return [Port(container=8888, host=number)]


def test_a_program_that_is_missing_is_told_before_any_connection() -> None:
    missing, there = command("no-such-program", "x"), command("printf", "x" * 40)
    settings = merge(
        [
            {
                "images": Images(
                    catalog={"pytorch": "r.example/pytorch:1"},
                    registries=[Registry(address="r.example", username="a", password=missing)],
                ),
                "workloads": Workloads(
                    containers=[
                        Workload(
                            name="bb",
                            kind="jupyter",
                            image="pytorch",
                            ports=_port(8888),
                            token=there,
                        ),
                        Workload(
                            name="cc",
                            kind="jupyter",
                            image="pytorch",
                            ports=_port(8889),
                            token=missing,
                        ),
                    ]
                ),
            }
        ]
    )
    found = [(p.what, p.found) for p in check_settings("gpu01", settings) if "program" in p.found]
    assert found == [
        ("registry r.example: password", "no program no-such-program"),
        ("workload cc: token", "no program no-such-program"),
    ]
