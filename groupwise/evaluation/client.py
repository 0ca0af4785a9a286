"""Responses from vLLM's OpenAI-compatible server: token ids go in and come out, so no text is tokenized elsewhere."""

import asyncio
import resource
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, NamedTuple

import aiohttp

from groupwise.errors import GroupwiseError
from groupwise.evaluation.options import Sampling

LOOK_SECONDS: Final = 5.0
"""Between two looks at whether the server lives: it may take minutes for a long response, or hang for ever."""
PATIENCE_SECONDS: Final = 120.0
ATTEMPTS: Final = 4
"""Of a request that fails on the way, or that the server cannot take now; a seed makes its repetition the same."""
FIRST_WAIT_SECONDS: Final = 0.5
"""Before a second attempt; twice as long before each further one."""
MAY_PASS: Final = frozenset({408, 429, *range(500, 600)})
KEPT: Final = "the responses so far are kept, and the same command goes on with the others."


class Endpoint(NamedTuple):
    """A server and the model that it serves."""

    url: str  # its root, as http://127.0.0.1:8000
    models: tuple[str, ...]  # names for the model, of which it must serve one
    api_key: str = ""  # empty where it asks for none
    replicas: int = 1  # its data parallel size, where that is known


class Generated(NamedTuple):
    """One response: its token ids, those of the end included, and why it ended: "stop" or "length".

    `text` is what is judged where that is not what the token ids say: the text of a session.
    """

    token_ids: list[int]
    finish_reason: str
    text: str | None = None


class ServerError(GroupwiseError):
    """The server cannot be reached, or does not answer as it must."""


class Client:
    """Asks a server for responses, so many at a time; an async context manager, which finds the model.

    Further requests wait, in their order; after `patience` seconds without a sign of life the server is given up.
    """

    def __init__(self, endpoint: Endpoint, *, concurrency: int, patience: float = PATIENCE_SECONDS) -> None:
        self.max_model_len = 0  # tokens that a prompt may have together with its response; 0 where it does not say
        self._endpoint, self._patience = endpoint, patience
        self._model = ""
        self._room = asyncio.Semaphore(concurrency)
        # A connection is a file.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def __aenter__(self) -> "Client":
        key = self._endpoint.api_key
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0),
        )
        self._lost = asyncio.ensure_future(self._watch())
        try:
            await self._find_model()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def _find_model(self) -> None:
        answer = await self._ask("GET", "/v1/models")
        served = [model for model in answer.get("data", []) if "id" in model]
        for model in served:
            if {model["id"], model.get("root")} & {*self._endpoint.models}:
                self._model, self.max_model_len = model["id"], int(model.get("max_model_len") or 0)
                return
        raise GroupwiseError(
            f"{self._endpoint.url} must serve {self._endpoint.models[0]}, but serves "
            f"{', '.join(model['id'] for model in served) or 'nothing'}; start the server with this model, or say with "
            "--served-model which of its names stands for it."
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lost.cancel()
        await asyncio.gather(self._lost, return_exceptions=True)
        await self._http.close()

    def check_context(self, prompt: int, response: int) -> None:
        """Raises a GroupwiseError where a prompt and its response have more tokens than the server takes."""
        if prompt + response > self.max_model_len > 0:
            raise GroupwiseError(
                f"Prompt and response must fit into the {self.max_model_len} tokens that {self._endpoint.url} takes, "
                f"but a prompt has {prompt} and --max-tokens is {response}; lower --max-tokens, leave such prompts out "
                "(--skip-overlong --max-prompt-length), or serve with a higher --max-model-len."
            )

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, session: int | None = None
    ) -> Generated:
        """Asks for one response; the same `seed` gives the same one, as far as the server's kernels allow.

        `session` is a number that requests with a common beginning share, so that one replica, which has it cached,
        answers them.

        Raises:
            GroupwiseError: Prompt and response are longer than the server takes, or it refused them.
            ServerError: It could not be reached, or lost its engine.
        """
        self.check_context(len(prompt_ids), sampling.max_tokens)
        replica = None if session is None or self._endpoint.replicas < 2 else session % self._endpoint.replicas
        request = {
            "model": self._model,
            "prompt": list(prompt_ids),
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            # A server may take other defaults from the model's generation_config.json.
            **{"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0},
            "return_token_ids": True,
            **({"seed": seed} if sampling.temperature > 0 else {}),
        }
        headers = {} if replica is None else {"X-data-parallel-rank": str(replica)}
        async with self._room:
            answer = await self._ask("POST", "/v1/completions", json=request, headers=headers)
        choice = (answer.get("choices") or [{}])[0]
        token_ids, reason = choice.get("token_ids"), choice.get("finish_reason")
        if token_ids is None or reason not in ("stop", "length"):
            raise ServerError(
                f"{self._endpoint.url} must be vLLM's server and end a response by itself or at --max-tokens, but "
                f"{'gives no token ids' if token_ids is None else f'ended one with {reason!r}'}; see its log."
            )
        if reason == "length" and len(token_ids) < sampling.max_tokens:
            raise GroupwiseError(
                f"{self._endpoint.url} must let a response have {sampling.max_tokens} tokens, but cut one off after "
                f"{len(token_ids)}; start it with --generation-config vllm, or lower --max-tokens."
            )
        return Generated(token_ids, reason)

    async def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Waits for an answer, but not longer than the server lives."""
        asked = asyncio.ensure_future(self._try(method, path, request))
        try:
            await asyncio.wait((asked, self._lost), return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                self._lost.result()
            return await asked
        finally:
            asked.cancel()

    async def _try(self, method: str, path: str, request: dict[str, Any]) -> dict[str, Any]:
        for attempt in range(ATTEMPTS):
            await asyncio.sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1) if attempt else 0)
            try:
                async with self._http.request(method, f"{self._endpoint.url}{path}", **request) as reply:
                    if reply.ok:
                        return await reply.json()
                    said = f"refused a request: {reply.status} {' '.join((await reply.text()).split())[:500]}"
                    if reply.status == HTTPStatus.UNAUTHORIZED:
                        said += " (its key must be in VLLM_API_KEY)"
                    if reply.status not in MAY_PASS:
                        break
            except (aiohttp.ClientError, OSError, ValueError) as error:
                said = f"must answer, but does not: {str(error) or type(error).__name__}"
        raise ServerError(f"{self._endpoint.url} {said}; {KEPT}")

    async def _watch(self) -> None:
        last = asyncio.get_running_loop().time()
        patience = aiohttp.ClientTimeout(total=self._patience / 2)
        while (quiet := asyncio.get_running_loop().time() - last) < self._patience:
            await asyncio.sleep(min(LOOK_SECONDS, self._patience / 4))
            with suppress(aiohttp.ClientError, OSError, TimeoutError, asyncio.TimeoutError):
                async with self._http.get(f"{self._endpoint.url}/health", timeout=patience) as reply:
                    # 503: its engine is dead. A gateway may know no such page, and still live.
                    if reply.status < 500:
                        last = asyncio.get_running_loop().time()
        raise ServerError(f"{self._endpoint.url} must answer, but gave no sign of life for {quiet:.0f} s; {KEPT}")
