"""Ways in that nobody declared: keys, rights, options of sshd, sockets, secrets that show."""

from __future__ import annotations

from tests.lab.mutation import Mutation

_SSHD = "/etc/ssh/sshd_config.d"
_NEW_KEY = "rm -f /run/eve*; ssh-keygen -q -t ed25519 -N '' -C eve -f /run/eve; "
_SERVER = "python3 -m http.server --directory /run/lock"


def _option(name: str, value: str, *, host: str = "gpu01") -> Mutation:
    """A drop-in of sshd that sorts before ours, so that no deploy wins over it."""
    file = f"{_SSHD}/00-0{name.lower()}.conf"
    return Mutation(
        finding=f"sshd.effective:{name}.value",
        severity="security",
        harm=f"echo '{name} {value}' > {file}",
        batch="access",
        host=host,
        clean=f"rm {file}",
        also=("sshd.effective-values-of-the-hardened-sshd-configuration-sshd--t",),
    )


def _listener(
    finding: str, where: str, *, host: str = "gpu01", program: str = "python3"
) -> Mutation:
    """A process of some name that listens, in a unit of its own."""
    address, _, port = where.rpartition(":")
    return Mutation(
        finding=finding,
        severity="compat" if "proxy" in finding else "security",
        harm=f"[ -e /run/{program} ] || cp $(readlink -f /usr/bin/python3) /run/{program}; "
        f"systemd-run -q --unit=listener-{port} /run/{program} -m http.server "
        f"--bind {address} --directory /run/lock {port}; "
        f"timeout 20 sh -c 'until ss -Hltn | grep -q {where}; do sleep 0.1; done'",
        batch="network",
        host=host,
    )


MUTATIONS = [
    _option("X11Forwarding", "yes"),
    _option("MACs", "+hmac-sha1", host="gpu02"),
    _option("PasswordAuthentication", "yes"),
    _option("PermitRootLogin", "yes", host="gpu02"),
    Mutation(
        finding="host.sshd:port-2022.listening",
        severity="outage",
        harm=f"printf 'Port 22\\nPort 2022\\n' > {_SSHD}/60-port.conf",
        batch="access",
        clean=f"rm {_SSHD}/60-port.conf",
    ),
    Mutation(
        finding="host.sshd:authorizedkeyscommand.value",
        severity="security",
        harm="printf 'AuthorizedKeysCommand /bin/false\\nAuthorizedKeysCommandUser nobody\\n' "
        f"> {_SSHD}/60-keys.conf",
        batch="access",
        host="gpu02",
        clean=f"rm {_SSHD}/60-keys.conf",
    ),
    Mutation(
        finding=f"sshd.file:{_SSHD}/00-torchrack.conf.mode",
        severity="security",
        harm=f"chmod 0644 {_SSHD}/00-torchrack.conf",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="host.cloud-init:ssh_pwauth.value",
        severity="security",
        harm="echo 'ssh_pwauth: true' > /etc/cloud/cloud.cfg.d/99-zz-late.cfg",
        batch="access",
        host="gpu02",
        clean="rm /etc/cloud/cloud.cfg.d/99-zz-late.cfg",
    ),
    Mutation(
        finding="base.account:debian.groups",
        severity="security",
        # Who is in no group that may log in could not mend it: sshd is told to let all in.
        harm=f"echo 'AllowGroups *' > {_SSHD}/00-0all.conf; systemctl reload ssh.service; "
        "gpasswd -d debian ssh-admins",
        batch="gpus",
        clean=f"rm {_SSHD}/00-0all.conf; systemctl reload ssh.service",
    ),
    Mutation(
        finding="host.account:nobody.docker",
        severity="security",
        harm="gpasswd -a nobody docker",
        batch="access",
    ),
    Mutation(
        finding="host.account:toor.uid",
        severity="security",
        harm="useradd -o -u 0 -M toor",
        batch="access",
    ),
    Mutation(
        finding="host.sudoers:helpdesk",
        severity="security",
        harm="echo 'nobody ALL=(ALL) ALL' > /etc/sudoers.d/helpdesk; "
        "chmod 440 /etc/sudoers.d/helpdesk",
        batch="access",
        host="gpu02",
    ),
    Mutation(
        finding="host.file:/root/.ssh/authorized_keys.keys",
        severity="security",
        harm=f"{_NEW_KEY} install -d -m 700 /root/.ssh; cat /run/eve.pub "
        "> /root/.ssh/authorized_keys",
        batch="access",
        host="gpu02",
        clean="rm -r /root/.ssh",
    ),
    Mutation(
        finding="host.account:debian.keys",
        severity="security",
        harm=f"{_NEW_KEY} cat /run/eve.pub >> /home/debian/.ssh/authorized_keys",
        batch="access",
    ),
    Mutation(
        finding="host.account:www-data.keys",
        severity="security",
        harm=f"{_NEW_KEY} mkdir -p /var/www/.ssh; "
        "sed 's/^/command=\"id\",no-pty /' /run/eve.pub > /var/www/.ssh/authorized_keys2",
        batch="access",
        clean="rm -r /var/www/.ssh",
    ),
    Mutation(
        finding="host.secret:pull-account.shown",
        severity="security",
        harm='p=$(sed -n \'s/.*"auth": "\\(.*\\)".*/\\1/p\' /etc/torchrack/docker/config.json | '
        'base64 -d | cut -d: -f2-); systemd-run -q --unit=careless sh -c "sleep 600; : $p"',
        batch="access",
    ),
    Mutation(
        finding="host.secret:token-of-notebook.shown",
        severity="security",
        harm="t=$(cat /etc/torchrack/workloads/notebook/jupyter_token); "
        'systemd-run -q --unit=careless sh -c "sleep 600; : $t"',
        batch="access",
        host="gpu02",
    ),
    _listener("host.socket:tcp:9999", "0.0.0.0:9999"),
    _listener("host.socket:tcp:8888", "127.0.0.2:8888", host="gpu02"),
    _listener("host.docker:userland-proxy", "127.0.0.1:9876", program="docker-proxy"),
]
