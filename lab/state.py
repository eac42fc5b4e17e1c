"""What a lab is made of: the model of `state.json`, which everything else reads."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab import atomic
from lab.errors import LabError


class Registry(BaseModel):
    """The private registry on the bridge: TLS of the lab's CA, a pull-only account."""

    address: str
    ca_cert: Path
    pull_user: str
    pull_password_file: Path


class Mirror(BaseModel):
    """The repository of simulated NVIDIA packages and the key it is signed with."""

    uri: str
    key_file: Path
    key_fingerprint: str


class ImageRef(BaseModel):
    """An image in the lab's registry: its full name with tag, and its manifest's digest."""

    reference: str
    digest: str


class Account(BaseModel):
    """A login of a server and what opens it; `login` is its kind."""

    user: str
    login: str
    key_file: Path | None = None
    password_file: Path | None = None


class Host(Account):
    """A simulated server as its provider hands it over.

    `login` is a kind of `lab.logins`, or `cloud-init` where `user_data` made the account. A
    `newcomer` belongs to no fleet yet. `docker_disk` is the size in MiB of a file system of its own
    for Docker's data; `lost_gpus` have fallen off the bus whenever a driver is loaded;
    `held` is a cloud-init that does not come to its end until it is released.
    """

    address: str
    port: int = 22
    os: str
    gpus: list[str]
    host_key: str
    host_key_sha256: str
    newcomer: bool = False
    user_data: Path | None = None
    held: bool = False
    docker_disk: int | None = None
    lost_gpus: list[int] = []


class Lab(BaseModel):
    """One lab. Its JSON form is `state.json`; its properties say where its files lie.

    `services_of` is the id of another lab, whose mirror, registry and keys this one uses.
    """

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(1, alias="schema")
    id: str
    bridge: str
    subnet: str
    gateway: str
    ssh_key: Path
    known_hosts: Path
    ca_cert: Path
    registry: Registry | None = None
    mirror: Mirror | None = None
    images: dict[str, ImageRef] = {}
    services_of: str | None = None
    hosts: dict[str, Host] = {}
    directory: Path = Field(exclude=True)

    @property
    def ca_key(self) -> Path:
        """The private key of the lab's certificate authority."""
        return self.directory / "ca" / "ca.key"

    @property
    def secrets(self) -> Path:
        """A directory only its owner can enter, for passwords and tokens."""
        return self.directory / "secrets"

    @property
    def own_known_hosts(self) -> Path:
        """The host keys of all servers, as they are now; `known_hosts` are the fleet's pins."""
        return self.directory / "hosts" / "known_hosts"

    @property
    def run(self) -> Path:
        """Process records: one file for each background process."""
        return self.directory / "run"

    @property
    def logs(self) -> Path:
        """Output of the background processes and the hosts' consoles."""
        return self.directory / "logs"

    def machine_dir(self, name: str) -> Path:
        """Return the directory with the disk, keys and PCI bus of the host `name`."""
        return self.directory / "hosts" / name

    def save(self) -> None:
        """Write `state.json`, readable by its owner alone."""
        text = self.model_dump_json(by_alias=True, indent=2) + "\n"
        atomic.write(state_file(self.directory), text, mode=0o600)


def state_file(directory: Path) -> Path:
    """Return the path of the state file of the lab in `directory`."""
    return directory / "state.json"


def load(directory: Path) -> Lab | None:
    """Read the lab in `directory`; None when there is none.

    Raises:
        LabError: the file is there but is not a state this version understands.
    """
    path = state_file(directory)
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise _unreadable(path, str(error)) from error
    except PermissionError as error:
        raise LabError(f"{path}: {error.strerror}; run as the user who made the lab") from error
    if not isinstance(data, dict):
        raise _unreadable(path, "not a JSON object")
    try:
        return Lab.model_validate({**data, "directory": directory})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _unreadable(path, f"{where}: {first['msg']}") from error


def _unreadable(path: Path, why: str) -> LabError:
    return LabError(
        f"{path}: {why}; `python -m lab destroy` removes this lab, "
        "`python -m lab up` makes a new one"
    )


def require(directory: Path) -> Lab:
    """Read the lab in `directory`, or say how to make one."""
    lab = load(directory)
    if lab is None:
        raise LabError(f"no lab in {directory}; `python -m lab up` makes one")
    return lab


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lab's lock, so that two commands don't change one lab at the same time."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
