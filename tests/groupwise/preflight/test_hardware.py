"""Which set of versions a machine needs, and when the memory of its GPUs is estimated; no GPU is touched."""

import pytest

import verl_cpu
from groupwise.preflight import hardware, memory
from groupwise.preflight.facts import Facts

GPU = ("trainer.device=cuda", "actor_rollout_ref.actor.strategy=fsdp2")


@pytest.fixture
def no_card(monkeypatch):
    monkeypatch.setattr(memory.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))


@pytest.mark.parametrize(("device", "kind"), [("cpu", "cpu"), ("cuda", "gpu"), ("npu", "gpu")])
def test_the_set_of_versions_follows_the_machine(monkeypatch, device, kind):
    class Platform:
        device_name = device

    monkeypatch.setattr(hardware, "get_platform", Platform)
    assert hardware.kind() == kind


@pytest.mark.parametrize(
    ("machine", "device", "faults"), [("cpu", "cpu", 0), ("gpu", "cpu", 0), ("gpu", "cuda", 0), ("cpu", "cuda", 1)]
)
def test_a_machine_without_a_gpu_refuses_one(compose_with, monkeypatch, machine, device, faults):
    monkeypatch.setattr(hardware, "kind", lambda: machine)
    found = list(hardware.find_device_faults(compose_with(f"trainer.device={device}")))
    assert len(found) == faults
    assert all("trainer.device=cuda needs an accelerator" in sentence for sentence in found)


class TestMemory:
    def faults(self, config) -> list[str]:
        return list(hardware.find_memory_faults(Facts(config)))

    def test_a_card_that_is_large_enough_has_no_fault(self, compose_with):
        assert self.faults(compose_with(*GPU, "preflight.gpu_memory_gib=80")) == []

    def test_one_that_is_too_small_has(self, compose_with):
        # vLLM's share of half a gibibyte is less than the one that it is taken to work in.
        sentences = self.faults(compose_with(*GPU, "preflight.gpu_memory_gib=0.5"))
        assert any(sentence.startswith("vLLM's weights must fit") for sentence in sentences)

    def test_a_run_on_the_cpu_has_none(self, compose_with):
        assert self.faults(compose_with("preflight.gpu_memory_gib=0.5")) == []

    def test_without_a_card_to_ask_nothing_is_said(self, compose_with, no_card):
        assert self.faults(compose_with(*GPU)) == []

    def test_nor_of_a_model_that_is_not_here(self, compose_with):
        model = "actor_rollout_ref.model.path=hdfs://cluster/model"
        assert self.faults(compose_with(*GPU, model, "preflight.gpu_memory_gib=0.5")) == []

    def test_nor_of_a_whole_batch_where_a_micro_batch_is_missing(self, compose_with):
        missing = "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=null"
        assert self.faults(compose_with(*GPU, missing, "preflight.gpu_memory_gib=0.5")) == []


class TestDescription:
    def lines(self, config) -> list[str]:
        return hardware.describe_memory(Facts(config))

    def test_is_a_table_of_the_card(self, compose_with):
        lines = self.lines(compose_with(*GPU, "preflight.gpu_memory_gib=24"))
        assert "estimated" in lines[0]
        assert lines[1].startswith("training, of 24.0 ")

    @pytest.mark.parametrize(
        ("overrides", "line"),
        [
            (["preflight.gpu_memory_gib=24"], "GPU memory: none is used (trainer.device=cpu)"),
            ([*GPU], "GPU memory: not estimated, there is no GPU here; preflight.gpu_memory_gib=80 tells"),
            (
                [*GPU, "preflight.gpu_memory_gib=24", "actor_rollout_ref.model.path=hdfs://cluster/model"],
                "GPU memory: not estimated, the model is not known here",
            ),
            (
                [*GPU, "preflight.gpu_memory_gib=24", "actor_rollout_ref.actor.strategy=megatron"],
                "GPU memory: not estimated: ",
            ),
        ],
    )
    def test_or_a_line_that_says_why_there_is_none(self, compose_with, no_card, overrides, line):
        (said,) = self.lines(compose_with(*overrides))
        assert said.startswith(line)


def test_the_check_without_a_gpu_is_made_where_there_is_none_alone(compose_with, monkeypatch):
    monkeypatch.setattr(verl_cpu, "check", lambda: ["no platform"])
    assert list(hardware.find_cpu_faults(compose_with())) == ["no platform"]
    assert list(hardware.find_cpu_faults(compose_with(*GPU))) == []
