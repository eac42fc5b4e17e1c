"""Machines that are prepared before they boot: what cloud-init is told, and that it is all told."""

import subprocess
from pathlib import Path

import pytest
import yaml
from paramiko import Ed25519Key

from torchrack.errors import HostError
from torchrack.onboard.cloud_init import autoinstall, new_host_key, user_data, write
from torchrack.onboard.model import Newcomer

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJMJOfG622QxvxP6VGTQiuH2k4Q3Edsw4cz8cdD1JLSv ann"
NEWCOMER = Newcomer("gpu07", "10.0.0.7", "ubuntu", admin="ops")
KEY = new_host_key()

# cloud-init's JSON schema, schema-cloud-config-v1.json of 22.4: keys and types of what we use.
DOCUMENTED = {
    "hostname": str,
    "users": list,
    "disable_root": bool,
    "ssh_pwauth": bool,
    "allow_public_ssh_keys": bool,
    "ssh_deletekeys": bool,
    "ssh_keys": dict,
}
DOCUMENTED_USER = {
    "name": str,
    "gecos": str,
    "shell": str,
    "lock_passwd": bool,
    "sudo": str,
    "ssh_authorized_keys": list,
}


def test_the_text_is_a_cloud_config_with_documented_keys() -> None:
    text = user_data(NEWCOMER, PUBLIC + "\n", KEY)
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert {key: type(value) for key, value in config.items()} == DOCUMENTED
    (user,) = config["users"]
    assert {key: type(value) for key, value in user.items()} == DOCUMENTED_USER


def test_one_account_logs_in_by_key_alone() -> None:
    config = yaml.safe_load(user_data(NEWCOMER, PUBLIC + "\n", KEY))
    assert config["users"] == [
        {
            "name": "ops",
            "gecos": "Torchrack",
            "shell": "/bin/bash",
            "lock_passwd": True,
            "sudo": "ALL=(ALL:ALL) NOPASSWD: ALL",
            "ssh_authorized_keys": [PUBLIC],
        }
    ]
    assert (config["ssh_pwauth"], config["disable_root"]) == (False, True)
    assert config["allow_public_ssh_keys"] is False


def test_sudo_is_what_the_deploy_writes() -> None:
    template = (Path(__file__).parents[2] / "files/base/sudoers.j2").read_text()
    config = yaml.safe_load(user_data(NEWCOMER, PUBLIC, KEY))
    assert "{{ user }} " + config["users"][0]["sudo"] in template


def test_the_host_key_is_the_only_one_and_known_beforehand(tmp_path: Path) -> None:
    config = yaml.safe_load(user_data(NEWCOMER, PUBLIC, KEY))
    assert config["ssh_deletekeys"] is True
    assert set(config["ssh_keys"]) == {"ed25519_private", "ed25519_public"}
    file = tmp_path / "ssh_host_ed25519_key"
    file.write_text(config["ssh_keys"]["ed25519_private"])
    file.chmod(0o600)
    derived = subprocess.run(
        ["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True
    ).stdout
    assert derived.split()[:2] == config["ssh_keys"]["ed25519_public"].split() == KEY.public.split()
    assert Ed25519Key.from_private_key_file(str(file)).asbytes() == KEY.as_paramiko().asbytes()


def test_every_server_gets_a_host_key_of_its_own() -> None:
    assert new_host_key().public != new_host_key().public
    assert KEY.private.splitlines()[1] not in repr(KEY)


def test_a_name_that_is_no_hostname_is_none() -> None:
    config = yaml.safe_load(user_data(Newcomer("gpu_07", "10.0.0.7", "ubuntu"), PUBLIC, KEY))
    assert "hostname" not in config


def test_autoinstall_says_the_same_to_the_installed_system() -> None:
    text = autoinstall(NEWCOMER, PUBLIC, KEY)
    assert text.startswith("#cloud-config\n")
    assert "ERASES the disk" in text
    config = yaml.safe_load(text)
    assert config == {
        "autoinstall": {
            "version": 1,
            "ssh": {"install-server": True, "allow-pw": False},
            "user-data": yaml.safe_load(user_data(NEWCOMER, PUBLIC, KEY)),
        }
    }


def test_the_file_is_private_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gpu07.user-data.yml"
    write(path, "text", NEWCOMER)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("text", 0o600)
    with pytest.raises(HostError, match=r"gpu07: User data: found .* is there already"):
        write(path, "other", NEWCOMER)
    assert path.read_text() == "text"


def test_a_file_that_can_t_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="name a file that can be written"):
        write(tmp_path / "file" / "user-data", "text", NEWCOMER)
