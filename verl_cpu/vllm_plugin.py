"""vLLM's way in (entry-point group ``vllm.general_plugins``): vLLM calls ``register`` in each of its processes.

vLLM swallows an error raised while this module is imported and lets one raised by ``register`` through
(vllm/plugins/__init__.py, load_plugins_by_group and load_general_plugins). So nothing that needs more than the standard
library is imported at the top, and a vLLM that no longer fits stops the engine at start-up.

As in patches.py, each patch stands alone and has a test that shows vLLM's behaviour without it.
"""

import importlib
from typing import Any

from verl_cpu.replacing import replaces

_DISPATCH = "dispatch_cpu_unquantized_gemm"
_CALLERS = ("vllm.model_executor.layers.linear", "vllm.model_executor.layers.vocab_parallel_embedding")


def register() -> None:
    """Apply both patches, if this vLLM runs on the CPU; a second call changes nothing.

    Raises:
        RuntimeError: vLLM has changed so that a patch would not take.
    """
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        keep_linear_weights()
        unlink_connected_queues()


def keep_linear_weights() -> None:
    """Keep the weights of vLLM's linear layers live, so that verl can write new ones into them.

    Trigger: vllm/model_executor/layers/linear.py, UnquantizedLinearMethod.process_weights_after_loading, calls
    vllm/model_executor/layers/utils.py, dispatch_cpu_unquantized_gemm.
    Reason: that function repacks the weights for oneDNN and replaces them by an empty tensor, so verl's next update
    finds no parameter to load into.

    Raises:
        RuntimeError: the function is gone, or its callers hold on to the original.
    """
    utils = importlib.import_module("vllm.model_executor.layers.utils")
    if not hasattr(utils, _DISPATCH) or any(hasattr(importlib.import_module(caller), _DISPATCH) for caller in _CALLERS):
        raise RuntimeError(
            f"vLLM must look {_DISPATCH} up in vllm.model_executor.layers.utils at each use, as 0.30 does, and this "
            "version does not, so new weights would not reach the rollouts; install the pinned vLLM"
        )

    from torch.nn import Module
    from torch.nn.functional import linear

    @replaces(utils, _DISPATCH)
    def dispatch(original: Any, layer: Module, remove_weight: bool) -> None:
        if layer.weight.ndim == 2:
            layer.cpu_linear = linear
        else:
            original(layer, remove_weight)


def unlink_connected_queues() -> None:
    """Remove the names of vLLM's shared-memory queues as soon as both ends have opened them.

    Trigger: vllm/distributed/device_communicators/shm_broadcast.py, ShmRingBuffer.__del__, is where a queue's block in
    /dev/shm is removed.
    Reason: at the end of a run Ray kills the engine's processes, multiprocessing's resource tracker among them, and the
    blocks (400 MB in name per engine) stay behind. A block without a name lives until its last user is gone.

    Raises:
        RuntimeError: the queue has no ``wait_until_ready`` any more.
    """
    queue = importlib.import_module("vllm.distributed.device_communicators.shm_broadcast").MessageQueue
    if not hasattr(queue, "wait_until_ready"):
        raise RuntimeError(
            "vLLM's MessageQueue must have the method wait_until_ready, as in 0.30, and has not: runs would leave "
            "blocks in /dev/shm; install the pinned vLLM"
        )

    @replaces(queue, "wait_until_ready")
    def wait_until_ready(original: Any, self: Any) -> None:
        original(self)
        # Only the writer knows that every local reader has opened the block: each has just answered.
        if self._is_writer and self.n_local_reader > 0 and self.buffer.is_creator:
            self.buffer.shared_memory.unlink()
            self.buffer.is_creator = False
