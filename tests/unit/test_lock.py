"""The lock: its file, what it makes of settings, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchrack.errors import ProblemsError
from torchrack.facts.survey import PciFunction, Survey
from torchrack.lock import apply, file
from torchrack.lock.asked import asked_of
from torchrack.lock.build import build, like
from torchrack.lock.changes import changes, consequences
from torchrack.lock.model import Found, Group, Lock, LockedDriver, LockedImage, empty
from torchrack.preflight.facts import HostFacts
from torchrack.settings import Docker, Driver, Images, Port, Toolkit, Workload, Workloads
from torchrack.settings.model import Settings, merge

REFERENCE = "registry.example/ml/pytorch:2.13"
DIGEST = f"sha256:{'1' * 64}"
OTHER = f"sha256:{'2' * 64}"
FOUND = Found(os="debian13", machine="amd64", gpus={"10de:2335": 2}, secure_boot=False)
PACKAGES = {
    "docker-cli": "26.1.5+dfsg1-9",
    "docker.io": "26.1.5+dfsg1-9+b8",
    "nvidia-container-toolkit": "1.19.1-1",
    "nvidia-driver-cuda": "580.105.08-1",
}


def group(*hosts: str, driver: str = "580.105.08", **more: object) -> Group:
    locked = LockedDriver(version=driver, flavour="open", source="cuda-repo", modules="dkms")
    values = {
        "found": FOUND,
        "asked": asked_of(settings()),
        "packages": PACKAGES | {"nvidia-driver-cuda": f"{driver}-1"},
        **more,
    }
    return Group(hosts=hosts, driver=locked, **values)


def settings(**sections: object) -> Settings:
    plain = {
        "docker": Docker(source="distro"),
        "driver": Driver(version="580"),
        "images": Images(catalog={"pytorch": REFERENCE, "pinned": f"a.example/b@{OTHER}"}),
        "workloads": Workloads(
            containers=[
                Workload(
                    name="notebook",
                    kind="jupyter",
                    image="pytorch",
                    ports=[Port(container=8888, host=8888)],
                ),
                Workload(name="training", kind="container", image="pinned", command=["x"]),
            ]
        ),
    }
    return merge([plain, sections])


def lock(*groups: Group, digest: str = DIGEST) -> Lock:
    images = {REFERENCE: LockedImage(digest=digest, cuda="13.0", torch="2.13.0")}
    return Lock(schema=1, images=images, groups=groups)


def facts(*devices: str, **more: object) -> HostFacts:
    functions = tuple(
        PciFunction(f"0000:{number:02x}:00.0", device, "030200")
        for number, device in enumerate(devices)
    )
    survey = Survey("debian", "13", "trixie", "amd64", "6.12.9", "debian", functions)
    return HostFacts(survey, clock=0.0, **{"secure_boot": False, **more})


def told(lock: Lock | None, settings_: Settings, host: str = "gpu01") -> list[str]:
    found = apply.problems(lock, host, settings_, file="f.lock.yml", command="torchrack lock f.py")
    assert all("torchrack lock f.py" in problem.fix for problem in found)
    return [f"{problem.what}: {problem.found}" for problem in found]


# The file


def test_a_lock_comes_back_as_it_was_written(tmp_path: Path):
    path = tmp_path / "fleet.lock.yml"
    written = lock(group("gpu02"), group("gpu01", "gpu03", driver="570.211.01"))
    file.write(path, written, tmp_path / "fleet.py")
    read = file.read(path)
    assert read is not None
    assert read.images == written.images
    assert sorted(read.groups, key=str) == sorted(written.groups, key=str)
    text = path.read_text()
    assert text.index("[gpu01, gpu03]") < text.index("[gpu02]"), "sorted, whatever came first"
    assert text == file.text(read, tmp_path / "fleet.py")


def test_no_file_is_no_lock(tmp_path: Path):
    assert file.read(tmp_path / "none.yml") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema: 2\n", "schema"),
        ("schema: 1\nimages: {a: {digest: sha256:12}}\n", "images.a.digest"),
        ("schema: 1\nextra: 1\n", "extra"),
        ("schema: [1\n", "the file"),
        ("just words\n", "the file"),
        ("", "the file"),
    ],
)
def test_what_is_no_lock_is_refused(tmp_path: Path, text: str, said: str):
    path = tmp_path / "fleet.lock.yml"
    path.write_text(text)
    with pytest.raises(ProblemsError) as caught:
        file.read(path)
    assert [p.what for p in caught.value.problems] == [f"Lock: {said}"]
    assert caught.value.problems[0].where.endswith("fleet.lock.yml")


def test_a_host_in_two_groups_is_refused(tmp_path: Path):
    path = tmp_path / "fleet.lock.yml"
    text = file.text(lock(group("gpu01")), "f.py") + "".join(
        f"{line}\n" for line in file.text(lock(group("gpu01")), "f.py").split("groups:\n")[1:]
    )
    path.write_text(text)
    with pytest.raises(ProblemsError) as caught:
        file.read(path)
    assert "gpu01 in several" in caught.value.problems[0].found


# Whether it fits


def test_a_lock_that_fits():
    assert told(lock(group("gpu01")), settings()) == []


def test_no_lock_no_entry_no_image():
    assert told(None, settings()) == ["Lock: no such file"]
    assert told(lock(group("gpu02")), settings()) == ["Lock: not in f.lock.yml"]
    bare = Lock(schema=1, groups=(group("gpu01"),))
    assert told(bare, settings()) == [f"Lock: image {REFERENCE}: not in f.lock.yml"]


def test_every_setting_that_changed_is_told_at_once():
    changed = settings(driver=Driver(version="590"), toolkit=Toolkit(version="1.20.0-1"))
    assert told(lock(group("gpu01")), changed) == [
        "Lock: driver.version: made for '580'",
        "Lock: toolkit.version: made for 'auto'",
    ]


def test_settings_that_leave_the_choice_as_it_was_do_not_make_it_stale():
    quiet = settings(docker=Docker(nofile=4096))
    assert told(lock(group("gpu01")), quiet) == []


def test_a_host_that_is_as_it_was():
    now = apply.found_of(facts("2335", "2335"))
    assert apply.changes(group("gpu01"), now, "gpu01", command="x") == []


@pytest.mark.parametrize(
    ("now", "what", "found"),
    [
        (facts("2335"), "GPUs on the PCI bus", "1 x 10de:2335"),
        (facts(), "GPUs on the PCI bus", "none"),
        (facts("2335", "2335", secure_boot=True), "Secure Boot", "yes"),
        (facts("2335", "2335", secure_boot=None), "Secure Boot", "not known"),
        (
            facts("2335", "2335", dkms_key_enrolled=True),
            "the firmware knows the key of DKMS",
            "yes",
        ),
    ],
)
def test_a_host_that_changed(now: HostFacts, what: str, found: str):
    problems = apply.changes(group("gpu01"), apply.found_of(now), "gpu01", command="the command")
    assert [(p.what, p.found) for p in problems] == [(f"Lock: {what}", found)]
    assert "the command" in problems[0].fix


# What it makes of settings


def test_nothing_is_left_open():
    exact = apply.exact(settings(), lock(group("gpu01")), group("gpu01"))
    assert (exact.driver.version, exact.driver.flavour) == ("580.105.08", "open")
    assert exact.docker.version == "26.1.5*"
    assert exact.toolkit.version == "1.19.1-1"
    assert exact.images.catalog == {
        "pytorch": f"{REFERENCE}@{DIGEST}",
        "pinned": f"a.example/b@{OTHER}",
    }
    assert exact.workloads == settings().workloads


@pytest.mark.parametrize(
    ("version", "pattern"),
    [
        ("5:29.6.1-1~ubuntu.24.04~noble", "5:29.6.1*"),
        ("26.1.5+dfsg1-9+b8", "26.1.5*"),
        ("odd", "odd"),
    ],
)
def test_the_pattern_of_a_release(version: str, pattern: str):
    assert apply.upstream(version) == pattern


# The new lock


def test_equal_hosts_share_a_group_and_hosts_that_left_go():
    old = lock(group("gone", "gpu01", "gpu02"))
    new = build(
        old,
        {"gpu02": group("gpu02"), "gpu03": group("gpu03", driver="570.1.1")},
        {},
        ["gpu01", "gpu02", "gpu03"],
    )
    assert [g.hosts for g in new.groups] == [("gpu01", "gpu02"), ("gpu03",)]


def test_a_new_host_joins_the_largest_group_like_it():
    small, large = group("a"), group("b", "c", driver="570.211.01")
    asked = asked_of(settings())
    assert like(lock(small, large), asked, "debian13") == large
    assert like(lock(small, large), asked, "ubuntu2404") is None
    assert like(lock(small, large), {}, "debian13") is None


# What it changes


def test_a_new_driver_reboots_hosts_and_stops_their_containers():
    fleet = {"gpu01": settings(), "gpu02": settings()}
    old = lock(group("gpu01", "gpu02"))
    new = lock(group("gpu01", "gpu02", driver="580.159.04"))
    found = changes(old, new, fleet)
    assert [(one.part, one.what, one.hosts) for one in found] == [
        ("driver", "driver", ("gpu01", "gpu02")),
        ("driver", "nvidia-driver-cuda", ("gpu01", "gpu02")),
    ]
    loaded = {"gpu01": "580.105.08", "gpu02": "580.105.08"}
    assert [(c.part, c.text) for c in consequences(found, fleet, loaded, new)] == [
        (
            "driver",
            "needs a reboot of 2 hosts, stops 4 containers "
            "(gpu01 notebook, gpu01 training, gpu02 notebook, gpu02 training)",
        )
    ]


def test_a_driver_that_is_loaded_already_needs_no_reboot():
    fleet = {"gpu01": settings()}
    found = changes(empty(), lock(group("gpu01")), fleet)
    assert consequences(found, fleet, {"gpu01": "580.105.08"}, lock(group("gpu01"))) == []


def test_a_bare_host_is_rebooted_and_has_no_containers_to_stop():
    fleet = {"gpu01": settings()}
    found = changes(empty(), lock(group("gpu01")), fleet)
    said = consequences(found, fleet, {"gpu01": None}, lock(group("gpu01")))
    assert [c.text for c in said] == ["needs a reboot of 1 host"]


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("26.1.6+dfsg1-1", "restarts the daemon; containers go on"),
        ("27.0.1+dfsg1-1", "stops 2 containers (gpu01 notebook, gpu01 training)"),
    ],
)
def test_a_new_engine(version: str, said: str):
    fleet = {"gpu01": settings()}
    new = lock(group("gpu01", packages=PACKAGES | {"docker.io": version}))
    found = changes(lock(group("gpu01", packages=PACKAGES)), new, fleet)
    assert [c.text for c in consequences(found, fleet, {}, new)] == [said]


def test_a_new_image_recreates_what_runs_from_it():
    fleet = {"gpu01": settings()}
    new = lock(group("gpu01"), digest=OTHER)
    found = changes(lock(group("gpu01")), new, fleet)
    assert [(one.part, one.what, one.old, one.new) for one in found] == [
        ("images", REFERENCE, DIGEST, OTHER)
    ]
    said = consequences(found, fleet, {}, new)
    assert [c.text for c in said] == ["recreates 1 container (gpu01 notebook)"]


def test_a_new_toolkit_stops_nothing():
    fleet = {"gpu01": settings()}
    new = lock(group("gpu01", packages=PACKAGES | {"nvidia-container-toolkit": "1.20.0-1"}))
    old = lock(group("gpu01", packages=PACKAGES))
    said = consequences(changes(old, new, fleet), fleet, {}, new)
    assert [c.text for c in said] == ["writes the CDI spec anew; running containers go on"]
