"""The study's second engine: what it samples, the log-probs, advantages and the update, each against an oracle."""

import json
import multiprocessing
import sys
from itertools import islice

import pytest
import study_loop
import study_measures
import study_sampling
import torch
from study_results import validation_of
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM
from verl.trainer.ppo.utils import create_rl_sampler

from groupwise.display import label_of
from groupwise.record.run_log import read_run

VERDICT = {"acc": 0.0, "score": 0.0, "pred": ""}


def batch_of(acc: list[float], tokens: int = 4) -> study_sampling.Batch:
    """A batch of made-up verdicts: prompts of two tokens, one for each four, responses of up to `tokens`."""
    size = len(acc)
    generator = torch.Generator().manual_seed(size)
    length = torch.arange(size) % tokens + 1
    response_mask = torch.arange(tokens) < length.unsqueeze(-1)
    prompts = torch.stack([torch.full((size,), 5), 6 + torch.arange(size) // 4], dim=-1)
    return study_sampling.Batch(
        sequences=torch.cat([prompts, torch.randint(5, 50, (size, tokens), generator=generator)], dim=-1),
        attention=torch.cat([torch.ones(size, 2, dtype=torch.int64), response_mask.long()], dim=-1),
        response_mask=response_mask,
        acc=torch.tensor(acc),
        score=torch.tensor(acc),
        pred=["5"] * size,
        log_probs=torch.zeros(size, tokens),
        entropy=torch.zeros(size, tokens),
    )


class TestSampling:
    def test_a_response_ends_with_its_end_token(self):
        responses = torch.tensor([[4, 9, 1, 1], [9, 9, 4, 4], [4, 4, 4, 4], [4, 4, 4, 9]])
        expected = [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
        assert study_sampling.mask_responses(responses, 9).long().tolist() == expected

    def test_prompts_are_padded_on_their_left(self):
        prompts = [study_sampling.Prompt([7, 8], {}), study_sampling.Prompt([7, 8, 9], {})]
        tokens, attention = study_sampling.pad_left(prompts, 4, 0)
        assert tokens.tolist() == [[0, 0, 7, 8], [0, 7, 8, 9]]
        assert attention.tolist() == [[0, 0, 1, 1], [0, 1, 1, 1]]

    def test_parts_make_a_batch(self):
        whole = batch_of([0.0, 1.0, 1.0, 0.0])
        kept = torch.tensor([True, False, False, True])
        halves = [study_sampling.select(whole, kept), study_sampling.select(whole, ~kept)]
        joined = study_sampling.join(halves)
        assert joined.acc.tolist() == [0.0, 0.0, 1.0, 1.0]
        assert torch.equal(joined.sequences, whole.sequences[[0, 3, 1, 2]])
        assert len(joined.pred) == 4

    def test_the_verdict_is_that_of_the_prompt(self, make_trainer, monkeypatch):
        trainer = make_trainer()
        first, second = trainer.train[:2]
        answers = {id(prompt): prompt.row["reward_model"]["ground_truth"] for prompt in (first, second)}

        def respond(_model, sequences, *_rest, n, longest, pad, **_options):
            # The first prompt's answer to every prompt, with the end token.
            text = f"#### {answers[id(first)]}"
            end = trainer.tokenizer(text + trainer.tokenizer.eos_token)["input_ids"]
            tokens = torch.full((len(sequences) * n, longest), pad)
            tokens[:, : len(end)] = torch.tensor(end)
            return tokens, torch.zeros(tokens.shape), torch.zeros(tokens.shape)

        monkeypatch.setattr(study_sampling, "respond", respond)
        batch = trainer.sample([first, second], 2)
        same = answers[id(first)] == answers[id(second)]
        assert batch.acc.tolist() == [1.0, 1.0, float(same), float(same)]
        assert batch.response_mask.sum(dim=-1).tolist() == [len(f"#### {answers[id(first)]}") + 1] * 4

    def test_as_many_at_once_as_bounded(self, make_trainer, monkeypatch):
        trainer = make_trainer()
        sizes, respond = [], study_sampling.respond

        def spy(*rest, **options):
            sizes.append(len(rest[1]))
            return respond(*rest, **options)

        monkeypatch.setattr(study_sampling, "respond", spy)
        monkeypatch.setattr(study_sampling, "AT_ONCE", 5)
        batch = trainer.sample(trainer.train[:5], 2)
        assert sizes == [2, 2, 1]
        assert len(batch.acc) == len(batch.log_probs) == 10

    def test_a_response_that_cannot_be_judged_ends_the_run(self, make_trainer):
        row = make_trainer().train[0].row | {"reward_model": {"ground_truth": ""}}
        with pytest.raises(RuntimeError, match="must be judged, but '#### 5' was not: unparsable gold"):
            study_sampling.judge(row, "#### 5", {})

    def test_verifiers_get_the_options_of_the_run(self, make_trainer, monkeypatch):
        given = []
        monkeypatch.setattr(study_sampling, "judge", lambda _row, _text, options: given.append(options) or VERDICT)
        trainer = make_trainer("reward.reward_kwargs.verifier.scale=binary")
        trainer.sample(trainer.train[:1], 1)
        assert given == [{"scale": "binary", "formats": ("hermes", "toolrl"), "pure_equivalence": False}]

    def test_prompts_come_in_the_order_of_verl(self, make_trainer):
        trainer = make_trainer("data.seed=3")
        sampler = create_rl_sampler(trainer.config.data, trainer.train)
        expected = [int(place) for place in DataLoader(range(len(trainer.train)), sampler=sampler)]
        assert list(islice(trainer.order, len(trainer.train))) == expected


class TestPolicy:
    def test_attention_is_that_of_transformers(self, small_config):
        path, attention = small_config.actor_rollout_ref.model.path, torch.ones(3, 7, dtype=torch.int64)
        attention[1, :4] = 0
        tokens = torch.randint(0, 200, (3, 7), generator=torch.Generator().manual_seed(0))
        ours = study_sampling.load_policy(path)
        assert ours.config.num_key_value_heads < ours.config.num_attention_heads
        theirs = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager")
        found, expected = (each(tokens, attention_mask=attention).logits for each in (ours, theirs))
        assert torch.allclose(found[attention == 1], expected[attention == 1], atol=1e-5)

    def test_tokens_are_drawn_by_their_probabilities(self):
        torch.manual_seed(0)
        probabilities = torch.tensor([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
        drawn = study_sampling.draw(probabilities.expand(100_000, -1))
        assert drawn.shape == (100_000, 1)
        shares = torch.bincount(drawn[:, 0], minlength=6) / 100_000
        assert shares[probabilities == 0].sum() == 0
        # Five standard deviations of a share of a half: 5 * sqrt(0.25 / 100,000)
        assert torch.allclose(shares, probabilities, atol=0.008)


class TestForward:
    @pytest.fixture
    def trainer(self, make_trainer):
        return make_trainer()

    @pytest.fixture
    def batch(self, trainer):
        """Two groups of three, their prompts of different lengths, so that one is padded."""
        torch.manual_seed(1)
        prompts = sorted(trainer.train, key=lambda prompt: len(prompt.tokens))
        return trainer.sample([prompts[0], prompts[-1]], 3)

    @pytest.mark.parametrize("n", [1, 3])
    def test_log_probs_and_entropy_are_those_of_each_response_alone(self, trainer, batch, n):
        log_probs, entropy = trainer.forward(batch, n=n)
        width = batch.sequences.shape[1] - batch.response_mask.shape[1]
        assert 0 < len(trainer.beginning) < width
        for row in range(len(batch.acc)):
            prompt = batch.sequences[row, :width][batch.attention[row, :width] == 1]
            length = int(batch.response_mask[row].sum())
            response = batch.sequences[row, width : width + length]
            logits = trainer.model(torch.cat([prompt, response]).unsqueeze(0)).logits[0, len(prompt) - 1 : -1]
            probs = torch.softmax(logits.double(), dim=-1)
            expected = probs.log()[torch.arange(length), response]
            assert torch.allclose(log_probs[row, :length].double(), expected, atol=1e-5)
            assert torch.allclose(entropy[row, :length].double(), -(probs * probs.log()).sum(dim=-1), atol=1e-4)

    def test_what_was_sampled_has_the_log_probs_and_entropy_of_the_update(self, trainer, batch):
        # Some end earlier than others, which go on without them.
        assert len(set(batch.response_mask.sum(dim=-1).tolist())) > 1
        for sampled, updated in zip((batch.log_probs, batch.entropy), trainer.forward(batch, n=3), strict=True):
            assert torch.allclose(sampled, torch.where(batch.response_mask, updated, 0.0), atol=1e-5)

    def test_the_temperature_is_that_of_the_sampling(self, make_trainer):
        trainer = make_trainer("actor_rollout_ref.rollout.temperature=0.5")
        batch = trainer.sample(trainer.train[:2], 2)
        updated = trainer.forward(batch, n=2)[0]
        assert torch.allclose(batch.log_probs, torch.where(batch.response_mask, updated, 0.0), atol=1e-5)

    @pytest.mark.parametrize(
        ("prompts", "same"),
        [([[1, 2, 3], [1, 2, 4, 5]], [1, 2]), ([[1, 2, 3], [1, 2, 3]], [1, 2]), ([[1, 2], [3, 2]], []), ([[7]], [])],
    )
    def test_what_prompts_begin_with_leaves_each_a_token(self, prompts, same):
        assert study_sampling.common_beginning([study_sampling.Prompt(tokens, {}) for tokens in prompts]) == same

    def test_responses_are_drawn_by_their_probabilities(self, make_trainer):
        trainer = make_trainer("data.max_response_length=1")
        torch.manual_seed(1)
        batch = trainer.sample(trainer.train[:1], 4000)
        first = batch.sequences[:, -1]
        counts = torch.bincount(first, minlength=300)[first].double()
        # 4,000 draws of a token of probability p: within five standard deviations of 4,000 p.
        expected = 4000 * batch.log_probs[:, 0].double().exp()
        assert bool(((counts - expected).abs() < 5 * expected.sqrt() + 1).all())


class TestAdvantages:
    # Groups: mixed, all wrong, all right; four responses each.
    ACC = [1.0, 0.0, 0.0, 0.0] + [0.0] * 4 + [1.0] * 4

    def log_probs(self):
        """Perplexities that separate right from wrong in all but the last response of each group without variance."""
        perplexity = torch.tensor([1.1, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 1.11, 1.1, 1.15, 1.12, 2.6])
        return -perplexity.log().unsqueeze(-1).expand(-1, 4)

    def test_grpo(self, make_trainer):
        trainer = make_trainer("algorithm.adv_estimator=grpo")
        batch = batch_of(self.ACC)._replace(log_probs=self.log_probs())
        advantages, metrics = trainer.advantages(batch)
        # Mean 1/4, standard deviation of 1, 0, 0, 0: sqrt((9 + 3) / 16 / 3) = 1/2.
        expected = torch.tensor([1.5, -0.5, -0.5, -0.5] + [0.0] * 8)
        assert torch.allclose(advantages[:, 0], expected, atol=1e-5)
        assert torch.equal(advantages != 0, batch.response_mask & (expected != 0).unsqueeze(-1))
        assert metrics["dipo/group_share/hard"] == pytest.approx(1 / 3)

    def test_dipo_adds_what_it_reallocates(self, make_trainer):
        trainer = make_trainer("algorithm.dipo.alpha=0.3", "algorithm.dipo.confidence=null")
        batch = batch_of(self.ACC)._replace(log_probs=self.log_probs())
        advantages, metrics = trainer.advantages(batch)
        assert metrics["dipo/reallocated_total/up"] == metrics["dipo/reallocated_total/down"] == 1
        # tau* is 1.575, where two of twelve are on the wrong side. One of four rewarded: the advantages of the mixed
        # group again, times alpha. In the second group, which holds a confident wrong answer, the least sure one is
        # rewarded; the unsure right one of the third is penalised.
        hard, easy = [-0.15, -0.15, 0.45, -0.15], [0.15, 0.15, 0.15, -0.45]
        expected = torch.tensor([1.5, -0.5, -0.5, -0.5, *hard, *easy])
        assert torch.allclose(advantages[:, 0], expected, atol=1e-5)
        assert torch.equal(advantages != 0, batch.response_mask)

    def test_what_is_masked_is_not_looked_at(self, make_trainer):
        batch = batch_of(self.ACC)._replace(log_probs=self.log_probs())
        poisoned = batch._replace(log_probs=torch.where(batch.response_mask, batch.log_probs, torch.nan))
        found = [make_trainer().advantages(each) for each in (batch, poisoned)]
        assert torch.equal(found[0][0], found[1][0])
        assert found[0][1] == found[1][1]

    @pytest.mark.parametrize(
        ("estimator", "hard", "easy"),
        [
            # No baseline: every wrong response -1, every right one lambda = 0.1.
            ("nsr", -1.0, 0.1),
            # The group's mean divides; it is 0 for all wrong, and what is above it is 0 for all right.
            ("max_rl", 0.0, 0.0),
        ],
    )
    def test_other_methods_decide_beside_dipos_metrics(self, make_trainer, estimator, hard, easy):
        batch = batch_of(self.ACC)._replace(log_probs=self.log_probs())
        advantages, metrics = make_trainer(f"algorithm.adv_estimator={estimator}").advantages(batch)
        assert advantages[[4, 8], 0].tolist() == pytest.approx([hard, easy])
        assert {"dipo/group_share/hard", f"{label_of(estimator)}/collapse_rate/{label_of(estimator)}"} <= set(metrics)

    def test_verls_own_estimators_do_too(self, make_trainer):
        batch = batch_of(self.ACC)
        advantages, _ = make_trainer("algorithm.adv_estimator=reinforce_plus_plus").advantages(batch)
        rewards = batch.score.unsqueeze(-1).expand(-1, 4)[batch.response_mask]
        # Whitened over all tokens of the batch: a response's reward-to-go is its reward at each of its tokens.
        expected = (rewards - rewards.mean()) / rewards.std()
        assert torch.allclose(advantages[batch.response_mask], expected, atol=1e-4)


class TestUpdate:
    @pytest.mark.parametrize("mode", ["token-mean", "seq-mean-token-mean"])
    @pytest.mark.parametrize("coefficient", [0.0, 0.5])
    def test_the_gradient_is_the_policy_gradient(self, make_trainer, mode, coefficient):
        trainer = make_trainer(
            f"actor_rollout_ref.actor.loss_agg_mode={mode}",
            f"actor_rollout_ref.actor.entropy_coeff={coefficient}",
            # As it is, without its length limited.
            "actor_rollout_ref.actor.grad_clip=1e9",
        )
        batch = batch_of([1.0, 0.0, 0.0, 0.0])
        advantages = torch.where(batch.response_mask, torch.tensor([[1.5], [-0.5], [-0.5], [-0.5]]), 0.0)
        mask = batch.response_mask.float()
        weights = mask / mask.sum() if mode == "token-mean" else mask / mask.sum(dim=-1, keepdim=True) / len(mask)
        log_probs, entropy = trainer.forward(batch)
        # On-policy the ratio is 1 and its gradient that of the log-prob; the clip does nothing.
        loss = -(weights * (advantages * log_probs + coefficient * entropy)).sum()
        expected = torch.autograd.grad(loss, list(trainer.model.parameters()))
        trainer.update(batch, advantages)
        for parameter, gradient in zip(trainer.model.parameters(), expected, strict=True):
            assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-6)

    @pytest.mark.parametrize(("live", "coefficient"), [(False, 0.0), (True, 0.0), (False, 0.5)])
    def test_parts_add_up_and_dead_groups_count_as_configured(self, make_trainer, live, coefficient):
        # Two groups of four, the second without a gradient.
        batch = batch_of([1.0, 0.0, 0.0, 0.0] + [0.0] * 4)
        advantage = torch.tensor([1.5, -0.5, -0.5, -0.5] + [0.0] * 4).unsqueeze(-1)
        trainer = make_trainer(
            f"actor_rollout_ref.actor.entropy_coeff={coefficient}",
            "actor_rollout_ref.actor.grad_clip=1e9",
            # One group at a time
            "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=4",
        )
        trainer.counts_dead_groups = not live
        counted = batch.response_mask[: 4 if live else 8].sum()
        log_probs, entropy = trainer.forward(batch)
        gained = advantage * log_probs + coefficient * entropy
        loss = -torch.where(batch.response_mask, gained, 0.0).sum() / counted
        expected = torch.autograd.grad(loss, list(trainer.model.parameters()))
        trainer.update(batch, torch.where(batch.response_mask, advantage, 0.0))
        for parameter, gradient in zip(trainer.model.parameters(), expected, strict=True):
            assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-6)

    def test_in_bfloat16_the_gradient_is_that_of_float32_but_for_its_noise(self, make_trainer):
        batch = batch_of([1.0, 0.0, 0.0, 0.0] * 8)
        advantages = torch.where(batch.response_mask, torch.tensor([1.5, -0.5, -0.5, -0.5] * 8).unsqueeze(-1), 0.0)
        gradients = []
        for precision in ("fp32", "bf16"):
            trainer = make_trainer(f"actor_rollout_ref.actor.fsdp_config.mixed_precision.param_dtype={precision}")
            before = trainer.model.lm_head.weight.detach().clone()
            trainer.update(batch, advantages)
            assert trainer.model.lm_head.weight.dtype == torch.float32
            assert not torch.equal(trainer.model.lm_head.weight, before)
            gradients.append(torch.cat([parameter.grad.flatten() for parameter in trainer.model.parameters()]))
        exact, rounded = gradients
        assert not torch.equal(exact, rounded)
        # Eight bits of a mantissa: each product errs by up to 2^-8, at random.
        assert torch.nn.functional.cosine_similarity(exact, rounded, dim=0) > 1 - 2**-8

    def test_a_step_without_any_gradient_is_still_a_step_of_the_optimizer(self, make_trainer):
        trainer = make_trainer("actor_rollout_ref.actor.optim.weight_decay=0.5")
        before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
        trainer.update(batch_of([0.0] * 8), torch.zeros(8, 4))
        factor = 1 - 0.5 * trainer.config.actor_rollout_ref.actor.optim.lr
        for parameter, was in zip(trainer.model.parameters(), before, strict=True):
            assert torch.allclose(parameter, was * factor, rtol=1e-6)

    def test_gradients_are_clipped_as_configured(self, make_trainer):
        trainer = make_trainer("actor_rollout_ref.actor.grad_clip=1e-3")
        batch = batch_of([1.0, 0.0, 0.0, 0.0])
        trainer.update(batch, batch.response_mask.float())
        norm = torch.stack([parameter.grad.norm() for parameter in trainer.model.parameters()]).norm()
        assert norm.item() == pytest.approx(1e-3, rel=1e-3)


class TestDescribed:
    def test_how_far_perplexities_tell_right_from_wrong_and_what_hard_groups_say(self):
        perplexity = torch.tensor([1.0, 3.0, 2.0, 2.0])
        batch = batch_of([1.0, 0.0, 0.0, 0.0], tokens=1)
        batch = batch._replace(log_probs=-perplexity.log().unsqueeze(-1), pred=["1", "2", "3", "3"])
        found = study_measures.described(batch, 2)
        # All wrong ones are more perplexed than the right one; the second group says one thing, of two it could.
        assert found == {"study/chance": 0.25, "study/auc": 1.0, "study/hard_distinct": 0.5}
        tied = batch._replace(log_probs=torch.zeros(4, 1), acc=torch.tensor([1.0, 0.0, 1.0, 0.0]))
        assert study_measures.described(tied, 2) == {"study/chance": 0.5, "study/auc": 0.5}
        assert study_measures.described(tied._replace(acc=torch.ones(4)), 2) == {"study/chance": 0.0}


class TestValidation:
    @pytest.mark.parametrize(("k", "expected"), [(1, (0 + 1 / 4 + 1) / 3), (2, (0 + 1 / 2 + 1) / 3), (4, 2 / 3)])
    def test_passes_are_chances_over_all_draws(self, k, expected):
        # 0, 1 and 4 of four are right; two drawn of four hold the one with a chance of 3 / 6.
        assert study_measures.pass_at(k, torch.tensor([0.0, 1.0, 4.0]), 4) == pytest.approx(expected)

    def test_what_was_hard_before_training_is_followed(self, make_trainer, monkeypatch):
        trainer = make_trainer()
        drawn = iter([[0.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
        monkeypatch.setattr(trainer, "sample", lambda _prompts, _n: batch_of(next(drawn)))
        first, later = trainer.validate(), trainer.validate()
        assert (first["study/pass@2"], first["study/solved_later"]) == (pytest.approx(1 / 3), 0.0)
        # Of the two that were all wrong one is not now; that the third has become so does not count.
        assert later["study/solved_later"] == 0.5


class TestDynamicSampling:
    def test_groups_without_variance_are_replaced_and_counted(self, make_trainer, monkeypatch):
        trainer = make_trainer("algorithm.adv_estimator=grpo", "algorithm.filter_groups.enable=true")
        asked: list[int] = []
        drawn = iter([[0.0] * 4 + [1.0, 0.0, 0.0, 0.0], [1.0] * 4, [0.0, 1.0, 0.0, 1.0]])

        def sample(prompts, _n):
            asked.append(len(prompts))
            return batch_of(next(drawn))

        monkeypatch.setattr(trainer, "sample", sample)
        batch, metrics = trainer.collect()
        assert asked == [2, 1, 1]
        assert batch.acc.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0]
        assert metrics["training/filter_groups/evicted_samples"] == 2
        # Four responses of 1, 2, 3 and 4 tokens in each of four groups.
        assert metrics["study/generated_tokens"] == 40
        assert metrics["response_length/mean"] == 2.5

    def test_without_it_nothing_is_replaced(self, make_trainer, monkeypatch):
        trainer = make_trainer("algorithm.adv_estimator=grpo")
        monkeypatch.setattr(trainer, "sample", lambda _prompts, _n: batch_of([0.0] * 8))
        batch, metrics = trainer.collect()
        assert len(batch.acc) == 8
        assert metrics["training/filter_groups/evicted_samples"] == 0


class TestRun:
    def test_a_run_is_logged_as_verl_logs_one_and_can_be_repeated(
        self, small_study, make_trainer, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(sys, "argv", ["study_loop.py", "--run-dir", str(tmp_path), *small_study])
        study_loop.main()
        log = read_run(tmp_path / "metrics.jsonl")
        kind, validated, accuracy = validation_of(log)
        assert (kind, validated, len(accuracy)) == ("mean@2", [0, 2], 2)
        assert "val-aux/dipo/arithmetic/acc/pass@2" in log.steps[2]
        assert log.steps[1]["study/generated_tokens"] > 8
        again = dict(make_trainer().run())
        timed = ("timing_s/step", "study/processor_seconds")
        for step, data in log.steps.items():
            assert {k: v for k, v in data.items() if k not in timed} == {
                k: v for k, v in json.loads(json.dumps(again[step])).items() if k not in timed
            }

    def test_a_fork_that_fails_leaves_the_reason(self, tmp_path):
        arguments = (tmp_path, ["+experiment=cpu_demo", "trainer.no_such_key=1"], "up")
        process = multiprocessing.get_context("fork").Process(target=study_loop.train_forked, args=arguments)
        process.start()
        process.join(60)
        assert process.exitcode == 1
        assert "no_such_key" in (tmp_path / "launch.log").read_text()
