"""Operating system, clock, Secure Boot, disk space."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.docker.client import BY_HAND
from torchrack.errors import Problem
from torchrack.preflight.subject import Subject

SUPPORTED = {"ubuntu": ("22.04", "24.04", "26.04"), "debian": ("12", "13")}
ARCHITECTURES = ("amd64", "arm64")
INSTALL_ROOM = 6 * 2**30
"""Bytes that the driver (about 1.5 GB with its build), the engine and their downloads take."""
BOOT_ROOM = 200 * 2**20
"""Bytes for one more initramfs, written beside the old one before it replaces it."""


def is_supported(subject: Subject) -> bool:
    """Whether the host's operating system is one that Torchrack knows."""
    survey = subject.facts.survey
    return survey.version in SUPPORTED.get(survey.os, ())


def operating_system(subject: Subject) -> Iterator[Problem]:
    """A release of Ubuntu or Debian whose packages we know."""
    survey = subject.facts.survey
    if not is_supported(subject):
        names = [f"{os.capitalize()} {', '.join(v)}" for os, v in SUPPORTED.items()]
        yield subject.problem(
            "Operating system",
            f"{survey.os} {survey.version}".strip(),
            " or ".join(names),
            "install a supported release, or take the host out of the inventory",
        )
    if survey.architecture not in ARCHITECTURES:
        yield subject.problem(
            "Architecture",
            survey.architecture,
            " or ".join(ARCHITECTURES),
            "take the host out of the inventory",
        )


def clock(subject: Subject) -> Iterator[Problem]:
    """The host's clock near the controller's; the time the answer took is allowed for."""
    now = subject.facts.clock
    offset = now - subject.asked if now < subject.asked else max(0.0, now - subject.answered)
    limit = subject.settings.preflight.max_clock_offset
    if abs(offset) > limit:
        yield subject.problem(
            "Clock",
            f"{_duration(abs(offset))} {'behind' if offset < 0 else 'ahead of'} this machine's",
            f"at most {limit} s apart",
            "set it (timedatectl set-time, or chronyc makestep), and look at this machine's too",
        )


def _duration(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def secure_boot(subject: Subject) -> Iterator[Problem]:
    """Under Secure Boot the modules that DKMS builds load only if its key is enrolled."""
    facts = subject.facts
    if not facts.secure_boot or facts.dkms_key_enrolled:
        return
    if facts.loaded_driver == subject.settings.driver.version:
        return
    yield subject.problem(
        "Secure Boot",
        "on, and the key that DKMS signs modules with is not enrolled",
        "off, or DKMS's key enrolled: NVIDIA's repository brings modules that DKMS builds",
        "switch Secure Boot off in the firmware, or make and enrol a key at the console "
        "(update-secureboot-policy --new-key, mokutil --import, reboot), and run again",
    )


def disk(subject: Subject) -> Iterator[Problem]:
    """Room for what is still to be installed and pulled, each file system counted once."""
    needs: dict[str, int] = {}
    images = _images_need(subject)
    for path, disk in subject.facts.disks.items():
        if path == "/boot":
            need = BOOT_ROOM if _driver_missing(subject) else 0
        elif path == "/usr":
            need = INSTALL_ROOM if _driver_missing(subject) else 0
        else:
            need = images
        needs[disk.mount] = max(needs.get(disk.mount, 0), need)
    free = {disk.mount: disk.free for disk in subject.facts.disks.values()}
    for mount, need in needs.items():
        if free[mount] < need:
            yield subject.problem(
                f"Disk space in {mount}",
                f"{_gib(free[mount])} free",
                f"{_gib(need)} for what is still to be installed and pulled",
                f"see what takes it ({BY_HAND} system df, journalctl --disk-usage, du -xh "
                f"--max-depth=2 {mount}), free or enlarge it, or lower preflight.min_free_disk",
            )


def _images_need(subject: Subject) -> int:
    """The configured room, in proportion to the images that are not there yet."""
    catalog = subject.settings.images.catalog
    whole = subject.settings.preflight.min_free_disk
    present = subject.facts.images
    if present is None:
        return whole
    if not catalog:
        return 0
    missing = [r for r in catalog.values() if _without_tag(r) not in present]
    return whole * len(missing) // len(catalog)


def _without_tag(reference: str) -> str:
    """``registry/name:tag@sha256:...`` as Docker lists it: without tag and default registry."""
    name, _, digest = reference.partition("@")
    name = name.removeprefix("docker.io/").removeprefix("library/")
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}@{digest}"


def _driver_missing(subject: Subject) -> bool:
    return subject.facts.loaded_driver != subject.settings.driver.version


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
