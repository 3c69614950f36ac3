"""Profiles of 1,000 users from a local server of which every tenth request fails: nothing lost, nothing asked twice.

    python -m experiments.benchmarks.profiles [--users 1000] [--seconds 0.5] [--concurrency 16 64 128]

The server is a process of its own on loopback that answers after half to one and a half times ``--seconds``. One
request in ten gets, by turns, a 429 with Retry-After, a 500, half an answer, broken JSON or a reset connection. For
each limit of concurrency all users are asked; requests per second, over the whole run and over its middle eight tenths
(without start and tail), stand beside the most that the limit allows, ``concurrency / seconds``. Then one run is
stopped in the middle and one is killed, and both are resumed. The server counts whole answers a prompt: after a stop
none is given twice, after a kill only those that were on their way. The rows go to stdout, the figures to
``experiments/results/profiles.json``.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.sources import synthetic
from recgoat_jax.encoders.profiles import EndpointConfig, ProfileConfig, PromptSet, SamplingConfig, run, user_prompts
from recgoat_jax.encoders.profiles.cache import AnswerCache
from recgoat_jax.errors import SavedAndStopped

RESULT = Path(__file__).parents[1] / "results" / "profiles.json"
FAULTS = ("429", "500", "half", "broken json", "reset")
EVERY = 10
TEXT = "<think>Tea.</think><answer>Likes tea.</answer>"
ANSWER = json.dumps(
    {
        "choices": [
            {"message": {"content": "<think>Tea.</think><answer>Likes tea.</answer>"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 200},
    }
).encode()


class Server:
    """The faulty server; ``GET /counts`` tells how often each prompt was answered."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.requests = self.faults = 0
        self.answered: Counter[str] = Counter()
        self.ends: list[float] = []
        self.random = random.Random(0)

    async def serve(self) -> None:
        """Serves until the process ends; the first line of stdout is the port."""
        server = await asyncio.start_server(self.connection, "127.0.0.1", 0, backlog=1024)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, one after the other."""
        try:
            while await self.request(reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False where the connection is to be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if head.startswith("get"):
            self.respond(writer, 200, json.dumps([self.requests, self.faults, dict(self.answered), self.ends]).encode())
            return True
        body = json.loads(await reader.readexactly(int(head.split("content-length: ")[1].split("\r")[0])))
        self.requests += 1
        fault = ""
        if self.requests % EVERY == 0:
            fault = FAULTS[self.faults % len(FAULTS)]
            self.faults += 1
        await asyncio.sleep(self.seconds * self.random.uniform(0.5, 1.5))
        self.ends.append(time.monotonic())
        match fault:
            case "429":
                self.respond(writer, 429, b"{}", "Retry-After: 0.1\r\n")
            case "500":
                self.respond(writer, 500, b"{}")
            case "broken json":
                self.respond(writer, 200, ANSWER[:40])
            case "half":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER[:40])
                await writer.drain()
            case "reset":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            case _:
                self.respond(writer, 200, ANSWER)
                self.answered[hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()] += 1
        return fault not in ("half", "reset")

    def respond(self, writer: asyncio.StreamWriter, status: int, data: bytes, headers: str = "") -> None:
        """Writes a whole response."""
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n{headers}\r\n".encode() + data)


@contextmanager
def server(seconds: float) -> Iterator[int]:
    """The port of a server in a process of its own."""
    command = [sys.executable, "-m", "experiments.benchmarks.profiles", "--serve", "--seconds", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def counts(port: int) -> tuple[int, int, dict[str, int], list[float]]:
    """Requests, faults, answers a prompt, and when each request ended."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts") as response:
        return json.load(response)


def prompts_of(users: int) -> PromptSet:
    """Prompts of generated users."""
    raw = synthetic.generate(users, 300, interactions_per_user=20, seed=0).raw
    dataset = prepare(raw, name="generated", protocol="per_user_811", k_core=0)
    return user_prompts(dataset, [f"thing number {item}" for item in dataset.items.ids])


def config_of(port: int, cache: Path, concurrency: int) -> ProfileConfig:
    """A run on the server."""
    endpoint = EndpointConfig(f"http://127.0.0.1:{port}/v1", concurrency=concurrency, backoff_seconds=0.1)
    return ProfileConfig(SamplingConfig("fake"), cache=cache, endpoint=endpoint)


def whole(prompts: PromptSet, seconds: float, concurrency: int) -> dict[str, Any]:
    """All users in one go."""
    with server(seconds) as port, tempfile.TemporaryDirectory() as cache:
        began, busy = time.perf_counter(), time.process_time()
        done = run(prompts, config_of(port, Path(cache), concurrency), yes=True)
        took, busy = time.perf_counter() - began, time.process_time() - busy
        requests, faults, answered, ends = counts(port)
        tenth = len(ends) // 10
        steady = (len(ends) - 2 * tenth) / (ends[-tenth - 1] - ends[tenth - 1])
        again = run(prompts, config_of(port, Path(cache), concurrency), yes=False)
        assert counts(port)[0] == requests, "a second run sent something"
        assert again.texts == done.texts
    return {
        "concurrency": concurrency,
        "profiles": len(done.texts),
        "failed": len(done.failed),
        "requests": requests,
        "faults": faults,
        "answered_twice": sum(count > 1 for count in answered.values()),
        "seconds": round(took, 2),
        "requests_per_second": round(requests / took, 1),
        "in_the_middle": round(steady, 1),
        "limit": round(concurrency / seconds, 1),
        "share_of_limit_in_the_middle": round(steady / (concurrency / seconds), 3),
        "cpu_seconds": round(busy, 2),
    }


def interrupted(prompts: PromptSet, seconds: float, concurrency: int, *, how: str) -> dict[str, Any]:
    """All users in two goes, the first ended in the middle: by a stop, or by SIGKILL."""
    half = len(prompts.messages) // 2
    with server(seconds) as port, tempfile.TemporaryDirectory() as folder:
        config = config_of(port, Path(folder), concurrency)
        if how == "stop":
            cache_file = Path(folder) / "answers.jsonl"
            try:
                run(prompts, config, yes=True, should_stop=lambda: _lines(cache_file) >= half)
            except SavedAndStopped as stopped:
                sys.stderr.write(f"{stopped}\n")
        else:
            command = [sys.executable, "-m", "experiments.benchmarks.profiles", "--child", str(port), folder]
            options = ["--users", str(len(prompts.messages)), "--concurrency", str(concurrency)]
            child = subprocess.Popen([*command, *options])
            while child.poll() is None and sum(counts(port)[2].values()) < half:
                time.sleep(0.05)
            child.kill()
            child.wait()
        stored = len(AnswerCache(config.cache))
        done = run(prompts, config, yes=True)
        answered = counts(port)[2]
    return {
        "how": how,
        "stored_at_the_end_of_the_first": stored,
        "sent_by_the_second": done.report.sent,
        "profiles": len(done.texts),
        "answered_twice": sum(count > 1 for count in answered.values()),
        "on_their_way_at_most": concurrency,
    }


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.5, help="that the server takes for an answer, in the mean")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 64, 128])
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=2, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(Server(given.seconds).serve())
    prompts = prompts_of(given.users)
    if given.child:
        port, cache = given.child
        run(prompts, config_of(int(port), Path(cache), given.concurrency[0]), yes=True)
        return
    rows = []
    for concurrency in given.concurrency:
        rows.append(whole(prompts, given.seconds, concurrency))
        sys.stderr.write(f"{rows[-1]}\n")
    middle = sorted(given.concurrency)[len(given.concurrency) // 2]
    ends = [interrupted(prompts, given.seconds, middle, how=how) for how in ("stop", "kill")]
    result = {
        "benchmark": "profiles",
        "users": given.users,
        "seconds_per_answer": given.seconds,
        "cpu_count": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "runs": rows,
        "interrupted": ends,
    }
    for row in [*rows, *ends]:
        sys.stdout.write("  ".join(f"{name} {value}" for name, value in row.items()) + "\n")
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
