"""Sessions of BFCL's multi-turn categories: the model is asked turn by turn, and what it calls is run and told to it.

As bfcl-eval's handlers do it: a turn goes on while the model makes calls and ends with a step that has none or cannot
be read, functions that were held back are offered in their turn, and a turn of more than 20 steps ends the session,
which is then wrong. Here a session also ends, and is wrong, where its prompt no longer fits or its calls take too long;
the reason is kept.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from data_prep.bfcl_evaluated import shown_documents
from data_prep.tool_prompts import TOOL_STYLES, SessionMessage
from groupwise.errors import GroupwiseError
from groupwise.evaluation.client import Client, Generated
from groupwise.evaluation.options import Sampling
from groupwise.names import SESSIONS
from reward_score.sandbox.protocol import (
    WorkerCrashError,
    WorkerError,
    WorkerMemoryError,
    WorkerTimeoutError,
    WorkerUnavailableError,
)
from reward_score.sandbox.worker import WorkerPool
from reward_score.tool_calls.evaluated import REFUSED, call_text, call_texts, read_entry, read_step
from reward_score.tool_calls.json import Call
from reward_score.verdict import GroundTruthError

MAX_STEPS: Final = 20
TOO_LONG: Final = "prompt too long"
TOO_MANY: Final = f"more than {MAX_STEPS} steps in a turn"
NOT_RUN: Final = "calls not run"
TOKENS: Final = 32_768
"""Of a session, in a server that is started here; Qwen2.5-Instruct's, and no more than the model's."""
AT_A_TIME: Final = 64
STEP_BITS: Final = 24
"""A step's seed is the session's and its number, above the number of the sample."""
MORE_FUNCTIONS: Final = "I have updated some more functions you can choose from. What about now?"

CPU_SECONDS: Final = 5.0
"""Of one step's calls and those before it; power(7, 10**7) takes 20."""
WALL_SECONDS: Final = 60.0
MEMORY_BYTES: Final = 1 << 30
PROCESSES: Final = 2

_WHY: Final = {
    WorkerTimeoutError: f"more than {CPU_SECONDS:g} s",
    WorkerMemoryError: f"more than {MEMORY_BYTES >> 30} GiB",
    WorkerCrashError: "their process died",
}

Ask = Callable[[Sequence[Mapping[str, str]], int], Awaitable[Generated | None]]
"""Gives a response to chat messages in the session's step of this number, None where prompt and response do not fit."""


def is_session(row: Mapping[str, Any]) -> bool:
    """Says whether a row of data is answered by a session."""
    return row["data_source"].startswith(SESSIONS)


class Executor:
    """Runs the calls of an evaluation's sessions in processes that can be killed."""

    def __init__(self) -> None:
        self._pool = WorkerPool(
            "reward_score.tool_calls.evaluated:run",
            size=PROCESSES,
            wall_seconds=WALL_SECONDS,
            cpu_seconds=CPU_SECONDS,
            memory_bytes=MEMORY_BYTES,
        )

    def close(self) -> None:
        """Ends the processes."""
        self._pool.close()

    async def run(self, ground_truth: str, steps: Sequence[Sequence[str]]) -> list[str]:
        """Gives what the calls of the last step return, after those of the steps before.

        Raises:
            WorkerError: They took too long, too much memory, or their process died.
            GroupwiseError: No process can be had.
        """
        try:
            return await asyncio.to_thread(self._pool.call, (ground_truth, steps))
        except WorkerUnavailableError as error:
            raise GroupwiseError(f"A process must be had to run a session's calls in, but {error}") from error


class Sessions:
    """Holds the sessions of an evaluation, so many at a time that what a server remembers of them stays.

    `tokenize` gives the token ids of conversations, `formats` are those of tool calls that are read.
    """

    def __init__(self, tokenizer: Any, tokenize: Callable[..., list[list[int]]], formats: Sequence[str]) -> None:
        self.executor = Executor()
        self._tokenizer, self._tokenize, self._formats = tokenizer, tokenize, formats
        self._room = asyncio.Semaphore(AT_A_TIME)
        # One: a tokenizer is not to be used by two threads, and this one must not hold the others up.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tokenize")

    def close(self) -> None:
        """Ends its processes."""
        self.executor.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def hold(self, row: Mapping[str, Any], client: Client, sampling: Sampling, seed: int) -> Generated:
        """Holds a session; the same seed gives the same one."""

        async def ask(messages: Sequence[Mapping[str, str]], step: int) -> Generated | None:
            loop = asyncio.get_running_loop()
            (prompt_ids,) = await loop.run_in_executor(self._thread, self._tokenize, [messages])
            if len(prompt_ids) + sampling.max_tokens > client.max_model_len > 0:
                return None
            found = await client.generate(prompt_ids, sampling, seed + (step << STEP_BITS), session=seed)
            return found._replace(text=self._tokenizer.decode(found.token_ids, skip_special_tokens=True))

        try:
            session = Session(row, self._formats, ask, self.executor)
        except (GroundTruthError, KeyError) as error:
            raise GroupwiseError(
                f"A multi-turn row must be as data_prep.bfcl writes it, but {(row.get('extra_info') or {}).get('id')} "
                f"is not ({error}); prepare the data again."
            ) from error
        async with self._room:
            return await session.run()


class Session:
    """One session, of a row of the data."""

    def __init__(self, row: Mapping[str, Any], formats: Sequence[str], ask: Ask, executor: Executor) -> None:
        self._ground_truth: str = row["reward_model"]["ground_truth"]
        self._entry = read_entry(self._ground_truth)
        self._extra_info, self._formats, self._ask, self._executor = row["extra_info"], formats, ask, executor
        self._style = TOOL_STYLES[self._extra_info["prompt_style"]]
        self._functions = list(self._entry["functions"])
        if self._style.as_handler:
            self._functions = shown_documents(self._functions, self._entry["category"])
        self._messages: list[SessionMessage] = []
        self._calls: list[list[str]] = []
        self._turns: list[list[dict[str, Any]]] = []
        self._tokens: list[int] = []
        self._finish_reason = "stop"

    @property
    def steps(self) -> int:
        """How many responses the model has given."""
        return sum(map(len, self._turns))

    async def run(self) -> Generated:
        """Gives all that the model wrote, as the text that `reward_score` judges; "length" where a step was cut off."""
        ended = ""
        for number, messages in enumerate(self._entry["question"]):
            for message in messages or self._offer(self._entry["missed_functions"].get(str(number), ())):
                self._add(message["role"], message["content"])
            self._turns.append([])
            ended = await self._run_turn()
            if ended:
                break
        text = json.dumps({"turns": self._turns, "ended": ended}, ensure_ascii=False)
        return Generated(self._tokens, self._finish_reason, text)

    def _offer(self, missed: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
        if self._style.as_handler:
            return [{"role": "user", "content": f"{list(missed)}\n{MORE_FUNCTIONS}"}]
        self._functions += missed
        return [{"role": "user", "content": MORE_FUNCTIONS}]

    def _add(self, role: str, content: str, call: str = "") -> None:
        self._messages.append({"role": role, "content": content, "call": call})

    async def _run_turn(self) -> str:
        """Goes on until the model makes no call; why the session ends, "" if it does not."""
        while True:
            prompt = self._style.session(self._messages, self._functions)
            generated = await self._ask(prompt, self.steps)
            if generated is None:
                return TOO_LONG
            if generated.finish_reason != "stop":
                self._finish_reason = generated.finish_reason
            response = generated.text or ""
            self._tokens += generated.token_ids
            self._add("assistant", response)
            step = {"response": response, "results": []}
            self._turns[-1].append(step)
            calls = read_step(response, self._extra_info, self._formats).calls
            if not calls:
                return ""
            if len(self._turns[-1]) > MAX_STEPS:
                return TOO_MANY
            try:
                step["results"] = await self._results(calls)
            except WorkerError as error:
                return f"{NOT_RUN}: {_WHY.get(type(error), str(error))}"

    async def _results(self, calls: Sequence[Call]) -> list[str]:
        texts = call_texts(self._entry, calls)
        self._calls.append(texts)
        results = await self._executor.run(self._ground_truth, self._calls)
        for place, (call, text) in enumerate(zip(calls, texts, strict=True)):
            if text == REFUSED:
                results[place] = f"Error during execution: name {call.name[:100]!r} is not defined"
            self._add("tool", results[place], call_text(call))
        return results
