"""The step benchmark: its states, its configuration, and how a run is put into figures."""

import cost_alternate
import cost_step
import pytest

from groupwise.record.run_log import RunLog


def make_log(blocks: int, *, dipo: float = 0.03, jitter: float = 0.0) -> RunLog:
    """Steps of 3 s, of which 2 s are `gen`; block n is n x jitter slower in all, and DiPO `dipo` slower than plain."""
    added = {"plain": 0.0, "observed": dipo / 2, "dipo": dipo}
    steps = {}
    for step in range(1, 3 * blocks + 1):
        state = cost_alternate.state_of(step)
        slower = jitter * ((step - 1) // 3) + added[cost_step.STATES[state]]
        steps[step] = {
            "cost/state": float(state),
            "timing_s/step": 3.0 + slower,
            "timing_s/gen": 2.0,
            "timing_s/adv": 0.05 + slower,
        }
    return RunLog(steps, 0)


class TestStates:
    def test_the_names_are_those_of_the_trainer(self):
        assert tuple(state.name for state in cost_alternate.STATES) == cost_step.STATES
        assert cost_alternate.STATE == cost_step.STATE

    def test_each_comes_once_a_block_in_changing_order(self):
        orders = [tuple(cost_alternate.state_of(step) for step in range(start, start + 3)) for start in range(1, 91, 3)]
        assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2)}
        assert len(set(orders)) == 6


class Steps:
    """Stands for the recipe's trainer."""

    def __init__(self, config):
        self.config = config
        self.global_steps, self.methods, self.begun = 1, {"dipo": "DiPO"}, 0

    def on_step_begin(self):
        self.begun += 1

    def _compute_advantage(self, batch, metrics):
        metrics["seen"] = (self.config.algorithm.adv_estimator, self.trained, self.has_verdicts)
        return batch


class TestTrainer:
    def test_a_step_is_what_its_state_says(self):
        from omegaconf import OmegaConf

        config = OmegaConf.create({"algorithm": {"adv_estimator": "dipo"}})
        trainer = type("Alternating", (cost_alternate.AlternatingMixin, Steps), {})(config)
        expected = {0.0: ("grpo", None, False), 1.0: ("grpo", None, True), 2.0: ("dipo", "DiPO", True)}
        found = {}
        for step in (1, 2, 3):
            trainer.global_steps = step
            trainer.on_step_begin()
            metrics = {}
            assert trainer._compute_advantage("batch", metrics) == "batch"
            found[metrics["cost/state"]] = metrics["seen"]
        assert found == expected
        assert trainer.begun == 3

    def test_it_stands_before_every_trainer_once(self, monkeypatch):
        from verl.trainer.ppo.v1 import trainer_base

        from groupwise.hook import trainer

        registry = {"sync": trainer_base.TRAINER_REGISTRY["sync"]}
        monkeypatch.setattr(trainer_base, "TRAINER_REGISTRY", registry)
        monkeypatch.setattr(trainer, "TRAINER_REGISTRY", registry)
        cost_alternate.install()
        cost_alternate.install()
        trainer.install()
        order = registry["sync"].__mro__
        assert order.index(cost_alternate.AlternatingMixin) < order.index(trainer.MethodTrainerMixin)
        assert order.count(cost_alternate.AlternatingMixin) == 1
        assert registry["sync"].__name__ == "AlternatingMethodPPOTrainerSync"


class TestConfiguration:
    def test_it_composes(self, tmp_path):
        from groupwise.demo.launch import compose_config

        config = compose_config(cost_step.overrides(36, tmp_path), recipe="recipe.dipo")
        assert config.trainer.total_training_steps == 36
        assert config.trainer.default_local_dir == str(tmp_path / "checkpoints")
        assert config.trainer.rollout_data_dir is None
        assert (config.trainer.test_freq, config.trainer.val_before_train) == (-1, False)

    def test_a_run_that_fails(self, monkeypatch, tmp_path):
        asked = []
        monkeypatch.setattr(cost_step.launch, "run", lambda folder, overrides, **more: asked.append(more) or 3)
        monkeypatch.setenv("PYTHONPATH", "elsewhere")
        with pytest.raises(RuntimeError, match="ended with exit code 3"):
            cost_step.train(3, tmp_path)
        assert [more["module"] for more in asked] == ["cost_alternate"]


class TestBlocks:
    def test_timings_by_state_without_the_warm_up(self):
        blocks = cost_step.blocks_of(make_log(5, jitter=0.1))
        assert len(blocks) == 3
        # Block 2, the first that counts: 0.2 s slower, DiPO another 0.03 s.
        assert blocks[0]["dipo"] == pytest.approx({"step": 3.23, "step without gen": 1.23, "adv": 0.28})

    def test_a_block_that_is_not_whole_is_left_out(self):
        log = make_log(5)
        del log.steps[15]
        assert len(cost_step.blocks_of(log)) == 2

    def test_a_validation_is_no_step(self):
        log = make_log(3)
        log.steps[0] = {"val-core/x/acc/mean@8": 0.4}
        assert len(cost_step.blocks_of(log)) == 1

    def test_too_few_steps(self):
        with pytest.raises(ValueError, match="At least 9 steps are needed, but 6 were logged"):
            cost_step.blocks_of(make_log(2))

    def test_a_state_twice_in_a_block(self):
        log = make_log(4)
        log.steps[11]["cost/state"] = log.steps[10]["cost/state"]
        with pytest.raises(ValueError, match="step 11 repeats one"):
            cost_step.blocks_of(log)


class TestDifferences:
    def blocks(self, differences: list[float]):
        return [{"plain": {"adv": 1.0 + n}, "dipo": {"adv": 1.0 + n + d}} for n, d in enumerate(differences)]

    def test_what_differs_between_blocks_cancels(self):
        found = cost_step.compare(self.blocks([0.25] * 8), "adv", "dipo", "plain")
        assert (found.median, found.low, found.high) == (0.25, 0.25, 0.25)
        # Of 1 to 8.
        assert found.base == 4.5

    def test_interval_of_ten(self):
        # Fewer than two of ten fair coins show heads with 11/1024 = 1.1%, fewer than three with 5.5%: the second and
        # the ninth.
        found = cost_step.compare(self.blocks([2.0**-n for n in range(10)]), "adv", "dipo", "plain")
        assert (found.low, found.high) == pytest.approx((2.0**-8, 2.0**-1))

    @pytest.mark.parametrize(("count", "has_one"), [(1, False), (5, False), (6, True)])
    def test_five_differences_have_no_interval(self, count, has_one):
        # All of n fair coins show the same side with 2 / 2^n: 6.2% for five, 3.1% for six.
        found = cost_step.compare(self.blocks([0.1] * count), "adv", "dipo", "plain")
        assert (found.low is not None, found.high is not None) == (has_one, has_one)

    def test_report(self):
        text = cost_step.report(make_log(12))
        assert "10 blocks of 3 steps" in text
        assert "| step | 3.0000 | 3.0150 | 3.0300 |" in text
        # 30 ms of 3 s, of 1 s and of 50 ms.
        assert "| step | dipo - plain | +30.00 (+30.00 to +30.00) | +1.00 (+1.00 to +1.00) |" in text
        assert "| step without gen | dipo - plain | +30.00 (+30.00 to +30.00) | +3.00 (+3.00 to +3.00) |" in text
        assert "| adv | dipo - plain | +30.00 (+30.00 to +30.00) | +60.00 (+60.00 to +60.00) |" in text

    def test_report_of_few_blocks_has_no_intervals(self):
        assert "| step | dipo - plain | +30.00 | +1.00 |" in cost_step.report(make_log(4))
