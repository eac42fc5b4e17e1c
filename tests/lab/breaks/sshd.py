"""Breaks of the ``sshd`` stage; none of them keeps the next login out."""

from tests.lab.breakage import Break

_DROP_IN = "/etc/ssh/sshd_config.d/00-torchrack.conf"
_RELOAD = "systemctl reload ssh.service"
_ROOT = "/etc/ssh/sshd_config.d/00-0root.conf"
_STATE = "/var/lib/torchrack/sshd"


def _with_options(test: str, *options: str, batch: int = 1, then: str = "") -> Break:
    """A drop-in that sorts before ours."""
    file = f"/etc/ssh/sshd_config.d/00-0{test}.conf"
    lines = "\\n".join(options)
    return Break(
        test=f"test_sshd.py::{test}",
        harm=f"printf '{lines}\\n' > {file}",
        undo=f"rm -f {file}",
        batch=batch,
        then=then,
        after=then,
    )


BREAKS = [
    # In the first batch, which reloads nothing before.
    Break(
        test="test_sshd.py::test_running_server_has_read_the_file",
        harm=f"touch {_DROP_IN}",
        undo="true",
        after=_RELOAD,
    ),
    _with_options("test_effective_values", "X11Forwarding yes"),
    _with_options("test_no_weak_algorithm", "MACs +hmac-sha1"),
    _with_options("test_options_of_newer_versions", "DebianBanner yes"),
    _with_options("test_sshd_listens", "Port 22", "Port 2222"),
    _with_options(
        "test_password_login_is_refused",
        "AuthenticationMethods any",
        "PasswordAuthentication yes",
        batch=2,
        then=_RELOAD,
    ),
    Break(
        test="test_sshd.py::test_root_login_is_refused",
        batch=3,
        harm=f"printf 'PermitRootLogin yes\\nAllowGroups *\\n' > {_ROOT}; "
        "install -d -m 0700 /root/.ssh; "
        "cp $(getent passwd $SUDO_USER | cut -d: -f6)/.ssh/authorized_keys /root/.ssh/",
        then=_RELOAD,
        undo=f"rm -f {_ROOT} /root/.ssh/authorized_keys",
        after=_RELOAD,
    ),
    Break(
        test="test_sshd.py::test_files_are_private",
        harm=f"chmod 0644 {_DROP_IN}",
        undo=f"chmod 0600 {_DROP_IN}",
        after=_RELOAD,
        batch=4,
    ),
    Break(
        test="test_sshd.py::test_configuration_is_proven",
        harm=f"touch {_STATE}/armed",
        undo=f"rm -f {_STATE}/armed",
    ),
    Break(
        test="test_sshd.py::test_cloud_init_keeps_passwords_off",
        harm="echo 'ssh_pwauth: true' > /etc/cloud/cloud.cfg.d/99-zz-break.cfg",
        undo="rm -f /etc/cloud/cloud.cfg.d/99-zz-break.cfg",
        host="gpu02",
    ),
]
