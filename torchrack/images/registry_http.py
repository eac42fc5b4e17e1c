"""One bounded HTTPS request: time, size and redirects have limits, logins stay with their host.

The standard library does: the few requests that images need are no reason for a dependency.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from threading import Event, Timer
from urllib.parse import urljoin, urlsplit

from torchrack.errors import Problem, TorchrackError
from torchrack.fleet_folder import here

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5


class RegistryError(TorchrackError):
    """A registry did not give what was asked for; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class Response:
    """An answer: status, headers (names in lower case), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Https:
    """HTTPS requests for one purpose.

    Args:
        where: what messages name as the place, the registry's address.
        context: whom to trust.
        seconds: time for one request with its redirects.
    """

    where: str
    context: ssl.SSLContext
    seconds: float

    def get(self, url: str, headers: Mapping[str, str], *, what: str, limit: int) -> Response:
        """Return the answer to a GET.

        Args:
            url: an https URL.
            headers: to send; Authorization goes to the URL's own host and port alone.
            what: what is read, for messages.
            limit: bytes that the body may have.

        Raises:
            RegistryError: no complete answer within the limits.
        """
        deadline = time.monotonic() + self.seconds
        home = _origin(url)
        for _ in range(_MAX_REDIRECTS + 1):
            origin = _origin(url)
            if origin is None:
                raise self.error(
                    what,
                    "a redirect that is no plain https URL",
                    "https, without a login in the URL",
                    "correct the registry's external URL, or its storage's redirects",
                )
            sent = {k: v for k, v in headers.items() if origin == home or k != "Authorization"}
            answer = self._once(url, origin, sent, what=what, limit=limit, deadline=deadline)
            target = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            with suppress(ValueError):  # what can't be joined has no origin either
                target = urljoin(url, target)
            url = target
        raise self.error(
            what,
            f"more than {_MAX_REDIRECTS} redirects",
            "an answer",
            "look at the registry's (or its proxy's) redirects",
        )

    def error(self, what: str, found: str, needed: str, fix: str) -> RegistryError:
        """Return an error about this registry."""
        return RegistryError(Problem(self.where, what, found, needed, fix))

    def _once(
        self,
        url: str,
        origin: tuple[str, int],
        headers: Mapping[str, str],
        *,
        what: str,
        limit: int,
        deadline: float,
    ) -> Response:
        host, port = origin
        left = max(deadline - time.monotonic(), 0.001)
        connection = HTTPSConnection(host, port, timeout=left, context=self.context)
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        late = Event()
        try:
            connection.connect()
            # A socket's timeout starts anew with each byte; the timer ends a trickle as well.
            left = max(deadline - time.monotonic(), 0.001)
            timer = Timer(left, _hang_up, (connection.sock, late))
            timer.daemon = True
            timer.start()
            try:
                connection.request("GET", path, headers={"User-Agent": "torchrack", **headers})
                answer = connection.getresponse()
                body = answer.read(limit + 1)
                whole = answer.length in (None, 0)
            finally:
                timer.cancel()
        except (OSError, HTTPException, ValueError) as error:
            raise self._no_answer(error, f"{host}:{port}", what, late.is_set()) from None
        finally:
            connection.close()
        if late.is_set():
            raise self._no_answer(TimeoutError(), f"{host}:{port}", what, True)
        if len(body) > limit:
            raise self.error(
                what,
                f"more than {limit} bytes",
                f"at most {limit} bytes",
                "see whether the reference names an image at all",
            )
        if not whole:
            raise self.error(what, "an answer cut off", "a whole answer", "run again")
        return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, body)

    def _no_answer(self, error: Exception, at: str, what: str, late: bool) -> RegistryError:
        # The words of HTTPException and ValueError may hold a header or a signed URL: not shown.
        if late or isinstance(error, TimeoutError):
            return self.error(
                what,
                f"no complete answer from {at} in {self.seconds:g} s",
                "an answer in time",
                "see whether the registry is up and reachable from here; run again",
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return self.error(
                what,
                f"a certificate of {at} that is not trusted ({error.verify_message})",
                "a certificate that a known CA signed for that name",
                "name the CA in images.registries[].ca_file, or renew the certificate",
            )
        if isinstance(error, ssl.SSLError):
            reason = error.reason or "TLS error"
            return self.error(
                what, f"no TLS with {at} ({reason})", "TLS 1.2 or newer", "give the registry TLS"
            )
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            return self.error(
                what,
                f"no connection to {at} ({reason})",
                "a registry that answers",
                "start it, or mend the way to it; run again",
            )
        return self.error(
            what,
            f"no HTTP from {at} ({type(error).__name__})",
            "a registry",
            "correct the address of the registry",
        )


def trust(where: str, ca_file: str | None) -> ssl.SSLContext:
    """Return a context that trusts the system's CAs and those in a PEM file.

    Raises:
        RegistryError: the file can't be read.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=here(ca_file))
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror or "no certificate in it"
            raise RegistryError(
                Problem(
                    where,
                    f"CA file {ca_file}",
                    str(reason),
                    "a readable PEM file with the CA's certificate",
                    "correct images.registries[].ca_file",
                )
            ) from None
    return context


def _origin(url: str) -> tuple[str, int] | None:
    """Return host and port of a plain https URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        return None
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.password:
        return None
    return parts.hostname, port


def _hang_up(sock: socket.socket, late: Event) -> None:
    late.set()
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
