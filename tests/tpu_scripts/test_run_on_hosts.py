"""`run` on the hosts of a TPU VM: what reaches `recgoat train`, and what comes back."""

import re
import signal

import pytest

from tests.tpu_scripts.conftest import SCRIPTS, Cloud, delete_command, until

PLACE = ["--zone=us-west4-a", "--project=my-project"]
SSH = ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "recgoat", *PLACE]
AWKWARD = [
    "--mesh",
    "data=2,rows=1",
    "--name",
    "two  words",
    "it's",
    '"quoted"',
    "",
    "$HOME `date` \\ *",
    "a\nb",
    "ü;&|",
]


def test_the_line_of_the_readme_on_every_host_at_once(cloud: Cloud) -> None:
    cloud.node(hosts=3)
    done = cloud.run("run", "recgoat", "--", *AWKWARD, WORKDIR="/mnt/a b/run", SETUP="echo 'set up' >> setup")
    assert done.returncode == 0, done.stderr
    assert [row["me"] for row in cloud.trainings] == [0, 1, 2]
    for row in cloud.trainings:
        assert row["words"] == ["train", "recgoat", "--workdir", "/mnt/a b/run", *AWKWARD]
        assert row["unbuffered"] == "1"
        home = cloud.home / "hosts" / str(row["me"])
        assert row["cwd"] == str(home / "recgoat" / "source")
        assert (home / "recgoat" / "log").read_text() == f"process {row['me']} trains\nprocess {row['me']} is done\n"
        assert (home / "setup").read_text() == "set up\n"
    # Host 0 speaks, the others write.
    assert done.stdout == "process 0 trains\nprocess 0 is done\n"
    assert delete_command(done.stderr)
    for call in cloud.calls_of("ssh"):
        assert call[: len(SSH)] == SSH
    workers = [call[len(SSH)] for call in cloud.calls_of("ssh")]
    assert workers == ["--worker=all", "--worker=all", "--worker=all", "--worker=0", "--worker=all"]
    assert cloud.calls_of("scp")[0][-3:] == [*PLACE, "--worker=all"]


def test_what_the_hosts_get_is_this_checkout(cloud: Cloud) -> None:
    cloud.node(hosts=1)
    cloud.run("run", "recgoat")
    source = cloud.home / "hosts/0/recgoat/source"
    assert (source / "recgoat_jax/cli/train.py").exists()
    assert (source / "experiments/recgoat_baby.py").exists()
    assert (source / ".ci/install").exists()
    assert not (source / "tests").exists()
    assert not list(source.rglob("__pycache__"))
    assert "--exclude=__pycache__" in cloud.run("run", "recgoat", "--dry-run").stdout
    # A module that has left the checkout leaves the hosts, what the runs have written does not.
    (source / "recgoat_jax/gone.py").touch()
    (source / "runs/recgoat").mkdir(parents=True)
    cloud.run("run", "recgoat")
    assert not (source / "recgoat_jax/gone.py").exists()
    assert (source / "runs/recgoat").exists()
    assert not list(cloud.directory.glob("tmp.*"))


def test_an_experiment_is_named_as_the_hosts_see_it(cloud: Cloud) -> None:
    cloud.node(hosts=1)
    file = SCRIPTS.parent / "experiments" / "bpr_baby.py"
    assert cloud.run("run", str(file)).returncode == 0
    assert cloud.trainings[0]["words"][1] == "experiments/bpr_baby.py"
    # Whatever of the checkout it is.
    assert "LICENSE" in cloud.run("run", "--dry-run", "experiments/bpr_baby.py").stdout
    file = SCRIPTS.parent / "tests" / "runs.py"
    assert "recgoat_jax tpu_scripts tests/runs.py\n" in cloud.run("run", "--dry-run", str(file)).stdout
    elsewhere = cloud.directory / "mine.py"
    elsewhere.touch()
    done = cloud.run("run", "mine.py")
    assert done.returncode == 2
    assert f"found the experiment in '{elsewhere}'" in done.stderr


@pytest.mark.parametrize(
    ("hosts", "code"),
    [
        ({"DOES_1": "4"}, 4),
        ({"DOES_0": "75", "DOES_1": "75"}, 75),
        # One that has finished as the signal came.
        ({"DOES_1": "75"}, 75),
        ({"DOES_0": "75", "DOES_1": "5"}, 5),
        # What gcloud takes for a lost connection is not tried ten times.
        ({"DOES_1": "255"}, 254),
    ],
)
def test_exit_code_of_the_training(cloud: Cloud, hosts: dict[str, str], code: int) -> None:
    cloud.node()
    done = cloud.run("run", "recgoat", **hosts)
    assert done.returncode == code
    assert ("the same line goes on" in done.stderr) == (code == 75)
    assert len(cloud.trainings) == 2
    assert delete_command(done.stderr)


def test_a_signal_lets_the_run_save_and_the_same_line_goes_on(cloud: Cloud) -> None:
    cloud.node()
    process = cloud.start("run", "recgoat", DOES="wait")
    until(lambda: len(cloud.trainings) == 2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert "process 0 leaves with 75" in out
    assert "process 1 leaves with 75" in (cloud.home / "hosts/1/recgoat/log").read_text()
    again = cloud.run("run", "recgoat")
    assert again.returncode == 0
    # Only what this start has printed.
    assert again.stdout == "process 0 trains\nprocess 0 is done\n"


def test_called_again_it_follows_the_run_that_is_going(cloud: Cloud) -> None:
    cloud.node()
    first = cloud.start("run", "recgoat", "--", "a b", DOES="wait")
    until(lambda: len(cloud.trainings) == 2)
    cloud.cut(first)
    other = cloud.run("run", "recgoat", "--", "c")
    assert other.returncode == 1
    assert "something else trains on 'recgoat'" in other.stderr
    assert "runs recgoat train recgoat --workdir runs/recgoat 'a b'" in cloud.run("status").stderr
    second = cloud.start("run", "recgoat", "--", "a b", DOES="wait")
    assert second.stderr is not None
    while "runs already" not in second.stderr.readline():
        pass
    stopped = cloud.run("run", "--stop")
    assert stopped.returncode == 0
    out, _ = second.communicate(timeout=120)
    assert second.returncode == 75
    assert out == "process 0 trains\nprocess 0 leaves with 75\n"
    assert len(cloud.trainings) == 2
    assert "ended with exit code 75" in cloud.run("status").stderr


def test_leftovers_of_a_broken_start_are_stopped_first(cloud: Cloud) -> None:
    cloud.node()
    broken = cloud.start("run", "recgoat", DOES_0="3", DOES_1="wait")
    until(lambda: len(cloud.trainings) == 2)
    cloud.cut(broken)
    until(lambda: (cloud.home / "hosts/0/recgoat/code").exists())
    again = cloud.run("run", "recgoat")
    assert again.returncode == 0, again.stderr
    assert [row["me"] for row in cloud.trainings] == [0, 0, 1, 1]
    assert "process 1 leaves with 75" in (cloud.home / "hosts/1/recgoat/log").read_text()


def test_a_failed_install_starts_nothing(cloud: Cloud) -> None:
    cloud.node()
    done = cloud.run("run", "recgoat", INSTALL="false; [ $HOST = 0 ]")
    assert done.returncode == 1
    assert not cloud.trainings
    assert cloud.run("run", "recgoat", SETUP="exit 7").returncode == 7
    assert not cloud.trainings


@pytest.mark.parametrize("state", ["PREEMPTED", "CREATING", None])
def test_needs_a_tpu_that_is_ready(cloud: Cloud, state: str | None) -> None:
    if state:
        cloud.node(state=state)
    done = cloud.run("run", "recgoat")
    assert done.returncode == 1
    assert "found no TPU VM 'recgoat' that is ready" in done.stderr
    assert (state or "absent") in done.stderr
    assert not cloud.calls_of("ssh") + cloud.calls_of("scp")


def test_a_lost_connection_is_told_from_a_crash(cloud: Cloud) -> None:
    cloud.node()
    for state, message in (("READY", "the connection is lost; the run goes on"), ("PREEMPTED", "was taken away")):
        process = cloud.start("run", "recgoat", DOES="wait")
        assert process.stdout is not None
        assert process.stdout.readline() == "process 0 trains\n"
        cloud.node(state=state)
        (cloud.home / "lost").touch()
        _, err = process.communicate(timeout=120)
        (cloud.home / "lost").unlink()
        assert process.returncode == 1
        assert message in err
    # The second time it was followed.
    assert len(cloud.trainings) == 2


def test_a_relative_run_directory_is_pointed_out(cloud: Cloud) -> None:
    relative, full, bucket = "runs/x", "/mnt/x", "gs://bucket/x"
    for workdir in (relative, full, bucket):
        said = cloud.run("run", "--dry-run", "recgoat", WORKDIR=workdir).stderr
        assert ("lies on the hosts' own disks" in said) == (workdir == relative)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "found no experiment"),
        (["recgoat", "--mesh", "data=2"], "unknown option or argument '--mesh'"),
        (["recgoat", "lightgcn"], "unknown argument 'lightgcn'; what goes to 'recgoat train' comes after --."),
        (["recgoat", "--", "--workdir", "x"], "expected the run directory in WORKDIR"),
        (["recgoat", "--", "--workdir=x"], "expected the run directory in WORKDIR"),
        (["--local"], "found --local without a number"),
        (["--local", "two", "recgoat"], "found --local='two'; expected a number of processes"),
        (["--local=0", "recgoat"], "found --local='0'; expected a number of processes"),
    ],
)
def test_bad_options(cloud: Cloud, words: list[str], message: str) -> None:
    done = cloud.run("run", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert not cloud.calls
    assert not cloud.trainings


def test_dry_run_is_the_whole_of_it(cloud: Cloud) -> None:
    shown = cloud.run("run", "--dry-run", "recgoat", "--", "a b").stdout
    assert not cloud.calls
    order = ["tpu-vm list", "worker busy", "tar -czf", "scp", "--recursive-unlink", "worker start"]
    order += ["worker follow", "worker result"]
    places = [shown.index(part) for part in order]
    assert places == sorted(places)
    cloud.node()
    assert cloud.paste(shown).returncode == 0
    assert [row["words"][-1] for row in cloud.trainings] == ["a b", "a b"]
    assert not re.search("recgoat-upload[^.]", " ".join(cloud.calls_of("ssh")[0]))
