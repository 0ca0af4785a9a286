"""The study's own code: its variants of the method, its plan, and how its results are put into figures."""

import json
import math
from itertools import pairwise

import pytest
import study
import study_plan
import study_report
import study_results
import study_variants
import torch
import yaml

import recipe.dipo.step
from recipe.dipo.core.reallocation import reallocate_rewards
from recipe.dipo.core.threshold import find_threshold
from recipe.dipo.run_log import RunLog


def draw(seed: int, groups: int = 12, size: int = 4):
    """Perplexities, verdicts, rewards and groups; a third of the groups all wrong, a third all right."""
    generator = torch.Generator().manual_seed(seed)
    group = torch.arange(groups).repeat_interleave(size)
    correct = torch.where(group % 3 == 2, torch.rand(len(group), generator=generator) < 0.5, group % 3 == 1)
    perplexity = 1 + torch.rand(len(group), generator=generator, dtype=torch.float64)
    return perplexity, correct, correct.float(), group


class TestVariants:
    @pytest.mark.parametrize("seed", range(20))
    def test_untested_is_the_threshold_of_least_error(self, seed):
        perplexity, correct, *_ = draw(seed)
        found = study_variants.find_best_threshold(perplexity, correct, confidence=0.95)
        # Every midpoint tried.
        values = sorted(set(perplexity.tolist()))
        tried = [(a + b) / 2 for a, b in pairwise(values)]
        errors = {tau: ((perplexity < tau) != correct).double().mean().item() for tau in tried}
        assert found.error_rate == pytest.approx(min(errors.values()))
        assert found.value == min(tau for tau, error in errors.items() if error == min(errors.values()))
        below, above = correct[perplexity < found.value].double(), correct[perplexity > found.value].double()
        assert found.exploitation_advantage == pytest.approx(2 * below.mean().item() - 1)
        assert found.exploration_advantage == pytest.approx(1 - 2 * above.mean().item())

    def test_untested_agrees_where_a_threshold_is_admissible(self):
        perplexity, correct, *_ = draw(0)
        perplexity = torch.where(correct, perplexity, perplexity + 0.5)
        tested = find_threshold(perplexity, correct, confidence=0.95)
        assert tested is not None
        assert study_variants.find_best_threshold(perplexity, correct, confidence=0.95) == tested

    def test_untested_of_one_perplexity(self):
        values = torch.ones(3, dtype=torch.float64), torch.tensor([True, False, True])
        assert study_variants.find_best_threshold(*values, confidence=None) is None

    def everything(self, seed):
        perplexity, correct, reward, group = draw(seed)
        threshold = study_variants.find_best_threshold(perplexity, correct, confidence=None)._replace(value=1.5)
        return perplexity, correct, reward, group, threshold

    def test_up_and_down_are_the_two_halves(self):
        arguments = self.everything(1)
        whole = reallocate_rewards(*arguments, group_perplexity="any")
        up, down = (study_variants.VARIANTS[name][1](*arguments, group_perplexity="any") for name in ("up", "down"))
        hard = arguments[3] % 3 == 0
        assert up.sum() > 0
        assert down.sum() > 0
        assert torch.equal(up + down, whole)
        assert up[~hard].sum() == 0
        assert down[hard].sum() == 0

    def test_random_touches_the_same_groups_in_one_response(self):
        arguments = self.everything(2)
        group = arguments[3]
        whole = reallocate_rewards(*arguments, group_perplexity="any")
        found = study_variants.reallocate_at_random(*arguments, group_perplexity="any")
        for number in range(12):
            members = group == number
            # One of four is rewarded, three of four are where one is penalised, none where nothing is touched.
            assert found[members].sum() == whole[members].sum()
        assert not torch.equal(found, whole)
        assert torch.equal(found, study_variants.reallocate_at_random(*arguments, group_perplexity="any"))

    def test_random_draws_each_response_alike(self):
        counts = torch.zeros(4)
        for seed in range(300):
            perplexity, *rest = self.everything(3)
            shifted = perplexity + 1e-9 * seed
            found = study_variants.reallocate_at_random(shifted, *rest, group_perplexity="any")
            counts += found.reshape(12, 4)[0]
        assert counts.sum() == 300
        # Of 300 draws 75 each, with a standard deviation of 7.5: five of them.
        assert bool(((counts - 75).abs() < 37.5).all())

    @pytest.mark.parametrize("name", ["untested", "up", "down", "random"])
    def test_a_variant_takes_the_place_of_what_it_changes(self, name, monkeypatch):
        attribute, function = study_variants.VARIANTS[name]
        monkeypatch.setattr(recipe.dipo.step, attribute, getattr(recipe.dipo.step, attribute))
        study_variants.install(name)
        assert getattr(recipe.dipo.step, attribute) is function

    def test_an_unknown_variant(self):
        with pytest.raises(ValueError, match=r"must be one of untested, up, down, random, but is 'sideways'"):
            study_variants.install("sideways")


class TestPlan:
    @pytest.fixture
    def plan(self):
        return study_plan.read_plan(study.PLAN)

    def test_all_arms_of_the_study_are_there_with_their_seeds(self, plan):
        seeds = {arm: sum(run.arm == arm for run in plan) for arm in {run.arm for run in plan}}
        assert {arm for arm, count in seeds.items() if count == 5} == {"grpo", "dapo", "dipo_0.1"}
        assert min(seeds.values()) == 3
        assert len({run.name for run in plan}) == len({run.digest for run in plan}) == len(plan)

    def test_every_run_composes(self, plan):
        from recipe.dipo.demo.launch import compose_config

        for run in plan:
            if run.seed == 0:
                config = compose_config(list(run.overrides))
                assert config.trainer.total_training_steps * config.data.train_batch_size == 1440
                assert config.data.seed == 0

    def test_arms_of_one_seed_come_before_those_of_the_next(self, plan):
        assert [run.seed for run in plan] == sorted(run.seed for run in plan)

    def test_variants_reach_the_run(self, plan):
        environments = {run.arm: run.environment for run in plan}
        assert environments["dipo_up"] == {
            "VERL_STUDY_VARIANT": "up",
            "VERL_USE_EXTERNAL_MODULES": "study_variants",
        }
        assert environments["dipo_0.1"] == {}

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"budget": 1441}, "must be a multiple of each task's batch"),
            ({"arms": {"a": {"seeds": 1, "variant": "up!", "overrides": []}}}, "variant of a must be one of"),
        ],
    )
    def test_a_plan_that_cannot_be(self, tmp_path, change, sentence):
        content = yaml.safe_load(study.PLAN.read_text())
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(content | change))
        with pytest.raises(ValueError, match=sentence):
            study_plan.read_plan(tmp_path / "study.yaml")


RUN = study_plan.PlannedRun("arithmetic", "grpo", 0, ("data.train_batch_size=24",), {})


class TestResults:
    def log(self, **evicted: float) -> RunLog:
        steps = {0: {"val-core/x/acc/mean@8": 0.4, "val-aux/x/acc/pass@4": 0.5, "val-aux/x/acc/pass@8": 0.6}}
        for step in (1, 2):
            steps[step] = {"actor/entropy": 1.0 / step, **{name.replace("__", "/"): v for name, v in evicted.items()}}
        steps[2] |= {"val-core/x/acc/mean@8": 0.5, "val-aux/x/acc/pass@8": 0.7}
        return RunLog(steps, 0)

    def record(self, **evicted):
        return study_results.to_record(RUN, self.log(**evicted), batch=24, about={"seconds": 1})

    def test_a_run_in_a_line(self):
        record = self.record()
        assert (record["validated"], record["prompts"]) == ([0, 2], [0.0, 48.0])
        assert (record["accuracy"], record["pass"]) == ([0.4, 0.5], [0.6, 0.7])
        assert record["curves"]["actor/entropy"] == [1.0, 0.5]
        assert record["curves"]["timing_s/step"] == [None, None]
        assert record["digest"] == RUN.digest
        assert json.loads(json.dumps(record)) == record

    def test_groups_that_were_thrown_away_were_generated(self):
        evicted = {
            "training__filter_groups__evicted_samples": 10.0,
            "training__filter_groups__discarded_surplus_samples": 2.0,
        }
        # Two steps of 24 + 10 + 2.
        steps = self.log().steps
        for step in (1, 2):
            steps[step] |= {name.replace("__", "/"): value for name, value in evicted.items()}
        assert study_results.to_record(RUN, RunLog(steps, 0), batch=24, about={})["prompts"] == [0.0, 72.0]

    def test_figures(self):
        record = {**self.record(), "prompts": [0, 10, 30, 40], "accuracy": [0.4, 0.6, 0.5, 0.9], "pass": [1, 2, 3, 4]}
        (row,) = study_results.to_frame([record], budget=30).to_dict("records")
        # Up to 30 prompts: (10 * 0.5 + 20 * 0.55) / 30.
        assert (row["final"], row["best"], row["pass"]) == (0.5, 0.6, 3)
        assert row["area"] == pytest.approx(16 / 30)
        assert row["entropy"] == 0.5

    def test_results_survive_an_interruption(self, tmp_path):
        file = tmp_path / "results.jsonl"
        study_results.add_result(file, self.record())
        with file.open("a") as opened:
            opened.write('{"task": "arith')
        later = {**self.record(), "seed": 1}
        study_results.add_result(file, later)
        assert [record["seed"] for record in study_results.read_results(file)] == [0, 1]
        # A run that was recorded again counts once.
        study_results.add_result(file, {**later, "seconds": 9})
        assert [record["seconds"] for record in study_results.read_results(file)] == [1, 9]

    def test_what_is_left(self):
        other = RUN._replace(seed=1)
        assert study.remaining([RUN, other], [self.record()], []) == [other]
        # Of another digest: made otherwise.
        assert study.remaining([RUN], [{**self.record(), "digest": "0"}], []) == [RUN]
        assert study.remaining([RUN, other], [], [other.name]) == [other]
        with pytest.raises(ValueError, match="but nobody is none"):
            study.remaining([RUN], [], ["nobody"])


class TestReport:
    def record(self, arm: str, seed: int, final: float, **changes):
        curve = {"validated": [0, 10], "prompts": [0.0, 100.0], "accuracy": [0.4, final], "pass": [0.5, 0.8]}
        return {"task": "sums", "arm": arm, "seed": seed, **curve, "curves": {"actor/entropy": [0.5]}, **changes}

    def test_prompts_to_an_accuracy(self):
        record = self.record("a", 0, 0.6)
        # From 0.4 to 0.6 over 100 prompts: 0.5 after half of them.
        assert study_report.prompts_to(record, 0.5) == pytest.approx(50.0)
        assert study_report.prompts_to(record, 0.3) == 0.0
        assert math.isnan(study_report.prompts_to(record, 0.7))

    def test_tables(self):
        grpo = [self.record("grpo", seed, final) for seed, final in enumerate((0.5, 0.6, 0.7))]
        dipo = [self.record("dipo", seed, final) for seed, final in enumerate((0.52, 0.63, 0.71))]
        text = study_report.report([*grpo, *dipo], budget=100, target=0.5)
        # Seeds 0.5, 0.6, 0.7: mean 0.6, standard error 0.1 / sqrt(3), t with 2 degrees of freedom 4.303: 0.248.
        assert "| grpo | 3 | 60.0 (35.2 to 84.8) |" in text
        # Differences 2, 3 and 1 points: mean 2, standard error 1 / sqrt(3): 2.48 to either side. The paired t is
        # 2 / 0.577 = 3.46, whose two-sided p with 2 degrees of freedom is 1 - t / sqrt(t^2 + 2) = 0.074.
        assert "| dipo | 3 | +2.0 (-0.5 to +4.5; p 0.07) |" in text
        assert "| grpo | 3 | +" not in text

    def test_one_seed_has_no_interval_and_no_difference(self):
        text = study_report.report([self.record("grpo", 0, 0.5), self.record("dipo", 0, 0.6)], budget=100, target=0.55)
        assert "| dipo | 1 | 60.0 | 60.0 | 50.0 | 80.0 | 75 | 0.500 |" in text
        assert "| grpo | 1 | 50.0 | 50.0 | 45.0 | 80.0 | 0 of 1 runs | 0.500 |" in text
        assert "Less grpo" not in text

    def test_what_comes_after_the_budget_is_not_looked_at(self):
        record = self.record("grpo", 0, 0.9, prompts=[0.0, 200.0])
        (row,) = study_report.figures_of([record], budget=100, target=0.8).to_dict("records")
        assert row["final"] == 0.4
        assert math.isnan(row["reached"])
