"""Responses from vLLM's OpenAI-compatible server: token ids go in and come out, so no text is tokenized elsewhere."""

import asyncio
import resource
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Final, NamedTuple, TypeVar

import httpx
import openai

from groupwise.errors import GroupwiseError
from groupwise.evaluation.options import Sampling

LOOK_SECONDS: Final = 5.0
"""Between two looks at whether the server lives: it may take minutes for a long response, or hang for ever."""
PATIENCE_SECONDS: Final = 120.0
ATTEMPTS: Final = 4
"""Of a request that fails on the way, or that the server cannot take now; a seed makes its repetition the same."""

Result = TypeVar("Result")


class Endpoint(NamedTuple):
    """A server and the model that it serves.

    Attributes:
        url: Its root, as http://127.0.0.1:8000.
        models: Names for the model, of which it must serve one.
        api_key: What it asks for; empty where it asks for none.
        replicas: Its data parallel size, where that is known.
    """

    url: str
    models: tuple[str, ...]
    api_key: str = ""
    replicas: int = 1


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

    Attributes:
        max_model_len: Tokens that a prompt may have together with its response.

    Args:
        endpoint: The server.
        concurrency: Requests that are under way at a time; further ones wait, in their order.
        patience: Seconds without a sign of life after which the server is given up.
    """

    def __init__(self, endpoint: Endpoint, *, concurrency: int, patience: float = PATIENCE_SECONDS) -> None:
        self.max_model_len = 0
        self._endpoint, self._patience = endpoint, patience
        self._model = ""
        self._room = asyncio.Semaphore(concurrency)
        # A connection is a file.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        # A proxy, which trust_env would take from the environment, has no business between the two.
        self._http = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=concurrency),
            timeout=httpx.Timeout(None, connect=min(patience, 10.0)),
            trust_env=False,
        )
        self._openai = openai.AsyncOpenAI(
            base_url=f"{endpoint.url}/v1",
            api_key=endpoint.api_key or "none",
            max_retries=ATTEMPTS - 1,
            timeout=self._http.timeout,
            http_client=self._http,
        )

    async def __aenter__(self) -> "Client":
        self._lost = asyncio.ensure_future(self._watch())
        try:
            served = (await self._answer(self._openai.models.list())).data
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        for model in served:
            details = model.model_extra or {}
            if {model.id, details.get("root")} & {*self._endpoint.models}:
                self._model, self.max_model_len = model.id, int(details.get("max_model_len") or 0)
                return self
        await self.__aexit__(None, None, None)
        raise GroupwiseError(
            f"{self._endpoint.url} must serve {self._endpoint.models[0]}, but serves "
            f"{', '.join(model.id for model in served) or 'nothing'}; start the server with this model, or say with "
            "--served-model which of its names stands for it."
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lost.cancel()
        await asyncio.gather(self._lost, return_exceptions=True)
        await self._openai.close()

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, session: int | None = None
    ) -> Generated:
        """Asks for one response.

        Args:
            prompt_ids: (P,) token ids.
            sampling: How it is sampled; `samples` and `seed` are not read.
            seed: Of this response; the same one gives the same response, as far as the server's kernels allow.
            session: A number that requests with a common beginning share, so that one replica, which has it cached,
                answers them.

        Returns:
            The response.

        Raises:
            GroupwiseError: Prompt and response are longer than the server takes, or it refused them.
            ServerError: It could not be reached, or lost its engine.
        """
        if len(prompt_ids) + sampling.max_tokens > self.max_model_len > 0:
            raise GroupwiseError(
                f"Prompt and response must fit into the {self.max_model_len} tokens that {self._endpoint.url} takes, "
                f"but a prompt has {len(prompt_ids)} and --max-tokens is {sampling.max_tokens}; lower --max-tokens, "
                "leave such prompts out (--skip-overlong --max-prompt-length), or serve with a higher --max-model-len."
            )
        replica = None if session is None or self._endpoint.replicas < 2 else session % self._endpoint.replicas
        async with self._room:
            completion = await self._answer(
                self._openai.completions.create(
                    model=self._model,
                    prompt=list(prompt_ids),
                    max_tokens=sampling.max_tokens,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    seed=seed if sampling.temperature > 0 else openai.omit,
                    # A server may take other defaults from the model's generation_config.json.
                    extra_body={"return_token_ids": True, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0},
                    extra_headers={} if replica is None else {"X-data-parallel-rank": str(replica)},
                )
            )
        choice = completion.choices[0]
        token_ids = (choice.model_extra or {}).get("token_ids")
        if token_ids is None or choice.finish_reason not in ("stop", "length"):
            raise ServerError(
                f"{self._endpoint.url} must be vLLM's server and end a response by itself or at --max-tokens, but "
                f"{'gives no token ids' if token_ids is None else f'ended one with {choice.finish_reason!r}'}; see its "
                "log."
            )
        if choice.finish_reason == "length" and len(token_ids) < sampling.max_tokens:
            raise GroupwiseError(
                f"{self._endpoint.url} must let a response have {sampling.max_tokens} tokens, but cut one off after "
                f"{len(token_ids)}; start it with --generation-config vllm, or lower --max-tokens."
            )
        return Generated(list(token_ids), choice.finish_reason)

    async def _answer(self, request: Awaitable[Result]) -> Result:
        """Waits for an answer, but not longer than the server lives."""
        asked = asyncio.ensure_future(request)
        try:
            await asyncio.wait((asked, self._lost), return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                self._lost.result()
            return await asked
        except openai.APIConnectionError as error:
            raise ServerError(
                f"{self._endpoint.url} must answer, but cannot be reached: {error.__cause__ or error}. See its log."
            ) from error
        except openai.APIStatusError as error:
            said = " ".join(str(error).split())[:500]
            raise ServerError(f"{self._endpoint.url} refused a request: {said}. See its log.") from error
        finally:
            asked.cancel()

    async def _watch(self) -> None:
        last = asyncio.get_running_loop().time()
        while (quiet := asyncio.get_running_loop().time() - last) < self._patience:
            await asyncio.sleep(min(LOOK_SECONDS, self._patience / 4))
            try:
                answer = await self._http.get(f"{self._endpoint.url}/health", timeout=self._patience / 2)
            except httpx.HTTPError:
                continue
            # 503: its engine is dead. A gateway may know no such page, and still live.
            if answer.status_code < 500:
                last = asyncio.get_running_loop().time()
        raise ServerError(f"{self._endpoint.url} must answer, but gave no sign of life for {quiet:.0f} s. See its log.")
