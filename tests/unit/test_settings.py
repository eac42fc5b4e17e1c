"""Settings: units, merging by field, and what is wrong only when seen together."""

import pytest

from torchrack.settings import (
    Docker,
    Driver,
    Images,
    Port,
    Preflight,
    Registry,
    Workload,
    Workloads,
    file,
)
from torchrack.settings.check import check_settings
from torchrack.settings.model import merge
from torchrack.settings.section import SettingsError, collecting

DIGEST = "sha256:" + "a" * 64
CATALOG = {"pytorch": f"registry.example/ml/pytorch:2.13@{DIGEST}"}


def workload(**fields):
    return Workload(**{"name": "job", "kind": "container", "image": "pytorch", **fields})


def told(*workloads, **images):
    settings = merge(
        [
            {
                "images": Images(**{"catalog": CATALOG, **images}),
                "workloads": Workloads(containers=list(workloads)),
            }
        ]
    )
    return check_settings("gpu01", settings)


@pytest.mark.parametrize(
    ("written", "size"),
    [("16GiB", 16 * 2**30), ("1.5 gib", 3 * 2**29), ("20GB", 20 * 10**9), ("5k", 5120), (7, 7)],
)
def test_sizes(written, size):
    assert Preflight(min_free_disk=written).min_free_disk == size


@pytest.mark.parametrize(("written", "seconds"), [("90s", 90), ("5min", 300), ("2h", 7200), (3, 3)])
def test_times(written, seconds):
    assert Preflight(max_clock_offset=written).max_clock_offset == seconds


@pytest.mark.parametrize(
    ("section", "fields", "said"),
    [
        (Preflight, {"min_free_disk": "16 parsecs"}, "a number and a unit"),
        (Preflight, {"max_clock_offset": "-3s"}, "a number and a unit"),
        (Preflight, {"min_free_disk": -1}, "greater than or equal to 0"),
        (Preflight, {"check_reachability": "perhaps"}, "valid boolean"),
        (Driver, {"version": "latest"}, "should match pattern"),
        (Driver, {"verison": "580.159.04"}, "use one of: version"),
        (Docker, {"source": "snap"}, "docker-ce"),
        (Workload, {"name": "aa", "kind": "container"}, "Field required"),
        (Workload, {"name": "A b", "kind": "container", "image": "i"}, "should match pattern"),
        (Port, {"container": 70000, "host": 1}, "less than or equal to 65535"),
        (Port, {"container": 80, "host": 80, "address": "0.0.0.0"}, "public=True"),  # noqa: S104
        (Port, {"container": 80, "host": 80, "address": "::"}, "public=True"),
        (Port, {"container": 80, "host": 80, "address": "eth0"}, "an IP address"),
    ],
)
def test_a_wrong_field_is_told_with_file_line_and_remedy(section, fields, said):
    with pytest.raises(SettingsError) as caught:
        section(**fields)
    (problem,) = caught.value.problems
    assert problem.where.rpartition(":")[0] == __file__
    assert problem.what.startswith(section.__name__)
    assert said in f"{problem.needed} {problem.fix}"


def test_several_problems_are_collected():
    problems = []
    with collecting(problems):
        Preflight(min_free_disk="many", nonsense=1)
        Driver(version=580)
    assert [problem.what for problem in problems] == [
        "Preflight.min_free_disk",
        "Preflight.nonsense",
        "Driver.version",
    ]


def test_merging_goes_field_by_field_and_the_last_layer_wins():
    settings = merge(
        [
            {"docker": Docker(nofile=2048, log_max_size="1MiB")},
            {"docker": Docker(nofile=4096)},
        ]
    )
    assert (settings.docker.nofile, settings.docker.log_max_size) == (4096, 2**20)
    assert settings.docker.where("nofile") != settings.docker.where("log_max_size")
    assert settings.docker.where("live_restore") is None


def test_equality_and_hash_do_not_depend_on_where_a_value_was_written():
    one = Docker(nofile=4096)
    other = Docker(nofile=4096)
    assert one.where("nofile") != other.where("nofile")
    assert one == other
    assert merge([{"docker": one}]).sha256() == merge([{"docker": other}]).sha256()


def test_settings_without_problems():
    fine = [
        workload(name="aa", ports=[Port(container=80, host=8000)], cpuset="0-3,8", cpus=4),
        workload(name="bb", ports=[Port(container=80, host=8000, address="192.0.2.1")]),
    ]
    assert told(*fine) == []


@pytest.mark.parametrize(
    ("reference", "wrong"),
    [
        (CATALOG["pytorch"], False),
        (f"registry.example:5000/a/b@{DIGEST}", False),
        ("registry.example/ml/pytorch:2.13", False),
        ("registry.example/ml/pytorch", True),
        ("registry.example/ml/pytorch:latest@sha256:abc", True),
        (f"pytorch@{DIGEST}", True),
        (f"registry.example/UPPER@{DIGEST}", True),
    ],
)
def test_image_references(reference, wrong):
    problems = told(catalog={"pytorch": reference})
    assert [p.what for p in problems] == (["images.catalog['pytorch']"] if wrong else [])


def test_an_image_that_no_catalog_names():
    (problem,) = told(workload(image="tensorflow"))
    assert (problem.what, problem.found) == ("workload job: image", "'tensorflow'")
    assert "pytorch" in problem.needed


def test_two_workloads_of_one_name():
    (problem,) = told(workload(), workload())
    assert problem.found == "job twice"


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("192.0.2.1", "0.0.0.0", True),  # noqa: S104
        ("::", "192.0.2.1", False),  # Docker binds :: for IPv6 alone
        ("2001:db8::1", "2001:0db8:0::1", True),
    ],
)
def test_port_clashes(one, other, clash):
    ports = [Port(container=80, host=8888, address=a, public=True) for a in (one, other)]
    problems = told(workload(name="aa", ports=ports[:1]), workload(name="bb", ports=ports[1:]))
    assert [p.found for p in problems] == ([f"also published by aa on {one}"] if clash else [])


@pytest.mark.parametrize(
    ("cpuset", "found"),
    [
        ("0-7", None),
        ("3", None),
        ("5-2", "5-2 in '5-2'"),
        ("0-3,2", "2 in '0-3,2'"),
        ("1,1", "1 in '1,1'"),
    ],
)
def test_cpu_lists(cpuset, found):
    assert [p.found for p in told(workload(cpuset=cpuset))] == ([found] if found else [])


def test_a_cpu_list_that_is_none():
    with pytest.raises(SettingsError, match="cpuset"):
        workload(cpuset="0..3")


def test_more_cpus_than_the_list_has():
    (problem,) = told(workload(cpuset="0-1", cpus=4))
    assert problem.what == "workload job: cpus"


def test_more_shared_memory_than_memory():
    (problem,) = told(workload(memory="1GiB", shm_size="2GiB"))
    assert problem.what == "workload job: shm_size"


def test_one_registry_twice():
    (problem,) = told(registries=[Registry(address="r.example"), Registry(address="r.example")])
    assert problem.found == "r.example twice"


def test_files_of_the_controller_that_are_not_there(tmp_path):
    there = tmp_path / "there"
    there.write_text("secret\n")
    registries = [
        Registry(
            address="r.example",
            ca_file=str(tmp_path / "no-ca"),
            username="puller",
            password=file(str(there)),
        ),
        Registry(address="s.example", username="puller", password=file(str(tmp_path / "none"))),
    ]
    assert [(p.what, p.found) for p in told(registries=registries)] == [
        ("registry r.example: ca_file", f"{tmp_path}/no-ca: no such file"),
        ("registry s.example: password", f"{tmp_path}/none: no such file"),
    ]


def test_problems_seen_together_name_the_line_as_well():
    problems = told(workload(cpuset="9-1"), catalog={"pytorch": "nothing"})
    assert {p.where.rpartition(":")[0] for p in problems} == {__file__}
