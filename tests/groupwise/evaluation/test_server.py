"""A server's start and end, with stand-ins for vLLM's that answer, fail and hang."""

import os
import signal
import sys
import textwrap
import time
import types
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import verl.plugin.platform

from groupwise.errors import GroupwiseError
from groupwise.evaluation.client import ServerError
from groupwise.evaluation.server import _free_port, _start, count_replicas, server_options, serving

HEALTHY = """
    import http.server, os, subprocess, sys

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            self.send_response(200)
            self.end_headers()

    # Without a `close_fds`, as vLLM's engine process has what its parent has.
    subprocess.Popen(["sleep", "300"], close_fds=False)
    print(*sys.argv[1:], os.environ["VLLM_API_KEY"], flush=True)
    port = int(sys.argv[sys.argv.index("--port") + 1])
    http.server.HTTPServer((sys.argv[sys.argv.index("--host") + 1], port), Handler).serve_forever()
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a program in the place of vLLM's server."""

    def serve(program: str, **options):
        (tmp_path / "program.py").write_text(textwrap.dedent(program))
        return serving(
            Path("/m"),
            max_model_len=100,
            log=log,
            options=options,
            server=(sys.executable, str(tmp_path / "program.py")),
        )

    log = tmp_path / "server.log"
    return serve


def group_of(log: Path) -> list[psutil.Process]:
    """The processes of the server that writes to a log, and of all that it started."""
    return [each for each in psutil.process_iter() if log in {Path(file) for file in open_files(each)}]


def open_files(process: psutil.Process) -> list[str]:
    try:
        return [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in (1, 2)]
    except OSError:
        return []


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def gone(log: Path) -> bool:
    return wait_for(lambda: not group_of(log))


def test_a_server_is_told_its_options_and_ended_with_all_that_it_started(start, tmp_path):
    with start(HEALTHY, dtype="float32", enforce_eager=True, enable_log=False, kv_cache=2**30) as endpoint:
        # The server, what it started, the guard and its cat.
        assert len(group_of(tmp_path / "server.log")) >= 3
    *told, key = (tmp_path / "server.log").read_text().split()
    assert endpoint.url.startswith("http://127.0.0.1:")
    assert (endpoint.models, endpoint.api_key) == (("/m",), key)
    assert " ".join(told).endswith("--dtype float32 --enforce-eager --no-enable-log --kv-cache 1073741824")
    assert "--model /m --host 127.0.0.1" in " ".join(told)
    assert key not in told
    assert gone(tmp_path / "server.log")


def test_an_option_of_the_user_comes_first(start, tmp_path):
    with start(HEALTHY, max_model_len=50, data_parallel_size=2, port=_free_port()) as endpoint:
        told = (tmp_path / "server.log").read_text()
    assert f"--port {endpoint.url.rpartition(':')[2]} " in told
    assert "--max-model-len 50 " in told
    assert told.count("--max-model-len") == 1


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (
            "raise ValueError('too long')",
            r"exit code 1\); .* goes on with the others. Its log is .*server.log. It says: ValueError: too long",
        ),
        ("import os; os.kill(os.getpid(), 9)", "signal 9, as for want of memory"),
    ],
)
def test_a_server_that_does_not_come_up_is_a_sentence(start, program, sentence):
    with pytest.raises(GroupwiseError, match=sentence), start(program):
        pytest.fail("it came up")


def test_what_ended_a_server_in_the_middle_is_told(start, tmp_path):
    def lose():
        with start(HEALTHY):
            min(group_of(tmp_path / "server.log"), key=lambda each: each.create_time()).kill()
            raise ServerError("cannot be reached")

    with pytest.raises(GroupwiseError, match=r"ended before it was done \(signal 9, as for want of memory"):
        lose()
    assert gone(tmp_path / "server.log")


def test_an_interruption_ends_it(start, tmp_path):
    with pytest.raises(KeyboardInterrupt), start(HEALTHY):
        raise KeyboardInterrupt
    assert gone(tmp_path / "server.log")


def test_a_server_whose_parent_is_gone_ends(tmp_path):
    log = tmp_path / "log"
    process = _start(["sh", "-c", "sleep 300 & sleep 300"], {"PATH": os.environ["PATH"]}, log)
    # The two, the guard and its cat.
    assert wait_for(lambda: len(group_of(log)) >= 4)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == -signal.SIGKILL
    assert gone(log)


@pytest.fixture
def machine(monkeypatch) -> types.SimpleNamespace:
    """A machine with four GPUs, as verl's platform describes one."""
    platform = types.SimpleNamespace(device_name="cuda", device_count=lambda: 4)
    monkeypatch.setattr(verl.plugin.platform, "get_platform", lambda: platform)
    return platform


@pytest.mark.parametrize(
    ("asked", "size", "expected"), [(None, 1, 4), (None, 2, 2), (None, 3, 1), (2, 1, 2), (1, 4, 1)]
)
def test_gpus_are_divided_among_replicas(machine, asked, size, expected):
    assert count_replicas(asked, tensor_parallel_size=size) == expected


@pytest.mark.parametrize(("asked", "size", "needed"), [(5, 1, 5), (None, 8, 8), (2, 4, 8)])
def test_more_gpus_than_there_are_is_refused(machine, asked, size, needed):
    with pytest.raises(GroupwiseError, match=f"needs {needed} GPUs, but 4 are visible"):
        count_replicas(asked, tensor_parallel_size=size)


@pytest.mark.parametrize(("asked", "expected"), [(None, 1), (2, 2)])
def test_a_cpu_has_as_many_replicas_as_asked_for(machine, asked, expected):
    machine.device_name = "cpu"
    assert count_replicas(asked, tensor_parallel_size=1) == expected


def test_the_precision_is_that_of_training(machine):
    assert server_options(gpu_memory_utilization=0.85) == {"dtype": "bfloat16", "gpu_memory_utilization": 0.85}
    machine.device_name = "cpu"
    assert server_options(gpu_memory_utilization=0.85) == {
        **{"dtype": "float32", "enforce_eager": True, "kv_cache_memory_bytes": 2**30}
    }
