"""What the lab's servers are to be, as far as it does not depend on the lab's addresses."""

from torchrack.settings import Docker, Driver, Preflight, Toolkit

preflight = Preflight(min_free_disk="8GiB")
driver = Driver(version="580.159.04")
docker = Docker(source="distro", version="26.1.5*", address_pools=["10.200.0.0/16"], nofile=16384)
toolkit = Toolkit(version="1.19.1-1")
