"""What the lab's servers are to be, as far as it does not depend on the lab's addresses."""

from torchrack.settings import Docker, Driver, Preflight

preflight = Preflight(min_free_disk="8GiB")
driver = Driver(version="580")
docker = Docker(source="distro", address_pools=["10.200.0.0/16"], nofile=16384)
