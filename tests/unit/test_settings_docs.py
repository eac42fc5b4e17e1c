"""docs/settings.md is what the settings say."""

from pathlib import Path

from torchrack.settings.docs import reference
from torchrack.settings.model import SECTIONS

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_current():
    assert DOCS.read_text(encoding="utf-8") == reference(), (
        "docs/settings.md is stale: python -m torchrack.settings.docs > docs/settings.md"
    )


def test_every_field_has_a_description():
    missing = [
        f"{name}.{field}"
        for name, section in SECTIONS.items()
        for field, info in section.model_fields.items()
        if not info.description
    ]
    assert missing == []


def test_defaults_are_shown_as_people_write_them():
    lines = {line.split(" | ")[0]: line for line in reference().splitlines()}
    assert '`"40GiB"`' in lines["| `min_free_disk`"]
    assert "| required |" in lines["| `address`"] or "`" in lines["| `address`"]
    assert "`str \\| None` | unset" in lines["| `cpuset`"]
