"""What holds for every script: help, dry runs that run nothing, and no variable that the help does not name."""

import re
from pathlib import Path

import pytest

from tests.tpu_scripts.conftest import SCRIPTS, Cloud

ALL = ["create", "run", "status", "fetch", "delete", "worker", "slurm/train.sbatch"]
ALL += [f"gke/{name}" for name in ("create", "run", "status", "fetch", "delete")]
# A dry run of each, and what is in it.
DRY = {
    "create": ([], "tpu-vm create recgoat"),
    "run": (["recgoat"], "worker start -- recgoat train recgoat --workdir"),
    "status": ([], "worker status"),
    "fetch": ([], "scp recgoat:"),
    "delete": ([], "queued-resources delete recgoat"),
    "gke/create": ([], "xpk cluster create"),
    "gke/run": (["recgoat"], "recgoat train recgoat --workdir"),
    "gke/status": ([], "xpk workload list"),
    "gke/fetch": ([], "gcloud storage rsync"),
    "gke/delete": ([], "xpk cluster delete"),
}


@pytest.mark.parametrize("script", ALL)
def test_help_is_the_header(cloud: Cloud, script: str) -> None:
    text = (SCRIPTS / script).read_text()
    assert text.startswith("#!/usr/bin/env bash\n# ")
    assert "\nset -euo pipefail\n" in text
    done = cloud.run(script, "--help")
    assert done.returncode == 0
    assert script.rpartition("/")[2] in done.stdout.splitlines()[0]
    assert "set -euo" not in done.stdout
    assert "#" not in done.stdout
    assert not cloud.calls


@pytest.mark.parametrize("script", ALL)
def test_help_names_the_variables_that_are_read(script: str) -> None:
    text = (SCRIPTS / script).read_text()
    named = set(re.findall(r"^#   ([A-Z]+)  ", text, re.MULTILINE))
    sourced = [name for name in ("vm.sh", "gke.sh", "local.sh") if f'{name}"' in text]
    sources = [text] + [next(SCRIPTS.rglob(name)).read_text() for name in [*sourced, "common.sh"]]
    # VARIABLE=${VARIABLE:-default}, or a test of ${VARIABLE:-}.
    read = set(re.findall(r"\$\{([A-Z]+):-", "".join(sources)))
    assert named <= read
    own = set(re.findall(r"^([A-Z]+)=\$\{\1:-", text, re.MULTILINE))
    assert own <= named


@pytest.mark.parametrize("script", DRY)
def test_a_dry_run_prints_and_calls_nothing(cloud: Cloud, script: str) -> None:
    words, part = DRY[script]
    variables = {"WORKDIR": "gs://b/x"} if script.startswith("gke") else {}
    before = set(cloud.directory.rglob("*"))
    done = cloud.run(script, "--dry-run", *words, **variables)
    assert done.returncode == 0, done.stderr
    assert part in done.stdout
    assert not cloud.calls
    assert set(cloud.directory.rglob("*")) == before
    # No tool is needed for it, and without PROJECT it asks gcloud nothing.
    assert cloud.run(script, "--dry-run", *words, **variables, PATH="/usr/bin:/bin").returncode == 0
    missed = cloud.run(script, "--dry-run", *words, **variables, PROJECT="")
    assert missed.returncode == 2
    assert "no project set" in missed.stderr
    assert not cloud.calls


@pytest.mark.parametrize(("script", "lines"), [("create", 3), ("gke/create", 2)])
def test_what_a_dry_run_prints_can_be_pasted(cloud: Cloud, script: str, lines: int) -> None:
    awkward = ['--network=it\'s  "my" $net'] if script == "create" else ["--default-pool-cpu-num-nodes=1"]
    shown = cloud.run(script, "--dry-run", "--", *awkward, SPOT="1").stdout
    assert len(shown.splitlines()) == lines
    assert cloud.run(script, "--yes", "--", *awkward, SPOT="1").returncode == 0
    really = cloud.calls
    cloud.state = {}
    cloud.forget()
    assert cloud.paste(shown).returncode == 0
    assert cloud.calls[-1] == really[-1]
    assert sorted(cloud.calls) == sorted(really)


@pytest.mark.parametrize(
    "words",
    [
        ["plain", "a=b", "x:y/z.w,v+u@t%"],
        ["", " ", "a  b"],
        ["it's", '"', "$x `y` \\"],
        ["a\nb", "\t", "ü", "*?[]{}~!#"],
    ],
)
def test_quoted_words_are_read_back(cloud: Cloud, words: list[str]) -> None:
    program = 'source "$1"; shift; quote "$@"'
    line = cloud.paste(f"set -- {quoted([str(SCRIPTS / 'common.sh'), *words])}; {program}").stdout
    assert line.count("\n") == 1
    assert cloud.paste(f"printf '%s\\0' {line}").stdout.split("\0")[:-1] == words


def quoted(words: list[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def test_the_stand_in_fails_on_what_the_tools_do_not_have(cloud: Cloud) -> None:
    cloud.node()
    place = "--zone=us-west4-a --project=p"
    for bad in (
        f"gcloud compute tpus tpu-vm create x {place} --version=v --spott",
        f"gcloud compute tpus tpu-vm create x {place}",
        f"gcloud compute tpus tpu-vm create {place} --version=v",
        f"gcloud compute tpus tpu-vm make x {place}",
        f"gcloud compute tpus tpu-vm scp recgoat:a b {place} --worker=all",
        "xpk cluster create --cluster=c --zone=z --project=p --tpu-type=t",
        "xpk cluster create --cluster=c --zone=z --project=p --tpu-type=t --spot --on-demand",
        "kubectl --context=c --namespace=default get pods --all",
        "scontrol requeue",
        "srun --label --nonsense true",
    ):
        assert cloud.paste(bad).returncode == 64, bad


def test_no_script_is_forgotten() -> None:
    scripts = {str(file.relative_to(SCRIPTS)) for file in SCRIPTS.rglob("*") if is_script(file)}
    assert scripts - {"plan"} == set(ALL)


def is_script(file: Path) -> bool:
    return file.is_file() and file.suffix not in (".sh", ".md") and file.read_bytes().startswith(b"#!")
