"""The files through which a host trusts its registries and logs in to them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from torchrack.settings.images import Registry

CERTS = "/etc/docker/certs.d"


def ca_paths(registry: Registry) -> list[str]:
    """Return where Docker looks for a registry's CA.

    The folder is named like the registry in the image's reference; who leaves the port 443 out
    there leaves it out here (docs.docker.com/engine/security/certificates).
    """
    names = [registry.address]
    if registry.address.endswith(":443"):
        names.append(registry.address.removesuffix(":443"))
    return [f"{CERTS}/{name}/ca.crt" for name in names]


def client_config(registries: Iterable[Registry]) -> str:
    """Return config.json with the accounts; reads the passwords, so hand it to nobody but root.

    Raises:
        TorchrackError: a password can't be read.
    """
    auths = {
        registry.address: {
            "auth": base64.b64encode(
                f"{registry.username}:{registry.password.read()}".encode()
            ).decode()
        }
        for registry in registries
        if registry.username and registry.password
    }
    return json.dumps({"auths": auths}, indent=2, sort_keys=True) + "\n"
