"""The GKE path: what reaches xpk, and what its container makes of it."""

import json

import pytest

from tests.tpu_scripts.conftest import Cloud, delete_command

PLACE = ["--cluster=recgoat", "--zone=us-west4-a", "--project=my-project"]
RUN = {"WORKDIR": "gs://bucket/runs/one"}
AWKWARD = ["--mesh", "data=2,rows=1", "two  words", "it's", "", "$HOME `date` \\ *", "a\nb", "{x}"]
# The part of xpk's container that runs the command: xpk 1.16.0, core/docker_container.py.
CONTAINER = """
_sigterm() (kill -SIGTERM $! 2>/dev/null;);
trap _sigterm SIGTERM;
(COMMAND) & PID=$!;
while kill -0 $PID 2>/dev/null;
    do sleep 0.1;
done;
wait $PID;
EXIT_CODE=$?;
exit $EXIT_CODE
"""


def cluster(cloud: Cloud, types: dict[str, str] | None = None, **workloads: dict) -> None:
    types = {"v5litepod-16": "4"} if types is None else types
    cloud.state = {"clusters": {"recgoat": {"state": "RUNNING", "types": types}}, "workloads": workloads}


def flag(call: list[str], name: str) -> str:
    (value,) = [word.removeprefix(f"--{name}=") for word in call if word.startswith(f"--{name}=")]
    return value


@pytest.mark.parametrize(
    ("variables", "capacity"),
    [({}, "--on-demand"), ({"SPOT": "1"}, "--spot"), ({"RESERVATION": "ours"}, "--reservation=ours")],
)
def test_creates_a_cluster(cloud: Cloud, variables: dict[str, str], capacity: str) -> None:
    done = cloud.run("gke/create", "--yes", "--", "--enable-gcsfuse-csi-driver", SLICES="2", **variables)
    assert done.returncode == 0, done.stderr
    expected = ["--tpu-type=v5litepod-16", "--num-slices=2", capacity, "--enable-gcsfuse-csi-driver"]
    assert cloud.calls_of("xpk") == [["xpk", "cluster", "create", *PLACE, *expected]]
    assert cloud.paste(f"{delete_command(done.stderr)} --yes").returncode == 0
    assert not cloud.state["clusters"]
    assert cloud.calls_of("delete") == [["xpk", "cluster", "delete", *PLACE, "--force", "--quiet"]]


def test_a_create_that_fails_prints_the_delete_command(cloud: Cloud) -> None:
    made = cloud.run("gke/create", "--yes", CREATE_ENDS="3")
    assert made.returncode == 3
    assert cloud.paste(f"{delete_command(made.stderr)} --yes").returncode == 0
    assert not cloud.state["clusters"]


def test_create_called_again(cloud: Cloud) -> None:
    cluster(cloud)
    again = cloud.run("gke/create", "--yes")
    assert again.returncode == 0
    assert "exists already" in again.stderr
    assert not cloud.calls_of("create")
    other = cloud.run("gke/create", "--yes", TYPE="tpu7x-2x2x2")
    assert other.returncode == 1
    assert 'found recgoat with {"v5litepod-16":"4"}; expected tpu7x-2x2x2' in other.stderr
    assert not cloud.calls_of("create")
    # A creation that was broken off.
    cluster(cloud, {})
    assert cloud.run("gke/create", "--yes").returncode == 0
    assert len(cloud.calls_of("xpk", "create")) == 1


def test_asks_before_it_spends_and_before_it_deletes(cloud: Cloud) -> None:
    refused = cloud.run("gke/create", SPOT="1")
    assert refused.returncode == 2
    assert "Create cluster 'recgoat' with 1 x v5litepod-16 (spot) in us-west4-a, project my-project?" in refused.stderr
    assert not cloud.calls_of("create")
    assert cloud.answer("y", "gke/create").returncode == 0
    assert cloud.run("gke/delete").returncode == 2
    assert cloud.answer("n", "gke/delete").returncode == 2
    assert not cloud.calls_of("delete")
    assert cloud.answer("y", "gke/delete").returncode == 0
    absent = cloud.run("gke/delete")
    assert absent.returncode == 0
    assert "absent" in absent.stderr


def test_deletes_the_workload_alone(cloud: Cloud) -> None:
    cluster(cloud, train={"ends": "Failed", "codes": [1], "looks": 9})
    assert cloud.run("gke/delete", "--workload").returncode == 2
    for _ in range(2):
        assert cloud.run("gke/delete", "--workload", "--yes").returncode == 0
    assert cloud.calls_of("delete") == [["xpk", "workload", "delete", *PLACE, "--workload=train"]]
    assert cloud.state["clusters"]


def test_run_submits_the_line_of_the_readme(cloud: Cloud) -> None:
    cluster(cloud)
    done = cloud.run("gke/run", "recgoat", IMAGE="image:1", STORAGE="disk", SLICES="2", GRACE="77", RESTARTS="5", **RUN)
    assert done.returncode == 0, done.stderr
    (call,) = cloud.calls_of("xpk", "create")
    assert call[:6] == ["xpk", "workload", "create", *PLACE]
    assert call[6:-1] == [
        "--workload=train",
        "--tpu-type=v5litepod-16",
        "--num-slices=2",
        "--max-restarts=5",
        "--restart-on-exit-codes=75",
        "--termination-grace-period-seconds=77",
        "--storage=disk",
        "--docker-image=image:1",
    ]
    assert flag(call, "command").endswith("recgoat train recgoat --workdir gs://bucket/runs/one")
    assert set(done.stdout.splitlines()) == {"[XPK] Workload List Output:", "output of pod/train-0"}
    assert delete_command(done.stderr)


def test_run_brings_the_checkout_where_there_is_no_image(cloud: Cloud) -> None:
    cluster(cloud)
    assert cloud.run("gke/run", "recgoat", **RUN).returncode == 0
    (call,) = cloud.calls_of("xpk", "create")
    assert flag(call, "base-docker-image") == "python:3.12"
    brought = (cloud.home / "script-dir.txt").read_text().split("\n")
    assert {".ci", "constraints", "pyproject.toml", "recgoat_jax"} <= set(brought)
    assert "tests" not in brought
    # A failed install starts no training.
    app = container(cloud, install="exit 3")
    assert cloud.paste(f"cd {app}; ({flag(call, 'command')})").returncode == 3
    assert not cloud.trainings


def container(cloud: Cloud, *, install: str) -> str:
    """The directory that xpk's image starts in."""
    ci = cloud.directory / "app" / ".ci"
    ci.mkdir(parents=True)
    (ci / "install").write_text(f"{install}\n")
    return str(ci.parent)


@pytest.mark.parametrize("image", ["i", ""])
def test_the_container_runs_it_with_every_argument_and_hands_it_the_signal(cloud: Cloud, image: str) -> None:
    cluster(cloud)
    cloud.run("gke/run", "recgoat", "--", *AWKWARD, IMAGE=image, **RUN)
    command = flag(cloud.calls_of("xpk", "create")[0], "command")
    # One line, because it becomes a line of a manifest.
    assert "\n" not in command
    # Before bash 5.1 the signal ends there, in a shell that waits for the training.
    assert " exec env " in f" {command}"
    venv = cloud.directory / "venv"
    app = container(cloud, install=f'echo "$@" >installed; mkdir -p "$1/bin"; cp {cloud.bin}/recgoat "$1/bin"')
    script = CONTAINER.replace("COMMAND", command.replace("/opt/recgoat", str(venv)))
    until_it_trains = "until grep -q trains out; do sleep 0.02; done"
    signalled = f"bash -c {json_word(script)} >out 2>&1 & {until_it_trains}; kill -TERM $!; wait $!"
    path = f"{cloud.bin}:/usr/bin:/bin" if image else "/usr/bin:/bin"
    assert cloud.paste(f"cd {app}; PATH={path}; {signalled}", DOES="wait").returncode == 75
    (row,) = cloud.trainings
    assert row["words"] == ["train", "recgoat", "--workdir", "gs://bucket/runs/one", *AWKWARD]
    assert row["unbuffered"] == "1"
    if not image:
        assert (cloud.directory / "app" / "installed").read_text() == f"{venv} python3 tpu -e .[tpu]\n"


def json_word(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.parametrize(
    ("ends", "codes", "code"),
    [
        ("Completed", [0, 0], 0),
        ("Failed", [75, 75], 75),
        ("Failed", [75, 4, 137], 4),
        ("Failed", [0, 3], 3),
        ("Failed", [], 1),
    ],
)
def test_exit_code_of_the_training(cloud: Cloud, ends: str, codes: list[int], code: int) -> None:
    cluster(cloud)
    done = cloud.run("gke/run", "recgoat", WORKLOAD_ENDS=json.dumps({"ends": ends, "codes": codes}), IMAGE="i", **RUN)
    assert done.returncode == code
    assert delete_command(done.stderr)


def test_run_called_again(cloud: Cloud) -> None:
    going_again(cloud)
    followed = cloud.run("gke/run", "recgoat", "--", *AWKWARD, IMAGE="i", **RUN)
    assert followed.returncode == 0
    assert "runs already" in followed.stderr
    assert not cloud.calls_of("create") + cloud.calls_of("delete")
    # It has ended now: the same line goes on with the run.
    assert cloud.run("gke/run", "recgoat", IMAGE="i", **RUN).returncode == 0
    verbs = [call[2] for call in cloud.calls_of("xpk") if call[2] != "list"]
    assert verbs == ["delete", "create"]


def going_again(cloud: Cloud) -> None:
    """A workload of the awkward line that has not ended yet, and no call remembered."""
    cluster(cloud)
    assert cloud.run("gke/run", "recgoat", "--", *AWKWARD, IMAGE="i", **RUN).returncode == 0
    state = cloud.state
    state["workloads"]["train"]["looks"] = 0
    cloud.state = state
    cloud.forget()


@pytest.mark.parametrize(
    ("words", "variables"),
    [(["recgoat"], {}), (["light_gcn", "--", *AWKWARD], {}), (["recgoat", "--", *AWKWARD], {"WORKDIR": "gs://b/two"})],
)
def test_run_does_not_follow_another_training(cloud: Cloud, words: list[str], variables: dict[str, str]) -> None:
    going_again(cloud)
    refused = cloud.run("gke/run", *words, **{"IMAGE": "i", **RUN, **variables})
    assert refused.returncode == 1
    assert "something else trains as 'train'; choose another WORKLOAD" in refused.stderr
    assert not cloud.calls_of("create") + cloud.calls_of("delete") + cloud.calls_of("logs")


def test_dry_run_prints_every_command(cloud: Cloud) -> None:
    shown = cloud.run("gke/run", "--dry-run", "recgoat", "--", "a b", **RUN).stdout
    order = [
        "clusters list",
        "xpk workload list",
        "current-context",
        "get jobset",
        "# where one has ended: xpk workload delete",
    ]
    order += ["tar -czf", "tar -xzf", "xpk workload create", "get pods", "logs --follow", "terminated.exitCode"]
    places = [shown.index(part) for part in order]
    assert places == sorted(places)


def test_run_needs_a_cluster_that_runs(cloud: Cloud) -> None:
    done = cloud.run("gke/run", "recgoat", **RUN)
    assert done.returncode == 1
    assert "found no cluster 'recgoat' that runs" in done.stderr
    assert not cloud.calls_of("xpk")


def test_status(cloud: Cloud) -> None:
    assert "absent" in cloud.run("gke/status").stderr
    cluster(cloud, train={"ends": "Failed", "codes": [1], "looks": 9})
    done = cloud.run("gke/status")
    assert done.returncode == 0
    assert "cluster recgoat in us-west4: RUNNING" in done.stderr
    assert done.stdout.splitlines()[0] == "[XPK] Workload List Output: train"
    assert "workload train: Failed" in done.stderr
    assert delete_command(done.stderr)


def test_fetch(cloud: Cloud) -> None:
    bucket = cloud.home / "buckets" / "bucket" / "runs" / "one"
    bucket.mkdir(parents=True)
    (bucket / "result.json").write_text("{}")
    cluster(cloud, train={"ends": "Completed", "codes": [0, 0], "looks": 9})
    assert cloud.run("gke/fetch", INTO="a b", **RUN).returncode == 0
    assert (cloud.directory / "a b" / "one" / "result.json").exists()
    for host in range(2):
        assert (cloud.directory / f"a b/logs/train-{host}.log").read_text() == f"output of pod/train-{host}\n"
    # The bucket outlives the cluster.
    cloud.state = {}
    assert cloud.run("gke/fetch", WORKDIR="/mnt/one", BUCKET="gs://bucket/runs/one").returncode == 0
    assert (cloud.directory / "fetched/recgoat/one/result.json").exists()
    nowhere = cloud.run("gke/fetch", WORKDIR="/mnt/one")
    assert nowhere.returncode == 2
    assert "found BUCKET='/mnt/one'; expected a path of a bucket" in nowhere.stderr


@pytest.mark.parametrize(
    ("script", "words", "variables", "message"),
    [
        ("create", ["--spot"], {}, "unknown option or argument '--spot'"),
        ("create", [], {"SPOT": "1", "RESERVATION": "ours"}, "expected one of them"),
        ("create", [], {"SLICES": "0"}, "found SLICES='0'"),
        ("create", [], {"TYPE": "v5e"}, "found TYPE='v5e'"),
        ("run", ["recgoat"], {}, "found WORKDIR=''; expected a bucket path"),
        ("run", ["recgoat"], {"WORKDIR": "runs/x"}, "found WORKDIR='runs/x'"),
        ("run", [], RUN, "found no experiment"),
        ("run", ["recgoat", "--seed", "1"], RUN, "unknown option or argument '--seed'"),
        ("run", ["recgoat"], {**RUN, "WORKLOAD": "my run"}, "found WORKLOAD='my run'"),
        ("status", ["--wait"], {}, "unknown option or argument '--wait'"),
        ("fetch", ["x"], {}, "unknown option or argument 'x'"),
        ("delete", ["--all"], {}, "unknown option or argument '--all'"),
    ],
)
def test_bad_options_and_values(
    cloud: Cloud, script: str, words: list[str], variables: dict[str, str], message: str
) -> None:
    done = cloud.run(f"gke/{script}", *words, **variables)
    assert done.returncode == 2
    assert message in done.stderr
    assert not cloud.calls


def test_missing_xpk_is_named(cloud: Cloud) -> None:
    (cloud.bin / "xpk").unlink()
    done = cloud.run("gke/create", "--yes", PATH=f"{cloud.bin}:/usr/bin:/bin")
    assert done.returncode == 2
    assert "found no 'xpk' on PATH" in done.stderr
