"""Each check with what it lets pass and what it refuses."""

from dataclasses import replace

import pytest

from torchrack.facts.survey import PciFunction, Survey
from torchrack.preflight.checks import check, gpus, network, packages, system
from torchrack.preflight.facts import (
    AptResult,
    Disk,
    DpkgState,
    HostFacts,
    Reach,
)
from torchrack.preflight.subject import Subject
from torchrack.settings import (
    Base,
    Docker,
    Driver,
    Images,
    Port,
    Preflight,
    Registry,
    Workload,
    Workloads,
)
from torchrack.settings.model import merge

GIB = 2**30
DIGEST = "sha256:" + "a" * 64
REFERENCE = f"192.0.2.1:5000/ml/pytorch:2.13@{DIGEST}"
SETTINGS = {
    "preflight": Preflight(),
    "driver": Driver(version="580.159.04", repository="http://192.0.2.1:8080"),
    "docker": Docker(source="distro"),
    "images": Images(catalog={"pytorch": REFERENCE}),
    "workloads": Workloads(
        containers=[
            Workload(
                name="notebook",
                kind="jupyter",
                image="pytorch",
                ports=[Port(container=8888, host=8888)],
            )
        ]
    ),
}
SURVEY = Survey(
    os="debian",
    version="13",
    codename="trixie",
    architecture="amd64",
    kernel="6.12.107+deb13-amd64",
    user="debian",
    nvidia=(PciFunction("0000:3b:00.0", "2335", "030200"),),
)
REACHED = (
    Reach("driver repository", "http://192.0.2.1:8080/x", 0, ""),
    Reach("toolkit repository", "https://nvidia.github.io/x", 0, ""),
    Reach("registry 192.0.2.1:5000", "https://192.0.2.1:5000/v2/", 0, ""),
)
FACTS = HostFacts(
    SURVEY,
    clock=1000.5,
    disks={"/var/lib/docker": Disk(90 * GIB, "/"), "/boot": Disk(GIB, "/boot")},
    apt_check=AptResult(0, ""),
    reach=REACHED,
)


def subject(settings=None, **facts):
    merged = merge([SETTINGS, settings or {}])
    return Subject("gpu01", replace(FACTS, **facts), merged, asked=1000.0, answered=1001.0)


def found(single, *args, **kwargs):
    return [problem.found for problem in single(subject(*args, **kwargs))]


def with_gpus(*devices):
    functions = (PciFunction(f"0000:{i:02x}:00.0", d, "030200") for i, d in enumerate(devices))
    return replace(SURVEY, nvidia=tuple(functions))


def test_a_good_host_has_no_problem():
    assert check(subject()) == []


def test_all_problems_come_at_once():
    problems = check(
        subject(
            survey=replace(SURVEY, version="11", nvidia=()),
            clock=5000.0,
            foreign_docker=("/var/lib/snapd/snaps/docker_1.snap",),
        )
    )
    assert [p.what for p in problems] == ["Operating system", "Clock", "GPU", "Docker"]
    assert {p.where for p in problems} == {"gpu01"}


@pytest.mark.parametrize(
    ("os", "version", "architecture", "refused"),
    [
        ("ubuntu", "22.04", "amd64", []),
        ("ubuntu", "26.04", "arm64", []),
        ("debian", "12", "amd64", []),
        ("ubuntu", "20.04", "amd64", ["ubuntu 20.04"]),
        ("ubuntu", "25.10", "amd64", ["ubuntu 25.10"]),
        ("debian", "", "amd64", ["debian"]),
        ("rocky", "9.4", "x86_64", ["rocky 9.4", "x86_64"]),
        ("debian", "13", "riscv64", ["riscv64"]),
    ],
)
def test_operating_systems(os, version, architecture, refused):
    survey = replace(SURVEY, os=os, version=version, architecture=architecture)
    assert found(system.operating_system, survey=survey) == refused


def test_a_host_without_dpkg_is_judged_by_what_is_known():
    facts = HostFacts(replace(SURVEY, os="rocky", version="9"), 1000.5, debian=False)
    host = Subject("gpu01", facts, merge([]), 1000.0, 1001.0)
    assert [p.what for p in check(host)] == ["Operating system"]


@pytest.mark.parametrize(
    ("clock", "refused"),
    [
        (1000.5, []),
        (1030.9, []),
        (970.1, []),
        (1035.0, ["34 s ahead of this machine's"]),
        (965.0, ["35 s behind this machine's"]),
        (1000.0 - 3 * 86400, ["3 days behind this machine's"]),
    ],
)
def test_the_clock_may_be_off_by_what_the_answer_took(clock, refused):
    assert found(system.clock, clock=clock) == refused


@pytest.mark.parametrize(
    ("secure_boot", "enrolled", "loaded", "count"),
    [
        (False, False, None, 0),
        (True, True, None, 0),
        (True, False, "580.159.04", 0),
        (True, False, "570.211.01", 1),
        (True, False, None, 1),
    ],
)
def test_secure_boot(secure_boot, enrolled, loaded, count):
    facts = {"secure_boot": secure_boot, "dkms_key_enrolled": enrolled, "loaded_driver": loaded}
    assert len(found(system.secure_boot, **facts)) == count


@pytest.mark.parametrize(
    ("free", "images", "loaded", "refused"),
    [
        (50, None, None, []),
        (30, None, None, ["30.0 GiB free"]),
        (30, frozenset(), "580.159.04", ["30.0 GiB free"]),
        (1, frozenset({f"192.0.2.1:5000/ml/pytorch@{DIGEST}"}), "580.159.04", []),
        (1, frozenset({f"192.0.2.1:5000/ml/pytorch@{DIGEST}"}), None, ["1.0 GiB free"]),
    ],
)
def test_disk_is_wanted_for_what_is_still_to_come(free, images, loaded, refused):
    disk = Disk(free * GIB, "/")
    disks = {"/var/lib/docker": disk, "/usr": disk, "/boot": disk}
    assert found(system.disk, disks=disks, images=images, loaded_driver=loaded) == refused


def test_half_of_the_images_want_half_of_the_room():
    two = Images(catalog={"a": REFERENCE, "b": f"docker.io/library/busybox:1@{DIGEST}"})
    facts = {
        "disks": {"/var/lib/docker": Disk(25 * GIB, "/var")},
        "images": frozenset({f"busybox@{DIGEST}"}),
        "loaded_driver": "580.159.04",
    }
    assert found(system.disk, {"images": two}, **facts) == []
    assert len(found(system.disk, {"images": two}, **facts | {"images": frozenset()})) == 1


def test_a_small_boot_partition_matters_while_the_driver_has_to_change():
    disks = {"/boot": Disk(50 * 2**20, "/boot")}
    assert found(system.disk, disks=disks) == ["0.0 GiB free"]
    assert found(system.disk, disks=disks, loaded_driver="580.159.04") == []


def test_no_gpu_on_the_bus():
    audio = PciFunction("0000:3b:00.1", "22ba", "040300")
    assert found(gpus.present, survey=replace(SURVEY, nvidia=(audio,))) == [
        "no NVIDIA GPU on the PCI bus"
    ]


def test_a_gpu_that_the_table_does_not_know():
    (text,) = found(gpus.known, survey=with_gpus("2335", "3fff"))
    assert "10de:3fff" in text
    switch = PciFunction("0000:05:00.0", "22a3", "068000")
    assert found(gpus.known, survey=replace(SURVEY, nvidia=(*SURVEY.nvidia, switch))) == []


@pytest.mark.parametrize(
    ("devices", "version", "flavour", "needed"),
    [
        (["2335", "2335"], "580.159.04", "auto", []),
        (["1db5"], "580.159.04", "auto", []),
        (["1db5"], "590.48.01", "auto", ["2 GPU", "R580 is the last branch"][1:]),
        (["2901", "2901"], "580.159.04", "proprietary", ["2 GPU(s)"]),
        (["2901"], "565.57.01", "open", ["R570 is the first branch"]),
        (["2335"], "620.10.01", "proprietary", ["no proprietary kernel modules"]),
        (["1db5", "2901"], "580.159.04", "auto", ["one kernel module drives"]),
        (["3fff"], "580.159.04", "auto", []),
    ],
)
def test_drivers_that_do_not_drive_the_gpus(devices, version, flavour, needed):
    driver = Driver(version=version, flavour=flavour)
    problems = list(gpus.drivable(subject({"driver": driver}, survey=with_gpus(*devices))))
    assert len(problems) == len(needed)
    assert [text for p, text in zip(problems, needed, strict=True) if text not in p.needed] == []


@pytest.mark.parametrize(
    ("loaded", "processes", "policy", "count"),
    [
        ("570.211.01", ("812 python3",), "refuse", 1),
        ("570.211.01", ("812 python3",), "force", 0),
        ("580.159.04", ("812 python3",), "refuse", 0),
        ("570.211.01", ("300 nvidia-persiste",), "refuse", 0),
        ("570.211.01", (), "refuse", 0),
        (None, (), "refuse", 0),
    ],
)
def test_busy_gpus(loaded, processes, policy, count):
    driver = {"driver": Driver(on_busy_gpu=policy)}
    facts = {"loaded_driver": loaded, "gpu_processes": processes}
    assert len(found(gpus.idle, driver, **facts)) == count


def test_busy_gpus_are_named_but_not_all():
    many = tuple(f"{pid} python3" for pid in range(100, 108))
    (text,) = found(gpus.idle, loaded_driver="570.211.01", gpu_processes=many)
    assert "python3 (pid 100)" in text
    assert text.endswith("and 3 more")


def test_who_holds_apt():
    holder = "4711 /usr/bin/python3 /usr/bin/unattended-upgrade "
    (text,) = found(packages.lock, apt_holders=(holder,))
    assert text == "locked by pid 4711 (/usr/bin/python3 /usr/bin/unattended-upgrade)"
    assert found(packages.lock) == []


UNMET = "The following packages have unmet dependencies:\n a : Depends: b\nE: Unmet dependencies."


@pytest.mark.parametrize(
    ("check_result", "fix_result", "states", "count"),
    [
        (AptResult(0, ""), None, {}, 0),
        (None, None, {}, 0),
        (AptResult(100, UNMET), AptResult(0, "Remv a [1]"), {}, 1),
        (AptResult(100, UNMET), AptResult(0, "Inst b (1)\nConf b"), {"a": "iU "}, 0),
        (AptResult(100, UNMET), AptResult(0, "Inst b (1)\nConf b"), {}, 1),
        (AptResult(100, UNMET), AptResult(0, "Remv a [1]"), {"a": "iU "}, 1),
        (AptResult(100, UNMET), AptResult(100, "E: no way"), {"a": "iF "}, 1),
    ],
)
def test_a_broken_apt_and_an_interrupted_one(check_result, fix_result, states, count):
    listed = {name: DpkgState(status, "1") for name, status in states.items()}
    facts = {"apt_check": check_result, "apt_fix": fix_result, "packages": listed}
    assert len(found(packages.broken, **facts)) == count


def test_what_apt_said_is_told():
    (text,) = found(packages.broken, apt_check=AptResult(100, UNMET))
    assert text == "apt-get check fails: a : Depends: b E: Unmet dependencies."


@pytest.mark.parametrize(
    ("source", "installed", "files", "count"),
    [
        ("distro", ["docker.io", "containerd"], [], 0),
        ("docker-ce", ["docker-ce", "containerd.io"], [], 0),
        ("distro", ["docker-ce", "containerd.io"], [], 1),
        ("docker-ce", ["docker.io"], [], 1),
        ("docker-ce", ["podman-docker"], [], 1),
        ("distro", ["podman-docker"], [], 1),
        ("distro", [], ["/var/lib/snapd/snaps/docker_2963.snap"], 1),
        ("distro", [], ["/usr/local/bin/dockerd"], 1),
    ],
)
def test_foreign_dockers(source, installed, files, count):
    listed = {name: DpkgState("ii ", "1") for name in installed}
    facts = {"packages": listed, "foreign_docker": tuple(files)}
    assert len(found(packages.foreign_docker, {"docker": Docker(source=source)}, **facts)) == count


def test_a_removed_docker_is_no_problem():
    listed = {"docker-ce": DpkgState("rc ", "1")}
    assert found(packages.foreign_docker, packages=listed) == []


def test_a_driver_from_a_run_file():
    (text,) = found(packages.runfile_driver, unowned_driver_files=("/usr/bin/nvidia-uninstall",))
    assert "/usr/bin/nvidia-uninstall" in text
    assert found(packages.runfile_driver) == []


OURS = "http://192.0.2.1:8080/compute/cuda/repos/debian13/x86_64/InRelease"
PPA = "http://ppa.launchpadcontent.net/graphics-drivers/ppa/ubuntu/dists/noble/InRelease"
NVIDIA = "https://developer.download.nvidia.com/compute/cuda/repos/debian13/x86_64/InRelease"


@pytest.mark.parametrize(
    ("sources", "origins", "count"),
    [
        ((OURS, "http://deb.mirror.example/debian/dists/trixie/InRelease"), {}, 0),
        ((OURS, PPA), {}, 1),
        ((OURS, NVIDIA), {}, 1),
        ((OURS,), {"libcuda1": ("http://192.0.2.1:8080/compute/cuda/repos/x",)}, 0),
        ((OURS,), {"libcuda1": ()}, 0),
        ((), {"nvidia-driver-580": ("http://archive.ubuntu.com/ubuntu",)}, 1),
        ((PPA,), {"nvidia-driver-580": ("http://ppa.launchpadcontent.net/x",)}, 2),
    ],
)
def test_second_sources_of_the_driver(sources, origins, count):
    facts = {"apt_sources": sources, "driver_origins": origins}
    assert len(found(packages.second_source, **facts)) == count


def test_a_source_of_ours_may_still_have_the_address_before():
    before = "http://198.51.100.7/compute/cuda/repos/debian13/x86_64"
    facts = {
        "apt_sources": (f"{before}/InRelease",),
        "own_sources": (f"{before}/",),
        "driver_origins": {"libcuda1": (before,)},
    }
    assert found(packages.second_source, **facts) == []


def reach(name, output, status=100):
    url = "https://192.0.2.1:5000/v2/"
    return tuple(Reach(name, url, status, output) if r.name == name else r for r in REACHED)


REGISTRY = "registry 192.0.2.1:5000"
UNTRUSTED = "SSL connection failed: certificate verify failed [IP: 192.0.2.1 5000]"


@pytest.mark.parametrize(
    ("name", "output", "said"),
    [
        (REGISTRY, "Err:1 https://r/v2/   401  Unauthorized [IP: r 5000] E: Download Failed", None),
        (REGISTRY, f"Err:1 https://r/v2/   {UNTRUSTED} E: Download Failed", "CA this host trusts"),
        (REGISTRY, "Err:1 https://r/v2/   Could not resolve 'r' E: Download Failed", "an answer"),
        (REGISTRY, "", "an answer"),
        ("driver repository", "Err:1 http://m/x  404  Not Found [IP: m 80]", "a repository for"),
        ("driver repository", "Err:1 http://m/x  401  Unauthorized", "an answer"),
    ],
)
def test_reachability(name, output, said):
    problems = list(network.reachable(subject(reach=reach(name, output))))
    assert [p.needed for p in problems if said not in p.needed] == []
    assert len(problems) == (said is not None)


def test_a_host_without_any_ca_can_not_judge_a_certificate_yet():
    facts = {"reach": reach(REGISTRY, f"Err:1 https://r/v2/ {UNTRUSTED}"), "ca_bundle": False}
    own = Images(registries=[Registry(address="192.0.2.1:5000", ca_file="/x")], catalog={})
    assert found(network.reachable, **facts) == []
    assert len(found(network.reachable, {"images": own}, **facts)) == 1
    assert len(found(network.reachable, {"base": Base(ca_certificates={"a": "b"})}, **facts)) == 1


def test_a_check_that_gave_no_answer_is_told():
    assert found(network.reachable, reach=REACHED[1:]) == ["no answer from the check"]


def test_an_apt_source_of_the_host_that_is_dead():
    own = Reach("apt source", "http://gone.example/x", 100, "Err:1 http://gone.example/x  timeout")
    assert len(found(network.reachable, reach=(*REACHED, own, own))) == 1
    missing = replace(own, output="Err:1 http://gone.example/x  404  Not Found")
    assert found(network.reachable, reach=(*REACHED, missing)) == []


def test_reachability_can_be_left_out_and_waits_for_a_supported_system():
    off = {"preflight": Preflight(check_reachability=False)}
    assert found(network.reachable, off, reach=()) == []
    assert found(network.reachable, reach=(), survey=replace(SURVEY, version="11")) == []
