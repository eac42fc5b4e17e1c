"""The question about a real host."""

from __future__ import annotations

import datetime as dt

import pytest

from torchrack.contract import Facts, ImageWish, Wishes, resolve
from torchrack.contract.question import facts_of, image_wish, wishes_of
from torchrack.facts.survey import PciFunction, Survey
from torchrack.images.facts import ImageFacts
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
    asked = {
        "driver": Driver(version="580"),
        "docker": Docker(version="5:29.6.1*"),
    }
    wishes = wishes_of(merge([asked]))
    assert wishes == Wishes(driver="580", source="cuda-repo", modules="dkms", docker="29.6.1")
    answer = resolve(facts, wishes, today=dt.date(2026, 11, 21))
    assert answer.verdict == "ok"
    assert answer.contract.fabric_manager == "nvidia-fabricmanager"


def test_the_distributions_docker_is_a_wish_too():
    wishes = wishes_of(merge([{"docker": Docker(source="distro", version="26.1.5+dfsg1-9*")}]))
    assert wishes.docker == "26.1.5"


def test_what_is_left_open_is_the_resolvers_choice():
    assert wishes_of(merge([])) == Wishes(source="cuda-repo", modules="dkms")


@pytest.mark.parametrize(
    ("image", "wish"),
    [
        (ImageFacts("d"), None),
        (ImageFacts("d", torch="2.13.0", cuda="none"), None),
        (ImageFacts("d", cuda="12.6.3"), ImageWish("x", torch=None, cuda="12.6")),
        (ImageFacts("d", torch="2.9.0"), ImageWish("x", torch="2.9")),
        (
            ImageFacts("d", torch="2.9.0", cuda="12.8.1", python="3.12.7"),
            ImageWish("x", torch="2.9", cuda="12.8", python="3.12"),
        ),
        (
            ImageFacts("d", torch="2.6.0a0+ecf3bae40a", cuda="12.8.0.038"),
            ImageWish("x", torch=None, cuda="12.8"),
        ),
        (
            ImageFacts("d", requires={"NVIDIA_REQUIRE_CUDA": "cuda>=12.6"}),
            ImageWish("x", torch=None, requires=("cuda>=12.6",)),
        ),
    ],
)
def test_what_an_image_asks_of_a_host(image, wish):
    assert image_wish("x", image) == wish
