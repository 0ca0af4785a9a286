import subprocess
from types import SimpleNamespace

import pytest
import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from groupwise.preflight import memory, memory_report
from groupwise.preflight.memory import estimate_shape
from groupwise.preflight.memory_parts import Shape
from groupwise.preflight.notes import Note

GIB = 2**30
CARD = 80 * GIB
ROOT = "actor_rollout_ref."


def qwen2(hidden: int, layers: int, heads: int, kv_heads: int, intermediate: int) -> Qwen2Config:
    return Qwen2Config(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        intermediate_size=intermediate,
        vocab_size=152064,
        tie_word_embeddings=False,
        max_position_embeddings=32768,
    )


QWEN2_7B = (qwen2(3584, 28, 28, 4, 18944), 7_615_616_512)
QWEN2_14B = (qwen2(5120, 48, 40, 8, 13824), 14_770_033_664)
QWEN2_32B = (qwen2(5120, 64, 40, 8, 27648), 32_763_876_352)
QWEN2_72B = (qwen2(8192, 80, 64, 8, 29568), 72_706_203_648)
QWEN3_8B = (
    Qwen3Config(
        hidden_size=4096,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        intermediate_size=12288,
        vocab_size=151936,
        tie_word_embeddings=False,
        max_position_embeddings=40960,
    ),
    8_190_735_360,
)
DEEPSEEK_7B = (
    LlamaConfig(
        hidden_size=4096,
        num_hidden_layers=30,
        num_attention_heads=32,
        num_key_value_heads=32,
        intermediate_size=11008,
        vocab_size=102400,
        tie_word_embeddings=False,
        max_position_embeddings=4096,
    ),
    6_910_365_696,
)


@pytest.fixture(scope="module")
def base(shipped) -> DictConfig:
    whole = shipped("gpu")
    # Copying is what takes time here, so what the estimate does not read is left out.
    config = OmegaConf.masked_copy(whole, ["actor_rollout_ref", "data", "algorithm", "trainer", "preflight"])
    with open_dict(config):
        for role in ("actor", "ref", "rollout"):
            del config.actor_rollout_ref[role].profiler
        del config.actor_rollout_ref.rollout.multi_turn
    return config


BATCH = ["data.train_batch_size=1024", "actor.ppo_mini_batch_size=256", "rollout.n=5", "actor.use_kl_loss=true"]


def lengths(prompt: int, response: int) -> list[str]:
    return [f"data.max_prompt_length={prompt}", f"data.max_response_length={response}"]


def gpus(per_node: int, nodes: int = 1) -> list[str]:
    return [f"trainer.n_gpus_per_node={per_node}", f"trainer.nnodes={nodes}"]


def micro(update: int, log_prob: int | None = None) -> list[str]:
    log_prob = log_prob or update
    return [
        f"actor.ppo_micro_batch_size_per_gpu={update}",
        f"rollout.log_prob_micro_batch_size_per_gpu={log_prob}",
        f"ref.log_prob_micro_batch_size_per_gpu={log_prob}",
    ]


def budget(tokens: int) -> list[str]:
    return ["actor.use_dynamic_bsz=true", f"actor.ppo_max_token_len_per_gpu={tokens}"]


def vllm(tensor_parallel: int, share: float) -> list[str]:
    return [
        "rollout.name=vllm",
        f"rollout.tensor_model_parallel_size={tensor_parallel}",
        f"rollout.gpu_memory_utilization={share}",
    ]


OFFLOAD = ["actor.fsdp_config.param_offload=true", "actor.fsdp_config.optimizer_offload=true"]
LORA = ["model.lora_rank=32", "actor.entropy_coeff=0.001", "rollout.max_model_len=1536"]
# examples/tuning/7b/qwen2-7b_grpo_2_h800_fsdp_vllm.sh
TWO_H800 = [*BATCH, *gpus(2), *lengths(1024, 1024), *micro(16), *vllm(2, 0.6), *OFFLOAD]
# examples/grpo_trainer/run_qwen2-7b.sh
EIGHT = [*BATCH, *gpus(8), *lengths(512, 1024), *micro(40), *vllm(2, 0.6)]


def override(base: DictConfig, values: list[str]) -> DictConfig:
    """The configuration with overrides; keys of actor_rollout_ref are named from there."""
    tops = ("data.", "trainer.", "algorithm.", ROOT, "preflight.")
    return OmegaConf.merge(
        base, OmegaConf.from_dotlist([value if value.startswith(tops) else ROOT + value for value in values])
    )


def estimate(base: DictConfig, values: list[str], model: tuple = QWEN2_7B, card: int = CARD) -> memory.MemoryEstimate:
    return memory.estimate(override(base, values), *model, card)


def faults(base: DictConfig, values: list[str], model: tuple = QWEN2_7B, card: int = CARD) -> list[str]:
    return list(memory_report.find_faults(override(base, values), *model, card))


# -- settings that are known to work -----------------------------------------------------------------------------------

EXAMPLES = {
    "grpo_trainer/run_qwen2-7b.sh": (QWEN2_7B, EIGHT),
    "grpo_trainer/run_qwen3-8b.sh": (QWEN3_8B, [*EIGHT, *micro(32)]),
    "grpo_trainer/run_qwen2-7b_seq_balance.sh": (
        QWEN2_7B,
        [*BATCH, *gpus(8), *lengths(512, 1024), *budget(24000), *vllm(2, 0.6)],
    ),
    "grpo_trainer/run_deepseek7b_llm.sh": (DEEPSEEK_7B, [*EIGHT, *micro(80, 160)]),
    "tuning/7b/qwen2-7b_grpo_2_h800_fsdp_vllm.sh": (QWEN2_7B, TWO_H800),
    "tuning/14b/qwen2_14b_grpo_4_h800_fsdp_vllm.sh": (QWEN2_14B, [*TWO_H800, *gpus(4), *vllm(4, 0.5)]),
    "tuning/70b/qwen2-70b_grpo_32_h800_fsdp_vllm.sh": (
        QWEN2_72B,
        [*BATCH, *gpus(8, 4), *lengths(512, 512), *budget(24000), *vllm(16, 0.6), *OFFLOAD],
    ),
    "ppo_trainer/run_qwen2.5-32b.sh, its actor": (
        QWEN2_32B,
        [
            *[*BATCH, *gpus(8, 4), *lengths(1024, 1024), *micro(8, 16), *vllm(4, 0.5)],
            *["rollout.n=1", "actor.use_kl_loss=false"],
        ],
    ),
    "tuning/7b/qwen2-7b_grpo-lora_1_h100_fsdp_vllm.sh": (
        QWEN2_7B,
        [
            *[*BATCH, *gpus(1), *lengths(512, 1024), *micro(16), *vllm(1, 0.2), *OFFLOAD, *LORA],
            *["data.train_batch_size=16", "actor.ppo_mini_batch_size=16"],
        ],
    ),
    "tuning/70b/qwen2-72b_grpo-lora_8_h100_fsdp_vllm.sh": (
        QWEN2_72B,
        [
            *[*BATCH, *gpus(8), *lengths(512, 1024), *micro(22), *vllm(8, 0.4), *OFFLOAD, *LORA],
            *["data.train_batch_size=176", "actor.ppo_mini_batch_size=176", "actor.ulysses_sequence_parallel_size=2"],
        ],
    ),
    "gmpo_trainer/test_dapo_7b_math.sh": (
        QWEN2_7B,
        [
            *[*gpus(8, 8), *lengths(2048, 8192), *budget(20480), *vllm(4, 0.8), *OFFLOAD],
            *["data.train_batch_size=512", "actor.ppo_mini_batch_size=32", "rollout.n=16"],
            *["actor.ulysses_sequence_parallel_size=4", "rollout.log_prob_max_token_len_per_gpu=30720"],
            "actor.fsdp_config.fsdp_size=32",
        ],
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_verls_examples_fit_on_80_gib(base: DictConfig, name: str):
    model, values = EXAMPLES[name]
    assert [text for text in faults(base, values, model) if not isinstance(text, Note)] == []


# -- settings that cannot work -----------------------------------------------------------------------------------------

TRAINING, WEIGHTS, CACHE, BOTH, WAY = (
    "The training phase must fit",
    "vLLM's weights must fit",
    "vLLM's KV cache must hold",
    "vLLM and what the actor leaves",
    "While weights go to vLLM",
)
LONG = [*BATCH, *gpus(8), *lengths(1024, 31744), *vllm(2, 0.6)]


@pytest.mark.parametrize(
    ("model", "card", "values", "beginnings", "cure"),
    [
        # 16 bytes x 7.6e9 parameters = 113 GiB of states; vLLM's 14.4 GiB hold 14.2 of weights and nothing else.
        (QWEN2_7B, 24, [*EIGHT, *gpus(1), *micro(1), *vllm(1, 0.6), *OFFLOAD], [TRAINING, WEIGHTS], "more GPUs"),
        # Fits 80 GiB neither in training, nor with 76 GiB for vLLM and 85 of weights and moments.
        (QWEN2_7B, 80, [*EIGHT, *gpus(1), *micro(1), *vllm(1, 0.95)], [TRAINING, BOTH], "offload_policy=true"),
        # Half of 64 x 32768 tokens have 1.05e6 x 152064 x 2 bytes = 297 GiB of logits.
        (QWEN2_7B, 80, [*LONG, *micro(64)], [TRAINING], "use_fused_kernels=true"),
        # The same, with the update's micro batch small and the one for log-probabilities large.
        (QWEN2_7B, 80, [*LONG, *micro(1, 64)], [TRAINING], "log_prob_"),
        # A dynamic batch is filled: 160000 tokens have 45 GiB of logits or 58 of one layer, and 30 of layers' inputs.
        (QWEN2_7B, 80, [*LONG, *budget(160_000)], [TRAINING], "ppo_max_token_len_per_gpu"),
        # vLLM does not sleep: 48 GiB beside 15 of states and a micro batch of 40.
        (QWEN2_7B, 80, [*EIGHT, "rollout.free_cache_engine=false"], [TRAINING], "free_cache_engine=true"),
        # 72.7e9 x 2 bytes / 2 = 68 GiB of weights for a share of 48.
        (
            QWEN2_72B,
            80,
            [*EXAMPLES["tuning/70b/qwen2-70b_grpo_32_h800_fsdp_vllm.sh"][1], *vllm(2, 0.6)],
            # And training: 83.1 GiB, within the margin.
            [TRAINING, WEIGHTS],
            "",
        ),
        # 40960 tokens x 36 layers x 2 x 8 heads x 128 x 2 bytes = 5.6 GiB; a share of 20 leaves 20 - 15.3 - 1 = 3.7.
        (QWEN3_8B, 80, [*EIGHT, *micro(8), *vllm(1, 0.25)], [CACHE], "max_model_len"),
        # 0.9 x 80 = 72 GiB, weights and moments of 12 x 7.6e9 / 8 bytes = 10.6, reserve 3.
        (QWEN2_7B, 80, [*EIGHT, *vllm(2, 0.9)], [BOTH], "param_offload"),
    ],
)
def test_what_cannot_fit_is_told_with_its_cure(base, model, card, values, beginnings, cure):
    found = faults(base, values, model, card * GIB)
    assert [next((start for start in beginnings if text.startswith(start)), text) for text in found] == beginnings
    assert cure in found[0]
    assert all(text.endswith(".") for text in found)


@pytest.mark.parametrize(("share", "is_note"), [(1.01, True), (1.19, True), (1.21, False), (2.0, False)])
def test_within_its_margin_the_estimate_tells_and_does_not_refuse(base, share, is_note):
    values = [*LONG, *budget(160_000)]
    shape = Shape.read(QWEN2_7B[0])
    needed = estimate_shape(override(base, values), shape, QWEN2_7B[1], CARD, length_share=0.5).training
    found = [text for text in faults(base, values, QWEN2_7B, int(needed / share)) if text.startswith(TRAINING)]
    assert [isinstance(text, Note) for text in found] == [is_note]
    assert ("it starts" in found[0]) == is_note


@pytest.mark.parametrize(
    ("values", "cured"),
    [
        ([*EIGHT, *vllm(2, 0.9)], OFFLOAD),
        ([*EIGHT, *vllm(2, 0.9)], vllm(2, 0.6)),
        ([*EIGHT, "rollout.free_cache_engine=false"], ["rollout.free_cache_engine=true"]),
        ([*LONG, *budget(160_000)], budget(33_000)),
        ([*LONG, *budget(90_000), "actor.calculate_entropy=true"], ["model.use_fused_kernels=true"]),
        ([*TWO_H800, *gpus(1), *vllm(1, 0.6)], gpus(8)),
        (
            [*TWO_H800, *gpus(1), *micro(1), *vllm(1, 0.6)],
            ["actor.strategy=fsdp2", "actor.fsdp_config.offload_policy=true"],
        ),
        ([*EIGHT, *vllm(1, 0.2)], ["rollout.max_model_len=1536"]),
    ],
)
def test_a_cure_cures(base: DictConfig, values: list[str], cured: list[str]):
    assert faults(base, values)
    assert faults(base, [*values, *cured]) == []


def test_the_weights_way_to_vllm_must_fit_too(base: DictConfig):
    # Reserve 3, buffer and largest tensor 4.03, vLLM's weights 14.19 on one GPU; of the actor weights 14.19, FSDP1's
    # copy of them 14.19, and moments 28.37 that are not offloaded: 78.0, while training takes 75 and generation 51.
    values = [*TWO_H800, *vllm(1, 0.25), "actor.fsdp_config.optimizer_offload=false"]
    (found,) = faults(base, values, card=76 * GIB)
    assert found.startswith(WAY)
    assert "take about 78.0: the actor 42.6, vLLM 14.2, copies and buffers 18.2" in found
    assert faults(base, [*values, "actor.strategy=fsdp2"], card=76 * GIB) == []
    assert faults(base, [*values, *gpus(4)], card=76 * GIB) == []


def test_a_fault_supposes_sequences_of_half_length_unless_they_are_padded(base: DictConfig):
    # 14.8e9 parameters on 4 GPUs with 16 x 2048 tokens: too much at full length, known to work with usual ones.
    model, values = EXAMPLES["tuning/14b/qwen2_14b_grpo_4_h800_fsdp_vllm.sh"]
    assert estimate(base, values, model).training > CARD
    assert faults(base, values, model) == []
    assert faults(base, [*values, "model.use_remove_padding=false"], model)


# -- parts, by hand ----------------------------------------------------------------------------------------------------


def test_two_h800_part_by_part(base: DictConfig):
    found = estimate(base, TWO_H800)
    shard = 7_615_616_512 // 2
    head = 152064 * 3584
    tokens = 16 * 2048
    assert found.weights == 4 * shard
    assert found.gradients == 4 * shard + 2 * head
    # Offloaded between the phases, loaded for the update.
    assert found.moments == 8 * shard
    assert (found.kept_weights, found.kept_moments) == (0, 0)
    assert found.step == 4 * shard
    # (7615616512 - 2 * 544997376) / 28 = 233057920 and a rest
    assert found.gathered == 2 * (2 * head + 2 * 233_057_920)
    assert found.activations == tokens * 28 * 3584 * 2
    assert found.logits == tokens * (152064 * 2 + 8 * 3584)
    assert found.log_prob == found.logits
    assert found.asleep == 0
    assert found.engine == int(0.6 * CARD)
    assert found.engine_weights == 7_615_616_512
    assert found.sync == 2048 * 2**20 + 4 * head + 4 * shard
    # 2 (k, v) x 28 layers x 4 / 2 heads x 128 x 2 bytes = 28672 per token
    assert found.context == 28672 * 32768
    assert found.sequence == 28672 * 2048
    assert found.kv_cache == found.engine - found.engine_weights - GIB


def test_phases_are_sums_of_what_is_there_together():
    # Each part has a decimal place of its own; what alternates is 0 at first.
    places = ("weights", "gradients", "moments", "gathered", "activations", "logits", "asleep", "kept_weights")
    parts = {name: 10**place for place, name in enumerate(places)}
    others = dict.fromkeys(set(memory.MemoryEstimate._fields) - set(places), 0)
    found = memory.MemoryEstimate(**parts, **others)
    reserve = memory.RESERVE_BYTES
    assert found.training == reserve + 1_111_111
    # Logits are gone when layers are recomputed, and with them activations and gathered units when Adam steps.
    assert found._replace(recomputed=100_005).training == reserve + 1_111_116
    assert found._replace(recomputed=99_999).training == reserve + 1_111_111
    assert found._replace(step=111_007).training == reserve + 1_111_118
    # The log-probabilities need neither gradients nor moments that are offloaded.
    assert found._replace(log_prob=10**9).training == reserve + 10**9 + 1_001_001
    assert found._replace(log_prob=10**9, kept_moments=100).training == reserve + 10**9 + 1_001_101

    found = found._replace(engine=2, engine_weights=10, kept_weights=100, kept_moments=1000, sync=10_000)
    assert found.generation == reserve + 1102
    # The actor's weights come back for their way to vLLM: one byte.
    assert found.transfer == reserve + 11_011
    assert found.rollout == found.transfer
    assert found._replace(engine=10**6).rollout == reserve + 1_001_100


@pytest.mark.parametrize(
    ("values", "bytes_per_shard_parameter", "gpus_per_shard"),
    [
        ([], 4, 8),
        (["actor.fsdp_config.model_dtype=bfloat16"], 2, 8),
        (["actor.fsdp_config.fsdp_size=2"], 4, 2),
        (["actor.fsdp_config.fsdp_size=99"], 4, 8),
        (["trainer.nnodes=4"], 4, 32),
        (["actor.strategy=fsdp2"], 4, 8),
        # Only FSDP2 reads offload_policy.
        (["actor.fsdp_config.offload_policy=true"], 4, 8),
        (["actor.strategy=fsdp2", "actor.fsdp_config.offload_policy=true"], 0, 8),
    ],
)
def test_states_are_sharded(base: DictConfig, values, bytes_per_shard_parameter, gpus_per_shard):
    found = estimate(base, [*EIGHT, *values])
    shard = 7_615_616_512 // gpus_per_shard * bytes_per_shard_parameter
    assert (found.weights, found.moments) == (shard, 2 * shard)
    # FSDP2's parameters are DTensors, which torch's Adam takes one by one.
    assert found.step == (0 if "actor.strategy=fsdp2" in values else shard)
    assert found.gradients == shard + 2 * 152064 * 3584
    assert (found.kept_weights, found.kept_moments) == (shard, 2 * shard)


def test_offloading_removes_each_part_between_the_phases_alone(base: DictConfig):
    kept = estimate(base, EIGHT)
    without_weights = estimate(base, [*EIGHT, "actor.fsdp_config.param_offload=true"])
    without_moments = estimate(base, [*EIGHT, "actor.fsdp_config.optimizer_offload=true"])
    assert kept == without_weights._replace(kept_weights=kept.weights)
    assert kept == without_moments._replace(kept_moments=kept.moments)


def test_other_states(base: DictConfig):
    usual = estimate(base, EIGHT)
    lora = estimate(base, [*EIGHT, "model.lora_rank=32"])
    assert (lora.gradients, lora.moments, lora.step, lora.kept_moments) == (0, 0, 0, 0)
    assert lora.weights == usual.weights
    eight_bit = estimate(base, [*EIGHT, "actor.optim.optimizer=AdamW8bit"])
    assert 4 * eight_bit.moments == usual.moments
    no_sync = "actor.fsdp_config.use_no_sync_for_gradient_accumulation=true"
    head = 2 * 152064 * 3584
    assert estimate(base, [*EIGHT, no_sync]).gradients == 2 * 7_615_616_512 + head
    assert estimate(base, [*EIGHT, no_sync, "actor.strategy=fsdp2"]).gradients == 4 * 7_615_616_512 + head
    whole = estimate(base, [*EIGHT, "actor.fsdp_config.reshard_after_forward=false"])
    assert whole.gathered == 2 * 7_615_616_512
    # FSDP2 gathers embedding and head one after the other, and hands out its shards without a copy.
    second = estimate(base, [*EIGHT, "actor.strategy=fsdp2"])
    assert usual.gathered - second.gathered == 2 * 152064 * 3584
    assert usual.sync - second.sync == usual.weights
    assert usual.sync - lora.sync == usual.weights


def test_tied_embeddings_are_one(base: DictConfig):
    config = Qwen2Config(**{**QWEN2_7B[0].to_dict(), "tie_word_embeddings": True})
    head = 152064 * 3584
    found = estimate(base, EIGHT, (config, 28 * 10**8 + head))
    assert found.gathered == 2 * (head + 2 * 10**8)


def test_separate_gpus_share_nothing(base: DictConfig):
    found = estimate(base, [*EIGHT, "hybrid_engine=false", "rollout.free_cache_engine=false"])
    assert (found.asleep, found.kept_weights, found.kept_moments) == (0, 0, 0)
    assert estimate(base, [*EIGHT, "rollout.free_cache_engine=false"]).asleep == found.engine


INPUT_BYTES = 28 * 3584 * 2
"""Per token, what QWEN2_7B's layers keep with gradient checkpointing."""


@pytest.mark.parametrize(
    ("values", "tokens"),
    [
        (micro(40), 40 * 1536),
        ([*micro(40), "actor.ulysses_sequence_parallel_size=4"], 10 * 1536),
        ([*micro(40), "actor.fsdp_config.ulysses_sequence_parallel_size=4"], 10 * 1536),
        # 256 x 5 / 8 = 160 responses are all that a GPU has.
        (micro(1000), 160 * 1536),
        # verl multiplies the budget by the ranks that share a sequence, and they share the tokens.
        (budget(24000), 24000),
        ([*budget(24000), "actor.ulysses_sequence_parallel_size=4"], 24000),
        (budget(10**6), 160 * 1536),
        ([*budget(10**6), "actor.ulysses_sequence_parallel_size=4"], 160 * 1536),
        # A sequence is never divided but by Ulysses.
        (budget(100), 1536),
        # verl refuses a missing size in a sentence of its own.
        (["actor.ppo_micro_batch_size_per_gpu=null"], 160 * 1536),
    ],
)
def test_tokens_of_the_update(base: DictConfig, values: list[str], tokens: int):
    assert estimate(base, [*EIGHT, *values]).activations == tokens * INPUT_BYTES


@pytest.mark.parametrize(
    ("values", "tokens"),
    [
        ([*micro(40), "rollout.log_prob_micro_batch_size_per_gpu=80"], 80 * 1536),
        ([*micro(40), "ref.log_prob_micro_batch_size_per_gpu=80"], 80 * 1536),
        ([*micro(40), "ref.log_prob_micro_batch_size_per_gpu=80", "actor.use_kl_loss=false"], 40 * 1536),
        (
            [
                *[*micro(40), "ref.log_prob_micro_batch_size_per_gpu=80", "actor.use_kl_loss=false"],
                "algorithm.use_kl_in_reward=true",
            ],
            80 * 1536,
        ),
        ([*budget(24000), "rollout.log_prob_max_token_len_per_gpu=30000"], 30000),
        # 1024 x 5 / 8 responses
        (micro(10_000), 640 * 1536),
    ],
)
def test_tokens_of_the_log_probabilities(base: DictConfig, values: list[str], tokens: int):
    assert estimate(base, [*EIGHT, *values]).log_prob == tokens * (152064 * 2 + 8 * 3584)


@pytest.mark.parametrize(
    ("values", "update", "log_prob"),
    [
        ([], 2, 2),
        (["rollout.temperature=0.6"], 4, 4),
        (["model.use_remove_padding=false"], 4, 12),
        (["actor.fsdp_config.full_determinism=true"], 10, 2),
        (["actor.calculate_entropy=true"], 4, 2),
        (["actor.entropy_coeff=0.001"], 6, 2),
        (["actor.fsdp_config.use_torch_compile=false"], 2, 10),
        (["actor.fsdp_config.use_torch_compile=false", "actor.entropy_from_logits_with_chunking=true"], 2, 2),
        (["actor.fsdp_config.use_torch_compile=false", "actor.calculate_entropy=true"], 12, 10),
    ],
)
def test_copies_of_the_logits(base: DictConfig, values: list[str], update: int, log_prob: int):
    found, tokens = estimate(base, [*EIGHT, *values]), 40 * 1536
    assert found.logits == tokens * (152064 * update + 8 * 3584)
    assert found.log_prob == tokens * (152064 * log_prob + 8 * 3584)


def test_fused_kernels_leave_the_logits_of_a_few_tokens(base: DictConfig):
    found = estimate(base, [*EIGHT, "model.use_fused_kernels=true", "actor.entropy_coeff=0.001"])
    # The final norm, and 512 tokens of 22 bytes for each of 152,064 entries: 1.6 GiB.
    assert found.logits == 40 * 1536 * 8 * 3584 + 512 * 22 * 152064
    # What one layer has at most remains: 8 x 18944 + 16 x 3584 + 10 x 128 x (28 + 4)
    assert found.log_prob == 40 * 1536 * 249_856


def saved_bytes(config, tokens: int) -> int:
    """What autograd keeps of a decoder layer's forward pass under bfloat16 autocast, its input and weights aside."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").to(torch.bfloat16)
    hidden = torch.randn(1, tokens, config.hidden_size, dtype=torch.bfloat16, requires_grad=True)
    places = torch.arange(tokens)[None]
    rotations = model.model.rotary_emb(hidden, places)
    known = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), hidden)}
    saved = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        model.model.layers[0](hidden, position_embeddings=rotations, position_ids=places, attention_mask=None)
    return sum(tensor.untyped_storage().nbytes() for place, tensor in saved.items() if place not in known)


@pytest.mark.parametrize(("kind", "above"), [(Qwen3Config, 0.0), (Qwen2Config, 0.2)])
def test_a_layers_activations_are_what_autograd_keeps(base: DictConfig, kind: type, above: float):
    # Qwen2 has no norms of q and k, for which the estimate is meant to be too high.
    config = kind(
        hidden_size=512,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=128,
        intermediate_size=2048,
        vocab_size=64,
        tie_word_embeddings=False,
    )
    values = [*EIGHT, *micro(1), *lengths(32, 32), "model.enable_gradient_checkpointing=false"]
    whole = estimate(base, values, (config, 10**7))
    kept = saved_bytes(config, 64)
    assert kept * 0.97 <= whole.activations <= kept * (1.03 + above)
    # In the backward pass, two gradients of the width of the MLP come on top.
    assert whole.recomputed == 64 * 4 * 2048
    checkpointed = estimate(base, values[:-1], (config, 10**7))
    assert checkpointed.activations == 64 * 512 * 2
    assert checkpointed.recomputed == whole.recomputed + whole.activations


def test_activation_offload_keeps_two_layers(base: DictConfig):
    found = estimate(base, [*EIGHT, "model.enable_activation_offload=true"])
    assert found.activations == 40 * 1536 * 2 * 3584 * 2


@pytest.mark.parametrize(
    ("model", "values", "token_bytes"),
    [
        (QWEN2_7B, vllm(1, 0.6), 2 * 28 * 4 * 128 * 2),
        # Four kv heads on eight GPUs: each holds a whole one.
        (QWEN2_7B, vllm(8, 0.6), 2 * 28 * 1 * 128 * 2),
        (QWEN2_7B, [*vllm(1, 0.6), "rollout.dtype=float32"], 2 * 28 * 4 * 128 * 4),
        (QWEN3_8B, vllm(2, 0.6), 2 * 36 * 4 * 128 * 2),
    ],
)
def test_kv_cache_of_a_token(base: DictConfig, model: tuple, values: list[str], token_bytes: int):
    found = estimate(base, [*EIGHT, *values], model)
    assert found.sequence == 1536 * token_bytes
    assert found.context == model[0].max_position_embeddings * token_bytes
    assert estimate(base, [*EIGHT, *values, "rollout.max_model_len=2000"], model).context == 2000 * token_bytes


def test_weights_in_vllm(base: DictConfig):
    assert estimate(base, [*EIGHT, *vllm(1, 0.6)]).engine_weights == 2 * 7_615_616_512
    assert estimate(base, [*EIGHT, *vllm(4, 0.6)]).engine_weights == 7_615_616_512 // 2
    assert estimate(base, [*EIGHT, *vllm(1, 0.6), "rollout.quantization=fp8"]).engine_weights == 7_615_616_512
    experts = [*EIGHT, *vllm(1, 0.6), "rollout.data_parallel_size=4", "rollout.expert_parallel_size=4"]
    assert estimate(base, experts).engine_weights == 7_615_616_512 // 2


def test_other_configurations_are_read(base: DictConfig):
    usual = estimate(base, EIGHT)
    text = QWEN2_7B[0]
    composite = SimpleNamespace(get_text_config=lambda: text, tie_word_embeddings=False)
    assert estimate(base, EIGHT, (composite, QWEN2_7B[1])) == usual
    # 3584 / 28 = 128 where the head's size is not named, as many kv heads as heads, an MLP four times as wide.
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    bare = SimpleNamespace(**{name: getattr(text, name) for name in names})
    bare.get_text_config = lambda: bare
    found = estimate(base, EIGHT, (bare, QWEN2_7B[1]))
    assert found.sequence == 7 * usual.sequence
    assert found.context == found.sequence
    assert found.recomputed == 40 * 1536 * (12 * 4 * 3584 + 16 * 3584 + 10 * 128 * 56)


# -- what is not estimated, the card, the table ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("actor.strategy=megatron", "but it is megatron"),
        ("rollout.name=sglang", "but it is sglang"),
        ("actor.fsdp_config.model_dtype=bf17", "model_dtype must be a number format such as bfloat16, but is bf17"),
        ("rollout.dtype=fp3", "rollout.dtype must be"),
    ],
)
def test_what_is_not_known_is_refused(base: DictConfig, value: str, words: str):
    with pytest.raises(ValueError, match=words):
        estimate(base, [*EIGHT, value])
    assert faults(base, [*EIGHT, value], card=1) == []


def test_the_configuration_tells_the_cards_size(base: DictConfig, monkeypatch):
    monkeypatch.setenv("PATH", "")
    config = OmegaConf.merge(base, {"preflight": {"gpu_memory_gib": 79.5}})
    assert memory.card_bytes(config) == 79.5 * GIB


@pytest.mark.parametrize(
    ("script", "size"),
    [
        ("printf '81559\\n24564\\n81559\\n'", 24564 * 2**20),
        ("printf '[N/A]\\n 81559 \\n'", 81559 * 2**20),
        ("printf '[N/A]\\n'", None),
        ("echo 81559; exit 9", None),
        ("printf ''", None),
    ],
)
def test_the_smallest_card_is_asked_for(base: DictConfig, tmp_path, monkeypatch, script: str, size: int | None):
    # Only the exact question is answered.
    question = "--query-gpu=memory.total --format=csv,noheader,nounits"
    (tmp_path / "nvidia-smi").write_text(f'#!/bin/sh\n[ "$*" = "{question}" ] || exit 1\n{script}\n')
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert memory.card_bytes(OmegaConf.merge(base, {"preflight": {"gpu_memory_gib": None}})) == size


def test_no_card_without_nvidia_smi_or_an_answer(base: DictConfig, tmp_path, monkeypatch):
    config = OmegaConf.merge(base, {"preflight": {"gpu_memory_gib": None}})
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory.card_bytes(config) is None
    waited = []

    def hang(command, **options):
        waited.append(options["timeout"])
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    assert memory.card_bytes(config) is None
    assert waited == [20]


def test_the_table_has_every_part_in_gib(base: DictConfig):
    found = estimate(base, TWO_H800)
    lines = memory_report.describe(found, CARD)
    values = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in lines[1:]}
    # 4 x 7615616512 / 2 bytes = 14.185 GiB; the share is 0.6 x 80.
    assert values["weights"] == "14.2"
    assert values["Adam's moments"] == "28.4"
    assert values["vLLM's share"] == "48.0"
    assert values["training, of 80.0"] == f"{found.training / GIB:.1f}"
    assert values["rollout, of 80.0"] == f"{found.rollout / GIB:.1f}"
    # (48 - 7.093 - 1) GiB / (28672 x 2048 bytes) = 729.8
    assert values["sequences of full length in the KV cache:"] == "729"
    shown = {f"{size / GIB:.1f}" for size in found._replace(context=0, sequence=0)}
    assert shown <= set(values.values())


def test_the_table_shows_no_negative_cache(base: DictConfig):
    lines = memory_report.describe(estimate(base, [*TWO_H800, *vllm(1, 0.1)]), CARD)
    assert lines[-1].endswith(": 0")
    assert not any(" -" in line for line in lines)
