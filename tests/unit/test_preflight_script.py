"""The script: what is written in front of it, for a shell to read."""

import subprocess

import pytest

from torchrack.errors import TorchrackError
from torchrack.preflight.script import script, sources
from torchrack.settings import Base, Docker, Driver, Images, Port, Registry, Workload, Workloads
from torchrack.settings.model import merge

PEM = "-----BEGIN CERTIFICATE-----\nMIIB'quoted\n-----END CERTIFICATE-----\n"
DIGEST = "sha256:" + "a" * 64


def test_the_sources_of_a_host():
    settings = merge(
        [
            {
                "docker": Docker(source="docker-ce"),
                "images": Images(
                    registries=[Registry(address="r.example:5000", ca_file="/ca.crt")],
                    catalog={
                        "a": f"r.example:5000/x@{DIGEST}",
                        "b": f"docker.io/library/busybox@{DIGEST}",
                    },
                ),
            }
        ]
    )
    assert [(s.name, s.ca_file, s.proxied) for s in sources(settings)] == [
        ("driver repository", None, True),
        ("toolkit repository", None, True),
        ("docker repository", None, True),
        ("registry docker.io", None, False),
        ("registry r.example:5000", "/ca.crt", False),
    ]
    urls = [source.url for source in sources(settings)]
    assert urls[3:] == ["https://registry-1.docker.io/v2/", "https://r.example:5000/v2/"]


def test_the_distributions_docker_needs_no_further_repository():
    settings = merge([{"docker": Docker(source="distro")}])
    assert [s.name for s in sources(settings)] == ["driver repository", "toolkit repository"]


def test_what_is_written_in_front(tmp_path):
    ca = tmp_path / "ca.crt"
    ca.write_text(PEM)
    settings = merge(
        [
            {
                "base": Base(ca_certificates={"office": str(ca)}),
                "driver": Driver(version="580.105.08"),
                "docker": Docker(source="distro", extra={"data-root": "/data/my docker"}),
                "workloads": Workloads(
                    containers=[
                        Workload(
                            name="aa",
                            kind="container",
                            image="x",
                            ports=[Port(container=1, host=8888), Port(container=2, host=22)],
                        )
                    ]
                ),
            }
        ]
    )
    text = script(settings)
    # A shell, not a pattern, says what the assignments mean.
    head = text[: text.index("reach_all()")]
    show = '\nprintf "%s;" "$wanted_driver" "$wanted_ports" "$check_reach"; disk_paths'
    done = subprocess.run(["sh", "-c", head + show], capture_output=True, text=True, check=True)
    assert done.stdout == "580.105.08;|0016|22B8|;1;/data/my docker\n/usr\n/boot\n"
    assert text.count("Acquire::https::CaInfo") == 2
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_a_ca_file_that_is_none(tmp_path):
    (tmp_path / "ca.crt").write_text("nonsense")
    with pytest.raises(TorchrackError, match=r"ca\.crt on this machine holds no PEM"):
        script(merge([{"base": Base(ca_certificates={"office": str(tmp_path / "ca.crt")})}]))
    with pytest.raises(TorchrackError, match="can't be read"):
        script(merge([{"base": Base(ca_certificates={"office": str(tmp_path / "none")})}]))
