"""The probe of single updates: what it repeats, leaves alone and counts."""

import math

import pandas as pd
import pytest
import study_sampling
import study_why
import torch

from groupwise.method import Responses, build
from recipe.dipo.threshold import Threshold


@pytest.fixture
def decided():
    """A hard, an easy and a mixed group of three responses, and tau* = 1.5."""
    correct = torch.tensor([0, 0, 0, 1, 1, 1, 0, 1, 1]).bool()
    responses = Responses(
        reward=correct.float(),
        correct=correct,
        known=torch.ones_like(correct),
        group=torch.arange(9) // 3,
        perplexity=torch.tensor([1.1, 1.3, 2.0, 1.1, 1.7, 1.9, 1.2, 1.2, 1.2], dtype=torch.float64),
        step=1,
    )
    threshold = Threshold(value=1.5, error_rate=0.1, exploitation_advantage=0.5, exploration_advantage=0.5)
    return responses, threshold


def touch(choice: str, kind: str, responses: Responses, threshold: Threshold | None) -> study_why.Touched:
    return study_why.touch(study_why.chosen_by(build("dipo"), choice), kind, responses, threshold)


class TestTouch:
    def test_hard_groups(self, decided):
        touched = touch("any", "hard", *decided)
        # The least sure of the confidently wrong ones.
        assert touched.reallocated.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
        assert touched.chosen.tolist() == [1]
        assert touched.members.nonzero()[:, 0].tolist() == [0, 1, 2]

    def test_easy_groups(self, decided):
        touched = touch("any", "easy", *decided)
        assert touched.reallocated.tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0]
        assert touched.chosen.tolist() == [5]
        assert touched.members.nonzero()[:, 0].tolist() == [3, 4, 5]

    def test_another_rule(self, decided):
        # Of perplexities 1.1, 1.3 and 2.0 the median lies below 1.5: of the whole group the least sure one.
        assert touch("median", "hard", *decided).chosen.tolist() == [2]
        # With one of the three below it, any_group takes the same.
        assert touch("any_group", "hard", *decided).chosen.tolist() == [2]
        # Of 1.1, 1.7 and 1.9 it lies above.
        assert touch("median", "easy", *decided).chosen.tolist() == [5]
        # Their mean, 1.47, as well.
        assert touch("mean", "hard", *decided).chosen.tolist() == [2]

    def test_a_draw_touches_the_same_groups(self, decided):
        for kind in study_why.KINDS:
            drawn, ours = (touch(choice, kind, *decided) for choice in ("random", "any"))
            assert torch.equal(drawn.members, ours.members)
            assert len(drawn.chosen) == 1

    def test_without_a_threshold_none(self, decided):
        responses, _ = decided
        touched = touch("any", "hard", responses, None)
        assert len(touched.chosen) == 0


def test_whether_the_chosen_response_is_a_common_one(make_trainer):
    batch = make_trainer().sample(make_trainer().train[:2], 4)
    batch = batch._replace(pred=["5", "5", "6", "7", "1", "1", "2", "2"])
    touched = study_why.Touched(torch.zeros(8), torch.ones(8).bool(), torch.tensor([2, 7]))
    # 6 is said once where 5 is said twice; 2 is said as often as 1.
    assert study_why.says_commonest(batch, touched, 4) == [False, True]


def test_whether_a_group_says_one_and_the_same(make_trainer):
    trainer = make_trainer()
    batch = trainer.sample(trainer.train[:3], 4)
    sequences, response_mask = batch.sequences.clone(), batch.response_mask.clone()
    length = response_mask.shape[1]
    # The first and the last group say what their first response says, whatever stands in the padding.
    for group in (0, 2):
        sequences[4 * group : 4 * group + 4] = sequences[4 * group]
        response_mask[4 * group : 4 * group + 4] = torch.arange(length) < 2
        sequences[4 * group : 4 * group + 4, -1] = torch.arange(4)
    # The last one but for the last of its tokens in one response.
    sequences[11, -length + 1] += 1
    sequences[5] = sequences[4] + 1
    batch = batch._replace(sequences=sequences, response_mask=response_mask)
    touched = study_why.Touched(torch.zeros(12), torch.ones(12).bool(), torch.tensor([2, 4, 11]))
    assert study_why.are_alike(batch, touched, 4) == [True, False, False]


def test_right_answers_are_those_of_the_prompts(make_trainer):
    trainer = make_trainer()
    prompts = trainer.train[:2]
    chosen = study_sampling.select(trainer.sample(prompts, 1), torch.tensor([1, 0]))
    right = study_why.right_answers(trainer, prompts[::-1], chosen)
    length = right.response_mask.shape[1]
    for row, prompt in enumerate(prompts[::-1]):
        tokens = right.sequences[row, -length:][right.response_mask[row]]
        assert trainer.tokenizer.decode(tokens, skip_special_tokens=True) == (
            f"#### {prompt.row['reward_model']['ground_truth']}"
        )
        assert tokens[-1] == trainer.tokenizer.eos_token_id
        assert right.sequences[row][right.attention[row] == 1].tolist() == prompt.tokens + tokens.tolist()


class TestProbe:
    OVERRIDES = ("algorithm.adv_estimator=grpo", "algorithm.dipo.confidence=null")

    @pytest.fixture
    def verdicts(self, monkeypatch):
        """An untrained model is never right: of the two groups one is all right now, with perplexity to tell."""

        def judge(trainer):
            original = trainer.sample

            def sample(prompts, n):
                acc = torch.arange(len(prompts)).repeat_interleave(n) % 2
                return original(prompts, n)._replace(acc=acc.float(), score=acc.float())

            trainer.sample = sample
            shift = torch.where(torch.arange(8) < 4, 0.5, 0.0)
            # One of each group on the other side.
            shift[[0, 7]] = torch.tensor([0.0, 0.5])
            shifted = type(trainer).responses

            def responses(batch, step=1):
                found = shifted(trainer, batch, step)
                columns = (found.reward, found.correct, found.known, found.group)
                return Responses(*columns, 1 + shift.double() + 1e-3 * torch.arange(8), step=1)

            trainer.responses = responses
            return trainer

        return judge

    def test_the_run_goes_on_as_without_it(self, make_trainer, verdicts):
        probed, plain = (verdicts(make_trainer(*self.OVERRIDES)) for _ in range(2))
        torch.manual_seed(1)
        effects = [row for found in study_why.Probe(probed).steps(2) for row in found.effects]
        torch.manual_seed(1)
        for _ in range(2):
            plain.step()
        for a, b in zip(probed.model.parameters(), plain.model.parameters(), strict=True):
            assert torch.equal(a, b)
        # One response of each group lies on the other side of tau*: as a whole, by median or mean, neither does.
        assert {(row["choice"], row["kind"]) for row in effects} == {
            (choice, kind) for choice in ("any", "random", "any_group", "always", "none") for kind in ("hard", "easy")
        }

    def test_a_reward_makes_its_response_likelier_and_a_penalty_the_reverse(self, make_trainer, verdicts):
        trainer = verdicts(make_trainer(*self.OVERRIDES, "algorithm.dipo.alpha=1.0"))
        effects = next(study_why.Probe(trainer).steps(1)).effects
        by = {(row["choice"], row["kind"]): row for row in effects}
        assert by["any", "hard"]["chosen"] > 0
        assert by["any", "easy"]["chosen"] < 0

    def test_without_weight_nothing_changes(self, make_trainer, verdicts):
        trainer = verdicts(make_trainer(*self.OVERRIDES, "algorithm.dipo.alpha=0.0"))
        effects = next(study_why.Probe(trainer).steps(1)).effects
        for row in effects:
            if row["choice"] != "none":
                assert [row[name] for name in study_why.FIGURES] == [0.0, 0.0, 0.0]

    def test_which_groups_each_rule_touches(self, make_trainer, verdicts):
        # Of the hard group the first perplexity is 1, below tau*, and the others are 1.5 and more, above it.
        found = next(study_why.Probe(verdicts(make_trainer(*self.OVERRIDES))).steps(1))
        touched = {row["rule"]: row["groups"] for row in found.rules}
        assert touched == {"any": 1, "any_group": 1, "median": 0, "mean": 0, "max": 0, "always": 1}


def test_report_of_rules():
    rows = [
        {"rule": rule, "groups": groups, "alike": alike, "commonest": commonest}
        for rule, groups, alike, commonest in (("any", 3, 1, 3), ("any", 5, 1, 3), ("max", 0, 0, 0))
    ]
    text = study_why.report_rules(pd.DataFrame(rows))
    # Of eight groups in two steps two and six.
    assert "| any | 4.00 | 25% | 75% |" in text
    assert "| max | 0.00 | - | - |" in text


def test_report():
    rows = [
        {"choice": "any", "kind": "hard", "groups": g, "commonest": 0.5, "right": r, "chosen": 0.0, "entropy": 0.0}
        for g, r in ((1, 0.1), (3, 0.3))
    ]
    # Mean 0.2, standard error 0.1, t with one degree of freedom 12.706.
    half = 0.1 * math.tan(math.pi * 0.475)
    expected = f"| hard | any | 2 | 2.0 | 50% | +0.20000 ({0.2 - half:+.5f} to {0.2 + half:+.5f}) |"
    assert expected in study_why.report(pd.DataFrame(rows))
