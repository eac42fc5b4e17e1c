"""Swapped versions, holds taken off, sources and packages that came past the deploy."""

from tests.lab.mutation import Mutation

_SOURCES = "/etc/apt/sources.list.d"
_APT = "/etc/apt/apt.conf.d/95mutation"
_QUIET = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0"

MUTATIONS = [
    Mutation(
        finding="driver.package:libcuda1.held",
        severity="compat",
        harm="apt-mark unhold libcuda1",
        batch="units",
    ),
    Mutation(
        finding="driver.package:nvidia-persistenced.held",
        severity="compat",
        harm="apt-mark unhold nvidia-persistenced",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="toolkit.package:nvidia-container-toolkit.held",
        severity="compat",
        harm="apt-mark unhold nvidia-container-toolkit",
        batch="units",
    ),
    Mutation(
        finding="toolkit.package:libnvidia-container1.version",
        severity="compat",
        harm=f"{_QUIET} install --allow-change-held-packages libnvidia-container1=1.20.0-1",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="docker.package:docker.io.held",
        severity="compat",
        harm="apt-mark unhold docker.io",
        batch="units",
    ),
    Mutation(
        finding="base.package:linux-image-*.held",
        severity="compat",
        harm="apt-mark unhold $(apt-mark showhold | grep ^linux-image)",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="base.package:unattended-upgrades.version",
        severity="security",
        harm=f"{_QUIET} remove unattended-upgrades",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="base.unattended-upgrades-apt-config-dump",
        severity="security",
        harm=f"echo 'Unattended-Upgrade::Automatic-Reboot \"true\";' > {_APT}",
        batch="system",
        clean=f"rm {_APT}.disabled",
    ),
    Mutation(
        finding="base.unattended-upgrades-apt-config-dump",
        severity="security",
        harm=f"echo '#clear Unattended-Upgrade::Package-Blacklist;' > {_APT}",
        batch="system",
        host="gpu02",
        clean=f"rm {_APT}.disabled",
    ),
    Mutation(
        finding="driver.second-source-of-nvidia-s-driver-repository",
        severity="security",
        harm="echo 'deb https://example.com/compute/cuda/repos/debian13/x86_64/ /' "
        f"> {_SOURCES}/cuda.list",
        batch="system",
    ),
    Mutation(
        finding="toolkit.second-source-of-the-nvidia-container-toolkit-s-repository",
        severity="security",
        harm="echo 'deb https://example.com/libnvidia-container/stable/deb/amd64 /' "
        f"> {_SOURCES}/nvidia-docker.list",
        batch="system",
    ),
    Mutation(
        finding="host.system:apt.check",
        severity="outage",
        harm=f"echo nonsense > {_SOURCES}/mutation.list",
        batch="system",
        host="gpu02",
        clean=f"rm {_SOURCES}/mutation.list",
    ),
    Mutation(
        finding="host.system:packages.half-installed",
        severity="outage",
        harm="sed -i '/^Package: hostname$/,/^$/s/ok installed$/ok half-configured/' "
        "/var/lib/dpkg/status",
        batch="system",
    ),
    Mutation(
        finding="host.driver:files.owner",
        severity="compat",
        harm="printf '#!/bin/sh\\nrm -- \"$0\"\\n' > /usr/bin/nvidia-uninstall; "
        "chmod 755 /usr/bin/nvidia-uninstall",
        batch="system",
        host="gpu02",
    ),
    Mutation(
        finding="host.docker:engine.source",
        severity="compat",
        harm="touch /usr/local/bin/dockerd",
        batch="system",
    ),
    Mutation(
        finding="host.system:clock.offset",
        severity="outage",
        # The clock is this machine's, so the program is what goes wrong.
        harm="cp /usr/bin/date /run/date; "
        'printf \'#!/bin/sh\\nexec /run/date -d "1 hour" "$@"\\n\' > /run/late; '
        "chmod 755 /run/late; mount --bind /run/late /usr/bin/date",
        batch="system",
        mend="umount /usr/bin/date; rm /run/date /run/late",
    ),
    Mutation(
        finding="host.system:os.supported",
        severity="compat",
        harm="sed 's/^VERSION_ID=.*/VERSION_ID=99/' /usr/lib/os-release > /run/os-release; "
        "mount --bind /run/os-release /usr/lib/os-release",
        batch="gpus",
        mend="umount /usr/lib/os-release",
    ),
]
