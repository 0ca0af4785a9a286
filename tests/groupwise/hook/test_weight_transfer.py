"""Two runs at once on verl's own senders and receivers: each engine gets the weights of its own run."""

import asyncio
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
import torch

from groupwise.hook import weight_transfer
from groupwise.launch.leftovers import RUN_MARK, SHARED_MEMORY, end_leftovers

RUNS = {"a": 1.0, "b": 2.0}
# Both runs', as verl names it: each has a Ray of its own, whose first job has this id.
HANDLE = "ipc:///tmp/rl-colocate-zmq-01000000-replica-0-rank-999.sock"


@pytest.fixture
def verls() -> ModuleType:
    """verl's module, loaded anew and not patched."""
    found = importlib.util.find_spec(weight_transfer.WEIGHT_TRANSFER)
    spec = importlib.util.spec_from_file_location(weight_transfer.WEIGHT_TRANSFER, found.origin)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert not hasattr(module.BucketedWeightSender.__init__, "__wrapped__")
    return module


def test_a_socket_has_the_name_of_its_run(verls, monkeypatch):
    weight_transfer.rename(verls)
    weight_transfer.rename(verls)
    handles = set()
    for run in (*RUNS, None):
        monkeypatch.setenv(RUN_MARK, run) if run else monkeypatch.delenv(RUN_MARK)
        sender = verls.BucketedWeightSender(zmq_handle=HANDLE, bucket_size_mb=1, use_shm=True)
        receiver = verls.BucketedWeightReceiver(HANDLE, torch.device("cpu"), use_shm=True)
        assert sender.zmq_handle == receiver.zmq_handle
        handles.add(sender.zmq_handle)
    assert handles == {HANDLE, HANDLE.replace(".sock", "-a.sock"), HANDLE.replace(".sock", "-b.sock")}
    # Linux takes 107 bytes, of which a run's name has 32.
    assert len(HANDLE.removeprefix("ipc://").replace(".sock", f"-{'0' * 32}.sock")) <= 107


def test_two_runs_hand_over_their_weights_at_once(verls, monkeypatch):
    weight_transfer.rename(verls)
    ends = {}
    for run in RUNS:
        monkeypatch.setenv(RUN_MARK, run)
        sender = verls.BucketedWeightSender(HANDLE, bucket_size_mb=1, use_shm=True)
        ends[run] = sender, verls.BucketedWeightReceiver(HANDLE, torch.device("cpu"), use_shm=True)

    def receive(run: str) -> list[float]:
        got = []
        ends[run][1].receive_weights(lambda weights, is_last: got.extend(tensor.item() for _, tensor in weights))
        return got

    with ThreadPoolExecutor(4) as pool:
        sent = [
            pool.submit(asyncio.run, ends[run][0].async_send_weights([("w", torch.tensor([RUNS[run]]))]))
            for run in RUNS
        ]
        received = {run: pool.submit(receive, run) for run in reversed(RUNS)}
        assert {run: got.result(timeout=60) for run, got in received.items()} == {"a": [1.0], "b": [2.0]}
        for each in sent:
            each.result(timeout=60)


@pytest.mark.parametrize("bucket", [0, 1])
def test_a_sender_is_told_that_its_receiver_failed(verls, monkeypatch, bucket):
    monkeypatch.delenv(RUN_MARK, raising=False)
    weight_transfer.answer_failures(verls)
    weight_transfer.answer_failures(verls)
    handle = HANDLE.replace("rank-999", f"rank-99{bucket}")
    sender = verls.BucketedWeightSender(handle, bucket_size_mb=1, use_shm=True)
    receiver = verls.BucketedWeightReceiver(handle, torch.device("cpu"), use_shm=True)
    buckets = []

    def load(weights: list, is_last: bool) -> None:
        buckets.append([name for name, _ in weights])
        if len(buckets) > bucket:
            raise ValueError("no such layer")

    # Each fills a bucket.
    weights = [(name, torch.zeros(2**18)) for name in ("v", "w")]
    with ThreadPoolExecutor(2) as pool:
        sent = pool.submit(asyncio.run, sender.async_send_weights(weights))
        received = pool.submit(receiver.receive_weights, load)
        with pytest.raises(RuntimeError, match=r"^vLLM must load .* failed: ValueError\('no such layer'\)"):
            sent.result(timeout=60)
        # Or that its memory is still in use, of which verl's own clean-up complains then.
        with pytest.raises((ValueError, BufferError)):
            received.result(timeout=60)
    assert buckets == [["v"], ["w"]][: bucket + 1]


def test_what_a_killed_run_leaves_is_removed(verls, monkeypatch, tmp_path):
    weight_transfer.rename(verls)
    left = {}
    for run in ("killed", "other"):
        monkeypatch.setenv(RUN_MARK, run)
        block = verls.create_shared_memory(8, "verl_weights_0123")
        # As far as a sender gets whose receiver is dead, and which is killed then.
        block.close()
        socket = Path(weight_transfer.own_name(HANDLE).removeprefix("ipc://"))
        socket.touch()
        left[run] = [SHARED_MEMORY / block.name, socket]
    end_leftovers("killed", tmp_path / "none")
    assert [path.exists() for path in left["killed"]] == [False, False]
    assert [path.exists() for path in left["other"]] == [True, True]
    end_leftovers("other", tmp_path / "none")
    assert [path.exists() for path in left["other"]] == [False, False]
