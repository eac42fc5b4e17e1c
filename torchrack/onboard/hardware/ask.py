"""Ask a host what it is made of."""

from __future__ import annotations

import shlex

from torchrack.nvidia_smi import IDENTITIES
from torchrack.onboard.hardware.model import Hardware
from torchrack.onboard.hardware.parse import parse
from torchrack.operations.files import read
from torchrack.remote import Session

SECONDS = 180
"""How long it may take; management controllers answer slowly, and each tool has its own limit."""


def hardware(session: Session) -> Hardware:
    """Ask a host what it is made of, in one round trip; nothing there is changed.

    Args:
        session: a login that becomes root.

    Raises:
        HostError: the script did not come to its end.
    """
    return parse(session.run(script(), seconds=SECONDS).out)


def script() -> str:
    """Return the script, which wants to run as root."""
    return f"smi_query={shlex.quote(IDENTITIES)}\n{read('onboard/hardware.sh')}"
