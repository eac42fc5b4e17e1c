"""Package sources: the control machine's own, for another release."""

import pytest

from lab import apt
from lab.apt import Source
from lab.errors import LabError

BOOKWORM = """\
http://mirror.example/debian/\tbookworm\tmain
http://mirror.example/debian/\tbookworm\tcontrib
http://mirror.example/debian/\tbookworm-updates\tmain
http://mirror.example/debian/\tbookworm-backports\tmain
http://mirror.example/debian-security/\tbookworm-security\tmain
https://other.example/node\tnodistro\tmain
"""


def test_the_release_is_changed_and_foreign_sources_left_out() -> None:
    assert apt.parse_targets(BOOKWORM, "debian", "bookworm", "trixie") == [
        Source("http://mirror.example/debian/", ("trixie", "trixie-updates")),
        Source("http://mirror.example/debian-security/", ("trixie-security",)),
    ]


def test_a_machine_without_its_own_release_is_told_so() -> None:
    with pytest.raises(LabError, match="no source of debian bookworm main"):
        apt.parse_targets("https://other.example/\tsid\tmain\n", "debian", "bookworm", "trixie")


@pytest.mark.parametrize(
    ("line", "carried"),
    [
        ('Acquire::http::Proxy "http://proxy.example:3128";', True),
        ('Acquire::https::CaInfo "/etc/ssl/office.pem";', True),
        ('Acquire::Check-Valid-Until "false";', True),
        ('Acquire::GzipIndexes "true";', False),
        ('Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";', False),
        ('APT::Install-Recommends "false";', False),
    ],
)
def test_only_the_way_to_the_mirrors_is_carried_over(
    line: str, carried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt, "run", lambda _argv: f"{line}\n")
    assert apt.configuration() == (f"{line}\n" if carried else "")
