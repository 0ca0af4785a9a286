"""The mixin over verl's real trainers: batches through verl's own `_compute_advantage`, and the queue's checkpoints."""

import inspect
import json
import math
import re
from dataclasses import make_dataclass
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY
from verl.trainer.ppo.v1 import PPOTrainerColocateAsync, PPOTrainerSeparateAsync, PPOTrainerSync
from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY, PPOTrainer

from groupwise.dumps.reader import read_dump
from groupwise.dumps.recorder import Texts
from groupwise.errors import GroupwiseError
from groupwise.hook.trainer import STATE_FILE, MethodTrainerMixin, install
from groupwise.method import METHODS, Method, Outcome
from groupwise.record import run_record
from recipe.dipo.queue import PerplexityQueue

NAN = math.nan
VERL_TRAINERS = [PPOTrainerSync, PPOTrainerColocateAsync, PPOTrainerSeparateAsync]


@pytest.fixture
def make_trainer(config, monkeypatch):
    """Builds a trainer of one of verl's classes under the mixin, without the workers that verl's __init__ asks for."""

    def verl_init(self, config):
        self.config = config
        self.parameter_sync_step = config.trainer.v1.get("parameter_sync_step", 1)
        self.global_steps = 0

    monkeypatch.setattr(PPOTrainer, "__init__", verl_init)

    def make(verl_trainer=PPOTrainerSync, **algorithm):
        config.algorithm = OmegaConf.merge(config.algorithm, algorithm)
        trainer_class = type("Trainer", (MethodTrainerMixin, verl_trainer), {"__init__": MethodTrainerMixin.__init__})
        if verl_trainer is PPOTrainerSeparateAsync:
            monkeypatch.setattr(PPOTrainerSeparateAsync, "__init__", verl_init)
        return trainer_class(config)

    return make


def fill(queue):
    """Three groups of n=4 for which a threshold exists: right answers are confident, wrong ones are not.

    Perplexity of a one-token response with log-prob -x is exp(x).
    - group h (hard): perplexities e^0.2, e^2, e^2.1, e^2.2: the first is confidently wrong (EL).
    - group e (easy): e^0.1, e^0.11, e^0.12, e^0.13: all confident, nothing to do.
    - group m (mixed): right e^0.14, e^0.15; wrong e^2.3, e^2.4.
    """
    for session, x in enumerate([0.2, 2.0, 2.1, 2.2]):
        queue.add(f"h_{session}_0", log_probs=[-x, NAN], mask=[1, 0], score=0.0, info={"acc": 0.0})
    for session, x in enumerate([0.1, 0.11, 0.12, 0.13]):
        queue.add(f"e_{session}_0", log_probs=[-x], mask=[1], score=1.0, info={"acc": 1.0})
    queue.add("pad_0_0", log_probs=[NAN], mask=[0], score=0.0, info={"acc": 1.0})
    for session, (x, acc) in enumerate([(0.14, 1.0), (0.15, 1.0), (2.3, 0.0), (2.4, 0.0)]):
        queue.add(f"m_{session}_0", log_probs=[-x, -x], mask=[1, 1], score=acc, info={"acc": acc})


def advantages(queue) -> dict[str, float]:
    """Advantage at the first token of every row, by key."""
    return {key: row["advantages"][0].item() for key, row in queue.store.items()}


@pytest.mark.parametrize("verl_trainer", VERL_TRAINERS)
def test_reallocates_in_every_mode(queue, make_trainer, verl_trainer):
    fill(queue)
    queue.store["h_0_0"]["old_log_probs"] = torch.tensor([-0.01, NAN])
    make_trainer(verl_trainer)._compute_advantage(queue.batch(), {})
    # As derived in the next test but one.
    assert advantages(queue)["h_0_0"] == pytest.approx(0.15, abs=1e-5)


def test_unsure_errors_are_left_alone(queue, make_trainer):
    fill(queue)
    trainer, metrics = make_trainer(), {}
    trainer._compute_advantage(queue.batch(), metrics)
    found = advantages(queue)
    # With tau* between e^0.15 and e^0.2 all 12 responses are as they should be. All of group h then lies in ErS, so it
    # has no EL response, and all of group e in EiS, so it has no CH response.
    assert metrics["dipo/threshold/error_rate"] == 0.0
    assert math.exp(0.15) < metrics["dipo/threshold/value"] < math.exp(0.2)
    assert metrics["dipo/reallocated_total/up"] == metrics["dipo/reallocated_total/down"] == 0.0
    assert all(found[f"{group}_{session}_0"] == 0.0 for group in "he" for session in range(4))


def test_confidently_wrong_responses_are_reallocated(queue, make_trainer):
    fill(queue)
    # h_0 becomes the most confident response of all: no threshold can put it into ErS.
    queue.store["h_0_0"]["old_log_probs"] = torch.tensor([-0.01, NAN])
    trainer, metrics = make_trainer(), {}
    trainer._compute_advantage(queue.batch(), metrics)
    found = advantages(queue)
    # EL = {h_0}: reallocated reward 1 for it. n=4: 0.1 * 1.5 and 0.1 * -0.5, as derived in test_estimator.py.
    assert [found[f"h_{session}_0"] for session in range(4)] == pytest.approx([0.15, -0.05, -0.05, -0.05], abs=1e-5)
    assert [found[f"e_{session}_0"] for session in range(4)] == [0.0] * 4
    # GRPO on rewards 1, 1, 0, 0: mean 1/2, unbiased std sqrt(1/3): +-0.5 / 0.57735 = +-0.866.
    assert [found[f"m_{session}_0"] for session in range(4)] == pytest.approx([0.866, 0.866, -0.866, -0.866], abs=1e-3)
    assert found["pad_0_0"] == 0.0
    assert metrics["dipo/reallocated_total/up"] == 1.0
    assert metrics["dipo/group_share/hard"] == metrics["dipo/group_share/easy"] == pytest.approx(1 / 3)
    assert metrics["dipo/gradient_share/grpo"] == pytest.approx(4 / 12)
    assert metrics["dipo/gradient_share/dipo"] == pytest.approx(8 / 12)
    # |alpha A_r| = 0.15 + 3 * 0.05 = 0.3 beside 4 * 0.866: 0.3 / 3.764.
    assert metrics["dipo/advantage_share"] == pytest.approx(0.3 / (0.3 + 4 * 0.8660), abs=1e-4)
    assert metrics["dipo/queue_size"] == 12.0


def test_grpo_is_verls_own_and_is_observed(queue, make_trainer):
    fill(queue)
    queue.store["h_0_0"]["old_log_probs"] = torch.tensor([-0.01, NAN])
    plain = PPOTrainerSync.__new__(PPOTrainerSync)
    trainer, metrics = make_trainer(adv_estimator="grpo"), {}
    plain.config = trainer.config
    plain._compute_advantage(queue.batch(), {})
    expected = {key: row["advantages"].clone() for key, row in queue.store.items()}
    trainer._compute_advantage(queue.batch(), metrics)
    assert all(torch.equal(row["advantages"], expected[key]) for key, row in queue.store.items())
    assert metrics["dipo/would_reallocate_total/any"] == 1.0
    assert metrics["dipo/gradient_share/dipo"] > metrics["dipo/gradient_share/grpo"]


def test_alpha_zero_equals_grpo(queue, make_trainer):
    fill(queue)
    make_trainer(adv_estimator="grpo")._compute_advantage(queue.batch(), {})
    expected = advantages(queue)
    make_trainer(adv_estimator="dipo", dipo={"alpha": 0.0})._compute_advantage(queue.batch(), {})
    assert advantages(queue) == pytest.approx(expected, abs=1e-6)


def test_without_verdicts_grpo_is_left_alone_and_nothing_is_logged(queue, make_trainer, config):
    fill(queue)
    for row in queue.store.values():
        row["extra_fields"] = {"reward_extra_info": {}}
    config.reward.reward_manager.name = "naive"
    metrics = {}
    make_trainer(adv_estimator="grpo")._compute_advantage(queue.batch(), metrics)
    assert not [name for name in metrics if name.startswith("dipo/")]
    with pytest.raises(GroupwiseError, match="acc"):
        make_trainer(adv_estimator="dipo")._compute_advantage(queue.batch(), {})


def test_a_cold_start_reallocates_nothing(queue, make_trainer):
    for session, x in enumerate([0.1, 1.0]):
        queue.add(f"h_{session}_0", log_probs=[-x], mask=[1], score=0.0, info={"acc": 0.0})
    trainer, metrics = make_trainer(), {}
    trainer._compute_advantage(queue.batch(), metrics)
    assert metrics["dipo/threshold/admissible"] == 0.0
    assert "dipo/threshold/value" not in metrics
    assert "dipo/perplexity/correct" not in metrics
    assert advantages(queue) == {"h_0_0": 0.0, "h_1_0": 0.0}


def test_a_response_without_a_token_leaves_its_group_alone(queue, make_trainer):
    fill(queue)
    queue.store["h_0_0"]["old_log_probs"] = torch.tensor([-0.01, NAN])
    # h_3's last output is all tool text.
    queue.store["h_3_0"]["response_mask"] = torch.tensor([0, 0])
    trainer, metrics = make_trainer(), {}
    trainer._compute_advantage(queue.batch(), metrics)
    assert metrics["dipo/reallocated_total/up"] == 0.0
    assert metrics["dipo/judged_share"] == pytest.approx(8 / 12)
    # The other three of its group still say how perplexity and verdicts go together.
    assert metrics["dipo/queue_size"] == 11.0
    assert all(advantages(queue)[f"h_{session}_0"] == 0.0 for session in range(4))


def test_groups_with_fewer_responses_than_n(queue, make_trainer):
    fill(queue)
    queue.store["h_0_0"]["old_log_probs"] = torch.tensor([-0.01, NAN])
    # Two of group h's sessions failed, and all but one of group e's.
    for key in ("h_2_0", "h_3_0", "e_1_0", "e_2_0", "e_3_0"):
        del queue.store[key]
    make_trainer()._compute_advantage(queue.batch(), {})
    found = advantages(queue)
    # n=2, rewards 1 and 0: +-0.5 / sqrt(1/2) = +-0.70711, times alpha 0.1.
    assert found["h_0_0"] == pytest.approx(0.070711, abs=1e-5)
    assert found["h_1_0"] == pytest.approx(-0.070711, abs=1e-5)
    # verl's GRPO gives a single response its reward as advantage (mean 0, std 1); DiPO adds nothing.
    assert found["e_0_0"] == pytest.approx(1.0, abs=1e-5)


def test_queue_spans_the_configured_training_batches(queue, make_trainer, config):
    fill(queue)
    trainer = make_trainer()
    sizes = []
    for _ in range(3):
        metrics = {}
        trainer._compute_advantage(queue.batch(), metrics)
        sizes.append(metrics["dipo/queue_size"])
    assert sizes == [12.0, 24.0, 24.0]
    # separate_async pushes parameter_sync_step shares of a training batch each step.
    config.trainer.v1.parameter_sync_step = 3
    trainer = make_trainer(PPOTrainerSeparateAsync)
    sizes = []
    for _ in range(7):
        metrics = {}
        trainer._compute_advantage(queue.batch(), metrics)
        sizes.append(metrics["dipo/queue_size"])
    assert sizes == [12.0 * count for count in (1, 2, 3, 4, 5, 6, 6)]


def fail(queue, key: str, reason: str = "timeout: 3 s"):
    """Makes a response of `fill` one that could not be judged: its verdict and perplexity must not be looked at."""
    queue.store[key]["extra_fields"] = {
        "reward_extra_info": {"acc": NAN, "reason": reason, "error": f"{key}: {reason}"}
    }
    queue.store[key]["rm_scores"] = torch.zeros_like(queue.store[key]["rm_scores"])


class TestUnjudgedResponses:
    @pytest.fixture
    def lenient(self, config):
        """1 of the 12 responses of `fill` is 8.3%."""
        config.reward.reward_kwargs.max_failure_share = 0.1

    @pytest.mark.parametrize("estimator", ["dipo", "grpo"])
    def test_are_counted_by_kind_and_logged_with_their_row(self, queue, make_trainer, config, caplog, estimator):
        config.reward.reward_kwargs.max_failure_share = 0.25
        fill(queue)
        fail(queue, "h_3_0", "verifier error: boom")
        fail(queue, "e_1_0", "unparsable gold: x")
        fail(queue, "e_2_0", "unparsable gold: x")
        metrics = {}
        make_trainer(adv_estimator=estimator)._compute_advantage(queue.batch(), metrics)
        assert metrics["reward/verifier_error"] == 1 / 12
        assert metrics["reward/timeout"] == 0.0
        assert metrics["reward/unparsable_gold"] == 2 / 12
        # In the order of the batch.
        assert caplog.messages == [
            "h_3_0: verifier error: boom (1 of 12 responses of this training step)",
            "e_1_0: unparsable gold: x (1 of 12 responses of this training step)",
            "e_2_0: unparsable gold: x (1 of 12 responses of this training step)",
        ]

    @pytest.mark.parametrize("estimator", ["dipo", "grpo"])
    def test_metrics_are_there_without_any(self, queue, make_trainer, estimator):
        fill(queue)
        metrics = {}
        make_trainer(adv_estimator=estimator)._compute_advantage(queue.batch(), metrics)
        found = {name: value for name, value in metrics.items() if name.startswith("reward/")}
        assert found == {"reward/verifier_error": 0.0, "reward/timeout": 0.0, "reward/unparsable_gold": 0.0}

    @pytest.mark.parametrize("estimator", ["dipo", "grpo"])
    def test_more_than_the_limit_stop_the_run(self, queue, make_trainer, estimator):
        fill(queue)
        for key in ("h_1_0", "h_2_0", "h_3_0"):
            fail(queue, key)
        trainer = make_trainer(adv_estimator=estimator)
        with pytest.raises(GroupwiseError, match=r"^3 of 12 responses of this training step .*h_3_0: timeout: 3 s"):
            trainer._compute_advantage(queue.batch(), {})
        assert len(trainer.methods["dipo"].queue.snapshot()[0]) == 0
        assert "advantages" not in queue.store["h_0_0"]

    def test_exactly_the_limit_does_not(self, queue, make_trainer, config):
        config.reward.reward_kwargs.max_failure_share = 0.25
        fill(queue)
        for key in ("h_1_0", "h_2_0", "h_3_0"):
            fail(queue, key)
        make_trainer()._compute_advantage(queue.batch(), {})
        fail(queue, "e_0_0")
        with pytest.raises(GroupwiseError, match=r"^4 of 12"):
            make_trainer()._compute_advantage(queue.batch(), {})

    @pytest.mark.usefixtures("lenient")
    def test_an_unknown_data_source_stops_at_once(self, queue, make_trainer):
        fill(queue)
        fail(queue, "h_3_0", "unknown data source: x")
        with pytest.raises(GroupwiseError, match=r"^h_3_0: unknown data source: x$"):
            make_trainer()._compute_advantage(queue.batch(), {})

    @pytest.mark.usefixtures("lenient")
    def test_take_no_part_in_dipo(self, queue, make_trainer):
        fill(queue)
        # Without a failure h_0 would be rewarded, see test_confidently_wrong_responses_are_reallocated.
        queue.store["h_0_0"]["old_log_probs"] = torch.tensor([-0.01, NAN])
        fail(queue, "h_3_0")
        trainer, metrics = make_trainer(), {}
        trainer._compute_advantage(queue.batch(), metrics)
        assert metrics["dipo/reallocated_total/up"] == 0.0
        assert metrics["dipo/queue_size"] == 11.0
        assert metrics["dipo/judged_share"] == pytest.approx(8 / 12)
        # e^2.2 is h_3's alone.
        assert not torch.isclose(
            trainer.methods["dipo"].queue.snapshot()[0], torch.tensor(math.exp(2.2)).double()
        ).any()
        assert metrics["dipo/group_share/hard"] == 0.0
        assert not any(math.isnan(value) for value in metrics.values())
        assert all(advantages(queue)[f"h_{session}_0"] == 0.0 for session in range(4))

    @pytest.mark.usefixtures("lenient")
    def test_leave_a_reallocation_elsewhere_as_it_is(self, queue, make_trainer):
        fill(queue)
        queue.store["h_0_0"]["old_log_probs"] = torch.tensor([-0.01, NAN])
        fail(queue, "m_3_0")
        make_trainer()._compute_advantage(queue.batch(), {})
        # As without the failure.
        assert advantages(queue)["h_0_0"] == pytest.approx(0.15, abs=1e-5)

    @pytest.mark.usefixtures("lenient")
    def test_alpha_zero_equals_verls_grpo_with_one_among_the_responses(self, queue, make_trainer):
        fill(queue)
        # Of a right response of the mixed group: verl's GRPO takes its score 0 for what it is.
        fail(queue, "m_0_0")
        trainer = make_trainer(dipo={"alpha": 0.0})
        plain = PPOTrainerSync.__new__(PPOTrainerSync)
        plain.config = OmegaConf.merge(trainer.config, {"algorithm": {"adv_estimator": "grpo"}})
        plain._compute_advantage(queue.batch(), {})
        expected = advantages(queue)
        # Rewards 0, 1, 0, 0: mean 1/4, unbiased std 1/2: (1 - 1/4) / (1/2) = 1.5, and -0.5 for the others.
        assert [expected[f"m_{session}_0"] for session in range(4)] == pytest.approx([-0.5, 1.5, -0.5, -0.5], abs=1e-4)
        trainer._compute_advantage(queue.batch(), {})
        assert advantages(queue) == pytest.approx(expected, abs=1e-6)

    def test_a_step_of_nothing_else(self, queue, make_trainer, config):
        config.reward.reward_kwargs.max_failure_share = 1
        for session in range(2):
            queue.add(f"h_{session}_0", log_probs=[-1.0], mask=[1], score=0.0, info={})
            fail(queue, f"h_{session}_0")
        metrics = {}
        make_trainer()._compute_advantage(queue.batch(), metrics)
        assert metrics["reward/timeout"] == 1.0
        assert (metrics["dipo/gradient_share/dipo"], metrics["dipo/judged_share"]) == (0.0, 0.0)
        assert not any(math.isnan(value) for value in metrics.values())


class TestValidation:
    """Through verl's own `_val_metrics_update` and the averages that it takes."""

    def validate(self, trainer, *, failed: int, responses: int, reason: str = "timeout: 3 s"):
        """Prompts of one response each: the first ones failed, of the others every second is right."""
        accs = [NAN] * failed + [float(place % 2) for place in range(responses - failed)]
        uids = [f"uid-{place}" for place in range(responses)]
        infos = {
            "reward": accs,
            "acc": accs,
            "reason": [reason] * failed + ["correct"] * (responses - failed),
            "error": [f"row {place}: {reason}" for place in range(failed)] + [""] * (responses - failed),
        }
        expected = {("math", uid): 1 for uid in uids}
        return trainer._val_metrics_update(
            ["math"] * responses, uids, infos, [2] * responses, expected_acc_counts=expected
        )

    @pytest.mark.parametrize("estimator", ["dipo", "grpo"])
    def test_unjudged_responses_are_counted_and_left_out(self, make_trainer, estimator, caplog):
        metrics = self.validate(make_trainer(adv_estimator=estimator), failed=1, responses=101)
        # Of the 100 that were judged 50 are right.
        assert metrics["val-core/math/acc/mean@1"] == 0.5
        assert metrics["val-aux/reward/timeout"] == 1 / 101
        assert metrics["val-aux/reward/verifier_error"] == metrics["val-aux/reward/unparsable_gold"] == 0.0
        assert metrics["val-aux/num_turns/mean"] == 2
        assert "row 0: timeout: 3 s (1 of 101 responses of this validation)" in caplog.messages

    def test_shares_are_there_without_failures_and_the_rest_is_verls(self, make_trainer):
        trainer = make_trainer()
        metrics = self.validate(trainer, failed=0, responses=4)
        shares = {name for name in metrics if name.startswith("val-aux/reward/")}
        assert {name: metrics.pop(name) for name in shares} == dict.fromkeys(shares, 0.0)
        assert len(shares) == 3
        trainer.has_verdicts = False
        assert self.validate(trainer, failed=0, responses=4) == metrics

    def test_more_than_the_limit_stop_the_run(self, make_trainer):
        with pytest.raises(
            GroupwiseError, match=r"^3 of 102 responses of this validation .*row 0: timeout: 3 s row 1: "
        ):
            self.validate(make_trainer(), failed=3, responses=102)
        # Exactly 1%.
        self.validate(make_trainer(), failed=1, responses=100)

    def test_an_unknown_data_source_stops_at_once(self, make_trainer):
        with pytest.raises(GroupwiseError, match=r"^row 0: unknown data source: x$"):
            self.validate(make_trainer(), failed=1, responses=1000, reason="unknown data source: x")

    def test_one_in_which_all_failed_has_no_accuracy(self, make_trainer, config):
        config.reward.reward_kwargs.max_failure_share = 1
        metrics = self.validate(make_trainer(), failed=3, responses=3)
        assert metrics["val-aux/reward/timeout"] == 1.0
        assert not [name for name in metrics if "/acc/" in name]

    def test_without_the_managers_verdicts_it_is_verls_own(self, make_trainer, config):
        config.reward.reward_manager.name = "naive"
        metrics = self.validate(make_trainer(adv_estimator="grpo"), failed=1, responses=2)
        assert math.isnan(metrics["val-core/math/acc/mean@1"])
        assert not [name for name in metrics if name.startswith("val-aux/reward/timeout")]


class TestRolloutDump:
    """verl's own `_log_rollout_data`, which decodes, sorts and calls what is overridden."""

    @pytest.fixture
    def dump(self, queue, make_trainer, config, tmp_path):
        """Runs a step and its dump; gives the table, its metadata, and what the step logged."""
        config.trainer.rollout_data_dir = str(tmp_path)

        def run(**algorithm):
            trainer, metrics = make_trainer(**algorithm), {}
            trainer.global_steps = 7
            trainer.tokenizer = SimpleNamespace(
                pad_token_id=0, decode=lambda ids, skip_special_tokens: " ".join(map(str, ids.tolist()))
            )
            trainer._init_dump_executor()
            trainer._compute_advantage(queue.batch(), metrics)
            trainer._log_rollout_data(queue.batch(), {}, str(tmp_path))
            trainer._shutdown_dump_executor()
            dump = read_dump(tmp_path / "groupwise" / "7.parquet")
            return dump.table.to_pydict(), dump.decided, metrics

        return run

    @pytest.fixture
    def confident_error(self, queue):
        fill(queue)
        queue.store["h_0_0"]["old_log_probs"] = torch.tensor([-0.01, NAN])

    @pytest.mark.usefixtures("confident_error")
    def test_holds_each_response_with_what_was_decided(self, dump, queue, tmp_path):
        rows, decided, metrics = dump()
        # In the order of the batch, without its padding row; verl sorts its own file by key.
        assert rows["key"] == [key for key in queue.store if not key.startswith("pad")]
        assert rows["uid"] == ["h"] * 4 + ["e"] * 4 + ["m"] * 4
        assert rows["step"] == [7] * 12
        assert rows["data_source"] == ["math"] * 12
        assert rows["ground_truth"][:5] == ["answer of h"] * 4 + ["answer of e"]
        # Padded by verl's own dump, as its file shows.
        assert rows["prompt"][0] == "1 2"
        assert rows["response"][8] == "3 3"
        assert rows["perplexity"][1:4] == pytest.approx([math.exp(2.0), math.exp(2.1), math.exp(2.2)])
        assert rows["response_length"] == [1] * 8 + [2] * 4
        assert rows["acc"] == rows["score"] == [0.0] * 4 + [1.0] * 6 + [0.0] * 2
        assert rows["dipo_group_kind"] == ["hard"] * 4 + ["easy"] * 4 + ["mixed"] * 4
        # As derived in test_confidently_wrong_responses_are_reallocated.
        assert rows["dipo_chosen"] == [True] + [False] * 11
        assert rows["dipo_reallocated_reward"] == [1.0] + [0.0] * 11
        assert rows["advantage_before"][:4] == [0.0] * 4
        assert rows["advantage_after"] == pytest.approx([advantages(queue)[key] for key in rows["key"]])
        assert decided["estimator"] == "dipo"
        assert decided["methods"]["dipo"]["alpha"] == 0.1
        (update,) = decided["updates"]
        assert update["metrics"] == {name: value for name, value in metrics.items() if name.startswith("dipo/")}
        assert (tmp_path / "7.jsonl").read_text().count("\n") == len(queue.store)

    @pytest.mark.usefixtures("confident_error")
    def test_a_baseline_dumps_what_dipo_would_do_and_what_was_trained(self, dump):
        rows, decided, _ = dump(adv_estimator="grpo")
        assert (decided["estimator"], list(decided["methods"])) == ("grpo", ["dipo"])
        assert rows["dipo_reallocated_reward"] == [1.0] + [0.0] * 11
        assert rows["advantage_after"] == rows["advantage_before"]

    @pytest.mark.usefixtures("confident_error")
    def test_advantages_of_another_estimator_are_not_guessed(self, dump):
        rows, *_ = dump(adv_estimator="rloo")
        assert rows["advantage_before"] == rows["advantage_after"] == [None] * 12

    def test_what_could_not_be_judged_has_no_verdict(self, dump, queue, config):
        config.reward.reward_kwargs.max_failure_share = 1
        fill(queue)
        fail(queue, "m_3_0")
        queue.store["e_0_0"]["extra_fields"]["reward_extra_info"] |= {"reason": "correct", "format": 1.0, "pred": "7"}
        rows, *_ = dump()
        assert rows["acc"][-1] is None
        assert rows["reason"][-1].startswith("timeout")
        assert rows["error"][-1] != ""
        assert rows["dipo_group_kind"][-4:] == [None] * 4
        assert (rows["reason"][4], rows["format"][4], rows["pred"][4], rows["error"][4]) == ("correct", 1.0, "7", "")
        assert rows["format"][5] is None

    @pytest.mark.usefixtures("confident_error")
    def test_several_updates_of_a_step_are_kept_apart(self, queue, make_trainer, config, tmp_path):
        config.trainer.rollout_data_dir = str(tmp_path)
        trainer = make_trainer()
        for _ in range(2):
            trainer._compute_advantage(queue.batch(), {})
        keys = queue.batch().keys
        texts = Texts(keys, [""] * len(keys), [""] * len(keys), [None] * len(keys))
        table = trainer.recorder.take(1, texts)
        assert table["update"].to_pylist() == [0] * 12 + [1] * 12
        decided = json.loads(table.schema.metadata[b"groupwise"])
        assert [update["metrics"]["dipo/queue_size"] for update in decided["updates"]] == [12, 24]
        # Taken: the next step begins anew.
        trainer._compute_advantage(queue.batch(), {})
        assert trainer.recorder.take(2, texts)["update"].to_pylist() == [0] * 12

    @pytest.mark.usefixtures("confident_error")
    def test_a_validation_is_no_rollout_dump(self, queue, make_trainer, config, tmp_path):
        config.trainer.rollout_data_dir = str(tmp_path / "rollouts")
        trainer = make_trainer()
        trainer._init_dump_executor()
        trainer._compute_advantage(queue.batch(), {})
        trainer._dump_generations(["p"], ["r"], [None], [1.0], {"uid": ["v_0_0"]}, str(tmp_path / "validation"))
        trainer._shutdown_dump_executor()
        assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["0.jsonl"]

    def test_nothing_is_kept_where_no_dump_is_asked_for(self, queue, make_trainer):
        fill(queue)
        trainer = make_trainer()
        trainer._compute_advantage(queue.batch(), {})
        assert trainer.recorder is None


class Halves(Method):
    """Gives the first token of each response half its base advantage, and counts what it has seen."""

    name, Config = "halves", make_dataclass("HalvesConfig", [("scale", float, 0.5)], frozen=True)
    needs = frozenset({"log_probs"})
    seen = 0

    def observe(self, known):
        self.seen += len(known.reward)

    def advantages(self, whole):
        base = whole.base_advantage(normalize_by_std=self.normalize_by_std)
        first = torch.zeros_like(whole.tokens.log_probs)
        first[:, 0] = self.config.scale * base
        return Outcome(first, {"scale": self.config.scale}, {"place": list(range(len(base)))})

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


class TestAnotherMethod:
    @pytest.fixture(autouse=True)
    def registered(self, monkeypatch):
        monkeypatch.setattr(METHODS, "_registered", {**METHODS._registered, "halves": Halves})
        monkeypatch.setitem(ADV_ESTIMATOR_REGISTRY, "halves", ADV_ESTIMATOR_REGISTRY["dipo"])

    def test_is_trained_under_its_name_with_dipo_beside_it(self, queue, make_trainer):
        fill(queue)
        trainer, metrics = make_trainer(adv_estimator="halves", halves={"scale": 0.25}), {}
        trainer._compute_advantage(queue.batch(), metrics)
        # GRPO on rewards 1, 1, 0, 0: +-0.866, a quarter of it on the first of two tokens.
        assert queue.store["m_0_0"]["advantages"].tolist() == pytest.approx([0.2165, 0.0], abs=1e-4)
        assert queue.store["h_0_0"]["advantages"].tolist() == [0.0, 0.0]
        assert metrics["halves/scale"] == 0.25
        # Four of twelve responses have a gradient under either; a quarter of one of two tokens is left.
        assert metrics["halves/gradient_share/grpo"] == metrics["halves/gradient_share/halves"] == 4 / 12
        assert metrics["dipo/queue_size"] == 12.0

    def test_is_dumped_and_remembered(self, queue, make_trainer, config, tmp_path, monkeypatch):
        config.trainer.rollout_data_dir = str(tmp_path)
        config.trainer.default_local_dir = str(tmp_path)
        config.trainer.max_actor_ckpt_to_keep = None
        config.resume = {"accept_changed_method": False}
        fill(queue)
        trainer = make_trainer(adv_estimator="halves", observe=[])
        trainer._compute_advantage(queue.batch(), {})
        keys = queue.batch().keys
        table = trainer.recorder.take(1, Texts(keys, *(["x"] * len(keys) for _ in range(3))))
        assert table["halves_place"].to_pylist() == list(range(12))
        assert table["advantage_after"].to_pylist()[8] == pytest.approx(0.433, abs=1e-3)
        assert "dipo_chosen" not in table.column_names
        monkeypatch.setattr(run_record, "method_of", lambda config: {})
        monkeypatch.setattr(PPOTrainer, "_save_checkpoint", lambda self: None)
        monkeypatch.setattr(PPOTrainer, "_load_checkpoint", lambda self: setattr(self, "global_steps", 7))
        trainer.global_steps = 7
        trainer._save_checkpoint()
        resumed = make_trainer(adv_estimator="halves")
        resumed._load_checkpoint()
        assert resumed.methods["halves"].seen == 12

    def test_nothing_is_observed_that_nobody_named(self, queue, make_trainer):
        fill(queue)
        metrics = {}
        make_trainer(adv_estimator="grpo", observe=[])._compute_advantage(queue.batch(), metrics)
        assert set(metrics) == {"reward/verifier_error", "reward/timeout", "reward/unparsable_gold"}


class TestStepLine:
    @pytest.fixture
    def show(self, queue, make_trainer, config, monkeypatch, capsys):
        def run(**algorithm):
            fill(queue)
            # What verl computes there of a whole batch is not looked at.
            monkeypatch.setattr(PPOTrainer, "_compute_metrics", lambda *arguments, **named: None)
            trainer, metrics = make_trainer(**algorithm), {}
            trainer.total_training_steps = 30
            batch = queue.batch()
            trainer._compute_advantage(batch, metrics)
            trainer._compute_metrics(batch, metrics, {}, global_steps=3, epoch=0)
            return capsys.readouterr().out

        return run

    def test_one_line_a_step(self, show):
        # One of three groups is hard, one easy; tau* as in test_unsure_errors_are_left_alone.
        assert re.fullmatch(r"step 3/30 dipo: hard 33% easy 33% tau 1\.19 \(err 0\.00\) up 0 down 0\n", show())

    def test_a_baseline_says_what_dipo_would_do(self, show):
        assert "would be up 0 down 0" in show(adv_estimator="grpo")

    def test_no_console_no_line(self, show, config):
        config.trainer.logger = "wandb"
        assert show() == ""


class TestCheckpoint:
    @pytest.fixture
    def trainer(self, make_trainer, config, tmp_path, monkeypatch):
        config.trainer.default_local_dir = str(tmp_path)
        config.trainer.max_actor_ckpt_to_keep = None
        config.resume = {"accept_changed_method": False}
        # The whole configuration is compared in test_run_record.py; one key stands for it here.
        monkeypatch.setattr(run_record, "method_of", lambda config: {"alpha": config.algorithm.dipo.alpha})
        trainer = make_trainer()
        calls = []
        # What verl leaves: the tracker file after a save, the step after a load.
        monkeypatch.setattr(PPOTrainer, "_save_checkpoint", lambda self: calls.append(sorted(tmp_path.rglob("*.pt"))))
        monkeypatch.setattr(PPOTrainer, "_load_checkpoint", lambda self: setattr(self, "global_steps", 7))
        trainer.calls = calls
        return trainer

    def test_queue_is_saved_before_verl_names_the_checkpoint_the_latest(self, trainer, tmp_path):
        trainer.methods["dipo"].queue.push(torch.tensor([1.5, 2.5]), torch.tensor([True, False]))
        trainer.global_steps = 7
        trainer._save_checkpoint()
        assert trainer.calls == [[tmp_path / "global_step_7" / STATE_FILE]]
        trainer.methods["dipo"].queue = PerplexityQueue(2)
        trainer._load_checkpoint()
        perplexity, correct = trainer.methods["dipo"].queue.snapshot()
        assert (perplexity.tolist(), correct.tolist()) == ([1.5, 2.5], [True, False])

    def test_the_queue_of_a_checkpoint_from_before_methods_had_one_file_is_taken_up(self, trainer, tmp_path):
        old = PerplexityQueue(2)
        old.push(torch.tensor([1.5, 2.5]), torch.tensor([True, False]))
        (tmp_path / "global_step_7").mkdir()
        torch.save(old.state_dict(), tmp_path / "global_step_7" / "dipo_queue.pt")
        trainer._load_checkpoint()
        assert trainer.methods["dipo"].queue.snapshot()[0].tolist() == [1.5, 2.5]

    def test_a_disk_without_room_is_refused_before_anything_is_written(self, trainer, tmp_path, monkeypatch):
        monkeypatch.setattr("groupwise.hook.trainer.checkpoint_bytes", lambda config: 2**80)
        trainer.global_steps = 7
        with pytest.raises(GroupwiseError, match="must have room for a checkpoint"):
            trainer._save_checkpoint()
        assert trainer.calls == []
        assert list(tmp_path.iterdir()) == []

    def test_a_named_checkpoint_gives_its_own_queue(self, trainer, tmp_path):
        for step, value in ((5, 5.0), (7, 7.0)):
            trainer.global_steps = step
            trainer.methods["dipo"].queue.push(torch.tensor([value]), torch.tensor([True]))
            trainer._save_checkpoint()
        trainer.config.trainer.resume_mode = "resume_path"
        trainer.config.trainer.resume_from_path = str(tmp_path / "global_step_5")
        trainer._load_checkpoint()
        assert trainer.methods["dipo"].queue.snapshot()[0].tolist() == [5.0]

    def test_a_checkpoint_of_another_method_is_refused_before_verl_loads_it(self, trainer, tmp_path, monkeypatch):
        trainer.global_steps = 7
        trainer._save_checkpoint()
        (tmp_path / "latest_checkpointed_iteration.txt").write_text("7")
        loaded = []
        monkeypatch.setattr(PPOTrainer, "_load_checkpoint", lambda self: loaded.append(7))
        trainer.config.algorithm.dipo.alpha = 0.7
        with pytest.raises(GroupwiseError, match=r"alpha: 0.1 in the checkpoint, 0.7 now"):
            trainer._load_checkpoint()
        assert loaded == []
        trainer.config.resume.accept_changed_method = True
        trainer._load_checkpoint()
        assert loaded == [7]

    def test_old_checkpoints_are_removed_after_a_save(self, trainer, tmp_path):
        trainer.config.trainer.max_actor_ckpt_to_keep = 2
        for step in (1, 2, 3):
            trainer.global_steps = step
            trainer._save_checkpoint()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["global_step_2", "global_step_3"]

    def test_the_checkpoint_that_was_resumed_by_name_stays(self, trainer, tmp_path):
        trainer.global_steps = 1
        trainer._save_checkpoint()
        trainer.config.trainer.max_actor_ckpt_to_keep = 1
        trainer.config.trainer.resume_mode = "resume_path"
        trainer.config.trainer.resume_from_path = str(tmp_path / "global_step_1")
        for step in (2, 3):
            trainer.global_steps = step
            trainer._save_checkpoint()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["global_step_1", "global_step_3"]

    def test_a_checkpoint_of_another_launcher_starts_cold_with_a_warning(self, trainer, caplog):
        trainer.methods["dipo"].queue.push(torch.tensor([1.5]), torch.tensor([True]))
        trainer.methods["dipo"].queue = PerplexityQueue(2)
        trainer._load_checkpoint()
        assert len(trainer.methods["dipo"].queue.snapshot()[0]) == 0
        assert "holds no state of the method 'dipo'" in caplog.text

    def test_a_run_from_scratch_has_no_queue_to_look_for(self, trainer, monkeypatch, caplog):
        monkeypatch.setattr(PPOTrainer, "_load_checkpoint", lambda self: setattr(self, "global_steps", 0))
        trainer._load_checkpoint()
        assert caplog.text == ""


class TestSeams:
    """Each place where the mixin touches verl; a change there must fail here, not in a training run."""

    def test_install_takes_the_three_modes_under_their_names_and_only_once(self, monkeypatch):
        monkeypatch.setattr("groupwise.hook.trainer.TRAINER_REGISTRY", registry := dict(TRAINER_REGISTRY))
        assert sorted(registry) == ["colocate_async", "separate_async", "sync"]
        install()
        first = dict(registry)
        install()
        assert registry == first
        for mode, trainer in registry.items():
            assert issubclass(trainer, MethodTrainerMixin)
            assert issubclass(trainer, TRAINER_REGISTRY[mode])

    @pytest.mark.parametrize(
        "method",
        [
            "_compute_advantage",
            "_compute_metrics",
            "_dump_generations",
            "_save_checkpoint",
            "_load_checkpoint",
            "_val_metrics_update",
        ],
    )
    def test_override_calls_verls_method_once(self, method):
        source = inspect.getsource(getattr(MethodTrainerMixin, method))
        assert source.count(f"super().{method}(") == 1
        for trainer in VERL_TRAINERS:
            assert hasattr(trainer, method)

    def test_verls_trainer_calls_the_methods_that_are_overridden(self):
        assert "self._compute_advantage(batch, metrics=metrics)" in inspect.getsource(PPOTrainer._step_once)
        fit = inspect.getsource(PPOTrainer.fit)
        assert "self._compute_metrics(batch, metrics, self.timing_raw, global_steps=self.global_steps" in fit
        # The dump comes after the step's metrics, and is drained before the run ends.
        assert fit.index("self._compute_metrics(") < fit.index("self._log_rollout_data(batch, self.timing_raw")
        assert "self._shutdown_dump_executor()" in fit
        assert "self._save_checkpoint()" in fit
        assert "self._load_checkpoint()" in inspect.getsource(PPOTrainer._setup)
        assert "return self._val_metrics_update(" in inspect.getsource(PPOTrainer._validate)
        assert "local_latest_checkpointed_iteration" in inspect.getsource(PPOTrainer._save_checkpoint)
