"""The question about a real host."""

from __future__ import annotations

import datetime as dt

from torchrack.contract import Facts, Wishes, resolve
from torchrack.contract.question import facts_of, wishes_of
from torchrack.facts.survey import PciFunction, Survey
from torchrack.preflight.facts import HostFacts
from torchrack.settings import Docker, Driver
from torchrack.settings.model import merge

H200 = PciFunction("0000:1a:00.0", "2335", "030200")
SWITCH = PciFunction("0000:05:00.0", "22a3", "068000")
SURVEY = Survey(
    os="debian",
    version="13",
    codename="trixie",
    architecture="amd64",
    kernel="6.12.9+deb13-amd64",
    user="debian",
    nvidia=(H200, H200, SWITCH),
)


def test_facts_and_wishes_of_a_host():
    facts = facts_of(HostFacts(SURVEY, clock=0.0, secure_boot=True, dkms_key_enrolled=True))
    assert facts == Facts(
        gpus=("2335", "2335"),
        system="debian13",
        nvswitches=1,
        kernel="6.12.9+deb13-amd64",
        secure_boot=True,
        dkms_key_enrolled=True,
    )
    wishes = wishes_of(merge([{"driver": Driver(version="580.159.04"), "docker": Docker()}]))
    assert wishes == Wishes(
        driver="580.159.04",
        source="cuda-repo",
        modules="dkms",
        toolkit="1.19.1-1",
        docker="29.6.1",
    )
    answer = resolve(facts, wishes, today=dt.date(2026, 11, 21))
    assert answer.verdict == "ok"
    assert answer.contract.fabric_manager == "nvidia-fabricmanager"


def test_the_distributions_docker_is_a_wish_too():
    wishes = wishes_of(merge([{"docker": Docker(source="distro", version="26.1.5+dfsg1-9*")}]))
    assert wishes.docker == "26.1.5"
