"""`delete`, `status` and `fetch` of the TPU-VM path."""

import pytest

from tests.tpu_scripts.conftest import Cloud, delete_command

PLACE = ["--zone=us-west4-a", "--project=my-project"]
TPUS = ["gcloud", "compute", "tpus"]


def test_deletes_the_vm(cloud: Cloud) -> None:
    cloud.node()
    assert cloud.run("delete", "--yes").returncode == 0
    assert cloud.calls_of("delete") == [[*TPUS, "tpu-vm", "delete", "recgoat", *PLACE, "--quiet"]]
    assert not cloud.state["nodes"]


def test_deletes_the_request_with_its_vm(cloud: Cloud) -> None:
    thing = {"type": "v5litepod-16", "state": "ACTIVE", "hosts": 2}
    cloud.state = {"queued": {"recgoat": thing}, "nodes": {"recgoat": {**thing, "state": "READY"}}}
    assert cloud.run("delete", "--yes").returncode == 0
    expected = [*TPUS, "queued-resources", "delete", "recgoat", *PLACE, "--force", "--quiet"]
    assert cloud.calls_of("delete") == [expected]
    assert not cloud.state["queued"]
    assert not cloud.state["nodes"]


def test_absent_is_fine(cloud: Cloud) -> None:
    cloud.node("my-recgoat")
    done = cloud.run("delete")
    assert done.returncode == 0
    assert "absent" in done.stderr
    assert not cloud.calls_of("delete")


def test_asks_before_it_deletes(cloud: Cloud) -> None:
    cloud.node()
    refused = cloud.run("delete")
    assert refused.returncode == 2
    assert "Delete 'recgoat' in us-west4-a, project my-project" in refused.stderr
    assert cloud.answer("n", "delete").returncode == 2
    assert not cloud.calls_of("delete")
    assert cloud.answer("y", "delete").returncode == 0
    assert not cloud.state["nodes"]


def test_status_waits_for_the_queue(cloud: Cloud) -> None:
    waiting = {"type": "v5litepod-16", "state": "WAITING_FOR_RESOURCES", "hosts": 2, "next": "ACTIVE"}
    cloud.state = {"queued": {"recgoat": waiting}}
    done = cloud.run("status", "--wait")
    assert done.returncode == 0, done.stderr
    assert "WAITING_FOR_RESOURCES" in done.stderr
    assert "TPU VM recgoat in us-west4-a: READY, v5litepod-16, hosts: 2" in done.stderr
    assert cloud.paste(f"{delete_command(done.stderr)} --yes").returncode == 0


@pytest.mark.parametrize("coming", ["FAILED", "SUSPENDED"])
def test_status_does_not_wait_for_what_never_comes(cloud: Cloud, coming: str) -> None:
    waiting = {"type": "v5litepod-16", "state": "ACCEPTED", "hosts": 2, "next": coming}
    cloud.state = {"queued": {"recgoat": waiting}}
    done = cloud.run("status", "--wait")
    assert done.returncode == 1
    assert coming in done.stderr
    cloud.state = {}
    absent = cloud.run("status", "--wait")
    assert absent.returncode == 1
    assert "absent" in absent.stderr


def test_status_alone_only_looks(cloud: Cloud) -> None:
    assert cloud.run("status").returncode == 0
    cloud.state = {"queued": {"recgoat": {"type": "v5litepod-16", "state": "ACCEPTED", "hosts": 2}}}
    assert cloud.run("status").returncode == 0
    assert not cloud.calls_of("ssh")
    cloud.node()
    assert cloud.run("status").returncode == 0
    assert [*PLACE, "--worker=all"] == cloud.calls_of("ssh")[0][6:9]


def test_fetches_the_run_and_the_output_of_every_host(cloud: Cloud) -> None:
    cloud.node(hosts=3)
    for host in range(3):
        home = cloud.home / "hosts" / str(host) / "recgoat"
        (home / "source" / "runs" / "recgoat").mkdir(parents=True)
        (home / "source" / "runs" / "recgoat" / "result.json").write_text(f"of host {host}")
        (home / "log").write_text(f"printed by host {host}")
    for time in (1, 2):
        (cloud.home / "hosts/0/recgoat/source/runs/recgoat/epochs.jsonl").write_text(f"{time}")
        assert cloud.run("fetch").returncode == 0
        into = cloud.directory / "fetched" / "recgoat"
        assert (into / "recgoat" / "result.json").read_text() == "of host 0"
        assert (into / "recgoat" / "epochs.jsonl").read_text() == f"{time}"
        assert [(into / "logs" / f"host-{n}.log").read_text() for n in range(3)] == [
            f"printed by host {n}" for n in range(3)
        ]


def test_fetches_from_a_mounted_directory_and_from_a_bucket(cloud: Cloud) -> None:
    cloud.node(hosts=1)
    (cloud.home / "hosts/0/recgoat").mkdir(parents=True)
    (cloud.home / "hosts/0/recgoat/log").write_text("printed")
    shared = cloud.directory / "mounted" / "my run"
    # The stand-in's host has the path of this machine below its home.
    beside = cloud.home / "hosts/0" / str(shared).lstrip("/")
    shared.mkdir(parents=True)
    (shared / "result.json").write_text("mounted")
    assert not beside.exists()
    assert cloud.run("fetch", WORKDIR=str(shared), INTO="a b").returncode == 0
    assert (cloud.directory / "a b" / "my run" / "result.json").read_text() == "mounted"

    bucket = cloud.home / "buckets" / "things" / "runs" / "one"
    bucket.mkdir(parents=True)
    (bucket / "result.json").write_text("from the bucket")
    # The bucket outlives the TPU.
    cloud.state = {}
    assert cloud.run("fetch", WORKDIR="gs://things/runs/one", INTO="c").returncode == 0
    assert (cloud.directory / "c" / "one" / "result.json").read_text() == "from the bucket"
    expected = ["gcloud", "storage", "rsync", "gs://things/runs/one", "c/one", "--recursive", "--project=my-project"]
    assert cloud.calls_of("rsync") == [expected]


def test_fetch_says_what_is_lost_with_the_vm(cloud: Cloud) -> None:
    done = cloud.run("fetch")
    assert done.returncode == 1
    assert "'runs/recgoat' is on its disks" in done.stderr
    assert not (cloud.directory / "fetched").exists()


@pytest.mark.parametrize("script", ["delete", "status", "fetch"])
def test_bad_options(cloud: Cloud, script: str) -> None:
    done = cloud.run(script, "--all")
    assert done.returncode == 2
    assert "unknown option or argument '--all'" in done.stderr
    assert not cloud.calls
