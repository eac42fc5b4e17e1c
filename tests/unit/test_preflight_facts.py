"""The script's output, parsed: recorded on a Debian 13 host, and pieces of other hosts'."""

from pathlib import Path

import pytest

from torchrack.preflight.facts import (
    Container,
    Listener,
    UnclearAnswer,
    parse,
)

FIXTURES = Path(__file__).parent / "fixtures" / "preflight"
STDOUT = (FIXTURES / "debian13-finished.out").read_text().splitlines()
STDERR = (FIXTURES / "debian13-finished.err").read_text().splitlines()


def with_section(name, *lines):
    """The recorded output with other content in one section."""
    start = STDOUT.index(f"=={name}") + 1
    end = next(i for i in range(start, len(STDOUT)) if STDOUT[i].startswith("=="))
    return parse([*STDOUT[:start], *lines, *STDOUT[end:]], STDERR)


def test_a_finished_host():
    facts = parse(STDOUT, STDERR)
    assert facts.survey.distribution == "debian13"
    assert [gpu.device for gpu in facts.survey.gpus] == ["2335", "2335"]
    assert facts.clock == 1795261842.376377370
    assert facts.ca_bundle
    assert not facts.secure_boot
    assert facts.disks["/usr"].free == 55901970432
    assert facts.apt_check.status == 0
    assert facts.apt_holders == ()
    assert facts.packages["docker.io"].version == "26.1.5+dfsg1-9+deb13u1"
    assert facts.driver_origins["libcuda1"] == (
        "http://192.0.2.1:8080/compute/cuda/repos/debian13/x86_64",
    )
    assert facts.unowned_driver_files == ()
    assert facts.images == frozenset()
    assert [reach.status for reach in facts.reach] == [0, 0, 0, 100]


def test_what_a_login_shell_prints_is_left_out():
    assert parse(["Welcome to gpu01!", "", *STDOUT], STDERR) == parse(STDOUT, STDERR)


@pytest.mark.parametrize("length", [0, 1, 5, 30, len(STDOUT) - 1])
def test_an_answer_that_was_cut_off_is_not_believed(length):
    with pytest.raises(UnclearAnswer, match="cut off"):
        parse(STDOUT[:length], STDERR)


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("clock", "yesterday"),
        ("disk", "/usr\tlots\t/"),
        ("packages", "ii docker.io"),
        ("ports", "0100007F ssh"),
        ("apt-check", "rc="),
        ("survey", "pci=0000:3b:00.0"),
    ],
)
def test_odd_lines_are_not_believed(section, line):
    with pytest.raises(UnclearAnswer):
        with_section(section, line)


def test_a_missing_section_is_not_believed():
    with pytest.raises(UnclearAnswer, match="disk"):
        parse([line for line in STDOUT if line != "==disk"], STDERR)


def test_a_host_without_dpkg():
    survey = ["==clock", "1795261842.5", "==survey", "os=rocky", "version=9.4", "codename="]
    survey += ["architecture=x86_64", "kernel=5.14", "user=rocky", "==end"]
    facts = parse(survey, [])
    assert not facts.debian
    assert facts.survey.os == "rocky"


@pytest.mark.parametrize(
    ("line", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build",
            "580.159.04",
        ),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  590.48  Mon Dec  1 2025", "590.48"),
        ("", None),
    ],
)
def test_the_loaded_module(line, version):
    gcc = "GCC version:  gcc version 14.2.0 (Debian 14.2.0-19)"
    assert with_section("module", line, gcc if line else "").loaded_driver == version


@pytest.mark.parametrize(
    ("line", "listener"),
    [
        ("00000000 22B8 812 python3", Listener("0.0.0.0", 8888, 812, "python3")),  # noqa: S104
        ("0100007F 08AE 0 ", Listener("127.0.0.1", 2222, 0, "")),
        ("00000000000000000000000000000000 1F90 7 nginx", Listener("::", 8080, 7, "nginx")),
        (
            "B80D0120000000000000000001000000 1F90 7 a b",
            Listener("2001:db8::1", 8080, 7, "a b"),
        ),
        (
            "0000000000000000FFFF00000100007F 1F90 9 java",
            Listener("127.0.0.1", 8080, 9, "java"),
        ),
    ],
)
def test_listening_sockets(line, listener):
    assert with_section("ports", line).listeners == (listener,)


def test_containers():
    facts = with_section("containers", "notebook\tnotebook\t127.0.0.1:8888->8888/tcp", "db\t\t")
    assert facts.containers == (
        Container("notebook", "notebook", "127.0.0.1:8888->8888/tcp"),
        Container("db", "", ""),
    )


def test_who_uses_the_gpus():
    facts = with_section(
        "gpu-processes",
        "300 nvidia-persiste",
        "==smi-processes",
        "pid, process_name",
        "4711, python3",
    )
    assert facts.gpu_processes == ("300 nvidia-persiste", "4711 python3")


def test_who_uses_the_gpus_when_nvidia_smi_fails():
    said = "Failed to initialize NVML: Driver/library version mismatch"
    facts = with_section("gpu-processes", "4711 python3", "==smi-processes", said)
    assert facts.gpu_processes == ("4711 python3",)


def test_secure_boot_and_the_key():
    assert with_section("secure-boot", "   1").secure_boot
    assert not with_section("secure-boot", "   0").secure_boot
    said = "/var/lib/shim-signed/mok/MOK.der is already enrolled"
    assert with_section("dkms-key-enrolled", said).dkms_key_enrolled
    said = "/var/lib/shim-signed/mok/MOK.der is not enrolled"
    assert not with_section("dkms-key-enrolled", said).dkms_key_enrolled


def test_files_of_a_driver_that_no_package_owns():
    facts = with_section(
        "driver-files-owned",
        "nvidia-driver-cuda: /usr/bin/nvidia-smi",
        "libcuda1:amd64: /usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04",
    )
    assert facts.unowned_driver_files == ("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.159.04",)
