"""`create`: what it asks the cloud for, and when it asks for nothing."""

import shutil
import subprocess

import pytest

from tests.tpu_scripts.conftest import Cloud, delete_command

PLACE = ["--zone=us-west4-a", "--project=my-project"]
VM = ["gcloud", "compute", "tpus", "tpu-vm"]
QUEUE = ["gcloud", "compute", "tpus", "queued-resources"]


def test_creates_a_tpu_vm(cloud: Cloud) -> None:
    done = cloud.run("create", "--yes")
    assert done.returncode == 0, done.stderr
    expected = ["create", "recgoat", *PLACE, "--accelerator-type=v5litepod-16", "--version=v2-alpha-tpuv5-lite"]
    assert cloud.calls_of("create") == [VM + expected]
    assert cloud.state["nodes"]["recgoat"]["state"] == "READY"


@pytest.mark.parametrize("spot", ["0", "1"])
@pytest.mark.parametrize("queued", ["0", "1"])
def test_spot_and_queue(cloud: Cloud, spot: str, queued: str) -> None:
    variables = {"NAME": "mine", "ZONE": "us-east5-b", "PROJECT": "other", "TYPE": "v6e-8"}
    done = cloud.run("create", "--yes", SPOT=spot, QUEUED=queued, **variables)
    assert done.returncode == 0, done.stderr
    place = ["--zone=us-east5-b", "--project=other", "--accelerator-type=v6e-8"]
    expected = (
        [*QUEUE, "create", "mine", "--node-id=mine", *place, "--runtime-version=v2-alpha-tpuv6e"]
        if queued == "1"
        else [*VM, "create", "mine", *place, "--version=v2-alpha-tpuv6e"]
    )
    assert cloud.calls_of("create") == [expected + ["--spot"] * (spot == "1")]
    assert ("status --wait" in done.stderr) == (queued == "1")


@pytest.mark.parametrize(
    ("kind", "version"),
    [("v5p-8", "v2-alpha-tpuv5"), ("v4-16", "tpu-ubuntu2204-base"), ("v2-8", "tpu-ubuntu2204-base")],
)
def test_runtime_version_fits_the_type(cloud: Cloud, kind: str, version: str) -> None:
    shown = cloud.run("create", "--dry-run", TYPE=kind).stdout.splitlines()[-1]
    assert f"--accelerator-type={kind} --version={version}" in shown
    assert "--version=my-image" in cloud.run("create", "--dry-run", TYPE=kind, VERSION="my-image").stdout


def test_more_arguments_for_gcloud(cloud: Cloud) -> None:
    assert cloud.run("create", "--yes", "--", "--network=my net", "--reserved", SPOT="1").returncode == 0
    assert cloud.calls_of("create")[0][-3:] == ["--spot", "--network=my net", "--reserved"]


def test_called_again_it_creates_nothing(cloud: Cloud) -> None:
    assert cloud.run("create", "--yes").returncode == 0
    cloud.forget()
    again = cloud.run("create", "--yes")
    assert again.returncode == 0
    assert "exists already" in again.stderr
    assert not cloud.calls_of("create")
    assert cloud.run("create", "--yes", QUEUED="1").returncode == 0
    assert not cloud.calls_of("create")


def test_a_request_that_waits_is_not_made_twice(cloud: Cloud) -> None:
    cloud.run("create", "--yes", QUEUED="1")
    cloud.forget()
    again = cloud.run("create", "--yes", QUEUED="1")
    assert again.returncode == 0
    assert "WAITING_FOR_RESOURCES" in again.stderr
    assert not cloud.calls_of("create")


def test_another_type_is_an_error(cloud: Cloud) -> None:
    cloud.node(kind="v4-8")
    done = cloud.run("create", "--yes")
    assert done.returncode == 1
    assert "found recgoat with type v4-8; expected v5litepod-16" in done.stderr
    cloud.state = {"queued": {"recgoat": {"type": "v4-8", "state": "ACCEPTED", "hosts": 1}}}
    assert cloud.run("create", "--yes", QUEUED="1").returncode == 1
    assert not cloud.calls_of("create")


@pytest.mark.parametrize(
    "state",
    [
        {"nodes": {"recgoat": {"type": "v5litepod-16", "state": "PREEMPTED", "hosts": 2}}},
        {"queued": {"recgoat": {"type": "v5litepod-16", "state": "SUSPENDED", "hosts": 2}}},
        {"queued": {"recgoat": {"type": "v5litepod-16", "state": "FAILED", "hosts": 2}}},
        {"queued": {"recgoat": {"type": "v5litepod-16", "state": "ACTIVE", "hosts": 2}}},
    ],
)
def test_lost_capacity_is_an_error_with_the_way_out(cloud: Cloud, state: dict) -> None:
    cloud.state = state
    done = cloud.run("create", "--yes")
    assert done.returncode == 1
    assert "has lost its capacity" in done.stderr
    assert not cloud.calls_of("create")
    assert cloud.paste(f"{delete_command(done.stderr)} --yes").returncode == 0
    assert cloud.run("create", "--yes").returncode == 0


def test_similar_names_are_others(cloud: Cloud) -> None:
    other = {"type": "v4-8", "state": "READY", "hosts": 1}
    cloud.state = {"nodes": {"my-recgoat": other, "recgoat-2": other}, "queued": {"recgoat2": other}}
    assert cloud.run("create", "--yes").returncode == 0
    assert cloud.state["nodes"]["recgoat"]["type"] == "v5litepod-16"


def test_asks_before_it_spends(cloud: Cloud) -> None:
    refused = cloud.run("create", SPOT="1")
    assert refused.returncode == 2
    assert "Create v5litepod-16 (spot) as 'recgoat' in us-west4-a, project my-project?" in refused.stderr
    assert "say --yes" in refused.stderr
    for answer in ("n", "", "yesterday"):
        assert cloud.answer(answer, "create").returncode == 2
    # An answer from a pipe is nobody's.
    asked = cloud.start("create", stdin=subprocess.PIPE)
    asked.communicate("y\n", timeout=120)
    assert asked.returncode == 2
    assert not cloud.calls_of("create")
    assert cloud.answer("y", "create").returncode == 0
    assert len(cloud.calls_of("create")) == 1


def test_a_question_that_the_cloud_does_not_answer_is_not_a_no(cloud: Cloud) -> None:
    for script in ("create", "delete", "status"):
        done = cloud.run(script, *["--yes"] * (script != "status"), DENIED="1")
        assert done.returncode == 1
        assert "PERMISSION_DENIED" in done.stderr
    assert not cloud.calls_of("create") + cloud.calls_of("delete")


def test_the_printed_delete_command_works(cloud: Cloud) -> None:
    made = cloud.run("create", "--yes", NAME="mine", ZONE="us-east5-b", PROJECT="other", TYPE="v6e-8")
    assert cloud.paste(delete_command(made.stderr), PROJECT="").returncode == 2
    assert cloud.state["nodes"]
    assert cloud.paste(f"{delete_command(made.stderr)} --yes", PROJECT="").returncode == 0
    assert not cloud.state["nodes"]
    assert cloud.calls_of("delete") == [
        [*VM, "delete", "mine", "--zone=us-east5-b", "--project=other", "--quiet"],
    ]


@pytest.mark.parametrize("queued", ["0", "1"])
def test_a_create_that_fails_prints_the_delete_command(cloud: Cloud, queued: str) -> None:
    made = cloud.run("create", "--yes", QUEUED=queued, CREATE_ENDS="3")
    assert made.returncode == 3
    assert cloud.state["queued" if queued == "1" else "nodes"]
    assert cloud.paste(f"{delete_command(made.stderr)} --yes").returncode == 0
    assert not cloud.state["queued"]
    assert not cloud.state["nodes"]


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["--spot"], {}, "unknown option or argument '--spot'"),
        (["mine"], {}, "unknown option or argument 'mine'"),
        ([], {"SPOT": "yes"}, "found SPOT='yes'; expected 0 or 1"),
        ([], {"QUEUED": "2"}, "found QUEUED='2'; expected 0 or 1"),
        ([], {"NAME": "a b; rm"}, "found NAME='a b; rm'"),
        ([], {"ZONE": "us-west4"}, "found ZONE='us-west4'; expected a zone"),
        ([], {"TYPE": "v5e"}, "found TYPE='v5e'"),
        ([], {"TYPE": "v9-8"}, "no runtime version is known for TYPE='v9-8'"),
        ([], {"TYPE": "tpu7x-16"}, "see tpu_scripts/gke"),
        ([], {"PROJECT": "My Project"}, "found PROJECT='My Project'"),
    ],
)
def test_bad_options_and_values(cloud: Cloud, words: list[str], variables: dict[str, str], message: str) -> None:
    done = cloud.run("create", "--yes", *words, **variables)
    assert done.returncode == 2
    assert message in done.stderr
    assert not cloud.calls


def test_project_comes_from_gcloud_or_is_missed(cloud: Cloud) -> None:
    missed = cloud.run("create", "--yes", PROJECT="")
    assert missed.returncode == 2
    assert "no project set" in missed.stderr
    assert "no project set" in cloud.run("create", "--yes", PROJECT="", CONFIGURED_PROJECT="(unset)").stderr
    assert not cloud.calls_of("create")
    assert cloud.run("create", "--yes", PROJECT="", CONFIGURED_PROJECT="configured").returncode == 0
    assert "--project=configured" in cloud.calls_of("create")[0]


def test_missing_gcloud_is_named(cloud: Cloud) -> None:
    alone = cloud.directory / "alone"
    alone.mkdir()
    for tool in ("bash", "env", "dirname"):
        (alone / tool).symlink_to(shutil.which(tool) or "")
    done = cloud.run("create", "--yes", PATH=str(alone))
    assert done.returncode == 2
    assert "found no 'gcloud' on PATH; install the Google Cloud CLI." in done.stderr
