"""Read an image's manifest and configuration from its registry, without pulling it.

See https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torchrack.errors import Problem
from torchrack.images.registry_http import Https, RegistryError, Response, trust
from torchrack.images.registry_login import authorization, refused
from torchrack.settings.images import Registry

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_MIB = 1 << 20
_LIMIT = 4 * _MIB  # registries refuse larger manifests (distribution-spec, "Pushing Manifests")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(
    r"(?P<registry>[A-Za-z0-9.-]+(:\d+)?)/(?P<repository>[a-z0-9._-]+(/[a-z0-9._-]+)*)"
    r"(:(?P<tag>\w[\w.-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_CODE = re.compile(r"[A-Z_]{1,40}")


@dataclass(frozen=True)
class ImageName:
    """An image's name in parts; ``tag`` or ``digest`` may be None."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def short(self) -> str:
        """Repository and tag, or repository and digest."""
        return f"{self.repository}{f':{self.tag}' if self.tag else f'@{self.digest}'}"


@dataclass(frozen=True)
class RegistryImage:
    """What a registry says about an image.

    Args:
        name: what was asked for.
        digest: what the name stands for: of the index, where there is one.
        manifest_digest: of the manifest for the platform.
        config: the image's configuration.
    """

    name: ImageName
    digest: str
    manifest_digest: str
    config: Mapping[str, Any]


def image_name(text: str) -> ImageName:
    """Read ``registry/repository[:tag][@sha256:...]``; without tag and digest: latest.

    Raises:
        RegistryError: it is something else.
    """
    match = _NAME.fullmatch(text)
    if match is None:
        raise RegistryError(
            Problem(
                "images",
                "Image reference",
                repr(text[:200]),
                "registry/repository[:tag][@sha256:...]",
                "write it whole, with the registry (docker.io/...)",
            )
        )
    tag, digest = match["tag"], match["digest"]
    registry, repository = match["registry"], match["repository"]
    if registry in ("docker.io", "index.docker.io") and "/" not in repository:
        repository = f"library/{repository}"
    return ImageName(registry, repository, tag or (None if digest else "latest"), digest)


class RegistryClient:
    """Reads from one registry; holds its token while it lives.

    Args:
        registry: address, CA and account; the password is read when the registry asks for it.
        seconds: time for one request.
    """

    def __init__(self, registry: Registry, *, seconds: float = 30) -> None:
        self._registry = registry
        context = trust(registry.address, registry.ca_file)
        self._https = Https(registry.address, context, seconds)
        host = registry.address
        # Docker Hub's images are named docker.io, its API answers there.
        self._api = "registry-1.docker.io" if host in ("docker.io", "index.docker.io") else host
        self._logins: dict[str, str] = {}

    def read(self, name: ImageName, architecture: Literal["amd64", "arm64"]) -> RegistryImage:
        """Return what the registry says about an image for linux on an architecture.

        Raises:
            RegistryError: it can't be read, or is not what its digest says.
            TorchrackError: the account's password can't be read.
        """
        what = f"Manifest of {name.short}"
        kind, manifest, digest = self._manifest(name, name.digest or name.tag or "latest", what)
        own = digest
        if kind in _INDEXES:
            own = self._for_platform(manifest, architecture, what)
            kind, manifest, own = self._manifest(name, own, f"{what} for {architecture}")
        if kind not in _MANIFESTS:
            raise self._garbage(what, f"the media type {kind[:100]!r}")
        config = self._config(name, manifest)
        if config.get("os") != "linux" or config.get("architecture") != architecture:
            found = f"{config.get('os')}/{config.get('architecture')}"[:100]
            raise self._no_platform(what, found, architecture)
        return RegistryImage(name, digest, own, config)

    def _manifest(
        self, name: ImageName, reference: str, what: str
    ) -> tuple[str, dict[str, Any], str]:
        path = f"{name.repository}/manifests/{reference}"
        answer = self._get(path, name.repository, what, accept=(*_INDEXES, *_MANIFESTS))
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        claimed = reference if ":" in reference else answer.headers.get("docker-content-digest")
        if claimed is not None and claimed != digest:
            raise self._mismatch(what, claimed, digest)
        manifest = self._object(answer.body, what)
        header = answer.headers.get("content-type", "").partition(";")[0].strip()
        kind = manifest.get("mediaType", header)
        return str(kind), manifest, digest

    def _config(self, name: ImageName, manifest: Mapping[str, Any]) -> dict[str, Any]:
        what = f"Configuration of {name.short}"
        described = manifest.get("config")
        described = described if isinstance(described, dict) else {}
        digest, kind = described.get("digest"), described.get("mediaType")
        if kind not in _CONFIGS or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise self._garbage(what, "a manifest without an image's configuration")
        path = f"{name.repository}/blobs/{digest}"
        body = self._get(path, name.repository, what, accept=_CONFIGS).body
        actual = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if actual != digest:
            raise self._mismatch(what, digest, actual)
        return self._object(body, what)

    def _for_platform(self, index: Mapping[str, Any], architecture: str, what: str) -> str:
        listed = index.get("manifests")
        entries = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
        platforms = []
        for entry in entries:
            platform = entry.get("platform")
            platform = platform if isinstance(platform, dict) else {}
            digest = entry.get("digest")
            there = (platform.get("os"), platform.get("architecture"))
            if there == ("linux", architecture) and isinstance(digest, str):
                if not _DIGEST.fullmatch(digest):
                    raise self._garbage(what, "an index with a digest that is no sha256")
                return digest
            platforms.append(f"{there[0]}/{there[1]}")
        have = ", ".join(sorted({p for p in platforms if p != "unknown/unknown"}))[:200]
        raise self._no_platform(what, have or "no platform", architecture)

    def _get(self, path: str, repository: str, what: str, *, accept: tuple[str, ...]) -> Response:
        url = f"https://{self._api}/v2/{path}"
        headers = {"Accept": ", ".join(accept)}
        login = self._logins.get(repository)
        answer = self._ask(url, headers, login, what)
        # A password is tried once; a token may have expired.
        if answer.status == 401 and not (login or "").startswith("Basic "):
            challenge = answer.headers.get("www-authenticate", "")
            login = authorization(self._https, self._registry, repository, challenge)
            self._logins[repository] = login
            answer = self._ask(url, headers, login, what)
        if answer.status == 200:
            return answer
        raise self._failure(answer, what)

    def _ask(self, url: str, headers: Mapping[str, str], login: str | None, what: str) -> Response:
        sent = {**headers, "Authorization": login} if login else headers
        return self._https.get(url, sent, what=what, limit=_LIMIT)

    def _failure(self, answer: Response, what: str) -> RegistryError:
        code = _code(answer.body)
        found = f"status {answer.status}{f' ({code})' if code else ''}"
        if answer.status in (401, 403):
            return refused(self._https, self._registry, what)
        if answer.status == 404:
            return self._https.error(
                what, found, "the image in the registry", "push it, or correct the reference"
            )
        if answer.status == 429:
            return self._https.error(
                what,
                found,
                "room in the registry's rate limit",
                "wait, or name an account in images.registries",
            )
        return self._https.error(
            what, found, "status 200", "look at the registry's log, and run again"
        )

    def _object(self, body: bytes, what: str) -> dict[str, Any]:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self._garbage(what, "something that is no JSON object")
        return value

    def _garbage(self, what: str, found: str) -> RegistryError:
        return self._https.error(
            what,
            found,
            "an OCI or Docker v2 image",
            "see whether the reference names an image; push old ones (schema 1) anew",
        )

    def _mismatch(self, what: str, claimed: str, digest: str) -> RegistryError:
        return self._https.error(
            what,
            f"content with the digest {digest}",
            claimed[:80],
            "do not use it: find out who changes content between the registry and here",
        )

    def _no_platform(self, what: str, found: str, architecture: str) -> RegistryError:
        return self._https.error(
            what,
            f"an image for {found}",
            f"linux/{architecture}",
            "name an image that is built for the hosts' architecture",
        )


def _code(body: bytes) -> str:
    """Return the first error code of a registry's answer, such as MANIFEST_UNKNOWN."""
    try:
        code = json.loads(body)["errors"][0]["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
