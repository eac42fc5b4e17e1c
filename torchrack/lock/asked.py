"""What the settings ask of the lock: the fields that leave a choice, or make one."""

from __future__ import annotations

from torchrack.settings.model import Settings

AUTO = "auto"

FIELDS = (
    ("docker", "containerd_version"),
    ("docker", "source"),
    ("docker", "version"),
    ("driver", "components"),
    ("driver", "flavour"),
    ("driver", "version"),
    ("toolkit", "version"),
)
"""Section and field, sorted. Where packages come from is not among them: a mirror has the same."""


def asked_of(settings: Settings) -> dict[str, str]:
    """Return what a host's settings ask for, "section.field" to value, without what is "auto"."""
    values = {
        f"{section}.{field}": str(getattr(getattr(settings, section), field))
        for section, field in FIELDS
    }
    return {name: value for name, value in values.items() if value != AUTO}


def tagged(settings: Settings) -> list[str]:
    """Return the references of the catalog whose digest the lock has to have."""
    return sorted({ref for ref in settings.images.catalog.values() if "@" not in ref})
