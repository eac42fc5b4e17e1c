"""Stage base: certificates, upgrades, kernel, clock, initramfs."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.unit.plan import Plan
from torchrack.base.certificates import read_ca
from torchrack.base.held_back import kernel_packages, table
from torchrack.errors import TorchrackError
from torchrack.facts.certificates import CaCertificates, LocalCa, LocalCas
from torchrack.facts.initramfs import Initramfs, InitramfsState
from torchrack.facts.packages import Package
from torchrack.facts.upgrades import AptConfig, AptConfiguration
from torchrack.operations import certificates, clock, initramfs, upgrades
from torchrack.settings import Base
from torchrack.settings.section import SettingsError

NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def _pem(*, ca: bool = True, start: datetime = NOW - DAY, end: datetime = NOW + DAY) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Office")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(_pem(end=datetime.now(timezone.utc) + DAY))
    return path


def test_ca_is_read_without_the_text_around_it(tmp_path: Path) -> None:
    pem = _pem()
    path = tmp_path / "ca.pem"
    path.write_bytes(b"subject=Office\n" + pem + b"\n\n")
    assert read_ca(str(path), NOW) == pem.decode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nothing", "holds no certificate in PEM form"),
        (_pem() + _pem(), "holds 2 certificates: put each into a file of its own"),
        (_pem(ca=False), "is not a CA's"),
        (_pem(start=NOW - 3 * DAY, end=NOW - DAY), "expired on 2026-10-31"),
        (_pem(start=NOW + DAY, end=NOW + 2 * DAY), "is valid only from 2026-11-02"),
    ],
)
def test_unfit_certificates_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with pytest.raises(TorchrackError, match=re.escape(said)):
        read_ca(str(path), NOW)


def test_missing_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TorchrackError, match="No such file"):
        read_ca(str(tmp_path / "none.pem"))


def _trusted(plan: Plan, ca_file: Path, now: LocalCas) -> list[str]:
    return plan(certificates.trusted, now, certificates={"office": str(ca_file)})


def test_trusted_certificate_is_left_alone(plan: Plan, ca_file: Path) -> None:
    import hashlib

    sha256 = hashlib.sha256(read_ca(str(ca_file)).encode()).hexdigest()
    good = {"torchrack-office": LocalCa(sha256, "644:root:root", True)}
    stale = {"torchrack-office": LocalCa(sha256, "644:root:root", False)}
    surplus = {**good, "torchrack-old": LocalCa("0" * 64, "644:root:root", True)}
    assert _trusted(plan, ca_file, LocalCas(True, good, False)) == []
    assert "update-ca-certificates" in _trusted(plan, ca_file, LocalCas(True, stale, False))[0]
    (removal,) = _trusted(plan, ca_file, LocalCas(True, surplus, False))
    assert "for name in torchrack-old; do rm" in removal
    assert "update-ca-certificates --fresh" in removal


def test_missing_certificate_is_installed(plan: Plan, ca_file: Path) -> None:
    (script,) = _trusted(plan, ca_file, LocalCas(True, {}, False))
    assert "BEGIN CERTIFICATE" not in script  # through standard input


def test_fact_reads_local_certificates() -> None:
    lines = [
        "tool /usr/sbin/update-ca-certificates",
        f"trusted torchrack-office 644:root:root {'a' * 64}",
        f"stale torchrack-old 600:root:root {'b' * 64}",
        "dangling /etc/ssl/certs/torchrack-gone.pem",
    ]
    assert CaCertificates().process(lines) == LocalCas(
        tool=True,
        certificates={
            "torchrack-office": LocalCa("a" * 64, "644:root:root", True),
            "torchrack-old": LocalCa("b" * 64, "600:root:root", False),
        },
        dangling=True,
    )


@pytest.mark.parametrize(
    ("package", "blocked"),
    [
        ("nvidia-driver-580-open", True),
        ("libnvidia-container1", True),
        ("cuda-drivers", True),
        ("docker-ce", True),
        ("docker.io", True),
        ("containerd.io", True),
        ("linux-image-amd64", True),
        ("linux-generic-hwe-24.04", True),
        ("linux-libc-dev", False),
        ("linux-base", False),
        ("openssl", False),
        ("runcmd", False),
    ],
)
def test_blocked_packages(package: str, blocked: bool) -> None:
    assert any(re.match(pattern, package) for pattern in table().blocked) is blocked


def test_kernel_packages_leave_the_driver_modules_to_their_stage() -> None:
    there = {
        "linux-image-generic": Package("6.8", True, False),
        "linux-modules-nvidia-580-generic": Package("6.8", True, False),
        "linux-headers-old": Package("6.5", False, False),
    }
    assert list(kernel_packages(there)) == ["linux-image-generic"]


def test_only_what_is_not_held_is_held(plan: Plan) -> None:
    there = {
        "linux-image-amd64": Package("6.12", True, True),
        "linux-headers-amd64": Package("6.12", True, False),
    }
    assert plan(upgrades.kernel_held, there) == ["apt-mark hold linux-headers-amd64"]
    assert plan(upgrades.kernel_held, {}) == []


CONFIG = AptConfiguration(
    {
        "APT::Periodic::Update-Package-Lists": ["1"],
        "APT::Periodic::Unattended-Upgrade": ["1"],
        "Unattended-Upgrade::Package-Blacklist": ["", *table().blocked],
        "Unattended-Upgrade::Origins-Pattern": ["", "origin=Debian,label=Debian-Security"],
    }
)


def _with(option: str, *values: str) -> AptConfiguration:
    return AptConfiguration({**CONFIG.values, option: list(values)})


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (CONFIG, None),
        (_with("Unattended-Upgrade::Package-Blacklist", *table().blocked[1:]), "not blocked"),
        (_with("APT::Periodic::Unattended-Upgrade", "0"), "APT::Periodic::Unattended-Upgrade"),
        (_with("Unattended-Upgrade::Origins-Pattern", ""), "sources none"),
        (_with("Unattended-Upgrade::Automatic-Reboot", "false"), None),
        (
            _with("Unattended-Upgrade::Automatic-Reboot", "false", "true"),
            "Unattended-Upgrade::Automatic-Reboot true",
        ),
    ],
    ids=["good", "block cleared", "switched off", "no security source", "stays", "reboots"],
)
def test_effective_configuration_is_checked(config: AptConfiguration, found: str | None) -> None:
    problem = upgrades.upgrade_problem(config, enabled=True)
    assert problem is None if found is None else problem and problem[0].startswith(found)


def test_switched_off_upgrades_still_block() -> None:
    off = _with("APT::Periodic::Unattended-Upgrade", "0")
    assert upgrades.upgrade_problem(off, enabled=False) is None


def test_fact_reads_apt_configuration() -> None:
    config = AptConfig().process(
        [
            'APT::Periodic::Unattended-Upgrade "1";',
            'Unattended-Upgrade::Package-Blacklist "";',
            'Unattended-Upgrade::Package-Blacklist:: "nvidia-";',
            'Unattended-Upgrade::Package-Blacklist:: "runc$";',
        ]
    )
    assert config.get("APT::Periodic::Unattended-Upgrade") == ["1"]
    assert config.get("Unattended-Upgrade::Package-Blacklist") == ["nvidia-", "runc$"]
    assert config.get("Unattended-Upgrade::Mail") == []


def test_the_files_that_apt_reads_after_ours_are_moved_away(plan: Plan) -> None:
    folder = "/etc/apt/apt.conf.d"
    names = [f"{folder}/10-a", f"{folder}/99-b.conf", f"{folder}/99-c.disabled", upgrades.MAIN]
    config = AptConfig().process([f"file {name}" for name in names])
    assert config.files == (names[0], names[1], upgrades.MAIN)
    *_, refusal = plan(upgrades.unattended, config, enabled=True)
    assert (
        f"sudo mv {names[1]} {names[1]}.disabled && sudo mv /etc/apt/apt.conf "
        "/etc/apt/apt.conf.disabled, or take out"
    ) in refusal


def test_ntp_servers_of_a_service_that_is_not_ours_are_refused(plan: Plan) -> None:
    (refusal,) = plan(clock.synchronised, "ntpsec.service", servers=["ntp.example.org"])
    assert "base.ntp_servers: found ntpsec.service keeps the clock" in refusal


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (InitramfsState("update-initramfs", {"6.12": True}), []),
        (InitramfsState("", {}), []),
        (InitramfsState("update-initramfs", {"6.12": False}), ["update-initramfs -u -k 6.12"]),
        (InitramfsState("dracut", {"6.17": False}), ["dracut --force /boot/initrd.img-6.17"]),
        (InitramfsState("", {"6.12": False}), ["install initramfs-tools"]),
    ],
)
def test_stale_initramfs_is_rebuilt(plan: Plan, now: InitramfsState, expected: list[str]) -> None:
    commands = plan(initramfs.up_to_date, now, inputs=["/etc/modprobe.d/x.conf"])
    assert len(commands) == len(expected)
    assert all(part in command for part, command in zip(expected, commands, strict=True))


def test_fact_reads_initramfs() -> None:
    lines = ["tool update-initramfs", "current 6.12.1", "stale 6.12.2"]
    assert Initramfs().process(lines) == InitramfsState(
        "update-initramfs", {"6.12.1": True, "6.12.2": False}
    )
    assert Initramfs().process(["tool "]) == InitramfsState("", {})


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("ca_certificates", {"../x": "ca.pem"}, "names of lower-case letters"),
        ("ntp_servers", ["a b"], "host names or addresses"),
        ("deploy_user", "Root Beer", "pattern"),
    ],
)
def test_wrong_settings_are_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Base(**{field: value})
