"""A changed byte, a lost file, another mode: files that the deploy wrote."""

from tests.lab.mutation import Mutation

_SUDOERS = "/etc/sudoers.d/90-torchrack"
_NOUVEAU = "/etc/modprobe.d/torchrack-nouveau.conf"
_CLOCK = "/etc/systemd/timesyncd.conf.d/torchrack.conf"
_UPGRADES = "/etc/apt/apt.conf.d/90torchrack-unattended-upgrades"
_SSHD = "/etc/ssh/sshd_config.d/00-torchrack.conf"
_CLOUD = "/etc/cloud/cloud.cfg.d/99-torchrack.cfg"
_DAEMON = "/etc/docker/daemon.json"
_LOGIN = "/etc/torchrack/docker/config.json"
_UNIT = "/etc/systemd/system/torchrack-notebook.service"
_PIN = "/etc/apt/preferences.d/nvidia-driver-pinning"
_PERSISTENCE = "/etc/systemd/system/nvidia-persistenced.service.d/torchrack.conf"
_STAMP = "/etc/torchrack/deployed.json"
_OWNER = "/usr/local/lib/torchrack/workload"
_SHELL_KEYS = "/etc/torchrack/workloads/shell/authorized_keys"
_NEW_KEY = "rm -f /run/eve*; ssh-keygen -q -t ed25519 -N '' -C eve -f /run/eve"

MUTATIONS = [
    Mutation(
        finding=f"base.file:{_SUDOERS}.content",
        severity="security",
        harm=f"echo '# by hand' >> {_SUDOERS}",
        batch="files",
    ),
    Mutation(
        finding=f"base.file:{_SUDOERS}.mode",
        severity="security",
        harm=f"chmod 0644 {_SUDOERS}",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding=f"base.file:{_NOUVEAU}.content",
        severity="compat",
        harm=f"rm {_NOUVEAU}",
        batch="files",
    ),
    Mutation(
        finding="base.initramfs:*.content",
        severity="compat",
        harm="for f in /boot/initrd.img-*; do : > $f; done",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding=f"base.file:{_CLOCK}.content",
        severity="compat",
        harm=f"sed -i 's/^NTP=.*/NTP=192.0.2.1/' {_CLOCK}",
        batch="files",
    ),
    Mutation(
        finding=f"base.file:{_UPGRADES}.content",
        severity="security",
        harm=f"sed -i '/nvidia/d' {_UPGRADES}",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding="base.certificate:torchrack-lab.content",
        severity="security",
        harm="echo >> /usr/local/share/ca-certificates/torchrack-lab.crt",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding="base.file:/home/debian/.ssh/authorized_keys.mode",
        severity="security",
        harm="chmod 0644 /home/debian/.ssh/authorized_keys",
        batch="files",
    ),
    Mutation(
        finding=f"sshd.file:{_SSHD}.content",
        severity="security",
        harm=f"echo '# by hand' >> {_SSHD}",
        batch="files",
    ),
    Mutation(
        finding="sshd.rollback.armed",
        severity="security",
        harm="touch /var/lib/torchrack/sshd/armed",
        batch="files",
    ),
    Mutation(
        finding=f"sshd.file:{_CLOUD}.content",
        severity="security",
        harm=f"rm {_CLOUD}",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding="sshd.banner.exists",
        severity="security",
        harm="rm /etc/issue.net",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding=f"docker.file:{_DAEMON}.content",
        severity="compat",
        harm=f'sed -i \'s/"icc": false/"icc": true/\' {_DAEMON}',
        batch="files",
        also=("docker.unit:docker.service.restart",),
    ),
    Mutation(
        finding=f"docker.file:{_DAEMON}.mode",
        severity="compat",
        harm=f"chmod 0666 {_DAEMON}",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding="images.file:/etc/docker/certs.d/*/ca.crt.content",
        severity="compat",
        harm="for f in /etc/docker/certs.d/*/ca.crt; do echo >> $f; done",
        batch="files",
    ),
    Mutation(
        finding=f"images.file:{_LOGIN}.mode",
        severity="security",
        harm=f"chmod 0644 {_LOGIN}",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding=f"images.file:{_LOGIN}.content",
        severity="security",
        harm=f"echo '{{\"auths\": {{}}}}' > {_LOGIN}",
        batch="units",
    ),
    Mutation(
        finding=f"workloads.file:{_OWNER}.mode",
        severity="compat",
        harm=f"chmod 0700 {_OWNER}",
        batch="files",
    ),
    Mutation(
        finding=f"workloads.file:{_UNIT}.content",
        severity="compat",
        harm=f"sed -i '0,/o/s//0/' {_UNIT}",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding=f"workloads.file:{_SHELL_KEYS}.content",
        severity="security",
        harm=f"{_NEW_KEY}; cat /run/eve.pub >> {_SHELL_KEYS}",
        batch="files",
    ),
    Mutation(
        finding="workloads.file:/etc/torchrack/workloads/notebook/jupyter_token.content",
        severity="security",
        harm="chmod 0444 /etc/torchrack/workloads/notebook/jupyter_token",
        batch="files",
    ),
    Mutation(
        finding=f"driver.file:{_PIN}.content",
        severity="security",
        harm=f"sed -i 's/version .*/version 570.211.01-*/' {_PIN}",
        batch="files",
    ),
    Mutation(
        finding=f"driver.file:{_PERSISTENCE}.content",
        severity="compat",
        harm=f"sed -i 's/--persistence-mode/--no-persistence-mode/' {_PERSISTENCE}",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding="driver.repository:nvidia-driver.key",
        severity="security",
        harm=": > /etc/apt/keyrings/torchrack-nvidia-driver.asc",
        batch="files",
    ),
    Mutation(
        finding="toolkit.repository:nvidia-toolkit.key",
        severity="security",
        harm=": > /etc/apt/keyrings/torchrack-nvidia-toolkit.asc",
        batch="files",
        host="gpu02",
    ),
    Mutation(
        finding=f"stamp.file:{_STAMP}.content",
        severity="cosmetic",
        harm=f"rm {_STAMP}",
        batch="access",
    ),
    Mutation(
        finding=f"stamp.file:{_STAMP}.content",
        severity="cosmetic",
        harm=f'sed -i \'s/"settings_sha256": "./"settings_sha256": "x/\' {_STAMP}',
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding=f"stamp.file:{_STAMP}.mode",
        severity="cosmetic",
        harm=f"chmod 0666 {_STAMP}",
        batch="units",
    ),
    Mutation(
        finding=f"stamp.file:{_STAMP}.versions.kernel",
        severity="cosmetic",
        harm=f'sed -i \'s/"kernel": "/"kernel": "0/\' {_STAMP}',
        batch="access",
        host="gpu02",
    ),
]
