"""Logins of a registry: basic, or a token from the server that the registry names.

See https://distribution.github.io/distribution/spec/auth/token
"""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import urlencode

from torchrack.images.registry_http import Https, RegistryError
from torchrack.settings.images import Registry

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")  # what may stand in a header
_TOKEN_LIMIT = 1 << 20


def authorization(https: Https, registry: Registry, repository: str, challenge: str) -> str:
    """Return the Authorization header that a challenge asks for.

    Args:
        https: how to reach a token server.
        registry: the account.
        repository: what is to be pulled.
        challenge: the WWW-Authenticate header.

    Raises:
        RegistryError: no account for a registry that wants one, or no token.
        TorchrackError: the password can't be read.
    """
    scheme, _, rest = challenge.strip().partition(" ")
    if scheme.lower() == "basic":
        if registry.username is None:
            raise refused(https, registry, f"Login for {repository}")
        return _basic(registry)
    if scheme.lower() == "bearer":
        return f"Bearer {_token(https, registry, repository, dict(_PARAMETER.findall(rest)))}"
    raise https.error(
        f"Login for {repository}",
        "a 401 that asks for neither Basic nor Bearer",
        "one of these",
        "see whether the address is a registry",
    )


def refused(https: Https, registry: Registry, what: str) -> RegistryError:
    """Return the error for an account that may not, or is missing."""
    if registry.username is None:
        return https.error(
            what,
            "a refusal without an account",
            "an account that may pull it",
            "name username and password in images.registries; a repository that is not there is "
            "refused the same way by some registries",
        )
    return https.error(
        what,
        f"a refusal of the account {registry.username!r}",
        "an account that may pull it",
        "check the password and the account's rights; it was tried once",
    )


def _basic(registry: Registry) -> str:
    password = registry.password.read() if registry.password else ""
    return "Basic " + base64.b64encode(f"{registry.username}:{password}".encode()).decode()


def _token(https: Https, registry: Registry, repository: str, asked: dict[str, str]) -> str:
    what = f"Token for {repository}"
    realm = asked.get("realm", "")
    if not realm.startswith("https://"):
        raise https.error(
            what,
            "a token server without https",
            "an https URL as realm",
            "correct the registry's auth.token.realm",
        )
    query = {"service": asked.get("service", ""), "scope": f"repository:{repository}:pull"}
    url = realm + ("&" if "?" in realm else "?") + urlencode({k: v for k, v in query.items() if v})
    # The registry, whose certificate was checked, names the server: as with docker pull.
    headers = {"Authorization": _basic(registry)} if registry.username else {}
    answer = https.get(url, headers, what=what, limit=_TOKEN_LIMIT)
    if answer.status in (401, 403):
        raise refused(https, registry, what)
    token = None
    if answer.status == 200:
        try:
            reply = json.loads(answer.body)
            token = reply.get("token") or reply.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise https.error(
            what,
            f"status {answer.status} without a usable token",
            "a token",
            "run again; see whether the token server is well",
        )
    return token
