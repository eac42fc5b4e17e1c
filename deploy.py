"""What happens to a server, stage by stage. Run it with ``pyinfra INVENTORY deploy.py``."""

from tasks import base, docker, driver, images, preflight, sshd, stamp, toolkit, workloads
from torchrack.run import run

run(
    preflight.check_hosts,
    base.prepare_system,
    sshd.harden,
    driver.install,
    docker.install,
    toolkit.install,
    images.pull,
    workloads.run_containers,
    stamp.record,
)
