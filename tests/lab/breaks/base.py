"""Breaks of the ``base`` stage; where a break would keep the next login out, sshd is told first."""

from tests.lab.breakage import Break

_SSHD = "/etc/ssh/sshd_config.d/00-0break.conf"
_RELOAD = "systemctl reload ssh.service"
_APT = "/etc/apt/apt.conf.d/95break"
_NTP = "/etc/systemd/timesyncd.conf.d/torchrack.conf"
_RESTART_CLOCK = "systemctl restart systemd-timesyncd.service"
_NOUVEAU = "/etc/modprobe.d/torchrack-nouveau.conf"
_FOLDER = 'd=$(getent passwd $SUDO_USER | cut -d: -f6)/.ssh; chmod {} "$d"'


def _apt_says(test: str, line: str, *, batch: int = 1) -> Break:
    """A file that apt reads after ours."""
    harm, undo = f"echo '{line}' > {_APT}", f"rm -f {_APT}"
    return Break(test=f"test_base.py::{test}", harm=harm, undo=undo, batch=batch)


BREAKS = [
    Break(
        test="test_base.py::test_ca_certificates_are_trusted",
        harm="cd /usr/local/share/ca-certificates; for f in torchrack-*.crt; do mv $f $f.off; done",
        undo="cd /usr/local/share/ca-certificates; "
        "for f in torchrack-*.off; do mv $f ${f%.off}; done",
    ),
    Break(
        test="test_base.py::test_one_time_service_runs",
        harm="systemctl stop systemd-timesyncd.service",
        undo="systemctl start systemd-timesyncd.service",
    ),
    Break(
        test="test_base.py::test_ntp_servers_are_asked",
        batch=2,
        harm=f"mount --bind /dev/null {_NTP}; {_RESTART_CLOCK}",
        undo=f"umount {_NTP}; {_RESTART_CLOCK}",
    ),
    Break(
        test="test_base.py::test_deploy_user_is_in_the_admin_group",
        batch=5,
        harm=f"echo 'AllowGroups *' > {_SSHD}; {_RELOAD}; gpasswd -d $SUDO_USER ssh-admins",
        undo=f"gpasswd -a $SUDO_USER ssh-admins; rm -f {_SSHD}; {_RELOAD}",
    ),
    Break(
        test="test_base.py::test_deploy_user_has_sudo_without_password",
        harm='echo "$SUDO_USER ALL=(ALL:ALL) PASSWD: /usr/bin/id" > /etc/sudoers.d/99-break',
        undo="rm -f /etc/sudoers.d/99-break",
    ),
    Break(
        test="test_base.py::test_sudoers_are_valid_and_private",
        batch=2,
        harm="chmod 0644 /etc/sudoers.d/90-torchrack",
        undo="chmod 0440 /etc/sudoers.d/90-torchrack",
    ),
    Break(
        test="test_base.py::test_authorized_keys_are_sane",
        batch=4,
        harm=f"echo 'StrictModes no' > {_SSHD}; {_RELOAD}; {_FOLDER.format('g+w')}",
        undo=f"{_FOLDER.format('g-w')}; rm -f {_SSHD}; {_RELOAD}",
    ),
    _apt_says(
        "test_unattended_upgrades_leave_the_stack_alone",
        "#clear Unattended-Upgrade::Package-Blacklist;",
    ),
    _apt_says("test_no_automatic_reboot", 'Unattended-Upgrade::Automatic-Reboot "true";', batch=3),
    Break(
        test="test_base.py::test_security_updates_go_on",
        harm="systemctl stop apt-daily-upgrade.timer",
        undo="systemctl start apt-daily-upgrade.timer",
    ),
    Break(
        test="test_base.py::test_kernel_is_held",
        harm="apt-mark showhold | grep ^linux- > /run/break-holds; "
        "xargs apt-mark unhold < /run/break-holds",
        undo="xargs apt-mark hold < /run/break-holds",
    ),
    Break(
        test="test_base.py::test_nouveau_is_blacklisted",
        harm=f"mount --bind /dev/null {_NOUVEAU}",
        undo=f"umount {_NOUVEAU}",
    ),
    Break(
        test="test_base.py::test_initramfs_keeps_nouveau_out",
        harm="for f in /boot/initrd.img-*; do mount --bind /dev/null $f; done",
        undo="umount /boot/initrd.img-*",
    ),
]
