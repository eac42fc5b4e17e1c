"""The survey of a host, as sysfs and os-release show it."""

import pytest
from pyinfra.api.exceptions import FactProcessError

from torchrack.facts.survey import HostSurvey

LINES = [
    "os=ubuntu",
    "version=24.04",
    "codename=noble",
    "architecture=amd64",
    "kernel=6.8.0-90-generic",
    "user=ubuntu",
    "pci=0000:05:00.0 0x22a3 0x068000",
    "pci=0000:3b:00.0 0x2684 0x030000",
    "pci=0000:3b:00.1 0x22ba 0x040300",
]


def test_functions_are_told_apart_by_their_class():
    survey = HostSurvey().process(LINES)
    assert survey.distribution == "ubuntu2404"
    assert [(gpu.address, gpu.device) for gpu in survey.gpus] == [("0000:3b:00.0", "2684")]
    assert [switch.device for switch in survey.nvswitches] == ["22a3"]
    assert len(survey.nvidia) == 3


def test_a_host_without_nvidia_and_noise_of_a_login_shell():
    survey = HostSurvey().process(["Welcome!", *LINES[:6]])
    assert survey.nvidia == ()


@pytest.mark.parametrize("lines", [[], LINES[1:], [*LINES, "pci=0000:3b:00.2"], [*LINES, "a=b"]])
def test_odd_output_is_not_believed(lines):
    with pytest.raises(FactProcessError, match="unexpected survey"):
        HostSurvey().process(lines)
