"""What a host's apt offers: which keys go over, what is asked for, and what stops the host."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest

from torchrack.apt.offers import ask_offers
from torchrack.apt.openpgp import armour, keys
from torchrack.errors import HostError
from torchrack.facts.survey import Survey
from torchrack.inventory import FleetHost
from torchrack.remote import Answer
from torchrack.settings import Docker, Driver, Toolkit
from torchrack.settings.model import merge

KEYS = Path(__file__).parent / "fixtures" / "openpgp"
DATA = (KEYS / "rsa.asc").read_bytes()
(FINGERPRINT,) = keys(DATA)
OTHER = (KEYS / "ed25519.asc").read_bytes()
SURVEY = Survey("ubuntu", "24.04", "noble", "amd64", "6.8.0", "ubuntu")
FETCHED = ["fetch nvidia-driver 0", "fetch nvidia-toolkit 0", "ours", "end"]


class Session:
    """In the place of a host: keeps what is run there, and answers in turn."""

    def __init__(self, *answers: list[str]) -> None:
        self.host = FleetHost("gpu01", {}, merge([]))
        self.scripts: list[str] = []
        self._answers = list(answers)

    def run(self, text: str, *, seconds: int) -> Answer:
        assert seconds > 0
        self.scripts.append(text)
        return Answer(self._answers.pop(0), [])


def settings(key_file: str | None = None, **docker: Any) -> Any:
    key = {"key_fingerprint": FINGERPRINT, "key_file": key_file}
    return merge(
        [
            {
                "driver": Driver(**key),
                "toolkit": Toolkit(**key),
                "docker": Docker(**{"source": "distro", **key, **docker}),
            }
        ]
    )


def published(*data: bytes) -> list[str]:
    """What a host answers that fetches these keys."""
    lines: list[str] = []
    for one in data:
        lines += [f"content={base64.b64encode(one).decode()}", "=="]
    return lines[:-1]


def test_keys_of_this_machine_go_over_with_the_question():
    session = Session(FETCHED)
    assert ask_offers(session, SURVEY, settings(str(KEYS / "rsa.asc"))).versions == {}
    (script,) = session.scripts
    assert armour(keys(DATA)[FINGERPRINT]) in script
    assert "nvidia-dkms-580-open" in script
    assert "nvidia-container-toolkit" in script
    assert "theirs='docker-ce docker-ce-cli" in script
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def test_a_published_key_is_fetched_by_the_host_and_checked_here():
    session = Session(published(DATA, DATA), FETCHED)
    ask_offers(session, SURVEY, settings())
    fetch, script = session.scripts
    assert fetch.count("apt-helper download-file") == 2
    assert armour(keys(DATA)[FINGERPRINT]) in script


def test_another_key_than_the_pinned_one_stops_the_host_before_apt_sees_it():
    session = Session(published(DATA, OTHER))
    with pytest.raises(HostError, match=FINGERPRINT):
        ask_offers(session, SURVEY, settings())
    assert len(session.scripts) == 1


def test_a_key_that_can_not_be_had():
    session = Session(["content=", "E: Failed to fetch", "==", *published(DATA)])
    with pytest.raises(HostError, match="Failed to fetch"):
        ask_offers(session, SURVEY, settings())


def test_a_key_file_that_is_not_there():
    with pytest.raises(HostError, match="can't be read"):
        ask_offers(Session(), SURVEY, settings("/nowhere/key.asc"))


def test_docker_ce_has_a_repository_of_its_own():
    session = Session([*FETCHED[:2], "fetch docker 0", *FETCHED[2:]])
    ask_offers(session, SURVEY, settings(str(KEYS / "rsa.asc"), source="docker-ce"))
    assert "theirs=''" in session.scripts[0]
    assert "linux/ubuntu" in session.scripts[0]


def test_a_repository_that_can_not_be_fetched_is_named_with_apts_words():
    answer = ["fetch nvidia-driver 100 E: 404 Not Found", *FETCHED[1:]]
    with pytest.raises(HostError, match=r"NVIDIA.s driver repository.*404 Not Found"):
        ask_offers(Session(answer), SURVEY, settings(str(KEYS / "rsa.asc")))
