"""A server of chats and embeddings that fails in chosen ways, on loopback, in a thread."""

import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = "<think>They like tea.</think><answer>Likes tea. Key takeaway: tea.</answer>"
KEY = "sk-very-secret-0123456789"
MODEL = "tiny"


def digest(body: dict[str, Any]) -> str:
    """Identity of what a request asks."""
    return hashlib.sha256(json.dumps(body.get("messages") or body["input"], sort_keys=True).encode()).hexdigest()


def vector(text: str) -> list[float]:
    """What a text is embedded as: its length, and the code of its first letter."""
    return [float(len(text)), float(ord(text[0]))]


class ChatServer(ThreadingHTTPServer):
    """Answers with ``reply``; the n-th request meets the n-th fault of ``faults``, later ones none.

    Faults: ``"429"`` (Retry-After 0.05), ``"500"``, ``"half"``, ``"broken json"``, ``"no choices"``, ``"hang"``,
    ``"drip"``, ``"reset"``, ``"400"``, ``"302"``, ``"quota"``, ``"wait long"``, ``"ok"``; of embeddings alone
    ``"too few"``, ``"twice"`` (one position), ``"wide"``, ``"ragged"``. Embeddings come in the reverse order.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(
        self,
        faults: Sequence[str] | Callable[[dict[str, Any], int], str] = (),
        *,
        reply: Callable[[dict[str, Any]], str | None] = lambda body: GOOD,
        key: str | None = None,
        seconds: float = 0.0,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults, self.reply, self.key, self.seconds = faults, reply, key, seconds
        self.lock = threading.Lock()
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.answered: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""

    def fault_of(self, body: dict[str, Any]) -> str:
        with self.lock:
            number = len(self.requests)
            self.requests.append(body)
            self.times.append(time.monotonic())
        if callable(self.faults):
            return self.faults(body, number)
        return self.faults[number] if number < len(self.faults) else "ok"


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"
    # One small packet for head and body each would wait for the other's receipt.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        try:
            self._respond(body)
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def _respond(self, body: dict[str, Any]) -> None:
        sent = self.headers.get("Authorization", "")
        if self.path not in ("/v1/chat/completions", "/v1/embeddings") or body["model"] != MODEL:
            return self._error(404, f"The model `{body['model']}` does not exist", "model_not_found")
        if self.server.key is not None and sent != f"Bearer {self.server.key}":
            # Servers have been seen to send the key back.
            return self._error(401, f"Incorrect API key provided: {sent.removeprefix('Bearer ')}", "invalid_api_key")
        time.sleep(self.server.seconds)
        answer = self._embeddings(body) if self.path.endswith("embeddings") else self._completion(body)
        data = json.dumps(answer).encode()
        match self.server.fault_of(body):
            case "ok":
                self._send(200, data)
                with self.server.lock:
                    self.server.answered[digest(body)] += 1
            case "429":
                self._error(429, "slow down", "rate_limit", {"Retry-After": "0.05"})
            case "wait long":
                self._error(429, "slow down", "rate_limit", {"Retry-After": "3600"})
            case "quota":
                self._error(429, "no credit left", "insufficient_quota")
            case "302":
                self._error(302, "over there", "moved", {"Location": f"{self.server.url}/chat/completions"})
            case "500":
                self._error(500, "oh", "server_error")
            case "too few" | "twice" | "wide" | "ragged" as fault:
                self._send(200, json.dumps({"data": _damaged(answer["data"], fault)}).encode())
            case "400":
                self._error(400, f"too long; your header was {sent}", "context_length_exceeded")
            case "no choices":
                self._send(200, b'{"choices": []}')
            case "broken json":
                self._send(200, data[: len(data) // 2])
            case "half":
                self._head(200, len(data), {})
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                self.close_connection = True
            case "hang":
                self.server.released.wait(10)
                self.close_connection = True
            case "drip":
                self._head(200, len(data), {})
                for byte in data:
                    if self.server.released.wait(0.02):
                        break
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                self.close_connection = True
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
            case unknown:
                raise AssertionError(unknown)
        return None

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.server.reply(body)}
        return {
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        }

    def _embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        data = [{"index": place, "embedding": vector(text)} for place, text in enumerate(body["input"])]
        return {"data": data[::-1], "model": MODEL}

    def _error(self, status: int, message: str, code: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps({"error": {"message": message, "code": code}}).encode(), headers or {})

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, len(data), headers or {})
        self.wfile.write(data)
        self.wfile.flush()

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def _damaged(data: list[dict[str, Any]], fault: str) -> list[dict[str, Any]]:
    match fault:
        case "too few":
            return data[1:]
        case "twice":
            return [data[0], *data[:-1]]
        case "wide":
            return [entry | {"embedding": [*entry["embedding"], 0.0]} for entry in data]
        case _:
            return [data[0] | {"embedding": [1.0]}, *data[1:]]


@contextmanager
def chat_server(*arguments: Any, **options: Any) -> Iterator[ChatServer]:
    """A running server, until the block ends."""
    server = ChatServer(*arguments, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
