"""Certificates of the lab's own authority."""

import socket
import ssl
import stat
import threading
from contextlib import suppress

import pytest

from lab import ca
from lab.state import Lab


def handshake(lab: Lab, name: str, address: str) -> None:
    """Do a TLS handshake in memory, as a client which trusts the lab's authority alone."""
    certificate, key = ca.issue(lab, name, "127.0.0.1", "registry.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=lab.ca_cert)
    left, right = socket.socketpair()
    thread = threading.Thread(target=lambda: _accept(server, left))
    thread.start()
    try:
        client.wrap_socket(right, server_hostname=address).close()
    finally:
        right.close()
        thread.join()


def _accept(context: ssl.SSLContext, link: socket.socket) -> None:
    with suppress(OSError), context.wrap_socket(link, server_side=True) as secured:
        secured.recv(1)


def test_clients_that_trust_the_authority_accept_its_servers(lab: Lab) -> None:
    ca.ensure(lab)
    handshake(lab, "registry", "127.0.0.1")
    handshake(lab, "registry", "registry.example")


def test_another_name_is_refused(lab: Lab) -> None:
    ca.ensure(lab)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.2"):
        handshake(lab, "registry", "127.0.0.2")


def test_keys_are_private_and_made_once(lab: Lab) -> None:
    ca.ensure(lab)
    before = lab.ca_cert.read_bytes()
    ca.ensure(lab)
    assert lab.ca_cert.read_bytes() == before
    certificate, key = ca.issue(lab, "registry", "127.0.0.1")
    assert (certificate, key) == ca.issue(lab, "registry", "127.0.0.1")
    for path in (lab.ca_key, key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
