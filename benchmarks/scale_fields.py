"""What the controller of verl 0.9.1 moves through TransferQueue in a step, field by field.

Read off `PPOTrainer` (verl/trainer/ppo/v1/trainer_base.py) in the mode `sync` with verl's defaults, which ask vLLM for
its log-probs and compare them: `_compute_old_log_prob`, `_compute_advantage`, `_compute_metrics`; and off
groupwise/hook, whose advantage phase takes the place of verl's. Token fields travel unpadded, in the dtypes of
`AgentLoopOutput.as_dict`: int64 for tokens and masks, float32 for everything else. Dumps, critic and reference model
are off.
"""

from typing import NamedTuple

INT64, FLOAT32 = 8, 4


class Field(NamedTuple):
    """One field that is read or written once a step.

    Attributes:
        phase: Where.
        name: The field, as TransferQueue calls it.
        response_token: Bytes for each token of a response.
        prompt_token: Bytes for each token of its prompt.
        sample: What a response has in a field without tokens, None in a field of tokens.
        by_dipo: Whether it moves with DiPO alone (True), with verl's GRPO alone (False), or with both (None).
    """

    phase: str
    name: str
    response_token: int = 0
    prompt_token: int = 0
    sample: object | None = None
    by_dipo: bool | None = None


UID = "9b2f1c34-5d6e-4f70-8a91-b2c3d4e5f607"
VERDICT = {
    "reward_extra_info": {"acc": 1.0, "format": 1.0, "pred": "\\frac{12}{35}", "reason": "correct", "error": ""},
    "min_global_steps": 100,
    "max_global_steps": 100,
}
TAG = {
    "status": "success",
    "prompt_len": 100,
    "response_len": 30000,
    "seq_len": 30100,
    "global_steps": 100,
    "min_global_steps": 100,
    "max_global_steps": 100,
}

FIELDS = (
    Field("old log-probs, read", "log_probs", FLOAT32, FLOAT32),
    Field("old log-probs, read", "entropy", FLOAT32, FLOAT32),
    Field("old log-probs, read", "response_mask", INT64),
    Field("old log-probs, read", "responses", INT64),
    Field("old log-probs, read", "rollout_log_probs", FLOAT32),
    Field("old log-probs, written", "old_log_probs", FLOAT32),
    Field("old log-probs, written", "entropy", FLOAT32),
    Field("advantages, read", "uid", sample=UID, by_dipo=False),
    Field("advantages, read", "response_mask", INT64, by_dipo=False),
    Field("advantages, read", "rm_scores", FLOAT32, by_dipo=False),
    Field("advantages, read", "rollout_log_probs", FLOAT32, by_dipo=False),
    Field("advantages, read", "old_log_probs", FLOAT32, by_dipo=False),
    Field("advantages, written", "advantages", FLOAT32, by_dipo=False),
    Field("advantages, written", "returns", FLOAT32, by_dipo=False),
    Field("advantages, written", "response_mask", INT64, by_dipo=False),
    Field("DiPO's advantages, read", "response_mask", INT64, by_dipo=True),
    Field("DiPO's advantages, read", "old_log_probs", FLOAT32, by_dipo=True),
    Field("DiPO's advantages, read", "rm_scores", FLOAT32, by_dipo=True),
    Field("DiPO's advantages, read", "extra_fields", sample=VERDICT, by_dipo=True),
    Field("DiPO's advantages, read", "rollout_log_probs", FLOAT32, by_dipo=True),
    Field("DiPO's advantages, written", "advantages", FLOAT32, by_dipo=True),
    Field("DiPO's advantages, written", "returns", FLOAT32, by_dipo=True),
    Field("metrics, read", "prompts", 0, INT64),
    Field("metrics, read", "responses", INT64),
    Field("metrics, read", "response_mask", INT64),
    Field("metrics, read", "advantages", FLOAT32),
    Field("metrics, read", "returns", FLOAT32),
    Field("metrics, read", "rm_scores", FLOAT32),
    Field("metrics, read", "num_turns", sample=2),
)


class Load(NamedTuple):
    """A step.

    Attributes:
        responses: B.
        tokens: T, of the longest response, to which the controller pads.
        fill: Mean length of a response over T.
        prompt_tokens: Mean length of a prompt.
    """

    responses: int
    tokens: int
    fill: float
    prompt_tokens: int

    @property
    def generated(self) -> float:
        """Tokens of all responses."""
        return self.responses * self.tokens * self.fill


def bytes_of(field: Field, load: Load) -> float:
    """Computes what a field moves in a step.

    Args:
        field: The field.
        load: The step.

    Returns:
        Bytes, those by which TransferQueue frames each response's value included.
    """
    tokens = load.tokens * load.fill * field.response_token + load.prompt_tokens * field.prompt_token
    return load.responses * (tokens + framing_bytes(field))


def framing_bytes(field: Field) -> float:
    """Computes the bytes of a response's value beside its tokens, by TransferQueue's own serialisation."""
    # Heavy: it brings Ray.
    import torch
    from transfer_queue.utils.serial_utils import encode

    many = 100
    value = torch.zeros(8, dtype=torch.uint8) if field.sample is None else field.sample
    frames = encode([value] * many)
    payload = 8 * many if field.sample is None else 0
    # ZeroMQ puts at most 9 bytes before each frame.
    return (sum(memoryview(frame).nbytes for frame in frames) - payload + 9 * len(frames)) / many


def listing_bytes() -> float:
    """Computes the bytes of a response in `kv_list`, which the controller asks for every two seconds while it waits."""
    from transfer_queue.utils.serial_utils import encode

    many = 100
    return sum(memoryview(frame).nbytes for frame in encode({f"{UID}_{n}_0": TAG for n in range(many)})) / many
