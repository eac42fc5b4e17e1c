"""Ways to break what tests/state/test_stamp.py asserts."""

from tests.lab.breakage import Break

FILE = "/etc/torchrack/deployed.json"


def _edit(test: str, expression: str) -> Break:
    kept = f"/root/deployed.json.{test}"
    harm = f"cp -p {FILE} {kept}; sed -i '{expression}' {FILE}"
    return Break(test=f"test_stamp.py::{test}", harm=harm, undo=f"mv {kept} {FILE}")


BREAKS = [
    _edit("test_settings_are_the_deployed_ones", 's/"settings_sha256": "./"settings_sha256": "x/'),
    _edit("test_versions_are_the_running_ones", 's/"kernel": "/"kernel": "0/'),
    _edit("test_images_are_the_catalog", "s/@sha256:/@sha256:0/"),
    _edit("test_says_who_and_when", 's/"when": "20/"when": "29/'),
    Break(
        test="test_stamp.py::test_only_root_writes_it",
        harm=f"chmod 0666 {FILE}",
        undo=f"chmod 0644 {FILE}",
    ),
]
