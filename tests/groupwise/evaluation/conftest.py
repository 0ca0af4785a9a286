"""A stand-in for vLLM's server, which answers over HTTP in threads of the test's own process."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class StandIn(ThreadingHTTPServer):
    """Serves `/health`, `/v1/models` and `/v1/completions`; a test changes its attributes.

    Attributes:
        models: What `/v1/models` lists.
        complete: Gives the token ids and the reason of the end for a request's JSON, a status to refuse it with, or
            None to end the connection.
        healthy: Status of `/health`.
        asked: The requests' JSON, in the order of their arrival, each with its headers under "headers".
    """

    def __init__(self, complete: Callable[[dict[str, Any]], tuple[list[int], str] | int | None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.models = [{"id": "tiny", "object": "model", "root": "/models/tiny", "max_model_len": 1024}]
        self.complete, self.healthy = complete, 200
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is no fault."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def reply(self, body: object, status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path == "/health":
            self.reply({}, self.server.healthy)
        else:
            self.reply({"object": "list", "data": self.server.models})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({**request, "headers": self.headers})
        answer = self.server.complete(request)
        if answer is None:
            self.close_connection = True
            return
        if isinstance(answer, int):
            self.reply({"error": {"message": "it is refused"}}, answer)
            return
        token_ids, reason = answer
        choice = {"index": 0, "text": "", "finish_reason": reason, "token_ids": token_ids}
        self.reply({"id": "0", "object": "text_completion", "created": 0, "model": "tiny", "choices": [choice]})

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def stand_in(monkeypatch) -> Iterator[StandIn]:
    """A server that answers with the prompt's tokens; a test may change how. What fails is tried again at once."""
    monkeypatch.setattr("groupwise.evaluation.client.FIRST_WAIT_SECONDS", 0.01)
    with StandIn(lambda request: (request["prompt"], "stop")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
