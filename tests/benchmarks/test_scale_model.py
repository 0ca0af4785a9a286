"""The model on paper: its bytes are what verl and the recipe transfer, its fit is one, its sums are right."""

import inspect
import re

import pytest
import scale_fields
import scale_fit
import scale_model
from omegaconf import OmegaConf
from scale_fields import FIELDS, Field, Load

LOAD = Load(responses=1000, tokens=100, fill=0.5, prompt_tokens=10)


def make_results(held_out_factor: float = 1.0) -> dict:
    """Exact growth: 1 ms + 2 us B + 3 ns B T for plain GRPO, half of that for DiPO; 40 bytes for each token."""
    points = []
    pairs = [(512, 512), (2048, 512), (8192, 512), (2048, 128), (2048, 4096), (1024, 8192)]
    for responses, tokens in pairs:
        held_out = (responses, tokens) == pairs[-1]
        base = (1e-3 + 2e-6 * responses + 3e-9 * responses * tokens) * (held_out_factor if held_out else 1)
        seconds = {"dipo": base / 10, "verl_grpo": base, "controller_dipo": base / 2, "controller_grpo": base}
        points.append(
            {
                "responses": responses,
                "tokens": tokens,
                "threads": 1,
                "held_out": held_out,
                "seconds": {name: {"min": 0, "median": value, "max": 9} for name, value in seconds.items()},
                "peak_bytes": dict.fromkeys(seconds, 40 * responses * tokens),
            }
        )
    return {"bandwidth": {"1": {"read": 12e9, "write": 4e9}}, "points": points}


class TestFields:
    @pytest.mark.parametrize(
        ("phase", "method"),
        [
            ("old log-probs, read", "_compute_old_log_prob"),
            ("advantages, read", "_compute_advantage"),
            ("metrics, read", "_compute_metrics"),
        ],
    )
    def test_verl_reads_them(self, phase, method):
        from verl.trainer.ppo.v1.trainer_base import PPOTrainer

        lists = re.findall(
            r"fields(?: = |\.extend\()\[(.*?)\]", inspect.getsource(getattr(PPOTrainer, method)), re.DOTALL
        )
        asked = set(re.findall(r'"(\w+)"', " ".join(lists)))
        # Of a critic, a reference model and a penalty in the reward, which the model leaves out.
        left_out = {"values", "ref_log_prob", "token_level_rewards"}
        written = {"advantages", "returns", "rollout_is_weights"} if "advantages" in phase else set()
        assert asked - left_out - written == {field.name for field in FIELDS if field.phase == phase}

    def test_the_recipe_reads_them(self):
        from groupwise.hook.batch_store import read_columns
        from groupwise.hook.without_padding import fields_of, write_advantages

        (asked,) = re.findall(r"fields = \[(.*?)\]", inspect.getsource(read_columns))
        defaults = {"algorithm": {"rollout_correction": {"bypass_mode": False}}}
        read = {*re.findall(r'"(\w+)"', asked), *fields_of(OmegaConf.create(defaults))}
        written = re.findall(r"(\w+)=tokens", inspect.getsource(write_advantages))
        for what, names in (("read", read), ("written", written)):
            assert set(names) == {field.name for field in FIELDS if field.phase == f"DiPO's advantages, {what}"}

    def test_dtypes_are_those_of_an_agent_loop(self):
        from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics, AgentLoopOutput

        output = AgentLoopOutput(
            prompt_ids=[1],
            response_ids=[1, 2],
            response_mask=[1, 1],
            response_logprobs=[-1.0, -1.0],
            reward_score=1.0,
            metrics=AgentLoopMetrics(),
        ).as_dict()
        for name, size in (("responses", 8), ("response_mask", 8), ("rollout_log_probs", 4), ("rm_scores", 4)):
            assert output[name].element_size() == size
            assert {field.response_token for field in FIELDS if field.name == name} == {size}


class TestBytes:
    def test_tokens_are_counted_without_padding(self, monkeypatch):
        monkeypatch.setattr(scale_fields, "framing_bytes", lambda field: 7.0)
        # A response has 50 tokens of 8 bytes, its prompt 10 of 4, and 7 bytes beside.
        assert scale_fields.bytes_of(Field("x", "y", 8, 4), LOAD) == 1000 * (400 + 40 + 7)

    def test_framing_leaves_out_the_tokens(self):
        import torch
        from transfer_queue.utils.serial_utils import encode

        # What a value of 4 tokens of 8 bytes takes, less those.
        sent = sum(memoryview(frame).nbytes for frame in encode([torch.zeros(4, dtype=torch.int64)] * 50)) / 50 - 32
        assert scale_fields.framing_bytes(Field("x", "y", 8)) == pytest.approx(sent + 9, rel=0.1)

    def test_a_value_without_tokens_is_counted_whole(self):
        assert scale_fields.framing_bytes(Field("x", "uid", sample="u" * 500)) > 500

    def test_a_listing(self):
        assert len(scale_fields.UID) < scale_fields.listing_bytes() < 1000

    def test_sums_by_who_moves_them(self):
        # DiPO does not write the mask of eight bytes back.
        assert scale_model.per_token_of(by_dipo=False) == 100
        assert scale_model.per_token_of(by_dipo=True) == 92
        moved = sum(scale_fields.bytes_of(field, LOAD) for field in FIELDS if field.by_dipo is not True)
        assert scale_model.moved_bytes(LOAD, False) == pytest.approx(moved)


class TestFit:
    def test_an_exact_growth_is_found(self):
        growth = scale_fit.fit_all(make_results(), "seconds")["verl_grpo"]
        assert tuple(growth) == pytest.approx((1e-3, 2e-6, 3e-9))
        assert growth.at(10, 100) == pytest.approx(1e-3 + 2e-5 + 3e-6)

    def test_no_term_is_negative(self):
        points = [{"responses": count, "tokens": 10} for count in (10, 20, 40)]
        assert min(scale_fit.fit(points, [1.0, 0.5, 0.2])) >= 0

    def test_two_points_are_too_few(self):
        with pytest.raises(ValueError, match="at least three points, but there are 2"):
            scale_fit.fit([{"responses": 1, "tokens": 1}] * 2, [1.0, 2.0])

    def test_held_out_points_are_not_fitted(self):
        assert scale_fit.fit_all(make_results(5.0), "seconds") == scale_fit.fit_all(make_results(), "seconds")

    def test_they_are_compared(self):
        # Measured twice what the growth says: 1 ms + 2.048 ms + 25.166 ms.
        rows = scale_fit.check_table(make_results(2.0)).splitlines()
        assert "| 1,024 x 8,192 | verl_grpo, ms | 28.2 | 56.4 | -50% |" in rows
        assert "| 1,024 x 8,192 | dipo, MiB | 320.0 | 320.0 | +0% |" in rows


class TestSummary:
    def summary(self, **changes):
        cluster = scale_model.Cluster(
            gpus=10, parameters=1e6, generation=100.0, flops=1e9, network=1e9, memory=400e6
        )._replace(**changes)
        return scale_model.summary(make_results(), LOAD, cluster)

    def test_the_step_without_the_controller(self):
        # 1000 x 50 tokens at 100 a second are 500 s of a GPU, training 1e7 x 50000 / 1e9 another 500: over 10 GPUs.
        assert self.summary()["step without the controller, s"] == pytest.approx(100)
        assert self.summary(gpus=20)["step without the controller, s"] == pytest.approx(50)

    def test_seconds_of_the_controller(self):
        found = self.summary()
        # 1 ms + 2 ms + 3 ns x 100,000 padded tokens.
        assert found["verl: advantage phase in the controller, s"] == pytest.approx(3.3e-3)
        assert found["DiPO: advantage phase in the controller, s"] == pytest.approx(1.65e-3)
        assert found["DiPO: bytes on the wire, s"] == pytest.approx(scale_model.moved_bytes(LOAD, True) / 1e9)
        # Half of 100,000 x 2 ns.
        assert found["at memory bandwidth it would be, s"] == pytest.approx(1e-4)
        verl, dipo = (
            found[f"{name}: bytes on the wire, s"] + found[f"{name}: advantage phase in the controller, s"]
            for name in ("verl", "DiPO")
        )
        less = 100 * (dipo - verl) / (100 + verl)
        assert found["DiPO's step less verl's, % of verl's"] == pytest.approx(less)
        assert less < 0

    def test_where_it_stops(self):
        found = self.summary()
        # 40 bytes x 100 tokens a response.
        assert found["responses at which the memory is full, DiPO"] == pytest.approx(100_000, rel=1e-3)
        for name in ("verl's GRPO", "DiPO"):
            share = self.summary(gpus=found[f"GPUs at which the controller is 10% of a step, {name}"])
            assert share[f"controller in all with {name}, % of a step"] == pytest.approx(10)


class TestCommand:
    def test_without_measurements(self, monkeypatch, tmp_path):
        monkeypatch.setattr("sys.argv", ["scale_model.py", "--results", str(tmp_path / "none.json")])
        with pytest.raises(SystemExit, match=r"there is no .*none\.json; run cost_growth\.py first"):
            scale_model.main()

    def test_it_prints(self, monkeypatch, tmp_path, capsys):
        import json

        (tmp_path / "cost.json").write_text(json.dumps(make_results()))
        monkeypatch.setattr("sys.argv", ["scale_model.py", "--results", str(tmp_path / "cost.json")])
        scale_model.main()
        text = capsys.readouterr().out
        # 10,000 x 64, and half of 32,768 tokens each.
        assert "640,000 responses of up to 32,768 tokens, 50% of that on average" in text
        assert "10.49 billion generated tokens" in text
        assert "| held out | measurement |" in text
