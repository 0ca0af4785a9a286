"""Adapter: an agent loop of verl's that holds BFCL's multi-turn sessions in a validation (`bfcl_sessions`).

Rows of other kinds get one response, as from verl's own loop for single turns. A session is judged by the text that it
leaves in `extra_fields`, which verl passes on to the reward manager; the tokens that are kept, the model's own of all
steps one after another, are for the dumps. Nothing here is for training, whose rows data_prep never makes of sessions.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopOutput
from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop
from verl.utils.profiler import simple_timer

from groupwise.evaluation.client import Generated
from groupwise.evaluation.sessions import Executor, Session, is_session
from groupwise.names import SESSION_TEXT

CUT_OFF: Final = "length"

executor = cache(Executor)
"""One in each process of verl's agent loops, whose end ends its processes."""


class SessionLoop(SingleTurnAgentLoop):
    """Holds a session for a row of a multi-turn category; any other row is left to verl's loop."""

    async def run(self, sampling_params: dict[str, Any], priority: int = 0, **kwargs: Any) -> AgentLoopOutput:
        """Gives the output of a row."""
        if not is_session(kwargs):
            return await super().run(sampling_params, priority, **kwargs)
        limit = self.rollout_config.max_model_len or self.prompt_length + self.response_length
        formats = self.config.reward.reward_kwargs.verifier.formats
        first: list[int] = []
        log_probs: list[float] = []
        # One name for all steps: verl sends them to the same replica, which has their beginning in its cache.
        name = uuid4().hex

        async def ask(messages: Sequence[Mapping[str, str]], step: int) -> Generated | None:
            prompt_ids = await self.ct_build_initial_tokens([*map(dict, messages)])
            first.extend(prompt_ids if step == 0 else [])
            if len(prompt_ids) + self.response_length > limit:
                return None
            found = await self.server_manager.generate(
                request_id=name, prompt_ids=prompt_ids, sampling_params=dict(sampling_params), priority=int(priority)
            )
            log_probs.extend(found.log_probs or [])
            reason = CUT_OFF if len(found.token_ids) >= self.response_length else "stop"
            text = self.tokenizer.decode(found.token_ids, skip_special_tokens=True)
            return Generated(found.token_ids, reason, text)

        metrics: dict[str, Any] = {"num_preempted": -1}
        with simple_timer("generate_sequences", metrics):
            session = Session(kwargs, formats, ask, executor())
            held = await session.run()
        # verl keeps no response without a token, as of a session whose first prompt is too long.
        tokens = held.token_ids[: self.response_length] or [self.tokenizer.eos_token_id]
        return AgentLoopOutput(
            prompt_ids=first,
            response_ids=tokens,
            response_mask=[1] * len(tokens),
            response_logprobs=(log_probs or [0.0])[: len(tokens)] if sampling_params.get("logprobs") else None,
            num_turns=2 * session.steps,
            metrics=metrics,
            extra_fields={SESSION_TEXT: held.text, "turn_scores": [], "tool_rewards": []},
        )
