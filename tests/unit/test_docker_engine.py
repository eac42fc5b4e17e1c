"""Which engine, from which packages, configured how."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plan import Plan
from torchrack.apt.transaction import Plan as AptAnswer
from torchrack.docker import engine as docker_engine
from torchrack.docker.version import major
from torchrack.facts.apt_plan import AptPlan
from torchrack.facts.docker import Available
from torchrack.facts.packages import Package, Packages
from torchrack.facts.survey import Survey
from torchrack.operations import docker
from torchrack.settings import Docker
from torchrack.settings.check_docker import docker_version
from torchrack.settings.model import merge

DISTRO = Docker(source="distro", version="26.1.5*")
CE = Docker(version="5:29.6.1*", containerd_version="2.2.6-1*")
LOCKED = {
    "docker-cli": "26.1.5+dfsg1-9+b9",
    "docker.io": "26.1.5+dfsg1-9+b9",
    "runc": "1.1.15+ds1-2+b4",
}
# Recorded on Debian 13 after apt-get install docker.io docker-cli, with the packages held.
DEBIAN13 = Packages().process(
    [
        "containerd\t1.7.24~ds1-6+deb13u1\thi ",
        "docker-cli\t26.1.5+dfsg1-9+b9\thi ",
        "docker.io\t26.1.5+dfsg1-9+b9\thi ",
        "iptables\t1.8.11-2\tii ",
        "runc\t1.1.15+ds1-2+b4\thi ",
        "docker-ce\t\tun ",
        "containerd.io\t\tun ",
    ]
)
MADISON = [
    " docker.io | 26.1.5+dfsg1-9+b9 | http://deb.mirror.example/debian trixie/main amd64 Packages",
    " docker.io | 26.1.5+dfsg1-9 | http://deb.mirror.example/debian trixie/main Sources",
    "docker-cli | 26.1.5+dfsg1-9+b9 | http://deb.mirror.example/debian trixie/main amd64 Packages",
]


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("5:29.6.1-1~debian.13~trixie", 29),
        ("26.1.5+dfsg1-9+b9", 26),
        ("28.2.2-0ubuntu1~24.04.1", 28),
        ("20.10.24+dfsg1-1+deb12u1+b6", 20),
        ("5:29.6.1*", 29),
        ("", 0),
    ],
)
def test_major(version: str, number: int) -> None:
    assert major(version) == number


def test_madison_is_read_without_sources() -> None:
    assert Available().process(MADISON) == {
        "docker.io": ("26.1.5+dfsg1-9+b9",),
        "docker-cli": ("26.1.5+dfsg1-9+b9",),
    }


def test_the_client_is_a_package_where_the_distribution_has_it_apart() -> None:
    debian13 = docker_engine.wanted(DISTRO, ["docker.io", "docker-cli"])
    ubuntu2404 = docker_engine.wanted(DISTRO, ["docker.io"])
    assert debian13["docker-cli"] == "26.1.5*"
    assert "docker-cli" not in ubuntu2404
    assert {"docker.io", "containerd", "runc"} <= ubuntu2404.keys()


def test_docker_ce_is_three_packages_at_pinned_versions() -> None:
    assert docker_engine.wanted(CE, []) == {
        "docker-ce": "5:29.6.1*",
        "docker-ce-cli": "5:29.6.1*",
        "containerd.io": "2.2.6-1*",
    }


def test_nothing_to_do_where_all_is_installed_and_held(plan: Plan, engine: Plan) -> None:
    assert plan(docker.check, DEBIAN13, settings=DISTRO) == []
    assert engine(DEBIAN13) == []


@pytest.mark.parametrize(
    ("settings", "version", "told"),
    [
        (CE, "26.1.5+dfsg1-9+b9", "docker.io installed"),
        (Docker(source="distro", version="25.0*"), "26.1.5+dfsg1-9+b9", "an older major version"),
    ],
)
def test_another_source_and_a_downgrade_are_refused(
    plan: Plan, settings: Docker, version: str, told: str
) -> None:
    (command,) = plan(docker.check, DEBIAN13, settings=settings)
    assert command.startswith("false # ")
    assert told in command


def test_an_engine_without_cdi_is_refused_by_name() -> None:
    error = docker_engine.unavailable("gpu01", DISTRO, ("20.10.24+dfsg1-1+deb12u1+b6",))
    assert "20.10.24" in str(error)
    assert "25 or newer" in str(error)
    error = docker_engine.unavailable("gpu01", DISTRO, ("28.2.2-0ubuntu1~24.04.1",))
    assert "needed version 26.1.5*" in str(error)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> Plan:
    """``engine(present)``: what is done where these packages are there."""

    def run(present: dict[str, Package]) -> list[str]:
        facts = {Packages: present, AptPlan: AptAnswer(())}
        for module in ("apt", "transaction"):
            monkeypatch.setattr(
                f"torchrack.operations.{module}.gather", lambda fact, **_: facts[fact]
            )
        return plan(docker.engine, present, versions=LOCKED)

    return run


def test_a_lost_hold_is_put_back_without_asking_a_mirror(engine: Plan) -> None:
    unheld = DEBIAN13 | {"runc": Package("1.1.15+ds1-2+b4", installed=True, held=False)}
    assert engine(unheld) == ["apt-mark hold runc"]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("docker-cli", None),
        ("docker.io", Package("26.1.5+dfsg1-9+b9", installed=False, held=True)),
        ("iptables", None),
    ],
)
def test_what_is_missing_or_of_another_version_is_installed(
    engine: Plan, name: str, package: Package | None
) -> None:
    present = {n: p for n, p in {**DEBIAN13, name: package}.items() if p}
    update, install = engine(present)
    assert "update_lists" in update
    assert "docker.io=26.1.5+dfsg1-9+b9" in install
    assert "apt-mark hold docker-cli docker.io runc" in install


def test_an_upgrade_keeps_the_packages_that_run_until_the_new_ones_do(engine: Plan) -> None:
    old = DEBIAN13 | {"docker.io": Package("26.1.4-1", installed=True, held=True)}
    keep, update, install, started = engine(old)
    assert "docker.io=26.1.4-1" in keep
    assert "update_lists" in update
    assert "docker.io=26.1.5+dfsg1-9+b9" in install
    assert "apt install --reinstall --allow-downgrades" in started
    assert "does not start with docker.io 26.1.5+dfsg1-9+b9" in started


def test_repository_of_docker() -> None:
    survey = Survey("ubuntu", "24.04", "noble", "amd64", "6.8.0", "ubuntu")
    source = docker_engine.repository(Docker(), survey).source()
    assert "URIs: https://download.docker.com/linux/ubuntu\n" in source
    assert "Suites: noble\nComponents: stable\n" in source


def test_configuration_holds_what_hardening_asks_for() -> None:
    assert docker_engine.configuration(Docker(address_pools=["10.200.0.0/16"])) == {
        "log-driver": "local",
        "log-opts": {"max-size": "50m", "max-file": "5"},
        "live-restore": True,
        "no-new-privileges": True,
        "userland-proxy": False,
        "icc": False,
        "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1048576, "Hard": 1048576}},
        "features": {"cdi": True},
        "default-address-pools": [{"base": "10.200.0.0/16", "size": 24}],
    }


def test_journald_takes_no_log_options() -> None:
    assert "log-opts" not in docker_engine.configuration(Docker(log_driver="journald"))


def test_extra_has_the_last_word_on_what_has_no_field() -> None:
    keys = docker_engine.configuration(Docker(extra={"icc": True, "features": {"buildkit": True}}))
    assert keys["icc"] is True
    assert keys["features"] == {"cdi": True, "buildkit": True}


@pytest.mark.parametrize(
    "values",
    [
        {"extra": {"hosts": ["tcp://0.0.0.0:2375"]}},
        {"extra": {"live-restore": False}},
        {"address_pools": ["10.200.0.0/28"]},
        {"address_pools": ["10.200.0.1/16"]},
        {"address_pools": ["10.200.0.0/16", "10.200.4.0/22"]},
        {"version": "latest"},
        {"nofile": 10},
    ],
)
def test_wrong_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Docker"):
        Docker(**values)


@pytest.mark.parametrize(
    ("docker_settings", "problems"),
    [
        (Docker(), 0),
        (Docker(source="distro"), 0),
        (CE, 0),
        (Docker(source="distro", version="5:29.6.1*"), 1),
        (Docker(version="26.1.5*"), 1),
        (DISTRO, 0),
        (Docker(source="distro", version="20.10*"), 1),
    ],
)
def test_version_and_source_have_to_fit(docker_settings: Docker, problems: int) -> None:
    found = list(docker_version("gpu01", merge([{"docker": docker_settings}])))
    assert len(found) == problems
