"""The settings of a fleet whose servers are the lab's, as text for its `group_data/all.py`."""

from lab.errors import LabError
from lab.identity import ensure_login_key
from lab.state import Lab

_TEXT = '''\
"""Settings of a fleet of simulated servers: the lab's mirror, registry, certificates and clock."""

from torchrack.settings import (
    Base,
    Docker,
    Driver,
    Images,
    Mount,
    Port,
    Preflight,
    Registry,
    Sshd,
    Toolkit,
    Workload,
    Workloads,
    file,
)

_mirror = {{
    "repository": {mirror.uri!r},
    "key_file": {mirror_key!r},
    "key_fingerprint": {mirror.key_fingerprint!r},
}}

preflight = Preflight(min_free_disk="8GiB")
base = Base(
    ca_certificates={{"lab": {ca_cert!r}}},
    authorized_keys=[{public_key!r}],
    ntp_servers=[{gateway!r}],
)
sshd = Sshd(penalty_exempt=[{subnet!r}])
driver = Driver(version="auto", **_mirror)
# The lab's mirror has none of Docker's own packages; this machine may be limited in open files.
docker = Docker(source="distro", address_pools=["10.200.0.0/16"], nofile=16384)
toolkit = Toolkit(**_mirror)
images = Images(
    registries=[
        Registry(
            address={registry.address!r},
            ca_file={ca_cert!r},
            username={registry.pull_user!r},
            password=file({password_file!r}),
        )
    ],
    catalog={{"pytorch": {pytorch!r}}},
)
workloads = Workloads(
    containers=[
        Workload(
            name="notebook",
            kind="jupyter",
            image="pytorch",
            ports=[Port(container=8888, host=8888)],
            mounts=[Mount(source="notebook-home", target="/home/torch")],
            # This machine may be limited in locked memory, too.
            memory="2GiB",
            cpus=1,
            shm_size="256MiB",
            memlock="8MiB",
            nofile=16384,
        )
    ]
)
'''


def text(lab: Lab) -> str:
    """Return the settings.

    Raises:
        LabError: the lab's mirror, registry or images are not there yet.
    """
    if lab.mirror is None or lab.registry is None or "pytorch" not in lab.images:
        raise LabError("the lab has no mirror or no images yet; `python -m lab up` makes them")
    return _TEXT.format(
        mirror=lab.mirror,
        mirror_key=str(lab.mirror.key_file),
        ca_cert=str(lab.ca_cert),
        public_key=ensure_login_key(lab),
        gateway=lab.gateway,
        subnet=lab.subnet,
        registry=lab.registry,
        password_file=str(lab.registry.pull_password_file),
        pytorch=lab.images["pytorch"].reference,
    )
