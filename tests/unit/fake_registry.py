"""A registry of a test's own in a thread, over TLS: answers by path, and what it was sent."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image"


@dataclass
class Reply:
    """What is answered.

    ``then`` runs after the headers, before the body; with ``drip`` a byte follows every 50 ms
    until that is set.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    then: Callable[[], object] | None = None
    drip: threading.Event | None = None


Answer = Callable[[dict[str, str]], Reply]


@dataclass
class Fake:
    """The server: ``answers`` by path with query, ``seen`` is path and Authorization."""

    address: str
    answers: dict[str, Answer | Reply] = field(default_factory=dict)
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def image(self, repository: str, tag: str, config: dict[str, Any], docker: bool = False) -> str:
        """Serve an image and return its manifest's digest."""
        kinds = (
            (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
            )
            if docker
            else (f"{OCI}.manifest.v1+json", f"{OCI}.config.v1+json")
        )
        blob = json.dumps(config).encode()
        described = {"mediaType": kinds[1], "digest": digest(blob), "size": len(blob)}
        manifest = {"schemaVersion": 2, "mediaType": kinds[0], "config": described, "layers": []}
        self.answers[f"/v2/{repository}/blobs/{digest(blob)}"] = Reply(body=blob)
        return self.manifest(repository, tag, manifest)

    def manifest(self, repository: str, tag: str, manifest: dict[str, Any]) -> str:
        """Serve a manifest by tag and by digest."""
        body = json.dumps(manifest).encode()
        reply = Reply(
            body=body,
            headers={
                "Content-Type": manifest["mediaType"],
                "Docker-Content-Digest": digest(body),
            },
        )
        for reference in (tag, digest(body)):
            self.answers[f"/v2/{repository}/manifests/{reference}"] = reply
        return digest(body)


def digest(data: bytes) -> str:
    """Return the digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def serve(certificate: Path, key: Path) -> Iterator[Fake]:
    """Run a server on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fake.seen.append((self.path, self.headers.get("Authorization")))
            answer = fake.answers.get(self.path, Reply(404))
            sent = {k.lower(): v for k, v in self.headers.items()}
            reply = answer if isinstance(answer, Reply) else answer(sent)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if reply.then:
                reply.then()
            self.wfile.write(reply.body)
            while reply.drip and not reply.drip.wait(0.05):
                self.wfile.write(b" ")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            pass  # clients that hang up are what is tested

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # The handshake is left to the handler's thread: a client that refuses must not end the loop.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    fake = Fake(f"127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
