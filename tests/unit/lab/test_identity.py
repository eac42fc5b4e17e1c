"""Keys and passwords: made once, pinned for the fleet."""

import stat

from lab import identity
from lab.state import Host, Lab


def test_the_fingerprint_is_ssh_keygens(host: Host) -> None:
    assert identity.fingerprint(host.host_key) == host.host_key_sha256


def test_host_keys_are_made_once_and_pinned(lab: Lab, host: Host) -> None:
    folder = lab.machine_dir("gpu01") / "identity"
    identity.ensure_host_keys(folder, "gpu01")
    before = identity.host_key(folder)
    identity.ensure_host_keys(folder, "gpu01")
    assert identity.host_key(folder) == before
    lab.hosts["gpu01"] = host
    identity.write_known_hosts(lab)
    pins = lab.known_hosts.read_text().splitlines()
    assert f"10.86.7.11,gpu01 {before}" in pins
    assert sorted(pin.split()[1] for pin in pins) == [
        "ecdsa-sha2-nistp256",
        "ssh-ed25519",
        "ssh-rsa",
    ]


def test_pins_of_newcomers_are_for_others_to_write(lab: Lab, host: Host) -> None:
    for name, number in (("gpu01", 11), ("box", 12)):
        identity.ensure_host_keys(lab.machine_dir(name) / "identity", name)
        address = f"10.86.7.{number}"
        lab.hosts[name] = host.model_copy(update={"address": address, "newcomer": name == "box"})
    identity.write_known_hosts(lab)
    assert "10.86.7.12,box" in lab.own_known_hosts.read_text()
    assert "10.86.7.12" not in lab.known_hosts.read_text()
    assert lab.known_hosts.read_text().count("10.86.7.11,gpu01") == 3


def test_a_server_that_goes_takes_its_passwords_along(lab: Lab) -> None:
    for name, user in (("gpu01", ""), ("gpu01", "expired"), ("gpu011", "")):
        identity.ensure_password(lab, name, user)
    identity.forget_passwords(lab, "gpu01")
    assert [path.name for path in lab.secrets.iterdir()] == ["gpu011_password"]


def test_a_password_stays_the_same_and_private(lab: Lab) -> None:
    path = identity.ensure_password(lab, "gpu02")
    password = path.read_text()
    assert len(password) >= 24
    assert identity.ensure_password(lab, "gpu02").read_text() == password
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert identity.ensure_password(lab, "gpu03").read_text() != password
