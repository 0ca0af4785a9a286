"""Adapter: registers the reward manager "dipo" with verl.

It differs from verl's `dapo` manager, whose work it builds on, in three points. It scores through
`reward_score.compute_score` unless the user gives a function of their own; overlong shaping touches `score` alone; and
what cannot be judged is never a zero. verl logs an exception of a reward worker and trains on without the response, so
an error travels as data instead, and the trainer stops the run with its sentence.
"""

import inspect
from functools import partial
from typing import Any

from verl import DataProto
from verl.experimental.reward_loop.reward_manager import register
from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

import reward_score
from recipe.dipo.rollouts import REWARD_ERROR_KEY


def check_verdict(verdict: Any) -> dict[str, Any]:
    """Refuses what is not a verdict.

    Args:
        verdict: What a reward function returned.

    Returns:
        The verdict, with `score` and `acc` as floats.

    Raises:
        ValueError: It is no mapping with a number `score` and an `acc` of 0 or 1.
    """
    wanted = "a reward function must return {'score': a number, 'acc': 0 or 1, ...}"
    if not isinstance(verdict, dict):
        raise ValueError(f"{wanted}, but returned {type(verdict).__name__} {verdict!r:.80}.")
    for key in ("score", "acc"):
        if key not in verdict:
            raise ValueError(f"{wanted}, but its verdict has no {key!r}, only {sorted(map(str, verdict))}.")
    acc, score = verdict["acc"], verdict["score"]
    if acc not in (0, 1):
        raise ValueError(f"{wanted}, but `acc` is {acc!r}; graded rewards belong into `score`.")
    try:
        score = float(score)
    except (TypeError, ValueError):
        raise ValueError(f"{wanted}, but `score` is {score!r:.80}.") from None
    if score != score or score in (float("inf"), float("-inf")):
        raise ValueError(f"{wanted}, but `score` is {score}.")
    return {**verdict, "score": score, "acc": float(acc)}


def overlong_penalty(response_length: int, *, max_resp_len: int, buffer_len: int, penalty_factor: float) -> float:
    """DAPO's soft overlong punishment (arXiv 2503.14476, equation 13).

    Args:
        response_length: Tokens of the response.
        max_resp_len: Tokens at which the penalty reaches `penalty_factor`.
        buffer_len: Tokens before `max_resp_len` from which it grows linearly.
        penalty_factor: Largest penalty, in units of the reward.

    Returns:
        A number of at most 0 to add to the score.
    """
    excess = response_length - (max_resp_len - buffer_len)
    return min(0.0, -excess / buffer_len * penalty_factor)


@register("dipo")
class DiPORewardManager(RewardManagerBase):
    """Scores one response at a time in verl's reward workers.

    Args:
        config: verl's configuration; `reward.reward_kwargs.{max_resp_len, overlong_buffer_cfg}` are read.
        tokenizer: The policy's tokenizer.
        compute_score: The function that verl resolved; used only where `reward.custom_reward_function` is set.
        reward_router_address: Address of a reward model's router, passed on to the function.
        reward_model_tokenizer: Tokenizer of that reward model, passed on likewise.

    Raises:
        ValueError: The overlong buffer is not between 1 and `max_resp_len` tokens.
    """

    def __init__(self, config, tokenizer, compute_score, reward_router_address=None, reward_model_tokenizer=None):
        super().__init__(config, tokenizer, compute_score)
        if not config.reward.custom_reward_function.path:
            self.compute_score = reward_score.compute_score
        self.reward_model_kwargs = (
            {}
            if reward_router_address is None
            else {"reward_router_address": reward_router_address, "reward_model_tokenizer": reward_model_tokenizer}
        )
        self.penalty = self._overlong_penalty(config.reward.reward_kwargs)

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
        """Scores the last output of one agent session.

        Args:
            data: The outputs of the session, one row each.

        Returns:
            `reward_score`, the number that is optimised, and `reward_extra_info`, the verdict with all its keys. Where
            the response could not be judged, `reward_extra_info` says why under "error".
        """
        item = data[-1:][0]
        response_length = int(item.batch["attention_mask"][-item.batch["responses"].shape[-1] :].sum())
        response_ids = item.batch["responses"][:response_length]
        try:
            verdict = check_verdict(await self._score(item, response_ids))
        except Exception as error:  # noqa: BLE001 -- a user's function may raise anything; it stops the run, see above
            return {"reward_score": 0.0, "reward_extra_info": self._report(item, error)}
        reward = verdict["score"]
        if self.penalty is not None:
            verdict["overlong_penalty"] = self.penalty(response_length)
            reward += verdict["overlong_penalty"]
        return {"reward_score": reward, "reward_extra_info": verdict}

    async def _score(self, item: Any, response_ids: Any) -> Any:
        solution_str = await self.loop.run_in_executor(
            None, partial(self.tokenizer.decode, response_ids, skip_special_tokens=True)
        )
        score = partial(
            self.compute_score,
            data_source=item.non_tensor_batch["data_source"],
            solution_str=solution_str,
            ground_truth=item.non_tensor_batch["reward_model"]["ground_truth"],
            extra_info=item.non_tensor_batch.get("extra_info", {}),
            **self.reward_model_kwargs,
        )
        if inspect.iscoroutinefunction(self.compute_score):
            return await score()
        return await self.loop.run_in_executor(None, score)

    @staticmethod
    def _report(item: Any, error: Exception) -> dict[str, Any]:
        index = (item.non_tensor_batch.get("extra_info") or {}).get("index", "unknown")
        return {
            REWARD_ERROR_KEY: (
                f"The reward of a response could not be computed (data source "
                f"{item.non_tensor_batch['data_source']!r}, row {index}): {type(error).__name__}: {error}"
            )
        }
