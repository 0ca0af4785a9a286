"""The parts of an estimate of GPU memory, each from shapes and from what verl 0.9.1 does.

Files named below are verl's, in workers/engine/fsdp where no folder is given.
"""

from typing import Any, NamedTuple

from omegaconf import DictConfig

ITEM_BYTES = dict.fromkeys(("fp32", "float32", "float", "32", 32), 4) | dict.fromkeys(
    ("bf16", "bfloat16", "fp16", "float16", "half", "auto", "16", 16), 2
)
"""Bytes of a number, by the names that verl and vLLM know; `auto` is what models are published in."""

FUSED_TOKENS, FUSED_BYTES = 512, 22
"""Tokens that verl's fused kernels take at a time, and bytes per vocabulary entry of each at the worst moment: logits
in bfloat16 and float32, softmax, one-hot, gradient, and its bfloat16 (utils/experimental/torch_functional.py)."""


class Shape(NamedTuple):
    """A decoder's shape, by the names of transformers; `positions` is 0 where the model has no limit."""

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int
    tied: bool
    heads: int
    kv_heads: int
    head_dim: int
    positions: int

    @classmethod
    def read(cls, hf_config: Any) -> "Shape":
        """Reads it from transformers' configuration, of the text model where there are several."""
        text = hf_config.get_text_config()
        hidden, heads = text.hidden_size, text.num_attention_heads
        return cls(
            layers=text.num_hidden_layers,
            hidden=hidden,
            intermediate=getattr(text, "intermediate_size", None) or 4 * hidden,
            vocabulary=text.vocab_size,
            tied=bool(getattr(hf_config, "tie_word_embeddings", False)),
            heads=heads,
            kv_heads=getattr(text, "num_key_value_heads", None) or heads,
            head_dim=getattr(text, "head_dim", None) or hidden // heads,
            positions=getattr(text, "max_position_embeddings", None) or 0,
        )

    @property
    def layer_bytes(self) -> int:
        """A layer's saved activations per token under bfloat16 autocast, q and k with or without norms."""
        # 2 bytes each: gate, its activation, up, product; 16 per hidden unit: two norms' inputs in float32, their
        # normalised and final values; 10 per q and kv unit: before and after norm and rotation, float32 once.
        return 8 * self.intermediate + 16 * self.hidden + 10 * self.head_dim * (self.heads + self.kv_heads)


def states(config: DictConfig, shape: Shape, parameters: int) -> dict[str, int]:
    """Weights, gradients and moments (transformer_impl.py, _build_module and _build_fsdp_module)."""
    actor, lora = config.actor_rollout_ref.actor, config.actor_rollout_ref.model.lora_rank > 0
    fsdp, colocated = actor.fsdp_config, config.actor_rollout_ref.hybrid_engine
    item = ITEM_BYTES[fsdp.model_dtype]
    gpus = config.trainer.nnodes * config.trainer.n_gpus_per_node
    shard = -(-parameters // (gpus if fsdp.fsdp_size < 0 else min(fsdp.fsdp_size, gpus)))
    if actor.strategy == "fsdp2" and fsdp.offload_policy:
        # CPUOffloadPolicy: shards, their gradients and the optimiser never leave the CPU.
        shard = 0
    unit = shape.vocabulary * shape.hidden
    embeddings = unit if shape.tied else 2 * unit
    layer = (parameters - embeddings) // shape.layers
    # FSDP1 keeps embedding and head gathered from the first forward to the last backward; FSDP2 shards each by itself.
    gathered = (embeddings if actor.strategy == "fsdp" else unit) + 2 * layer
    gradients = item * shard
    if fsdp.use_no_sync_for_gradient_accumulation:
        # Unsharded until the last micro batch: FSDP1 in bfloat16, FSDP2 in the float32 of the reduction.
        gradients = max(gradients, parameters * (2 if actor.strategy == "fsdp" else 4))
    moments = 2 * shard * (1 if "8bit" in actor.optim.optimizer.lower() else item)
    return {
        "weights": item * shard,
        "gradients": 0 if lora else gradients + 2 * unit,
        "moments": 0 if lora else moments,
        "gathered": 2 * (gathered if fsdp.reshard_after_forward else parameters),
        # torch's Adam takes all parameters at once, but one DTensor after the other (optim/optimizer.py).
        "step": moments // 2 if actor.strategy == "fsdp" and not lora else 0,
        "kept_weights": item * shard if colocated and not fsdp.param_offload else 0,
        "kept_moments": 0 if lora or fsdp.optimizer_offload or not colocated else moments,
    }


def tokens(config: DictConfig, length_share: float) -> tuple[float, float]:
    """Tokens per GPU of a micro batch of the update, and of the passes for log-probabilities."""
    actor, rollout, ref = (config.actor_rollout_ref[name] for name in ("actor", "rollout", "ref"))
    ulysses = max(actor.ulysses_sequence_parallel_size, actor.fsdp_config.ulysses_sequence_parallel_size)
    gpus = config.trainer.nnodes * config.trainer.n_gpus_per_node
    length = (config.data.max_prompt_length + config.data.max_response_length) / ulysses
    # Without padding a micro batch has what its sequences have; with it, one longest sequence lengthens all.
    packed = length_share if config.actor_rollout_ref.model.use_remove_padding else 1.0

    def count(prompts: int, dynamic: bool, budget: int, micro: int | None) -> float:
        batch = packed * prompts * rollout.n * ulysses / gpus * length
        # The budget is per GPU: workers/engine/utils.py, prepare_micro_batches, multiplies by ulysses and shards again.
        limit = budget if dynamic else batch if micro is None else packed * micro * length
        return max(min(batch, limit), length)

    update = count(
        actor.ppo_mini_batch_size,
        actor.use_dynamic_bsz,
        actor.ppo_max_token_len_per_gpu,
        actor.ppo_micro_batch_size_per_gpu,
    )
    passes = [rollout, ref] if actor.use_kl_loss or config.algorithm.use_kl_in_reward else [rollout]
    return update, max(
        count(
            config.data.train_batch_size,
            one.log_prob_use_dynamic_bsz,
            one.log_prob_max_token_len_per_gpu,
            one.log_prob_micro_batch_size_per_gpu,
        )
        for one in passes
    )


def passes(actor_rollout_ref: DictConfig, shape: Shape, tokens: tuple[float, float]) -> dict[str, int]:
    """Activations and logits of a micro batch."""
    model, (update, inference) = actor_rollout_ref.model, tokens
    checkpointed = model.enable_gradient_checkpointing
    layers = 2 if model.enable_activation_offload else shape.layers
    # The final norm's input in float32, its normalised and its final value.
    norm = 8 * shape.hidden
    gradients = 4 * shape.intermediate
    fused = FUSED_TOKENS * FUSED_BYTES * shape.vocabulary if model.use_fused_kernels else 0
    return {
        "activations": int(update * layers * (2 * shape.hidden if checkpointed else shape.layer_bytes)),
        "recomputed": int(update * (gradients + checkpointed * shape.layer_bytes)),
        "logits": int(update * (norm + shape.vocabulary * _logit_bytes(actor_rollout_ref, update=True))) + fused,
        "log_prob": int(
            inference * max(shape.layer_bytes, norm + shape.vocabulary * _logit_bytes(actor_rollout_ref, update=False))
        ),
    }


def _logit_bytes(actor_rollout_ref: DictConfig, *, update: bool) -> int:
    """Bytes per token and vocabulary entry at the worst moment (transformer_impl.py, prepare_model_outputs)."""
    model, actor = actor_rollout_ref.model, actor_rollout_ref.actor
    fsdp = actor.fsdp_config
    if model.use_fused_kernels:
        return 0
    # The head's bfloat16 output, over which flash-attn's cross entropy writes the gradient (inplace_backward).
    total = 2
    if actor_rollout_ref.rollout.temperature != 1:
        total += 2  # _scale_logits_by_temperature makes a copy
    if not model.use_remove_padding:
        total += 2  # torch.cat of what is not padding
    if update and fsdp.full_determinism:
        total += 8  # logprobs_from_logits_v2 in place of flash-attn: log_softmax in float32, and gradients by row
    weighted = actor.entropy_coeff != 0
    if not update or actor.calculate_entropy or weighted:
        if update:
            total += 4 if weighted else 2  # inplace_backward is off, and the entropy has a gradient of its own
        # torch.compile, which only packed batches get, fuses entropy_from_logits; else softmax and product in float32.
        fused = fsdp.use_torch_compile and model.use_remove_padding
        if not fused and (update or not fsdp.entropy_from_logits_with_chunking):
            total += 8
    return total


def inference(config: DictConfig, shape: Shape, parameters: int, weights: int) -> dict[str, int]:
    """vLLM's weights, the buffers of their way there, and the KV cache of a sequence."""
    actor, rollout = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    item, tensor_parallel = ITEM_BYTES[rollout.dtype], rollout.tensor_model_parallel_size
    weight_item = 1 if rollout.quantization else item
    # bucketed_weight_transfer.py sends model_dtype, not rollout.dtype.
    largest = ITEM_BYTES[actor.fsdp_config.model_dtype] * shape.vocabulary * shape.hidden
    buffer = rollout.checkpoint_engine.update_weights_bucket_megabytes << 20
    # FSDP1's state_dict clones; FSDP2's refers to the shards, and LoRA sends adapters alone.
    copy = weights if actor.strategy == "fsdp" and config.actor_rollout_ref.model.lora_rank == 0 else 0
    kv_heads = max(shape.kv_heads // tensor_parallel, 1)
    token = 2 * shape.layers * kv_heads * shape.head_dim * item
    length = config.data.max_prompt_length + config.data.max_response_length
    return {
        "engine_weights": weight_item * parameters // max(tensor_parallel, rollout.expert_parallel_size),
        "sync": buffer + largest + copy,
        # vllm_async_server.py, _validate_configs, takes the model's own limit for null.
        "context": token * (rollout.max_model_len or shape.positions or length),
        "sequence": token * length,
    }
