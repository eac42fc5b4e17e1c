"""Stage ``base``: certificates, clock, rights, upgrades, kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography import x509

from tests.state.target import Target
from torchrack.settings import Settings

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CLOCKS = "systemd-timesyncd chrony ntpsec ntp openntpd"


def _user(settings: Settings) -> str:
    return settings.base.deploy_user or "$SUDO_USER"


def _ca_script(settings: Settings) -> str:
    return "\n".join(
        f"echo '== {name}'; f=/usr/local/share/ca-certificates/torchrack-{name}.crt; cat $f; "
        f"openssl verify -partial_chain -no-CApath -CAfile {BUNDLE} $f"
        for name in settings.base.ca_certificates
    )


PROBES = {
    "base_ca": _ca_script,
    "base_clock": (
        f"for u in {CLOCKS}; do systemctl is-active --quiet $u && "
        "echo $u $(systemctl is-enabled $u); done; true"
    ),
    "base_ntp": (
        "timedatectl show-timesync -p SystemNTPServers --value; "
        "cat /etc/chrony/sources.d/torchrack.sources 2>/dev/null; true"
    ),
    "base_groups": lambda s: f"id -nG -- {_user(s)}",
    "base_sudo": lambda s: f"runuser -u {_user(s)} -- sudo -n id -u",
    "base_sudoers": "visudo -c && stat -c '%a %U:%G' /etc/sudoers.d/90-torchrack",
    "base_keys": lambda s: (
        f"h=$(getent passwd {_user(s)} | cut -d: -f6); stat -c '%a %U' $h $h/.ssh "
        f"$h/.ssh/authorized_keys; echo {_user(s)}; cat $h/.ssh/authorized_keys"
    ),
    "base_apt": "apt-config dump",
    "base_upgrades": (
        "dpkg-query -W -f='${db:Status-Status}\\n' unattended-upgrades; "
        "systemctl is-active apt-daily.timer apt-daily-upgrade.timer; true"
    ),
    "base_kernel": (
        "dpkg-query -W -f='${db:Status-Abbrev} ${Package}\\n' 'linux-image-*' 'linux-headers-*' "
        "'linux-generic*' 2>/dev/null | grep '^.i'; true"
    ),
    "base_nouveau": "PATH=$PATH:/usr/sbin:/sbin modprobe --showconfig",
    "base_initrd": (
        "PATH=$PATH:/usr/sbin:/sbin\n"
        "for k in /boot/vmlinuz-*; do v=${k#/boot/vmlinuz-}; "
        "[ -d /lib/modules/$v ] && [ -e /boot/initrd.img-$v ] || continue; "
        "(lsinitramfs /boot/initrd.img-$v 2>/dev/null || lsinitrd /boot/initrd.img-$v) | "
        "grep -q etc/modprobe.d/torchrack-nouveau.conf && echo with $v || echo without $v; done"
    ),
}

MUST_BE_BLOCKED = (
    "nvidia-driver",
    "nvidia-driver-580-open",
    "nvidia-open",
    "nvidia-kernel-open-dkms",
    "nvidia-fabricmanager-580",
    "nvidia-container-toolkit",
    "libnvidia-container1",
    "libnvidia-compute-580",
    "cuda-drivers",
    "libcuda1",
    "docker-ce",
    "docker-ce-cli",
    "docker.io",
    "containerd.io",
    "containerd",
    "linux-image-amd64",
    "linux-image-generic",
    "linux-generic-hwe-24.04",
    "linux-headers-amd64",
    "linux-modules-nvidia-580-open-generic",
)
MUST_STAY_FREE = ("openssl", "openssh-server", "libc6", "linux-libc-dev", "linux-base", "sudo")


def _apt(target: Target, option: str) -> list[str]:
    lines = target.probe("base_apt").lines
    return re.findall(rf'^{re.escape(option)}(?:::)? "(.+)";$', "\n".join(lines), re.MULTILINE)


def test_ca_certificates_are_trusted(target: Target) -> None:
    declared = target.settings.base.ca_certificates
    parts = target.probe("base_ca").stdout.split("== ")[1:]
    assert [part.split("\n", 1)[0] for part in parts] == list(declared)
    for part, path in zip(parts, declared.values(), strict=True):
        assert "-----BEGIN CERTIFICATE" in part, f"not installed: {part}"
        found = x509.load_pem_x509_certificate(part[part.index("-----BEGIN") :].encode())
        needed = x509.load_pem_x509_certificate(Path(path).expanduser().read_bytes())
        assert found == needed, f"another certificate than {path}"
        assert re.search(r"\.crt: OK$", part, re.MULTILINE), f"not in {BUNDLE}: {part}"


def test_one_time_service_runs(target: Target) -> None:
    if not target.settings.base.time_sync:
        return
    found = target.probe("base_clock").lines
    assert len(found) == 1, f"time services that run: {found or 'none'}"
    assert found[0].endswith("enabled"), f"not started at boot: {found[0]}"


def test_ntp_servers_are_asked(target: Target) -> None:
    found = target.probe("base_ntp").stdout.split()
    missing = [s for s in target.settings.base.ntp_servers if s not in found]
    assert not missing, f"not asked: {missing}; asked: {found}"


def test_deploy_user_is_in_the_admin_group(target: Target) -> None:
    assert target.settings.sshd.admin_group in target.probe("base_groups").stdout.split()


def test_deploy_user_has_sudo_without_password(target: Target) -> None:
    answer = target.probe("base_sudo")
    assert (answer.rc, answer.stdout.strip()) == (0, "0"), answer.stderr


def test_sudoers_are_valid_and_private(target: Target) -> None:
    answer = target.probe("base_sudoers")
    assert answer.rc == 0, answer.stderr or answer.stdout
    assert answer.lines[-1] == "440 root:root"


def test_authorized_keys_are_sane(target: Target) -> None:
    home, folder, keys, user, *lines = target.probe("base_keys").lines
    for what, row in (("home", home), (".ssh", folder), ("authorized_keys", keys)):
        mode, owner = row.split()
        assert int(mode, 8) & 0o022 == 0, f"{what} can be written by others: {mode}"
        assert owner in (user, "root"), f"{what} belongs to {owner}"
    there = {word for line in lines for word in line.split()}
    missing = [k for k in target.settings.base.authorized_keys if k.split()[1] not in there]
    assert not missing


@pytest.mark.parametrize("package", MUST_BE_BLOCKED)
def test_unattended_upgrades_leave_the_stack_alone(target: Target, package: str) -> None:
    patterns = _apt(target, "Unattended-Upgrade::Package-Blacklist")
    assert any(re.match(pattern, package) for pattern in patterns), f"{package} is not blocked"


def test_security_updates_go_on(target: Target) -> None:
    if not target.settings.base.unattended_upgrades:
        return
    assert target.probe("base_upgrades").lines == ["installed", "active", "active"]
    for option in ("Enable", "Update-Package-Lists", "Unattended-Upgrade"):
        assert _apt(target, f"APT::Periodic::{option}")[-1:] == ["1"], option
    sources = _apt(target, "Unattended-Upgrade::Origins-Pattern")
    sources += _apt(target, "Unattended-Upgrade::Allowed-Origins")
    assert any("security" in source.lower() for source in sources), f"only from {sources}"
    patterns = _apt(target, "Unattended-Upgrade::Package-Blacklist")
    stopped = [p for p in MUST_STAY_FREE if any(re.match(pattern, p) for pattern in patterns)]
    assert not stopped, f"blocked without need: {stopped}"


def test_no_automatic_reboot(target: Target) -> None:
    assert _apt(target, "Unattended-Upgrade::Automatic-Reboot")[-1:] == ["false"]


def test_kernel_is_held(target: Target) -> None:
    rows = [line.split() for line in target.probe("base_kernel").lines]
    free = [name for status, name in rows if not status.startswith("h")]
    assert not free, f"an upgrade may move {free}"


def test_nouveau_is_blacklisted(target: Target) -> None:
    lines = target.probe("base_nouveau").lines
    assert "blacklist nouveau" in lines
    assert "options nouveau modeset=0" in lines


def test_initramfs_keeps_nouveau_out(target: Target) -> None:
    answer = target.probe("base_initrd")
    without = [line for line in answer.lines if line.startswith("without")]
    assert not without, f"kernels whose initramfs lacks the blacklist: {without}"
