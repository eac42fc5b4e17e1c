"""The mirror's server: files, and the faults that are asked of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.nvidia import mirror

CONTENT = b"a package" * 1000


class Mirror:
    """A mirror that runs, with one file."""

    def __init__(self, lab: Path, port: int) -> None:
        self.lab = lab
        self.uri = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.uri}{path}", timeout=10) as answer:  # noqa: S310
            content: bytes = answer.read()
        return content

    def status(self, path: str) -> int:
        try:
            self.get(path)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    def faults(self, **faults: Any) -> None:
        (self.lab / "faults.json").write_text(json.dumps(faults["map"]))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Mirror]:
    root = tmp_path / "www"
    (root / "pool").mkdir(parents=True)
    (root / "pool/a.deb").write_bytes(CONTENT)
    port = _free_port()
    pid = mirror.start(tmp_path, root, "127.0.0.1", port)
    yield Mirror(tmp_path, port)
    os.kill(pid, signal.SIGTERM)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def test_it_serves_files_once_start_returns(served: Mirror) -> None:
    assert served.get("/pool/a.deb") == CONTENT
    assert served.status("/pool/b.deb") == 404


def test_it_lists_no_directory_and_leaves_none(served: Mirror) -> None:
    (served.lab / "secret").write_text("secret")

    assert served.status("/pool/") == 404
    assert served.status("/../secret") == 404


def test_a_download_breaks_off_after_some_bytes(served: Mirror) -> None:
    served.faults(map={"/pool/*.deb": {"truncate": 100}})

    with pytest.raises(http.client.IncompleteRead) as broken:
        served.get("/pool/a.deb")

    assert len(broken.value.partial) == 100


def test_a_fault_can_be_limited_to_some_requests(served: Mirror) -> None:
    served.faults(map={"*/a.deb": {"status": 503, "count": 2}})

    assert [served.status("/pool/a.deb") for _ in range(3)] == [503, 503, 200]


def test_without_the_file_it_is_healthy_again(served: Mirror) -> None:
    served.faults(map={"*": {"status": 500}})
    ill = served.status("/pool/a.deb")
    (served.lab / "faults.json").unlink()

    assert (ill, served.status("/pool/a.deb")) == (500, 200)


def test_a_used_port_is_reported(served: Mirror, tmp_path: Path) -> None:
    port = int(served.uri.rpartition(":")[2])
    other = tmp_path / "other"
    other.mkdir()

    with pytest.raises(LabError, match=f"did not start on 127.0.0.1:{port}.*in use"):
        mirror.start(other, tmp_path / "www", "127.0.0.1", port)
