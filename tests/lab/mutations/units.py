"""Services stopped, disabled, or started that should not be; persistence mode, the CDI spec."""

from tests.lab.mutation import Mutation

_FABRIC = "/etc/systemd/system/nvidia-fabricmanager.service"
_SPEC = "/var/run/cdi/nvidia.yaml"

MUTATIONS = [
    Mutation(
        finding="base.unit:apt-daily-upgrade.timer.enabled",
        severity="compat",
        harm="systemctl disable -q apt-daily-upgrade.timer",
        batch="units",
    ),
    Mutation(
        finding="base.unit:apt-daily.timer.running",
        severity="compat",
        harm="systemctl stop apt-daily.timer",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="base.unit:systemd-timesyncd.service.running",
        severity="compat",
        harm="systemctl stop systemd-timesyncd.service",
        batch="units",
    ),
    Mutation(
        finding="driver.unit:nvidia-persistenced.service.running",
        severity="outage",
        harm="systemctl stop nvidia-persistenced",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="driver.gpu:0000:*.persistence",
        severity="capacity",
        harm="nvidia-smi -pm 0",
        batch="units",
    ),
    Mutation(
        finding="driver.unit:nvidia-fabricmanager.service.running",
        severity="outage",
        harm="printf '[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\n"
        f"WantedBy=multi-user.target\\n' > {_FABRIC}; systemctl daemon-reload; "
        "systemctl enable -q --now nvidia-fabricmanager",
        batch="units",
        clean=f"rm {_FABRIC}; systemctl daemon-reload",
        also=("driver.unit:nvidia-fabricmanager.service.enabled",),
    ),
    Mutation(
        finding="toolkit.unit:nvidia-cdi-refresh.path.enabled",
        severity="outage",
        harm="systemctl disable -q nvidia-cdi-refresh.path",
        batch="system",
        host="gpu02",
    ),
    Mutation(
        # The spec of the driver before.
        finding="toolkit.cdi:nvidia.spec",
        severity="outage",
        harm=f"sed -Ei 's/(so\\.)[0-9]{{3}}\\.[0-9.]+/\\1570.211.01/' {_SPEC}",
        batch="network",
    ),
    Mutation(
        # The GPUs that it names are not all.
        finding="toolkit.cdi:nvidia.spec",
        severity="outage",
        harm=f"sed -i 's/name: all$/name: some/' {_SPEC}",
        batch="network",
        host="gpu02",
    ),
    Mutation(
        finding="docker.unit:docker.service.enabled",
        severity="outage",
        harm="systemctl disable -q docker.service",
        batch="units",
        host="gpu02",
    ),
    Mutation(
        finding="workloads.unit:torchrack-shell.service.enabled",
        severity="outage",
        harm="systemctl disable -q torchrack-shell.service",
        batch="units",
    ),
    Mutation(
        finding="workloads.container:shell.its-unit-is-inactive",
        severity="outage",
        harm="systemctl stop torchrack-shell",
        batch="network",
    ),
]
