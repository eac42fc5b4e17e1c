"""The mirror's HTTP server: static files, and faults on demand.

Run as `python -m lab.nvidia.serve LAB_DIR ROOT ADDRESS PORT READY_FD`. At each request it reads
LAB_DIR/faults.json, a map of path patterns (fnmatch, against the path with its leading slash) to
one fault each:

    {"*/libcuda1_*.deb": {"truncate": 1000},   close the connection after so many bytes of the body
     "*/InRelease": {"status": 503},           answer with this status
     "*.deb": {"delay_s": 2.5},                wait before answering
     "*/Packages*": {"count": 1, "status": 404},   any fault: at most so many times
     "*.udeb": {"client": "10.86.1.13", ...}}      any fault: for this server alone

The first pattern that matches is applied. The running server does the counting, and forgets it when
the file is gone: the mirror is healthy then.
"""

import fnmatch
import json
import os
import sys
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO


class Faults:
    """The faults asked for in a file, with a count of how often each pattern was used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._used: dict[str, int] = {}
        self._lock = Lock()

    def match(self, path: str, client: str = "") -> dict[str, Any]:
        """Return the fault for a request path of the client at an address, or an empty dict."""
        try:
            described: dict[str, dict[str, Any]] = json.loads(self._path.read_text())
        except FileNotFoundError:
            self._used.clear()
            return {}
        except ValueError as error:
            print(f"{self._path} ignored: {error}", file=sys.stderr, flush=True)
            return {}
        for pattern, fault in described.items():
            meant = fault.get("client", client) == client and fnmatch.fnmatch(path, pattern)
            if meant and self._take(pattern, fault.get("count")):
                return fault
        return {}

    def _take(self, pattern: str, limit: int | None) -> bool:
        with self._lock:
            used = self._used.get(pattern, 0)
            if limit is not None and used >= limit:
                return False
            self._used[pattern] = used + 1
            return True


class Handler(SimpleHTTPRequestHandler):
    """Static files of one directory, with the faults applied."""

    protocol_version = "HTTP/1.1"
    # A client that keeps an idle connection must not keep a thread for ever.
    timeout = 60
    root = Path()
    faults = Faults(Path("/nonexistent"))

    def __init__(self, *args: Any) -> None:
        self._limit: int | None = None
        super().__init__(*args, directory=str(self.root))

    def do_GET(self) -> None:
        """Serve a file, or the fault that the file's path has."""
        fault = self.faults.match(self.path.partition("?")[0], self.client_address[0])
        time.sleep(float(fault.get("delay_s", 0)))
        if "status" in fault:
            self.send_error(int(fault["status"]))
            return
        self._limit = fault.get("truncate")
        super().do_GET()

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        """Answer 404 for a directory: no tool may rely on a listing of NVIDIA's."""
        self.send_error(404)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the body, or only its beginning when the fault says so."""
        if self._limit is None:
            super().copyfile(source, outputfile)
            return
        self._send_part(source, outputfile, self._limit)
        self.close_connection = True

    @staticmethod
    def _send_part(source: BinaryIO, outputfile: BinaryIO, limit: int) -> None:
        outputfile.write(source.read(limit))
        outputfile.flush()


def main() -> None:
    """Serve until killed; write one byte to READY_FD once listening."""
    lab_dir, root, address, port, ready = sys.argv[1:]
    Handler.root = Path(root)
    Handler.faults = Faults(Path(lab_dir) / "faults.json")
    ThreadingHTTPServer.daemon_threads = True
    with ThreadingHTTPServer((address, int(port)), Handler) as server:
        os.write(int(ready), b"1")
        os.close(int(ready))
        server.serve_forever()


if __name__ == "__main__":
    main()
