"""Adapter: registers the reward manager "groupwise" with verl.

It differs from verl's `dapo` manager, whose work it builds on, in three points. It scores through
`reward_score.compute_score` unless the user gives a function of their own; overlong shaping touches `score` alone; and
what cannot be judged is never silently a zero. verl logs an exception of a reward worker and trains on without the
response, so a failure travels as data instead: the worker logs it with its row, and the trainer counts it.

Every verdict has `reason` and `error` beside what the reward function returned, so that all of a run have the same
keys, on which verl relies. Where a custom function that returns further keys failed, those are missing; verl's V1
trainers fill them with None.
"""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from omegaconf import OmegaConf
from verl import DataProto
from verl.experimental.reward_loop.reward_manager import register
from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

import reward_score
from groupwise.config import RewardConfig
from groupwise.hook.scoring_threads import OverdueError, ScoringThreads, await_within
from groupwise.hook.verdicts import (
    MAX_REASON_CHARS,
    REWARD_ERROR_KEY,
    TIMEOUT,
    UNKNOWN_DATA_SOURCE,
    VERIFIER_ERROR,
    FailureLog,
    check_verdict,
    describe_failure,
    failure_word,
    one_line,
)
from groupwise.names import REWARD_MANAGER, SESSION_LOOP, SESSION_TEXT, SESSIONS

OWN_TIMEOUT_S: Final = 120.0
"""A net under reward_score, which bounds itself: about 2 seconds a verdict, two at a time for up to 32 threads, and 60
for a process to start (reward_score/sandbox/guard.py, slot.py). Only a fault there can reach it.
"""


class UnknownSourceError(Exception):
    """No verifier is registered for a data source: the configuration is at fault, not a row."""


def judge(**arguments: Any) -> Any:
    """Calls reward_score's compute_score, whose only LookupError is that of an unknown data source."""
    try:
        return reward_score.compute_score(**arguments)
    except LookupError as error:
        raise UnknownSourceError(str(error)) from error


def with_prompt(row: Mapping[str, Any]) -> Any:
    """Gives a row's extra_info, with the prompt's last message as `prompt_text` where it does not say the question.

    The verifiers of math hold an answer against the prompt (`reward_score.math.question`), which verl carries along.
    """
    extra_info = row.get("extra_info", {})
    messages = row.get("raw_prompt")
    if not isinstance(extra_info, Mapping) or extra_info.get("question") or messages is None or not len(messages):
        return extra_info
    content = messages[-1].get("content") if isinstance(messages[-1], Mapping) else None
    return {**extra_info, "prompt_text": content} if isinstance(content, str) else extra_info


def overlong_penalty(response_length: int, *, max_resp_len: int, buffer_len: int, penalty_factor: float) -> float:
    """DAPO's soft overlong punishment (arXiv 2503.14476, equation 13): a number of at most 0 to add to the score.

    It grows linearly over the last `buffer_len` tokens before `max_resp_len`, where it reaches `penalty_factor`.
    """
    excess = response_length - (max_resp_len - buffer_len)
    return min(0.0, -excess / buffer_len * penalty_factor)


@register(REWARD_MANAGER)
class GroupwiseRewardManager(RewardManagerBase):
    """Scores one response at a time in verl's reward workers.

    `compute_score`, as verl resolved it, is used only where `reward.custom_reward_function` is set: a coroutine
    function is awaited on the event loop, any other is called in a thread. What a reward model needs is passed on.

    Raises:
        ValueError: A key of `reward.reward_kwargs` is unknown, missing or out of range, or the overlong buffer is not
            between 1 and `max_resp_len` tokens.
    """

    def __init__(self, config, tokenizer, compute_score, reward_router_address=None, reward_model_tokenizer=None):
        super().__init__(config, tokenizer, compute_score)
        settings = RewardConfig.from_mapping(OmegaConf.to_container(config.reward.reward_kwargs, resolve=True))
        self.is_custom = is_custom = bool(config.reward.custom_reward_function.path)
        if not is_custom:
            self.compute_score = partial(judge, **settings.verifier_options)
        self.zeros = {"score": 0.0, "acc": 0.0} | ({} if is_custom else {"format": 0.0, "pred": ""})
        self.reward_model_kwargs = (
            {}
            if reward_router_address is None
            else {"reward_router_address": reward_router_address, "reward_model_tokenizer": reward_model_tokenizer}
        )
        self.penalty = self._overlong_penalty(config.reward.reward_kwargs)
        self.threads = ScoringThreads(timeout_s=settings.timeout_s if is_custom else OWN_TIMEOUT_S)
        self.failure_log = FailureLog()

    @staticmethod
    def _overlong_penalty(reward_kwargs):
        overlong = reward_kwargs.overlong_buffer_cfg
        if not overlong.enable:
            return None
        if not 0 < overlong.len <= reward_kwargs.max_resp_len:
            raise ValueError(
                "reward.reward_kwargs.overlong_buffer_cfg.len must be between 1 and max_resp_len "
                f"({reward_kwargs.max_resp_len}), but is {overlong.len}."
            )
        return partial(
            overlong_penalty,
            max_resp_len=reward_kwargs.max_resp_len,
            buffer_len=overlong.len,
            penalty_factor=overlong.penalty_factor,
        )

    async def run_single(self, data: DataProto) -> dict[str, Any]:
        """Scores the last output of one agent session, whose outputs are the rows of `data`.

        Returns:
            `reward_score`, the number that is optimised, and `reward_extra_info`, the verdict with all its keys, its
            `reason` and `error`. Where the response could not be judged, `error` is a sentence that names the row, and
            the reward is 0, without shaping.
        """
        item = data[-1:][0]
        response_length = int(item.batch["attention_mask"][-item.batch["responses"].shape[-1] :].sum())
        verdict = await self._verdict(item, item.batch["responses"][:response_length])
        reward = verdict["score"]
        if self.penalty is not None:
            # A penalty alone would give a response that was not judged a gradient of its own.
            verdict["overlong_penalty"] = 0.0 if verdict[REWARD_ERROR_KEY] else self.penalty(response_length)
            reward += verdict["overlong_penalty"]
        return {"reward_score": reward, "reward_extra_info": verdict}

    async def _verdict(self, item: Any, response_ids: Any) -> dict[str, Any]:
        try:
            verdict = check_verdict(await self._score(item, response_ids))
            verdict.setdefault("reason", "")
        except OverdueError as error:
            verdict = self._zero(TIMEOUT, str(error))
        except UnknownSourceError as error:
            verdict = self._zero(UNKNOWN_DATA_SOURCE, str(error)) | {REWARD_ERROR_KEY: str(error)}
        except Exception as error:  # noqa: BLE001 -- a user's function may raise anything; it is counted, see above
            verdict = self._zero(VERIFIER_ERROR, f"{type(error).__name__}: {error}")
        # A custom function may say under "error", too, that it could not judge.
        said = verdict.get(REWARD_ERROR_KEY)
        if failure_word(verdict["reason"]) is None and not said:
            return {**verdict, REWARD_ERROR_KEY: ""}
        sentence = describe_failure(item.non_tensor_batch, str(said or verdict["reason"]))
        self.failure_log.add(sentence)
        return {**verdict, "score": 0.0, "acc": 0.0, REWARD_ERROR_KEY: sentence}

    def _zero(self, word: str, detail: str) -> dict[str, Any]:
        return {**self.zeros, "reason": one_line(f"{word}: {detail}", MAX_REASON_CHARS)}

    async def _score(self, item: Any, response_ids: Any) -> Any:
        row = item.non_tensor_batch
        arguments = {
            "data_source": row["data_source"],
            "ground_truth": row["reward_model"]["ground_truth"],
            "extra_info": row.get("extra_info", {}) if self.is_custom else with_prompt(row),
            **self.reward_model_kwargs,
        }
        decode = partial(self.tokenizer.decode, response_ids, skip_special_tokens=True)
        if str(row["data_source"]).startswith(SESSIONS) and not self.is_custom:
            session = row.get("tool_extra_fields", {}).get(SESSION_TEXT)
            if session is None:
                raise ValueError(
                    f"a row of {row['data_source']} must be answered by a session, but was by one response; set "
                    f"actor_rollout_ref.rollout.agent.default_agent_loop={SESSION_LOOP}"
                )
            decode = partial(str, session)
        if inspect.iscoroutinefunction(self.compute_score):
            solution_str = await self.threads.run(decode)
            return await await_within(
                self.compute_score(solution_str=solution_str, **arguments), self.threads.timeout_s
            )
        return await self.threads.run(lambda: self.compute_score(solution_str=decode(), **arguments))
