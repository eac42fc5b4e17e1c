"""apt's plan, and what in it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torchrack.apt.refusals import Allowed, refusals
from torchrack.apt.transaction import Plan, Step, parse
from torchrack.facts.apt_plan import AptPlan

REPOSITORY = "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/"
ARCHIVE = "http://deb.mirror.example/ubuntu noble/restricted amd64"
# Words of apt-get 3.0 and 2.7, shortened.
ANSWER = f"""\
Reading package lists...
Building dependency tree...
The following packages will be REMOVED:
  nvidia-dkms-580
The following packages will be DOWNGRADED:
  libnvidia-compute-580 nvidia-persistenced:amd64
1 upgraded, 1 newly installed, 2 downgraded, 1 to remove and 0 not upgraded.
Remv nvidia-dkms-580 [580.159.04-1ubuntu1]
Inst nvidia-modprobe [580.95.05-0ubuntu1] (580.105.08-0ubuntu1 NVIDIA CUDA:ubuntu2404 [amd64])
Inst libnvidia-compute-580 [580.159.04-1ubuntu1] (580.105.08-0ubuntu1 NVIDIA CUDA:x [amd64]) []
Inst nvidia-persistenced [580.159.04-1ubuntu1] (580.105.08-0ubuntu1 NVIDIA CUDA:x [amd64])
Inst libc6:i386 (2.39-0ubuntu8 Ubuntu:24.04 [i386])
Conf nvidia-modprobe (580.105.08-0ubuntu1 NVIDIA CUDA:ubuntu2404 [amd64])
==show
Package: nvidia-modprobe
Section: utils
Description: Load the NVIDIA kernel driver
Package: libold
Section: universe/oldlibs
Description-en: something
==madison
nvidia-modprobe | 580.105.08-0ubuntu1 | {REPOSITORY.rstrip("/")}  Packages
nvidia-modprobe | 580.105.08-0ubuntu1 | {REPOSITORY.rstrip("/")}  Packages
nvidia-modprobe | 580.105.08-0ubuntu1 | http://deb.mirror.example/ubuntu noble/restricted Sources
==headers
6.8.0-45-generic
""".splitlines()
OLD = "580.105.08-0ubuntu1"
DRIVER = Allowed(
    {"libnvidia-compute-580": "580.105.08-0ubuntu1"},
    sources=(REPOSITORY,),
    driver="580.105.08",
    parts=frozenset({"libnvidia-compute-580", "nvidia-dkms-580", "nvidia-persistenced"}),
    downgrades=True,
)
TOOLKIT = Allowed({"nvidia-container-toolkit": "1.19.1-1"}, sources=("https://nvidia.github.io/",))


def test_a_plan_is_read_whole():
    plan = AptPlan().process(ANSWER)
    assert plan == Plan(
        steps=(
            Step("remove", "nvidia-dkms-580", "580.159.04-1ubuntu1", ""),
            Step("upgrade", "nvidia-modprobe", "580.95.05-0ubuntu1", "580.105.08-0ubuntu1"),
            Step(
                "downgrade", "libnvidia-compute-580", "580.159.04-1ubuntu1", "580.105.08-0ubuntu1"
            ),
            Step("downgrade", "nvidia-persistenced", "580.159.04-1ubuntu1", "580.105.08-0ubuntu1"),
            Step("install", "libc6", "", "2.39-0ubuntu8"),
        ),
        transitional={"libold": "something"},
        origins={("nvidia-modprobe", "580.105.08-0ubuntu1"): (REPOSITORY.rstrip("/"),)},
        headers=frozenset({"6.8.0-45-generic"}),
    )
    assert plan.summary() == (
        "install 1 (libc6 2.39-0ubuntu8); "
        "upgrade 1 (nvidia-modprobe 580.95.05-0ubuntu1 -> 580.105.08-0ubuntu1); "
        "downgrade 2 (libnvidia-compute-580 580.159.04-1ubuntu1 -> 580.105.08-0ubuntu1, "
        "nvidia-persistenced 580.159.04-1ubuntu1 -> 580.105.08-0ubuntu1); "
        "remove 1 (nvidia-dkms-580 580.159.04-1ubuntu1)"
    )


def test_a_plan_that_does_what_was_asked():
    assert refusals(parse(ANSWER), DRIVER) == []
    assert refusals(Plan(()), TOOLKIT) == []


def test_an_answer_that_was_cut_off():
    with pytest.raises(ValueError, match="in place of apt's plan"):
        parse(ANSWER[:-3])


def test_apts_own_objections():
    words = [
        "The following packages have unmet dependencies:",
        " nvidia-dkms-580 : Depends: nvidia-kernel-common-580 (= 580.159.04-1) but it is not going",
        "                   Conflicts: nvidia-dkms-any",
        "E: Unable to correct problems, you have held broken packages.",
        "==show",
        "==madison",
        "==headers",
    ]
    (refusal,) = refusals(parse(words), DRIVER)
    assert refusal.rule == "apt"
    assert "nvidia-dkms-580 : Depends: nvidia-kernel-common-580" in refusal.text
    assert "held broken packages" in refusal.text


@pytest.mark.parametrize(
    ("rule", "plan", "allowed", "said"),
    [
        (
            "branch jump",
            Plan((Step("install", "libnvidia-compute", "", "595.71.05-1ubuntu1"),)),
            DRIVER,
            "would install libnvidia-compute 595.71.05-1ubuntu1 in place of 580.105.08",
        ),
        (
            "branch jump",
            Plan((Step("upgrade", "libcuda1", "580.105.08-1", "580.159.04-1"),)),
            TOOLKIT,
            "would upgrade libcuda1 580.105.08-1 -> 580.159.04-1, a part of a driver that was not",
        ),
        (
            "transitional package",
            Plan(
                (Step("install", "nvidia-driver-570-server", "", "570.211.01-0ubuntu1"),),
                transitional={
                    "nvidia-driver-570-server": "Transitional package for nvidia-driver-580-server"
                },
            ),
            Allowed({"nvidia-driver-570-server": None}, driver="570.211.01"),
            "says of itself: Transitional package for nvidia-driver-580-server",
        ),
        (
            "removal",
            Plan((Step("remove", "openssh-server", "1:9.6p1", ""),)),
            DRIVER,
            "would remove openssh-server 1:9.6p1, which is not ours",
        ),
        (
            "removal",
            Plan((Step("remove", "nvidia-container-toolkit", "1.19.1-1", ""),)),
            DRIVER,
            "would remove nvidia-container-toolkit",
        ),
        (
            "kernel without its module",
            Plan((Step("install", "linux-image-6.11.0-9-generic", "", "6.11.0-9.9"),)),
            DRIVER,
            "would install linux-image-6.11.0-9-generic without headers",
        ),
        (
            "downgrade",
            Plan((Step("downgrade", "libseccomp2", "2.6.0-2", "2.5.0-1"),)),
            DRIVER,
            "would downgrade libseccomp2 2.6.0-2 -> 2.5.0-1, which nobody asked for",
        ),
        (
            "downgrade",
            Plan((Step("downgrade", "nvidia-container-toolkit", "1.20.0-1", "1.19.1-1"),)),
            TOOLKIT,
            "would downgrade nvidia-container-toolkit",
        ),
        (
            "second source",
            Plan(
                (Step("install", "libnvidia-compute-580", "", "580.105.08-0ubuntu1"),),
                origins={
                    ("libnvidia-compute-580", "580.105.08-0ubuntu1"): (
                        REPOSITORY.rstrip("/"),
                        ARCHIVE,
                    )
                },
            ),
            DRIVER,
            f"{ARCHIVE} offers libnvidia-compute-580 580.105.08-0ubuntu1 as well",
        ),
        (
            "another version",
            Plan((Step("install", "nvidia-container-toolkit", "", "1.20.0-1"),)),
            TOOLKIT,
            "would install nvidia-container-toolkit 1.20.0-1 in place of 1.19.1-1",
        ),
    ],
)
def test_a_plan_that_goes_too_far(rule: str, plan: Plan, allowed: Allowed, said: str):
    found = refusals(plan, allowed)
    assert [one.rule for one in found] == [rule]
    assert said in str(found[0])


@pytest.mark.parametrize(
    "plan",
    [
        Plan(
            (
                Step("install", "linux-image-6.11.0-9-generic", "", "6.11.0-9.9"),
                Step("install", "linux-headers-6.11.0-9-generic", "", "6.11.0-9.9"),
            )
        ),
        Plan(
            (Step("install", "linux-image-6.11.0-9-generic", "", "6.11.0-9.9"),),
            headers=frozenset({"6.11.0-9-generic"}),
        ),
        Plan((Step("install", "linux-image-generic", "", "6.11.0-9.9"),)),
    ],
)
def test_a_kernel_with_its_headers_may_come(plan: Plan):
    assert refusals(plan, DRIVER) == []


def test_packages_of_others_may_come_from_anywhere():
    step = Step("install", "libseccomp2", "", "2.6.0-2")
    plan = Plan((step,), origins={("libseccomp2", "2.6.0-2"): (ARCHIVE,)})
    assert refusals(plan, DRIVER) == []
    ours = replace(DRIVER, versions={"libseccomp2": None})
    assert [one.rule for one in refusals(plan, ours)] == ["second source"]


def test_a_site_that_only_begins_like_ours_is_another():
    origin = "https://nvidia.github.io.example.org/x"
    plan = Plan(
        (Step("install", "nvidia-container-toolkit", "", "1.19.1-1"),),
        origins={("nvidia-container-toolkit", "1.19.1-1"): (origin,)},
    )
    assert [one.rule for one in refusals(plan, TOOLKIT)] == ["second source"]


def test_the_older_version_may_come_where_the_lock_asks_for_it():
    step = Step("downgrade", "nvidia-container-toolkit", "1.20.0-1", "1.19.1-1")
    assert refusals(Plan((step,)), replace(TOOLKIT, downgrades=True)) == []
