"""Making a lock: what is asked, what is chosen, what stays, and what is told."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from torchrack.apt.offers import Offer, Offers, driver_versions, parse
from torchrack.cli import app
from torchrack.contract import fleet_images
from torchrack.contract.model import Answer
from torchrack.errors import HostError, Problem
from torchrack.facts.survey import PciFunction, Survey
from torchrack.images.facts import ImageFacts
from torchrack.lock import file, make
from torchrack.lock.model import Group
from torchrack.lock.packages import engine_version
from torchrack.lock.resolve import Locked, Question, lock_host
from torchrack.preflight.facts import HostFacts
from torchrack.settings import Docker, Driver, Toolkit
from torchrack.settings.model import merge

TODAY = dt.date(2026, 11, 24)
OLD, NEW, NEXT = "580.105.08", "580.159.04", "590.48.01"
DIGEST, OTHER = (f"sha256:{digit * 64}" for digit in "12")
REFERENCE = "registry.example/ml/pytorch:2.9"


def offered(*versions: str) -> dict[str, tuple[str, ...]]:
    """What apt has on Debian for these drivers, the newest first, and beside them."""
    parts = ("nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-persistenced")
    drivers = {part: tuple(f"{v}-1" for v in versions) for part in parts}
    pins = {f"nvidia-driver-pinning-{v}": (f"{v}-1",) for v in versions}
    toolkits = dict.fromkeys(
        (
            "nvidia-container-toolkit",
            "nvidia-container-toolkit-base",
            "libnvidia-container-tools",
            "libnvidia-container1",
        ),
        ("1.20.0-1", "1.19.1-1"),
    )
    docker = {
        "docker.io": ("26.1.5+dfsg1-9+b8", "26.1.4+dfsg1-1"),
        "docker-cli": ("26.1.5+dfsg1-9", "26.1.4+dfsg1-1"),
        "containerd": ("1.7.24~ds1-6",),
        "runc": ("1.1.15+ds1-2+b4",),
        "iptables": ("1.8.11-2",),
    }
    return {**drivers, **pins, **toolkits, **docker}


SURVEY = Survey(
    "debian", "13", "trixie", "amd64", "6.12.9", "debian",
    (PciFunction("0000:01:00.0", "2335", "030200"),),
)  # fmt: skip
QUESTION = Question(
    name="gpu01",
    settings=merge([{"docker": Docker(source="distro"), "driver": Driver(version="580")}]),
    facts=HostFacts(SURVEY, clock=0.0, secure_boot=False),
    drivers=(OLD, NEW, NEXT),
    packages=offered(NEXT, NEW, OLD),
)


def locked(question: Question = QUESTION, kept: Group | None = None, free: str = "") -> Group:
    parts = frozenset(filter(None, free.split()))
    result = lock_host(question, kept=kept, free=parts, today=TODAY)
    assert isinstance(result, Locked), result
    return result.group


def asking(**sections: object) -> Question:
    """The question with other settings."""
    plain = {"docker": Docker(source="distro"), "driver": Driver(version="580")}
    return replace(QUESTION, settings=merge([plain, sections]))


KEPT = locked(asking(driver=Driver(version=OLD), toolkit=Toolkit(version="1.20.0-1")))


def test_a_new_host_gets_the_newest_that_fits():
    group = locked()
    assert group.driver.version == NEW
    assert group.packages == {
        "containerd": "1.7.24~ds1-6",
        "docker-cli": "26.1.5+dfsg1-9",
        "docker.io": "26.1.5+dfsg1-9+b8",
        "libnvidia-container-tools": "1.19.1-1",
        "libnvidia-container1": "1.19.1-1",
        "nvidia-container-toolkit": "1.19.1-1",
        "nvidia-container-toolkit-base": "1.19.1-1",
        "nvidia-driver-cuda": f"{NEW}-1",
        f"nvidia-driver-pinning-{NEW}": f"{NEW}-1",
        "nvidia-kernel-open-dkms": f"{NEW}-1",
        "nvidia-persistenced": f"{NEW}-1",
        "runc": "1.1.15+ds1-2+b4",
    }
    assert group.asked == {
        "docker.source": "distro",
        "driver.components": "compute",
        "driver.version": "580",
    }


def test_what_is_locked_stays_while_it_fits():
    group = locked(kept=KEPT)
    assert group.driver.version == OLD
    assert group.packages["nvidia-driver-cuda"] == f"{OLD}-1"
    assert group.packages["nvidia-container-toolkit"] == "1.20.0-1"


@pytest.mark.parametrize(
    ("free", "driver", "toolkit"),
    [
        ("driver", NEW, "1.20.0-1"),
        ("toolkit", OLD, "1.19.1-1"),
        ("driver toolkit", NEW, "1.19.1-1"),
        ("docker", OLD, "1.20.0-1"),
    ],
)
def test_one_part_moves_alone(free: str, driver: str, toolkit: str):
    group = locked(kept=KEPT, free=free)
    assert (group.driver.version, group.packages["nvidia-container-toolkit"]) == (driver, toolkit)


def test_the_engine_moves_when_it_is_to():
    older = {"docker.io": "26.1.4+dfsg1-1", "docker-cli": "26.1.4+dfsg1-1"}
    kept = KEPT.model_copy(update={"packages": KEPT.packages | older})
    assert locked(kept=kept).packages["docker.io"] == "26.1.4+dfsg1-1"
    assert locked(kept=kept).packages["docker-cli"] == "26.1.4+dfsg1-1"
    assert locked(kept=kept, free="docker").packages["docker.io"] == "26.1.5+dfsg1-9+b8"
    pinned = asking(docker=Docker(version="26.1.4*"))
    assert locked(pinned, kept=KEPT).packages["docker.io"] == "26.1.4+dfsg1-1"


def test_settings_move_what_no_longer_fits():
    assert locked(asking(driver=Driver(version="590")), kept=KEPT).driver.version == NEXT
    assert locked(asking(driver=Driver(version=NEW)), kept=KEPT).driver.version == NEW


def test_a_locked_version_that_is_gone_is_replaced():
    gone = replace(QUESTION, drivers=(NEW,), packages=offered(NEW))
    assert locked(gone, kept=KEPT).driver.version == NEW


def test_conflicts_are_told_in_place_of_an_entry():
    result = lock_host(asking(driver=Driver(version="565")), kept=None, today=TODAY)
    assert isinstance(result, Answer)
    assert result.conflicts


def test_a_package_that_apt_lacks():
    lacking = {n: v for n, v in QUESTION.packages.items() if n != "nvidia-persistenced"}
    result = lock_host(replace(QUESTION, packages=lacking), kept=None, today=TODAY)
    assert isinstance(result, Problem)
    assert (result.where, result.what) == ("gpu01", "Package nvidia-persistenced")


@pytest.mark.parametrize(
    ("docker", "versions", "said"),
    [
        (Docker(), (), "no version"),
        (Docker(source="distro"), ("20.10.24+dfsg1-1",), "25 or newer"),
        (Docker(source="distro", version="28.1*"), ("26.1.5-1",), "needed version 28.1*"),
    ],
)
def test_an_engine_that_can_not_be_had(docker: Docker, versions: tuple[str, ...], said: str):
    with pytest.raises(HostError, match=said.replace("*", r"\*")):
        engine_version("gpu01", docker, {"docker.io": versions})


def test_docker_ce_is_three_packages():
    packages = {
        **QUESTION.packages,
        "docker-ce": ("5:29.6.1-1~debian.13~trixie", "5:28.5.2-1~debian.13~trixie"),
        "docker-ce-cli": ("5:29.6.1-1~debian.13~trixie", "5:28.5.2-1~debian.13~trixie"),
        "containerd.io": ("2.2.6-1~debian.13~trixie", "1.7.29-1~debian.13~trixie"),
    }
    question = replace(asking(docker=Docker(source="docker-ce")), packages=packages)
    chosen = locked(question).packages
    assert chosen["docker-ce"] == chosen["docker-ce-cli"] == "5:29.6.1-1~debian.13~trixie"
    assert chosen["containerd.io"] == "2.2.6-1~debian.13~trixie"
    assert "docker.io" not in chosen


# What apt answers

MADISON = """\
fetch nvidia-driver 0
fetch docker 100 E: Failed to fetch https://x
ours
nvidia-driver-cuda | 580.159.04-1 | http://mirror.example/cuda/debian13/x86_64  Packages
nvidia-driver-cuda | 580.159.04-1 | http://mirror.example/cuda/debian13/x86_64  Packages
libnvidia-container1 | 1.20.0-1 | http://mirror.example/toolkit  Packages
theirs
 docker.io | 26.1.5+dfsg1-9+b8 | http://deb.mirror.example/debian trixie/main amd64 Packages
 docker.io | 26.1.5+dfsg1-9 | http://deb.mirror.example/debian trixie/main Sources
end
""".splitlines()


def test_offers_are_read():
    offers = parse(MADISON, host="gpu01")
    assert offers.failed == {"docker": "E: Failed to fetch https://x"}
    assert offers.versions["docker.io"] == (
        Offer("26.1.5+dfsg1-9+b8", "http://deb.mirror.example/debian trixie/main amd64"),
    )
    assert len(offers.versions["nvidia-driver-cuda"]) == 1
    assert driver_versions(offers) == ("580.159.04",)


def test_a_cut_off_answer_is_no_answer():
    with pytest.raises(HostError, match="cut off"):
        parse(MADISON[:-1], host="gpu01")


# The command

INVENTORY = """\
from torchrack.inventory import check_fleet, host
from torchrack.settings import Docker, Driver, Images

_there = dict(user="admin", known_hosts={known!r},
              driver=Driver(version={driver!r}), docker=Docker(source="distro"),
              images=Images(catalog={{"pytorch": {reference!r}}}))
gpu = [host(name, address=name, **_there) for name in {names!r}]
check_fleet(__file__, globals())
"""


class Fleet:
    """A fleet on disk whose hosts and registries answer from memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image: ImageFacts | Problem = ImageFacts(DIGEST, torch="2.9.0", cuda="12.8")
        self.unreachable: set[str] = set()
        self.asked_images: set[tuple[str, str]] = set()
        self.write()

    def write(self, *names: str, driver: str = "580") -> None:
        known = self.folder / "known_hosts"
        known.touch()
        (self.folder / "fleet.py").write_text(
            INVENTORY.format(
                known=str(known),
                driver=driver,
                reference=REFERENCE,
                names=list(names or ("gpu01", "gpu02")),
            )
        )

    @property
    def lock(self) -> Path:
        return self.folder / "fleet.lock.yml"

    def across(self, hosts, _work, answered):
        versions = {
            name: tuple(Offer(v, "x") for v in found) for name, found in QUESTION.packages.items()
        }
        for _ in hosts:
            answered()
        return {
            host.name: Problem(host.name, "Facts", "no answer", "one", "look")
            if host.name in self.unreachable
            else make._Asked(QUESTION.facts, Offers(versions))
            for host in hosts
        }

    def images(self, wanted, _registries):
        self.asked_images = set(wanted)
        return dict.fromkeys(wanted, self.image)

    def run(self, *arguments: str):
        return CliRunner().invoke(app, ["lock", str(self.folder / "fleet.py"), *arguments])


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    fleet = Fleet(tmp_path)
    monkeypatch.setattr(make, "across", fleet.across)
    monkeypatch.setattr(fleet_images, "resolve_images", fleet.images)
    return fleet


def test_a_first_lock_is_written_and_then_current(fleet: Fleet):
    first = fleet.run()
    assert first.exit_code == 0, first.output
    lock = file.read(fleet.lock)
    assert [group.hosts for group in lock.groups] == [("gpu01", "gpu02")]
    assert lock.images[REFERENCE].digest == DIGEST
    assert fleet.asked_images == {(REFERENCE, "amd64")}
    assert fleet.run("--check").exit_code == 0
    assert fleet.asked_images == {(f"{REFERENCE}@{DIGEST}", "amd64")}, "a locked tag does not move"
    again = fleet.run()
    assert again.exit_code == 0
    assert "nothing changes" in again.stdout


def test_check_writes_nothing(fleet: Fleet):
    assert fleet.run("--check").exit_code == 1
    assert not fleet.lock.exists()


def test_images_move_when_they_are_to(fleet: Fleet):
    fleet.run()
    fleet.image = ImageFacts(OTHER, torch="2.9.0", cuda="12.8")
    moved = json.loads(fleet.run("--upgrade", "images", "--json").stdout)
    assert [(c["what"], c["old"], c["new"]) for c in moved["changes"]] == [
        (REFERENCE, DIGEST, OTHER)
    ]
    assert file.read(fleet.lock).images[REFERENCE].digest == OTHER


def test_a_host_that_does_not_answer_keeps_its_entry(fleet: Fleet):
    fleet.run()
    fleet.unreachable = {"gpu02"}
    done = fleet.run("--upgrade", "toolkit")
    assert done.exit_code == 1
    assert "gpu02" in done.stderr
    assert {name for group in file.read(fleet.lock).groups for name in group.hosts} == {
        "gpu01",
        "gpu02",
    }


def test_a_registry_that_does_not_answer_leaves_the_lock_alone(fleet: Fleet):
    fleet.run()
    before = fleet.lock.read_text()
    fleet.image = Problem("registry.example", "Manifest", "no answer", "one", "look at it")
    done = fleet.run()
    assert done.exit_code == 1
    assert done.stderr.count("registry.example") == 1, "told once, whatever the number of hosts"
    assert fleet.lock.read_text() == before


def test_an_image_that_does_not_run_there_is_a_conflict(fleet: Fleet):
    fleet.image = ImageFacts(DIGEST, cuda="13.3", requires={"NVIDIA_REQUIRE_CUDA": "cuda>=99.0"})
    done = fleet.run()
    assert done.exit_code == 2, done.output
    assert "gpu01" in done.stderr
    assert not fleet.lock.exists()


def test_a_host_that_left_the_inventory_leaves_the_lock(fleet: Fleet):
    fleet.run()
    fleet.write("gpu02")
    assert fleet.run().exit_code == 0
    assert [group.hosts for group in file.read(fleet.lock).groups] == [("gpu02",)]


def test_a_lock_edited_by_hand_is_refused_with_its_problems(fleet: Fleet):
    fleet.run()
    fleet.lock.write_text(fleet.lock.read_text().replace("schema: 1", "schema: 7"))
    done = fleet.run()
    assert done.exit_code == 1
    assert "schema" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--upgrade", "kernel"), "the parts are driver, docker, toolkit, images"),
        (("--limit", "gpu77"), "no host gpu77"),
    ],
)
def test_wrong_arguments(fleet: Fleet, arguments: tuple[str, ...], said: str):
    done = fleet.run(*arguments)
    assert done.exit_code == 1
    assert said in done.stderr
