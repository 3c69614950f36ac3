"""The Slurm script: one step, and back into the queue when the run has saved."""

import shutil
from pathlib import Path

import pytest

from tests.tpu_scripts.conftest import SCRIPTS, Cloud

SBATCH = "slurm/train.sbatch"
JOB = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "mine"}


def test_trains_with_the_line_of_the_readme(cloud: Cloud) -> None:
    awkward = ["--mesh", "data=2", "a  b", "it's", "", "a\nb"]
    done = cloud.run(SBATCH, "exp.py", "--", *awkward, WORKDIR="my run", **JOB)
    assert done.returncode == 0, done.stderr
    (row,) = cloud.trainings
    assert row["words"] == ["train", "exp.py", "--workdir", "my run", *awkward]
    assert row["unbuffered"] == "1"
    assert not cloud.calls_of("scontrol")
    cloud.run(SBATCH, "exp.py", **JOB)
    assert "runs/mine" in cloud.trainings[1]["words"]


def test_a_saved_run_goes_back_into_the_queue(cloud: Cloud) -> None:
    done = cloud.run(SBATCH, "exp", DOES="75", **JOB)
    assert done.returncode == 75
    assert cloud.calls_of("requeue") == [["scontrol", "requeue", "7"]]


@pytest.mark.parametrize("code", ["3", "130", "143"])
def test_any_other_code_does_not(cloud: Cloud, code: str) -> None:
    assert cloud.run(SBATCH, "exp", DOES=code, **JOB).returncode == int(code)
    assert not cloud.calls_of("requeue")


def test_a_cancelled_job_does_not_come_back(cloud: Cloud) -> None:
    assert cloud.run(SBATCH, "exp", DOES="75", JOB_STATE="COMPLETING", **JOB).returncode == 75
    assert not cloud.calls_of("requeue")


def test_the_number_of_restarts_has_an_end(cloud: Cloud) -> None:
    last = cloud.run(SBATCH, "exp", DOES="75", SLURM_RESTART_COUNT="4", RESTARTS="5", **JOB)
    assert last.returncode == 75
    assert len(cloud.calls_of("requeue")) == 1
    enough = cloud.run(SBATCH, "exp", DOES="75", SLURM_RESTART_COUNT="5", RESTARTS="5", **JOB)
    assert enough.returncode == 75
    assert "started anew 5 times, and that is enough" in enough.stderr
    assert len(cloud.calls_of("requeue")) == 1


def test_outlives_the_signal_that_the_training_gets(cloud: Cloud) -> None:
    # As Slurm does when another job takes the place: everything of the job at once.
    text = f"""
        {SCRIPTS}/{SBATCH} exp >out 2>&1 & job=$!
        until grep -q trains out; do sleep 0.02; done
        kill -TERM $job; sleep 0.1; kill -TERM "$(sed 's/.*"pid": \\([0-9]*\\).*/\\1/' $STAND_IN/trainings.jsonl)"
        wait $job
    """
    assert cloud.paste(text, DOES="wait", **JOB).returncode == 75
    assert len(cloud.calls_of("requeue")) == 1


def test_finds_the_checkout_from_the_copy_that_slurm_runs(cloud: Cloud) -> None:
    checkout = cloud.directory / "checkout"
    shutil.copytree(SCRIPTS, checkout / "tpu_scripts")
    copy = cloud.directory / "spool" / "slurm_script"
    copy.parent.mkdir()
    shutil.copy(SCRIPTS / SBATCH, copy)
    for submitted_from in (checkout, checkout / "tpu_scripts" / "slurm"):
        assert cloud.run(str(copy), "exp", SLURM_SUBMIT_DIR=str(submitted_from), **JOB).returncode == 0
    lost = cloud.run(str(copy), "exp", SLURM_SUBMIT_DIR=str(cloud.directory), **JOB)
    assert lost.returncode == 2
    assert "submit it from the top of the checkout" in lost.stderr


def test_directives() -> None:
    text = (SCRIPTS / SBATCH).read_text()
    directives = [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")]
    # TERM to the steps, not to the shell, with time to save; appended, because a job that comes back has one log.
    assert {"--signal=TERM@60", "--requeue", "--open-mode=append"} <= set(directives)
    # Slurm reads them up to the first command.
    assert text.rindex("#SBATCH") < text.index("set -euo")


def test_dry_run(cloud: Cloud) -> None:
    done = cloud.run(SBATCH, "--dry-run", "exp", "--", "a b")
    assert done.returncode == 0
    assert not cloud.calls
    step, requeue = done.stdout.splitlines()
    assert step.endswith("env PYTHONUNBUFFERED=1 recgoat train exp --workdir runs/recgoat 'a b'")
    assert requeue == "scontrol requeue JOB"
    assert cloud.paste(step).returncode == 0
    assert cloud.trainings[0]["words"][-1] == "a b"


def test_bad_calls(cloud: Cloud) -> None:
    outside = cloud.run(SBATCH, "exp")
    assert outside.returncode == 2
    assert "found no Slurm job" in outside.stderr
    assert "found RESTARTS='many'" in cloud.run(SBATCH, "exp", RESTARTS="many", **JOB).stderr
    assert "unknown option or argument '--nodes=2'" in cloud.run(SBATCH, "exp", "--nodes=2", **JOB).stderr
    assert "found no experiment" in cloud.run(SBATCH, **JOB).stderr
    (cloud.bin / "srun").unlink()
    missing = cloud.run(SBATCH, "exp", PATH=f"{cloud.bin}:/usr/bin:/bin", **JOB)
    assert missing.returncode == 2
    assert "found no 'srun' on PATH" in missing.stderr
    assert not cloud.trainings
    assert Path(SCRIPTS / SBATCH).stat().st_mode & 0o111
