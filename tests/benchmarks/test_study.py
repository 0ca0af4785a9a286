"""The study's own code: its variants of the method, its plan, and how its results are put into figures."""

import hashlib
import json
import math
import sys
import threading
from collections import Counter
from itertools import groupby, pairwise

import pytest
import study
import study_plan
import study_report
import study_results
import study_variants
import torch
import yaml
from scipy.stats import ttest_rel

from groupwise.method import METHODS, Responses, build
from groupwise.record.run_log import RunLog
from recipe.dipo.method import DiPO
from recipe.dipo.threshold import find_threshold


def draw(seed: int, groups: int = 12, size: int = 4):
    """Perplexities, verdicts, rewards and groups; a third of the groups all wrong, a third all right."""
    generator = torch.Generator().manual_seed(seed)
    group = torch.arange(groups).repeat_interleave(size)
    correct = torch.where(group % 3 == 2, torch.rand(len(group), generator=generator) < 0.5, group % 3 == 1)
    perplexity = 1 + torch.rand(len(group), generator=generator, dtype=torch.float64)
    return perplexity, correct, correct.float(), group


def variant(name: str, **settings) -> DiPO:
    """A variant with the defaults of DiPO."""
    config = DiPO.Config(**{**DiPO.defaults(), **settings})
    return study_variants.VARIANTS[name](config, normalize_by_std=True)


class TestVariants:
    @pytest.mark.parametrize("seed", range(20))
    def test_untested_is_the_threshold_of_least_error(self, seed):
        perplexity, correct, *_ = draw(seed)
        found = variant("untested").find_threshold(perplexity, correct)
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
        assert variant("untested").find_threshold(perplexity, correct) == tested

    def test_untested_of_one_perplexity(self):
        values = torch.ones(3, dtype=torch.float64), torch.tensor([True, False, True])
        assert variant("untested").find_threshold(*values) is None

    def everything(self, seed, shift=0.0):
        perplexity, correct, reward, group = draw(seed)
        threshold = variant("untested").find_threshold(perplexity, correct)._replace(value=1.5)
        known = torch.ones_like(correct)
        return Responses(reward, correct, known, group, perplexity + shift, step=1), threshold

    def test_up_and_down_are_the_two_halves(self):
        arguments = self.everything(1)
        whole = build("dipo").reallocate(*arguments)
        up, down = (variant(name).reallocate(*arguments) for name in ("up", "down"))
        hard = arguments[0].group % 3 == 0
        assert up.reward.sum() > 0
        assert down.reward.sum() > 0
        assert torch.equal(up.reward + down.reward, whole.reward)
        assert torch.equal(up.chosen | down.chosen, whole.chosen)
        assert up.reward[~hard].sum() == 0
        assert down.reward[hard].sum() == 0

    def test_random_touches_the_same_groups_in_one_response(self):
        arguments = self.everything(2)
        group = arguments[0].group
        whole = build("dipo").reallocate(*arguments).reward
        found = variant("random").reallocate(*arguments)
        for number in range(12):
            members = group == number
            # One of four is rewarded, three of four are where one is penalised, none where nothing is touched.
            assert found.reward[members].sum() == whole[members].sum()
            assert int(found.chosen[members].sum()) == int(bool(whole[members].any()))
        assert not torch.equal(found.reward, whole)
        assert torch.equal(found.reward, variant("random").reallocate(*arguments).reward)

    def test_random_draws_each_response_alike(self):
        counts = torch.zeros(4)
        for seed in range(300):
            found = variant("random").reallocate(*self.everything(3, shift=1e-9 * seed)).reward
            counts += found.reshape(12, 4)[0]
        assert counts.sum() == 300
        # Of 300 draws 75 each, with a standard deviation of 7.5: five of them.
        assert bool(((counts - 75).abs() < 37.5).all())

    @pytest.mark.parametrize("name", ["untested", "up", "down", "random"])
    def test_a_variant_takes_dipos_place(self, name, monkeypatch):
        monkeypatch.setattr(METHODS, "_registered", {"dipo": DiPO})
        study_variants.install(name)
        assert type(build("dipo")) is study_variants.VARIANTS[name]

    def test_an_unknown_variant(self):
        with pytest.raises(ValueError, match=r"must be one of untested, up, down, random, but is 'sideways'"):
            study_variants.install("sideways")


LEFT_OUT = ("a_grae", "edge_eda", "position_shaping", "ppl_shaping", "xrpo")
"""They leave groups without variance alone, as max_rl and pass_k do, which stand for them."""


class TestPlan:
    MAIN = ("grpo", "dapo", "dipo_0.1")

    @pytest.fixture
    def plan(self):
        return study_plan.read_plan(study.PLAN)

    def test_all_arms_of_the_study_are_there_with_their_seeds(self, plan):
        seeds = Counter((run.engine, run.task, run.arm) for run in plan)
        assert min(seeds["loop", "arithmetic", arm] for arm in self.MAIN) >= 5
        known = set(yaml.safe_load(study.PLAN.read_text())["arms"])
        arms = {arm for engine, task, arm in seeds if (engine, task) == ("loop", "arithmetic")}
        assert known - arms == {"grpo_3e-6", "grpo_3e-5"}
        assert min(seeds["loop", "arithmetic", arm] for arm in arms) >= 3
        # On the pretrained model every method that acts on groups without variance, and DiPO's four rules.
        assert (
            min(seeds["loop", "problems", arm] for arm in ("grpo", "dapo", "dipo_any_group", "dipo_0.1", "lens")) >= 5
        )
        compared = {arm for engine, task, arm in seeds if task == "problems"}
        assert compared >= {*METHODS} - {"dipo", *LEFT_OUT} | {"reinforce_plus_plus", "dipo_median", "dipo_always"}
        assert min(seeds["verl", "arithmetic", arm] for arm in self.MAIN) >= 3
        assert len({run.name for run in plan}) == len({run.digest for run in plan}) == len(plan)

    @pytest.mark.slow
    def test_every_kind_of_run_composes(self, plan):
        from groupwise.demo.launch import compose_config

        # One for each set of keys: Hydra refuses a key that verl does not have.
        kinds = {(run.task, *sorted(o.split("=")[0] for o in run.overrides)): run for run in plan}
        for run in kinds.values():
            config = compose_config(list(run.overrides), recipe="recipe.dipo")
            assert config.trainer.total_training_steps % config.trainer.test_freq == 0
            assert config.data.train_batch_size == (16 if run.task in ("problems", "calls") else study_plan.BATCH)
            assert config.actor_rollout_ref.rollout.n == study_results.GROUP_SIZE
            assert config.data.seed == run.seed

    def test_arms_of_one_seed_come_before_those_of_the_next(self, plan):
        for _, part in groupby(plan, key=lambda run: (run.engine, run.task, run.arm in self.MAIN)):
            seeds = [run.seed for run in part]
            assert seeds == sorted(seeds)

    def test_a_part_may_have_seeds_of_its_own(self, tmp_path):
        content = yaml.safe_load(study.PLAN.read_text())
        content["parts"] = [content["parts"][0] | {"arms": ["grpo"], "first_seed": 5, "seeds": 7}]
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
        assert [run.seed for run in study_plan.read_plan(tmp_path / "study.yaml")] == [5, 6]

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
            ({"engine": "steam"}, "engine of a part must be one of verl, loop, but is 'steam'"),
            ({"task": "chess"}, "task of a part must be one of .*arithmetic.*, but is 'chess'"),
            ({"arms": ["ppo"]}, "arm of a part must be one of .*grpo.*, but is 'ppo'"),
        ],
    )
    def test_a_part_that_cannot_be(self, tmp_path, change, sentence):
        content = yaml.safe_load(study.PLAN.read_text())
        content["parts"][0] |= change
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
        with pytest.raises(ValueError, match=sentence):
            study_plan.read_plan(tmp_path / "study.yaml")

    def test_a_variant_that_cannot_be(self, tmp_path):
        content = yaml.safe_load(study.PLAN.read_text())
        content["arms"]["grpo"]["variant"] = "up!"
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
        with pytest.raises(ValueError, match=r"variant of grpo must be one of untested, .*, but is 'up!'"):
            study_plan.read_plan(tmp_path / "study.yaml")


RUN = study_plan.PlannedRun("verl", "arithmetic", "grpo", 0, ("data.seed=0",))


class TestResults:
    def log(self, **evicted: float) -> RunLog:
        steps = {0: {"val-core/x/acc/mean@8": 0.4, "val-aux/x/acc/pass@4": 0.5, "val-aux/x/acc/pass@8": 0.6}}
        for step in (1, 2):
            steps[step] = {"actor/entropy": 1.0 / step, "response_length/mean": 5.0, **evicted}
        steps[2] |= {"val-core/x/acc/mean@8": 0.5, "val-aux/x/acc/pass@8": 0.7}
        return RunLog(steps, 0)

    def record(self, **evicted):
        return study_results.to_record(RUN, self.log(**evicted), about={"seconds": 1})

    def test_a_run_in_a_line(self):
        record = self.record()
        # Two steps of 24 groups of 8 responses of 5 tokens.
        assert (record["validated"], record["tokens"]) == ([0, 2], [0, 1920])
        assert (record["accuracy"], record["pass"]) == ([0.4, 0.5], [0.6, 0.7])
        assert record["curves"]["actor/entropy"] == [1.0, 0.5]
        assert record["curves"]["timing_s/step"] == [None, None]
        assert record["digest"] == RUN.digest
        assert json.loads(json.dumps(record)) == record

    def test_groups_that_were_thrown_away_were_generated(self):
        evicted = {
            "training/filter_groups/evicted_samples": 10.0,
            "training/filter_groups/discarded_surplus_samples": 2.0,
        }
        # Two steps of 24 + 10 + 2 groups.
        assert self.record(**evicted)["tokens"] == [0, 2880]

    def test_tokens_that_were_counted(self):
        assert self.record(**{"study/generated_tokens": 7.0})["tokens"] == [0, 14]

    def test_figures(self):
        record = {**self.record(), "tokens": [0, 10, 30, 50], "accuracy": [0.4, 0.6, 0.5, 0.9], "pass": [1, 2, 3, 5]}
        (row,) = study_results.to_frame([record], budget=30).to_dict("records")
        # Up to 30 tokens: (10 * 0.5 + 20 * 0.55) / 30.
        assert (row["final"], row["best"], row["pass"], row["generated"]) == (0.5, 0.6, 3, 50)
        assert row["area"] == pytest.approx(16 / 30)
        assert row["entropy"] == 0.5

    def test_a_curve_ends_between_two_validations_in_proportion(self):
        assert study_results.cut([0, 10, 30], [1.0, 2.0, 4.0], 15) == [(0, 1.0), (10, 2.0), (15, 2.5)]
        assert study_results.cut([0, 10, 30], [1.0, 2.0, 4.0], 10) == [(0, 1.0), (10, 2.0)]
        assert study_results.cut([0, 10], [1.0, 2.0], 99) == [(0, 1.0), (10, 2.0)]

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
        # From another model it is another one.
        study_results.add_result(file, {**later, "model": "sha256:1"})
        assert len(study_results.read_results(file)) == 3

    def test_what_is_left(self, monkeypatch):
        monkeypatch.setattr(study, "model_of", lambda _task: "sha256:1")
        done, other = {**self.record(), "model": "sha256:1"}, RUN._replace(seed=1)
        assert study.remaining([RUN, other], [done]) == [other]
        # Of another digest: made otherwise; of another model: a run of another study.
        assert study.remaining([RUN], [{**done, "digest": "0"}]) == [RUN]
        assert study.remaining([RUN], [{**done, "model": "sha256:2"}, self.record()]) == [RUN]

    def test_runs_that_are_asked_for(self):
        other = RUN._replace(seed=1)
        assert study.runs_named([RUN, other], []) == [RUN, other]
        assert study.runs_named([RUN, other], [other.name]) == [other]
        with pytest.raises(ValueError, match="but nobody is none"):
            study.runs_named([RUN], ["nobody"])

    def test_all_is_left_while_there_is_no_model(self, monkeypatch):
        monkeypatch.setattr(study, "model_of", lambda _task: None)
        assert study.remaining([RUN], [self.record()]) == [RUN]


class TestWork:
    """Runs side by side, with what trains replaced."""

    RUNS = tuple(RUN._replace(seed=seed) for seed in range(4))

    @pytest.fixture
    def results(self, tmp_path, monkeypatch):
        monkeypatch.setattr(study, "RESULTS", tmp_path / "results.jsonl")
        return tmp_path / "results.jsonl"

    def record(self, run):
        names = ("engine", "task", "arm", "seed", "digest")
        return {**{name: getattr(run, name) for name in names}, "accuracy": [0.1, 0.2], "seconds": 5}

    def test_two_at_a_time(self, results, monkeypatch, capsys):
        # Each waits for another one, which a single worker would never bring.
        meeting = threading.Barrier(2, timeout=30)

        def execute(run):
            meeting.wait()
            return self.record(run)

        monkeypatch.setattr(study, "execute", execute)
        study.work_off(self.RUNS, jobs=2, deadline=math.inf)
        assert sorted(record["seed"] for record in study_results.read_results(results)) == [0, 1, 2, 3]
        assert "10.0% -> 20.0% in 5 s; 0 to go" in capsys.readouterr().out

    def test_a_failure_ends_the_study_and_keeps_the_rest(self, results, monkeypatch):
        meeting = threading.Barrier(2, timeout=30)

        def execute(run):
            if run.seed < 2:
                meeting.wait()
            if run.seed == 0:
                raise RuntimeError("it failed")
            return self.record(run)

        monkeypatch.setattr(study, "execute", execute)
        with pytest.raises(RuntimeError, match="it failed"):
            study.work_off(self.RUNS, jobs=2, deadline=math.inf)
        recorded = {record["seed"] for record in study_results.read_results(results)}
        assert 1 in recorded
        assert 0 not in recorded

    def test_none_is_started_that_would_not_end_in_time(self, results, monkeypatch, capsys):
        monkeypatch.setattr(study, "execute", self.record)
        monkeypatch.setattr(study.time, "monotonic", lambda: 0.0)
        # The first is let through, since nothing is known; it takes five seconds, of which three are left.
        study.work_off(self.RUNS, jobs=1, deadline=3.0)
        assert [record["seed"] for record in study_results.read_results(results)] == [0]
        assert "3 runs are left; the same command goes on" in capsys.readouterr().out

    def test_a_run_that_is_made_again(self, monkeypatch):
        monkeypatch.setattr(study, "model_of", lambda _task: "sha256:1")
        curves = {"actor/entropy": [1.0], "timing_s/step": [3.0]}
        recorded = {**self.record(RUN), "model": "sha256:1", "curves": curves}
        again = {**recorded, "seconds": 9, "curves": {**curves, "timing_s/step": [4.0]}}
        monkeypatch.setattr(study, "execute", lambda _run: again)
        assert study.make_again(RUN, [recorded]).endswith("every recorded figure is the same, but for the times")
        again = {**again, "accuracy": [0.1, 0.3], "curves": {**curves, "actor/entropy": [2.0]}}
        said = study.make_again(RUN, [recorded])
        assert "10.0% and 10.0% -> 20.0% and 30.0%; different: accuracy, actor/entropy" in said
        with pytest.raises(ValueError, match="takes a run that is recorded from the model in"):
            study.make_again(RUN, [{**recorded, "model": "sha256:2"}])

    def test_commands(self, tmp_path):
        verl = study.command_of(RUN, tmp_path)
        assert verl[1:7] == ["-m", "groupwise.demo.launch", "--recipe", "recipe.dipo", "--run-dir", str(tmp_path)]
        assert f"trainer.default_local_dir={tmp_path}/checkpoints" in verl

    def test_a_fork_trains_and_tells_how_it_ended(self, tmp_path, monkeypatch):
        context = study.multiprocessing.get_context("fork")
        monkeypatch.setattr(context, "set_forkserver_preload", lambda _names: None, raising=False)
        monkeypatch.setattr(study.multiprocessing, "get_context", lambda _method: context)

        def run_loop(folder, overrides, variant):
            (folder / "given").write_text(f"{overrides} {variant}")
            sys.exit(3 if variant == "up" else 0)

        monkeypatch.setattr(study, "run_loop", run_loop)
        loop = RUN._replace(engine="loop", overrides=("a=1",))
        assert study.fork_loop(loop, tmp_path) == 0
        assert (tmp_path / "given").read_text() == "['a=1'] None"
        monkeypatch.setattr(study, "OUTPUT", tmp_path)
        with pytest.raises(RuntimeError, match="ended with exit code 3"):
            study.execute(loop._replace(variant="up"))

    def test_a_result_names_the_model_that_was_trained(self, tmp_path, monkeypatch):
        def train(_run, folder):
            steps = ({"step": step, "data": {"val-core/x/acc/mean@8": 0.5}} for step in (0,))
            (folder / "metrics.jsonl").write_text("\n".join(json.dumps(step) for step in steps))
            return 0

        (tmp_path / study.WEIGHTS).write_bytes(b"weights")
        monkeypatch.setattr(study, "OUTPUT", tmp_path / "runs")
        monkeypatch.setattr(study, "MODELS", {RUN.task: tmp_path})
        monkeypatch.setattr(study, "launch", train)
        record = study.execute(RUN)
        assert record["model"] == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
        assert record["accuracy"] == [0.5]


class TestReport:
    def record(self, arm: str, seed: int, final: float, **changes):
        curve = {"validated": [0, 10], "tokens": [0, 1000], "accuracy": [0.4, final], "pass": [0.5, 0.8]}
        own = {"task": "sums", "engine": "loop", "arm": arm, "seed": seed, "curves": {"actor/entropy": [0.5]}}
        return own | curve | changes

    def test_tokens_to_an_accuracy(self):
        record = self.record("a", 0, 0.6)
        # From 0.4 to 0.6 over 1000 tokens: 0.5 after half of them.
        assert study_report.tokens_to(record, 0.5) == pytest.approx(500.0)
        assert study_report.tokens_to(record, 0.3) == 0.0
        assert math.isnan(study_report.tokens_to(record, 0.7))

    def arms(self):
        finals = {"grpo": (0.5, 0.6, 0.7), "dapo": (0.5, 0.6, 0.7), "dipo": (0.52, 0.63, 0.71)}
        return [self.record(arm, seed, final) for arm, values in finals.items() for seed, final in enumerate(values)]

    def test_tables(self):
        text = study_report.report(self.arms(), targets={"sums": 0.5})
        assert "### sums, engine loop: after 1,000 tokens" in text
        # Seeds 0.5, 0.6, 0.7: mean 0.6, standard error 0.1 / sqrt(3), t with 2 degrees of freedom 4.303: 0.248.
        assert "| grpo | 3 | 60.0 (35.2 to 84.8) |" in text
        # Differences 2, 3 and 1 points: mean 2, standard error 1 / sqrt(3): 2.48 to either side. The paired t is
        # 2 / 0.577 = 3.46, whose two-sided p with 2 degrees of freedom is 1 - t / sqrt(t^2 + 2) = 0.074.
        assert text.count("| dipo | 3 | +2.0 (-0.5 to +4.5; p 0.07) |") == 2
        # The area up to there: half the difference.
        assert "+1.0 (-0.2 to +2.2; p 0.07)" in text
        assert "| grpo | 3 | +0.0 (+0.0 to +0.0; p 1.00) |" in text

    def test_figures_of_newer_runs_are_told_beside_older_ones(self):
        measured = {"study/pass@4": [0.4, 0.6], "study/solved_later": [0.0, 0.25]}
        curves = {"actor/entropy": [0.5], "study/hard_distinct": [None] * 4 + [0.75]}
        records = [self.record("grpo", 0, 0.5), self.record("dipo", 0, 0.6, **measured, curves=curves)]
        text = study_report.report(records, targets={"sums": 0.55})
        assert "| pass@4 | pass@8 | hard groups solved later | different answers in hard groups |" in text
        assert "| dipo | 1 | 60.0 | 60.0 | 50.0 | 60.0 | 80.0 | 25.0 | 75.0 | 750 | 0.500 |" in text
        assert "| grpo | 1 | 50.0 | 50.0 | 45.0 | - | 80.0 | - | - |" in text
        assert "pass@2" not in text

    def test_p_is_that_of_the_paired_test(self):
        frame = study_report.figures_of(self.arms(), target=0.5)
        found = study_report.difference_of(frame, "dipo", "grpo", "final")
        assert study_report.p_value(found) == pytest.approx(ttest_rel([0.52, 0.63, 0.71], [0.5, 0.6, 0.7]).pvalue)

    def test_runs_from_different_models_are_not_compared(self):
        again = [{**record, "model": "sha256:0123456789", "tokens": [0, 500]} for record in self.arms()[:3]]
        text = study_report.report([*self.arms(), *again], targets={"sums": 0.5})
        assert "### sums, engine loop: after 1,000 tokens" in text
        parts = text[text.index("### sums, engine loop, model 012345: after 500 tokens") :].split("### ")
        assert "| grpo | 3 | 60.0 (35.2 to 84.8) |" in parts[1]
        assert "| dipo |" not in parts[1]
        # The three pairs of the one model; by seed alone there would be six.
        assert parts[2].startswith("sums, engine loop: pairs of all 2 models")
        assert "| dipo | 3 | +2.0 (-0.5 to +4.5; p 0.07) |" in parts[2]

    def test_pairs_of_all_models(self):
        # A model on which each arm comes twice as far from 0.4
        again = [
            {**record, "model": "sha256:0123456789", "accuracy": [0.4, 2 * record["accuracy"][1] - 0.4]}
            for record in self.arms()
        ]
        text = study_report.report([*self.arms(), *again], targets={"sums": 0.5})
        differences = [0.02, 0.03, 0.01, 0.04, 0.06, 0.02]
        p = ttest_rel(differences, [0.0] * 6).pvalue
        assert f"| dipo | 6 | +3.0 (+1.1 to +4.9; p {p:.2f}) |" in text

    def test_arms_stand_in_the_order_of_the_plan(self):
        records = [self.record(arm, 0, 0.5) for arm in ("own", "dipo_0.1", "grpo", "dapo")]
        frame = study_report.figures_of(records, target=0.5)
        assert study_report.arms_of(frame) == ["grpo", "dapo", "dipo_0.1", "own"]

    def test_one_seed_has_no_interval_and_no_difference(self):
        records = [self.record("grpo", 0, 0.5), self.record("dipo", 0, 0.6)]
        text = study_report.report(records, targets={"sums": 0.55})
        assert "| dipo | 1 | 60.0 | 60.0 | 50.0 | 80.0 | 750 | 0.500 |" in text
        assert "| grpo | 1 | 50.0 | 50.0 | 45.0 | 80.0 | 0 of 1 runs | 0.500 |" in text
        assert "Variant - grpo" not in text

    def test_all_runs_end_at_the_tokens_of_the_shortest(self):
        records = [self.record("grpo", 0, 0.8), self.record("grpo", 1, 0.8, tokens=[0, 500])]
        longer, shorter = study_report.figures_of(records, target=0.7).to_dict("records")
        # Half of the way from 0.4 to 0.8; and 0.7 would be reached after 750 tokens.
        assert longer["final"] == pytest.approx(0.6)
        assert math.isnan(longer["reached"])
        assert shorter["final"] == 0.8

    def test_seeds_that_are_asked_for(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(study_report, "RESULTS", tmp_path / "results.jsonl")
        for seed in range(4):
            study_results.add_result(study_report.RESULTS, self.record("grpo", seed, 0.1 * seed) | {"task": "tools"})
        monkeypatch.setattr(sys, "argv", ["study_report.py", "--seeds", "1", "2"])
        study_report.main()
        # 0.1 and 0.2
        assert "| grpo | 2 | 15.0 (" in capsys.readouterr().out
        monkeypatch.setattr(sys, "argv", ["study_report.py", "--seeds", "4", "9"])
        with pytest.raises(SystemExit, match="must have results of these seeds"):
            study_report.main()

    def test_plot(self, tmp_path):
        file = tmp_path / "figures" / "study.png"
        study_report.plot(self.arms(), file)
        assert file.read_bytes().startswith(b"\x89PNG")

    def test_what_has_no_interval_is_not_drawn(self):
        frame = study_report.figures_of([*self.arms(), self.record("one_seed", 0, 0.5)], target=0.5)
        drawn = study_report.differences_of(frame, "dapo")
        # dapo is what the others are compared with.
        assert list(drawn) == ["grpo", "dipo"]
        assert drawn["dipo"]["final"].value == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # The largest mean@k, averaged over the sources that have it.
        (
            {
                "val-core/a/acc/mean@8": 0.5,
                "val-core/b/acc/mean@8": 0.25,
                "val-core/a/acc/mean@1": 0.9,
                "val-core/a/acc/best@8/mean": 0.9,
                "val-aux/a/acc/mean@16": 0.9,
            },
            ("mean@8", [0], [0.375]),
        ),
        ({"val-core/dipo/arithmetic/acc/mean@8": 0.5}, ("mean@8", [0], [0.5])),
        ({"actor/entropy": 0.5}, ("mean", [], [])),
    ],
)
def test_validation_takes_the_largest_mean_and_averages_sources(data, expected):
    assert study_results.validation_of(RunLog({0: data}, 0)) == expected
